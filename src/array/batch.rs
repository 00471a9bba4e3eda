//! Batches of a mapped array: from the mapping where it is in memory, by position where a disk is
//! waited for.

use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::{MmapArray, bytes_of};
use crate::access::Access;
use crate::batch::Take;
use crate::element::Element;
use crate::error::Result;
#[cfg(doc)]
use crate::file::NpyFile;
use crate::file::batch::{self, Source};
use crate::layout::Layout;
use crate::storage::WRITES_SHOW_IN_MAPPINGS;
use crate::transfer;
use crate::window::Window;

/// Rows of a window that lie closer together are looked for at once.
const LOOKED_FOR_AT_ONCE: usize = 128 << 10;
/// One window of so many bytes is copied without a look at what is in memory.
const SMALL: usize = 64 << 10;
/// Copying a run of fewer bytes takes no longer than looking for it.
const SHORT_RUN: usize = 16 << 10;
/// Short runs that are taken to be in memory, at most, after those before them were.
const MOST_TRUSTED: usize = 64;

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
    /// file; of short runs fewer and fewer are looked for while all of them are there. (Linux says what
    /// is in memory only to the file's owner, and to who may write to it; for anybody else, and on
    /// other systems, all of it is touched.)
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
        batch::take(&Mapped::new(self), self.file.layout(), self.order(), &take, out)
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
        batch::check_windows(self.file.layout(), windows, out.len())?;
        self.file.check_len()?;
        batch::read_windows(&Mapped::new(self), self.file.layout(), windows, out)
    }
}

/// A mapped array that a batch is read from.
struct Mapped<'a, T, A> {
    array: &'a MmapArray<T, A>,
    /// Short runs that are not looked for any more, and how many there were from the last look on.
    untried: AtomicUsize,
    trusted: AtomicUsize,
}

impl<'a, T: Element, A: Access> Mapped<'a, T, A> {
    fn new(array: &'a MmapArray<T, A>) -> Self {
        Mapped { array, untried: AtomicUsize::new(0), trusted: AtomicUsize::new(0) }
    }

    /// Is a run in memory, or likely to be? Threads may get in each other's way here: that costs a
    /// look more or less.
    fn is_resident(&self, run: &Range<usize>) -> bool {
        if !WRITES_SHOW_IN_MAPPINGS {
            return true;
        }
        let short = run.len() < SHORT_RUN / size_of::<T>();
        let untried = self.untried.load(Ordering::Relaxed);
        if short && untried > 0 {
            self.untried.store(untried - 1, Ordering::Relaxed);
            return true;
        }
        let resident = self.array.mapping.is_resident(bytes_of::<T>(run.clone()));
        let twice = (2 * self.trusted.load(Ordering::Relaxed)).clamp(1, MOST_TRUSTED);
        let trusted = if resident { twice } else { 0 };
        self.trusted.store(trusted, Ordering::Relaxed);
        self.untried.store(trusted, Ordering::Relaxed);
        resident
    }
}

/// In the order of the file, whose layout is the mapping's.
impl<T: Element, A: Access> Source<T> for Mapped<'_, T, A> {
    fn lend(&self, run: Range<usize>) -> Option<&[T]> {
        self.is_resident(&run).then(|| &self.array.mapping.elements()[run])
    }

    fn fetch_now(&self, start: usize, out: &mut [T]) -> Result<bool> {
        let elements = self.lend(start..start + out.len());
        Ok(elements.map(|elements| out.copy_from_slice(elements)).is_some())
    }

    fn ask(&self, run: Range<usize>) {
        self.array.file.ask(run);
    }

    fn fetch(&self, start: usize, out: &mut [T]) -> Result<()> {
        self.array.file.fetch(start, out)?;
        if self.array.mapping.is_private() {
            // What was written is here alone; the file's pages are in memory now.
            out.copy_from_slice(&self.array.mapping.elements()[start..start + out.len()]);
        }
        Ok(())
    }

    fn fetch_box_now(&self, start: isize, part: &Layout, out: &mut [T]) -> Result<bool> {
        let mut runs = transfer::runs(start, part, LOOKED_FOR_AT_ONCE / size_of::<T>());
        let resident = runs.all(|run| self.lend(run).is_some());
        if resident {
            self.array.part(start, part.clone()).copy_to_slice(out)?;
        }
        Ok(resident)
    }

    fn fetch_box(&self, start: isize, part: &Layout, out: &mut [T]) -> Result<()> {
        self.array.file.fetch_box(start, part, out)?;
        if self.array.mapping.is_private() {
            self.array.part(start, part.clone()).copy_to_slice(out)?;
        }
        Ok(())
    }
}
