//! Growing and cutting an array at its end, along its slowest axis: the first in C order, the last
//! in Fortran order.
//!
//! A crash at any instant leaves the last committed rows, or more, and never wrong ones, because
//! rows go to the disk in this order:
//!
//! 1. the rows are written behind the array (`append`),
//! 2. they are synced, and with them the file's length,
//! 3. the header is rewritten in place, as few bytes of it as can be,
//! 4. and synced (`flush` and `close` do 2 to 4).
//!
//! Cutting goes the other way: the header first, then the file's length.

use std::sync::PoisonError;

use super::{NpyFile, end_of_data};
use crate::access::{Access, ReadWrite};
use crate::element::Element;
use crate::error::{Error, Result};
use crate::layout::{Layout, Order};
use crate::npy::Header;
use crate::storage::{self, LockState};
use crate::view::View;
use crate::window::Window;

impl<T: Element, A: Access> NpyFile<T, A> {
    /// Bytes of the file behind the array, of which its header does not speak: rows that a writer
    /// did not get to flush, or whatever another program put there. See
    /// [`recover`](NpyFile::recover).
    ///
    /// # Errors
    ///
    /// [`Error::Shrunk`] where the file became shorter while it was open, [`Error::Io`].
    pub fn uncommitted_tail(&self) -> Result<u64> {
        let (file_len, end) = (self.file_len()?, self.data().end);
        file_len.checked_sub(end).ok_or_else(|| self.shrunk(file_len))
    }

    fn check_no_tail(&self) -> Result<()> {
        match self.uncommitted_tail()? {
            0 => Ok(()),
            byte_len => Err(Error::UncommittedTail { path: self.path.clone(), byte_len }),
        }
    }

    /// The axis along which the array grows, and the number of elements of one index of it.
    fn rows(&self) -> Result<(usize, usize)> {
        let problem = "an array without axes has a fixed size";
        let axis = self.order().slowest_axis(self.ndim());
        let axis = axis.ok_or(Error::InvalidAxis { axis: 0, problem })?;
        let others = self.shape().iter().enumerate().filter(|&(other, _)| other != axis);
        Ok((axis, others.map(|(_, len)| len).product()))
    }

    fn check_alone(&self) -> Result<()> {
        match self.lock {
            LockState::Shared => Err(Error::NotAlone { path: self.path.clone() }),
            _ => Ok(()),
        }
    }

    /// This array's header with another number of rows, and its bytes.
    fn header_with_rows(&self, rows: usize) -> Result<(Header, Vec<u8>)> {
        let header = self.header.with_rows(rows).map_err(|error| error.with_path(&self.path))?;
        if header.is_raw() {
            // The file's length says all there is to say.
            return Ok((header, vec![]));
        }
        let bytes = header.to_bytes_in_place().map_err(|needed| Error::NoGrowthRoom {
            path: self.path.clone(),
            needed,
            room: header.data_start(),
        })?;
        Ok((header, bytes))
    }

    /// Appends elements in row-major order; see [`NpyFile::append`].
    pub(crate) fn append_elements(&mut self, elements: &[T]) -> Result<()> {
        let (axis, row_len) = self.rows()?;
        let rows = elements.len().checked_div(row_len).unwrap_or(0);
        if rows.checked_mul(row_len) != Some(elements.len()) {
            let expected = (rows + 1).saturating_mul(row_len);
            return Err(Error::LenMismatch { expected, found: elements.len() });
        }
        let mut shape = self.shape().to_vec();
        shape[axis] = rows;
        self.append_rows(axis, rows, &View::from_shape(shape, elements)?)
    }

    /// Appends a view; see [`NpyFile::append_view`].
    pub(crate) fn append_array(&mut self, view: &View<'_, T>) -> Result<()> {
        let (axis, _) = self.rows()?;
        let rows = view.shape().get(axis).copied().unwrap_or(0);
        let mut expected = self.shape().to_vec();
        expected[axis] = rows;
        if view.shape() != expected {
            return Err(Error::ShapeMismatch { expected, found: view.shape().to_vec() });
        }
        self.append_rows(axis, rows, view)
    }

