//! [`NpyFile`]: an array in a file, read and written by position, without mapping it.
//!
//! Its doors (`open`, `open_mut`, `create`) stand in `options.rs`, which knows every step from a
//! path to an open array.

use std::fmt;
use std::fs::File;
use std::io;
use std::marker::PhantomData;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};

use crate::access::{Access, ReadOnly, ReadWrite};
use crate::element::Element;
use crate::error::{Error, Result};
use crate::layout::{Layout, Order};
use crate::npy::{DType, Header};
use crate::slice::SliceItem;
use crate::storage::{self, LockState, NewName};
use crate::transfer::Plan;
use crate::view::{Array, Picture, View};
use crate::window::{Tiles, Window};

/// Bytes of a file in the other byte order that are read before they are swapped.
const SWAPPED_AT_ONCE: usize = 256 << 10;

/// An array in an `.npy` file, read and written by position.
///
/// Parts of the array are copied between the file and memory with positional reads and writes;
/// nothing is mapped. So a file that is cut short, a full disk or a bad sector is an `Err`, never a
/// signal, and files in the other byte order, with unaligned data or in Fortran order work like
/// any other. Memory stays bounded by the windows that are asked for.
///
/// A *window* is a box: one range for each axis. A *slice*, written with [`s!`](crate::s), is
/// whatever indices, ranges and steps can name: axes dropped, left whole, reversed or inserted.
/// Windows come from ranges, from [`row_blocks`](Self::row_blocks) and [`tiles`](Self::tiles);
/// for everything else take a slice.
///
/// All methods but `close` take `&self`: threads may share one handle, and those that write see to it that
/// their windows do not overlap. A window is not read or written in one instant; what overlaps a
/// concurrent write may show a mixture.
///
/// # Example
///
/// ```
/// use mmap_array::{NpyFile, s};
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("wind.npy");
///
/// let file = NpyFile::<f32>::create(&path, [365, 73, 144])?;
/// file.write_window([0..1, 0..73, 0..144], &[1.5; 73 * 144])?;
/// file.close()?;
///
/// let file = NpyFile::<f32>::open(&path)?;
/// let january = file.read_window([0..31, 10..20, 0..144])?;
/// assert_eq!(january.shape(), [31, 10, 144]);
/// let series = file.read_slice(s![.., -1, 0])?;
/// assert_eq!((series.len(), series[[0]]), (365, 1.5));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct NpyFile<T, A = ReadOnly> {
    file: File,
    path: PathBuf,
    header: Header,
    layout: Layout,
    lock: LockState,
    /// The name of a new file, until it is published and its directory is synced.
    name: Mutex<Option<NewName>>,
    /// The first failure of a flush: from then on the handle stays failed, because the next flush
    /// of the operating system would say that all is well.
    failed: OnceLock<(io::ErrorKind, Option<i32>)>,
    element: PhantomData<fn() -> (T, A)>,
}

impl<T: Element, A: Access> NpyFile<T, A> {
    /// An open file whose header was read from it and whose length was compared with it.
    pub(crate) fn from_parts(
        file: File,
        path: PathBuf,
        header: Header,
        lock: LockState,
        name: Option<NewName>,
    ) -> Result<Self> {
        let layout = Layout::new(header.shape(), header.order())?;
        let (name, failed) = (Mutex::new(name), OnceLock::new());
        Ok(NpyFile { file, path, header, layout, lock, name, failed, element: PhantomData })
    }

    /// The length of each axis.
    #[must_use]
    pub fn shape(&self) -> &[usize] {
        self.layout.shape()
    }

    /// How far one step along each axis leads in the file, in elements.
    #[must_use]
    pub fn strides(&self) -> &[isize] {
        self.layout.strides()
    }

    /// The number of axes.
    #[must_use]
    pub fn ndim(&self) -> usize {
        self.layout.ndim()
    }

    /// The number of elements.
    #[must_use]
    pub fn len(&self) -> usize {
        self.layout.len()
    }

