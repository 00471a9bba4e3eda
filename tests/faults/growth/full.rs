//! Growth on a full disk: an error leaves file and handle as they were, and what was reserved can
//! be appended.

use std::fs;
use std::path::Path;

use mmap_array::{MmapArrayMut, NpyFile, OpenOptions, Order, ReadWrite, Result, View};

use super::{assert_rows, rows};
use crate::ground::{self, Disk};
use crate::mapped::doors::{self, PLAIN};
use crate::tools::{no_spawns, word};

/// Elements in a row: 64 KiB.
const ROW: usize = 8192;
/// More rows than any of the disks has room for.
const TOO_MANY: usize = 400;

fn disks() -> impl Iterator<Item = Disk> {
    [ground::tmpfs("size=8m"), ground::ext4(16)].into_iter().flatten()
}

fn created(path: &Path) -> NpyFile<u64, ReadWrite> {
    let mut file = NpyFile::create(path, [0, ROW]).unwrap();
    file.append(&rows(0..3, ROW)).unwrap();
    file.flush().unwrap();
    file
}

fn refused(path: &Path, result: &Result<()>, before: &[u8]) {
    assert_eq!(word(result), "StorageFull");
    assert!(fs::read(path).unwrap() == before, "the file is not as before");
}

#[test]
fn an_append_that_does_not_fit_the_disk_leaves_file_and_handle_as_they_were() {
    for disk in disks() {
        let path = disk.join("a.npy");
        let mut file = created(&path);
        let before = fs::read(&path).unwrap();
        let _calm = no_spawns();
        let free = disk.free();
        let many = rows(3..3 + TOO_MANY, ROW);
        refused(&path, &file.append(&many), &before);
        let view = View::from_shape([ROW, TOO_MANY], &many).unwrap();
        refused(&path, &file.append_view(view.transpose()), &before);
        assert_eq!((file.shape(), file.uncommitted_tail().unwrap()), (&[3, ROW][..], 0));
        assert!(disk.free() >= free, "{} of {free} bytes are free again", disk.free());
        file.append(&rows(3..5, ROW)).unwrap();
        file.flush().unwrap();
        assert_eq!(file.shape(), [5, ROW]);
        assert_rows(&file);
        file.close().unwrap();

        let mut array: MmapArrayMut<u64> = doors::open_mut(&PLAIN, &path).unwrap();
        let before = fs::read(&path).unwrap();
        refused(&path, &array.append(&many), &before);
        assert_eq!(array.shape(), [5, ROW]);
        assert_eq!(array.as_slice().unwrap(), rows(0..5, ROW));
        array.append(&rows(5..6, ROW)).unwrap();
        assert_eq!(array.as_slice().unwrap(), rows(0..6, ROW));
        array.close().unwrap();
    }
}

#[test]
fn an_append_in_fortran_order_that_does_not_fit_leaves_the_file_as_it_was() {
    for disk in disks() {
        let path = disk.join("a.npy");
        let options = OpenOptions::new().order(Order::Fortran);
        let mut file = options.create_file::<u64>(&path, [ROW, 0]).unwrap();
        file.append(&[1; 2 * ROW]).unwrap();
        // Neither synced nor committed.
        let before = fs::read(&path).unwrap();
        refused(&path, &file.append(&vec![2; TOO_MANY * ROW]), &before);
        assert_eq!(file.shape(), [ROW, 2]);
        file.append(&[1; ROW]).unwrap();
        file.close().unwrap();
        assert_eq!(mmap_array::load::<u64>(&path).unwrap().as_slice(), [1; 3 * ROW]);
    }
}

#[test]
fn a_reserve_that_does_not_fit_the_disk_keeps_what_was_reserved_before() {
    for disk in disks() {
        let path = disk.join("a.npy");
        let mut file = created(&path);
        let before = fs::read(&path).unwrap();
        file.reserve(50).unwrap();
        refused(&path, &file.reserve(TOO_MANY), &before);
        // All that is asked for is there already.
        file.reserve(50).unwrap();
        file.reserve(20).unwrap();
        disk.fill();
        file.reserve(50).unwrap();
        file.append(&rows(3..53, ROW)).unwrap();
        file.flush().unwrap();
        assert_eq!(file.shape(), [53, ROW]);
        assert_rows(&file);
        file.close().unwrap();
    }
}

#[test]
fn reserved_rows_can_be_appended_on_a_full_disk_and_stored_to() {
    for disk in disks() {
        let path = disk.join("a.npy");
        let _calm = no_spawns();
        created(&path).close().unwrap();
        let mut array: MmapArrayMut<u64> = doors::open_mut(&PLAIN, &path).unwrap();
        array.reserve(40).unwrap();
        assert_eq!(array.shape(), [3, ROW]);
        disk.fill();
        for at in 3..43 {
            if at % 2 == 0 {
                array.append(&rows(at..at + 1, ROW)).unwrap();
            } else {
                array.append(&[0; ROW]).unwrap();
                array.as_mut_slice().unwrap()[at * ROW..].copy_from_slice(&rows(at..at + 1, ROW));
            }
        }
        assert_eq!(array.as_slice().unwrap(), rows(0..43, ROW));
        array.close().unwrap();
        assert_rows(&NpyFile::<u64>::open(&path).unwrap());
    }
}

#[test]
fn a_cut_gives_back_what_was_reserved_and_works_on_a_full_disk() {
    for disk in disks() {
        let path = disk.join("a.npy");
        let _calm = no_spawns();
        let mut file = created(&path);
        file.reserve(40).unwrap();
        disk.fill();
        let free = disk.free();
        file.truncate(2).unwrap();
        assert!(disk.free() >= free + (30 * ROW * 8) as u64, "{} of {free}", disk.free());
        assert_rows(&file);
        file.close().unwrap();
        assert_eq!(NpyFile::<u64>::open(&path).unwrap().shape(), [2, ROW]);
    }
}
