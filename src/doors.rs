//! The short ways in, with the default options: what stands on [`NpyFile`], [`MmapArray`] and
//! [`Header`] to open and create, and `load` and `save`.

// For `unsafe fn` alone.
#![allow(unsafe_code)]

use std::path::Path;

use crate::access::{ReadOnly, ReadWrite};
use crate::array::{MmapArray, MmapArrayCow, MmapArrayMut};
use crate::element::Element;
use crate::error::{Error, Result};
use crate::file::{NpyFile, Tail, read_header, whole_header};
use crate::npy::Header;
use crate::options::OpenOptions;
use crate::storage;
use crate::view::{Array, View};

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
    /// Opens an array to read. Takes no lock, and is let in beside those who have one (but for
    /// Windows, whose locks keep out readers too). Reads the header, and no data.
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
    /// [`Error::AlreadyExists`], and [`Error::NotRegular`] where a directory has the name;
    /// [`Error::StorageFull`], [`Error::FileTooLarge`] and [`Error::CannotReserve`] where the space
    /// cannot be had; [`Error::ShapeOverflow`];
    /// [`Error::TooManyAxes`]; [`Error::Io`]. No file is left behind then.
    pub fn create(
        path: impl AsRef<Path>,
        shape: impl AsRef<[usize]>,
    ) -> Result<NpyFile<T, ReadWrite>> {
        OpenOptions::new().create_file(path, shape)
    }

    /// Opens an array to read and write after a crash, and locks it: brings the file and its header
    /// together, so that it can grow again. Of a file that is in order it changes nothing.
    ///
    /// Rows that were appended and not committed are cut off, or adopted with
    /// [`OpenOptions::recover_file`]. Where bytes are missing, as after a cut or a foreign writer
    /// that wrote the header first, the array keeps the rows that are whole.
    ///
    /// # Errors
    ///
    /// As [`open_mut`](Self::open_mut); [`Error::NoGrowthRoom`], [`Error::SyncFailed`] and
    /// [`Error::Io`] where the file cannot be changed.
    ///
    /// # Example
    ///
    /// ```
    /// use mmap_array::NpyFile;
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("log.npy");
    ///
    /// let mut log = NpyFile::<f32>::create(&path, [0, 3])?;
    /// log.append(&[1.0, 2.0, 3.0])?;
    /// log.flush()?;
    /// log.append(&[4.0, 5.0, 6.0])?;
    /// drop(log); // as a crash would
    ///
    /// let log = NpyFile::<f32>::open(&path)?;
    /// assert_eq!((log.shape(), log.uncommitted_tail()?), (&[1, 3][..], 12));
    /// let mut log = NpyFile::<f32>::recover(&path)?;
    /// log.append(&[7.0, 8.0, 9.0])?;
    /// assert_eq!(log.read()?.as_slice(), [1.0, 2.0, 3.0, 7.0, 8.0, 9.0]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn recover(path: impl AsRef<Path>) -> Result<NpyFile<T, ReadWrite>> {
        OpenOptions::new().recover_file(path, Tail::Discard)
    }

    /// Looks whether a writer has committed rows or cut some off since the array was opened or last
    /// looked at, and has the new length then: `true`. Only the length is compared. Where the header is being rewritten, it is
    /// read until three reads agree, as by [`open`](Self::open): no part of one is ever taken.
    ///
    /// # Errors
    ///
    /// [`Error::ArrayChanged`] where the file has become another array; [`Error::Truncated`] where
    /// it is shorter than its header says; [`Error::NoHeader`] for a raw array; [`Error::Io`]. The
    /// handle is as before then.
    ///
    /// # Cost
    ///
    /// One read of the header; where rows are being written, some more and 0.1 ms.
    pub fn refresh(&mut self) -> Result<bool> {
        let path = self.path().to_path_buf();
        if self.header().is_raw() {
            return Err(Error::NoHeader { path, action: "refresh" });
        }
        // Another array's header may be longer.
        let limit = Header::DEFAULT_MAX_LEN.max(self.data().start as usize);
        let len = storage::file_len(self.raw_file())
            .map_err(|error| Error::io(&path, "look up the length of", 0, error))?;
        let header = read_header(self.raw_file(), &path, len, limit)?;
        self.take_header(whole_header(self.raw_file(), &path, len, header)?)
    }
}

