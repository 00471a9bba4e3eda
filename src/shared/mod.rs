//! [`SharedMmapArray`]: one mapped array for many threads, behind locks on the whole and on boxes.
//!
//! `locks.rs` decides who goes on and who waits, in integers; `guards.rs` lends what that allows.

mod guards;
mod locks;

pub use guards::{ReadGuard, RegionReadGuard, RegionWriteGuard, WriteGuard};

use std::fmt;
use std::sync::Arc;

use crate::access::ReadWrite;
use crate::array::{MmapArray, MmapArrayMut};
use crate::element::Element;
use crate::error::Result;
use crate::window::Window;
use guards::Locked;

/// A mapped array that threads share: guards of the whole array, and of boxes of it.
///
/// Clones are handles of the same array, as those of an [`Arc`]. [`read`](Self::read) and
/// [`write`](Self::write) wait for the array and give a guard, which is the array as long as it
/// lives: many read, or one writes. [`read_region`](Self::read_region) and
/// [`write_region`](Self::write_region) wait for a box of it: any number of threads write at once,
/// each its own. Whoever reads never sees half of what somebody writes. The file is open, and locked,
/// until the last handle is closed or dropped.
///
/// Which of all this is for which case: [concurrency](crate::concurrency).
///
/// # Regions
///
/// A region is a [window](Window) of the array. Two regions that have an element in common exclude
/// each other, unless both are to read; the guards of the whole array are as regions that have all
/// elements. Whether a box has an element in common with another is decided by its indices: tiles
/// of a matrix are as good as blocks of rows.
///
/// Who cannot go on waits for those that came before him and are in his way, and is overtaken by
/// nobody whom he is in the way of: first come, first served, for all guards alike. So a writer who
/// waits keeps new readers out, and a thread that holds a guard **must not wait for another one** of
/// the same array, nor [`flush`](Self::flush) or [`close`](Self::close) it: that could take for
/// ever. For two places take one larger region, or [try](Self::try_write_region) for the second one
/// and give the first back where that is `None`.
///
/// A guard of a region costs some tenths of a microsecond where nobody is in the way, one of the whole
/// array some nanoseconds where no regions are held. Each region that is held is looked at when
/// another is asked for, so have them by the dozen, not by the thousand. A file that was opened with
/// [`Lock::Cooperative`](crate::Lock) costs a few system calls more: there regions also exclude those
/// of [other processes](crate::concurrency#processes), where [large boxes](crate::concurrency#large-boxes)
/// may wait for neighbours. Among processes nobody starves either, though who came first need not go
/// first.
///
/// # Poisoning
///
/// A thread that panics with a guard to write may leave half of what it wanted to write. Its guard is
/// given back all the same: other threads go on, and see the array as it is, which is plain numbers
/// whatever happened.
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
///
/// // Each thread has a box of its own, and none waits for another.
/// std::thread::scope(|scope| {
///     for start in [0, 2, 4, 6] {
///         let shared = shared.clone();
///         scope.spawn(move || {
///             let mut region = shared.write_region(start..start + 2)?;
///             region.view_mut().fill(start as u64);
///             Ok::<(), mmap_array::Error>(())
///         });
///     }
/// });
/// assert_eq!(shared.read().view().to_vec(), [0, 0, 2, 2, 4, 4, 6, 6]);
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
///
/// The same holds for regions: no view outlives its guard,
///
/// ```compile_fail,E0505
/// # fn f(shared: mmap_array::SharedMmapArray<f32>) -> mmap_array::Result<()> {
/// let mut region = shared.write_region([0..1])?;
/// let view = region.view_mut();
/// drop(region);
/// println!("{view}");
/// # Ok(()) }
/// ```
///
/// nothing changes under it,
///
/// ```compile_fail,E0502
/// # fn f(shared: mmap_array::SharedMmapArray<f32>) -> mmap_array::Result<()> {
/// let mut region = shared.write_region([0..1])?;
/// let view = region.view();
/// region.write(&[1.0])?;
/// println!("{view}");
/// # Ok(()) }
/// ```
///
/// and no region leads to the array behind it:
///
/// ```compile_fail,E0308
/// # fn f(shared: mmap_array::SharedMmapArray<f32>) -> mmap_array::Result<()> {
/// let region = shared.read_region([0..1])?;
/// let array: &mmap_array::MmapArrayMut<f32> = &region;
/// # Ok(()) }
/// ```
pub struct SharedMmapArray<T> {
    array: Arc<Locked<T>>,
}

fn granted<G>(guard: Option<G>) -> G {
    guard.unwrap_or_else(|| unreachable!("who waits as long as he must gets what he claims"))
}

