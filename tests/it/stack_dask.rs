//! The Rust half of `tests/numpy/stack.py`, which the test run of the project starts with a
//! directory in the environment. Without one these tests do nothing.
//!
//! ```text
//! python tests/numpy/stack.py write DIR;  STACK_READ_DIR=DIR cargo test --test it stack_dask
//! STACK_WRITE_DIR=DIR cargo test --test it stack_dask;  python tests/numpy/stack.py check DIR
//! ```

use std::fmt::Debug;
use std::fs;
use std::path::{Path, PathBuf};

use mmap_array::{Array, Element, Header, Stack, load, s, save, save_npy_stack};

fn folder(variable: &str) -> Option<PathBuf> {
    let folder = std::env::var_os(variable).map(PathBuf::from);
    if folder.is_none() {
        println!("nothing to do: {variable} names no directory (see tests/numpy/stack.py)");
    }
    folder
}

/// Beside each directory NAME stands NAME.npy, with the whole array.
fn check<T: Element + PartialEq + Debug>(dir: &Path) {
    let whole = load::<T>(dir.with_extension("npy")).unwrap();
    let stack = Stack::<T>::open_npy_stack(dir).unwrap();
    assert_eq!(stack.shape(), whole.shape(), "{dir:?}");
    assert!(stack.read().unwrap() == whole, "{dir:?}");
    for items in [&s![..;-1][..], &s![..., -1], &s![1..;2, ..;-2]] {
        let expected = whole.slice(items).unwrap();
        assert!(stack.read_slice(items).unwrap() == expected, "{dir:?} {items:?}");
    }
}

#[test]
fn what_dask_writes_is_read() {
    let Some(folder) = folder("STACK_READ_DIR") else { return };
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut count = 0;
    for dir in paths.filter(|path| path.is_dir()) {
        match Header::read(dir.with_extension("npy")).unwrap().dtype().name().as_ref() {
            "float32" => check::<f32>(&dir),
            "float64" => check::<f64>(&dir),
            "int16" => check::<i16>(&dir),
            "uint8" => check::<u8>(&dir),
            other => panic!("{other}"),
        }
        count += 1;
    }
    assert!(count > 0);
    println!("{count} npy-stacks read");
}

fn write<T: Element>(folder: &Path, name: &str, element: impl Fn(usize) -> T) {
    let shape = [7, 5, 4];
    let elements: Vec<T> = (0..140).map(element).collect();
    let array = Array::from_vec(shape, elements).unwrap();
    for axis in 0..3 {
        for rows in [1, 3, 10] {
            let dir = folder.join(format!("{name}_{axis}_{rows}"));
            save(dir.with_extension("npy"), &array).unwrap();
            if rows == 3 {
                let stack = Stack::<T>::create_npy_stack(&dir, shape, axis, rows).unwrap();
                stack.write_slice(s![], &array).unwrap();
                stack.close().unwrap();
            } else {
                save_npy_stack(&dir, &array, axis, rows).unwrap();
            }
        }
    }
}

#[test]
fn dask_can_read_what_we_write() {
    let Some(folder) = folder("STACK_WRITE_DIR") else { return };
    fs::create_dir_all(&folder).unwrap();
    write(&folder, "f4", |k| k as f32 / 4.0);
    write(&folder, "f8", |k| k as f64 * 2_f64.powi(300));
    write(&folder, "i2", |k| k as i16 - 70);
    write(&folder, "u1", |k| k as u8);
}
