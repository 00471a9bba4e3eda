//! What a process may not have: long files, many descriptors, much memory.

use std::fs;
use std::path::Path;

use mmap_array::{Allocation, Header, NpyFile, OpenOptions, load, save};

use crate::child::{say, start_after};
use crate::tools::{names, word};

/// Child: meets a limit of 1 MiB for files at every door; `a.npy` is longer than that.
pub(crate) fn file_size(folder: &Path) {
    let (old, new) = (folder.join("a.npy"), folder.join("b.npy"));
    say(word(&NpyFile::<u8>::create(&new, [2 << 20])));
    let options = OpenOptions::new().allocation(Allocation::Sparse);
    say(word(&options.create_file::<u8>(&new, [2 << 20])));
    say(word(&save(&new, &vec![1_u8; 2 << 20])));
    let file = NpyFile::<u8>::open_mut(&old).unwrap();
    say(word(&file.write_window([(2 << 20) - 10..2 << 20], &[9; 10])));
    say(word(&file.write_window([0..10], &[3; 10])));
    say(file.read_window([(2 << 20) - 1..2 << 20]).unwrap()[[0]]);
}

#[test]
fn a_file_larger_than_the_process_may_have_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    save(folder.path().join("a.npy"), &vec![3_u8; 2 << 20]).unwrap();
    // Without the trap the kernel would end the process instead of giving an error.
    let child = start_after("trap '' XFSZ; ulimit -f 2048", "file_size", folder.path());
    let expected = ["FileTooLarge", "FileTooLarge", "FileTooLarge", "FileTooLarge", "Ok", "3"];
    assert_eq!(child.finish(), expected);
    assert_eq!(names(folder.path()), ["a.npy"]);
}

fn descriptors_now() -> usize {
    fs::read_dir("/proc/self/fd").unwrap().count()
}

/// Child: uses up its descriptors, and goes through every error that comes after an open.
pub(crate) fn descriptors(folder: &Path) {
    let (old, new) = (folder.join("a.npy"), folder.join("b.npy"));
    let before = descriptors_now();
    let mut files = Vec::new();
    let error = loop {
        match NpyFile::<u8>::open(&old) {
            Ok(file) => files.push(file),
            Err(error) => break error,
        }
    };
    assert!(error.io_kind().is_some(), "{error}");
    // With none left, and with one, two, three: a creation needs several.
    for _ in 0..6 {
        if NpyFile::<u8>::create(&new, [10]).is_ok() {
            fs::remove_file(&new).unwrap();
        }
        let _ = OpenOptions::new().overwrite(true).save(&old, &[2_u8]);
        files.pop();
    }
    drop(files);
    for _ in 0..10 {
        assert!(NpyFile::<f64>::open(&old).is_err());
        assert!(NpyFile::<u8>::open_mut(folder).is_err());
        assert!(NpyFile::<u8>::create(&old, [1]).is_err());
        assert!(save(&old, &[1_u8]).is_err());
        assert!(Header::read("/dev/null").is_err());
        assert!(NpyFile::<u8>::create(&new, [1 << 60]).is_err());
        drop(NpyFile::<u8>::create(&new, [1]).unwrap());
        fs::remove_file(&new).unwrap();
    }
    assert_eq!(descriptors_now(), before);
    say(load::<u8>(&old).unwrap().as_slice()[0]);
}

#[test]
fn without_descriptors_there_are_errors_and_none_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    save(folder.path().join("a.npy"), &[1_u8]).unwrap();
    assert_eq!(start_after("ulimit -n 40", "descriptors", folder.path()).finish(), ["2"]);
    assert_eq!(names(folder.path()), ["a.npy"]);
}

/// Child: reads more than it may have in memory, and then less.
pub(crate) fn address_space(path: &Path) {
    const LEN: usize = 1 << 30;
    let options = OpenOptions::new().allocation(Allocation::Sparse);
    let file = options.create_file::<u8>(path, [LEN]).unwrap();
    say(word(&file.read()));
    say(word(&file.read_window([1..LEN])));
    say(word(&load::<u8>(path)));
    say(word(&file.read_window([LEN - 10..LEN])));
}

#[test]
fn an_array_larger_than_memory_is_an_error_and_its_windows_can_be_read() {
    let folder = tempfile::tempdir().unwrap();
    let child = start_after("ulimit -v 524288", "address_space", &folder.path().join("a.npy"));
    assert_eq!(child.finish(), ["OutOfMemory", "OutOfMemory", "OutOfMemory", "Ok"]);
}
