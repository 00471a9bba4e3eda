//! What a region is, and where it is refused.

use super::*;

#[test]
fn a_region_is_its_box_to_read_to_store_through_and_to_write_and_nothing_else() {
    let folder = folder();
    let mut random = Random::new(2);
    for rank in (0..=6).step_by(times(1, 3)) {
        for order in [Order::C, Order::Fortran] {
            let shape: Vec<usize> = (0..rank).map(|_| 1 + random.below(times(4, 2))).collect();
            let path = folder.path().join(format!("{rank}{order:?}.npy"));
            let shared = map::create_in::<u64>(&path, &shape, order).unwrap().into_shared();
            let mut twin: Vec<u64> = (0..shape.iter().product()).map(|k: usize| k as u64).collect();
            shared.write_region(&whole(&shape)[..]).unwrap().write(&twin).unwrap();
            for round in 0..times(40, 3) {
                let ranges = any_box(&mut random, &shape);
                let cells = numbers(&shape, &ranges);
                let new: Vec<u64> = cells.iter().map(|_| random.number()).collect();
                let mut region = shared.write_region(&ranges[..]).unwrap();
                if round % 2 == 0 {
                    region.write(&new).unwrap();
                } else {
                    region
                        .view_mut()
                        .iter_mut()
                        .zip(&new)
                        .for_each(|(element, &new)| *element = new);
                }
                assert_eq!(region.view().to_vec(), new);
                assert_eq!(region.window(), &Window::from(&ranges[..]));
                drop(region);
                cells.iter().zip(&new).for_each(|(&cell, &new)| twin[cell] = new);
                assert_eq!(shared.read().view().to_vec(), twin, "{ranges:?} of {shape:?}");
                let ranges = any_box(&mut random, &shape);
                let region = shared.read_region(&ranges[..]).unwrap();
                let expected: Vec<u64> =
                    numbers(&shape, &ranges).iter().map(|&k| twin[k]).collect();
                assert_eq!(region.view().to_vec(), expected, "{ranges:?} of {shape:?}");
                assert_eq!(region.view().shape(), shape_of(&ranges));
                assert_eq!(region.window(), &Window::from(&ranges[..]));
            }
        }
    }
}

#[test]
fn a_region_is_of_the_array_that_is_there_when_it_is_had_whoever_swaps_or_grows_arrays() {
    let folder = folder();
    let create = |name: &str, shape: [usize; 2], fill| {
        let mut array = map::create::<u64>(folder.path().join(name), shape).unwrap();
        array.view_mut().fill(fill);
        array.into_shared()
    };
    let (small, large) = (create("small.npy", [3, 2], 1), create("large.npy", [40, 7], 2));
    let rounds = if cfg!(miri) { 12 } else { 3000 };
    thread::scope(|scope| {
        for shared in [&small, &large] {
            for row in 0..2 {
                scope.spawn(move || {
                    for _ in 0..rounds {
                        if let Ok(mut region) = shared.write_region([row..row + 1, 0..2]) {
                            let first = region.view()[[0, 0]];
                            thread::yield_now();
                            region.view_mut().fill(first);
                            assert_eq!(region.view().to_vec(), [first; 2]);
                        }
                        // There only in one of the two.
                        match shared.read_region([2 + row..6, 3..7]) {
                            Ok(region) => assert_eq!(region.view().to_vec()[..2], [2, 2]),
                            Err(error) => assert!(matches!(error, Error::OutOfBounds { .. })),
                        }
                    }
                });
            }
        }
        for round in 0..rounds {
            let (mut first, mut second) = (small.write(), large.write());
            std::mem::swap(&mut *first, &mut *second);
            if round % 8 == 0 {
                let columns = first.shape()[1];
                let fill = first[[0, 0]];
                first.append(&vec![fill; columns * 600]).unwrap();
                first.truncate(if columns == 2 { 3 } else { 40 }).unwrap();
            }
        }
    });
}

fn whole(shape: &[usize]) -> Vec<Range<usize>> {
    shape.iter().map(|&len| 0..len).collect()
}

