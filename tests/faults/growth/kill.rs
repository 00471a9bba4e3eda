//! `kill -9` of a program that appends on and on: every row that it flushed is in the file.

use std::path::Path;
use std::time::Duration;

use mmap_array::{NpyFile, OpenOptions, Tail, View, s};

use super::{all_cases, assert_rows, row, rows};
use crate::child::{say, start};
use crate::mapped::doors::{self, PLAIN};
use crate::tools::no_spawns;

/// Elements in a row.
const ROW: usize = 256;

/// How many rows the append number `step` brings.
fn count(step: usize) -> usize {
    1 + step * 5 % 7
}

/// Child: appends and flushes; says after each flush how many rows there are.
pub(crate) fn on_and_on(path: &Path) {
    let mut file = NpyFile::<u64>::create(path, [0, ROW]).unwrap();
    for step in 0.. {
        let at = file.shape()[0];
        file.append(&rows(at..at + count(step), ROW)).unwrap();
        if step % 3 > 0 {
            file.flush().unwrap();
            say(file.shape()[0]);
        }
    }
}

/// Child: the same through a map: rows of zeros, which get their elements by stores, and rows that
/// lie in memory backwards.
pub(crate) fn on_and_on_mapped(path: &Path) {
    let mut array = doors::create::<u64>(&PLAIN, path, &[0, ROW]).unwrap();
    for step in 0.. {
        let at = array.shape()[0];
        let new = rows(at..at + count(step), ROW);
        if step % 2 == 0 {
            array.append(&vec![0; new.len()]).unwrap();
            array.as_mut_slice().unwrap()[at * ROW..].copy_from_slice(&new);
        } else {
            let backwards: Vec<u64> = new.iter().rev().copied().collect();
            let view = View::from_shape([count(step), ROW], &backwards).unwrap();
            array.append_view(view.slice(s![..;-1, ..;-1]).unwrap()).unwrap();
        }
        if step % 3 > 0 {
            array.flush().unwrap();
            say(array.shape()[0]);
        }
    }
}

fn kill_on_and_on(role: &str) {
    let folder = tempfile::tempdir().unwrap();
    let rounds = if all_cases() { 200 } else { 40 };
    for round in 0..rounds {
        let path = folder.path().join("a.npy");
        let mut child = start(role, &path);
        let mut last: usize = child.next_line().unwrap().parse().unwrap();
        for _ in 0..round % 5 {
            last = child.next_line().unwrap().parse().unwrap();
        }
        std::thread::sleep(Duration::from_micros(round as u64 * 397 % 5000));
        if let Some(unheard) = child.kill().last() {
            last = unheard.parse().unwrap();
        }

        let _calm = no_spawns();
        let found = NpyFile::<u64>::open(&path).unwrap();
        assert!(found.shape()[0] >= last, "{:?}, {last} were flushed", found.shape());
        assert_rows(&found);
        let by_position = role == "grow_on_and_on";
        // Rows of zeros, whose stores were still to come, are adopted as they are.
        let tail = if by_position && round % 2 == 0 { Tail::Adopt } else { Tail::Discard };
        let mut file = OpenOptions::new().recover_file::<u64>(&path, tail).unwrap();
        let count = file.shape()[0];
        assert!(count == found.shape()[0] || (tail == Tail::Adopt && count > found.shape()[0]));
        file.append(&row(count, ROW)).unwrap();
        file.flush().unwrap();
        assert_eq!(file.shape(), [count + 1, ROW]);
        assert_rows(&file);
        std::fs::remove_file(&path).unwrap();
    }
}

#[test]
fn every_flushed_row_is_in_the_file_after_kill_9() {
    kill_on_and_on("grow_on_and_on");
}

#[test]
fn every_flushed_row_of_a_map_is_in_the_file_after_kill_9() {
    kill_on_and_on("grow_on_and_on_mapped");
}
