//! Readers beside a writer that commits as fast as it can: each sees the old length or the new one,
//! and never a part of a header.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use mmap_array::{NpyFile, OpenOptions, View};

use super::all_cases;
use crate::ground;
use crate::tools::no_spawns;

/// Columns: the number of rows, which the header says before it, has another number of digits in
/// each of the two headers, so that everything behind it moves.
const COLUMNS: usize = 3;

fn save_rows(path: &Path, rows: usize) {
    let elements: Vec<i32> = (0..(rows * COLUMNS) as i32).collect();
    let view = View::from_shape([rows, COLUMNS], &elements).unwrap();
    let _calm = no_spawns();
    OpenOptions::new().overwrite(true).save(path, view).unwrap();
}

/// Two headers of one file, and where they differ.
struct Headers {
    both: [Vec<u8>; 2],
    first: usize,
}

/// A file that has 100 rows, and the headers of 99 and 100.
fn headers(path: &Path) -> Headers {
    let both = [99, 100].map(|rows| {
        save_rows(path, rows);
        fs::read(path).unwrap()[..128].to_vec()
    });
    let differs = |&at: &usize| both[0][at] != both[1][at];
    let first = (0..128).find(differs).unwrap();
    let last = (0..128).rfind(differs).unwrap();
    Headers { both: both.map(|header| header[first..=last].to_vec()), first }
}

/// Commits one of two lengths after the other, without the syncs that would slow it down, while
/// `work` is done. Says how often.
fn while_it_flips<R>(path: &Path, work: impl FnOnce() -> R) -> (R, u64) {
    let Headers { both, first } = headers(path);
    let (stop, flips) = (AtomicBool::new(false), AtomicU64::new(0));
    let file = File::options().write(true).open(path).unwrap();
    let result = thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                for header in &both {
                    file.write_all_at(header, first as u64).unwrap();
                }
                flips.fetch_add(2, Ordering::Relaxed);
            }
        });
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
        stop.store(true, Ordering::Relaxed);
        result
    });
    match result {
        Ok(result) => (result, flips.into_inner()),
        Err(panic) => std::panic::resume_unwind(panic),
    }
}

/// Opens and refreshes; returns how often each length was seen.
fn read_lengths(path: &Path, rounds: usize) -> [u64; 2] {
    let mut seen = [0; 2];
    let mut look = |shape: &[usize]| match *shape {
        [99, COLUMNS] => seen[0] += 1,
        [100, COLUMNS] => seen[1] += 1,
        _ => panic!("a shape of {shape:?}"),
    };
    let mut file = NpyFile::<i32>::open(path).unwrap();
    for round in 0..rounds {
        match round % 2 {
            0 => look(NpyFile::<i32>::open(path).unwrap().shape()),
            _ => {
                file.refresh().unwrap();
                look(file.shape());
            }
        }
    }
    seen
}

fn only_two_lengths_are_seen_in(folder: &Path) {
    let rounds = if all_cases() { 1_000_000 } else { 50_000 };
    let path = folder.join("a.npy");
    let (seen, flips) = while_it_flips(&path, || read_lengths(&path, rounds));
    println!("{rounds} looks at {flips} headers: {seen:?} times 99 and 100 rows");
    assert!(seen.iter().all(|&times| times > 0), "{seen:?}");
}

#[test]
fn a_reader_beside_a_writer_sees_the_old_length_or_the_new_one_in_memory() {
    let Some(disk) = ground::tmpfs("size=4m") else { return };
    only_two_lengths_are_seen_in(&disk.join(""));
}

#[test]
fn a_reader_beside_a_writer_sees_the_old_length_or_the_new_one_on_ext4() {
    let Some(disk) = ground::ext4(16) else { return };
    only_two_lengths_are_seen_in(&disk.join(""));
}
