//! Batches: many parts of an array at once, in any order.
//!
//! `take.rs` (items along an axis) and `requests.rs` (windows) cut a batch into reads in the order of
//! the file, `tiles.rs` does so where the file's order is not that of the result, and `depth.rs` does
//! many reads at once. They read from a [`Source`]: a file by position, here, or a mapping of it, in
//! `array/batch.rs`.

mod depth;
mod requests;
mod take;
mod tiles;

pub(crate) use depth::Source;
pub(crate) use requests::{check_windows, read_windows};
pub(crate) use take::take;

use std::ops::Range;

use super::NpyFile;
use crate::access::Access;
use crate::batch::Take;
use crate::element::Element;
use crate::error::Result;
use crate::layout::{Layout, Order};
use crate::storage;
use crate::transfer;
use crate::window::Window;

impl<T: Element, A: Access> NpyFile<T, A> {
    /// Reads the elements at `indices` along `axis` into `out`, in the order asked, as NumPy's
    /// `take(a, indices, axis)`: shuffled rows of a data set, say. An index may come more than once;
    /// none is negative.
    ///
    /// `out` is in row-major order, and has the array's shape with the length of `axis` replaced by
    /// the number of indices.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidAxis`](crate::Error::InvalidAxis) where there is no such axis,
    /// [`Error::OutOfBounds`](crate::Error::OutOfBounds) where an index lies outside it,
    /// [`Error::LenMismatch`](crate::Error::LenMismatch) where `out` has not as many elements as the
    /// result: then nothing was read, and `out` is as before. Otherwise as
    /// [`read_window_into`](Self::read_window_into); after such an error `out` may be half filled.
    ///
    /// # Cost
    ///
    /// The file is read in its own order, in pieces of up to 1 MiB: what lies at most 4 KiB apart is
    /// read at once, and what is asked for twice is read once. On Linux, what the system has in
    /// memory is copied at once; the rest is asked for some 32 reads ahead, so that the disk works on
    /// them together. A batch of less than 4 MiB is read on the calling thread; a larger one on up to
    /// eight, as many as there are processors. (Elsewhere up to 16 threads take the place of
    /// asking.) A file in Fortran order is read on one.
    ///
    /// It pays where the rows come from the disk, or are many: of rows in memory, reading one after the
    /// other is as fast up to batches of some 8 MiB.
    ///
    /// Memory: a buffer of up to 1 MiB for each thread, and some 64 bytes for each run of the file,
    /// for at most a million at a time; a larger batch is read in several such steps.
    ///
    /// # Example
    ///
    /// ```
    /// use mmap_array::NpyFile;
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("a.npy");
    /// # let array = mmap_array::Array::from_vec([4, 2], vec![0, 1, 10, 11, 20, 21, 30, 31])?;
    /// # mmap_array::save(&path, &array)?;
    ///
    /// let file = NpyFile::<i32>::open(&path)?; // four samples of two numbers
    /// let mut samples = [0; 6];
    /// file.take(0, &[3, 0, 3], &mut samples)?;
    /// assert_eq!(samples, [30, 31, 0, 1, 30, 31]);
    ///
    /// let mut second_numbers = [0; 4];
    /// file.take(1, &[1], &mut second_numbers)?;
    /// assert_eq!(second_numbers, [1, 11, 21, 31]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn take(&self, axis: usize, indices: &[usize], out: &mut [T]) -> Result<()> {
        let asked = Take::new::<T>(self.layout(), axis, indices, out.len())?;
        self.check_len()?;
        take(self, self.layout(), self.order(), &asked, out)
    }

    /// Reads windows into `out`, one after the other in the order asked, each in row-major order.
    /// They may have different shapes, overlap, and come more than once.
    ///
    /// # Errors
    ///
    /// As [`read_window_into`](Self::read_window_into). Where a window does not fit, or `out` has
    /// not as many elements as all of them together, nothing was read, and `out` is as before.
    ///
    /// # Cost
    ///
    /// As [`take`](Self::take), for windows that are one run of the file. Any other window is read
    /// as [`read_window_into`](Self::read_window_into) does, in the order of the file, and several at
    /// once.
    ///
    /// # Example
    ///
    /// ```
    /// use mmap_array::{NpyFile, Window};
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("a.npy");
    /// # let array = mmap_array::Array::from_vec([3, 3], (0..9).collect())?;
    /// # mmap_array::save(&path, &array)?;
    ///
    /// let file = NpyFile::<i32>::open(&path)?; // 0 to 8, three in a row
    /// let windows = [Window::from([2..3, 0..2]), Window::from([0..2, 2..3])];
    /// let mut patches = vec![0; windows.iter().map(Window::len).sum()];
    /// file.read_windows(&windows, &mut patches)?;
    /// assert_eq!(patches, [6, 7, 2, 5]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn read_windows(&self, windows: &[Window], out: &mut [T]) -> Result<()> {
        if let [window] = windows {
            return self.read_window_into(window, out);
        }
        check_windows(self.layout(), windows, out.len())?;
        self.check_len()?;
        read_windows(self, self.layout(), windows, out)
    }

    /// Is this element in the system's cache?
    fn is_cached(&self, element: usize) -> bool {
        storage::read_cached(self.raw_file(), &mut [0], self.offset(element))
    }
}

impl<T: Element, A: Access> Source<T> for NpyFile<T, A> {
    fn lend(&self, _run: Range<usize>) -> Option<&[T]> {
        None
    }

    fn fetch_now(&self, start: usize, out: &mut [T]) -> Result<bool> {
        let bytes = bytemuck::cast_slice_mut(out);
        let cached = storage::read_cached(self.raw_file(), bytes, self.offset(start));
        if cached && self.dtype().is_foreign() {
            out.iter_mut().for_each(T::swap_bytes);
        }
        Ok(cached)
    }

    fn ask(&self, run: Range<usize>) {
        let byte_len = run.len() as u64 * size_of::<T>() as u64;
        storage::will_read(self.raw_file(), self.offset(run.start), byte_len);
    }

    fn fetch(&self, start: usize, out: &mut [T]) -> Result<()> {
        self.read_native(start, out)
    }

    /// Looks for the first and the last element, and not for each of the runs.
    fn fetch_box_now(&self, start: isize, part: &Layout, out: &mut [T]) -> Result<bool> {
        let span = transfer::span(start, part);
        let cached = self.is_cached(span.start) && self.is_cached(span.end - 1);
        if cached {
            self.fetch_box(start, part, out)?;
        }
        Ok(cached)
    }

    fn fetch_box(&self, start: isize, part: &Layout, out: &mut [T]) -> Result<()> {
        let memory = Layout::new(part.shape(), Order::C)?;
        self.read_to(start, part.clone(), out, 0, memory)
    }
}
