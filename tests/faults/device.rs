//! Disks that fail to write or to read.

use std::fs::File;
use std::path::{Path, PathBuf};

use mmap_array::{Error, NpyFile, Result};

use crate::ground::{self, Disk};
use crate::tools::word;

/// Elements of the array: 8 MiB.
pub(crate) const LEN: usize = 1 << 20;

pub(crate) fn assert_sync_failed(result: Result<()>) {
    match result {
        Err(Error::SyncFailed { os_code: Some(_), .. }) => {}
        other => panic!("{other:?}"),
    }
}

/// An ext4 file system on a disk that has less room than it claims: once that is used up, the
/// kernel accepts writes and loses them later.
fn a_failed_flush_stays_failed(features: &str) {
    let Some(mut disk) = ground::tmpfs("size=24m") else { return };
    let (image, fill) = (disk.join("image"), disk.join("fill"));
    let options = "loop,errors=continue";
    if disk.mount_ext4(&image, 64, features, options).is_none() {
        return;
    }
    let file = NpyFile::<u64>::create(disk.join("a.npy"), [LEN]).unwrap();
    file.flush().unwrap();
    ground::fill(&fill);
    file.write_window([0..LEN], &vec![5; LEN]).unwrap();
    for _ in 0..3 {
        assert_sync_failed(file.flush());
    }
    // Later writes do not make it good.
    let _ = file.write_window([0..1], &[6]);
    assert_sync_failed(file.flush());
    assert_sync_failed(file.close());
}

#[test]
fn a_failed_flush_stays_failed_without_a_journal() {
    a_failed_flush_stays_failed("^has_journal");
}

#[test]
fn a_failed_flush_stays_failed_with_a_journal() {
    a_failed_flush_stays_failed("has_journal");
}

/// An array on a disk that still works, none of which is in memory; and the disk's own file.
pub(crate) fn not_in_memory() -> Option<(Disk, PathBuf, PathBuf)> {
    let mut disk = Disk::new();
    let image = disk.scratch().join("image");
    disk.mount_ext4(&image, 16, "^has_journal", "loop")?;
    mmap_array::save(disk.join("a.npy"), &vec![5_u64; LEN]).unwrap();
    // A fresh mount has nothing in memory.
    disk.unmount();
    disk.mount(&["-t", "ext4", "-o", "loop", image.to_str().unwrap()])?;
    let path = disk.join("a.npy");
    Some((disk, path, image))
}

/// Leaves only the first four mebibytes of a disk.
pub(crate) fn break_disk(image: &Path) {
    File::options().write(true).open(image).unwrap().set_len(4 << 20).unwrap();
}

#[test]
fn a_disk_that_cannot_be_read_is_an_error_and_no_signal() {
    let Some((_disk, path, image)) = not_in_memory() else { return };
    let file = NpyFile::<u64>::open_mut(&path).unwrap();
    break_disk(&image);
    let results = [
        word(&file.read()),
        word(&file.read_window([LEN - 1..LEN])),
        word(&file.read_slice(mmap_array::s![..;-1000])),
    ];
    for result in results {
        assert!(result.starts_with("Io("), "{result}");
    }
}
