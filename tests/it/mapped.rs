//! Mapped arrays in small, each way to them once: creating, views on threads, windows, hints, the
//! way back to a file. Small enough for Miri, which watches every access to the elements; its
//! stand-in for a mapping reaches the file when it is flushed.

use std::cell::RefCell;
use std::fs;
use std::panic;
use std::thread;

use mmap_array::{
    Advice, Array, Error, LockState, MmapArray, NpyFile, OpenOptions, Order, Publish, SliceItem,
    ViewMut, Window, load, s,
};

use crate::common::folder;
use crate::map;

#[test]
fn threads_fill_tiles_of_one_map_and_the_file_has_them_all() {
    for order in [Order::C, Order::Fortran] {
        let folder = folder();
        let path = folder.path().join("a.npy");
        let mut array = map::create_in::<i16>(&path, [5, 6], order).unwrap();
        thread::scope(|scope| {
            for (window, mut tile) in array.view_mut().tiles([2, 3]).unwrap() {
                scope.spawn(move || {
                    let [row, column] = [window.start()[0], window.start()[1]];
                    tile.fill((10 * row + column) as i16);
                    tile[[0, 0]] += 1;
                });
            }
        });
        let expected: Vec<i16> = (0..5)
            .flat_map(|row| (0..6).map(move |column| (row, column)))
            .map(|(row, column)| {
                let (tile_row, tile_column) = (row / 2 * 2, column / 3 * 3);
                let first = (row, column) == (tile_row, tile_column);
                10 * tile_row + tile_column + i16::from(first)
            })
            .collect();
        assert_eq!(array.view().to_vec(), expected);
        array.close().unwrap();

        let array = map::open::<i16>(&path).unwrap();
        assert_eq!(array.view().to_vec(), expected);
        assert_eq!(array.lock_state(), LockState::Shared);
        assert_eq!(load::<i16>(&path).unwrap().as_slice(), expected);
    }
}

#[test]
fn threads_read_and_write_through_parts_of_one_view() {
    let folder = folder();
    let mut array = map::create::<u32>(folder.path().join("a.npy"), [4, 4]).unwrap();
    let (left, right) = array.view_mut().split_at(1, 2).unwrap();
    thread::scope(|scope| {
        for (mut half, value) in [(left, 1), (right, 2)] {
            scope.spawn(move || {
                half.fill(value);
                for mut lane in half.reborrow().lanes(0).unwrap() {
                    lane[[3]] = 10 * value;
                }
                half.outer_iter().for_each(|mut row| row[[0]] += 100);
            });
        }
    });
    let array = &array;
    thread::scope(|scope| {
        for row in 0..4 {
            scope.spawn(move || {
                let last = if row == 3 { 10 } else { 1 };
                let expected = [100 + last, last, 100 + 2 * last, 2 * last];
                assert_eq!(array.slice(s![row]).unwrap().to_vec(), expected);
                assert_eq!(array.read_slice(s![row]).unwrap().as_slice(), expected);
            });
        }
    });
}

#[test]
fn a_map_lends_elements_that_stay_where_they_are() {
    let folder = folder();
    let path = folder.path().join("a.npy");
    let mut array = map::create::<f64>(&path, [2, 2]).unwrap();
    array[[0, 1]] = 1.5;
    *array.get_mut([1, 1]).unwrap() = 2.5;
    array.as_mut_slice().unwrap()[2] = 3.5;
    array.write_window([0..1, 0..1], &[4.5]).unwrap();
    array.write_slice(s![..;-1, 1], &[5.5, 6.5]).unwrap();
    assert!(array.get_mut([2, 0]).is_none() && array.get([0]).is_none());
    let array = array;
    let (element, row, all) = (&array[[1, 0]], array.slice(s![0]).unwrap(), array.as_slice());
    assert_eq!(array.read_window([1..2, 0..2]).unwrap().as_slice(), [3.5, 5.5]);
    assert_eq!((*element, row[[1]], all), (3.5, 6.5, Some(&[4.5, 6.5, 3.5, 5.5][..])));
    assert_eq!(array.to_string(), array.view().to_string());
    mmap_array::save(folder.path().join("b.npy"), &array).unwrap();
    assert_eq!(load::<f64>(folder.path().join("b.npy")).unwrap(), array.view());
}

