//! One mapped array for many threads: no update is lost, nobody sees half of one, and the last
//! handle that is closed publishes it. With few cases all of it runs under Miri too.

use std::fs;
use std::panic::resume_unwind;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use mmap_array::{
    DType, Element, Error, MmapArray, MmapArrayCow, MmapArrayMut, NpyFile, OpenOptions, Order,
    Publish, ReadGuard, SharedMmapArray, WriteGuard, bytemuck, s,
};

use crate::common::{Random, folder};
use crate::map;

/// So many times; fewer where each takes longer.
const fn times(many: usize, few: usize) -> usize {
    if cfg!(miri) { few } else { many }
}

fn shared(path: &std::path::Path, shape: [usize; 2]) -> SharedMmapArray<u64> {
    map::create::<u64>(path, shape).unwrap().into_shared()
}

#[test]
fn handles_cross_threads_and_so_do_arrays() {
    fn cross<T: Send + Sync + 'static>() {}
    fn are_shared<T: Sync>() {}
    cross::<SharedMmapArray<f64>>();
    cross::<MmapArray<f64>>();
    cross::<MmapArrayMut<u8>>();
    cross::<MmapArrayCow<i16>>();
    are_shared::<ReadGuard<'_, f64>>();
    are_shared::<WriteGuard<'_, f64>>();
}

// ---- under load ---------------------------------------------------------------------------------

#[test]
fn no_update_is_lost() {
    const THREADS: usize = times(8, 3);
    const ROUNDS: usize = times(4000, 4);
    let folder = folder();
    let shared = shared(&folder.path().join("a.npy"), [4, 5]);
    thread::scope(|scope| {
        for seed in 0..THREADS {
            let shared = shared.clone();
            scope.spawn(move || {
                let mut random = Random::new(seed as u64);
                for round in 0..ROUNDS {
                    let cell = [random.below(4), random.below(5)];
                    let mut array = shared.write();
                    match round % 3 {
                        0 => array[cell] += 1,
                        1 => *array.get_mut(cell).unwrap() += 1,
                        _ => {
                            let ranges = cell.map(|index| index..index + 1);
                            let old = array.read_window(&ranges).unwrap()[[0, 0]];
                            array.write_window(&ranges, &[old + 1]).unwrap();
                        }
                    }
                }
            });
        }
    });
    let sum = shared.read().view().fold(0, |sum, &count| sum + count);
    assert_eq!(sum as usize, THREADS * ROUNDS);
    let path = shared.read().path().to_path_buf();
    shared.close().unwrap();
    assert_eq!(mmap_array::load::<u64>(path).unwrap().iter().sum::<u64>(), sum);
}

/// Fails unless every row holds one value, asked in one of several ways.
fn assert_rows_are_whole(array: &MmapArrayMut<u64>, way: usize) {
    let uniform = |row: &[u64]| row.iter().all(|element| *element == row[0]);
    for row in 0..array.shape()[0] {
        let columns = array.shape()[1];
        let whole = match way % 4 {
            0 => uniform(&array.slice(s![row]).unwrap().to_vec()),
            1 => uniform(array.read_window([row..row + 1, 0..columns]).unwrap().as_slice()),
            2 => uniform(array.read_slice(s![row, ..;-1]).unwrap().as_slice()),
            // Miri's stand-in for the mapping shows no file.
            _ if cfg!(miri) => true,
            _ => uniform(array.file().read_window([row..row + 1, 0..columns]).unwrap().as_slice()),
        };
        assert!(whole, "row {row} by way {}", way % 4);
    }
}

fn readers_meet_whole_rows(order: Order) {
    const ROWS: usize = times(16, 2);
    const COLUMNS: usize = times(900, 5);
    let folder = folder();
    let array = map::create_in::<u64>(folder.path().join("a.npy"), [ROWS, COLUMNS], order).unwrap();
    let shared = array.into_shared();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        for reader in 0..times(3, 2) {
            let (shared, done) = (shared.clone(), &done);
            scope.spawn(move || {
                let mut way = reader;
                loop {
                    let last = done.load(Ordering::Relaxed);
                    assert_rows_are_whole(&shared.read(), way);
                    if let Some(array) = shared.try_read() {
                        assert_rows_are_whole(&array, way + 1);
                    }
                    if last {
                        break;
                    }
                    way += 1;
                }
            });
        }
        let mut random = Random::new(1);
        for round in 0..times(600, 5) {
            let (row, value) = (random.below(ROWS), random.number());
            let mut array = shared.write();
            match round % 3 {
                0 => array.slice_mut(s![row]).unwrap().fill(value),
                1 => array.write_window([row..row + 1, 0..COLUMNS], &[value; COLUMNS]).unwrap(),
                _ => (0..COLUMNS).for_each(|column| array[[row, column]] = value),
            }
        }
        done.store(true, Ordering::Relaxed);
    });
    shared.close().unwrap();
}

#[test]
fn readers_never_see_half_of_what_a_writer_does() {
    readers_meet_whole_rows(Order::C);
    readers_meet_whole_rows(Order::Fortran);
}

