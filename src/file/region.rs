//! Boxes of an array that is read and written by position, locked between all handles of the file;
//! and which parts of the file are locked for a box.

use std::fmt;
use std::ops::Range;

use super::NpyFile;
use crate::access::{Access, ReadWrite};
use crate::element::Element;
use crate::error::Result;
use crate::layout::Layout;
use crate::storage::RangeLock;
use crate::transfer;
use crate::view::{Array, View};
use crate::window::Window;

/// How many parts of a file are locked for one box at most. For each the kernel goes through all
/// that are locked: 256 take 0.4 ms, and 2 ms where four handles have as many; 4096 a second.
const MAX_RANGES: usize = 256;

impl<T: Element, A: Access> NpyFile<T, A> {
    /// Waits until no other handle, of this process or another, has an element of a box to write, and
    /// locks the box to read. Whoever has another box goes on meanwhile.
    ///
    /// Regions exclude regions of any `NpyFile`, those of a [`SharedMmapArray`](crate::SharedMmapArray)
    /// that was opened with [`Lock::Cooperative`](crate::Lock) (and of no other), and locks of their
    /// bytes by other programs; nobody else is kept from anything. A thread that holds a region and
    /// waits for another one may wait for ever: try for the second. See
    /// [concurrency](crate::concurrency#processes).
    ///
    /// # Errors
    ///
    /// As [`read_window`](Self::read_window) where the window does not fit;
    /// [`Error::NoRegionLocks`](crate::Error::NoRegionLocks) where the system or the file system has
    /// none; [`Error::Io`](crate::Error::Io).
    ///
    /// # Cost
    ///
    /// Some four system calls for a box that is one run in the file, and one more for each further
    /// run (two where it only tries). Of a box of more than 256 runs,
    /// [more](crate::concurrency#large-boxes) is locked. A descriptor as long as the region lives.
    ///
    /// # Example
    ///
    /// ```
    /// use mmap_array::{Lock, NpyFile, OpenOptions};
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("a.npy");
    ///
    /// NpyFile::<i32>::create(&path, [100, 3])?.close()?;
    /// // This may stand in several processes at once: no count is lost.
    /// let file = OpenOptions::new().lock(Lock::Cooperative).open_file_mut::<i32>(&path)?;
    /// # if cfg!(all(target_os = "linux", target_pointer_width = "64")) {
    /// let mut region = file.write_region([7..8, 0..3])?;
    /// let counts: Vec<i32> = region.read()?.iter().map(|count| count + 1).collect();
    /// region.write(&counts)?;
    /// drop(region);
    /// assert_eq!(file.read_region([6..8, 0..1])?.read()?.as_slice(), [0, 1]);
    /// # }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn read_region(&self, window: impl Into<Window>) -> Result<FileRegion<'_, T, A>> {
        Ok(held(self.lock_region(window.into(), false, true)?))
    }

    /// A box to read, or `None` where that means waiting: for who has it, or for who asks for it at
    /// this moment.
    ///
    /// # Errors
    ///
    /// As [`read_region`](Self::read_region).
    pub fn try_read_region(
        &self,
        window: impl Into<Window>,
    ) -> Result<Option<FileRegion<'_, T, A>>> {
        self.lock_region(window.into(), false, false)
    }

    fn lock_region(
        &self,
        window: Window,
        write: bool,
        wait: bool,
    ) -> Result<Option<FileRegion<'_, T, A>>> {
        let (start, part) = window.clone().select(&self.layout)?;
        let lock = self.lock_bytes(start, &part, write, wait)?;
        Ok(lock.map(|lock| FileRegion { file: self, window, start, part, _lock: lock }))
    }

    /// Locks the part of the file that starts at `start` and has `part` as layout, where it was
    /// opened to be written to beside others. `None` where that means to wait, which `wait` allows.
    pub(crate) fn lock_beside_others(
        &self,
        start: isize,
        part: &Layout,
        write: bool,
        wait: bool,
    ) -> Result<Option<RangeLock>> {
        if !self.cooperative {
            return Ok(Some(RangeLock::none()));
        }
        self.lock_bytes(start, part, write, wait)
    }

    fn lock_bytes(
        &self,
        start: isize,
        part: &Layout,
        write: bool,
        wait: bool,
    ) -> Result<Option<RangeLock>> {
        let bytes = |run: Range<usize>| self.offset(run.start)..self.offset(run.end);
        let ranges = ranges(start, part, MAX_RANGES).map(bytes);
        RangeLock::acquire(&self.file, &self.path, ranges, write, wait)
    }
}

impl<T: Element> NpyFile<T, ReadWrite> {
    /// Waits until no other handle, of this process or another, has an element of a box, and locks
    /// the box to change; see [`read_region`](Self::read_region).
    ///
    /// # Errors
    ///
    /// As [`read_region`](Self::read_region).
    pub fn write_region(&self, window: impl Into<Window>) -> Result<FileRegionMut<'_, T>> {
        Ok(FileRegionMut(held(self.lock_region(window.into(), true, true)?)))
    }

    /// A box to change, or `None` where that means waiting, as
    /// [`try_read_region`](Self::try_read_region).
    ///
    /// # Errors
    ///
    /// As [`read_region`](Self::read_region).
    pub fn try_write_region(
        &self,
        window: impl Into<Window>,
    ) -> Result<Option<FileRegionMut<'_, T>>> {
        Ok(self.lock_region(window.into(), true, false)?.map(FileRegionMut))
    }
}

