//! From a path to an open array: [`OpenOptions`].
//!
//! This is the one file that knows every step. Opening: a regular file, its lock, its header from
//! a private copy (from the caller where the array is raw), the element type, the length, and the
//! mapping where one is wanted. Creating: a file without a name, its lock, its space, its header,
//! its mapping, and then its name.

// For `unsafe fn` alone.
#![allow(unsafe_code)]

use std::fs::File;
use std::path::Path;

use crate::access::{Access, ReadOnly, ReadWrite};
use crate::array::{MmapArray, MmapArrayCow, MmapArrayMut};
use crate::element::{Element, check_dtype};
use crate::error::{Error, Result};
use crate::file::{NpyFile, Tail, end_of_data, read_header, whole_header};
use crate::layout::Order;
use crate::npy::Header;
use crate::raw::Raw;
use crate::s;
use crate::storage::{
    self, Advice, Allocation, Lock, LockState, MapMode, Mapping, NewFile, Publish,
};
use crate::view::View;

/// How to open or create an array, where the defaults do not fit.
///
/// # Example
///
/// ```
/// use mmap_array::{Allocation, OpenOptions, Order, Publish};
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("huge.npy");
///
/// let file = OpenOptions::new()
///     .allocation(Allocation::Sparse)
///     .order(Order::Fortran)
///     .publish(Publish::OnClose)
///     .create_file::<f64>(&path, [1_000, 1_000, 1_000])?;
/// file.write_window([0..1, 0..1, 0..1], &[1.0])?;
/// assert!(!path.exists());
/// file.close()?;
/// assert_eq!(std::fs::metadata(&path)?.len(), 128 + 8_000_000_000);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
#[must_use = "options do nothing until a file is opened or created with them"]
pub struct OpenOptions {
    lock: Option<Lock>,
    allocation: Allocation,
    order: Option<Order>,
    overwrite: bool,
    publish: Publish,
    advice: Advice,
    max_header_len: usize,
    align_data: usize,
    pub(crate) raw: Option<Raw>,
}

impl Default for OpenOptions {
    fn default() -> Self {
        OpenOptions::new()
    }
}

impl OpenOptions {
    /// The defaults: those of `open`, `open_mut` and `create`.
    pub const fn new() -> OpenOptions {
        OpenOptions {
            lock: None,
            allocation: Allocation::Reserved,
            order: None,
            overwrite: false,
            publish: Publish::AtOnce,
            advice: Advice::Normal,
            max_header_len: Header::DEFAULT_MAX_LEN,
            align_data: 64,
            raw: None,
        }
    }

    /// Which lock to take. By default a writable array is locked exclusively, a mapped reader takes
    /// a shared lock, and [`open_file`](Self::open_file) takes none: reading by position is safe
    /// while others write. With `Exclusive` or `Cooperative` it takes a shared one too, which keeps
    /// out whoever wants to write alone.
    pub const fn lock(mut self, lock: Lock) -> Self {
        self.lock = Some(lock);
        self
    }

    /// Whether a new file's space is reserved; it is by default.
    pub const fn allocation(mut self, allocation: Allocation) -> Self {
        self.allocation = allocation;
        self
    }

    /// The storage order of a new file. By default it is C, and for [`save`](Self::save) that of
    /// the view.
    pub const fn order(mut self, order: Order) -> Self {
        self.order = Some(order);
        self
    }

    /// Whether a new file may take the place of an existing one; it may not by default.
    ///
    /// The old file is locked first, exclusively also with [`Lock::Cooperative`], and never
    /// truncated: the new one replaces it by name when it is published, and who has the old one
    /// open keeps it. The new one has its permission bits, but not its owner or access lists; a
    /// symbolic link is replaced, not followed. A process that is killed in the instant of
    /// replacing may leave a file `.NAME.RANDOM.tmp` behind.
    pub const fn overwrite(mut self, overwrite: bool) -> Self {
        self.overwrite = overwrite;
        self
    }

    /// When a new file gets its name; at once by default.
    pub const fn publish(mut self, publish: Publish) -> Self {
        self.publish = publish;
        self
    }

    /// How a mapped array will be read; see [`MmapArray::advise`].
    pub const fn advice(mut self, advice: Advice) -> Self {
        self.advice = advice;
        self
    }

    /// The longest header that is read, in bytes; 1 MiB by default, and 64 MiB at most. Reading a
    /// header may take some hundred times its length in memory.
    pub const fn max_header_len(mut self, bytes: usize) -> Self {
        self.max_header_len = bytes;
        self
    }

    /// The multiple of bytes at which a new file's data starts: a power of two from 64, which is
    /// NumPy's and the default, to 4096.
    pub const fn align_data(mut self, bytes: usize) -> Self {
        self.align_data = bytes;
        self
    }

