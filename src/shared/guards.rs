//! Guards: what a lock that is held allows, as long as it is held.
//!
//! # Safety
//!
//! The array of a [`Locked`] is reached here alone, and only by who holds a claim of [`Locks`]:
//!
//! * [`WriteGuard`] has all of it for itself, also the handle, which it may change;
//! * [`ReadGuard`] reads all of it: nobody changes anything meanwhile;
//! * [`RegionReadGuard`] and [`RegionWriteGuard`] read the handle, and have the elements of their
//!   box: nobody changes those meanwhile, or nobody else has them. They make no reference to
//!   other elements, and lend no handle that could.

#![allow(unsafe_code)]

use std::cell::UnsafeCell;
use std::fmt;
use std::ops::{Deref, DerefMut};

use super::locks::{Locks, Ticket};
use crate::array::MmapArrayMut;
use crate::element::Element;
use crate::error::Result;
use crate::layout::Layout;
use crate::storage::RangeLock;
use crate::view::{View, ViewMut};
use crate::window::Window;

/// An array and its locks.
pub(super) struct Locked<T> {
    locks: Locks,
    array: UnsafeCell<MmapArrayMut<T>>,
}

// SAFETY: as a `RwLock`, this lends `&MmapArrayMut<T>` to many threads, or `&mut` to one; what
// regions lend is `&T`, or `&mut T` to one thread.
unsafe impl<T> Sync for Locked<T> where MmapArrayMut<T>: Send + Sync {}

impl<T> Locked<T> {
    pub(super) fn new(array: MmapArrayMut<T>) -> Locked<T> {
        Locked { locks: Locks::new(), array: UnsafeCell::new(array) }
    }

    pub(super) fn into_inner(self) -> MmapArrayMut<T> {
        self.array.into_inner()
    }

    /// `None` where it means to wait, which `wait` allows.
    #[inline]
    pub(super) fn read(&self, wait: bool) -> Option<ReadGuard<'_, T>> {
        self.locks.read(wait).then(|| ReadGuard(self))
    }

    #[inline]
    pub(super) fn write(&self, wait: bool) -> Option<WriteGuard<'_, T>> {
        self.locks.write(wait).then(|| WriteGuard(self))
    }
}

impl<T: Element> Locked<T> {
    pub(super) fn region(
        &self,
        window: Window,
        write: bool,
        wait: bool,
    ) -> Result<Option<Region<'_, T>>> {
        let Some(ticket) = self.locks.region(window.clone(), write, wait) else {
            return Ok(None);
        };
        let claim = RegionClaim { locks: &self.locks, ticket };
        // SAFETY: with the claim, nobody has the handle to change it.
        let array = unsafe { &*self.array.get() };
        let (start, part) = window.select(array.file().layout())?;
        let Some(range) = array.file().lock_beside_others(start, &part, write, wait)? else {
            return Ok(None);
        };
        Ok(Some(Region { locked: self, window, start, part, _range: range, _claim: claim }))
    }
}

/// A shared array to read, as long as this lives; made by
/// [`SharedMmapArray::read`](super::SharedMmapArray::read).
#[must_use = "the array is locked only as long as its guard lives"]
pub struct ReadGuard<'a, T>(&'a Locked<T>);

impl<T> Drop for ReadGuard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        self.0.locks.end_read();
    }
}

impl<T> Deref for ReadGuard<'_, T> {
    type Target = MmapArrayMut<T>;

    #[inline]
    fn deref(&self) -> &MmapArrayMut<T> {
        // SAFETY: as long as the guard lives, nobody changes the handle or an element.
        unsafe { &*self.0.array.get() }
    }
}

/// A shared array to change, as long as this lives; made by
/// [`SharedMmapArray::write`](super::SharedMmapArray::write).
#[must_use = "the array is locked only as long as its guard lives"]
pub struct WriteGuard<'a, T>(&'a Locked<T>);

impl<T> Drop for WriteGuard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        self.0.locks.end_write();
    }
}

impl<T> Deref for WriteGuard<'_, T> {
    type Target = MmapArrayMut<T>;

    #[inline]
    fn deref(&self) -> &MmapArrayMut<T> {
        // SAFETY: as long as the guard lives, nobody else has the handle or an element.
        unsafe { &*self.0.array.get() }
    }
}

impl<T> DerefMut for WriteGuard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut MmapArrayMut<T> {
        // SAFETY: as above, and the guard is borrowed mutably.
        unsafe { &mut *self.0.array.get() }
    }
}

