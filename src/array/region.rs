//! Boxes of a mapped array for who has the array shared, and a lock on the box.
//!
//! Nothing here makes a reference to elements outside the box.

#![allow(unsafe_code)]

use super::MmapArray;
use crate::access::ReadWrite;
use crate::element::Element;
use crate::error::Result;
use crate::layout::Layout;
use crate::view::{View, ViewMut};

impl<T: Element> MmapArray<T, ReadWrite> {
    /// The part of the array that `start` and `part`, made of its layout by a window, say.
    ///
    /// # Safety
    ///
    /// Nobody changes elements of the part while the view lives.
    pub(crate) unsafe fn region(&self, start: isize, part: Layout) -> View<'_, T> {
        let first = self.mapping.as_mut_ptr().wrapping_offset(start);
        // SAFETY: a window of the layout leads to elements that the mapping holds, and any bytes
        // are a `T`; the caller vouches that they stay as they are.
        unsafe { View::from_raw(first, part) }
    }

    /// The same part, to change.
    ///
    /// # Safety
    ///
    /// Nobody else reads or changes elements of the part while the view lives.
    pub(crate) unsafe fn region_mut(&self, start: isize, part: Layout) -> ViewMut<'_, T> {
        let first = self.mapping.as_mut_ptr().wrapping_offset(start);
        // SAFETY: as above; the mapping is writable, a window leads to no element twice, and the
        // caller vouches that nobody else has them.
        unsafe { ViewMut::from_raw(first, part) }
    }

    /// Writes `from` to the part, as [`write_window`](Self::write_window) does.
    ///
    /// # Safety
    ///
    /// As for [`region_mut`](Self::region_mut).
    pub(crate) unsafe fn write_region(
        &self,
        start: isize,
        part: Layout,
        from: &View<'_, T>,
    ) -> Result<()> {
        if crate::storage::WRITES_SHOW_IN_MAPPINGS {
            return self.file.write_from(start, part, from);
        }
        self.file.check_len()?;
        // SAFETY: the caller vouches for it.
        unsafe { self.region_mut(start, part) }.copy_from(from)
    }
}