#[test]
fn a_flushed_region_is_in_the_file_for_who_reads_it_anew() {
    let folder = folder();
    let path = folder.path().join("a.npy");
    map::create::<u64>(&path, [4, 5]).unwrap().close().unwrap();
    let shared = map::open_unlocked::<u64>(&path).unwrap().into_shared();
    let (mut left, mut right) =
        (shared.write_region([0..4, 0..2]).unwrap(), shared.write_region([1..3, 2..5]).unwrap());
    left.view_mut().fill(1);
    right.view_mut().fill(2);
    thread::scope(|scope| {
        // Neither minds the other.
        scope.spawn(|| left.flush().unwrap());
        scope.spawn(|| right.flush().unwrap());
    });
    let expected = [[1, 1, 0, 0, 0], [1, 1, 2, 2, 2], [1, 1, 2, 2, 2], [1, 1, 0, 0, 0]];
    assert_eq!(load::<u64>(&path).unwrap().as_slice(), expected.as_flattened());
}

#[test]
fn a_region_is_flushed_while_others_write_between_its_rows() {
    let folder = folder();
    let path = folder.path().join("a.npy");
    map::create::<u64>(&path, [4, 5]).unwrap().close().unwrap();
    let shared = map::open_unlocked::<u64>(&path).unwrap().into_shared();
    let (mut left, mut right) =
        (shared.write_region([0..4, 0..2]).unwrap(), shared.write_region([1..3, 2..5]).unwrap());
    left.view_mut().fill(1);
    thread::scope(|scope| {
        scope.spawn(|| left.flush().unwrap());
        scope.spawn(|| right.view_mut().fill(2));
    });
    right.flush().unwrap();
    let expected = [[1, 1, 0, 0, 0], [1, 1, 2, 2, 2], [1, 1, 2, 2, 2], [1, 1, 0, 0, 0]];
    assert_eq!(load::<u64>(&path).unwrap().as_slice(), expected.as_flattened());
}

#[test]
#[allow(clippy::reversed_empty_ranges, reason = "what is refused")]
fn a_region_that_is_refused_changes_nothing_and_leaves_no_claim_behind() {
    let folder = folder();
    let path = folder.path().join("a.npy");
    map::create::<u64>(&path, [4, 5]).unwrap().close().unwrap();
    let shared = map::open_unlocked::<u64>(&path).unwrap().into_shared();
    shared.write().view_mut().fill(7);
    shared.flush().unwrap();
    let before = fs::read(&path).unwrap();
    let refuse = |window: Window, is_right: fn(&Error) -> bool| {
        let errors = [
            shared.read_region(&window).unwrap_err(),
            shared.write_region(&window).unwrap_err(),
            shared.try_read_region(&window).unwrap_err(),
            shared.try_write_region(&window).unwrap_err(),
        ];
        assert!(errors.iter().all(is_right), "{window:?}: {errors:?}");
        assert!(shared.try_write().is_some(), "{window:?}");
    };
    let outside = |error: &Error| matches!(error, Error::OutOfBounds { axis: 1, len: 5, .. });
    refuse(Window::from([0..4, 0..6]), outside);
    refuse(Window::from([0..4, 6..6]), outside);
    refuse(Window::from([0..0, 5..usize::MAX]), outside);
    refuse(Window::from([0..4, 3..2]), |error| {
        matches!(error, Error::ReversedRange { axis: 1, start: 3, end: 2 })
    });
    let ranks = |error: &Error| matches!(error, Error::RankMismatch { expected: 2, .. });
    refuse(Window::from(0..4), ranks);
    refuse(Window::from([0..4, 0..5, 0..1]), ranks);
    refuse(Window::new([], []).unwrap(), ranks);

    let mut region = shared.write_region([1..3, 0..2]).unwrap();
    for len in [0, 3, 5, 20] {
        let refused = region.write(&vec![9; len]);
        assert!(matches!(refused, Err(Error::LenMismatch { expected: 4, found }) if found == len));
    }
    drop(region);
    assert!(shared.try_write().is_some());
    shared.flush().unwrap();
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[test]
#[cfg(any(miri, not(all(target_os = "linux", target_pointer_width = "64"))))]
fn where_processes_cannot_share_regions_that_is_said_and_the_whole_is_still_to_be_had() {
    let folder = folder();
    let options = mmap_array::OpenOptions::new().lock(mmap_array::Lock::Cooperative);
    let path = folder.path().join("a.npy");
    let shared = map::create_with::<u64>(&options, &path, [4]).unwrap().into_shared();
    for refused in [shared.read_region(0..1).map(drop), shared.write_region(0..1).map(drop)] {
        assert!(matches!(refused, Err(Error::NoRegionLocks { .. })), "{refused:?}");
    }
    shared.try_write().unwrap()[[0]] = 1;
}
