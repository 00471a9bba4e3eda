//! Copy-on-write arrays: the file stays as it is, the stores stay as long as the array, and neither
//! takes memory for what nobody touches.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use mmap_array::{Advice, Allocation, MmapArrayCow, View, s, save};

use super::doors::{self, PLAIN};
use crate::child::{say, start};
use crate::tools::{no_spawns, skip, status_bytes};

const ADVICE: [Advice; 4] = [Advice::Normal, Advice::Sequential, Advice::Random, Advice::HugePages];

const ROWS: usize = 600;
/// Columns of int32: a page and a little.
const COLUMNS: usize = 1030;

/// What the file holds at a place.
fn saved(row: usize, column: usize) -> i32 {
    (row * COLUMNS + column) as i32
}

/// Stores in each way, to every third row.
fn store(array: &mut MmapArrayCow<i32>) {
    for row in (0..ROWS).step_by(3) {
        match row % 4 {
            0 => array.slice_mut(s![row]).unwrap().fill(-1),
            1 => array.write_window([row..row + 1, 0..COLUMNS], &[-1; COLUMNS]).unwrap(),
            2 => array.write_slice(s![row], &[-1; COLUMNS]).unwrap(),
            _ => (0..COLUMNS).for_each(|column| array[[row, column]] = -1),
        }
    }
}

fn assert_stored(array: &MmapArrayCow<i32>) {
    for row in 0..ROWS {
        for column in 0..COLUMNS {
            let expected = if row % 3 == 0 { -1 } else { saved(row, column) };
            assert_eq!(array[[row, column]], expected, "{row}, {column}");
        }
    }
}

#[test]
fn a_copy_on_write_array_keeps_its_stores_and_leaves_the_file_byte_for_byte_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.npy");
    let elements: Vec<_> = (0..ROWS * COLUMNS).map(|index| index as i32).collect();
    let calm = no_spawns();
    save(&path, View::from_shape([ROWS, COLUMNS], &elements).unwrap()).unwrap();
    drop(calm);
    let before = fs::read(&path).unwrap();
    let modified = fs::metadata(&path).unwrap().modified().unwrap();
    for first in ADVICE {
        let mut array = doors::open_cow::<i32>(&PLAIN.advice(first), &path).unwrap();
        store(&mut array);
        assert_stored(&array);
        for advice in ADVICE {
            array.advise(advice).unwrap();
            array.prefetch([0..ROWS, 0..COLUMNS]).unwrap();
            array.prefetch([3..9, 100..200]).unwrap();
            assert_stored(&array);
            store(&mut array);
        }
        assert_stored(&array);
        let read = array.read_window([3..4, 0..2]).unwrap();
        assert_eq!(read.as_slice(), [-1, -1]);
        assert_eq!(array.file().read().unwrap().as_slice(), elements);
        assert!(fs::read(&path).unwrap() == before);
        drop(array);
        assert!(fs::read(&path).unwrap() == before);
    }
    assert_eq!(fs::metadata(&path).unwrap().modified().unwrap(), modified);
    // The next one begins with what the file holds.
    let array = doors::open_cow::<i32>(&PLAIN, &path).unwrap();
    assert_eq!(array.as_slice(), Some(&*elements));
}

#[test]
fn a_file_that_may_not_be_written_can_be_mapped_copy_on_write() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.npy");
    let calm = no_spawns();
    save(&path, &[1_u8, 2]).unwrap();
    drop(calm);
    let mut permissions = fs::metadata(&path).unwrap().permissions();
    permissions.set_readonly(true);
    fs::set_permissions(&path, permissions).unwrap();
    let mut array = doors::open_cow::<u8>(&PLAIN, &path).unwrap();
    array[[0]] = 9;
    assert_eq!(array.as_slice(), Some(&[9, 2][..]));
    assert_eq!(array.file().read().unwrap().as_slice(), [1, 2]);
}

const TERABYTES: [usize; 2] = [2_500_000, 1_000_000];

fn corners() -> [[usize; 2]; 3] {
    let [rows, columns] = TERABYTES;
    [[0, 0], [rows / 2, columns / 2], [rows - 1, columns - 1]]
}

/// Child: ten terabytes of int32, mapped in each way.
pub(crate) fn huge(path: &Path) {
    let options = PLAIN.allocation(Allocation::Sparse);
    let mut array = match doors::create::<i32>(&options, path, &TERABYTES) {
        Ok(array) => array,
        Err(error) => return say(format!("cannot be held: {error}")),
    };
    corners().iter().for_each(|&corner| array[corner] = 7);
    array.flush().unwrap();
    array.close().unwrap();
    let blocks = fs::metadata(path).unwrap().blocks();
    let mut array = doors::open_cow::<i32>(&PLAIN, path).unwrap();
    for corner in corners() {
        array[corner] += 1;
        assert_eq!(array[corner], 8);
    }
    array.write_window([9..12, 500..505], &[9; 15]).unwrap();
    array.prefetch([9..12, 500..505]).unwrap();
    assert_eq!(array.read_slice(s![8..11, 504]).unwrap().as_slice(), [0, 9, 9]);
    let reader = doors::open::<i32>(&PLAIN, path).unwrap();
    assert!(corners().iter().all(|&corner| reader[corner] == 7));
    assert_eq!(reader[[9, 500]], 0);
    drop((array, reader));
    assert_eq!(fs::metadata(path).unwrap().len(), 128 + 10_000_000_000_000);
    say("done");
    say(fs::metadata(path).unwrap().blocks() - blocks);
    say(status_bytes("VmHWM"));
}

#[test]
fn ten_terabytes_are_mapped_in_each_way_and_take_little_memory() {
    let folder = tempfile::tempdir().unwrap();
    let lines = start("huge_mapped", &folder.path().join("a.npy")).finish();
    match &lines[..] {
        [done, blocks, peak] if done == "done" => {
            assert_eq!(blocks, "0");
            assert!(peak.parse::<u64>().unwrap() < 64 << 20, "{peak} bytes");
        }
        [reason] => skip(format!("ten terabytes {reason}")),
        lines => panic!("{lines:?}"),
    }
}
