//! [`MmapArray`]: an [`NpyFile`] and a mapping of it.
//!
//! Its doors (`open`, `open_mut`, `open_cow`, `create`) stand in `doors.rs`, what changes elements and
//! files in `write.rs`, what it has from views in `parts.rs`. Everything about the file (header, layout, windows by position, flushing) is
//! the `NpyFile`'s.

mod batch;
mod growth;
mod parts;
mod region;
mod write;

use std::fmt;
use std::marker::PhantomData;
use std::ops::{Index, Range};
use std::path::Path;

use crate::access::{Access, CopyOnWrite, Evictable, ReadOnly, ReadWrite};
use crate::element::Element;
use crate::error::{Error, Result};
use crate::file::NpyFile;
use crate::layout::{Layout, Order};
use crate::npy::{DType, Header};
use crate::slice::SliceItem;
use crate::storage::{Advice, LockState, Mapping};
use crate::transfer;
use crate::view::{Array, View};
use crate::window::{Tiles, Window};

/// Pages that lie closer together than this are brought in by one call.
const PREFETCH_GAP: usize = 64 << 10;

/// An array in an `.npy` file, mapped into memory: zero-copy slices of a file of any size.
///
/// `MmapArray<T>` reads, [`MmapArrayMut<T>`](MmapArrayMut) also writes, and
/// [`MmapArrayCow<T>`](MmapArrayCow) writes in memory and leaves the file as it is. All are opened
/// by the functions of `MmapArray<T>`: [`open`](Self::open), [`open_mut`](Self::open_mut),
/// [`open_cow`](Self::open_cow), [`create`](Self::create), and by
/// [`OpenOptions`](crate::OpenOptions).
///
/// Opening maps the file and touches no data; pages come into memory when they are touched, and
/// leave it when the system needs room. Borrowed [`View`]s cost no copy; windows are copies, as
/// those of [`NpyFile`].
///
/// # Safety
///
/// The functions that open an array for mapping are `unsafe`, and have one contract. The caller
/// makes sure that, **as long as the array lives, no other handle, program or machine**
///
/// 1. **shortens the file** below the end of the array, or
/// 2. **changes bytes of the array** in the file.
///
/// Growing the file, changing bytes behind the array or before it, renaming and removing it break
/// nothing. Neither does what is written through this array, by whatever method.
///
/// Where the contract is broken, reading may give different bytes each time, which is undefined
/// behaviour for the `&T` that are lent out, and the system may stop the process with `SIGBUS`.
///
/// The array's own lock helps to keep the contract: a writer is alone, readers keep writers out, in
/// this process and others. It does not prove it, because locks bind only who asks for them, those
/// who ask for [`Lock::Cooperative`](crate::Lock) come in beside readers, and some network file
/// systems have none ([`lock_state`](Self::lock_state) says so). Where anybody
/// else may write to the file, or it comes from a stranger who may still hold it, take [`NpyFile`].
///
/// Processes that write to one file together ask for [`Lock::Cooperative`](crate::Lock). They keep
/// the second point by [regions](crate::concurrency#processes): nobody, by whatever means, changes an
/// element outside a region that he holds to write; and whoever maps the file reads elements, and
/// makes views of them, inside regions only. (Reading by position outside regions breaks nothing,
/// but may see half of a write.)
///
/// A note to copy:
///
/// ```text
/// // SAFETY: this program is the only one that writes to the file, and it does so through one
/// // handle at a time, which the lock makes sure of.
/// ```
///
/// For a new file that is [published on its close](crate::Publish::OnClose):
///
/// ```text
/// // SAFETY: the file has no name until it is published, so nobody else finds it; nor does
/// // anybody know of the temporary one that it has where there are no unnamed files.
/// ```
///
/// # Signals
///
/// Touching a mapped element raises `SIGBUS`, which ends the process, where the page cannot be
/// had: the file was cut short, its disk is broken, or full where the space of a
/// [sparse](crate::Allocation::Sparse) file is written through a view (or only read, in a file
/// system that lives in memory). Methods that copy windows look at the file's length first, and
/// those that write them report a full disk as an error on Linux. [`file`](Self::file) leads to the
/// same array without signals.
///
/// # Example
///
/// ```
/// use mmap_array::{MmapArray, s};
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("wind.npy");
///
/// // SAFETY: nobody else knows of this file.
/// let mut array = unsafe { MmapArray::<f32>::create(&path, [365, 73, 144])? };
/// array.slice_mut(s![0])?.fill(1.5);
/// array[[364, 72, 143]] = 2.5;
/// array.close()?;
///
/// // SAFETY: as above.
/// let array = unsafe { MmapArray::<f32>::open(&path)? };
/// let january = array.slice(s![0..31, .., ..;2])?;
/// assert_eq!((january.shape(), january[[0, 10, 3]]), (&[31, 73, 72][..], 1.5));
/// assert_eq!(array[[364, 72, 143]], 2.5);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # What does not compile
///
/// A view borrows its array, so nothing changes under it:
///
/// ```compile_fail,E0502
/// # use mmap_array::{MmapArrayMut, s};
/// # fn f(mut array: MmapArrayMut<f32>) -> mmap_array::Result<()> {
/// let first = array.slice(s![0])?;
/// array.write_window([0..1], &[1.0])?;
/// println!("{first}");
/// # Ok(()) }
/// ```
///
/// nor by way of the file below it, which is for reading:
///
/// ```compile_fail,E0599
/// # use mmap_array::MmapArrayMut;
/// # fn f(array: &MmapArrayMut<f32>) -> mmap_array::Result<()> {
/// array.file().write_window([0..1], &[1.0])?;
/// # Ok(()) }
/// ```
///
/// and no view outlives it:
///
/// ```compile_fail,E0505
/// # use mmap_array::MmapArrayMut;
/// # fn f(array: MmapArrayMut<f32>) -> mmap_array::Result<()> {
/// let view = array.view();
/// array.close()?;
/// println!("{view}");
/// # Ok(()) }
/// ```
///
/// An element has one view to change it:
///
/// ```compile_fail,E0499
/// # use mmap_array::{MmapArrayMut, s};
/// # fn f(mut array: MmapArrayMut<f32>) -> mmap_array::Result<()> {
/// let mut first = array.slice_mut(s![0])?;
/// let mut again = array.slice_mut(s![0])?;
/// (first[[0]], again[[0]]) = (1.0, 2.0);
/// # Ok(()) }
/// ```
///
/// and none where the array is only read:
///
/// ```compile_fail,E0277
/// # fn f(mut array: mmap_array::MmapArray<f32>) {
/// array.view_mut().fill(0.0);
/// # }
/// ```
pub struct MmapArray<T, A = ReadOnly> {
    // Dropped before the file, whose lock must outlive it.
    mapping: Mapping<T>,
    /// Opened as `A` needs it, but for reading here: `file()` must not lead to a write under a
    /// borrowed element.
    file: NpyFile<T>,
    access: PhantomData<fn() -> A>,
}

