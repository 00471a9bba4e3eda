//! The Rust half of `tests/numpy/roundtrip.py`, which the test run of the project starts with a
//! directory in the environment. Without one these tests do nothing.
//!
//! ```text
//! python tests/numpy/roundtrip.py write DIR;  NPY_READ_DIR=DIR cargo test --test it roundtrip
//! NPY_WRITE_DIR=DIR cargo test --test it roundtrip;  python tests/numpy/roundtrip.py check DIR
//! python tests/numpy/roundtrip.py change DIR; NPY_CHANGED_DIR=DIR cargo test --test it roundtrip
//! ```

use std::fmt::Debug;
use std::fs;
use std::path::PathBuf;

use mmap_array::Element;

use crate::golden::{Golden, Visitor, visit_golden};
use crate::map;
use crate::numpy::{check_golden, write_golden};
use crate::numpy_mapped::check_golden_mapped;

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
fn we_can_read_and_map_what_numpy_writes() {
    struct Read {
        folders: Vec<PathBuf>,
        count: usize,
    }
    impl Visitor for Read {
        fn visit<T: Element + PartialEq + Debug>(&mut self, golden: &Golden<T>) {
            for path in self.folders.iter().map(|folder| folder.join(golden.name())) {
                if path.exists() {
                    check_golden(&path, golden);
                    check_golden_mapped(&path, golden);
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

/// What we made, mostly through maps, and NumPy then changed through a map of its own: each file
/// holds its elements in reverse.
#[test]
fn a_new_map_shows_what_numpy_changed_in_place() {
    struct Read(Vec<PathBuf>, usize);
    impl Visitor for Read {
        fn visit<T: Element + PartialEq + Debug>(&mut self, golden: &Golden<T>) {
            let mut reversed = golden.elements();
            reversed.reverse();
            for path in self.0.iter().map(|folder| folder.join(golden.name())) {
                if path.exists() {
                    let array = map::open::<T>(&path).unwrap();
                    assert_eq!((array.shape(), array.order()), (golden.shape(), golden.order));
                    assert_eq!(array.view().to_vec(), reversed, "{path:?}");
                    self.1 += 1;
                }
            }
        }
    }
    if let Some(folder) = folder("NPY_CHANGED_DIR") {
        let folders: Vec<PathBuf> =
            fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        let folders: Vec<PathBuf> = folders.into_iter().filter(|path| path.is_dir()).collect();
        let files: usize = folders.iter().map(|path| fs::read_dir(path).unwrap().count()).sum();
        let mut read = Read(folders, 0);
        visit_golden(&mut read);
        assert!(read.1 > 0 && read.1 == files, "{} of {files} were read", read.1);
    }
}