/// Shows the array; touches no data.
impl<T> fmt::Debug for ReadGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ReadGuard").field(&**self).finish()
    }
}

/// Shows the array; touches no data.
impl<T> fmt::Debug for WriteGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("WriteGuard").field(&**self).finish()
    }
}

/// A box that is claimed in this process, and given back when this is dropped.
struct RegionClaim<'a> {
    locks: &'a Locks,
    ticket: Ticket,
}

impl Drop for RegionClaim<'_> {
    fn drop(&mut self) {
        self.locks.end_region(self.ticket);
    }
}

/// A box that is held.
pub(super) struct Region<'a, T> {
    // Not the array: who gets it when this is dropped may change it while that still goes on.
    locked: &'a Locked<T>,
    window: Window,
    /// Where the box lies, by the array's layout.
    start: isize,
    part: Layout,
    // Given back to other processes before other threads of this one get it.
    _range: RangeLock,
    _claim: RegionClaim<'a>,
}

impl<T> Region<'_, T> {
    fn array(&self) -> &MmapArrayMut<T> {
        // SAFETY: as long as the claim is held, nobody has the handle to change it.
        unsafe { &*self.locked.array.get() }
    }
}

/// A box of a shared array to read, as long as this lives; made by
/// [`SharedMmapArray::read_region`](super::SharedMmapArray::read_region).
#[must_use = "the box is locked only as long as its guard lives"]
pub struct RegionReadGuard<'a, T>(pub(super) Region<'a, T>);

impl<T: Element> RegionReadGuard<'_, T> {
    /// The box, in indices of the array.
    #[must_use]
    pub fn window(&self) -> &Window {
        &self.0.window
    }

    /// The elements; index `[0, 0]` is the first of the box. Touches no page, copies nothing.
    #[must_use]
    pub fn view(&self) -> View<'_, T> {
        // SAFETY: as long as the guard lives, nobody changes elements of its box.
        unsafe { self.0.array().region(self.0.start, self.0.part.clone()) }
    }
}

/// A box of a shared array to change, as long as this lives; made by
/// [`SharedMmapArray::write_region`](super::SharedMmapArray::write_region).
#[must_use = "the box is locked only as long as its guard lives"]
pub struct RegionWriteGuard<'a, T>(pub(super) Region<'a, T>);

impl<T: Element> RegionWriteGuard<'_, T> {
    /// The box, in indices of the array.
    #[must_use]
    pub fn window(&self) -> &Window {
        &self.0.window
    }

    /// The elements; index `[0, 0]` is the first of the box. Touches no page, copies nothing.
    #[must_use]
    pub fn view(&self) -> View<'_, T> {
        // SAFETY: as long as the guard lives, only it has elements of its box, and it is borrowed.
        unsafe { self.0.array().region(self.0.start, self.0.part.clone()) }
    }

    /// The elements to change, likewise. Touches no page; storing does, as
    /// [`MmapArray::view_mut`](crate::MmapArray::view_mut) says.
    #[must_use]
    pub fn view_mut(&mut self) -> ViewMut<'_, T> {
        // SAFETY: as above, and it is borrowed mutably.
        unsafe { self.0.array().region_mut(self.0.start, self.0.part.clone()) }
    }

    /// Writes the whole box from `elements`, which are in row-major order, as
    /// [`MmapArray::write_window`](crate::MmapArray::write_window) does: on Linux by position, which
    /// dirties no more than is written and reports a full disk as an error.
    ///
    /// # Errors
    ///
    /// As [`NpyFile::write_window`](crate::NpyFile::write_window).
    pub fn write(&mut self, elements: &[T]) -> Result<()> {
        let part = &self.0.part;
        let from = View::from_shape(part.shape(), elements)?;
        // SAFETY: as long as the guard lives, only it has elements of its box, and it is borrowed
        // mutably.
        unsafe { self.0.array().write_region(self.0.start, part.clone(), &from) }
    }

    /// Waits until the box is on stable storage; see
    /// [`MmapArray::flush_window`](crate::MmapArray::flush_window).
    ///
    /// # Errors
    ///
    /// As [`MmapArray::flush`](crate::MmapArray::flush).
    pub fn flush(&self) -> Result<()> {
        self.0.array().flush_window(&self.0.window)
    }
}

/// Shows the box; touches no data.
impl<T> fmt::Debug for RegionReadGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RegionReadGuard").field(&self.0.window).finish()
    }
}

/// Shows the box; touches no data.
impl<T> fmt::Debug for RegionWriteGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RegionWriteGuard").field(&self.0.window).finish()
    }
}