    fn append_rows(&mut self, axis: usize, rows: usize, view: &View<'_, T>) -> Result<()> {
        self.check_synced()?;
        self.check_alone()?;
        self.check_no_tail()?;
        if rows == 0 {
            return Ok(());
        }
        let old_rows = self.shape()[axis];
        // What is too large to count is too large for a header.
        let (header, _) = self.header_with_rows(old_rows.saturating_add(rows))?;
        let layout = Layout::new(header.shape(), header.order())?;
        let (old_end, new_end) = (self.data().end, end_of_data(&header, &self.path)?);
        let old = (std::mem::replace(&mut self.header, header), self.layout.clone());
        self.layout = layout;
        let written = match view.as_slice() {
            // The rows follow the array as they are, and the write makes the file longer.
            Some(elements) if self.order() == Order::C && !self.header.dtype().is_foreign() => {
                let bytes = bytemuck::cast_slice(elements);
                storage::write_at(&self.file, &self.path, bytes, old_end)
            }
            _ => storage::set_len(&self.file, &self.path, new_end).and_then(|()| {
                let mut start = vec![0; self.ndim()];
                start[axis] = old_rows;
                let window = Window::new(start, view.shape())?;
                let (start, part) = window.select(&self.layout)?;
                self.write_from(start, part, view)
            }),
        };
        match written {
            Ok(()) => *self.uncommitted.get_mut().unwrap_or_else(PoisonError::into_inner) = true,
            Err(_) => self.undo_append(old),
        }
        written
    }

    /// What [`undo_append`](Self::undo_append) needs to take back what is appended from now on.
    pub(crate) fn before_append(&self) -> (Header, Layout) {
        (self.header.clone(), self.layout.clone())
    }

    /// Has the length again that [`before_append`](Self::before_append) told of.
    pub(crate) fn restore(&mut self, before: (Header, Layout)) {
        (self.header, self.layout) = before;
    }

    /// Takes rows back that were appended and not committed.
    pub(crate) fn undo_append(&mut self, before: (Header, Layout)) {
        self.restore(before);
        // What cannot be cut off is a tail, which the next append finds.
        let _ = storage::set_len(&self.file, &self.path, self.data().end);
    }

    /// Writes the handle's header to the file, whose rows were synced, and syncs it: only from the first byte that differs
    /// to the last, so that a reader in between finds little to stumble over.
    pub(super) fn write_header(&self) -> Result<()> {
        let (_, new) = self.header_with_rows(self.slowest_len())?;
        let mut old = vec![0; new.len()];
        storage::read_at(&self.file, &self.path, &mut old, 0)?;
        let differs = |(old, new): (&u8, &u8)| old != new;
        let Some(first) = old.iter().zip(&new).position(differs) else { return Ok(()) };
        let last = old.iter().zip(&new).rposition(differs).unwrap_or(first);
        storage::write_at(&self.file, &self.path, &new[first..=last], first as u64)?;
        self.synced(storage::sync_data(&self.file))
    }

    fn slowest_len(&self) -> usize {
        self.order().slowest_axis(self.ndim()).map_or(1, |axis| self.shape()[axis])
    }

    /// Reserves space for more rows; see [`NpyFile::reserve`].
    pub(crate) fn reserve_rows(&mut self, rows: usize) -> Result<()> {
        let (axis, _) = self.rows()?;
        self.check_synced()?;
        self.check_alone()?;
        self.check_no_tail()?;
        let all = self.shape()[axis].saturating_add(rows);
        let (header, _) = self.header_with_rows(all)?;
        storage::reserve_beyond(&self.file, &self.path, end_of_data(&header, &self.path)?)
    }

