//! From a path to an open array and back: [`OpenOptions`], and the doors that use it.
//!
//! This is the one file that knows every step. Opening: a regular file, its lock, its header from
//! a private copy, the element type, the length. Creating: a file without a name, its lock, its
//! space, its header, and then its name.

use std::fs::File;
use std::path::Path;

use crate::access::{ReadOnly, ReadWrite};
use crate::element::Element;
use crate::error::{Error, Result};
use crate::file::NpyFile;
use crate::layout::Order;
use crate::npy::{self, DType, Header};
use crate::s;
use crate::storage::{self, Allocation, Lock, LockState, NewFile, Publish};
use crate::view::{Array, View};

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
            max_header_len: Header::DEFAULT_MAX_LEN,
            align_data: 64,
        }
    }

    /// Which lock to take. By default a writable file is locked exclusively, and
    /// [`open_file`](Self::open_file) takes no lock: reading by position is safe while others
    /// write. With `Exclusive` or `Cooperative` it takes a shared one, which keeps out whoever
    /// wants to write alone.
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

    /// Opens an array to read.
    ///
    /// # Errors
    ///
    /// As [`NpyFile::open`].
    pub fn open_file<T: Element>(&self, path: impl AsRef<Path>) -> Result<NpyFile<T, ReadOnly>> {
        let path = path.as_ref();
        let (file, len, lock) = match self.lock {
            None | Some(Lock::Off) => open_unlocked(path, false)?,
            Some(Lock::Exclusive | Lock::Cooperative) => storage::open_locked(path, false, false)?,
        };
        let header = self.read_header::<T>(&file, path, len)?;
        NpyFile::from_parts(file, path.to_path_buf(), header, lock, None)
    }

    /// Opens an array to read and write.
    ///
    /// # Errors
    ///
    /// As [`NpyFile::open_mut`].
    pub fn open_file_mut<T: Element>(
        &self,
        path: impl AsRef<Path>,
    ) -> Result<NpyFile<T, ReadWrite>> {
        let path = path.as_ref();
        let (file, len, lock) = match self.lock {
            Some(Lock::Off) => open_unlocked(path, true)?,
            Some(Lock::Cooperative) => storage::open_locked(path, true, false)?,
            None | Some(Lock::Exclusive) => storage::open_locked(path, true, true)?,
        };
        let header = self.read_header::<T>(&file, path, len)?;
        NpyFile::from_parts(file, path.to_path_buf(), header, lock, None)
    }

    /// Creates an array of zeros of this shape.
    ///
    /// # Errors
    ///
    /// As [`NpyFile::create`], and [`Error::InvalidOption`].
    pub fn create_file<T: Element>(
        &self,
        path: impl AsRef<Path>,
        shape: impl AsRef<[usize]>,
    ) -> Result<NpyFile<T, ReadWrite>> {
        let path = path.as_ref();
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
        let mut new = NewFile::create(path, self.overwrite, lock)?;
        let state = match lock {
            Lock::Off => LockState::Unlocked,
            Lock::Cooperative => storage::try_lock(new.file(), path, false)?,
            Lock::Exclusive => storage::try_lock(new.file(), path, true)?,
        };
        storage::allocate(new.file(), path, end_of_data(&header, path)?, self.allocation)?;
        storage::write_at(new.file(), path, &bytes, 0)?;
        if self.publish == Publish::AtOnce {
            // Without this, a power cut could leave the name with zeros instead of a header.
            storage::sync_data(new.file()).map_err(|error| Error::io(path, "sync", 0, error))?;
            new.publish()?;
        }
        let (file, name) = new.into_parts();
        NpyFile::from_parts(file, path.to_path_buf(), header, state, Some(name))
    }

    /// Writes a whole array to a new file; see [`save`]. It is published when it is complete, and
    /// no space is reserved ahead, whatever these options say.
    ///
    /// # Errors
    ///
    /// As [`save`].
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
        let expected = end_of_data(&header, path)?;
        if file_len >= expected {
            return Ok(header);
        }
        // A file that grew since it was opened may have a header that says so already.
        let found = storage::file_len(file)
            .map_err(|error| Error::io(path, "look up the length of", 0, error))?;
        let cut = Error::Truncated { path: path.to_path_buf(), expected, found };
        if found < expected { Err(cut) } else { Ok(header) }
    }
}

