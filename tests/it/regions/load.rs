//! Many threads, many boxes at random.

use super::*;

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