    /// Does the array hold no elements?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.layout.is_empty()
    }

    /// The number of bytes that the elements take in the file.
    #[must_use]
    pub fn byte_len(&self) -> u64 {
        self.header.byte_len()
    }

    /// The storage order of the file.
    #[must_use]
    pub fn order(&self) -> Order {
        self.header.order()
    }

    /// The element type as the file has it, in the file's byte order.
    #[must_use]
    pub fn dtype(&self) -> &DType {
        self.header.dtype()
    }

    /// The file's header.
    #[must_use]
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The path that the file was opened or created with.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The lock that this handle holds.
    #[must_use]
    pub fn lock_state(&self) -> LockState {
        self.lock
    }

    /// Windows of `rows` indices along the slowest axis (the first in C order, the last in
    /// Fortran order), whole along all others: each is one contiguous piece of the file.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidAxis`] where `rows` is 0.
    pub fn row_blocks(&self, rows: usize) -> Result<Tiles> {
        Tiles::row_blocks(&self.layout, rows, self.order())
    }

    /// Windows of shape `tile` that cover the array, in the order of the file; those at the far
    /// edges are cut. Tiles that are whole along the fastest axes (the last in C order, the first
    /// in Fortran order) are few long pieces of the file, and cheap.
    ///
    /// # Errors
    ///
    /// [`Error::RankMismatch`], and [`Error::InvalidAxis`] where a tile has no extent.
    pub fn tiles(&self, tile: impl AsRef<[usize]>) -> Result<Tiles> {
        Tiles::over(&self.layout, tile.as_ref(), self.order())
    }

    /// Reads the whole array into memory.
    ///
    /// # Errors
    ///
    /// As [`read_window`](Self::read_window).
    pub fn read(&self) -> Result<Array<T>> {
        self.read_selection(0, self.layout.clone())
    }

    /// Reads a window into new memory, in row-major order whatever the file's order is.
    ///
    /// # Errors
    ///
    /// [`Error::OutOfBounds`], [`Error::ReversedRange`] and [`Error::RankMismatch`] where the window
    /// does not fit; [`Error::OutOfMemory`]; [`Error::Shrunk`] where the file became shorter;
    /// [`Error::Io`].
    ///
    /// # Cost
    ///
    /// One positional read for each run of the window in the file; gaps of up to 4 KiB are read
    /// through. A window that is not in the order of the file passes through a buffer of at most
    /// 1 MiB.
    pub fn read_window(&self, window: impl Into<Window>) -> Result<Array<T>> {
        let (start, part) = window.into().select(&self.layout)?;
        self.read_selection(start, part)
    }

    /// Reads a window into `out`, in row-major order. Allocates nothing the size of the window.
    ///
    /// # Errors
    ///
    /// As [`read_window`](Self::read_window), and [`Error::LenMismatch`] where `out` has not as
    /// many elements as the window; after an error `out` may be half filled.
    pub fn read_window_into(&self, window: impl Into<Window>, out: &mut [T]) -> Result<()> {
        let (start, part) = window.into().select(&self.layout)?;
        self.read_into(start, part, out)
    }

    /// Reads the part of the array that [`s!`](crate::s) names into new memory, in row-major
    /// order.
    ///
    /// # Errors
    ///
    /// As [`View::slice`] and [`read_window`](Self::read_window).
    pub fn read_slice(&self, items: impl AsRef<[SliceItem]>) -> Result<Array<T>> {
        let (start, part) = self.layout.slice(items.as_ref())?;
        self.read_selection(start, part)
    }

    /// The array as text, laid out as NumPy's: all of a small one, the edges of a large one.
    ///
    /// # Errors
    ///
    /// As [`read_window`](Self::read_window).
    ///
    /// # Cost
    ///
    /// One read of a small array, one for each element shown of a large one, at most some 200.
    ///
    /// # Example
    ///
    /// ```
    /// use mmap_array::{Allocation, OpenOptions};
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("a.npy");
    ///
    /// let sparse = OpenOptions::new().allocation(Allocation::Sparse);
    /// let file = sparse.create_file::<u8>(&path, [1_000_000_000])?;
    /// file.write_window([0..2], &[7, 8])?;
    /// assert_eq!(file.preview()?, "[7 8 0 ... 0 0 0]");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn preview(&self) -> Result<String>
    where
        T: fmt::Debug,
    {
        let picture = Picture::new(self.shape(), false);
        if picture.whole {
            return Ok(self.read()?.to_string());
        }
        let one = vec![1; self.ndim()];
        let cells = picture.cells(|index| {
            let element = self.read_window(Window::new(index, &one)?)?;
            Ok::<_, Error>(format!("{:?}", element.as_slice()[0]))
        })?;
        Ok(picture.draw(cells, " ", 0))
    }

    fn read_selection(&self, start: isize, part: Layout) -> Result<Array<T>> {
        let shape = part.shape().to_vec();
        let mut elements = zeroed(part.len())?;
        self.read_into(start, part, &mut elements)?;
        Array::from_vec(shape, elements)
    }

    fn read_into(&self, start: isize, part: Layout, out: &mut [T]) -> Result<()> {
        if out.len() != part.len() {
            return Err(Error::LenMismatch { expected: part.len(), found: out.len() });
        }
        // Where something was cut off, the rest is no longer what was opened either.
        self.check_len()?;
        if part.is_empty() {
            return Ok(());
        }
        // One run needs no plan; planning would take half as long as reading an element.
        if part.is_contiguous(Order::C) {
            return self.read_native(start as usize, out);
        }
        let memory = Layout::new(part.shape(), Order::C)?;
        let plan = Plan::new(start, part, memory);
        let Some(mut runs) = plan.straight(size_of::<T>(), true) else {
            return self.read_tiles(&plan, out);
        };
        runs.try_for_each(|(from, to, len)| self.read_native(from, &mut out[to as usize..][..len]))
    }

    /// Reads a run of elements, in native byte order.
    fn read_native(&self, start: usize, out: &mut [T]) -> Result<()> {
        if !self.header.dtype().is_foreign() {
            return self.read_run(start, out);
        }
        // In pieces that are still in the processor's cache when their bytes are swapped.
        let len = (SWAPPED_AT_ONCE / size_of::<T>()).max(1);
        for (number, piece) in out.chunks_mut(len).enumerate() {
            self.read_run(start + number * len, piece)?;
            piece.iter_mut().for_each(T::swap_bytes);
        }
        Ok(())
    }

    fn read_tiles(&self, plan: &Plan, out: &mut [T]) -> Result<()> {
        let tiling = plan.tiling(size_of::<T>(), true);
        let mut buffer = zeroed(tiling.buffer_len)?;
        for tile in Tiles::over(plan.file(), &tiling.shape, Order::C)? {
            for (from, to, len) in plan.tile_runs(&tiling, tile.start(), tile.shape()) {
                self.read_run(from, &mut buffer[to as usize..][..len])?;
            }
            let elements = View::from_layout(&buffer, 0, tiling.layout(tile.shape()))
                .expect("a tile fits its buffer");
            let (start, place) = tile.select(plan.memory())?;
            elements.copy_to(out, plan.memory_start + start, &place);
        }
        if self.header.dtype().is_foreign() {
            out.iter_mut().for_each(T::swap_bytes);
        }
        Ok(())
    }

    /// Reads a run of elements, as they are in the file.
    fn read_run(&self, start: usize, out: &mut [T]) -> Result<()> {
        let bytes = bytemuck::cast_slice_mut::<T, u8>(out);
        let count = storage::read_at(&self.file, &self.path, bytes, self.offset(start))?;
        if count == bytes.len() {
            return Ok(());
        }
        // Where it is long again by now, it ended here.
        let end = self.offset(start) + count as u64;
        self.check_len().and(Err(self.shrunk(end)))
    }

    /// Writes elements to the part of the file that starts at `start` and has `part` as layout.
    pub(crate) fn write_from(&self, start: isize, part: Layout, from: &View<'_, T>) -> Result<()> {
        if from.shape() != part.shape() {
            let (expected, found) = (part.shape().to_vec(), from.shape().to_vec());
            return Err(Error::ShapeMismatch { expected, found });
        }
        self.check_len()?;
        if part.is_empty() {
            return Ok(());
        }
        let foreign = self.header.dtype().is_foreign();
        if let Some(elements) = from.as_slice().filter(|_| !foreign)
            && part.is_contiguous(Order::C)
        {
            return self.write_run(start as usize, elements);
        }
        let plan = Plan::new(start, part, from.layout().clone());
        let mut ordered = from.clone();
        plan.inverted.iter().for_each(|&axis| ordered.invert_axis(axis));
        let ordered = ordered.permute(&*plan.axes)?;
        if let Some(elements) = ordered.as_slice().filter(|_| !foreign)
            && let Some(mut runs) = plan.straight(size_of::<T>(), false)
        {
            return runs.try_for_each(|(to, from, len)| {
                let first = (from - plan.memory_start) as usize;
                self.write_run(to, &elements[first..][..len])
            });
        }
        self.write_tiles(&plan, &ordered)
    }

    /// Writes elements, in file order, by way of a buffer.
    fn write_tiles(&self, plan: &Plan, ordered: &View<'_, T>) -> Result<()> {
        let tiling = plan.tiling(size_of::<T>(), false);
        let mut buffer = zeroed::<T>(tiling.buffer_len)?;
        for tile in Tiles::over(plan.file(), &tiling.shape, Order::C)? {
            let elements = ordered.window(tile.start(), tile.shape());
            elements.copy_to(&mut buffer, 0, &tiling.layout(tile.shape()));
            for (to, from, len) in plan.tile_runs(&tiling, tile.start(), tile.shape()) {
                let run = &mut buffer[from as usize..][..len];
                if self.header.dtype().is_foreign() {
                    run.iter_mut().for_each(T::swap_bytes);
                }
                self.write_run(to, run)?;
            }
        }
        Ok(())
    }

    /// Writes a run of elements, as they shall be in the file.
    fn write_run(&self, start: usize, elements: &[T]) -> Result<()> {
        let bytes = bytemuck::cast_slice(elements);
        // A write past the end would make the file longer again, with zeros where data was. So
        // each run looks: a large window takes long enough for somebody to come in between.
        self.check_len()?;
        storage::write_at(&self.file, &self.path, bytes, self.offset(start))
    }

    /// Where an element lies in the file, in bytes; `Header` has checked that the end fits.
    fn offset(&self, element: usize) -> u64 {
        self.header.data_start() + element as u64 * size_of::<T>() as u64
    }

    /// Has the file all the bytes that its header promises?
    fn check_len(&self) -> Result<()> {
        let found = storage::file_len(&self.file)
            .map_err(|error| Error::io(&self.path, "look up the length of", 0, error))?;
        if found < self.offset(self.len()) { Err(self.shrunk(found)) } else { Ok(()) }
    }

    #[cold]
    fn shrunk(&self, found: u64) -> Error {
        Error::Shrunk { path: self.path.clone(), expected: self.offset(self.len()), found }
    }

    /// Remembers the first failure of a flush, and reports it from then on.
    fn synced(&self, result: io::Result<()>) -> Result<()> {
        if let Err(error) = result {
            let _ = self.failed.set((error.kind(), error.raw_os_error()));
        }
        match self.failed.get() {
            None => Ok(()),
            Some(&(kind, os_code)) => {
                Err(Error::SyncFailed { path: self.path.clone(), kind, os_code })
            }
        }
    }

    /// Waits until everything written is on stable storage; see [`NpyFile::flush`].
    pub(crate) fn sync(&self) -> Result<()> {
        self.synced(Ok(()))?;
        self.check_len()?;
        self.synced(storage::sync_data(&self.file))?;
        self.sync_name()
    }

    /// Waits until the name of a new file is on stable storage, where it has one.
    fn sync_name(&self) -> Result<()> {
        let mut name = self.name.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(published) = name.as_ref().filter(|name| name.is_published()) {
            self.synced(published.sync_dir())?;
            *name = None;
        }
        Ok(())
    }

    /// Gives a new file its name, where it has none yet.
    fn take_name(&self) -> Result<()> {
        let mut name = self.name.lock().unwrap_or_else(PoisonError::into_inner);
        match name.as_mut().filter(|name| !name.is_published()) {
            Some(name) => name.publish(&self.file),
            None => Ok(()),
        }
    }

    /// Closes the file; a writable one is flushed, and published where it waits for that.
    ///
    /// Dropping a file instead flushes nothing, publishes nothing and tells of no error.
    ///
    /// # Errors
    ///
    /// [`Error::Shrunk`] where the file became shorter while it was open. For a writable file also
    /// [`Error::SyncFailed`], and [`Error::AlreadyExists`], [`Error::AlreadyOpen`] or
    /// [`Error::Io`] where the name cannot be had: then a file that was not published is lost, so
    /// call [`publish`](NpyFile::publish) first where that may happen.
    pub fn close(self) -> Result<()> {
        if !A::WRITES {
            return self.check_len();
        }
        self.sync()?;
        self.take_name()?;
        self.sync_name()
    }
}

