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

#[cfg(all(test, loom))]
mod models;
#[cfg(all(test, not(loom)))]
mod tests;
