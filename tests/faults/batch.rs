//! Batches of what is not in memory: each run is asked for before it is read, several at a time, in
//! the order of the file, and neighbours are one read.

use std::fs::File;
use std::path::Path;

use mmap_array::{MmapArray, NpyFile, View, save};

use crate::child::say;
use crate::lab::Lab;
use crate::tools::skip;

/// Elements of a row of 64 KiB.
const LEN: usize = 16 << 10;
const ROWS: usize = 40;
/// Shuffled, no two of them neighbours, one of them twice; less than what is worth a thread.
const ROWS_APART: [usize; 12] = [20, 2, 38, 8, 14, 10, 26, 32, 4, 8, 34, 16];
/// Short pieces that lie side by side.
const NEIGHBOURS: [usize; 8] = [23, 20, 21, 27, 26, 22, 24, 25];

/// Children: read batches of a file that is not in memory.
pub(crate) fn by_position(path: &Path) {
    let file = NpyFile::<u32>::open(path).unwrap();
    let mut out = vec![0; ROWS_APART.len() * LEN];
    forget(path);
    file.take(0, &ROWS_APART, &mut out).unwrap();
    check_rows(&out);
}

pub(crate) fn mapped(path: &Path) {
    // SAFETY: nobody else knows of the file.
    #[allow(unsafe_code)]
    let array = unsafe { MmapArray::<u32>::open(path) }.unwrap();
    let mut out = vec![0; ROWS_APART.len() * LEN];
    forget(path);
    array.take(0, &ROWS_APART, &mut out).unwrap();
    check_rows(&out);
}

pub(crate) fn neighbours(path: &Path) {
    let file = NpyFile::<u32>::open(path).unwrap();
    let windows = NEIGHBOURS.map(|piece| [7..8, piece * 100..(piece + 1) * 100].into());
    let mut out = [0; NEIGHBOURS.len() * 100];
    forget(path);
    file.read_windows(&windows, &mut out).unwrap();
    let expected = |piece: usize| 7 * LEN + piece * 100;
    let right =
        out.chunks(100).zip(NEIGHBOURS).all(|(out, piece)| out[0] == expected(piece) as u32);
    say(if right { "right" } else { "wrong" });
}

fn check_rows(out: &[u32]) {
    let right = out.chunks(LEN).zip(ROWS_APART).all(|(out, row)| out[0] == (row * LEN) as u32);
    say(if right { "right" } else { "wrong" });
}

fn forget(path: &Path) {
    let file = File::open(path).unwrap();
    rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed).unwrap();
}

/// What a child did after it let the file go: the name of each call, its offset and its length.
fn calls_of(role: &str) -> Option<Vec<(String, usize, usize)>> {
    let lab = Lab::new()?;
    let elements: Vec<u32> = (0..(ROWS * LEN) as u32).collect();
    save(lab.path(), View::from_shape([ROWS, LEN], &elements).unwrap()).unwrap();
    let lines = lab.trace(&["fadvise64", "pread64", "preadv2"], role);
    let after = lines.iter().position(|line| line.contains("DONTNEED")).expect("it lets go");
    let lines = &lines[after + 1..];
    let calls = lines.iter().filter(|line| !line.starts_with("preadv2")).map(|line| {
        let (name, rest) = line.split_once('(').unwrap();
        let arguments: Vec<_> = rest.split_once(") = ").unwrap().0.split(", ").collect();
        let number = |from_end: usize| arguments[arguments.len() - from_end].parse().unwrap();
        match name {
            "pread64" => (name.to_owned(), number(1), number(2)),
            _ => (name.to_owned(), number(3), number(2)),
        }
    });
    let calls: Vec<_> = calls.collect();
    if calls.is_empty() {
        skip("files in this folder are always in memory");
        return None;
    }
    Some(calls)
}

/// Each row once, in the order of the file; all are asked for before the first one is read.
fn check_calls(role: &str) {
    let Some(calls) = calls_of(role) else { return };
    let mut rows = ROWS_APART.to_vec();
    rows.sort_unstable();
    rows.dedup();
    let expected = |name: &'static str| {
        rows.iter().map(move |row| (name.to_owned(), 128 + row * LEN * 4, LEN * 4))
    };
    assert_eq!(calls, expected("fadvise64").chain(expected("pread64")).collect::<Vec<_>>());
}

#[test]
fn rows_that_are_not_in_memory_are_all_asked_for_before_the_first_one_is_read() {
    check_calls("batch_by_position");
}

#[test]
fn a_mapped_array_reads_rows_that_are_not_in_memory_by_position() {
    check_calls("batch_mapped");
}

#[test]
fn neighbours_are_one_read() {
    let Some(calls) = calls_of("batch_neighbours") else { return };
    let (offset, byte_len) = (128 + (7 * LEN + 2000) * 4, NEIGHBOURS.len() * 400);
    let expected = ["fadvise64", "pread64"].map(|name| (name.to_owned(), offset, byte_len));
    assert_eq!(calls, expected);
}