/// A mapped array to read and write; NumPy's modes `r+` and `w+`. Opened by
/// [`MmapArray::open_mut`], created by [`MmapArray::create`].
pub type MmapArrayMut<T> = MmapArray<T, ReadWrite>;

/// A mapped array to read, and to write in memory only; NumPy's mode `c`. Opened by
/// [`MmapArray::open_cow`].
///
/// Pages that are written are copied first; they stay as long as the array, and take memory. The
/// file never sees them, so there is nothing to flush:
///
/// ```compile_fail,E0599
/// # fn f(array: mmap_array::MmapArrayCow<f32>) -> mmap_array::Result<()> {
/// array.flush()?;
/// # Ok(()) }
/// ```
///
/// and they could not be brought back, so they are not given up:
///
/// ```compile_fail,E0277
/// # fn f(array: mmap_array::MmapArrayCow<f32>) -> mmap_array::Result<()> {
/// array.evict([0..1])?;
/// # Ok(()) }
/// ```
///
/// It is no snapshot: pages that were not written yet show the file. [`MmapArray::file`] leads to
/// the file as it is, without what was written here.
pub type MmapArrayCow<T> = MmapArray<T, CopyOnWrite>;

impl<T: Element, A: Access> MmapArray<T, A> {
    /// The mapping must be of the data of the file, for access `A`.
    pub(crate) fn from_parts<B: Access>(file: NpyFile<T, B>, mapping: Mapping<T>) -> Self {
        MmapArray { mapping, file: file.with_access(), access: PhantomData }
    }

    /// The length of each axis.
    #[must_use]
    pub fn shape(&self) -> &[usize] {
        self.file.shape()
    }

    /// How far one step along each axis leads, in elements.
    #[must_use]
    pub fn strides(&self) -> &[isize] {
        self.file.strides()
    }

