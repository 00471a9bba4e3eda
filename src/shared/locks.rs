//! [`Locks`]: which thread may read or write an array, as a whole or a box of it. No data is
//! touched here.
//!
//! Guards of the whole array are counted in one word, which costs no more than a read-write lock's.
//! Boxes that are held, and everybody who waits, stand in a table in the order in which they came.
//! Who comes may go on when no earlier entry of the table, and nobody counted in the word, is in
//! conflict with him: so nobody is overtaken by whom he would have to wait for, and nobody starves.

use std::sync::PoisonError;
#[cfg(not(all(test, loom)))]
use std::sync::{
    Condvar, Mutex, MutexGuard,
    atomic::{AtomicUsize, Ordering},
};

#[cfg(all(test, loom))]
use loom::sync::{
    Condvar, Mutex, MutexGuard,
    atomic::{AtomicUsize, Ordering},
};

use crate::window::Window;

/// A bit of the word: the array is being written as a whole.
const WRITER: usize = 1;
/// A bit of the word: the table has entries, and who comes must look at them.
const TABLE: usize = 2;
/// The rest of the word counts who reads the array as a whole.
const READER: usize = 4;
/// Guards may be leaked, as many as one likes: when the count is full, nobody reads any more.
const FULL: usize = 1 << (usize::BITS - 1);

#[derive(Debug)]
pub(super) struct Locks {
    /// Whoever sees `TABLE` changes it under the table's lock only, but for giving up what he has.
    word: AtomicUsize,
    table: Mutex<Table>,
    /// Some claim was given up.
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Table {
    /// In the order in which they came.
    entries: Vec<Entry>,
    next: u64,
    /// How many threads wait for `changed`.
    waiting: usize,
}

#[derive(Debug)]
struct Entry {
    ticket: Ticket,
    claim: Claim,
}

/// What is asked for.
#[derive(Debug)]
enum Claim {
    Read,
    Write,
    Region { window: Window, write: bool },
}

/// Names the entry of a box that is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ticket(u64);

impl Claim {
    fn conflicts(&self, other: &Claim) -> bool {
        use Claim::{Read, Region, Write};
        match (self, other) {
            (Write, _) | (_, Write) => true,
            (Read, Read) => false,
            (Read, Region { write, .. }) | (Region { write, .. }, Read) => *write,
            (Region { window, write }, Region { window: theirs, write: they_write }) => {
                (*write || *they_write) && window.overlaps(theirs)
            }
        }
    }

    /// Is it in conflict with those whom the word counts?
    fn conflicts_with_word(&self, word: usize) -> bool {
        match self {
            Claim::Read => word & WRITER != 0 || word >= FULL,
            Claim::Region { write: false, .. } => word & WRITER != 0,
            Claim::Write | Claim::Region { write: true, .. } => word & !TABLE != 0,
        }
    }
}

impl Locks {
    pub(super) fn new() -> Locks {
        Locks {
            word: AtomicUsize::new(0),
            table: Mutex::new(Table::default()),
            changed: Condvar::new(),
        }
    }

    /// Claims the whole array to read; `false` where that means to wait, which `wait` allows.
    #[inline]
    pub(super) fn read(&self, wait: bool) -> bool {
        let mut word = self.word.load(Ordering::Relaxed);
        while word & (WRITER | TABLE) == 0 && word < FULL {
            let more = word + READER;
            match self.word.compare_exchange_weak(word, more, Ordering::Acquire, Ordering::Relaxed)
            {
                Ok(_) => return true,
                Err(now) => word = now,
            }
        }
        self.enter(Claim::Read, wait).is_some()
    }

    #[inline]
    pub(super) fn end_read(&self) {
        let word = self.word.fetch_sub(READER, Ordering::Release);
        if word & TABLE != 0 && word < 2 * READER {
            self.wake();
        }
    }

    /// Claims the whole array to write.
    #[inline]
    pub(super) fn write(&self, wait: bool) -> bool {
        let free = self.word.compare_exchange(0, WRITER, Ordering::Acquire, Ordering::Relaxed);
        free.is_ok() || self.enter(Claim::Write, wait).is_some()
    }

    #[inline]
    pub(super) fn end_write(&self) {
        let word = self.word.fetch_and(!WRITER, Ordering::Release);
        if word & TABLE != 0 {
            self.wake();
        }
    }

    /// Claims a box to read or to write.
    pub(super) fn region(&self, window: Window, write: bool, wait: bool) -> Option<Ticket> {
        // Nobody minds who writes no element.
        let write = write && !window.is_empty();
        self.enter(Claim::Region { window, write }, wait)
    }

    pub(super) fn end_region(&self, ticket: Ticket) {
        let mut table = self.table();
        self.remove(&mut table, ticket);
        if table.waiting > 0 {
            self.changed.notify_all();
        }
    }

    fn enter(&self, claim: Claim, wait: bool) -> Option<Ticket> {
        let mut table = self.table();
        let ticket = Ticket(table.next);
        table.next += 1;
        table.entries.push(Entry { ticket, claim });
        // From now on nobody comes past the table.
        let mut word = self.word.fetch_or(TABLE, Ordering::Acquire);
        while table.is_blocked(ticket, word) {
            if !wait {
                self.remove(&mut table, ticket);
                return None;
            }
            table.waiting += 1;
            table = self.changed.wait(table).unwrap_or_else(PoisonError::into_inner);
            table.waiting -= 1;
            word = self.word.load(Ordering::Acquire);
        }
        // The whole array goes to the word.
        let counted = match table.claim(ticket) {
            Claim::Region { .. } => return Some(ticket),
            Claim::Read => READER,
            Claim::Write => WRITER,
        };
        self.word.fetch_add(counted, Ordering::Relaxed);
        self.remove(&mut table, ticket);
        Some(ticket)
    }