#[test]
fn copies_on_write_never_reach_the_file() {
    let folder = folder();
    let path = folder.path().join("a.npy");
    mmap_array::save(&path, &[1_u16, 2, 3]).unwrap();
    let before = fs::read(&path).unwrap();
    let mut array = map::open_cow::<u16>(&path).unwrap();
    array[[0]] = 7;
    array.write_window(1..2, &[8]).unwrap();
    let (mut first, mut rest) = array.view_mut().split_at(0, 1).unwrap();
    thread::scope(|scope| {
        scope.spawn(move || first[[0]] += 1);
        scope.spawn(move || rest[[1]] += 1);
    });
    array.prefetch(0..3).unwrap();
    array.advise(Advice::Sequential).unwrap();
    assert_eq!(array.as_slice(), Some(&[8, 8, 4][..]));
    assert_eq!(array.file().read().unwrap().as_slice(), [1, 2, 3]);
    drop(array);
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[test]
fn a_map_becomes_a_file_that_keeps_the_lock_and_what_was_stored() {
    let folder = folder();
    let path = folder.path().join("a.npy");
    let mut array = map::create::<i32>(&path, [3]).unwrap();
    array.view_mut().fill(5);
    array.flush().unwrap();
    let file = array.into_file();
    assert_eq!(file.lock_state(), LockState::Exclusive);
    assert!(matches!(map::open::<i32>(&path), Err(Error::AlreadyOpen { .. })));
    file.write_window(1..2, &[6]).unwrap();
    assert_eq!(file.read().unwrap().as_slice(), [5, 6, 5]);
    file.close().unwrap();
    let mut array = map::open_mut::<i32>(&path).unwrap();
    assert_eq!(array.as_slice(), Some(&[5, 6, 5][..]));
    array[[0]] = 7;
    array.close().unwrap();
    assert_eq!(map::open::<i32>(&path).unwrap().as_slice(), Some(&[7, 6, 5][..]));
}

#[test]
fn a_map_that_waits_for_its_close_becomes_a_file_that_does() {
    let folder = folder();
    let options = OpenOptions::new().publish(Publish::OnClose);
    let path = folder.path().join("a.npy");
    let mut array = map::create_with::<i32>(&options, &path, [2]).unwrap();
    array[[1]] = 3;
    array.flush().unwrap();
    assert!(!path.exists());
    let file = array.into_file();
    file.write_window(0..1, &[2]).unwrap();
    file.close().unwrap();
    assert_eq!(load::<i32>(&path).unwrap().as_slice(), [2, 3]);

    let mut array = map::create_with::<i32>(&options.overwrite(true), &path, [1]).unwrap();
    array[[0]] = 9;
    assert_eq!(load::<i32>(&path).unwrap().len(), 2);
    array.publish().unwrap();
    assert_eq!(load::<i32>(&path).unwrap().as_slice(), [9]);
    array[[0]] = 10;
    array.close().unwrap();
    assert_eq!(load::<i32>(&path).unwrap().as_slice(), [10]);
}

#[test]
fn arrays_without_elements_and_without_axes_are_mapped() {
    let folder = folder();
    let path = folder.path().join("a.npy");
    for shape in [&[0][..], &[3, 0, 2], &[0, 0]] {
        let mut array = map::create::<u64>(&path, shape).unwrap();
        assert!(array.is_empty() && array.view().is_empty() && array.as_slice() == Some(&[]));
        array.view_mut().fill(1);
        let whole = Window::new(vec![0; shape.len()], shape).unwrap();
        array.write_window(&whole, &[]).unwrap();
        assert_eq!(array.read_window(&whole).unwrap().shape(), shape);
        array.prefetch(&whole).unwrap();
        array.evict(&whole).unwrap();
        array.flush_window(&whole).unwrap();
        array.flush_async().unwrap();
        array.close().unwrap();
        map::open_cow::<u64>(&path).unwrap().view_mut().fill(1);
        assert_eq!(map::open::<u64>(&path).unwrap().shape(), shape);
        fs::remove_file(&path).unwrap();
    }
    let mut array = map::create::<u64>(&path, []).unwrap();
    array[[]] = 7;
    array.evict(Window::new([], []).unwrap()).unwrap();
    assert_eq!((array.len(), array.as_slice()), (1, Some(&[7][..])));
    array.close().unwrap();
    assert_eq!(map::open::<u64>(&path).unwrap()[[]], 7);
}

#[test]
fn hints_change_no_element() {
    let folder = folder();
    // Some pages, of which rows take a part.
    let shape = if cfg!(miri) { [4, 6] } else { [16, 3000] };
    let [rows, columns] = shape;
    for order in [Order::C, Order::Fortran] {
        let path = folder.path().join(format!("{order:?}.npy"));
        let mut array = map::create_in::<i32>(&path, shape, order).unwrap();
        let mut next = 0;
        array.view_mut().map_inplace(|element| {
            next += 1;
            *element = next;
        });
        let expected = array.view().to_array().unwrap();
        for (round, advice) in
            [Advice::HugePages, Advice::Random, Advice::Sequential, Advice::Normal]
                .into_iter()
                .enumerate()
        {
            array.advise(advice).unwrap();
            for ranges in [
                [0..rows, 0..columns],
                [1..rows - 1, 1..columns - 1],
                [round..round, 0..columns],
                [rows - 1..rows, columns - 1..columns],
                [rows..rows, columns..columns],
            ] {
                array.evict(&ranges).unwrap();
                assert_eq!(array.view(), expected);
                array.prefetch(&ranges).unwrap();
                array.flush_window(&ranges).unwrap();
                array.flush_async().unwrap();
                assert_eq!(array.view(), expected);
            }
        }
        array.close().unwrap();
        let array = map::open::<i32>(&path).unwrap();
        array.evict([0..rows, 0..columns]).unwrap();
        array.prefetch([0..1, 0..columns]).unwrap();
        assert_eq!(array.view(), expected);
    }
}

#[test]
fn flushed_windows_are_in_the_file() {
    for order in [Order::C, Order::Fortran] {
        let folder = folder();
        let path = folder.path().join("a.npy");
        let mut array = map::create_in::<u16>(&path, [4, 5], order).unwrap();
        array.view_mut().fill(7);
        let windows: Vec<Window> = array.row_blocks(2).unwrap().collect();
        assert_eq!(windows.len(), if order == Order::C { 2 } else { 3 });
        for window in windows.iter().rev() {
            array.flush_window(window).unwrap();
            let found = NpyFile::<u16>::open(&path).unwrap().read_window(window).unwrap();
            assert!(found.iter().all(|&element| element == 7));
        }
        array.slice_mut(s![..;3, 1..4]).unwrap().fill(8);
        array.flush_window([0..4, 1..4]).unwrap();
        assert_eq!(array.file().read().unwrap(), array.view());
        array.view_mut().fill(9);
        array.flush().unwrap();
        assert_eq!(load::<u16>(&path).unwrap(), array.view());
    }
}

#[test]
fn windows_that_do_not_fit_are_refused_with_the_words_of_the_other_door() {
    let folder = folder();
    let path = folder.path().join("a.npy");
    mmap_array::save(&path, &[7_u8; 6]).unwrap();
    let file = NpyFile::<u8>::open(&path).unwrap();
    let mut array = map::open_cow::<u8>(&path).unwrap();
    let reversed = Window::from([std::ops::Range { start: 4, end: 2 }]);
    let windows = [
        Window::from(0..7),
        Window::from(7..7),
        reversed,
        Window::from([0..1, 0..1]),
        Window::from(9..12),
    ];
    for window in windows {
        let error = file.read_window(&window).unwrap_err().to_string();
        let found = [
            array.read_window(&window).unwrap_err(),
            array.read_window_into(&window, &mut [0; 3]).unwrap_err(),
            array.write_window(&window, &[0; 3]).unwrap_err(),
            array.prefetch(&window).unwrap_err(),
        ];
        assert_eq!(found.map(|error| error.to_string()), [(); 4].map(|()| error.clone()));
    }
    let slices: [&[SliceItem]; 4] = [&s![6], &s![.., 0], &s![..7], &s![..;0]];
    for items in slices {
        let error = file.read_slice(items).unwrap_err().to_string();
        let found = [
            array.slice(items).unwrap_err(),
            array.read_slice(items).unwrap_err(),
            array.slice_mut(items).unwrap_err(),
            array.write_slice(items, &[0; 6]).unwrap_err(),
        ];
        assert_eq!(found.map(|error| error.to_string()), [(); 4].map(|()| error.clone()));
    }
    let length = |error| matches!(error, Error::LenMismatch { expected: 2, found: 3 });
    assert!(length(array.write_window(1..3, &[0; 3]).unwrap_err()));
    assert!(length(array.read_window_into(1..3, &mut [0; 3]).unwrap_err()));
    let error = array.write_slice(s![1..3], &[0; 3]).unwrap_err();
    assert!(matches!(error, Error::ShapeMismatch { .. }), "{error:?}");
    assert_eq!(array.as_slice(), Some(&[7; 6][..]));
}

#[test]
#[should_panic(expected = "index 3 is out of bounds for axis 1")]
fn an_index_outside_panics_with_the_numbers() {
    let folder = folder();
    let array = map::create::<u8>(folder.path().join("a.npy"), [2, 3]).unwrap();
    let _ = array[[1, 3]];
}

#[test]
#[should_panic(expected = "2 axes, not 1")]
fn a_store_with_a_wrong_number_of_axes_panics_with_both() {
    let folder = folder();
    let mut array = map::create::<u8>(folder.path().join("a.npy"), [2, 3]).unwrap();
    array[[1]] = 3;
}

#[test]
fn a_file_that_exists_is_not_created_again() {
    let folder = folder();
    let path = folder.path().join("a.npy");
    mmap_array::save(&path, &[7_u8; 6]).unwrap();
    let before = fs::read(&path).unwrap();
    let error = map::create::<u8>(&path, [2]).unwrap_err();
    assert!(matches!(error, Error::AlreadyExists { .. }), "{error:?}");
    assert_eq!(fs::read(&path).unwrap(), before);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn readers_share_a_file_and_a_writer_is_alone() {
    let folder = folder();
    let path = folder.path().join("a.npy");
    mmap_array::save(&path, &[7_u8; 6]).unwrap();
    let refused = |error: Option<Error>| matches!(error, Some(Error::AlreadyOpen { .. }));
    let readers: Vec<MmapArray<u8>> = (0..3).map(|_| map::open(&path).unwrap()).collect();
    assert!(refused(map::open_mut::<u8>(&path).err()));
    assert_eq!(readers[2].as_slice(), readers[0].as_slice());
    drop(readers);
    let writer = map::open_mut::<u8>(&path).unwrap();
    assert!(refused(map::open_mut::<u8>(&path).err()));
    assert!(refused(map::open::<u8>(&path).err()));
    // Reading by position takes no lock.
    assert_eq!(NpyFile::<u8>::open(&path).unwrap().len(), 6);
    drop(writer);
    map::open_mut::<u8>(&path).unwrap().close().unwrap();
}

#[test]
fn a_wrong_index_is_reported_where_it_stands() {
    thread_local!(static PLACE: RefCell<Option<(String, u32)>> = const { RefCell::new(None) });
    fn place(f: impl FnOnce()) -> Option<(String, u32)> {
        assert!(panic::catch_unwind(panic::AssertUnwindSafe(f)).is_err());
        PLACE.take()
    }
    let old = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        PLACE.set(info.location().map(|place| (place.file().to_owned(), place.line())));
        old(info);
    }));
    let folder = folder();
    let mut mapped = map::create::<i32>(folder.path().join("a.npy"), [2, 3]).unwrap();
    let mut array = Array::from_vec([2, 3], vec![0; 6]).unwrap();
    let mut numbers = [0; 6];
    let here = |line| Some((file!().to_owned(), line));
    assert_eq!(place(|| _ = mapped[[2, 0]]), here(line!()));
    assert_eq!(place(|| mapped[[0, 3]] = 1), here(line!()));
    assert_eq!(place(|| _ = mapped.view()[[2, 0]]), here(line!()));
    assert_eq!(place(|| _ = array[[2, 0]]), here(line!()));
    assert_eq!(place(|| array[[0]] = 1), here(line!()));
    let mut view = ViewMut::from_shape([2, 3], &mut numbers).unwrap();
    assert_eq!(place(|| _ = view[[2, 0]]), here(line!()));
    assert_eq!(place(|| view[[0, 3]] = 1), here(line!()));
}

#[test]
fn an_array_has_the_iterators_and_windows_of_its_view() {
    for order in [Order::C, Order::Fortran] {
        let folder = folder();
        let path = folder.path().join("a.npy");
        let mut array = map::create_in::<i32>(&path, [2, 3, 4], order).unwrap();
        array.write_slice(s![..], &Array::from_vec([2, 3, 4], (0..24).collect()).unwrap()).unwrap();
        array.window_mut([1..2, 0..2, 3..4]).unwrap().map_inplace(|element| *element += 100);
        let view = array.view();
        assert_eq!(array.window([1..2, 0..2, 3..4]).unwrap().to_vec(), [115, 119]);
        assert!(array.iter().eq(view.iter()) && (&array).into_iter().eq(&view));
        assert!(array.lanes(1).unwrap().eq(view.lanes(1).unwrap()));
        assert!(array.outer_iter().eq(view.outer_iter()));
        assert!(array.lanes(3).is_err() && array.window([0..3, 0..1, 0..1]).is_err());
        assert!(array.window_mut([0..1, 0..1]).is_err());
    }
}