    /// Opens or creates an array without a header, at the place that `raw` names in a file of any
    /// kind; NumPy's `np.memmap(path, dtype, mode, offset, shape, order)`. All that concerns files,
    /// locks, reserving, publishing, overwriting, stays as it is for `.npy` files.
    ///
    /// A new file holds zeros up to the offset, and ends with the array. The array can be appended
    /// to and cut where the file ends with it; the file's length is all that tells of it then, so
    /// there is nothing to refresh or to recover. `raw` has the order too,
    /// so [`order`](Self::order) has no say then, nor have [`align_data`](Self::align_data) and
    /// [`max_header_len`](Self::max_header_len).
    ///
    /// # Errors
    ///
    /// When it is opened: [`Error::RawTooShort`] and [`Error::RawRemainder`] where the file's length
    /// does not fit, and [`Error::InvalidAxis`] where none can be inferred. When it is created:
    /// [`Error::ShapeMismatch`] where the shape is not that of `raw`. Both:
    /// [`Error::DTypeMismatch`] where its elements are no `T`; [`Error::ShapeOverflow`],
    /// [`Error::TooManyAxes`], [`Error::InvalidDType`] and [`Error::ObjectDType`] where no array can
    /// be so. The file stays as it was.
    ///
    /// # Example
    ///
    /// ```
    /// use mmap_array::{OpenOptions, Order, Raw};
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("a.bin");
    ///
    /// let raw = Raw::of::<f32>([2, 3]).order(Order::Fortran).offset(512);
    /// let options = OpenOptions::new().raw(raw);
    /// // SAFETY: nobody else knows of this file.
    /// let mut array = unsafe { options.create::<f32>(&path, [2, 3])? };
    /// array[[1, 0]] = 1.5;
    /// array.close()?;
    /// assert_eq!(std::fs::read(&path)?[512..][4..8], 1.5_f32.to_ne_bytes());
    ///
    /// // SAFETY: as above.
    /// let array = unsafe { options.open::<f32>(&path)? };
    /// assert_eq!((array[[1, 0]], array.header().data_start()), (1.5, 512));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn raw(mut self, raw: Raw) -> Self {
        self.raw = Some(raw);
        self
    }

    /// Opens an array to read by position.
    ///
    /// # Errors
    ///
    /// As [`NpyFile::open`].
    pub fn open_file<T: Element>(&self, path: impl AsRef<Path>) -> Result<NpyFile<T, ReadOnly>> {
        self.open_untyped(path.as_ref(), false, self.reader())?.typed(path.as_ref())
    }

    /// Opens an array to read and write by position.
    ///
    /// # Errors
    ///
    /// As [`NpyFile::open_mut`].
    pub fn open_file_mut<T: Element>(
        &self,
        path: impl AsRef<Path>,
    ) -> Result<NpyFile<T, ReadWrite>> {
        self.open_untyped(path.as_ref(), true, self.writer())?.typed(path.as_ref())
    }

    /// Opens an array to read and write by position, whatever a crash left of it; see
    /// [`NpyFile::recover`]. `tail` says what becomes of rows that were not committed.
    ///
    /// # Errors
    ///
    /// As [`NpyFile::recover`], and [`Error::NoHeader`] for a raw array.
    pub fn recover_file<T: Element>(
        &self,
        path: impl AsRef<Path>,
        tail: Tail,
    ) -> Result<NpyFile<T, ReadWrite>> {
        let path = path.as_ref();
        if self.raw.is_some() {
            return Err(Error::NoHeader { path: path.to_path_buf(), action: "recover" });
        }
        let (file, len, lock) = match self.lock {
            Some(Lock::Off) => {
                let (file, len) = storage::open_regular(path, true)?;
                (file, len, LockState::Unlocked)
            }
            // Nobody else may write meanwhile, careful or not.
            _ => storage::open_locked(path, true, true)?,
        };
        let header = read_header(&file, path, len, self.max_header_len)?;
        check_dtype::<T>(header.dtype(), path)?;
        let mut file = NpyFile::from_parts(file, path.to_path_buf(), header, lock, None)?;
        file.recover_rows(tail)?;
        Ok(file)
    }

    /// Creates an array of zeros of this shape, to read and write by position.
    ///
    /// # Errors
    ///
    /// As [`NpyFile::create`], and [`Error::InvalidOption`].
    pub fn create_file<T: Element>(
        &self,
        path: impl AsRef<Path>,
        shape: impl AsRef<[usize]>,
    ) -> Result<NpyFile<T, ReadWrite>> {
        let file = self.create_unnamed(path.as_ref(), shape.as_ref())?;
        self.name(&file)?;
        Ok(file)
    }

    /// Maps an array to read.
    ///
    /// # Errors
    ///
    /// As [`MmapArray::open`].
    ///
    /// # Safety
    ///
    /// See [`MmapArray`](MmapArray#safety).
    pub unsafe fn open<T: Element>(&self, path: impl AsRef<Path>) -> Result<MmapArray<T>> {
        let opened = self.open_untyped(path.as_ref(), false, self.mapped_reader())?;
        let file = opened.typed::<T, ReadOnly>(path.as_ref())?;
        // SAFETY: the caller's promise is the one that is asked for.
        unsafe { self.map(file, MapMode::Read) }
    }

    /// Maps an array to read and write.
    ///
    /// # Errors
    ///
    /// As [`MmapArray::open_mut`].
    ///
    /// # Safety
    ///
    /// See [`MmapArray`](MmapArray#safety).
    pub unsafe fn open_mut<T: Element>(&self, path: impl AsRef<Path>) -> Result<MmapArrayMut<T>> {
        let file = self.open_file_mut(path)?;
        // SAFETY: the caller's promise is the one that is asked for.
        unsafe { self.map(file, MapMode::Write) }
    }

    /// Maps an array to read, and to write in memory only.
    ///
    /// # Errors
    ///
    /// As [`MmapArray::open_cow`].
    ///
    /// # Safety
    ///
    /// See [`MmapArray`](MmapArray#safety).
    pub unsafe fn open_cow<T: Element>(&self, path: impl AsRef<Path>) -> Result<MmapArrayCow<T>> {
        let opened = self.open_untyped(path.as_ref(), false, self.mapped_reader())?;
        let file = opened.typed::<T, ReadOnly>(path.as_ref())?;
        // SAFETY: the caller's promise is the one that is asked for.
        unsafe { self.map(file, MapMode::Copy) }
    }

    /// Creates an array of zeros of this shape, and maps it to read and write.
    ///
    /// # Errors
    ///
    /// As [`MmapArray::create`], and [`Error::InvalidOption`].
    ///
    /// # Safety
    ///
    /// See [`MmapArray`](MmapArray#safety).
    pub unsafe fn create<T: Element>(
        &self,
        path: impl AsRef<Path>,
        shape: impl AsRef<[usize]>,
    ) -> Result<MmapArrayMut<T>> {
        let file = self.create_unnamed(path.as_ref(), shape.as_ref())?;
        // SAFETY: the caller's promise is the one that is asked for.
        let array = unsafe { self.map(file, MapMode::Write)? };
        // Last, so that what cannot be mapped leaves nothing behind.
        self.name(array.file())?;
        Ok(array)
    }

    /// The lock of a reader by position: exclusive, shared or none.
    pub(crate) fn reader(&self) -> Option<bool> {
        match self.lock {
            None | Some(Lock::Off) => None,
            Some(Lock::Exclusive | Lock::Cooperative) => Some(false),
        }
    }

    /// The lock of a writer, likewise.
    pub(crate) fn writer(&self) -> Option<bool> {
        match self.lock {
            Some(Lock::Off) => None,
            Some(Lock::Cooperative) => Some(false),
            None | Some(Lock::Exclusive) => Some(true),
        }
    }

    /// The lock of a mapped reader, which nobody may write under: a shared one.
    pub(crate) fn mapped_reader(&self) -> Option<bool> {
        if self.lock == Some(Lock::Off) { None } else { Some(false) }
    }

    /// Opens a file with an exclusive lock, a shared one or none, and reads its header.
    pub(crate) fn open_untyped(
        &self,
        path: &Path,
        writable: bool,
        exclusive: Option<bool>,
    ) -> Result<Opened> {
        let (file, len, lock) = match exclusive {
            Some(exclusive) => storage::open_locked(path, writable, exclusive)?,
            None => {
                let (file, len) = storage::open_regular(path, writable)?;
                (file, len, LockState::Unlocked)
            }
        };
        let header = match &self.raw {
            Some(raw) => raw.header_in(path, len)?,
            None => read_header(&file, path, len, self.max_header_len)?,
        };
        let cooperative = self.lock == Some(Lock::Cooperative);
        Ok(Opened { file, len, lock, cooperative, header })
    }

    /// Creates an array without a name.
    fn create_unnamed<T: Element>(
        &self,
        path: &Path,
        shape: &[usize],
    ) -> Result<NpyFile<T, ReadWrite>> {
        let (header, bytes) = match &self.raw {
            Some(raw) => (raw.header_of_new(path, shape)?, vec![]),
            None => self.new_header::<T>(path, shape)?,
        };
        check_dtype::<T>(header.dtype(), path)?;
        let lock = self.lock.unwrap_or_default();
        let new = NewFile::create(path, self.overwrite, lock)?;
        let state = match lock {
            Lock::Off => LockState::Unlocked,
            // A shared lock of Windows would forbid our own writes.
            Lock::Cooperative if cfg!(windows) => LockState::Unsupported,
            Lock::Cooperative => storage::try_lock(new.file(), path, false)?,
            Lock::Exclusive => storage::try_lock(new.file(), path, true)?,
        };
        storage::allocate(new.file(), path, end_of_data(&header, path)?, self.allocation)?;
        storage::write_at(new.file(), path, &bytes, 0)?;
        let (file, name) = new.into_parts();
        let file = NpyFile::from_parts(file, path.to_path_buf(), header, state, Some(name))?;
        Ok(file.cooperative(lock == Lock::Cooperative))
    }

    /// The header of a new `.npy` file, and its bytes.
    pub(crate) fn new_header<T: Element>(
        &self,
        path: &Path,
        shape: &[usize],
    ) -> Result<(Header, Vec<u8>)> {
        if !(64..=4096).contains(&self.align_data) || !self.align_data.is_power_of_two() {
            let (option, expected) = ("align_data", "a power of two from 64 to 4096");
            return Err(Error::InvalidOption { option, found: self.align_data, expected });
        }
        let dtype = T::dtype();
        check_dtype::<T>(&dtype, path)?;
        let header = Header::new(dtype, shape, self.order.unwrap_or_default());
        let bytes =
            header.map_err(|error| error.with_path(path))?.to_bytes_aligned(self.align_data);
        Ok((Header::parse(&bytes)?, bytes))
    }

    /// Gives a new file its name, unless it waits for the close.
    fn name<T: Element, A: Access>(&self, file: &NpyFile<T, A>) -> Result<()> {
        if self.publish == Publish::OnClose {
            return Ok(());
        }
        // Without this, a power cut could leave the name with zeros instead of a header.
        storage::sync_data(file.raw_file())
            .map_err(|error| Error::io(file.path(), "sync", 0, error))?;
        file.take_name()
    }

    /// Maps an open file.
    ///
    /// # Safety
    ///
    /// See [`MmapArray`](MmapArray#safety).
    pub(crate) unsafe fn map<T: Element, A: Access, B: Access>(
        &self,
        file: NpyFile<T, A>,
        mode: MapMode,
    ) -> Result<MmapArray<T, B>> {
        let path = file.path();
        file.header().check_mappable().map_err(|error| error.with_path(path))?;
        // SAFETY: nobody else shortens the file or changes bytes of the array, says the caller;
        // the array itself writes to the file only while it is borrowed mutably.
        let mapping = unsafe { Mapping::map(file.raw_file(), file.data(), mode) };
        let mapping = mapping.map_err(|error| {
            let (path, byte_len) = (path.to_path_buf(), file.data().end);
            Error::CannotMap { path, byte_len, error }
        })?;
        // `T` may want more than its element type does in NumPy.
        let mapping = mapping.ok_or_else(|| {
            let (path, data_start) = (path.to_path_buf(), file.data().start);
            Error::Misaligned { path, data_start, align: align_of::<T>() }
        })?;
        let array = MmapArray::from_parts(file, mapping);
        if self.advice != Advice::Normal {
            array.advise(self.advice)?;
        }
        Ok(array)
    }

    /// Writes a whole array to a new file; see [`save`](crate::save). It is published when it is complete, and
    /// no space is reserved ahead, whatever these options say.
    ///
    /// # Errors
    ///
    /// As [`save`](crate::save).
    pub fn save<'v, T: Element>(
        &self,
        path: impl AsRef<Path>,
        view: impl Into<View<'v, T>>,
    ) -> Result<()> {
        let view = view.into();
        // As `np.save`: Fortran order only for what is contiguous that way alone.
        let fortran = view.as_slice().is_none() && view.layout().is_contiguous(Order::Fortran);
        let found = if fortran { Order::Fortran } else { Order::C };
        let file = self
            .clone()
            .order(self.order.unwrap_or(found))
            .publish(Publish::OnClose)
            // All of it is written before anybody sees it, so nothing need be reserved.
            .allocation(Allocation::Sparse)
            .create_file(path, view.shape())?;
        file.write_slice(s![], view)?;
        file.close()
    }
}

/// An open file and its header, before anybody said what its elements are in Rust.
pub(crate) struct Opened {
    file: File,
    /// Bytes of the file when it was opened.
    len: u64,
    lock: LockState,
    cooperative: bool,
    pub(crate) header: Header,
}

impl Opened {
    /// The file as an array of `T`, where it is one. It must be open for access `A`.
    pub(crate) fn typed<T: Element, A: Access>(self, path: &Path) -> Result<NpyFile<T, A>> {
        let Opened { file, len, lock, cooperative, header } = self;
        check_dtype::<T>(header.dtype(), path)?;
        let header = whole_header(&file, path, len, header)?;
        check_dtype::<T>(header.dtype(), path)?;
        let file = NpyFile::from_parts(file, path.to_path_buf(), header, lock, None)?;
        Ok(file.cooperative(cooperative))
    }
}
