//! Regions of a file by position: between handles, threads and both doors. Processes stand in the
//! fault tests.

use std::path::Path;
use std::thread;

use mmap_array::{Error, Lock, NpyFile, OpenOptions, Order, ReadWrite, Result, Window};

use crate::common::{Random, folder};
use crate::map;

fn cooperative() -> OpenOptions {
    OpenOptions::new().lock(Lock::Cooperative)
}

fn open(path: &Path) -> NpyFile<u64, ReadWrite> {
    cooperative().open_file_mut(path).unwrap()
}

fn create(path: &Path, shape: impl AsRef<[usize]>, order: Order) {
    cooperative().order(order).create_file::<u64>(path, shape).unwrap().close().unwrap();
}

/// Calls `add` with boxes of an array of 5 x 7 at random, and says how often each element was in one.
fn count(seed: u64, add: impl Fn(&Window)) -> [u64; 35] {
    let mut random = Random::new(seed);
    let mut counts = [0; 35];
    for _ in 0..300 {
        let (row, column) = (random.below(5), random.below(7));
        let (rows, columns) = (1 + random.below(5 - row), 1 + random.below(7 - column));
        add(&Window::new([row, column], [rows, columns]).unwrap());
        for i in row..row + rows {
            (column..column + columns).for_each(|j| counts[i * 7 + j] += 1);
        }
    }
    counts
}

/// Adds one to each element of a box.
fn add_one(file: &NpyFile<u64, ReadWrite>, window: &Window) {
    let mut region = file.write_region(window).unwrap();
    assert_eq!(region.window(), window);
    let mut elements = region.read().unwrap().into_vec();
    thread::yield_now();
    elements.iter_mut().for_each(|element| *element += 1);
    region.write(&elements).unwrap();
}

#[test]
fn no_count_is_lost_among_the_threads_of_one_handle_and_those_of_others() {
    for order in [Order::C, Order::Fortran] {
        let folder = folder();
        let path = folder.path().join("a.npy");
        create(&path, [5, 7], order);
        let (first, second) = (open(&path), open(&path));
        let mapped = map::open_mut_with::<u64>(&cooperative(), &path).unwrap().into_shared();
        let counts = thread::scope(|scope| {
            let threads = [
                scope.spawn(|| count(1, |window| add_one(&first, window))),
                scope.spawn(|| count(2, |window| add_one(&second, window))),
                scope.spawn(|| count(3, |window| add_one(&second, window))),
                scope.spawn(|| {
                    count(4, |window| {
                        let mut region = mapped.write_region(window).unwrap();
                        region.view_mut().map_inplace(|element| *element += 1);
                    })
                }),
            ];
            threads.map(|thread| thread.join().unwrap())
        });
        let sum = |n: usize| counts.iter().map(|counts| counts[n]).sum();
        let expected: Vec<u64> = (0..35).map(sum).collect();
        assert_eq!(open(&path).read().unwrap().as_slice(), expected);
    }
}

#[test]
fn regions_exclude_exactly_those_that_have_an_element_in_common() {
    for order in [Order::C, Order::Fortran] {
        let folder = folder();
        let path = folder.path().join("a.npy");
        create(&path, [4, 3, 4], order);
        let (ours, theirs) = (open(&path), open(&path));
        let mut random = Random::new(1);
        for _ in 0..1500 {
            let mut window = || {
                let ranges = [4, 3, 4].map(|len| {
                    let (a, b) = (random.below(len + 1), random.below(len + 1));
                    a.min(b)..a.max(b)
                });
                (Window::from(&ranges), ranges)
            };
            let ((first, a), (second, b)) = (window(), window());
            let common = a.iter().zip(&b).all(|(a, b)| a.start.max(b.start) < a.end.min(b.end));
            let held = ours.write_region(&first).unwrap();
            assert_eq!(theirs.try_read_region(&second).unwrap().is_none(), common, "{a:?} {b:?}");
            assert_eq!(theirs.try_write_region(&second).unwrap().is_none(), common, "{a:?} {b:?}");
            drop(held);
            let _held = ours.read_region(&first).unwrap();
            assert!(theirs.try_read_region(&second).unwrap().is_some());
            assert_eq!(theirs.try_write_region(&second).unwrap().is_none(), common, "{a:?} {b:?}");
        }
    }
}

#[test]
fn who_only_reads_needs_no_permission_to_write_and_waits_for_writers() {
    let folder = folder();
    let path = folder.path().join("a.npy");
    create(&path, [8], Order::C);
    let (writer, reader) = (open(&path), NpyFile::<u64>::open(&path).unwrap());
    let mut region = writer.write_region(2..4).unwrap();
    assert!(reader.try_read_region(3..5).unwrap().is_none());
    assert_eq!(reader.read_region(4..6).unwrap().read().unwrap().as_slice(), [0, 0]);
    thread::scope(|scope| {
        let waits = scope.spawn(|| {
            let mut out = [0; 2];
            reader.read_region(3..5).unwrap().read_into(&mut out).unwrap();
            out
        });
        region.write(&[6, 7]).unwrap();
        drop(region);
        assert_eq!(waits.join().unwrap(), [7, 0]);
    });
}

#[test]
fn what_does_not_fit_is_refused_and_locks_nothing() {
    let folder = folder();
    let path = folder.path().join("a.npy");
    create(&path, [4, 4], Order::C);
    let file = open(&path);
    let before = std::fs::read(&path).unwrap();
    let refused = |window: Window| -> Result<()> { file.write_region(window).map(|_| ()) };
    assert!(matches!(refused(Window::from([0..5, 0..1])), Err(Error::OutOfBounds { axis: 0, .. })));
    assert!(matches!(refused(Window::from(0..1)), Err(Error::RankMismatch { .. })));
    #[allow(clippy::reversed_empty_ranges, reason = "what is tested")]
    let reversed = Window::from([2..1, 0..1]);
    assert!(matches!(refused(reversed), Err(Error::ReversedRange { axis: 0, .. })));
    let mut region = file.write_region([0..2, 0..2]).unwrap();
    let error = region.write(&[1, 2, 3]).unwrap_err();
    assert!(matches!(error, Error::LenMismatch { expected: 4, found: 3 }), "{error}");
    drop(region);
    assert!(open(&path).try_write_region([0..4, 0..4]).unwrap().is_some());
    assert_eq!(std::fs::read(&path).unwrap(), before);
}

#[test]
fn a_box_of_many_runs_excludes_at_least_what_overlaps_and_nothing_before_and_behind() {
    let folder = folder();
    let path = folder.path().join("a.npy");
    create(&path, [1000, 3], Order::C);
    let (ours, theirs) = (open(&path), open(&path));
    let _held = ours.write_region([100..900, 1..2]).unwrap();
    for row in 0..1000 {
        let free = theirs.try_write_region([row..row + 1, 1..2]).unwrap().is_some();
        assert_eq!(free, !(100..900).contains(&row), "row {row}");
    }
    // It took in the columns beside it; one of few runs does not.
    assert!(theirs.try_write_region([500..501, 0..1]).unwrap().is_none());
    let _small = ours.write_region([0..100, 1..2]).unwrap();
    assert!(theirs.try_write_region([0..100, 2..3]).unwrap().is_some());
}