impl<T: Element> SharedMmapArray<T> {
    fn new(array: MmapArrayMut<T>) -> SharedMmapArray<T> {
        SharedMmapArray { array: Arc::new(Locked::new(array)) }
    }

    /// Waits until nobody writes, the whole or a region, and gives the array to read.
    ///
    /// This is for the threads of this process. Of an array opened with
    /// [`Lock::Cooperative`](crate::Lock), where other processes may be at work, take a
    /// [region](Self::read_region) instead, also for the whole: to look at elements through this guard
    /// would break [the contract](MmapArray#safety).
    pub fn read(&self) -> ReadGuard<'_, T> {
        granted(self.array.read(true))
    }

    /// Waits until nobody else reads or writes, and gives the array to change. For the threads of this
    /// process, as [`read`](Self::read).
    pub fn write(&self) -> WriteGuard<'_, T> {
        granted(self.array.write(true))
    }

    /// The array to read, or `None` where that means waiting.
    #[must_use]
    pub fn try_read(&self) -> Option<ReadGuard<'_, T>> {
        self.array.read(false)
    }

    /// The array to change, or `None` where that means waiting.
    #[must_use]
    pub fn try_write(&self) -> Option<WriteGuard<'_, T>> {
        self.array.write(false)
    }

    /// Waits until nobody writes to a box of the array, and gives the box to read. Whoever has
    /// another box to write goes on meanwhile.
    ///
    /// # Errors
    ///
    /// [`Error::OutOfBounds`](crate::Error::OutOfBounds),
    /// [`Error::ReversedRange`](crate::Error::ReversedRange) and
    /// [`Error::RankMismatch`](crate::Error::RankMismatch) where the window does not fit, which is
    /// known when its turn has come: before that the array may change its length.
    /// Where the file was opened with [`Lock::Cooperative`](crate::Lock), also
    /// [`Error::NoRegionLocks`](crate::Error::NoRegionLocks) and [`Error::Io`](crate::Error::Io).
    ///
    /// # Cost
    ///
    /// See [regions](Self#regions). Touches no page.
    pub fn read_region(&self, window: impl Into<Window>) -> Result<RegionReadGuard<'_, T>> {
        Ok(RegionReadGuard(granted(self.array.region(window.into(), false, true)?)))
    }

    /// Waits until nobody else has any element of a box of the array, and gives the box to change.
    /// Whoever has another box goes on meanwhile.
    ///
    /// # Errors
    ///
    /// As [`read_region`](Self::read_region).
    ///
    /// # Cost
    ///
    /// See [regions](Self#regions). Touches no page.
    pub fn write_region(&self, window: impl Into<Window>) -> Result<RegionWriteGuard<'_, T>> {
        Ok(RegionWriteGuard(granted(self.array.region(window.into(), true, true)?)))
    }

    /// A box of the array to read, or `None` where that means waiting: for who has it, or for who asks
    /// for it at this moment.
    ///
    /// # Errors
    ///
    /// As [`read_region`](Self::read_region).
    pub fn try_read_region(
        &self,
        window: impl Into<Window>,
    ) -> Result<Option<RegionReadGuard<'_, T>>> {
        Ok(self.array.region(window.into(), false, false)?.map(RegionReadGuard))
    }

    /// A box of the array to change, or `None` where that means waiting, as
    /// [`try_read_region`](Self::try_read_region).
    ///
    /// # Errors
    ///
    /// As [`read_region`](Self::read_region).
    pub fn try_write_region(
        &self,
        window: impl Into<Window>,
    ) -> Result<Option<RegionWriteGuard<'_, T>>> {
        Ok(self.array.region(window.into(), true, false)?.map(RegionWriteGuard))
    }

    /// Waits until everything that was written before is on stable storage; see
    /// [`MmapArray::flush`](crate::MmapArray::flush). Readers go on meanwhile; writers are waited for,
    /// so whoever holds a guard to write flushes by [that](RegionWriteGuard::flush), or waits for ever.
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
        Ok(array.into_inner())
    }

    /// Flushes the array, and closes it where this is its last handle: then it is published where
    /// it waits for that. Of handles that are closed at the same time, exactly one is the last.
    ///
    /// Where other handles live on, this is `Ok` as well, and the file stays open, locked and, where
    /// it waits for the close, without its name: [`try_into_inner`](Self::try_into_inner) tells
    /// whether this handle is the last. Its flush waits for the writers of the others, as
    /// [`flush`](Self::flush) does.
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
            Some(array) => array.into_inner().close(),
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
        match self.array.read(false) {
            Some(array) => tuple.field(&*array),
            None => tuple.field(&format_args!("<being written>")),
        };
        tuple.finish()
    }
}
