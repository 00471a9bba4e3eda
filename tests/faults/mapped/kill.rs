//! `kill -9` in the middle of stores: what was acknowledged is in the file, without any flush.

use std::path::Path;

use mmap_array::{Allocation, View, s};

use super::doors::{self, PLAIN};
use crate::child::say;
use crate::kill::{ROW, ROWS, kill_50, row};

/// Child: creates the file, writes one row after the other, through the map, by window and by
/// slice in turn, and says so after each.
pub(crate) fn rows(path: &Path) {
    let options = PLAIN.allocation(Allocation::Sparse);
    let mut array = doors::create::<u64>(&options, path, &[ROWS, ROW]).unwrap();
    for index in 0..ROWS {
        let row = row(index);
        match index % 4 {
            0 => array.slice_mut(s![index]).unwrap().copy_from(&row).unwrap(),
            1 => array.write_window([index..index + 1, 0..ROW], &row).unwrap(),
            2 => (0..ROW).for_each(|column| array[[index, column]] = row[column]),
            _ => {
                let view = View::from_shape([ROW], &row).unwrap();
                array.write_slice(s![index], view).unwrap();
            }
        }
        say(index);
    }
}

#[test]
fn every_acknowledged_store_through_the_map_is_in_the_file_after_kill_9() {
    kill_50("mapped_rows");
}