    /// The number of axes.
    #[must_use]
    pub fn ndim(&self) -> usize {
        self.file.ndim()
    }

    /// The number of elements.
    #[must_use]
    pub fn len(&self) -> usize {
        self.file.len()
    }

    /// Does the array hold no elements?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.file.is_empty()
    }

    /// The number of bytes that the elements take.
    #[must_use]
    pub fn byte_len(&self) -> u64 {
        self.file.byte_len()
    }

    /// The storage order of the file.
    #[must_use]
    pub fn order(&self) -> Order {
        self.file.order()
    }

    /// The element type as the file has it.
    #[must_use]
    pub fn dtype(&self) -> &DType {
        self.file.dtype()
    }

    /// The file's header, with the length that this handle has.
    #[must_use]
    pub fn header(&self) -> &Header {
        self.file.header()
    }

    /// The path that the file was opened or created with.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.file.path()
    }

    /// The lock that this handle holds.
    #[must_use]
    pub fn lock_state(&self) -> LockState {
        self.file.lock_state()
    }

    /// The same array by positional reads: copies only, slower, and never a signal. For a
    /// copy-on-write array it shows the file, not what was written in memory.
    ///
    /// It is for reading whatever this array may do; [`into_file`](MmapArray::into_file) gives one
    /// that writes.
    #[must_use]
    pub fn file(&self) -> &NpyFile<T> {
        &self.file
    }

    /// Windows of `rows` indices along the slowest axis; see [`NpyFile::row_blocks`]. (The blocks of
    /// [`View::outer_blocks`] go along the first.)
    ///
    /// # Errors
    ///
    /// As [`NpyFile::row_blocks`].
    pub fn row_blocks(&self, rows: usize) -> Result<Tiles> {
        self.file.row_blocks(rows)
    }

    /// Windows of shape `tile` that cover the array; see [`NpyFile::tiles`].
    ///
    /// # Errors
    ///
    /// As [`NpyFile::tiles`].
    pub fn tiles(&self, tile: impl AsRef<[usize]>) -> Result<Tiles> {
        self.file.tiles(tile)
    }

    /// The whole array as a view. Touches no page.
    #[must_use]
    pub fn view(&self) -> View<'_, T> {
        self.part(0, self.file.layout().clone())
    }

    /// The part of the array that [`s!`](crate::s) names, as a view. Touches no page, copies
    /// nothing.
    ///
    /// # Errors
    ///
    /// As [`View::slice`].
    pub fn slice(&self, items: impl AsRef<[SliceItem]>) -> Result<View<'_, T>> {
        let (start, part) = self.file.layout().slice(items.as_ref())?;
        Ok(self.part(start, part))
    }

    /// The part of the array that `start` and `part`, made of its layout, say.
    fn part(&self, start: isize, part: Layout) -> View<'_, T> {
        let view = View::from_layout(self.mapping.elements(), start, part);
        view.expect("the mapping holds the layout's elements")
    }

    /// All elements as one slice, where the array is in C order (or could as well be). Touches no
    /// page.
    #[must_use]
    pub fn as_slice(&self) -> Option<&[T]> {
        self.file.layout().is_contiguous(Order::C).then(|| self.mapping.elements())
    }

    /// The element at `index`, or `None` outside the array or with a wrong number of axes.
    #[must_use]
    #[inline]
    pub fn get(&self, index: impl AsRef<[usize]>) -> Option<&T> {
        let position = self.file.layout().position(index.as_ref())?;
        self.mapping.elements().get(position as usize)
    }

    /// Copies a window into new memory, in row-major order whatever the file's order is.
    ///
    /// # Errors
    ///
    /// [`Error::OutOfBounds`], [`Error::ReversedRange`] and [`Error::RankMismatch`] where the window
    /// does not fit; [`Error::OutOfMemory`]; [`Error::Shrunk`] where the file became shorter.
    pub fn read_window(&self, window: impl Into<Window>) -> Result<Array<T>> {
        let (start, part) = window.into().select(self.file.layout())?;
        self.file.check_len()?;
        self.part(start, part).to_array()
    }

    /// Copies a window into `out`, in row-major order. Allocates nothing.
    ///
    /// # Errors
    ///
    /// As [`read_window`](Self::read_window), and [`Error::LenMismatch`] where `out` has not as
    /// many elements as the window.
    pub fn read_window_into(&self, window: impl Into<Window>, out: &mut [T]) -> Result<()> {
        let (start, part) = window.into().select(self.file.layout())?;
        self.file.check_len()?;
        self.part(start, part).copy_to_slice(out)
    }

    /// Copies the part of the array that [`s!`](crate::s) names into new memory, in row-major
    /// order.
    ///
    /// # Errors
    ///
    /// As [`View::slice`] and [`read_window`](Self::read_window).
    pub fn read_slice(&self, items: impl AsRef<[SliceItem]>) -> Result<Array<T>> {
        let part = self.slice(items)?;
        self.file.check_len()?;
        part.to_array()
    }

    /// Tells the system how the array will be read: a hint, which changes speed and nothing else.
    ///
    /// # Errors
    ///
    /// [`Error::Io`].
    pub fn advise(&self, advice: Advice) -> Result<()> {
        self.mapping.advise(advice).map_err(|error| Error::io(self.path(), "advise on", 0, error))
    }

    /// Brings the pages of a window into memory, so that touching them does not wait for the disk.
    /// On Linux this waits until they are there, and reports a disk that cannot be read as an
    /// error: call it from another thread to read ahead. Elsewhere it is a hint.
    ///
    /// # Errors
    ///
    /// As [`read_window`](Self::read_window), and [`Error::Io`].
    pub fn prefetch(&self, window: impl Into<Window>) -> Result<()> {
        self.for_each_run(window.into(), PREFETCH_GAP / size_of::<T>(), |bytes| {
            let populated = self.mapping.populate(bytes);
            populated.map_err(|error| Error::io(self.path(), "prefetch", 0, error))
        })
    }

    /// Lets the pages of a window go, from this process and from the system's cache, where nobody
    /// else uses them: to stream through an array without filling the memory. Touching them again
    /// reads them again; what was written stays, and pages that are not flushed stay in memory.
    /// Only pages that lie wholly inside a row of the window leave the cache; what the process has
    /// mapped as a huge page, it lets go as a whole. A hint elsewhere than on Linux.
    ///
    /// # Errors
    ///
    /// As [`read_window`](Self::read_window), and [`Error::Io`].
    pub fn evict(&self, window: impl Into<Window>) -> Result<()>
    where
        A: Evictable,
    {
        // Rows that share a page are one run: the system lets go of pages.
        self.for_each_run(window.into(), 4096 / size_of::<T>(), |bytes| {
            let evicted = self.mapping.evict(self.file.raw_file(), bytes);
            evicted.map_err(|error| Error::io(self.path(), "evict", 0, error))
        })
    }

    /// Calls `call` with the bytes of each run of a window; runs at most `gap` elements apart are
    /// one.
    fn for_each_run(
        &self,
        window: Window,
        gap: usize,
        mut call: impl FnMut(Range<usize>) -> Result<()>,
    ) -> Result<()> {
        let (start, part) = window.select(self.file.layout())?;
        self.file.check_len()?;
        transfer::runs(start, &part, gap).try_for_each(|run| call(bytes_of::<T>(run)))
    }
}

