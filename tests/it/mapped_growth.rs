//! Growth in small, each way to it once, by position and mapped; small enough for Miri, which
//! watches every access to the elements.

use std::thread;

use mmap_array::{Error, MmapArrayMut, NpyFile, OpenOptions, Order, Publish, Tail, View, load, s};

use crate::common::folder;
use crate::map;

#[test]
fn a_map_lends_the_rows_that_were_appended_and_keeps_what_was_stored() {
    for order in [Order::C, Order::Fortran] {
        let folder = folder();
        let path = folder.path().join("a.npy");
        let shape = if order == Order::C { [1, 3] } else { [3, 1] };
        let mut array: MmapArrayMut<u16> = map::create_in(&path, shape, order).unwrap();
        array.view_mut().fill(1);
        array.append(&[2, 3, 4, 5, 6, 7]).unwrap();
        array[if order == Order::C { [2, 0] } else { [0, 2] }] = 50;
        let columns = View::from_shape([3, 1], &[8, 9, 10]).unwrap();
        let rows = if order == Order::C { columns.transpose() } else { columns };
        array.append_view(rows.slice(s![..;-1, ..;-1]).unwrap()).unwrap();
        let expected = match order {
            Order::C => [1, 1, 1, 2, 3, 4, 50, 6, 7, 10, 9, 8],
            // Row-major: 3 rows of 1, 2, 1 columns.
            Order::Fortran => [1, 2, 50, 10, 1, 4, 5, 9, 1, 6, 7, 8],
        };
        assert_eq!(array.view().to_vec(), expected);
        array.close().unwrap();
        assert_eq!(load::<u16>(&path).unwrap().as_slice(), expected);
    }
}

#[test]
fn a_map_is_cut_and_grows_again() {
    let folder = folder();
    let path = folder.path().join("a.npy");
    let mut array = map::create::<i32>(&path, [0, 2]).unwrap();
    for round in 0..3 {
        array.append(&[round, 1, 2, 3, 4, 5]).unwrap();
        array.slice_mut(s![-1]).unwrap().fill(round);
        array.truncate(1).unwrap();
        assert_eq!(array.as_slice(), Some(&[round, 1][..]));
        array.append(&[7, 8]).unwrap();
        assert_eq!(array.as_slice(), Some(&[round, 1, 7, 8][..]));
        array.truncate(0).unwrap();
        assert!(array.is_empty() && array.view().is_empty());
    }
    array.append(&[1, 2]).unwrap();
    array.close().unwrap();
    assert_eq!(load::<i32>(&path).unwrap().as_slice(), [1, 2]);
}

#[test]
fn a_file_grows_in_every_order_and_is_recovered() {
    for order in [Order::C, Order::Fortran] {
        let folder = folder();
        let path = folder.path().join("a.npy");
        let options = OpenOptions::new().order(order);
        let mut file = options.create_file::<i16>(&path, [2, 2]).unwrap();
        file.append(&[1, 2]).unwrap();
        file.flush().unwrap();
        file.append(&[3, 4, 5, 6]).unwrap();
        assert_eq!(file.len(), 10);
        drop(file);
        let file = NpyFile::<i16>::open(&path).unwrap();
        assert_eq!((file.len(), file.uncommitted_tail().unwrap()), (6, 8));
        drop(file);
        let file = options.recover_file::<i16>(&path, Tail::Adopt).unwrap();
        assert_eq!(file.len(), 10);
        file.close().unwrap();
        let mut file = NpyFile::<i16>::recover(&path).unwrap();
        file.truncate(3).unwrap();
        let expected = if order == Order::C { [0, 0, 0, 0, 1, 2] } else { [0, 0, 1, 0, 0, 2] };
        assert_eq!(file.read().unwrap().as_slice(), expected);
    }
}

#[test]
fn rows_appended_before_a_file_has_its_name_are_in_it() {
    let folder = folder();
    let path = folder.path().join("a.npy");
    let options = OpenOptions::new().publish(Publish::OnClose);
    let mut array = map::create_with::<u8>(&options, &path, [1]).unwrap();
    array.append(&[2, 3]).unwrap();
    array[[0]] = 1;
    assert!(!path.exists());
    array.close().unwrap();
    assert_eq!(load::<u8>(&path).unwrap().as_slice(), [1, 2, 3]);
}

#[test]
fn threads_read_a_shared_array_while_one_of_them_appends() {
    let (readers, most) = if cfg!(miri) { (2, 6) } else { (3, 400) };
    let folder = folder();
    let path = folder.path().join("a.npy");
    let shared = map::create::<u64>(&path, [0, 3]).unwrap().into_shared();
    thread::scope(|scope| {
        for _ in 0..readers {
            let shared = shared.clone();
            scope.spawn(move || {
                let mut last = 0;
                while last < most {
                    let array = shared.read();
                    let rows = array.shape()[0];
                    assert!(rows >= last);
                    let elements = array.as_slice().unwrap();
                    assert_eq!(elements.len(), 3 * rows);
                    assert!(elements.chunks(3).enumerate().all(|(at, row)| row == [at as u64; 3]));
                    last = rows;
                    drop(array);
                    thread::yield_now();
                }
            });
        }
        for at in 0..most {
            let mut array = shared.write();
            array.append(&[at as u64, 0, at as u64]).unwrap();
            array[[at, 1]] = at as u64;
        }
    });
    shared.close().unwrap();
    assert_eq!(NpyFile::<u64>::open(&path).unwrap().shape(), [most, 3]);
}

#[test]
fn a_map_that_became_a_file_commits_what_was_appended_to_it() {
    let folder = folder();
    let path = folder.path().join("a.npy");
    let mut array = map::create::<f32>(&path, [0]).unwrap();
    array.append(&[1.0, 2.0]).unwrap();
    let error = array.append_view(View::from_shape([1, 1], &[3.0]).unwrap()).unwrap_err();
    assert!(matches!(error, Error::ShapeMismatch { .. }), "{error:?}");
    let mut file = array.into_file();
    file.append(&[3.0]).unwrap();
    file.close().unwrap();
    assert_eq!(load::<f32>(&path).unwrap().as_slice(), [1.0, 2.0, 3.0]);
}
