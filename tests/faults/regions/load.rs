//! Many processes, and threads in them, and who is served when.

use super::*;

/// An element is a number and, beside it, its complement.
const SHAPE: [usize; 3] = [4, 6, 2];

fn any_box(state: &mut u64) -> [Range<usize>; 3] {
    let mut below = |end: usize| {
        *state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (*state >> 33) as usize % end
    };
    let mut range = |len: usize| {
        let (a, b) = (below(len), below(len));
        if below(3) == 0 { 0..len } else { a.min(b)..a.max(b) + 1 }
    };
    [range(SHAPE[0]), range(SHAPE[1]), 0..2]
}

/// Adds one to all numbers of a random box, many times; how many were added to each.
fn add(shared: &SharedMmapArray<u64>, seed: u64, rounds: usize) -> BTreeMap<[usize; 2], u64> {
    let mut state = seed;
    let mut added = BTreeMap::new();
    for round in 0..rounds {
        let window = any_box(&mut state);
        let mut region = shared.write_region(&window).unwrap();
        let mut elements = region.view().to_vec();
        if round % 2 == 0 {
            for pair in elements.chunks_exact_mut(2) {
                pair.copy_from_slice(&[pair[0] + 1, !(pair[0] + 1)]);
            }
            region.write(&elements).unwrap();
        } else {
            // All numbers first: until the complements follow, each pair is half written.
            let mut view = region.view_mut();
            view.iter_mut().step_by(2).for_each(|number| *number += 1);
            if round % 16 == 1 {
                thread::sleep(Duration::from_micros(50));
            }
            let mut elements = view.iter_mut();
            while let (Some(number), Some(complement)) = (elements.next(), elements.next()) {
                *complement = !*number;
            }
        }
        drop(region);
        for row in window[0].clone() {
            window[1].clone().for_each(|column| *added.entry([row, column]).or_default() += 1);
        }
    }
    added
}

/// Child: as [`add`]; says what was added.
pub(super) fn count(path: &Path, seed: u64) {
    for ([row, column], added) in add(&open(path), seed, 2000) {
        say(format!("{row} {column} {added}"));
    }
}

fn watch_pairs(shared: &SharedMmapArray<u64>, seed: u64, rounds: usize) {
    let mut state = seed;
    for _ in 0..rounds {
        let region = shared.read_region(any_box(&mut state)).unwrap();
        for pair in region.view().to_vec().chunks_exact(2) {
            assert_eq!(pair[0], !pair[1], "half a write in {:?}", region.window());
        }
    }
}

/// Child: looks for half-written numbers.
pub(super) fn look(path: &Path, seed: u64) {
    watch_pairs(&open(path), seed, 2000);
}

#[test]
fn processes_and_threads_lose_no_update_of_boxes_that_overlap_and_see_none_half_done() {
    const THREADS: u64 = 2;
    const PROCESSES: u64 = 2;
    for order in [Order::C, Order::Fortran] {
        let (_folder, path) = saved(&SHAPE, order);
        let ours = open(&path);
        ours.write().slice_mut(s![.., .., 1]).unwrap().fill(!0);
        let mut children: Vec<_> =
            (0..PROCESSES).map(|seed| start(&format!("regions_count {seed}"), &path)).collect();
        children.push(start("regions_look 100", &path));
        let mut added = BTreeMap::new();
        thread::scope(|scope| {
            let threads: Vec<_> = (0..THREADS)
                .map(|thread| {
                    let ours = &ours;
                    scope.spawn(move || add(ours, 10 + thread, 1000))
                })
                .collect();
            watch_pairs(&ours, 20, 1000);
            for thread in threads {
                for (place, count) in thread.join().unwrap() {
                    *added.entry(place).or_default() += count;
                }
            }
        });
        for line in children.into_iter().flat_map(Child::finish) {
            let numbers: Vec<u64> = line.split(' ').map(|word| word.parse().unwrap()).collect();
            let place = [numbers[0] as usize, numbers[1] as usize];
            *added.entry(place).or_default() += numbers[2];
        }
        let found = ours.read();
        for row in 0..SHAPE[0] {
            for column in 0..SHAPE[1] {
                assert_eq!(found[[row, column, 0]], added[&[row, column]], "{order:?}");
            }
        }
        assert!(added.values().sum::<u64>() > 20_000);
    }
}

#[test]
fn who_waits_in_another_process_is_served_when_the_region_is_freed() {
    let (_folder, path) = saved(&[4, 5], Order::C);
    let ours = open(&path);
    let mut other = Other::new(&path);
    let held = ours.write_region([0..2, 0..2]).unwrap();
    let mut waiting = Other::new(&path);
    waiting.0.tell("write 1..4 1..4");
    other.0.tell("read 1..4 0..1");
    thread::sleep(Duration::from_millis(50));
    drop(held);
    assert_eq!(waiting.0.next_line().as_deref(), Some("done"));
    assert_eq!(other.0.next_line().as_deref(), Some("done"));
    assert!(!can_read(&ours, [3..4, 3..4]) && can_read(&ours, [0..4, 0..1]));
}

#[test]
fn who_waits_is_not_overtaken_by_another_process_that_he_is_in_the_way_of() {
    let (_folder, path) = saved(&[4, 5], Order::C);
    let [mut holder, mut waiting, mut late] = [(); 3].map(|()| Other::new(&path));
    holder.does("read 0..4 0..5");
    waiting.0.tell("write 1..3 1..2");
    // Nobody holds that one to write: it is refused for the sake of who waits.
    while late.ask("try_read 1..2 1..2") == "done" {
        late.does("free");
    }
    late.cannot("try_read 0..4 1..2");
    // What lies beside his elements, and between them, is free.
    late.does("try_read 0..1 0..5");
    late.does("try_read 1..3 0..1");
    late.does("free");
    late.0.tell("read 0..2 0..5");
    thread::sleep(Duration::from_millis(20));
    holder.does("free");
    assert_eq!(waiting.0.next_line().as_deref(), Some("done"));
    holder.cannot("try_read 1..2 0..5");
    waiting.does("free");
    assert_eq!(late.0.next_line().as_deref(), Some("done"));
    holder.does("try_write 2..4 0..5");
}

#[test]
fn who_waits_to_write_is_served_while_others_keep_coming_to_read() {
    const READERS: usize = 6;
    let (_folder, path) = saved(&[4, 5], Order::C);
    let done = AtomicBool::new(false);
    let read = AtomicUsize::new(0);
    thread::scope(|scope| {
        for reader in 0..READERS {
            // A handle of its own, as another process has it.
            let (handle, done, read) = (open(&path), &done, &read);
            scope.spawn(move || {
                // They stop at last, so that who starves comes to say so.
                while !done.load(Ordering::Relaxed) && read.load(Ordering::Relaxed) < 5000 {
                    let _region = handle.read_region([0..4, 0..1 + reader % 4]).unwrap();
                    read.fetch_add(1, Ordering::Relaxed);
                    thread::sleep(Duration::from_millis(2 + reader as u64 % 3));
                }
            });
        }
        let ours = open(&path);
        for round in 0..40 {
            thread::sleep(Duration::from_millis(5));
            let before = read.load(Ordering::Relaxed);
            let window = if round % 2 == 0 { [0..4, 0..5] } else { [1..3, 0..2] };
            drop(ours.write_region(window).unwrap());
            let overtook = read.load(Ordering::Relaxed) - before;
            // Not exact: the system tells nobody who came first.
            assert!(overtook < 10 * READERS, "{overtook} came later and were served before");
        }
        done.store(true, Ordering::Relaxed);
    });
    assert!(read.into_inner() > 40);
}
