//! The Rust half of `tests/numpy/roundtrip.py`, which the test run of the project starts with a
//! directory in the environment. Without one these tests do nothing.
//!
//! ```text
//! python tests/numpy/roundtrip.py write DIR;  NPY_READ_DIR=DIR cargo test --test it roundtrip
//! NPY_WRITE_DIR=DIR cargo test --test it roundtrip;  python tests/numpy/roundtrip.py check DIR
//! ```

use std::fmt::Debug;
use std::fs;
use std::path::PathBuf;

use mmap_array::Element;

use crate::golden::{Golden, Visitor, visit_golden};
use crate::numpy::{check_golden, write_golden};

fn folder(variable: &str) -> Option<PathBuf> {
    let folder = std::env::var_os(variable).map(PathBuf::from);
    if folder.is_none() {
        println!("nothing to do: {variable} names no directory (see tests/numpy/roundtrip.py)");
    }
    folder
}

#[test]
fn numpy_can_read_what_we_write() {
    struct Write(PathBuf);
    impl Visitor for Write {
        fn visit<T: Element + PartialEq + Debug>(&mut self, golden: &Golden<T>) {
            if golden.is_native() {
                write_golden(&self.0, golden);
            }
        }
    }
    if let Some(folder) = folder("NPY_WRITE_DIR") {
        fs::create_dir_all(&folder).unwrap();
        visit_golden(&mut Write(folder));
    }
}

#[test]
fn we_can_read_what_numpy_writes() {
    struct Read {
        folders: Vec<PathBuf>,
        count: usize,
    }
    impl Visitor for Read {
        fn visit<T: Element + PartialEq + Debug>(&mut self, golden: &Golden<T>) {
            for path in self.folders.iter().map(|folder| folder.join(golden.name())) {
                if path.exists() {
                    check_golden(&path, golden);
                    self.count += 1;
                }
            }
        }
    }
    if let Some(folder) = folder("NPY_READ_DIR") {
        let folders: Vec<PathBuf> =
            fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        let files: usize = folders.iter().map(|path| fs::read_dir(path).unwrap().count()).sum();
        let mut read = Read { folders, count: 0 };
        visit_golden(&mut read);
        assert!(read.count > 0 && read.count == files, "{} of {files} were read", read.count);
    }
}