fn held<R>(region: Option<R>) -> R {
    region.unwrap_or_else(|| unreachable!("who waits as long as he must gets what he asks for"))
}

/// A box of a file that is locked to read, as long as this lives; made by
/// [`NpyFile::read_region`].
#[must_use = "the box is locked only as long as this lives"]
pub struct FileRegion<'a, T, A> {
    file: &'a NpyFile<T, A>,
    window: Window,
    /// Where the box lies, by the file's layout.
    start: isize,
    part: Layout,
    _lock: RangeLock,
}

impl<T: Element, A: Access> FileRegion<'_, T, A> {
    /// The box, in indices of the array.
    #[must_use]
    pub fn window(&self) -> &Window {
        &self.window
    }

    /// Reads the box into new memory, in row-major order.
    ///
    /// # Errors
    ///
    /// As [`NpyFile::read_window`].
    pub fn read(&self) -> Result<Array<T>> {
        self.file.read_selection(self.start, self.part.clone())
    }

    /// Reads the box into `out`, in row-major order.
    ///
    /// # Errors
    ///
    /// As [`NpyFile::read_window_into`].
    pub fn read_into(&self, out: &mut [T]) -> Result<()> {
        self.file.read_into(self.start, self.part.clone(), out)
    }
}

/// A box of a file that is locked to change, as long as this lives; made by
/// [`NpyFile::write_region`].
#[must_use = "the box is locked only as long as this lives"]
pub struct FileRegionMut<'a, T>(FileRegion<'a, T, ReadWrite>);

impl<T: Element> FileRegionMut<'_, T> {
    /// The box, in indices of the array.
    #[must_use]
    pub fn window(&self) -> &Window {
        &self.0.window
    }

    /// Reads the box into new memory, in row-major order.
    ///
    /// # Errors
    ///
    /// As [`NpyFile::read_window`].
    pub fn read(&self) -> Result<Array<T>> {
        self.0.read()
    }

    /// Reads the box into `out`, in row-major order.
    ///
    /// # Errors
    ///
    /// As [`NpyFile::read_window_into`].
    pub fn read_into(&self, out: &mut [T]) -> Result<()> {
        self.0.read_into(out)
    }

    /// Writes the whole box from `elements`, which are in row-major order. Other handles see it at
    /// once; [`NpyFile::flush`] makes it durable.
    ///
    /// # Errors
    ///
    /// As [`NpyFile::write_window`].
    pub fn write(&mut self, elements: &[T]) -> Result<()> {
        let FileRegion { file, start, part, .. } = &self.0;
        let view = View::from_shape(part.shape(), elements)?;
        file.write_from(*start, part.clone(), &view)
    }
}

/// Shows the box; touches no data.
impl<T, A> fmt::Debug for FileRegion<'_, T, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("FileRegion").field(&self.window).finish()
    }
}

/// Shows the box; touches no data.
impl<T> fmt::Debug for FileRegionMut<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("FileRegionMut").field(&self.0.window).finish()
    }
}

/// The runs of a file, in elements and ascending, that hold a selection: at most `most`. Where it
/// has more, what lies between the runs of its innermost axes belongs to them.
fn ranges(start: isize, part: &Layout, most: usize) -> impl Iterator<Item = Range<usize>> {
    let (_, ordered) = part.in_memory_order();
    let mut gap = 0;
    for &stride in ordered.strides().iter().rev() {
        if transfer::runs(start, part, gap).take(most + 1).count() <= most {
            break;
        }
        gap = stride as usize;
    }
    transfer::runs(start, part, gap)
}

#[cfg(test)]
#[allow(clippy::single_range_in_vec_init, reason = "one run")]
mod tests {
    use super::*;
    use crate::layout::Order;
    use crate::window::Window;

    fn of(order: Order, shape: &[usize], window: Window, most: usize) -> Vec<Range<usize>> {
        let (start, part) = window.select(&Layout::new(shape, order).unwrap()).unwrap();
        ranges(start, &part, most).collect()
    }

    #[test]
    fn a_box_of_few_runs_is_exactly_those() {
        let tile = || Window::from([1..3, 2..4]);
        assert_eq!(of(Order::C, &[4, 6], tile(), 2), [8..10, 14..16]);
        assert_eq!(of(Order::Fortran, &[4, 6], tile(), 2), [9..11, 13..15]);
        assert_eq!(of(Order::C, &[4, 6], Window::from([1..3, 0..6]), 1), [6..18]);
        assert!(of(Order::C, &[4, 6], Window::from([1..1, 0..6]), 1).is_empty());
        assert_eq!(of(Order::C, &[], Window::new([], []).unwrap(), 1), [0..1]);
    }

    #[test]
    fn a_box_of_many_runs_takes_in_what_lies_between_those_of_its_inner_axes() {
        let window = || Window::from([0..2, 1..3, 1..2]);
        let shape = [2, 4, 6];
        assert_eq!(of(Order::C, &shape, window(), 4), [7..8, 13..14, 31..32, 37..38]);
        assert_eq!(of(Order::C, &shape, window(), 3), [7..14, 31..38]);
        assert_eq!(of(Order::C, &shape, window(), 1), [7..38]);
    }
}