    /// Removes an entry; whom that may let go on, the caller wakes.
    fn remove(&self, table: &mut Table, ticket: Ticket) {
        let place = table.place(ticket);
        table.entries.remove(place);
        if table.entries.is_empty() {
            self.word.fetch_and(!TABLE, Ordering::Release);
        }
    }

    #[cold]
    fn wake(&self) {
        // Under the lock, nobody is between looking at the word and waiting.
        let table = self.table();
        if table.waiting > 0 {
            self.changed.notify_all();
        }
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn place(&self, ticket: Ticket) -> usize {
        let place = self.entries.iter().position(|entry| entry.ticket == ticket);
        place.expect("an entry stays until its owner removes it")
    }

    fn claim(&self, ticket: Ticket) -> &Claim {
        &self.entries[self.place(ticket)].claim
    }

    fn is_blocked(&self, ticket: Ticket, word: usize) -> bool {
        let place = self.place(ticket);
        let claim = &self.entries[place].claim;
        claim.conflicts_with_word(word)
            || self.entries[..place].iter().any(|earlier| earlier.claim.conflicts(claim))
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    /// What is held, element by element of an array of 4 x 4.
    #[derive(Debug, Clone, Copy, PartialEq)]
    enum Held {
        Read,
        Write,
        Region { ticket: Ticket, rows: [usize; 2], columns: [usize; 2], write: bool },
    }

    impl Held {
        fn writes(self) -> bool {
            matches!(self, Held::Write | Held::Region { write: true, .. })
        }

        fn has(self, row: usize, column: usize) -> bool {
            match self {
                Held::Read | Held::Write => true,
                Held::Region { rows, columns, .. } => {
                    (rows[0]..rows[1]).contains(&row) && (columns[0]..columns[1]).contains(&column)
                }
            }
        }

        /// Whether both touch an element that one of them writes, or one needs the handle alone.
        fn excludes(self, other: Held) -> bool {
            let touch = |row, column| self.has(row, column) && other.has(row, column);
            let cells = (0..16).any(|cell| touch(cell / 4, cell % 4));
            // A box without elements reads the handle.
            let handle = self == Held::Write || other == Held::Write;
            handle || cells && (self.writes() || other.writes())
        }
    }

    #[test]
    fn claims_are_granted_exactly_where_no_element_is_in_conflict() {
        let locks = Locks::new();
        let mut held: Vec<Held> = Vec::new();
        let mut state = 1_u64;
        let mut below = |end: usize| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 33) as usize % end
        };
        let (mut granted, mut refused) = (0, 0);
        for _ in 0..if cfg!(miri) { 500 } else { 100_000 } {
            if held.len() > below(8) {
                match held.swap_remove(below(held.len())) {
                    Held::Read => locks.end_read(),
                    Held::Write => locks.end_write(),
                    Held::Region { ticket, .. } => locks.end_region(ticket),
                }
                continue;
            }
            let mut range = || {
                let (a, b) = (below(5), below(5));
                [a.min(b), a.max(b)]
            };
            let (rows, columns) = (range(), range());
            let window = Window::from([rows[0]..rows[1], columns[0]..columns[1]]);
            let (kind, write) = (below(8), below(2) == 0);
            let ticket = Ticket(u64::MAX);
            let wanted = match kind {
                0 => Held::Write,
                1 => Held::Read,
                _ => Held::Region { ticket, rows, columns, write },
            };
            let expected = !held.iter().any(|&other| wanted.excludes(other));
            let got = match wanted {
                Held::Write => locks.write(false).then_some(wanted),
                Held::Read => locks.read(false).then_some(wanted),
                Held::Region { .. } => locks
                    .region(window, write, false)
                    .map(|ticket| Held::Region { ticket, rows, columns, write }),
            };
            assert_eq!(got.is_some(), expected, "{wanted:?} beside {held:?}");
            if expected {
                granted += 1
            } else {
                refused += 1
            }
            held.extend(got);
        }
        assert!(cfg!(miri) || (granted > 10_000 && refused > 10_000), "{granted} {refused}");
    }

    #[test]
    fn nobody_overtakes_whom_he_would_have_to_wait_for() {
        let locks = Locks::new();
        let region = |range: std::ops::Range<usize>, write| {
            locks.region(Window::from(range), write, false).inspect(|&ticket| {
                locks.end_region(ticket);
            })
        };
        assert!(locks.read(false));
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let ticket = locks.region(Window::from(3..5), true, true).expect("who waits");
                locks.end_region(ticket);
            });
            // Until it waits.
            while locks.table().waiting == 0 {
                std::thread::yield_now();
            }
            // Readers of the whole, and of its box, come after it; others need not.
            assert!(!locks.read(false) && !locks.write(false));
            assert!(region(4..9, false).is_none() && region(5..9, false).is_some());
            locks.end_read();
        });
        assert!(locks.write(false));
        locks.end_write();
        assert_eq!(locks.word.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn leaked_readers_never_overflow_the_count() {
        let locks = Locks::new();
        locks.word.store(FULL - READER, Ordering::Relaxed);
        assert!(locks.read(false) && !locks.read(false));
        let word = locks.word.load(Ordering::Relaxed);
        assert_eq!(word, FULL);
        assert!(!locks.write(false));
    }
}

/// Every order in which threads may take the steps of their claims (up to the number of preemptions
/// that `LOOM_MAX_PREEMPTIONS` says); Loom finds deadlocks, and accesses to an element that no
/// claim kept apart.
#[cfg(all(test, loom))]
mod models {
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
        check(&[
            &[Step::Region(0, 2, true)],
            &[Step::Region(1, 2, true)],
            &[Step::Region(0, 1, true)],
        ]);
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
}
