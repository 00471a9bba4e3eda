//! Who waits for whom, how guards end, and arrays that grow meanwhile.

use super::*;

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