impl<T: Element> NpyFile<T, ReadWrite> {
    /// Writes a window from `elements`, which are in row-major order whatever the file's order is
    /// ([`Array::as_slice`] gives those of an array). Other processes and handles see it at once;
    /// [`flush`](Self::flush) makes it durable.
    ///
    /// # Errors
    ///
    /// [`Error::OutOfBounds`], [`Error::ReversedRange`] and [`Error::RankMismatch`] where the window
    /// does not fit, [`Error::LenMismatch`] where `elements` does not fit the window: then nothing
    /// was written. [`Error::Shrunk`] where the file became shorter: then it was not made longer
    /// again. [`Error::StorageFull`], where the file's space is not reserved, and [`Error::Io`].
    /// After these three a part of the window may have been written.
    ///
    /// # Cost
    ///
    /// One positional write for each run of the window in the file. Nothing but the window is
    /// written. A window that is not in the order of the file passes through a buffer of at most
    /// 1 MiB.
    pub fn write_window(&self, window: impl Into<Window>, elements: &[T]) -> Result<()> {
        let (start, part) = window.into().select(&self.layout)?;
        if elements.len() != part.len() {
            return Err(Error::LenMismatch { expected: part.len(), found: elements.len() });
        }
        let view = View::from_shape(part.shape(), elements)?;
        self.write_from(start, part, &view)
    }

