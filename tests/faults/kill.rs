//! `kill -9` in the middle of writing: what was acknowledged is in the file.

use std::path::Path;

use mmap_array::{Allocation, NpyFile, OpenOptions};

use crate::child::{say, start};
use crate::tools::word;

pub(crate) const ROWS: usize = 100_000;
/// Elements in a row: 2 KiB.
pub(crate) const ROW: usize = 256;

pub(crate) fn row(index: usize) -> Vec<u64> {
    (0..ROW).map(|column| (index * ROW + column) as u64 + 1).collect()
}

/// Child: creates the file and writes one row after the other, and says so after each.
pub(crate) fn rows(path: &Path) {
    let options = OpenOptions::new().allocation(Allocation::Sparse);
    let file = options.create_file::<u64>(path, [ROWS, ROW]).unwrap();
    for index in 0..ROWS {
        file.write_window([index..index + 1, 0..ROW], &row(index)).unwrap();
        say(index);
    }
}

#[test]
fn every_acknowledged_row_is_in_the_file_after_kill_9() {
    kill_50("rows");
}

/// Kills 50 children that write rows and say so after each, and looks whether all are there.
pub(crate) fn kill_50(role: &str) {
    let folder = tempfile::tempdir().unwrap();
    for round in 0..50 {
        let path = folder.path().join("a.npy");
        let mut child = start(role, &path);
        // Killed while it is writing, after more and more rows.
        let heard: Vec<_> = (0..=round * 7).map(|_| child.next_line().unwrap()).collect();
        let unheard = child.kill();
        let last = unheard.last().or(heard.last()).unwrap().parse::<usize>().unwrap();

        let file = NpyFile::<u64>::open_mut(&path);
        assert_eq!(word(&file), "Ok");
        let found = file.unwrap().read_window([0..last + 1, 0..ROW]).unwrap();
        for (index, found) in found.as_slice().chunks_exact(ROW).enumerate() {
            assert_eq!(found, row(index), "row {index} of {last}, round {round}");
        }
        std::fs::remove_file(&path).unwrap();
    }
}