#[test]
fn readers_go_on_while_one_of_them_flushes() {
    let folder = folder();
    let shared = shared(&folder.path().join("a.npy"), [3, 4]);
    shared.write().view_mut().fill(7);
    let guard = shared.read();
    thread::scope(|scope| {
        let shared = shared.clone();
        scope.spawn(move || {
            shared.flush().unwrap();
            shared.read().flush_window([1..2, 0..4]).unwrap();
            shared.read().flush_async().unwrap();
        });
    });
    assert_eq!(guard[[2, 3]], 7);
}

// ---- guards -------------------------------------------------------------------------------------

#[test]
fn guards_of_different_handles_are_guards_of_one_array() {
    let folder = folder();
    let first = shared(&folder.path().join("a.npy"), [2, 2]);
    let second = first.clone();
    first.write()[[1, 1]] = 3;
    {
        let (a, b) = (first.read(), second.read());
        assert_eq!((a[[1, 1]], b[[1, 1]]), (3, 3));
        assert!(std::ptr::eq(&raw const a[[0, 0]], &raw const b[[0, 0]]));
        let (view, other) = (a.view(), b.slice(s![1]).unwrap());
        drop(first.try_read().unwrap());
        assert_eq!((view[[1, 1]], other[[1]]), (3, 3));
    }
    second.write().slice_mut(s![.., 0]).unwrap().fill(4);
    assert_eq!(first.read().view().to_vec(), [4, 0, 4, 3]);
}

#[test]
fn trying_waits_for_nobody() {
    let folder = folder();
    let shared = shared(&folder.path().join("a.npy"), [2, 2]);
    let other = shared.clone();
    let once = || {
        let reads = other.try_read().is_some();
        (reads, other.try_write().is_some())
    };
    let tries = || {
        let here = once();
        let there = thread::scope(|scope| scope.spawn(once).join().unwrap());
        assert_eq!(here, there);
        here
    };
    assert_eq!(tries(), (true, true));
    let reader = shared.read();
    assert_eq!(tries(), (true, false));
    drop(reader);
    let mut writer = shared.write();
    assert_eq!(tries(), (false, false));
    writer[[0, 0]] = 5;
    drop(writer);
    assert_eq!(tries(), (true, true));
    other.try_write().unwrap()[[0, 1]] = 6;
    assert_eq!(shared.try_read().unwrap().view().to_vec(), [5, 6, 0, 0]);
}

#[test]
fn what_a_panic_left_half_done_is_there_and_the_lock_is_recovered() {
    let folder = folder();
    let path = folder.path().join("a.npy");
    let shared = shared(&path, [2, 3]);
    let other = shared.clone();
    let panicked = thread::spawn(move || {
        let mut array = other.write();
        array.slice_mut(s![0]).unwrap().fill(7);
        // As a panic, but without its message.
        resume_unwind(Box::new("half done"));
    });
    assert!(panicked.join().is_err());
    assert!(format!("{shared:?}").contains("a.npy"));
    assert_eq!(shared.try_read().unwrap()[[0, 2]], 7);
    assert_eq!(shared.read().view().to_vec(), [7, 7, 7, 0, 0, 0]);
    shared.try_write().unwrap()[[1, 0]] = 8;
    shared.write()[[1, 1]] = 9;
    shared.flush().unwrap();
    let array = shared.try_into_inner().unwrap();
    assert_eq!(array.view().to_vec(), [7, 7, 7, 8, 9, 0]);
    let shared = SharedMmapArray::from(array);
    shared.close().unwrap();
    assert_eq!(mmap_array::load::<u64>(&path).unwrap().as_slice(), [7, 7, 7, 8, 9, 0]);
}

#[test]
fn a_poisoned_handle_is_closed_as_any_other() {
    let folder = folder();
    let options = OpenOptions::new().publish(Publish::OnClose);
    let path = folder.path().join("a.npy");
    let shared = map::create_with::<u8>(&options, &path, [2]).unwrap().into_shared();
    let other = shared.clone();
    let panicked = thread::spawn(move || {
        let _guard = other.write();
        resume_unwind(Box::new("nothing done"));
    });
    assert!(panicked.join().is_err());
    let another = shared.clone();
    another.close().unwrap();
    assert!(!path.exists());
    shared.close().unwrap();
    assert_eq!(mmap_array::load::<u8>(&path).unwrap().as_slice(), [0, 0]);
}

#[test]
fn debug_waits_for_nobody_either() {
    let folder = folder();
    let shared = shared(&folder.path().join("a.npy"), [2, 3]);
    let text = format!("{shared:?}");
    assert!(text.starts_with("SharedMmapArray(MmapArray {"), "{text}");
    assert!(text.contains("a.npy") && text.contains("(2, 3)") && text.contains("ReadWrite"));
    let guard = shared.read();
    assert_eq!(format!("{shared:?}"), text);
    assert!(format!("{guard:?}").contains("a.npy"));
    drop(guard);
    let guard = shared.write();
    assert_eq!(format!("{shared:?}"), "SharedMmapArray(<being written>)");
    assert!(format!("{guard:?}").contains("a.npy"));
}

