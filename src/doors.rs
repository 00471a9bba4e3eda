//! The short ways in, with the default options: what stands on [`NpyFile`], [`MmapArray`] and
//! [`Header`] to open and create, and `load` and `save`.

// For `unsafe fn` alone.
#![allow(unsafe_code)]

use std::path::Path;

use crate::access::{ReadOnly, ReadWrite};
use crate::array::{MmapArray, MmapArrayCow, MmapArrayMut};
use crate::element::Element;
#[cfg(doc)]
use crate::error::Error;
use crate::error::Result;
use crate::file::NpyFile;
use crate::npy::Header;
use crate::options::{OpenOptions, read_header};
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
