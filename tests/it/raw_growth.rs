//! Raw arrays that grow and shrink: at the end of their file, and nowhere else.

use std::fs;

use mmap_array::{Error, OpenOptions, Order, Raw, Tail};

use crate::common::folder;
use crate::map;

#[test]
fn rows_are_appended_where_the_file_ends_with_the_array_and_nothing_before_it_changes() {
    let folder = folder();
    for (descr, order) in [("<i2", Order::C), (">i2", Order::C), (">i2", Order::Fortran)] {
        let path = folder.path().join("a.bin");
        fs::write(&path, [7; 9]).unwrap();
        let shape = if order == Order::C { [0, 3] } else { [3, 0] };
        let slowest = usize::from(order == Order::Fortran);
        let raw =
            Raw::new(descr.parse().unwrap(), shape).order(order).offset(9).infer_axis(slowest);
        let options = OpenOptions::new().raw(raw);
        let mut file = options.open_file_mut::<i16>(&path).unwrap();
        file.append(&[1, 2, 3]).unwrap();
        file.append(&[4, 5, 6]).unwrap();
        file.close().unwrap();
        let bytes = fs::read(&path).unwrap();
        assert_eq!((&bytes[..9], bytes.len()), (&[7; 9][..], 9 + 12));

        let mut file = options.open_file_mut::<i16>(&path).unwrap();
        let rows = file.read().unwrap();
        let rows = if order == Order::C { rows.view() } else { rows.view().transpose() };
        assert_eq!(rows.to_vec(), [1, 2, 3, 4, 5, 6], "{descr} {order:?}");
        file.truncate(1).unwrap();
        file.close().unwrap();
        assert_eq!(fs::read(&path).unwrap(), bytes[..15]);
    }
}

#[test]
fn a_mapped_raw_array_grows_from_an_empty_file_on() {
    let folder = folder();
    let path = folder.path().join("a.bin");
    let options = OpenOptions::new().raw(Raw::of::<u8>([0]).infer_axis(0));
    let mut array = map::create_with::<u8>(&options, &path, [0]).unwrap();
    array.append(&[5]).unwrap();
    assert_eq!(array.as_slice(), Some(&[5][..]));
    array[[0]] = 6;
    array.append(&[7; 5000]).unwrap();
    assert_eq!((array[[0]], array[[5000]]), (6, 7));
    array.truncate(0).unwrap();
    array.append(&[8, 9]).unwrap();
    assert_eq!(array.as_slice(), Some(&[8, 9][..]));
    array.close().unwrap();
    assert_eq!(fs::read(&path).unwrap(), [8, 9]);
    assert_eq!(map::open_with::<u8>(&options, &path).unwrap().as_slice(), Some(&[8, 9][..]));
}

#[test]
fn what_lies_behind_a_raw_array_is_never_overwritten_cut_or_taken_for_rows() {
    let folder = folder();
    let path = folder.path().join("a.bin");
    let bytes: Vec<u8> = (0..20).collect();
    fs::write(&path, &bytes).unwrap();
    let options = OpenOptions::new().raw(Raw::of::<u8>([2, 3]).offset(4));
    let mut file = options.open_file_mut::<u8>(&path).unwrap();
    for error in [file.append(&[1, 2, 3]), file.truncate(1)] {
        assert!(matches!(error, Err(Error::UncommittedTail { byte_len: 10, .. })), "{error:?}");
    }
    drop(file);
    let error = options.open_file::<u8>(&path).unwrap().refresh().unwrap_err();
    assert!(matches!(error, Error::NoHeader { action: "refresh", .. }), "{error}");
    for tail in [Tail::Discard, Tail::Adopt] {
        let error = options.recover_file::<u8>(&path, tail).unwrap_err();
        assert!(matches!(error, Error::NoHeader { action: "recover", .. }), "{error}");
    }
    assert!(fs::read(&path).unwrap() == bytes);
}