fn bytes_of<T>(elements: Range<usize>) -> Range<usize> {
    // The mapping has these bytes, so their number fits.
    elements.start * size_of::<T>()..elements.end * size_of::<T>()
}

#[cold]
#[inline(never)]
#[track_caller]
fn outside(layout: &Layout, index: &[usize]) -> ! {
    panic!("{}", layout.position_error(index))
}

/// Panics where the index is outside the array or has a wrong number of axes; [`MmapArray::get`]
/// does not.
impl<T: Element, A: Access, I: AsRef<[usize]>> Index<I> for MmapArray<T, A> {
    type Output = T;

    #[inline]
    #[track_caller]
    fn index(&self, index: I) -> &T {
        let index = index.as_ref();
        match self.get(index) {
            Some(element) => element,
            None => outside(self.file.layout(), index),
        }
    }
}

impl<'a, T: Element, A: Access> From<&'a MmapArray<T, A>> for View<'a, T> {
    fn from(array: &'a MmapArray<T, A>) -> Self {
        array.view()
    }
}

/// As [`View`]'s: touches the pages of what it shows, the edges of a large array.
impl<T: Element + fmt::Debug, A: Access> fmt::Display for MmapArray<T, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.view(), f)
    }
}

/// Shows path, element type, shape and access; touches no data.
impl<T, A> fmt::Debug for MmapArray<T, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.file.debug::<A>("MmapArray", f)
    }
}
