//! A file that is cut short while it is open: every call says so, and nobody makes it long again.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use mmap_array::{Error, NpyFile, Order, ReadWrite, Result, s};
use tempfile::TempDir;

pub(crate) const LEN: usize = 4096;
/// Four pages of data behind the header, so the last page of the file has 128 bytes.
pub(crate) const BYTES: u64 = 128 + 4 * LEN as u64;

/// By a byte, inside the last page, at a page, inside the data, inside the header, to nothing.
pub(crate) const CUTS: [u64; 7] = [BYTES - 1, BYTES - 100, BYTES - 128, 4196, 128, 50, 0];

pub(crate) fn cut(path: &Path, len: u64) {
    File::options().write(true).open(path).unwrap().set_len(len).unwrap();
}

fn file(folder: &TempDir) -> NpyFile<i32, ReadWrite> {
    let path = folder.path().join("a.npy");
    let _ = fs::remove_file(&path);
    let file = NpyFile::create(&path, [LEN]).unwrap();
    file.write_window([0..LEN], &[7; LEN]).unwrap();
    file
}

#[track_caller]
pub(crate) fn assert_shrunk<R>(result: Result<R>, len: u64) {
    match result {
        Err(Error::Shrunk { expected: BYTES, found, .. }) if found == len => {}
        Err(error) => panic!("cut to {len}: {error:?}"),
        Ok(_) => panic!("cut to {len}: Ok"),
    }
}

#[test]
fn every_call_on_a_file_that_was_cut_short_says_so_and_leaves_it_so() {
    let folder = tempfile::tempdir().unwrap();
    for len in CUTS {
        let file = file(&folder);
        let path = file.path().to_path_buf();
        cut(&path, len);
        assert_shrunk(file.read(), len);
        assert_shrunk(file.read_window([3000..LEN]), len);
        assert_shrunk(file.read_window_into([3000..LEN], &mut [0; LEN - 3000]), len);
        assert_shrunk(file.read_slice(s![..;7]), len);
        assert_shrunk(file.write_window([3000..LEN], &[8; LEN - 3000]), len);
        assert_shrunk(file.write_window([0..1], &[8]), len);
        assert_shrunk(file.write_slice(s![..;-1], &[8; LEN]), len);
        assert_shrunk(file.flush(), len);
        assert_shrunk(file.flush(), len);
        assert_shrunk(file.close(), len);
        assert_eq!(fs::metadata(&path).unwrap().len(), len);
    }
}

#[test]
fn a_reader_of_a_file_that_was_cut_short_is_told() {
    let folder = tempfile::tempdir().unwrap();
    for len in CUTS {
        let path = file(&folder).path().to_path_buf();
        let reader = NpyFile::<i32>::open(&path).unwrap();
        cut(&path, len);
        assert_shrunk(reader.read_window([3000..LEN]), len);
        assert_shrunk(reader.read_window([0..1]), len);
        assert_shrunk(reader.close(), len);
    }
}

/// A new file in this folder, which has no name, but this process has it open.
pub(crate) fn unnamed(folder: &Path) -> Option<PathBuf> {
    let descriptors = fs::read_dir("/proc/self/fd").unwrap().map(|entry| entry.unwrap().path());
    let found = descriptors.into_iter().find(|link| {
        fs::read_link(link).is_ok_and(|file| file.starts_with(folder)) && link.is_file()
    });
    if found.is_none() {
        crate::tools::skip("no descriptor of the new file in /proc");
    }
    found
}

#[test]
fn a_new_file_that_was_cut_short_is_not_published() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.npy");
    let options = mmap_array::OpenOptions::new().publish(mmap_array::Publish::OnClose);
    let file = options.create_file::<i32>(&path, [LEN]).unwrap();
    let Some(descriptor) = unnamed(folder.path()) else { return };
    cut(&descriptor, 4196);
    assert_shrunk(file.close(), 4196);
    assert!(crate::tools::names(folder.path()).is_empty());
}

#[test]
fn a_file_that_is_cut_short_in_the_middle_of_calls_gives_errors_and_no_signal() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.npy");
    let options = mmap_array::OpenOptions::new().order(Order::Fortran);
    let file = options.create_file::<i32>(&path, [64, 64]).unwrap();
    let is_allowed = |result: Result<()>| match result {
        Ok(()) => true,
        Err(Error::Shrunk { found, expected, .. }) => {
            expected == BYTES && 0 < found && found < BYTES
        }
        Err(_) => false,
    };
    std::thread::scope(|scope| {
        let cutter = scope.spawn(|| {
            for round in 0..2000 {
                cut(&path, 1 + round * 37 % (BYTES - 1));
                cut(&path, BYTES);
            }
        });
        while !cutter.is_finished() {
            assert!(is_allowed(file.read_window([0..64, 3..60]).map(drop)));
            assert!(is_allowed(file.read_slice(s![..;-3, ..;5]).map(drop)));
            assert!(is_allowed(file.write_window([60..64, 60..64], &[1; 16])));
        }
        cutter.join().unwrap();
    });
    file.close().unwrap();
}
