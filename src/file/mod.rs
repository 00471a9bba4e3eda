//! [`NpyFile`]: an array in a file, read and written by position, without mapping it.
//!
//! Its doors (`open`, `open_mut`, `create`) stand in `doors.rs`, every step from a path to an open
//! array in `options.rs`, how windows travel in `windows.rs`, and many of them at once in `batch/`.

pub(crate) mod batch;
mod check;
mod growth;
mod region;
mod windows;

pub(crate) use check::{end_of_data, read_header, whole_header};
pub use growth::Tail;
pub use region::{FileRegion, FileRegionMut};
pub(crate) use windows::zeroed;

use std::fmt;
use std::fs::File;
use std::io;
use std::marker::PhantomData;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};

use crate::access::{Access, ReadOnly, ReadWrite};
use crate::element::Element;
use crate::error::{Error, Result};
use crate::layout::{Layout, Order};
use crate::npy::{DType, Header};
use crate::slice::SliceItem;
use crate::storage::{self, LockState, NewName};
use crate::view::{Array, Picture, View};
use crate::window::{Tiles, Window};

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
/// All methods but `close` and those that change the length take `&self`: threads may share one
/// handle, and those that write see to it that their windows do not overlap. A window is not read or
/// written in one instant; what overlaps a concurrent write may show a mixture, unless both are
/// [regions](Self::read_region).
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
    /// Did it ask to be let in beside others who write?
    cooperative: bool,
    /// The name of a new file, until it is published and its directory is synced.
    name: Mutex<Option<NewName>>,
    /// The first failure of a flush: from then on the handle stays failed, because the next flush
    /// of the operating system would say that all is well.
    failed: OnceLock<(io::ErrorKind, Option<i32>)>,
    /// Has the handle rows that the file's header does not speak of yet? Locked while it syncs.
    uncommitted: Mutex<bool>,
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
        Ok(NpyFile {
            file,
            path,
            header,
            layout,
            lock,
            cooperative: false,
            name: Mutex::new(name),
            failed: OnceLock::new(),
            uncommitted: Mutex::new(false),
            element: PhantomData,
        })
    }

    /// The same open file, where it was asked for with `Lock::Cooperative`.
    pub(crate) fn cooperative(self, cooperative: bool) -> Self {
        NpyFile { cooperative, ..self }
    }

    /// The same open file with another access, for who has made sure that it was opened so.
    pub(crate) fn with_access<B: Access>(self) -> NpyFile<T, B> {
        let NpyFile { file, path, header, layout, lock, cooperative, .. } = self;
        let NpyFile { name, failed, uncommitted, .. } = self;
        let element = PhantomData;
        NpyFile {
            file,
            path,
            header,
            layout,
            lock,
            cooperative,
            name,
            failed,
            uncommitted,
            element,
        }
    }

    /// The open file. Never handed out of the crate: who has it could write.
    pub(crate) fn raw_file(&self) -> &File {
        &self.file
    }

    /// The bytes of the file that hold the elements.
    pub(crate) fn data(&self) -> Range<u64> {
        let start = self.header.data_start();
        start..start + self.header.byte_len()
    }

    pub(crate) fn layout(&self) -> &Layout {
        &self.layout
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
    /// [`View::outer_blocks`] goes along the first axis instead, and so does a [tile](Self::tiles)
    /// of the shape `[rows, columns]`, whatever the order.
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

    /// Did every flush so far succeed?
    pub(crate) fn check_synced(&self) -> Result<()> {
        self.synced(Ok(()))
    }

    /// Waits until everything written is on stable storage, and commits rows that were appended; see
    /// [`NpyFile::flush`]. What was stored in a mapping is handed to the file by `write_back` first.
    pub(crate) fn sync(&self, write_back: impl FnOnce() -> io::Result<()>) -> Result<()> {
        self.sync_by(
            // Both are called whatever the first one says: each may know of an error that the
            // other does not.
            || {
                let written_back = write_back();
                let synced = storage::sync_data(&self.file);
                written_back.and(synced)
            },
            true,
        )
    }

    /// Waits for stable storage by way of `sync`, unless an earlier try failed, and then commits
    /// rows where that is asked for.
    ///
    /// One at a time: the system reports an error once, and whoever syncs after that finds all well.
    pub(crate) fn sync_by(
        &self,
        sync: impl FnOnce() -> io::Result<()>,
        commit: bool,
    ) -> Result<()> {
        let mut uncommitted = self.uncommitted.lock().unwrap_or_else(PoisonError::into_inner);
        self.check_synced()?;
        self.check_len()?;
        self.synced(sync())?;
        if commit && *uncommitted {
            self.write_header()?;
            *uncommitted = false;
        }
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

    /// Gives a new file, which was synced, its name, where it has none yet.
    pub(crate) fn take_name(&self) -> Result<()> {
        let mut name = self.name.lock().unwrap_or_else(PoisonError::into_inner);
        match name.as_mut().filter(|name| !name.is_published()) {
            Some(name) => name.publish(&self.file),
            None => Ok(()),
        }
    }

    /// The same, and waits until the name is on stable storage.
    pub(crate) fn name_synced(&self) -> Result<()> {
        self.take_name()?;
        self.sync_name()
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
        self.sync(|| Ok(()))?;
        self.name_synced()
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
        self.sync(|| Ok(()))
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
        self.sync(|| Ok(()))?;
        self.name_synced()
    }
}

impl<T, A> NpyFile<T, A> {
    /// Shows path, element type, shape and the access `B` of the handle called `name`.
    pub(crate) fn debug<B>(&self, name: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct(name)
            .field("path", &self.path)
            .field("header", &format_args!("{}", self.header))
            .field(
                "access",
                &format_args!("{}", std::any::type_name::<B>().rsplit("::").next().unwrap_or("")),
            )
            .field("lock", &self.lock)
            .finish_non_exhaustive()
    }
}

/// Shows path, element type, shape and access; touches no data.
impl<T, A> fmt::Debug for NpyFile<T, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.debug::<A>("NpyFile", f)
    }
}
