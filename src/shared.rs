//! [`SharedMmapArray`]: one mapped array for many threads, behind a read-write lock.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard, TryLockError};

use crate::access::ReadWrite;
use crate::array::{MmapArray, MmapArrayMut};
use crate::element::Element;
use crate::error::Result;

/// A mapped array that threads share: many read it at once, or one writes.
///
/// Clones are handles of the same array, as those of an [`Arc`]. [`read`](Self::read) and
/// [`write`](Self::write) wait for the lock and give a guard, which is the array as long as it
/// lives; a reader behind a guard never sees half of what a writer does. The file is open, and
/// locked, until the last handle is closed or dropped.
///
/// # What it orders, and what it does not
///
/// The lock is one of this process: it orders the threads that use clones of this handle. Other
/// processes are kept out as a whole by the lock on the file that the array has anyway
/// ([`Lock::Exclusive`](crate::Lock)); it does not order them against these threads where that is
/// given up. Programs that read the file by position, as [`NpyFile::open`](crate::NpyFile::open) and
/// NumPy do, take no lock and may see half of a window that is being written.
///
/// Whether a writer that waits keeps new readers out is the system's choice, so a thread that holds
/// a guard must not ask for another one: it could wait for ever.
///
/// # Poisoning
///
/// A thread that panics with a write guard may leave half of what it wanted to write. The lock is
/// recovered: other threads go on, and see the array as it is, which is plain numbers whatever
/// happened.
///
/// # Example
///
/// ```
/// use mmap_array::MmapArray;
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("counts.npy");
///
/// // SAFETY: nobody else knows of this file.
/// let shared = unsafe { MmapArray::<u64>::create(&path, [8])? }.into_shared();
/// std::thread::scope(|scope| {
///     for _ in 0..4 {
///         let shared = shared.clone();
///         scope.spawn(move || shared.write()[[3]] += 1);
///     }
/// });
/// assert_eq!(shared.read()[[3]], 4);
/// shared.close()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # What does not compile
///
/// A view borrows its guard, and does not outlive it:
///
/// ```compile_fail,E0716
/// # fn f(shared: mmap_array::SharedMmapArray<f32>) {
/// let view = shared.read().view();
/// println!("{view}");
/// # }
/// ```
///
/// nothing changes under it:
///
/// ```compile_fail,E0502
/// # fn f(shared: mmap_array::SharedMmapArray<f32>) -> mmap_array::Result<()> {
/// let mut array = shared.write();
/// let view = array.view();
/// array.write_window([0..1], &[1.0])?;
/// println!("{view}");
/// # Ok(()) }
/// ```
///
/// and a guard to read does not write:
///
/// ```compile_fail,E0596
/// # fn f(shared: mmap_array::SharedMmapArray<f32>) {
/// shared.read().view_mut().fill(0.0);
/// # }
/// ```
pub struct SharedMmapArray<T> {
    array: Arc<RwLock<MmapArrayMut<T>>>,
}

impl<T: Element> SharedMmapArray<T> {
    fn new(array: MmapArrayMut<T>) -> SharedMmapArray<T> {
        SharedMmapArray { array: Arc::new(RwLock::new(array)) }
    }

    /// Waits until nobody writes, and gives the array to read.
    pub fn read(&self) -> ReadGuard<'_, T> {
        ReadGuard(self.array.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Waits until nobody else reads or writes, and gives the array to change.
    pub fn write(&self) -> WriteGuard<'_, T> {
        WriteGuard(self.array.write().unwrap_or_else(PoisonError::into_inner))
    }

