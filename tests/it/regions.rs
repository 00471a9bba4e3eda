//! Boxes of a shared array for many threads: what overlaps is never held at once, what does not
//! overlap waits for nobody, and who came first goes first. With few cases all of it runs under
//! Miri too, which also finds accesses that no lock kept apart.

use std::fs;
use std::io::{self, Write};
use std::mem::forget;
use std::ops::Range;
use std::panic::resume_unwind;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Barrier, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use mmap_array::{
    Error, Order, ReadGuard, RegionReadGuard, RegionWriteGuard, Result, SharedMmapArray, View,
    Window, WriteGuard, load,
};

use crate::common::{Random, folder, for_each_index, number};
use crate::map;

/// So many times; fewer where each takes longer.
const fn times(many: usize, few: usize) -> usize {
    if cfg!(miri) { few } else { many }
}

/// Is all to be done that takes long?
fn all_cases() -> bool {
    std::env::var_os("MMAP_ARRAY_ALL_CASES").is_some()
}

fn shared<const N: usize>(path: &Path, shape: [usize; N]) -> SharedMmapArray<u64> {
    map::create::<u64>(path, shape).unwrap().into_shared()
}

/// Ends the tests where one waits for ever: a deadlock is among what they look for. (Miri sees one
/// itself.)
struct Watch(#[expect(dead_code, reason = "its end is the sign")] Option<mpsc::Sender<()>>);

fn watch(name: &'static str) -> Watch {
    if cfg!(miri) {
        return Watch(None);
    }
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        if receiver.recv_timeout(Duration::from_secs(300)) == Err(mpsc::RecvTimeoutError::Timeout) {
            // Not `eprintln!`: the test harness keeps that to itself.
            let _ = writeln!(io::stderr(), "{name} waits for ever");
            std::process::abort();
        }
    });
    Watch(Some(sender))
}

/// Waits until somebody has come to wait, which a claim of ours that is refused shows.
fn until(refused: impl Fn() -> bool) {
    while !refused() {
        thread::yield_now();
    }
}

/// A box of an array of this shape: any ranges, whole along some axes, empty along others.
fn any_box(random: &mut Random, shape: &[usize]) -> Vec<Range<usize>> {
    let range = |&len: &usize| {
        let (a, b) = (random.below(len + 1), random.below(len + 1));
        if random.below(3) == 0 { 0..len } else { a.min(b)..a.max(b) }
    };
    shape.iter().map(range).collect()
}

fn shape_of(ranges: &[Range<usize>]) -> Vec<usize> {
    ranges.iter().map(Range::len).collect()
}

/// The numbers, in row-major order, of the elements of a box, in row-major order.
fn numbers(shape: &[usize], ranges: &[Range<usize>]) -> Vec<usize> {
    let mut numbers = Vec::new();
    for_each_index(&shape_of(ranges), |index| {
        let index: Vec<_> = index.iter().zip(ranges).map(|(i, range)| range.start + i).collect();
        numbers.push(number(shape, &index));
    });
    numbers
}

fn is_there<G>(guard: Result<Option<G>>) -> bool {
    guard.unwrap().is_some()
}

// ---- under load ---------------------------------------------------------------------------------

/// What the elements of an array must be, and who is at each of them. The accesses are relaxed:
/// they tell no thread what another one did, as only the locks may.
struct Cells {
    /// How many read there; far below zero where somebody writes.
    here: Vec<AtomicI64>,
    values: Vec<AtomicU64>,
}

impl Cells {
    fn new(len: usize) -> Cells {
        let (mut here, mut values) = (Vec::new(), Vec::new());
        here.resize_with(len, AtomicI64::default);
        values.resize_with(len, AtomicU64::default);
        Cells { here, values }
    }

