//! Arrays far larger than memory, and than the disk.

use std::fs;
use std::path::Path;

use mmap_array::{Allocation, NpyFile, OpenOptions, Order, load};

use crate::child::{say, start};
use crate::tools::{skip, status_bytes, word};

/// The most memory that a child may ever use; its code alone takes a quarter of that.
const MEMORY: u64 = 64 << 20;

const ROWS: usize = 2_500_000;
const COLUMNS: usize = 1_000_000;

/// Child: ten terabytes of int32.
pub(crate) fn huge(path: &Path) {
    let options = OpenOptions::new().allocation(Allocation::Sparse);
    let file = match options.create_file::<i32>(path, [ROWS, COLUMNS]) {
        Ok(file) => file,
        Err(error) => return say(format!("cannot be held: {error}")),
    };
    let corners = [(0, 0), (ROWS / 2, COLUMNS / 2), (ROWS - 3, COLUMNS - 5)];
    for (value, (row, column)) in (1..).zip(corners) {
        file.write_window([row..row + 3, column..column + 5], &[value; 15]).unwrap();
    }
    file.close().unwrap();
    let file = NpyFile::<i32>::open(path).unwrap();
    assert_eq!(fs::metadata(path).unwrap().len(), 128 + 10_000_000_000_000);
    for (value, (row, column)) in (1..).zip(corners) {
        let found = file.read_window([row..row + 3, column..column + 5]).unwrap();
        assert_eq!(found.as_slice(), [value; 15]);
    }
    let untouched = file.read_window([1_000_000..1_000_001, 0..COLUMNS]).unwrap();
    assert!(untouched.as_slice().iter().all(|&found| found == 0));
    // Where the kernel hands out memory that it does not have, this would not be an error.
    if fs::read_to_string("/proc/sys/vm/overcommit_memory").is_ok_and(|mode| mode.trim() != "1") {
        assert_eq!(word(&load::<i32>(path)), "OutOfMemory");
    }
    say("done");
    say(status_bytes("VmHWM"));
}

#[test]
fn ten_terabytes_take_no_time_and_no_memory() {
    let folder = tempfile::tempdir().unwrap();
    let lines = start("huge", &folder.path().join("a.npy")).finish();
    match &lines[..] {
        [done, peak] if done == "done" => {
            assert!(peak.parse::<u64>().unwrap() < MEMORY, "{peak} bytes");
        }
        [reason] => skip(format!("ten terabytes {reason}")),
        lines => panic!("{lines:?}"),
    }
}

/// Child: goes through a gibibyte in windows, by each of the ways that windows are read.
pub(crate) fn stream(path: &Path) {
    const ROWS: usize = 1 << 10;
    const ROW: usize = 1 << 17;
    let options = OpenOptions::new().allocation(Allocation::Sparse);
    let file = options.create_file::<f64>(path, [ROWS, ROW]).unwrap();
    file.write_window([ROWS - 1..ROWS, 0..ROW], &vec![1.0; ROW]).unwrap();
    let mut buffer = vec![0.0; 4 * ROW];
    let mut sum = 0.0;
    for window in file.row_blocks(4).unwrap() {
        file.read_window_into(&window, &mut buffer).unwrap();
        sum += buffer[buffer.len() - 1];
    }
    for window in file.tiles([ROWS, ROW / 64]).unwrap().take(4) {
        sum += file.read_window(&window).unwrap()[[ROWS - 1, 0]];
    }
    // Against the order of the file: through a small buffer.
    let path = path.with_extension("fortran.npy");
    let file = options.order(Order::Fortran).create_file::<f64>(&path, [ROWS, ROW]).unwrap();
    for window in file.tiles([ROWS, 512]).unwrap().take(2) {
        file.write_window(&window, &vec![2.0; ROWS * 512]).unwrap();
        sum += file.read_window(&window).unwrap()[[ROWS - 1, 511]];
    }
    say(sum);
    say(status_bytes("VmHWM"));
}

#[test]
fn a_gibibyte_streams_through_a_few_mebibytes() {
    let folder = tempfile::tempdir().unwrap();
    let lines = start("stream", &folder.path().join("a.npy")).finish();
    assert_eq!(lines[0], "9");
    assert!(lines[1].parse::<u64>().unwrap() < MEMORY, "{} bytes", lines[1]);
}