    /// Cuts the array; see [`NpyFile::truncate`].
    pub(crate) fn truncate_rows(&mut self, rows: usize) -> Result<()> {
        self.check_truncate(rows)?;
        if *self.uncommitted.get_mut().unwrap_or_else(PoisonError::into_inner) {
            // Or a header that is half rewritten might agree with the length of the file.
            self.sync(|| Ok(()))?;
        }
        self.set_rows(rows)?;
        storage::set_len(&self.file, &self.path, self.data().end)?;
        self.sync(|| Ok(()))
    }

    /// Can the array be cut after this many rows?
    pub(crate) fn check_truncate(&self, rows: usize) -> Result<()> {
        let (axis, _) = self.rows()?;
        self.check_synced()?;
        self.check_alone()?;
        let len = self.shape()[axis];
        if rows > len {
            let index = isize::try_from(rows).unwrap_or(isize::MAX);
            return Err(Error::OutOfBounds { axis, index, len });
        }
        self.check_no_tail()?;
        self.header_with_rows(rows).map(drop)
    }

    /// Commits another number of rows, all of which the file has.
    fn set_rows(&mut self, rows: usize) -> Result<()> {
        let (header, _) = self.header_with_rows(rows)?;
        let layout = Layout::new(header.shape(), header.order())?;
        let old = (std::mem::replace(&mut self.header, header), self.layout.clone());
        self.layout = layout;
        // The rows that stay may not be on the disk yet.
        let committed =
            self.synced(storage::sync_data(&self.file)).and_then(|()| self.write_header());
        // A part of the header may have been written; then the next flush puts it right.
        *self.uncommitted.get_mut().unwrap_or_else(PoisonError::into_inner) = committed.is_err();
        if committed.is_err() {
            (self.header, self.layout) = old;
        }
        committed
    }

    /// Brings a file and its header together after a crash; see [`NpyFile::recover`].
    pub(crate) fn recover_rows(&mut self, tail: Tail) -> Result<()> {
        let (data, file_len) = (self.data(), self.file_len()?);
        if file_len == data.end {
            return Ok(());
        }
        let rows = self.slowest_len();
        let there = match self.rows() {
            Ok((_, row_len)) => {
                let row_bytes = (row_len as u64).saturating_mul(size_of::<T>() as u64);
                // Without elements in a row there is no telling how many there should be.
                let there = file_len.saturating_sub(data.start).checked_div(row_bytes);
                there.map_or(rows, |there| usize::try_from(there).unwrap_or(usize::MAX))
            }
            // A single element is there or is not.
            Err(_) if file_len > data.end => rows,
            Err(_) => {
                let (path, expected) = (self.path.clone(), data.end);
                return Err(Error::Truncated { path, expected, found: file_len });
            }
        };
        if there < rows || (there > rows && tail == Tail::Adopt) {
            self.set_rows(there)?;
        }
        storage::set_len(&self.file, &self.path, self.data().end)?;
        self.sync(|| Ok(()))
    }

    /// Takes a header that was read anew; says whether it is another one.
    pub(crate) fn take_header(&mut self, header: Header) -> Result<bool> {
        let same = header.with_rows(self.slowest_len()).is_ok_and(|same| same == self.header);
        if !same {
            let (found, expected) = (header.to_string(), self.header.to_string());
            return Err(Error::ArrayChanged { path: self.path.clone(), found, expected });
        }
        if header == self.header {
            return Ok(false);
        }
        self.layout = Layout::new(header.shape(), header.order())?;
        self.header = header;
        Ok(true)
    }
}

/// What becomes of rows that a crash left behind an array, uncommitted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Tail {
    /// They are cut off: the array is what was committed last.
    #[default]
    Discard,
    /// All that are whole become rows of the array. After the crash of a program they are what it
    /// appended, but for those of the append that it was killed in, which may be zeros; after a
    /// power cut there may be anything in them, zeros most likely.
    Adopt,
}