    /// Looks at elements, twice.
    fn read(&self, cells: &[usize], view: &View<'_, u64>, pause: bool) {
        cells.iter().for_each(|&cell| {
            assert!(self.here[cell].fetch_add(1, Ordering::Relaxed) >= 0, "a writer is here");
        });
        for look in 0..2 {
            assert_eq!(view.len(), cells.len());
            for (&found, &cell) in view.iter().zip(cells) {
                let expected = self.values[cell].load(Ordering::Relaxed);
                assert_eq!(found, expected, "element {cell}, look {look}");
            }
            if pause {
                thread::yield_now();
            }
        }
        cells.iter().for_each(|&cell| {
            assert!(self.here[cell].fetch_sub(1, Ordering::Relaxed) > 0);
        });
    }

    /// Comes to elements to write them, lets `store` do it, and looks whether nobody else did.
    fn write(&self, cells: &[usize], value: u64, mut store: impl FnMut(bool) -> Vec<u64>) {
        cells.iter().for_each(|&cell| {
            let here = self.here[cell].fetch_sub(1 << 32, Ordering::Relaxed);
            assert_eq!(here, 0, "somebody is at element {cell}");
            self.values[cell].store(value, Ordering::Relaxed);
        });
        assert_eq!(store(true), vec![value; cells.len()]);
        thread::yield_now();
        assert_eq!(store(false), vec![value; cells.len()]);
        cells.iter().for_each(|&cell| {
            assert_eq!(self.here[cell].fetch_add(1 << 32, Ordering::Relaxed), -1 << 32);
        });
    }
}

/// Takes, tries, uses and gives back one claim; was it granted?
fn claim(shared: &SharedMmapArray<u64>, cells: &Cells, random: &mut Random, value: u64) -> bool {
    const SHAPE: [usize; 2] = [5, 6];
    let ranges = any_box(random, &SHAPE);
    let window = || Window::from(&ranges[..]);
    let (all, part) = (numbers(&SHAPE, &[0..5, 0..6]), numbers(&SHAPE, &ranges));
    let pause = random.below(8) == 0;
    let by_position = random.below(2) == 0;
    let read = |guard: ReadGuard<'_, u64>| cells.read(&all, &guard.view(), pause);
    let write = |mut guard: WriteGuard<'_, u64>| {
        cells.write(&all, value, |store| {
            if store {
                guard.view_mut().fill(value);
            }
            guard.view().to_vec()
        });
    };
    let read_region = |guard: RegionReadGuard<'_, u64>| cells.read(&part, &guard.view(), pause);
    let write_region = |mut guard: RegionWriteGuard<'_, u64>| {
        cells.write(&part, value, |store| {
            match (store, by_position) {
                (true, true) => guard.write(&vec![value; part.len()]).unwrap(),
                (true, false) => guard.view_mut().fill(value),
                _ => {}
            }
            guard.view().to_vec()
        });
    };
    match random.below(12) {
        0 => read(shared.read()),
        1 => write(shared.write()),
        2 => return shared.try_read().map(read).is_some(),
        3 => return shared.try_write().map(write).is_some(),
        4 | 5 => read_region(shared.read_region(window()).unwrap()),
        6..9 => write_region(shared.write_region(window()).unwrap()),
        9 => return shared.try_read_region(window()).unwrap().map(read_region).is_some(),
        _ => return shared.try_write_region(window()).unwrap().map(write_region).is_some(),
    }
    true
}

