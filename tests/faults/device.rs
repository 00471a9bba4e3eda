//! Disks that fail to write or to read.

use std::fs::File;

use mmap_array::{Error, NpyFile, Result};

use crate::ground::{self, Disk};
use crate::tools::word;

/// Elements of the array: 8 MiB.
const LEN: usize = 1 << 20;

fn assert_sync_failed(result: Result<()>) {
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

#[test]
fn a_disk_that_cannot_be_read_is_an_error_and_no_signal() {
    let mut disk = Disk::new();
    let image = disk.scratch().join("image");
    if disk.mount_ext4(&image, 16, "^has_journal", "loop").is_none() {
        return;
    }
    let path = disk.join("a.npy");
    mmap_array::save(&path, &vec![5_u64; LEN]).unwrap();
    // A fresh mount has nothing in memory.
    disk.unmount();
    if disk.mount(&["-t", "ext4", "-o", "loop", image.to_str().unwrap()]).is_none() {
        return;
    }
    let file = NpyFile::<u64>::open_mut(&path).unwrap();
    File::options().write(true).open(&image).unwrap().set_len(4 << 20).unwrap();
    let results = [
        word(&file.read()),
        word(&file.read_window([LEN - 1..LEN])),
        word(&file.read_slice(mmap_array::s![..;-1000])),
    ];
    for result in results {
        assert!(result.starts_with("Io("), "{result}");
    }
}
