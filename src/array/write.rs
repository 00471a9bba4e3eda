//! What changes a mapped array: views to write through, windows, flushing, closing.

use std::ops::IndexMut;

use super::{MmapArray, bytes_of, outside};
use crate::access::{Access, ReadWrite, Writable};
use crate::element::Element;
use crate::error::Result;
use crate::file::NpyFile;
use crate::layout::{Layout, Order};
use crate::slice::SliceItem;
use crate::storage::{self, WRITES_SHOW_IN_MAPPINGS};
use crate::transfer;
use crate::view::{View, ViewMut};
use crate::window::Window;

impl<T: Element, A: Access> MmapArray<T, A> {
    /// The whole array as a view to change. Touches no page.
    ///
    /// A store dirties the whole page that it falls into, or the group of pages up to 2 MiB that the
    /// system keeps as one: for small pieces here and there, [`write_window`](Self::write_window) is
    /// cheaper to flush. Storing to a [sparse](crate::Allocation::Sparse) file on a full disk raises
    /// `SIGBUS`.
    #[must_use]
    pub fn view_mut(&mut self) -> ViewMut<'_, T>
    where
        A: Writable,
    {
        self.part_mut(0, self.file.layout().clone())
    }

    /// The part of the array that [`s!`](crate::s) names, as a view to change. Touches no page.
    ///
    /// # Errors
    ///
    /// As [`View::slice`].
    pub fn slice_mut(&mut self, items: impl AsRef<[SliceItem]>) -> Result<ViewMut<'_, T>>
    where
        A: Writable,
    {
        let (start, part) = self.file.layout().slice(items.as_ref())?;
        Ok(self.part_mut(start, part))
    }

    pub(super) fn part_mut(&mut self, start: isize, part: Layout) -> ViewMut<'_, T>
    where
        A: Writable,
    {
        let view = ViewMut::from_layout(self.mapping.elements_mut(), start, part);
        view.expect("the mapping holds the layout's elements")
    }

    /// All elements as one slice to change, where the array is in C order (or could as well be).
    /// Touches no page.
    #[must_use]
    pub fn as_mut_slice(&mut self) -> Option<&mut [T]>
    where
        A: Writable,
    {
        self.file.layout().is_contiguous(Order::C).then(|| self.mapping.elements_mut())
    }

    /// The element at `index` to change, or `None` outside the array or with a wrong number of
    /// axes.
    #[must_use]
    #[inline]
    pub fn get_mut(&mut self, index: impl AsRef<[usize]>) -> Option<&mut T>
    where
        A: Writable,
    {
        let position = self.file.layout().position(index.as_ref())?;
        self.mapping.elements_mut().get_mut(position as usize)
    }

    /// Writes a window from `elements`, which are in row-major order whatever the file's order is.
    /// Views and other handles see it at once.
    ///
    /// # Errors
    ///
    /// As [`NpyFile::write_window`].
    ///
    /// # Cost
    ///
    /// On Linux one positional write for each run of the window in the file, which dirties no more
    /// than is written; elsewhere, and for copy-on-write arrays, a copy into the mapping.
    pub fn write_window(&mut self, window: impl Into<Window>, elements: &[T]) -> Result<()>
    where
        A: Writable,
    {
        let (start, part) = window.into().select(self.file.layout())?;
        let view = View::from_shape(part.shape(), elements)?;
        self.write_part(start, part, &view)
    }

    /// Writes a view, of any strides, to the part of the array that [`s!`](crate::s) names; as
    /// [`write_window`](Self::write_window).
    ///
    /// # Errors
    ///
    /// As [`NpyFile::write_slice`].
    pub fn write_slice<'v>(
        &mut self,
        items: impl AsRef<[SliceItem]>,
        view: impl Into<View<'v, T>>,
    ) -> Result<()>
    where
        A: Writable,
    {
        let (start, part) = self.file.layout().slice(items.as_ref())?;
        self.write_part(start, part, &view.into())
    }

    fn write_part(&mut self, start: isize, part: Layout, from: &View<'_, T>) -> Result<()>
    where
        A: Writable,
    {
        if A::WRITES && WRITES_SHOW_IN_MAPPINGS {
            return self.file.write_from(start, part, from);
        }
        self.file.check_len()?;
        self.part_mut(start, part).copy_from(from)
    }
}