fn claims_that_overlap(order: Order, seed: usize) {
    const THREADS: usize = times(4, 3);
    const ROUNDS: usize = times(8_000, 6);
    let _watch = watch("the stress");
    let folder = folder();
    let array = map::create_in::<u64>(folder.path().join("a.npy"), [5, 6], order).unwrap();
    let (shared, cells) = (array.into_shared(), Cells::new(30));
    let refused = AtomicUsize::new(0);
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let (shared, cells, refused) = (shared.clone(), &cells, &refused);
            scope.spawn(move || {
                let mut random = Random::new((seed * THREADS + thread) as u64);
                for round in 0..ROUNDS {
                    let value = (1 + round * THREADS + thread) as u64;
                    if !claim(&shared, cells, &mut random, value) {
                        refused.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    assert!(cfg!(miri) || refused.into_inner() > 0, "nobody was ever in anybody's way");
    // Nobody is left, in the array or before it.
    cells.write(&(0..30).collect::<Vec<_>>(), 0, |_| vec![0; 30]);
    shared.try_write().unwrap().view_mut().fill(0);
}

#[test]
fn claims_that_overlap_are_never_held_at_once() {
    // All of them: a million claims.
    for seed in 0..if all_cases() { 16 } else { 1 } {
        claims_that_overlap(Order::C, seed);
        claims_that_overlap(Order::Fortran, seed);
    }
}

#[test]
fn no_update_of_a_box_is_lost_whatever_the_rank_and_the_order() {
    const THREADS: usize = times(4, 2);
    const ROUNDS: usize = times(300, 2);
    let _watch = watch("the updates");
    let folder = folder();
    let mut random = Random::new(1);
    for rank in (0..=6).step_by(times(1, 3)) {
        for order in [Order::C, Order::Fortran] {
            let shape: Vec<usize> = (0..rank).map(|_| 1 + random.below(times(4, 2))).collect();
            let path = folder.path().join(format!("{rank}{order:?}.npy"));
            let shared = map::create_in::<u64>(&path, &shape, order).unwrap().into_shared();
            let mut counts: Vec<AtomicU64> = Vec::new();
            counts.resize_with(shape.iter().product(), AtomicU64::default);
            thread::scope(|scope| {
                for thread in 0..THREADS {
                    let (shared, counts, shape) = (shared.clone(), &counts, &shape);
                    scope.spawn(move || {
                        let mut random = Random::new(thread as u64);
                        for round in 0..ROUNDS {
                            let ranges = any_box(&mut random, shape);
                            let mut region = shared.write_region(&ranges[..]).unwrap();
                            if round % 2 == 0 {
                                region.view_mut().map_inplace(|element| *element += 1);
                            } else {
                                let old = region.view().to_vec();
                                thread::yield_now();
                                let new: Vec<u64> = old.iter().map(|old| old + 1).collect();
                                region.write(&new).unwrap();
                            }
                            for cell in numbers(shape, &ranges) {
                                counts[cell].fetch_add(1, Ordering::Relaxed);
                            }
                        }
                    });
                }
            });
            let expected: Vec<u64> = counts.into_iter().map(AtomicU64::into_inner).collect();
            assert_eq!(shared.read().view().to_vec(), expected, "{shape:?} {order:?}");
            shared.close().unwrap();
            assert_eq!(load::<u64>(&path).unwrap().view().to_vec(), expected, "{shape:?}");
        }
    }
}

// ---- what a region is ---------------------------------------------------------------------------

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

// ---- who waits for whom -------------------------------------------------------------------------

#[test]
fn boxes_without_a_common_element_are_held_at_once() {
    let _watch = watch("holding tiles at once");
    let folder = folder();
    let shared = shared(&folder.path().join("a.npy"), [4, 4]);
    let tiles = [[0..2, 0..2], [0..2, 2..4], [2..4, 0..2], [2..4, 2..4]];
    let columns = [[0..4, 0..1], [0..4, 1..2], [0..4, 2..3], [0..4, 3..4]];
    for boxes in [tiles, columns] {
        let barrier = Barrier::new(4);
        thread::scope(|scope| {
            for (number, window) in (1..).zip(&boxes) {
                let (shared, barrier) = (&shared, &barrier);
                scope.spawn(move || {
                    let mut region = shared.write_region(window).unwrap();
                    let mut view = region.view_mut();
                    // With views of all of them at once.
                    barrier.wait();
                    view.fill(number);
                    barrier.wait();
                    assert!(region.view().iter().all(|&element| element == number));
                    assert!(shared.try_read().is_none() && shared.try_write().is_none());
                });
            }
        });
        let array = shared.read();
        for (number, window) in (1..).zip(&boxes) {
            let found = array.read_window(window).unwrap();
            assert_eq!(found.as_slice(), [number; 4], "{window:?}");
        }
    }
}

#[test]
fn readers_share_elements_with_readers_and_empty_boxes_with_everybody() {
    let folder = folder();
    let shared = shared(&folder.path().join("a.npy"), [4, 4]);
    let readers =
        (shared.read(), shared.read_region([0..3, 0..3]), shared.read_region([1..4, 1..4]));
    assert!(shared.try_read().is_some() && is_there(shared.try_read_region([0..4, 0..4])));
    assert!(!is_there(shared.try_write_region([2..3, 2..3])) && shared.try_write().is_none());
    // Who writes no element is in no reader's way.
    assert!(is_there(shared.try_write_region([2..2, 0..4])));
    let (whole, first, second) = readers;
    drop(whole);
    assert!(!is_there(shared.try_write_region([0..1, 0..1])));
    drop(first);
    assert!(is_there(shared.try_write_region([0..1, 0..4])));
    assert!(!is_there(shared.try_write_region([1..2, 1..2])));
    drop(second);

    let writer = shared.write_region([0..4, 0..2]).unwrap();
    assert!(is_there(shared.try_write_region([0..4, 1..1])));
    assert!(!is_there(shared.try_read_region([3..4, 1..2])));
    drop(writer);
    // The handle itself is changed by who has all of it: then nobody reads even that.
    let writer = shared.write();
    assert!(!is_there(shared.try_read_region([1..1, 0..4])));
    drop(writer);
    assert!(shared.try_write().is_some());
}

#[test]
fn who_waits_for_the_whole_is_overtaken_by_nobody_who_comes_later() {
    let _watch = watch("a writer of the whole");
    let folder = folder();
    let shared = shared(&folder.path().join("a.npy"), [4, 4]);
    for round in 0..times(30, 2) {
        let came = Mutex::new(Vec::new());
        let come = |name| came.lock().unwrap().push(name);
        let held = shared.read_region([0..1, 0..1]).unwrap();
        thread::scope(|scope| {
            scope.spawn(|| {
                let _guard = shared.write();
                come("writer");
            });
            until(|| shared.try_read().is_none());
            scope.spawn(|| {
                let _guard = shared.read();
                come("reader");
            });
            scope.spawn(|| {
                let _guard = shared.read_region([0..1, 0..1]).unwrap();
                come("reader of a box");
            });
            scope.spawn(|| {
                let _guard = shared.write_region([3..4, 0..4]).unwrap();
                come("writer of a box");
            });
            if round % 2 == 0 {
                thread::sleep(Duration::from_millis(2));
            }
            assert!(shared.try_write().is_none() && shared.try_read().is_none());
            assert!(!is_there(shared.try_write_region([3..4, 3..4])));
            assert!(!is_there(shared.try_read_region([0..1, 0..1])));
            assert!(came.lock().unwrap().is_empty());
            drop(held);
        });
        let came = came.into_inner().unwrap();
        assert_eq!((came.len(), came[0]), (4, "writer"), "{came:?}");
    }
}

#[test]
fn who_waits_for_a_box_is_overtaken_only_by_whom_he_is_not_in_the_way_of() {
    let _watch = watch("a writer of a box");
    let folder = folder();
    let shared = shared(&folder.path().join("a.npy"), [6, 4]);
    for round in 0..times(30, 2) {
        let came = Mutex::new(Vec::new());
        let come = |name| came.lock().unwrap().push(name);
        let held = shared.read_region([0..2, 0..4]).unwrap();
        thread::scope(|scope| {
            scope.spawn(|| {
                let _guard = shared.write_region([1..3, 1..2]).unwrap();
                come("writer");
            });
            // Nobody holds that one: it is refused for the sake of who waits.
            until(|| !is_there(shared.try_read_region([2..3, 1..2])));
            scope.spawn(|| {
                let _guard = shared.read_region([1..2, 1..2]).unwrap();
                come("reader of what is being read");
            });
            scope.spawn(|| {
                let _guard = shared.read();
                come("reader of the whole");
            });
            scope.spawn(|| {
                let _guard = shared.write_region([2..6, 0..4]).unwrap();
                come("writer of another box");
            });
            if round % 2 == 0 {
                thread::sleep(Duration::from_millis(2));
            }
            // Others go on.
            assert!(is_there(shared.try_read_region([0..2, 2..4])));
            assert!(came.lock().unwrap().is_empty());
            drop(held);
        });
        let came = came.into_inner().unwrap();
        assert_eq!((came.len(), came[0]), (4, "writer"), "{came:?}");
    }
}

#[test]
fn those_who_wait_for_one_element_get_it_in_the_order_in_which_they_came() {
    const THREADS: usize = times(8, 3);
    let _watch = watch("a queue");
    let folder = folder();
    let shared = shared(&folder.path().join("a.npy"), [THREADS + 1]);
    let came = Mutex::new(Vec::new());
    let held = shared.write_region(0..1).unwrap();
    thread::scope(|scope| {
        for number in 1..=THREADS {
            let (shared, came) = (&shared, &came);
            scope.spawn(move || {
                let _guard = shared.write_region(0..number + 1).unwrap();
                came.lock().unwrap().push(number);
            });
            until(|| !is_there(shared.try_read_region(number..number + 1)));
        }
        drop(held);
    });
    assert_eq!(came.into_inner().unwrap(), (1..=THREADS).collect::<Vec<_>>());
}

#[test]
fn nobody_starves_while_others_keep_coming() {
    let _watch = watch("one among many who keep coming");
    let folder = folder();
    let shared = shared(&folder.path().join("a.npy"), [4, 4]);
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        for thread in 0..times(4, 2) {
            let (shared, done) = (&shared, &done);
            scope.spawn(move || {
                // Each asks for the next one before others can have given back theirs.
                while !done.load(Ordering::Relaxed) {
                    match thread % 4 {
                        0 => drop(shared.read()),
                        1 => drop(shared.read_region([0..4, 0..3]).unwrap()),
                        2 => drop(shared.read_region([0..3, 1..4]).unwrap()),
                        _ => drop(shared.write_region([3..4, 3..4]).unwrap()),
                    }
                }
            });
        }
        for _ in 0..times(500, 3) {
            shared.write()[[0, 0]] += 1;
            shared.write_region([0..2, 0..2]).unwrap().view_mut()[[0, 0]] += 1;
            assert_eq!(shared.read()[[0, 0]] % 2, 0);
        }
        done.store(true, Ordering::Relaxed);
    });
    assert_eq!(shared.read()[[0, 0]] as usize, times(1000, 6));
}

// ---- guards -------------------------------------------------------------------------------------

#[test]
fn guards_are_used_and_given_back_by_another_thread_than_took_them() {
    fn cross<T: Send + Sync>() {}
    cross::<RegionReadGuard<'_, f64>>();
    cross::<RegionWriteGuard<'_, f64>>();
    let folder = folder();
    let shared = shared(&folder.path().join("a.npy"), [4]);
    let mut writer = shared.write_region(0..2).unwrap();
    let reader = shared.read_region(2..4).unwrap();
    thread::scope(|scope| {
        scope.spawn(move || writer.write(&[1, 2]).unwrap());
        scope.spawn(move || assert_eq!(reader.view().to_vec(), [0, 0]));
    });
    let whole = shared.try_write().unwrap();
    thread::scope(|scope| {
        let mut whole = whole;
        scope.spawn(move || whole[[3]] = 3);
    });
    let whole = shared.try_read().unwrap();
    thread::scope(|scope| {
        scope.spawn(move || assert_eq!(whole.view().to_vec(), [1, 2, 0, 3]));
    });
    assert!(shared.try_write().is_some());
}

#[test]
fn a_panic_frees_the_region_and_leaves_what_it_stored() {
    let folder = folder();
    let shared = shared(&folder.path().join("a.npy"), [2, 2]);
    thread::scope(|scope| {
        let panicked = scope.spawn(|| {
            let mut region = shared.write_region([0..2, 1..2]).unwrap();
            region.view_mut()[[0, 0]] = 7;
            // As a panic, but without its message.
            resume_unwind(Box::new("half done"));
        });
        assert!(panicked.join().is_err());
    });
    assert_eq!(shared.try_write_region([0..2, 1..2]).unwrap().unwrap().view().to_vec(), [7, 0]);
    assert_eq!(shared.try_write().unwrap().view().to_vec(), [0, 7, 0, 0]);
}

#[test]
fn a_leaked_guard_keeps_its_box_and_nothing_else() {
    let folder = folder();
    let shared = shared(&folder.path().join("a.npy"), [4, 4]);
    forget(shared.write_region([1..2, 1..2]).unwrap());
    assert!(!is_there(shared.try_read_region([0..4, 1..2])));
    assert!(shared.try_read().is_none() && shared.try_write().is_none());
    for others in [[0..1, 0..4], [2..4, 0..4], [0..4, 0..1], [0..4, 2..4]] {
        shared.write_region(others).unwrap().view_mut().fill(1);
    }
    forget(shared.read_region([0..1, 0..1]).unwrap());
    assert!(is_there(shared.try_read_region([0..1, 0..1])));
    assert!(!is_there(shared.try_write_region([0..1, 0..1])));
    // Nobody can use it any more, so the array is whole again for its owner.
    let array = shared.try_into_inner().unwrap();
    assert_eq!(array.view().iter().sum::<u64>(), 15);
}

// ---- arrays that grow ---------------------------------------------------------------------------

#[test]
fn who_waited_for_a_box_finds_the_shape_that_the_writer_left() {
    let _watch = watch("a box that grows into the array");
    let folder = folder();
    let shared = shared(&folder.path().join("a.npy"), [2, 3]);
    let mut writer = shared.write();
    thread::scope(|scope| {
        let region = scope.spawn(|| shared.read_region([2..4, 1..3]).unwrap().view().to_vec());
        let outside = scope.spawn(|| shared.write_region([4..5, 0..3]).map(drop));
        thread::sleep(Duration::from_millis(10));
        writer.append(&[1, 2, 3, 4, 5, 6]).unwrap();
        drop(writer);
        assert_eq!(region.join().unwrap(), [2, 3, 5, 6]);
        let outside = outside.join().unwrap();
        assert!(matches!(outside, Err(Error::OutOfBounds { axis: 0, len: 4, .. })), "{outside:?}");
    });
    if cfg!(windows) {
        return;
    }
    let mut writer = shared.write();
    thread::scope(|scope| {
        let region = scope.spawn(|| shared.write_region([2..4, 0..3]).map(drop));
        thread::sleep(Duration::from_millis(10));
        writer.truncate(1).unwrap();
        drop(writer);
        let region = region.join().unwrap();
        assert!(matches!(region, Err(Error::OutOfBounds { axis: 0, len: 1, .. })), "{region:?}");
    });
    assert!(shared.try_write().is_some());
}

#[test]
fn an_array_grows_while_others_write_boxes_of_it() {
    const ROWS: usize = times(400, 4);
    let _watch = watch("growing");
    let folder = folder();
    let path = folder.path().join("a.npy");
    let shared = shared(&path, [1, 5]);
    let added = AtomicU64::new(0);
    thread::scope(|scope| {
        for thread in 0..times(3, 2) {
            let (shared, added) = (&shared, &added);
            scope.spawn(move || {
                let mut random = Random::new(thread as u64);
                loop {
                    let rows = shared.read().shape()[0];
                    let ranges = any_box(&mut random, &[rows, 5]);
                    let mut region = shared.write_region(&ranges[..]).unwrap();
                    let mut view = region.view_mut();
                    view.map_inplace(|element| *element += 1);
                    added.fetch_add(view.len() as u64, Ordering::Relaxed);
                    if rows == ROWS {
                        break;
                    }
                }
            });
        }
        for row in 1..ROWS {
            let mut array = shared.write();
            array.append(&[row as u64; 5]).unwrap();
            added.fetch_add(5 * row as u64, Ordering::Relaxed);
            drop(array);
            if row % 8 == 0 {
                shared.flush().unwrap();
            }
            thread::yield_now();
        }
    });
    shared.close().unwrap();
    let array = load::<u64>(&path).unwrap();
    assert_eq!(array.shape(), [ROWS, 5]);
    assert_eq!(array.iter().sum::<u64>(), added.into_inner());
}
