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
use std::path::{Path, PathBuf};

use mmap_array::Element;

use crate::golden::{Golden, Visitor, visit_golden};
use crate::map;
use crate::numpy::{check_golden, write_golden};
use crate::numpy_mapped::check_golden_mapped;
use crate::raw::{self, check_raw, write_raw};

fn folder(variable: &str) -> Option<PathBuf> {
    let folder = std::env::var_os(variable).map(PathBuf::from);
    if folder.is_none() {
        println!("nothing to do: {variable} names no directory (see tests/numpy/roundtrip.py)");
    }
    folder
}

/// The folders in this one that hold `.npy` files, and how many those are.
fn npy_folders(folder: &Path) -> (Vec<PathBuf>, usize) {
    let mut folders: Vec<PathBuf> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.retain(|path| path.is_dir() && !path.ends_with("raw"));
    let files = folders.iter().map(|path| fs::read_dir(path).unwrap().count()).sum();
    (folders, files)
}

/// The golden array's elements alone, in the files of a folder.
fn raw_files<T: Element>(folder: &Path, golden: &Golden<T>) -> Vec<(PathBuf, u64)> {
    let name = |at: u64| golden.name().replace(".npy", &format!("_at{at}.raw"));
    let places = [raw::ODD, raw::EVEN].map(|at| (folder.join("raw").join(name(at)), at));
    places.into_iter().filter(|(path, _)| path.exists()).collect()
}

#[test]
fn numpy_can_read_what_we_write() {
    struct Write(PathBuf);
    impl Visitor for Write {
        fn visit<T: Element + PartialEq + Debug>(&mut self, golden: &Golden<T>) {
            if golden.is_native() {
                write_golden(&self.0, golden);
            }
            write_raw(&self.0.join("raw"), golden);
        }
    }
    if let Some(folder) = folder("NPY_WRITE_DIR") {
        fs::create_dir_all(folder.join("raw")).unwrap();
        visit_golden(&mut Write(folder));
    }
}

#[test]
fn we_can_read_and_map_what_numpy_writes() {
    struct Read {
        folder: PathBuf,
        folders: Vec<PathBuf>,
        count: usize,
        raw: usize,
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
            for (path, offset) in raw_files(&self.folder, golden) {
                check_raw(&path, golden, offset);
                self.raw += 1;
            }
        }
    }
    if let Some(folder) = folder("NPY_READ_DIR") {
        let (folders, files) = npy_folders(&folder);
        let raw = fs::read_dir(folder.join("raw")).unwrap().count();
        let mut read = Read { folder, folders, count: 0, raw: 0 };
        visit_golden(&mut read);
        assert!(read.raw > 0 && read.raw == raw, "{} of {raw} raw files were read", read.raw);
        assert!(read.count > 0 && read.count == files, "{} of {files} were read", read.count);
    }
}

/// What we made, mostly through maps, and NumPy then changed through a map of its own: each file
/// holds its elements in reverse.
#[test]
fn a_new_map_shows_what_numpy_changed_in_place() {
    struct Read(PathBuf, Vec<PathBuf>, usize);
    impl Visitor for Read {
        fn visit<T: Element + PartialEq + Debug>(&mut self, golden: &Golden<T>) {
            let mut reversed = golden.elements();
            reversed.reverse();
            for (path, offset) in raw_files(&self.0, golden) {
                let file = raw::golden_at(golden, offset).open_file::<T>(&path).unwrap();
                assert_eq!(file.read().unwrap().as_slice(), reversed, "{path:?}");
            }
            for path in self.1.iter().map(|folder| folder.join(golden.name())) {
                if path.exists() {
                    let array = map::open::<T>(&path).unwrap();
                    assert_eq!((array.shape(), array.order()), (golden.shape(), golden.order));
                    assert_eq!(array.view().to_vec(), reversed, "{path:?}");
                    self.2 += 1;
                }
            }
        }
    }
    if let Some(folder) = folder("NPY_CHANGED_DIR") {
        let (folders, files) = npy_folders(&folder);
        let mut read = Read(folder, folders, 0);
        visit_golden(&mut read);
        assert!(read.2 > 0 && read.2 == files, "{} of {files} were read", read.2);
    }
}