/// An element that cannot be shown.
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(transparent)]
struct Hidden(u8);

impl Element for Hidden {
    fn dtype() -> DType {
        u8::dtype()
    }
    fn swap_bytes(&mut self) {}
}

#[test]
fn debug_asks_nothing_of_the_elements() {
    let folder = folder();
    let path = folder.path().join("a.npy");
    let shared = map::create::<Hidden>(&path, [2]).unwrap().into_shared();
    let array = format!("{:?}", *shared.read());
    assert_eq!(format!("{shared:?}"), format!("SharedMmapArray({array})"));
    assert_eq!(format!("{:?}", shared.read()), format!("ReadGuard({array})"));
    assert_eq!(format!("{:?}", shared.write()), format!("WriteGuard({array})"));
}

// ---- the end ------------------------------------------------------------------------------------

#[test]
fn only_the_last_handle_gives_the_array_back() {
    let folder = folder();
    let path = folder.path().join("a.npy");
    let first = shared(&path, [2, 2]);
    let second = first.clone();
    let first = first.try_into_inner().unwrap_err();
    first.write()[[0, 0]] = 1;
    assert_eq!(second.read()[[0, 0]], 1);
    drop(second);
    let mut array = first.try_into_inner().unwrap();
    array[[1, 1]] = 2;
    array.close().unwrap();
    assert_eq!(mmap_array::load::<u64>(&path).unwrap().as_slice(), [1, 0, 0, 2]);
}

#[test]
fn closing_one_of_several_handles_leaves_the_others_open() {
    let folder = folder();
    let options = OpenOptions::new().publish(Publish::OnClose);
    let path = folder.path().join("a.npy");
    let first = map::create_with::<i16>(&options, &path, [3]).unwrap().into_shared();
    let (second, third) = (first.clone(), first.clone());
    {
        // A reader is in nobody's way.
        let guard = second.read();
        first.close().unwrap();
        assert_eq!(guard[[0]], 0);
    }
    second.write()[[2]] = 5;
    drop(third);
    assert!(!path.exists());
    second.close().unwrap();
    assert_eq!(mmap_array::load::<i16>(&path).unwrap().as_slice(), [0, 0, 5]);
}

#[test]
fn handles_that_are_closed_at_once_publish_exactly_once() {
    const HANDLES: usize = times(4, 2);
    let folder = folder();
    let options = OpenOptions::new().publish(Publish::OnClose);
    for round in 0..times(150, 3) {
        let path = folder.path().join(format!("{round}.npy"));
        let shared = map::create_with::<u32>(&options, &path, [HANDLES]).unwrap().into_shared();
        let mut handles = vec![shared; HANDLES];
        let barrier = Barrier::new(HANDLES);
        thread::scope(|scope| {
            for (number, handle) in handles.drain(..).enumerate() {
                let (barrier, path) = (&barrier, &path);
                scope.spawn(move || {
                    handle.write()[[number]] = 1 + number as u32;
                    assert!(!path.exists());
                    barrier.wait();
                    // A second publishing would meet the name of the first one.
                    handle.close().unwrap();
                });
            }
        });
        let expected: Vec<u32> = (1..=HANDLES as u32).collect();
        assert_eq!(NpyFile::<u32>::open(&path).unwrap().read().unwrap().as_slice(), expected);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1 + round);
    }
}

#[test]
fn a_handle_that_becomes_the_last_one_while_it_flushes_publishes() {
    let folder = folder();
    let options = OpenOptions::new().publish(Publish::OnClose);
    for round in 0..times(10, 1) {
        let path = folder.path().join(format!("{round}.npy"));
        let handle = map::create_with::<u32>(&options, &path, [2]).unwrap().into_shared();
        thread::scope(|scope| {
            let mut writer = handle.write();
            for other in [handle.clone(), handle.clone()] {
                // It is not the last one yet, and its flush waits for the writer.
                scope.spawn(move || other.close().unwrap());
            }
            thread::sleep(Duration::from_millis(10));
            writer[[1]] = 6;
            drop(writer);
            // Nor is this one, unless both are quick.
            handle.close().unwrap();
        });
        assert_eq!(mmap_array::load::<u32>(&path).unwrap().as_slice(), [0, 6]);
    }
}

#[test]
fn handles_that_are_dropped_publish_nothing() {
    let folder = folder();
    let options = OpenOptions::new().publish(Publish::OnClose);
    let path = folder.path().join("a.npy");
    let first = map::create_with::<u8>(&options, &path, [3]).unwrap().into_shared();
    first.clone().close().unwrap();
    drop(first);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn a_shared_array_keeps_its_lock_until_the_last_handle_is_gone() {
    let folder = folder();
    let path = folder.path().join("a.npy");
    let first = shared(&path, [1, 1]);
    let second = first.clone();
    let is_locked = || matches!(map::open::<u64>(&path), Err(Error::AlreadyOpen { .. }));
    first.close().unwrap();
    assert!(is_locked());
    second.close().unwrap();
    assert!(!is_locked());
}