    /// The array to read, or `None` where that means waiting.
    #[must_use]
    pub fn try_read(&self) -> Option<ReadGuard<'_, T>> {
        match self.array.try_read() {
            Ok(guard) => Some(ReadGuard(guard)),
            Err(TryLockError::Poisoned(error)) => Some(ReadGuard(error.into_inner())),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    /// The array to change, or `None` where that means waiting.
    #[must_use]
    pub fn try_write(&self) -> Option<WriteGuard<'_, T>> {
        match self.array.try_write() {
            Ok(guard) => Some(WriteGuard(guard)),
            Err(TryLockError::Poisoned(error)) => Some(WriteGuard(error.into_inner())),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    /// Waits until everything that was written before is on stable storage; see
    /// [`MmapArray::flush`](crate::MmapArray::flush). Readers go on meanwhile, writers wait.
    ///
    /// # Errors
    ///
    /// As [`MmapArray::flush`](crate::MmapArray::flush).
    pub fn flush(&self) -> Result<()> {
        self.read().flush()
    }

    /// The array itself, where this is its only handle.
    ///
    /// # Errors
    ///
    /// This handle again, where there are others.
    pub fn try_into_inner(self) -> Result<MmapArrayMut<T>, SharedMmapArray<T>> {
        let array = Arc::try_unwrap(self.array).map_err(|array| SharedMmapArray { array })?;
        Ok(array.into_inner().unwrap_or_else(PoisonError::into_inner))
    }

    /// Flushes the array, and closes it where this is its last handle: then it is published where
    /// it waits for that. Of handles that are closed at the same time, exactly one is the last.
    ///
    /// Where other handles live on, this is `Ok` as well, and the file stays open, locked and, where
    /// it waits for the close, without its name: [`try_into_inner`](Self::try_into_inner) tells
    /// whether this handle is the last.
    ///
    /// Dropping a handle instead flushes nothing, publishes nothing and tells of no error.
    ///
    /// # Errors
    ///
    /// As [`MmapArray::close`](crate::MmapArray::close).
    pub fn close(self) -> Result<()> {
        let shared = match self.try_into_inner() {
            Ok(array) => return array.close(),
            Err(shared) => shared,
        };
        let flushed = shared.flush();
        match Arc::into_inner(shared.array) {
            // The others were closed meanwhile.
            Some(array) => array.into_inner().unwrap_or_else(PoisonError::into_inner).close(),
            None => flushed,
        }
    }
}

impl<T: Element> MmapArray<T, ReadWrite> {
    /// A handle that threads can share, behind a lock for this process's threads.
    #[must_use]
    pub fn into_shared(self) -> SharedMmapArray<T> {
        SharedMmapArray::new(self)
    }
}

impl<T> Clone for SharedMmapArray<T> {
    fn clone(&self) -> Self {
        SharedMmapArray { array: Arc::clone(&self.array) }
    }
}

impl<T: Element> From<MmapArrayMut<T>> for SharedMmapArray<T> {
    fn from(array: MmapArrayMut<T>) -> Self {
        SharedMmapArray::new(array)
    }
}

/// Shows the array, but for one that is being written; touches no data.
impl<T> fmt::Debug for SharedMmapArray<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut tuple = f.debug_tuple("SharedMmapArray");
        match self.array.try_read() {
            Ok(array) => tuple.field(&*array),
            Err(TryLockError::Poisoned(error)) => tuple.field(&**error.get_ref()),
            Err(TryLockError::WouldBlock) => tuple.field(&format_args!("<being written>")),
        };
        tuple.finish()
    }
}

/// A shared array to read, as long as this lives; made by [`SharedMmapArray::read`].
#[must_use = "the array is locked only as long as its guard lives"]
pub struct ReadGuard<'a, T>(RwLockReadGuard<'a, MmapArrayMut<T>>);

impl<T> Deref for ReadGuard<'_, T> {
    type Target = MmapArrayMut<T>;

    #[inline]
    fn deref(&self) -> &MmapArrayMut<T> {
        &self.0
    }
}

/// A shared array to change, as long as this lives; made by [`SharedMmapArray::write`].
#[must_use = "the array is locked only as long as its guard lives"]
pub struct WriteGuard<'a, T>(RwLockWriteGuard<'a, MmapArrayMut<T>>);

impl<T> Deref for WriteGuard<'_, T> {
    type Target = MmapArrayMut<T>;

    #[inline]
    fn deref(&self) -> &MmapArrayMut<T> {
        &self.0
    }
}

impl<T> DerefMut for WriteGuard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut MmapArrayMut<T> {
        &mut self.0
    }
}

/// Shows the array; touches no data.
impl<T> fmt::Debug for ReadGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ReadGuard").field(&*self.0).finish()
    }
}

/// Shows the array; touches no data.
impl<T> fmt::Debug for WriteGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("WriteGuard").field(&*self.0).finish()
    }
}
