//! Full disks and limits: an array whose space is reserved never notices, others get an error.

use std::fs::File;
use std::path::Path;

use mmap_array::{Allocation, Error, NpyFile, OpenOptions, ReadWrite, load, save};
use rustix::fs::FallocateFlags;

use crate::ground::{self, Disk};
use crate::tools::{names, no_spawns, word};

/// Elements in a row: 64 KiB.
const ROW: usize = 8192;

fn row(value: usize) -> Vec<u64> {
    vec![value as u64; ROW]
}

fn sparse(path: &Path, rows: usize) -> NpyFile<u64, ReadWrite> {
    OpenOptions::new().allocation(Allocation::Sparse).create_file(path, [rows, ROW]).unwrap()
}

/// Writes rows until one fails; returns how many were written, and the error.
fn write_rows(file: &NpyFile<u64, ReadWrite>) -> (usize, Error) {
    for index in 0..file.shape()[0] {
        if let Err(error) = file.write_window([index..index + 1, 0..ROW], &row(index + 1)) {
            return (index, error);
        }
    }
    panic!("everything fits");
}

fn assert_rows(file: &NpyFile<u64, ReadWrite>, rows: usize) {
    for index in 0..rows {
        let found = file.read_window([index..index + 1, 0..ROW]).unwrap();
        assert_eq!(found.as_slice(), row(index + 1), "row {index}");
    }
}

fn a_reserved_file_that_does_not_fit(disk: &Disk) {
    let _calm = no_spawns();
    let free = disk.free();
    let path = disk.join("a.npy");
    for rows in [free as usize / (8 * ROW), 2 * free as usize / (8 * ROW), 1 << 30] {
        let result = NpyFile::<u64>::create(&path, [rows + 1, ROW]);
        assert_eq!(word(&result), "StorageFull", "{rows} rows");
    }
    assert!(!path.exists());
    assert!(disk.free() >= free, "{} of {free} bytes are free again", disk.free());
}

#[test]
fn a_reserved_file_that_does_not_fit_leaves_nothing() {
    let Some(disk) = ground::tmpfs("size=4m") else { return };
    a_reserved_file_that_does_not_fit(&disk);
    assert!(names(&disk.join("")).is_empty());
    let Some(disk) = ground::ext4(16) else { return };
    a_reserved_file_that_does_not_fit(&disk);
    assert_eq!(names(&disk.join("")), ["lost+found"]);
}

#[test]
fn a_sparse_file_on_a_full_disk_fails_at_a_write_and_keeps_the_earlier_rows() {
    for disk in [ground::tmpfs("size=4m"), ground::ext4(16)] {
        let Some(disk) = disk else { continue };
        let file = sparse(&disk.join("a.npy"), 1024);
        let (rows, error) = write_rows(&file);
        assert!(matches!(error, Error::StorageFull { .. }), "{error:?}");
        assert!(rows > 40, "{rows}");
        assert_rows(&file, rows);
        file.flush().unwrap();
        assert_rows(&file, rows);
        // The failed row is old or new, element by element.
        let failed = file.read_window([rows..rows + 1, 0..ROW]).unwrap();
        assert!(failed.as_slice().iter().all(|&found| found == 0 || found == rows as u64 + 1));
        file.close().unwrap();
    }
}

#[test]
fn a_reserved_file_can_be_filled_on_a_full_disk() {
    for disk in [ground::tmpfs("size=8m"), ground::ext4(16)] {
        let Some(disk) = disk else { continue };
        let file = NpyFile::<u64>::create(disk.join("a.npy"), [64, ROW]).unwrap();
        disk.fill();
        let other = disk.join("other.npy");
        assert_eq!(word(&save(other, &row(1))), "StorageFull");
        for index in 0..64 {
            file.write_window([index..index + 1, 0..ROW], &row(index + 1)).unwrap();
        }
        file.flush().unwrap();
        assert_rows(&file, 64);
        file.close().unwrap();
    }
}

#[test]
fn a_hole_that_somebody_punched_is_an_error_on_a_full_disk_and_no_signal() {
    for disk in [ground::tmpfs("size=8m"), ground::ext4(16)] {
        let Some(disk) = disk else { continue };
        let path = disk.join("a.npy");
        let file = NpyFile::<u64>::create(&path, [64, ROW]).unwrap();
        for index in 0..64 {
            file.write_window([index..index + 1, 0..ROW], &row(index + 1)).unwrap();
        }
        file.flush().unwrap();
        let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        let other = File::options().write(true).open(&path).unwrap();
        rustix::fs::fallocate(&other, flags, 1 << 20, 1 << 20).unwrap();
        disk.fill();
        let result = file.write_window([20..24, 0..ROW], &[9; 4 * ROW]);
        assert_eq!(word(&result), "StorageFull");
        assert_rows(&file, 15);
        assert_eq!(file.read_window([20..21, 0..ROW]).unwrap().as_slice(), row(0));
        file.flush().unwrap();
    }
}

#[test]
fn a_save_on_a_full_disk_leaves_the_space_and_the_old_file_as_they_were() {
    for disk in [ground::tmpfs("size=4m"), ground::ext4(16)] {
        let Some(disk) = disk else { continue };
        let path = disk.join("a.npy");
        let large = vec![1_u8; 32 << 20];
        let calm = no_spawns();
        let free = disk.free();
        assert_eq!(word(&save(&path, &large)), "StorageFull");
        assert!(!path.exists());
        assert!(disk.free() >= free);
        save(&path, &[1_u8, 2, 3]).unwrap();
        drop(calm);
        let before = names(&disk.join(""));
        let result = OpenOptions::new().overwrite(true).save(&path, &large);
        assert_eq!(word(&result), "StorageFull");
        assert_eq!(load::<u8>(&path).unwrap().as_slice(), [1, 2, 3]);
        assert_eq!(names(&disk.join("")), before);
    }
}

#[test]
fn a_file_system_without_room_for_names_is_full() {
    let Some(disk) = ground::tmpfs("size=4m,nr_inodes=1") else { return };
    let result = NpyFile::<u8>::create(disk.join("a.npy"), [10]);
    assert_eq!(word(&result), "Io(StorageFull)");
}

#[test]
fn a_file_larger_than_the_file_system_allows_is_refused() {
    let Some(disk) = ground::ext4(16) else { return };
    let options = OpenOptions::new().allocation(Allocation::Sparse);
    let result = options.create_file::<u64>(disk.join("a.npy"), [17_usize << 37]);
    assert_eq!(word(&result), "FileTooLarge");
    assert_eq!(names(&disk.join("")), ["lost+found"]);
}