impl<T: Element> MmapArray<T, ReadWrite> {
    /// Waits until everything written so far, through views and windows, is on stable storage, with
    /// the length and the name that are needed to find it; see [`NpyFile::flush`].
    ///
    /// # Errors
    ///
    /// As [`NpyFile::flush`].
    pub fn flush(&self) -> Result<()> {
        let all = 0..self.mapping.byte_len();
        self.file.sync(|| self.mapping.flush(self.file.raw_file(), all))
    }

    /// Waits until a window is on stable storage, and does not wait for the rest of the array.
    /// What lies between the window's first and last element in the file may be written too. Rows
    /// that were appended stay uncommitted.
    ///
    /// # Errors
    ///
    /// As [`flush`](Self::flush), and as [`read_window`](Self::read_window) where the window does not
    /// fit.
    pub fn flush_window(&self, window: impl Into<Window>) -> Result<()> {
        let (start, part) = window.into().select(self.file.layout())?;
        // One call for all runs. But what stands in for mappings under Miri reads what it flushes, and
        // between the runs of a region others may be writing.
        let gap = if cfg!(miri) { 0 } else { usize::MAX };
        let mut runs = transfer::runs(start, &part, gap).map(bytes_of::<T>);
        self.file.sync_by(
            || {
                let flush = |bytes| self.mapping.flush(self.file.raw_file(), bytes);
                let written_back = runs.try_for_each(flush);
                // On Linux, msync waits for the disk as fdatasync does.
                if WRITES_SHOW_IN_MAPPINGS {
                    return written_back;
                }
                let synced = storage::sync_data(self.file.raw_file());
                written_back.and(synced)
            },
            false,
        )
    }

    /// Starts to write to the disk what was written so far, and does not wait for it: a later
    /// [`flush`](Self::flush) has less to do. A hint, which promises nothing.
    ///
    /// # Errors
    ///
    /// [`Error::SyncFailed`](crate::Error::SyncFailed) where an earlier flush failed;
    /// [`Error::Shrunk`](crate::Error::Shrunk) where the file became shorter. Errors of the disk show
    /// at the next flush.
    pub fn flush_async(&self) -> Result<()> {
        self.file.check_synced()?;
        self.file.check_len()?;
        self.mapping.flush_async(self.file.raw_file(), 0..self.mapping.byte_len());
        Ok(())
    }

    /// Flushes the array and gives it its name now, where it was created with
    /// [`Publish::OnClose`](crate::Publish::OnClose); see [`NpyFile::publish`].
    ///
    /// # Errors
    ///
    /// As [`NpyFile::publish`].
    pub fn publish(&self) -> Result<()> {
        self.flush()?;
        self.file.name_synced()
    }

    /// Flushes the array, publishes it where it waits for that, and closes it.
    ///
    /// Dropping an array instead flushes nothing, publishes nothing and tells of no error. What was
    /// written outlives this process all the same, but not a power cut.
    ///
    /// # Errors
    ///
    /// As [`publish`](Self::publish); a file that was not published is lost then.
    pub fn close(self) -> Result<()> {
        self.publish()
    }

    /// The same array without the mapping, to read and write by position. Keeps the lock; flushes
    /// nothing.
    #[must_use]
    pub fn into_file(self) -> NpyFile<T, ReadWrite> {
        self.file.with_access()
    }
}

/// Panics as `Index` does; [`MmapArray::get_mut`] does not.
impl<T: Element, A: Writable, I: AsRef<[usize]>> IndexMut<I> for MmapArray<T, A> {
    #[inline]
    #[track_caller]
    fn index_mut(&mut self, index: I) -> &mut T {
        let index = index.as_ref();
        match self.file.layout().position(index) {
            Some(position) => &mut self.mapping.elements_mut()[position as usize],
            None => outside(self.file.layout(), index),
        }
    }
}

impl<'a, T: Element, A: Writable> From<&'a mut MmapArray<T, A>> for ViewMut<'a, T> {
    fn from(array: &'a mut MmapArray<T, A>) -> Self {
        array.view_mut()
    }
}
