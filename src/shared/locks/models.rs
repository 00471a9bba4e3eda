//! Every order in which threads may take the steps of their claims, up to the number of preemptions
//! that `LOOM_MAX_PREEMPTIONS` says. Loom finds deadlocks, and accesses to an element that no claim
//! kept apart. Run by `.ci/run loom`.

use std::ops::Range;

use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::thread;

use super::*;

/// Two elements, which the locks guard.
struct Shared {
    locks: Locks,
    elements: [UnsafeCell<u32>; 2],
}

/// What a thread claims, does once and gives back.
#[derive(Clone, Copy)]
enum Step {
    Read,
    Write,
    TryRead,
    TryWrite,
    Region(usize, usize, bool),
    TryRegion(usize, usize, bool),
}

impl Shared {
    fn new() -> Arc<Shared> {
        let elements = [UnsafeCell::new(0), UnsafeCell::new(0)];
        Arc::new(Shared { locks: Locks::new(), elements })
    }

    fn spawn(shared: &Arc<Shared>, steps: &'static [Step]) -> thread::JoinHandle<()> {
        let shared = Arc::clone(shared);
        thread::spawn(move || steps.iter().for_each(|&step| shared.take(step)))
    }

    fn touch(&self, elements: Range<usize>, write: bool) {
        for element in &self.elements[elements] {
            if write {
                #[allow(unsafe_code, reason = "Loom checks what it claims")]
                // SAFETY: the locks see to it that nobody else has the element.
                element.with_mut(|element| unsafe { *element += 1 });
            } else {
                #[allow(unsafe_code, reason = "as above")]
                // SAFETY: the locks see to it that nobody changes the element.
                element.with(|element| unsafe { std::hint::black_box(*element) });
            }
        }
    }

    fn take(&self, step: Step) {
        let whole = 0..self.elements.len();
        match step {
            Step::Read | Step::TryRead => {
                if self.locks.read(matches!(step, Step::Read)) {
                    self.touch(whole, false);
                    self.locks.end_read();
                }
            }
            Step::Write | Step::TryWrite => {
                if self.locks.write(matches!(step, Step::Write)) {
                    self.touch(whole, true);
                    self.locks.end_write();
                }
            }
            Step::Region(start, end, write) | Step::TryRegion(start, end, write) => {
                let wait = matches!(step, Step::Region(..));
                if let Some(ticket) = self.locks.region(Window::from(start..end), write, wait) {
                    self.touch(start..end, write);
                    self.locks.end_region(ticket);
                }
            }
        }
    }
}

/// Runs the steps of each thread, in all orders; the last thread is this one.
fn check(threads: &'static [&'static [Step]]) {
    loom::model(move || {
        let shared = Shared::new();
        let (last, others) = threads.split_last().expect("threads");
        let others: Vec<_> = others.iter().map(|steps| Shared::spawn(&shared, steps)).collect();
        last.iter().for_each(|&step| shared.take(step));
        others.into_iter().for_each(|thread| thread.join().unwrap());
        // Nothing is left behind: the fast ways are open again.
        assert_eq!(shared.locks.word.load(Ordering::Relaxed), 0);
    });
}

#[test]
fn whole_readers_and_writers_exclude_each_other() {
    check(&[&[Step::Read], &[Step::Write], &[Step::Read]]);
    check(&[&[Step::Write], &[Step::Write], &[Step::Read]]);
    check(&[&[Step::Write, Step::Read], &[Step::Write, Step::Read]]);
}

#[test]
fn boxes_exclude_each_other_where_they_overlap() {
    check(&[&[Step::Region(0, 2, true)], &[Step::Region(1, 2, true)], &[Step::Region(0, 1, true)]]);
    check(&[
        &[Step::Region(0, 2, false)],
        &[Step::Region(1, 2, true)],
        &[Step::Region(0, 2, false)],
    ]);
}

#[test]
fn a_reader_of_the_whole_never_meets_a_writer_of_a_box() {
    check(&[&[Step::Read], &[Step::Region(1, 2, true)], &[Step::Read]]);
    check(&[&[Step::Read, Step::Region(0, 1, true)], &[Step::Region(0, 2, true), Step::Read]]);
    check(&[&[Step::Read], &[Step::Region(0, 1, true)], &[Step::Region(1, 2, true)]]);
}

#[test]
fn a_writer_of_the_whole_never_meets_a_box() {
    check(&[&[Step::Write], &[Step::Region(0, 1, false)], &[Step::Region(1, 2, true)]]);
    check(&[&[Step::Write], &[Step::Region(0, 1, true)], &[Step::Read]]);
}

#[test]
fn whoever_only_tries_leaves_nothing_behind() {
    check(&[&[Step::TryRead], &[Step::Write], &[Step::TryRegion(0, 1, true)]]);
    check(&[&[Step::TryWrite], &[Step::Region(0, 2, true)], &[Step::TryRead]]);
    check(&[&[Step::TryRegion(0, 1, false)], &[Step::Write], &[Step::Region(0, 2, false)]]);
}

#[test]
fn whoever_is_woken_too_early_is_woken_again() {
    for box_first in [true, false] {
        loom::model(move || {
            let shared = Shared::new();
            let locks = &shared.locks;
            // Who writes the whole waits for both, and others wait behind him.
            let ticket = locks.region(Window::from(0..1), false, true).unwrap();
            assert!(locks.read(true));
            let writer = Shared::spawn(&shared, &[Step::Write]);
            let other = Shared::spawn(&shared, &[Step::Region(1, 2, true)]);
            if box_first {
                locks.end_region(ticket);
                locks.end_read();
            } else {
                locks.end_read();
                locks.end_region(ticket);
            }
            writer.join().unwrap();
            other.join().unwrap();
            assert_eq!(locks.word.load(Ordering::Relaxed), 0);
        });
    }
}