    /// Writes a view, of any strides, to the part of the array that [`s!`](crate::s) names.
    ///
    /// # Errors
    ///
    /// As [`View::slice`] and [`write_window`](Self::write_window), and [`Error::ShapeMismatch`]
    /// where view and slice differ in shape.
    ///
    /// # Example
    ///
    /// ```
    /// use mmap_array::{NpyFile, s};
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("a.npy");
    ///
    /// let file = NpyFile::<i16>::create(&path, [2, 3])?;
    /// file.write_slice(s![.., 1], &[7, 8])?;
    /// assert_eq!(file.read()?.as_slice(), [0, 7, 0, 0, 8, 0]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn write_slice<'v>(
        &self,
        items: impl AsRef<[SliceItem]>,
        view: impl Into<View<'v, T>>,
    ) -> Result<()> {
        let (start, part) = self.layout.slice(items.as_ref())?;
        self.write_from(start, part, &view.into())
    }

    /// Waits until everything written so far is on stable storage, with the length and the name
    /// that are needed to find it. A file that waits for [`close`](Self::close) to be published
    /// has no name yet.
    ///
    /// Without a flush the bytes outlive this process, but not a power cut.
    ///
    /// # Errors
    ///
    /// [`Error::SyncFailed`]: what was written since the last good flush may be lost, and this
    /// handle says so from then on, also where the operating system would not. [`Error::Shrunk`]
    /// where the file became shorter.
    pub fn flush(&self) -> Result<()> {
        self.sync()
    }

    /// Flushes the file and gives it its name now, where it was created with
    /// [`Publish::OnClose`](crate::Publish::OnClose) and waits for [`close`](Self::close) to do
    /// so. Where the name cannot be had, the file stays open and nothing is lost.
    ///
    /// # Errors
    ///
    /// As [`flush`](Self::flush), and [`Error::AlreadyExists`], [`Error::AlreadyOpen`] or
    /// [`Error::Io`] where the name cannot be had.
    pub fn publish(&self) -> Result<()> {
        self.sync()?;
        self.take_name()?;
        self.sync_name()
    }
}

/// Shows path, element type, shape and access; touches no data.
impl<T, A> fmt::Debug for NpyFile<T, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NpyFile")
            .field("path", &self.path)
            .field("header", &format_args!("{}", self.header))
            .field(
                "access",
                &format_args!("{}", std::any::type_name::<A>().rsplit("::").next().unwrap_or("")),
            )
            .field("lock", &self.lock)
            .finish_non_exhaustive()
    }
}

/// Memory for `len` elements, or an error where it cannot be had.
fn zeroed<T: Element>(len: usize) -> Result<Vec<T>> {
    bytemuck::allocation::try_zeroed_vec(len).map_err(|()| Error::OutOfMemory {
        byte_len: (len as u64).saturating_mul(size_of::<T>() as u64),
    })
}
