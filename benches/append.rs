//! What appending costs: rows of 1 KiB one by one, without a flush and with one for each row.
//!
//! The limit is the writes and syncs that the work needs, made bare. The rival is NpyAppendArray,
//! where `MMAP_ARRAY_BENCH_PYTHON` names a Python that has it (`pip install npy-append-array`); its
//! runs come between ours, and are timed inside Python, without its start. With a flush, it is
//! followed by `os.fsync`, which it does not do itself. The last column is our time divided by
//! theirs.
//!
//! `MMAP_ARRAY_BENCH_PYTHON=python3 cargo bench --bench append`

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use mmap_array::bytemuck::cast_slice;
use mmap_array::{Header, NpyFile, Order};

const COLUMNS: usize = 128;
const ROUNDS: usize = 7;

fn main() {
    let test = !std::env::args().any(|argument| argument == "--bench");
    let (rows, rounds) = if test { (3, 1) } else { (20_000, ROUNDS) };
    println!("workload, its limit and rival   median us/row    ratio target (ours / theirs)");
    compare("append, unsynced", "<= 0.33 of NpyAppendArray", rows, rounds, false);
    compare("append and commit", "<= 1.11 of the calls", rows.min(200), rounds, true);
}

fn compare(name: &str, target: &str, rows: usize, rounds: usize, commit: bool) {
    let folder = tempfile::tempdir().expect("a folder for files that go away");
    let path = folder.path().join("a.npy");
    let mut times: [Vec<f64>; 3] = Default::default();
    for _ in 0..rounds {
        for (way, times) in times.iter_mut().enumerate() {
            let seconds = match way {
                0 => Some(ours(&path, rows, commit)),
                1 => Some(bare(&path, rows, commit)),
                _ => python(&path, rows, commit),
            };
            times.extend(seconds.map(|seconds| seconds / rows as f64 * 1e6));
            let _ = std::fs::remove_file(&path);
        }
    }
    println!("{name:<49} {target}");
    let median = times.each_mut().map(|times| {
        times.sort_by(f64::total_cmp);
        times.get(times.len() / 2).copied()
    });
    for (way, median_us) in ["NpyFile", "the calls it needs", "NpyAppendArray"].iter().zip(median) {
        match (median_us, median[0]) {
            (Some(us), Some(ours)) => println!("  {way:<26} {us:>14.3} {:>8.2}", ours / us),
            _ => println!("  {way:<26}      not measured"),
        }
    }
}

fn row(number: usize) -> [f64; COLUMNS] {
    [number as f64; COLUMNS]
}

fn ours(path: &Path, rows: usize, commit: bool) -> f64 {
    let mut file = NpyFile::<f64>::create(path, [0, COLUMNS]).unwrap();
    let start = Instant::now();
    for number in 0..rows {
        file.append(&row(number)).unwrap();
        if commit {
            file.flush().unwrap();
        }
    }
    let seconds = start.elapsed().as_secs_f64();
    file.flush().unwrap();
    assert_eq!(mmap_array::load::<f64>(path).unwrap().as_slice()[(rows - 1) * COLUMNS], {
        (rows - 1) as f64
    });
    seconds
}

/// Data, sync, the header's digits, sync.
fn bare(path: &Path, rows: usize, commit: bool) -> f64 {
    let header = |rows| {
        let dtype = "<f8".parse().unwrap();
        Header::new(dtype, [rows, COLUMNS], Order::C).unwrap().to_bytes()
    };
    let file = File::create_new(path).unwrap();
    file.write_all_at(&header(0), 0).unwrap();
    let start = Instant::now();
    for number in 0..rows {
        file.write_all_at(cast_slice(&row(number)), (128 + number * COLUMNS * 8) as u64).unwrap();
        if commit {
            file.sync_data().unwrap();
            file.write_all_at(&header(number + 1)[60..80], 60).unwrap();
            file.sync_data().unwrap();
        }
    }
    start.elapsed().as_secs_f64()
}

/// Seconds, where there is such a Python.
fn python(path: &Path, rows: usize, commit: bool) -> Option<f64> {
    const PROGRAM: &str = "
import os, sys, time
import numpy as np
from npy_append_array import NpyAppendArray
path, rows, columns, commit = sys.argv[1], *map(int, sys.argv[2:])
with NpyAppendArray(path) as file:
    file.append(np.zeros((1, columns)))
    start = time.perf_counter()
    for number in range(rows):
        file.append(np.full((1, columns), float(number)))
        if commit:
            file.fp.flush()
            os.fsync(file.fp.fileno())
    print(time.perf_counter() - start)
";
    let python = std::env::var_os("MMAP_ARRAY_BENCH_PYTHON")?;
    let numbers = [rows, COLUMNS, usize::from(commit)].map(|number| number.to_string());
    let output = Command::new(python).args(["-c", PROGRAM]).arg(path).args(numbers).output();
    let output = output.expect("the Python that was named");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8_lossy(&output.stdout).trim().parse().expect("seconds"))
}
