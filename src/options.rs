//! From a path to an open array: [`OpenOptions`].
//!
//! This is the one file that knows every step. Opening: a regular file, its lock, its header from
//! a private copy, the element type, the length, and the mapping where one is wanted. Creating: a
//! file without a name, its lock, its space, its header, its mapping, and then its name.

// For `unsafe fn` alone.
#![allow(unsafe_code)]

use std::fs::File;
use std::path::Path;

use crate::access::{Access, ReadOnly, ReadWrite};
use crate::array::{MmapArray, MmapArrayCow, MmapArrayMut};
use crate::element::Element;
use crate::error::{Error, Result};
use crate::file::{NpyFile, Tail};
use crate::layout::Order;
use crate::npy::{self, DType, Header};
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

    /// Opens an array to read by position.
    ///
    /// # Errors
    ///
    /// As [`NpyFile::open`].
    pub fn open_file<T: Element>(&self, path: impl AsRef<Path>) -> Result<NpyFile<T, ReadOnly>> {
        let exclusive = match self.lock {
            None | Some(Lock::Off) => None,
            Some(Lock::Exclusive | Lock::Cooperative) => Some(false),
        };
        self.open_as(path.as_ref(), exclusive)
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
        let exclusive = match self.lock {
            Some(Lock::Off) => None,
            Some(Lock::Cooperative) => Some(false),
            None | Some(Lock::Exclusive) => Some(true),
        };
        self.open_as(path.as_ref(), exclusive)
    }

    /// Opens an array to read and write by position, whatever a crash left of it; see
    /// [`NpyFile::recover`]. `tail` says what becomes of rows that were not committed.
    ///
    /// # Errors
    ///
    /// As [`NpyFile::recover`].
    pub fn recover_file<T: Element>(
        &self,
        path: impl AsRef<Path>,
        tail: Tail,
    ) -> Result<NpyFile<T, ReadWrite>> {
        let path = path.as_ref();
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
        let file = self.open_as::<T, ReadOnly>(path.as_ref(), self.mapped_reader())?;
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
        let file = self.open_as::<T, ReadOnly>(path.as_ref(), self.mapped_reader())?;
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

    /// The lock of a mapped reader, which nobody may write under: a shared one.
    fn mapped_reader(&self) -> Option<bool> {
        if self.lock == Some(Lock::Off) { None } else { Some(false) }
    }

    /// Opens an array with an exclusive lock, a shared one or none.
    fn open_as<T: Element, A: Access>(
        &self,
        path: &Path,
        exclusive: Option<bool>,
    ) -> Result<NpyFile<T, A>> {
        let (file, len, lock) = match exclusive {
            Some(exclusive) => storage::open_locked(path, A::WRITES, exclusive)?,
            None => {
                let (file, len) = storage::open_regular(path, A::WRITES)?;
                (file, len, LockState::Unlocked)
            }
        };
        let header = self.read_header::<T>(&file, path, len)?;
        NpyFile::from_parts(file, path.to_path_buf(), header, lock, None)
    }

    /// Creates an array without a name.
    fn create_unnamed<T: Element>(
        &self,
        path: &Path,
        shape: &[usize],
    ) -> Result<NpyFile<T, ReadWrite>> {
        if !(64..=4096).contains(&self.align_data) || !self.align_data.is_power_of_two() {
            let (option, expected) = ("align_data", "a power of two from 64 to 4096");
            return Err(Error::InvalidOption { option, found: self.align_data, expected });
        }
        let dtype = T::dtype();
        check_dtype::<T>(&dtype, path)?;
        let header = Header::new(dtype, shape, self.order.unwrap_or_default());
        let bytes =
            header.map_err(|error| error.with_path(path))?.to_bytes_aligned(self.align_data);
        let header = Header::parse(&bytes)?;
        let lock = self.lock.unwrap_or_default();
        let new = NewFile::create(path, self.overwrite, lock)?;
        let state = match lock {
            Lock::Off => LockState::Unlocked,
            Lock::Cooperative => storage::try_lock(new.file(), path, false)?,
            Lock::Exclusive => storage::try_lock(new.file(), path, true)?,
        };
        storage::allocate(new.file(), path, end_of_data(&header, path)?, self.allocation)?;
        storage::write_at(new.file(), path, &bytes, 0)?;
        let (file, name) = new.into_parts();
        NpyFile::from_parts(file, path.to_path_buf(), header, state, Some(name))
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
    unsafe fn map<T: Element, A: Access, B: Access>(
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

    /// Reads the header, and checks element type and length against it.
    fn read_header<T: Element>(&self, file: &File, path: &Path, file_len: u64) -> Result<Header> {
        let header = read_header(file, path, file_len, self.max_header_len)?;
        check_dtype::<T>(header.dtype(), path)?;
        check_whole(file, path, file_len, &header)?;
        Ok(header)
    }
}

/// Has a file, which had `file_len` bytes before its header was read, all of its data?
pub(crate) fn check_whole(file: &File, path: &Path, file_len: u64, header: &Header) -> Result<()> {
    let expected = end_of_data(header, path)?;
    if file_len >= expected {
        return Ok(());
    }
    // A file that grew meanwhile may have a header that says so already.
    let found = storage::file_len(file)
        .map_err(|error| Error::io(path, "look up the length of", 0, error))?;
    let cut = Error::Truncated { path: path.to_path_buf(), expected, found };
    if found < expected { Err(cut) } else { Ok(()) }
}

/// Can elements of type `dtype` be read and written as `T`? All of them must have one byte order,
/// and `T`, which anybody may implement, must have their size.
fn check_dtype<T: Element>(dtype: &DType, path: &Path) -> Result<()> {
    let one_byte_order = dtype.is_native() || dtype.is_foreign();
    if T::accepts(dtype) && dtype.item_size() == size_of::<T>() && one_byte_order {
        return Ok(());
    }
    let (found, expected) = (describe(dtype), describe(&T::dtype()));
    Err(Error::DTypeMismatch { path: path.to_path_buf(), found, expected })
}

/// Bytes of header and data together.
fn end_of_data(header: &Header, path: &Path) -> Result<u64> {
    let end = header.data_start().checked_add(header.byte_len());
    end.filter(|&end| end <= i64::MAX as u64).ok_or_else(|| Error::ShapeOverflow {
        path: path.to_path_buf(),
        shape: header.shape().iter().map(|&len| len as u64).collect(),
        item_size: header.dtype().item_size(),
    })
}

/// An element type as messages show it: `float32 ('<f4')`.
fn describe(dtype: &DType) -> String {
    const MAX: usize = 256;
    let mut text = format!("{} ({})", dtype.name(), dtype.repr());
    if let Some((end, _)) = text.char_indices().nth(MAX) {
        text.truncate(end);
        text.push_str("...");
    }
    text
}

/// Reads the header of an open file, which had `file_len` bytes when it was opened, into a private
/// copy.
///
/// A writer that commits rows rewrites some bytes of the header, and who reads in between may see a
/// part of them: of a million opens beside a writer that does nothing else, some did. So only a
/// header that agrees with the file's length, as nearly all do, is believed at once; any other is
/// read again, once no write is half done, until two reads agree.
pub(crate) fn read_header(file: &File, path: &Path, file_len: u64, limit: usize) -> Result<Header> {
    // Nearly every header fits into this; a longer one is read again as a whole.
    let mut first = [0; 1024];
    // Asking for more than the file has would cost a second read, which finds its end.
    let wanted = file_len.min(first.len() as u64) as usize;
    let count = storage::read_at(file, path, &mut first[..wanted], 0)?;
    // After this the header is within the limit and within the file, so it fits into memory.
    let header_len = npy::prefix(&first[..count], file_len, limit as u64)
        .map_err(|error| error.with_path(path))?
        .data_start as usize;
    if let Some(bytes) = first[..count].get(..header_len)
        && let Ok(header) = Header::parse_with_limit(bytes, limit as u64)
        && end_of_data(&header, path).is_ok_and(|end| end == file_len)
    {
        return Ok(header);
    }
    let mut before = first[..count.min(header_len)].to_vec();
    let mut bytes = vec![0; header_len];
    loop {
        // Without this, both reads may fall into the instant of one write.
        storage::wait_for_write(file);
        let count = storage::read_at(file, path, &mut bytes, 0)?;
        // Twice the same is no part of anything.
        if before == bytes[..count] {
            let header = Header::parse_with_limit(&before, limit as u64);
            return header.map_err(|error| error.with_path(path));
        }
        before.clear();
        before.extend_from_slice(&bytes[..count]);
    }
}