/// Opens a regular file without a lock.
fn open_unlocked(path: &Path, writable: bool) -> Result<(File, u64, LockState)> {
    let (file, len) = storage::open_regular(path, writable)?;
    Ok((file, len, LockState::Unlocked))
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
fn read_header(file: &File, path: &Path, file_len: u64, limit: usize) -> Result<Header> {
    // Nearly every header fits into this; a longer one is read again as a whole.
    let mut first = [0; 1024];
    // Asking for more than the file has would cost a second read, which finds its end.
    let wanted = file_len.min(first.len() as u64) as usize;
    let count = storage::read_at(file, path, &mut first[..wanted], 0)?;
    let with_path = |error: Error| error.with_path(path);
    let limit = limit as u64;
    // After this the header is within the limit and within the file, so it fits into memory.
    let header_len =
        npy::prefix(&first[..count], file_len, limit).map_err(with_path)?.data_start as usize;
    let header = match first[..count].get(..header_len) {
        Some(bytes) => Header::parse_with_limit(bytes, limit),
        None => {
            let mut bytes = vec![0; header_len];
            let count = storage::read_at(file, path, &mut bytes, 0)?;
            Header::parse_with_limit(&bytes[..count], limit)
        }
    };
    header.map_err(with_path)
}

impl Header {
    /// Reads the header of a file, whatever its element type. Reads no data, and does not look
    /// whether all of it is there.
    ///
    /// # Errors
    ///
    /// [`Error::NotRegular`], [`Error::Io`], and as [`Header::parse`].
    ///
    /// # Example
    ///
    /// ```
    /// use mmap_array::{Header, Order};
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("a.npy");
    /// # mmap_array::save(&path, &vec![1.0_f32, 2.0])?;
    ///
    /// let header = Header::read(&path)?;
    /// assert_eq!(header.dtype().name(), "float32");
    /// assert_eq!((header.shape(), header.order()), (&[2][..], Order::C));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn read(path: impl AsRef<Path>) -> Result<Header> {
        let path = path.as_ref();
        let (file, len) = storage::open_regular(path, false)?;
        read_header(&file, path, len, Header::DEFAULT_MAX_LEN)
    }
}

impl<T: Element> NpyFile<T> {
    /// Opens an array to read. Takes no lock. Reads the header, and no data.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] and [`Error::NotRegular`] where there is no file to open; one of the header's
    /// errors; [`Error::DTypeMismatch`] where it holds another element type;
    /// [`Error::Truncated`] where it is shorter than its header says.
    pub fn open(path: impl AsRef<Path>) -> Result<NpyFile<T, ReadOnly>> {
        OpenOptions::new().open_file(path)
    }

    /// Opens an array to read and write, and locks it. Changes nothing.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open), and [`Error::AlreadyOpen`] where somebody holds a lock on it, in
    /// this process or another.
    pub fn open_mut(path: impl AsRef<Path>) -> Result<NpyFile<T, ReadWrite>> {
        OpenOptions::new().open_file_mut(path)
    }

    /// Creates an array of zeros of this shape, in C order and native byte order, and locks it.
    ///
    /// The space is reserved: after `Ok` no write fails for lack of it. The file appears whole:
    /// header and space are there, and on stable storage, before its name is.
    ///
    /// # Errors
    ///
    /// [`Error::AlreadyExists`]; [`Error::StorageFull`], [`Error::FileTooLarge`] and
    /// [`Error::CannotReserve`] where the space cannot be had; [`Error::ShapeOverflow`];
    /// [`Error::TooManyAxes`]; [`Error::Io`]. No file is left behind then.
    pub fn create(
        path: impl AsRef<Path>,
        shape: impl AsRef<[usize]>,
    ) -> Result<NpyFile<T, ReadWrite>> {
        OpenOptions::new().create_file(path, shape)
    }
}

/// Reads a whole array into memory.
///
/// # Errors
///
/// As [`NpyFile::open`] and [`NpyFile::read`].
///
/// # Example
///
/// ```
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("a.npy");
/// mmap_array::save(&path, &vec![1, 2, 3])?;
/// assert_eq!(mmap_array::load::<i32>(&path)?.as_slice(), [1, 2, 3]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn load<T: Element>(path: impl AsRef<Path>) -> Result<Array<T>> {
    NpyFile::<T>::open(path)?.read()
}

/// Writes a whole array to a new file, byte for byte as `np.save` does.
///
/// The file is in C order, but in Fortran order where only that is how the elements lie: the
/// transposed view of an [`Array`] is saved without moving an element.
///
/// The file appears when everything is on stable storage, and not at all after an error. An
/// existing file is refused; [`OpenOptions::save`] with [`OpenOptions::overwrite`] replaces it.
///
/// # Errors
///
/// As [`NpyFile::create`], [`NpyFile::write_slice`] and [`NpyFile::close`].
pub fn save<'v, T: Element>(path: impl AsRef<Path>, view: impl Into<View<'v, T>>) -> Result<()> {
    OpenOptions::new().save(path, view)
}