impl<T: Element> NpyFile<T, ReadWrite> {
    /// Appends rows to the array, from elements in row-major order: indices of the first axis in C
    /// order, of the *last* in Fortran order (an array that starts empty has shape `[0, 3]` in C
    /// order, `[3, 0]` in Fortran order). Their number must be a multiple of a row's.
    ///
    /// This handle has the rows at once. Others see them, and a crash keeps them, once they are
    /// committed, by [`flush`](Self::flush) or [`close`](Self::close); a handle that is dropped
    /// leaves them behind as a [tail](Self::uncommitted_tail).
    ///
    /// A program that reads a header only once, as NumPy does, may meet the instant in which it is
    /// rewritten, and see a part of it: beside a program that did nothing but rewrite it on ext4,
    /// 53 of 372,704 calls of `np.load` failed; none of 310,621 did with a commit each millisecond.
    ///
    /// # Errors
    ///
    /// [`Error::LenMismatch`]; [`Error::InvalidAxis`] for an array without axes;
    /// [`Error::NoGrowthRoom`] where the header cannot hold the new length (that of an old NumPy may
    /// not); [`Error::UncommittedTail`] where bytes are in the way; [`Error::NotAlone`] with
    /// [`Lock::Cooperative`](crate::Lock::Cooperative); [`Error::ShapeOverflow`];
    /// [`Error::Shrunk`]; [`Error::SyncFailed`] where an earlier flush failed;
    /// [`Error::StorageFull`]; [`Error::Io`]. The file and the handle are as before then.
    ///
    /// # Cost
    ///
    /// One positional write, or those of [`write_window`](Self::write_window) in Fortran order or
    /// the other byte order. Nothing that is there already is touched.
    ///
    /// # Example
    ///
    /// ```
    /// use mmap_array::NpyFile;
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("log.npy");
    ///
    /// let mut log = NpyFile::<f32>::create(&path, [0, 3])?;
    /// log.append(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0])?;
    /// assert_eq!(log.shape(), [2, 3]);
    /// log.flush()?; // now NumPy sees two rows, and a power cut keeps them
    /// # assert_eq!(mmap_array::load::<f32>(&path)?.shape(), [2, 3]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn append(&mut self, elements: &[T]) -> Result<()> {
        self.append_elements(elements)
    }

    /// Appends a view, of any strides, whose shape is that of the array but for the growing axis;
    /// as [`append`](Self::append).
    ///
    /// # Errors
    ///
    /// As [`append`](Self::append), and [`Error::ShapeMismatch`].
    pub fn append_view<'v>(&mut self, view: impl Into<View<'v, T>>) -> Result<()> {
        self.append_array(&view.into())
    }

    /// Reserves the space for `rows` more rows, so that appending them does not fail for lack of
    /// it. The file's length stays; what is not used is given back when the file is cut, and when
    /// an append or a later `reserve` fails.
    ///
    /// # Errors
    ///
    /// [`Error::StorageFull`], [`Error::FileTooLarge`] and [`Error::CannotReserve`] where the space
    /// cannot be had, and as [`append`](Self::append).
    pub fn reserve(&mut self, rows: usize) -> Result<()> {
        self.reserve_rows(rows)
    }

    /// Cuts the array after its first `rows` rows, and commits that and all rows that are left: it
    /// is on stable storage when this returns. A crash meanwhile leaves the array as it was or as
    /// it shall be.
    ///
    /// # Errors
    ///
    /// [`Error::OutOfBounds`] where the array has fewer rows, and as [`append`](Self::append) and
    /// [`flush`](Self::flush). Where only the cutting of the file fails, the array has its new
    /// length, and a [tail](Self::uncommitted_tail).
    pub fn truncate(&mut self, rows: usize) -> Result<()> {
        self.truncate_rows(rows)
    }
}
