//! The open files of a stack: at most so many, and the one not used for longest goes first.

use std::collections::HashMap;
use std::ops::Deref;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use crate::error::Result;

/// Open files by their number, for threads to share.
#[derive(Debug)]
pub(super) struct Cache<F> {
    limit: usize,
    state: Mutex<State<F>>,
    /// A file was opened, or is no longer used.
    changed: Condvar,
}

#[derive(Debug)]
struct State<F> {
    /// Every descriptor that there is, with those that are being opened.
    files: HashMap<usize, Slot<F>>,
    clock: u64,
}

#[derive(Debug)]
struct Slot<F> {
    /// None while a thread opens it.
    file: Option<Arc<F>>,
    /// When it was last asked for.
    used: u64,
}

impl<F> Cache<F> {
    /// A cache of at most `limit` files, with these open already. There must be room for them.
    pub(super) fn new(limit: usize, open: Vec<F>) -> Cache<F> {
        debug_assert!(limit >= open.len().max(1));
        let slot = |file| Slot { file: Some(Arc::new(file)), used: 0 };
        let files = open.into_iter().map(slot).enumerate().collect();
        Cache { limit, state: Mutex::new(State { files, clock: 0 }), changed: Condvar::new() }
    }

    /// Lends the file with this number, which `open` opens where it is not open. Waits where all
    /// that may be open are in use by other threads: a thread borrows one at a time.
    pub(super) fn borrow(
        &self,
        number: usize,
        open: impl FnOnce() -> Result<F>,
    ) -> Result<Borrowed<'_, F>> {
        let mut state = self.lock();
        loop {
            state.clock += 1;
            let now = state.clock;
            if let Some(slot) = state.files.get_mut(&number) {
                if let Some(file) = &slot.file {
                    slot.used = now;
                    return Ok(Borrowed { cache: self, file: Some(file.clone()) });
                }
            } else if state.has_room(self.limit) {
                break;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        let used = state.clock;
        state.files.insert(number, Slot { file: None, used });
        drop(state);
        // Whatever comes, the others are told.
        let opening = Opening { cache: self, number };
        let file = Arc::new(open()?);
        let borrowed = Borrowed { cache: self, file: Some(file.clone()) };
        if let Some(slot) = self.lock().files.get_mut(&number) {
            slot.file = Some(file);
        }
        drop(opening);
        Ok(borrowed)
    }

    fn lock(&self) -> MutexGuard<'_, State<F>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<F> State<F> {
    /// Makes room for one more file, where none of those that are open must stay.
    fn has_room(&mut self, limit: usize) -> bool {
        if self.files.len() < limit {
            return true;
        }
        let idle = self.files.iter().filter(|(_, slot)| {
            // One that is lent has a second owner.
            slot.file.as_ref().is_some_and(|file| Arc::strong_count(file) == 1)
        });
        let oldest = idle.min_by_key(|(_, slot)| slot.used).map(|(&number, _)| number);
        // Closed here, before the next one is opened.
        oldest.is_some_and(|number| self.files.remove(&number).is_some())
    }
}

/// A place in the cache that is kept for a file that is being opened.
struct Opening<'a, F> {
    cache: &'a Cache<F>,
    number: usize,
}

impl<F> Drop for Opening<'_, F> {
    fn drop(&mut self) {
        let mut state = self.cache.lock();
        if state.files.get(&self.number).is_some_and(|slot| slot.file.is_none()) {
            state.files.remove(&self.number);
        }
        drop(state);
        self.cache.changed.notify_all();
    }
}

/// A file that stays open as long as this lives.
#[derive(Debug)]
pub(super) struct Borrowed<'a, F> {
    cache: &'a Cache<F>,
    /// Always there, until it is dropped.
    file: Option<Arc<F>>,
}

impl<F> Deref for Borrowed<'_, F> {
    type Target = F;

    fn deref(&self) -> &F {
        let Some(file) = &self.file else { unreachable!("a file is borrowed until it is dropped") };
        file
    }
}

impl<F> Drop for Borrowed<'_, F> {
    fn drop(&mut self) {
        // Under the lock, so that nobody who waits looks in between.
        let state = self.cache.lock();
        self.file = None;
        drop(state);
        self.cache.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// Counts how many of it there are.
    struct File<'a>(usize, &'a AtomicUsize);

    impl<'a> File<'a> {
        fn open(number: usize, count: &'a AtomicUsize) -> File<'a> {
            count.fetch_add(1, Ordering::SeqCst);
            File(number, count)
        }
    }

    impl Drop for File<'_> {
        fn drop(&mut self) {
            self.1.fetch_sub(1, Ordering::SeqCst);
        }
    }

    #[test]
    fn the_file_not_used_for_longest_is_closed_first() {
        let cache = Cache::new(2, vec![]);
        let mut opened = Vec::new();
        for number in [0, 1, 0, 2, 0, 1, 2] {
            let open = || {
                opened.push(number);
                Ok(number)
            };
            assert_eq!(*cache.borrow(number, open).unwrap(), number);
        }
        assert_eq!(opened, [0, 1, 2, 1, 2]);
    }

    #[test]
    fn never_more_files_are_open_than_allowed_however_many_threads_there_are() {
        let (count, cache) = (AtomicUsize::new(0), Cache::new(3, vec![]));
        std::thread::scope(|scope| {
            for thread in 0..8 {
                let (count, cache) = (&count, &cache);
                scope.spawn(move || {
                    for step in 0..500 {
                        let number = (thread * 7 + step * step) % 11;
                        let file = cache.borrow(number, || Ok(File::open(number, count))).unwrap();
                        assert_eq!(file.0, number);
                        assert!(count.load(Ordering::SeqCst) <= 3);
                    }
                });
            }
        });
        assert_eq!(count.load(Ordering::SeqCst), 3);
        drop(cache);
        assert_eq!(count.load(Ordering::SeqCst), 0);
    }

    #[test]
    fn a_file_that_cannot_be_opened_takes_no_place() {
        let cache = Cache::new(1, vec![]);
        for _ in 0..3 {
            let failed = cache.borrow(0, || Err(Error::OutOfMemory { byte_len: 1 }));
            assert!(failed.is_err());
            let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                let _ = cache.borrow(1, || panic!("on purpose"));
            }));
            assert!(panicked.is_err());
        }
        assert_eq!(*cache.borrow(2, || Ok(5)).unwrap(), 5);
    }
}
