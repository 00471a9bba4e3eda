//! Batches of a mapped array: from the mapping where it is in memory, by position where a disk is
//! waited for.

use std::ops::Range;

use super::{MmapArray, bytes_of};
use crate::access::Access;
use crate::batch::Take;
use crate::element::Element;
use crate::error::Result;
#[cfg(doc)]
use crate::file::NpyFile;
use crate::file::{self, Source};
use crate::layout::Layout;
use crate::storage::WRITES_SHOW_IN_MAPPINGS;
use crate::transfer;
use crate::window::Window;

/// Rows of a window that lie closer together are looked for at once.
const LOOKED_FOR_AT_ONCE: usize = 128 << 10;
/// One window of so many bytes is copied without a look at what is in memory.
const SMALL: usize = 64 << 10;

impl<T: Element, A: Access> MmapArray<T, A> {
    /// Copies the elements at `indices` along `axis` into `out`, in the order asked, as NumPy's
    /// `take(a, indices, axis)`; see [`NpyFile::take`]. Of a copy-on-write array it shows what was
    /// written in memory.
    ///
    /// # Errors
    ///
    /// As [`NpyFile::take`].
    ///
    /// # Cost
    ///
    /// What is in memory is copied from the mapping, on the threads that [`NpyFile::take`] has, and
    /// without a buffer where the array is in C order. On Linux, what is not in memory is read as
    /// [`NpyFile::take`] reads it, many reads at a time: touching it would read megabytes around each
    /// element, one after the other. Looking what is in memory takes about 1 us for each run of the
    /// file: small ones that are known to be there are copied sooner through a
    /// [view](MmapArray::view). (Linux says what is in memory only to the file's owner, and to
    /// who may write to it; for anybody else, and on other systems, all of it is touched.)
    ///
    /// # Example
    ///
    /// ```
    /// use mmap_array::MmapArray;
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("a.npy");
    /// # let array = mmap_array::Array::from_vec([4, 2], vec![0, 1, 10, 11, 20, 21, 30, 31])?;
    /// # mmap_array::save(&path, &array)?;
    ///
    /// // SAFETY: nobody else knows of this file.
    /// let array = unsafe { MmapArray::<i32>::open(&path)? }; // four samples of two numbers
    /// let mut samples = [0; 6];
    /// array.take(0, &[3, 0, 3], &mut samples)?;
    /// assert_eq!(samples, [30, 31, 0, 1, 30, 31]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn take(&self, axis: usize, indices: &[usize], out: &mut [T]) -> Result<()> {
        let take = Take::new::<T>(self.file.layout(), axis, indices, out.len())?;
        self.file.check_len()?;
        file::take(self, self.file.layout(), self.order(), &take, out)
    }

    /// Copies windows into `out`, one after the other in the order asked, each in row-major order;
    /// see [`NpyFile::read_windows`]. Of a copy-on-write array it shows what was written in memory.
    ///
    /// # Errors
    ///
    /// As [`NpyFile::read_windows`].
    ///
    /// # Cost
    ///
    /// As [`take`](Self::take). A single window of up to 64 KiB is copied as
    /// [`read_window_into`](Self::read_window_into) does.
    ///
    /// # Example
    ///
    /// ```
    /// use mmap_array::{MmapArray, Window};
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("a.npy");
    /// # let array = mmap_array::Array::from_vec([3, 3], (0..9).collect())?;
    /// # mmap_array::save(&path, &array)?;
    ///
    /// // SAFETY: nobody else knows of this file.
    /// let array = unsafe { MmapArray::<i32>::open(&path)? }; // 0 to 8, three in a row
    /// let mut patches = [0; 4];
    /// let windows = [Window::from([2..3, 0..2]), Window::from([0..2, 2..3])];
    /// array.read_windows(&windows, &mut patches)?;
    /// assert_eq!(patches, [6, 7, 2, 5]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn read_windows(&self, windows: &[Window], out: &mut [T]) -> Result<()> {
        if let [window] = windows
            && window.len() <= SMALL / size_of::<T>()
        {
            return self.read_window_into(window, out);
        }
        file::check_windows(self.file.layout(), windows, out.len())?;
        self.file.check_len()?;
        file::read_windows(self, self.file.layout(), windows, out)
    }
}

/// In the order of the file, whose layout is the mapping's.
impl<T: Element, A: Access> Source<T> for MmapArray<T, A> {
    fn lend(&self, run: Range<usize>) -> Option<&[T]> {
        let resident =
            !WRITES_SHOW_IN_MAPPINGS || self.mapping.is_resident(bytes_of::<T>(run.clone()));
        resident.then(|| &self.mapping.elements()[run])
    }

    fn fetch_now(&self, start: usize, out: &mut [T]) -> Result<bool> {
        let elements = self.lend(start..start + out.len());
        Ok(elements.map(|elements| out.copy_from_slice(elements)).is_some())
    }

    fn ask(&self, run: Range<usize>) {
        self.file.ask(run);
    }

    fn fetch(&self, start: usize, out: &mut [T]) -> Result<()> {
        self.file.fetch(start, out)?;
        if self.mapping.is_private() {
            // What was written is here alone; the file's pages are in memory now.
            out.copy_from_slice(&self.mapping.elements()[start..start + out.len()]);
        }
        Ok(())
    }

    fn fetch_box_now(&self, start: isize, part: &Layout, out: &mut [T]) -> Result<bool> {
        let mut runs = transfer::runs(start, part, LOOKED_FOR_AT_ONCE / size_of::<T>());
        let resident = runs.all(|run| self.lend(run).is_some());
        if resident {
            self.part(start, part.clone()).copy_to_slice(out)?;
        }
        Ok(resident)
    }

    fn fetch_box(&self, start: isize, part: &Layout, out: &mut [T]) -> Result<()> {
        self.file.fetch_box(start, part, out)?;
        if self.mapping.is_private() {
            self.part(start, part.clone()).copy_to_slice(out)?;
        }
        Ok(())
    }
}