impl<T: Element> MmapArray<T> {
    /// Maps an array to read, with a shared lock; NumPy's mode `r`. Reads the header, touches no
    /// data.
    ///
    /// # Errors
    ///
    /// As [`NpyFile::open`]; [`Error::AlreadyOpen`] where somebody writes to the file;
    /// [`Error::ForeignByteOrder`] and [`Error::Misaligned`] where its elements cannot be borrowed
    /// as they are; [`Error::CannotMap`].
    ///
    /// # Safety
    ///
    /// See [`MmapArray`](MmapArray#safety).
    pub unsafe fn open(path: impl AsRef<Path>) -> Result<MmapArray<T>> {
        // SAFETY: the caller's promise is the one that is asked for.
        unsafe { OpenOptions::new().open(path) }
    }

    /// Maps an array to read and write, and locks it; NumPy's mode `r+`. Changes nothing.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open), and [`Error::AlreadyOpen`] also where somebody else reads it mapped.
    ///
    /// # Safety
    ///
    /// See [`MmapArray`](MmapArray#safety).
    pub unsafe fn open_mut(path: impl AsRef<Path>) -> Result<MmapArrayMut<T>> {
        // SAFETY: the caller's promise is the one that is asked for.
        unsafe { OpenOptions::new().open_mut(path) }
    }

    /// Maps an array to read, and to write in memory only, with a shared lock; NumPy's mode `c`. An
    /// array of any size: no memory is set aside for what may be written (unless Linux is told to
    /// set it aside always, with `vm.overcommit_memory=2`).
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open).
    ///
    /// # Safety
    ///
    /// See [`MmapArray`](MmapArray#safety).
    ///
    /// # Example
    ///
    /// ```
    /// use mmap_array::MmapArray;
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("a.npy");
    /// mmap_array::save(&path, &vec![1, 2, 3])?;
    ///
    /// // SAFETY: nobody else knows of this file.
    /// let mut array = unsafe { MmapArray::<i32>::open_cow(&path)? };
    /// array[[1]] = 20;
    /// assert_eq!(array.as_slice(), Some(&[1, 20, 3][..]));
    /// assert_eq!(array.file().read()?.as_slice(), [1, 2, 3]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub unsafe fn open_cow(path: impl AsRef<Path>) -> Result<MmapArrayCow<T>> {
        // SAFETY: the caller's promise is the one that is asked for.
        unsafe { OpenOptions::new().open_cow(path) }
    }

    /// Looks whether a writer has committed rows since the array was opened; see
    /// [`NpyFile::refresh`]. The mapping follows. The array's own lock keeps writers of this crate
    /// out: open it with [`Lock::Off`](crate::Lock::Off) to read beside one that appends.
    ///
    /// # Errors
    ///
    /// As [`NpyFile::refresh`], and [`Error::CannotMap`]: then the array has its old length.
    pub fn refresh(&mut self) -> Result<bool> {
        self.refresh_by(NpyFile::refresh)
    }

    /// Creates an array of zeros of this shape, in C order and native byte order, maps it and locks
    /// it; NumPy's mode `w+`, but for a new file only.
    ///
    /// The space is reserved: after `Ok` no store fails for lack of it. The file appears whole.
    ///
    /// # Errors
    ///
    /// As [`NpyFile::create`], and [`Error::CannotMap`]. No file is left behind then.
    ///
    /// # Safety
    ///
    /// See [`MmapArray`](MmapArray#safety).
    pub unsafe fn create(
        path: impl AsRef<Path>,
        shape: impl AsRef<[usize]>,
    ) -> Result<MmapArrayMut<T>> {
        // SAFETY: the caller's promise is the one that is asked for.
        unsafe { OpenOptions::new().create(path, shape) }
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
