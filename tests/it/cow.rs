//! Copy-on-write arrays: what is stored stays in memory, whatever the system is asked to do with
//! the pages, and no byte of the file changes.

use std::fs;
use std::path::PathBuf;

use mmap_array::{Advice, Error, LockState, NpyFile, OpenOptions, Order, View, s};
use tempfile::TempDir;

use crate::common::folder;
use crate::map;

/// Some pages of numbers: 0, 1, 2, ..
const SHAPE: [usize; 2] = [40, 500];

const ADVICE: [Advice; 4] = [Advice::Normal, Advice::Sequential, Advice::Random, Advice::HugePages];

fn file(order: Order) -> (TempDir, PathBuf, Vec<u8>) {
    let folder = folder();
    let path = folder.path().join("a.npy");
    let elements: Vec<i32> = (0..20_000).collect();
    let view = View::from_shape(SHAPE, &elements).unwrap();
    OpenOptions::new().order(order).save(&path, view).unwrap();
    let bytes = fs::read(&path).unwrap();
    (folder, path, bytes)
}

#[test]
fn stores_are_kept_across_all_advice_and_prefetching_and_the_file_is_untouched() {
    for order in [Order::C, Order::Fortran] {
        let (_folder, path, bytes) = file(order);
        let mut expected = NpyFile::<i32>::open(&path).unwrap().read().unwrap();
        let original = expected.clone();
        let mut array = map::open_cow::<i32>(&path).unwrap();
        for (round, advice) in ADVICE.into_iter().cycle().take(9).enumerate() {
            let value = -(round as i32) - 1;
            let row = 4 * round;
            array.slice_mut(s![row, ..;3]).unwrap().fill(value);
            expected.view_mut().slice(s![row, ..;3]).unwrap().fill(value);
            array.write_window([row + 1..row + 2, 0..500], &[value; 500]).unwrap();
            expected.view_mut().slice(s![row + 1]).unwrap().fill(value);
            array[[row + 2, 499]] = value;
            expected[[row + 2, 499]] = value;

            array.advise(advice).unwrap();
            assert_eq!(array.view(), expected, "{advice:?}");
            array.prefetch([0..40, 0..500]).unwrap();
            array.prefetch([row..row + 1, 3..4]).unwrap();
            array.prefetch([7..7, 0..500]).unwrap();
            assert_eq!(array.view(), expected, "{advice:?}");
            assert_eq!(array.read_window([0..40, 0..500]).unwrap(), expected);
            assert_eq!(array.file().read().unwrap(), original);
            assert!(fs::read(&path).unwrap() == bytes);
        }
        drop(array);
        assert!(fs::read(&path).unwrap() == bytes);
    }
}

#[test]
fn stores_are_kept_whatever_the_array_was_opened_with() {
    let (_folder, path, bytes) = file(Order::C);
    for advice in ADVICE {
        let mut array =
            map::open_cow_with::<i32>(&OpenOptions::new().advice(advice), &path).unwrap();
        array.as_mut_slice().unwrap().fill(5);
        array.advise(Advice::Normal).unwrap();
        assert!(array.as_slice().unwrap().iter().all(|&element| element == 5), "{advice:?}");
        drop(array);
        assert!(fs::read(&path).unwrap() == bytes);
    }
}

#[test]
fn several_copies_of_one_file_do_not_see_each_other() {
    let (_folder, path, bytes) = file(Order::C);
    let mut arrays: Vec<_> = (0..3).map(|_| map::open_cow::<i32>(&path).unwrap()).collect();
    for (number, array) in arrays.iter_mut().enumerate() {
        array.slice_mut(s![number]).unwrap().fill(-1);
    }
    let reader = map::open::<i32>(&path).unwrap();
    for (number, array) in arrays.iter().enumerate() {
        for row in 0..3 {
            let first = if row == number { -1 } else { 500 * row as i32 };
            assert_eq!(array[[row, 0]], first);
        }
        assert_eq!(array.file().read().unwrap(), reader.view());
        assert_eq!(array.lock_state(), LockState::Shared);
    }
    assert_eq!(reader[[1, 0]], 500);
    assert!(fs::read(&path).unwrap() == bytes);
}

#[test]
fn a_copy_keeps_writers_out_and_writers_keep_copies_out() {
    let (_folder, path, _) = file(Order::C);
    let refused = |error| matches!(error, Some(Error::AlreadyOpen { .. }));
    let copy = map::open_cow::<i32>(&path).unwrap();
    assert!(refused(map::open_mut::<i32>(&path).err()));
    assert!(refused(NpyFile::<i32>::open_mut(&path).err()));
    drop(copy);
    let writer = map::open_mut::<i32>(&path).unwrap();
    assert!(refused(map::open_cow::<i32>(&path).err()));
    assert!(refused(map::open::<i32>(&path).err()));
    drop(writer);
    map::open_cow::<i32>(&path).unwrap();
}

#[cfg(unix)]
#[test]
fn a_file_that_may_not_be_written_can_be_copied_on_write() {
    use std::os::unix::fs::PermissionsExt;
    let (_folder, path, bytes) = file(Order::C);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o444)).unwrap();
    let mut array = map::open_cow::<i32>(&path).unwrap();
    array.view_mut().fill(1);
    assert_eq!(array.view().fold(0, |sum, &element| sum + element), 20_000);
    assert!(fs::read(&path).unwrap() == bytes);
}
