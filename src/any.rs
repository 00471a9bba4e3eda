//! Arrays whose element type is known only when the file is open: [`AnyFile`] and [`AnyArray`], an
//! `NpyFile` and an `MmapArray` of each type that they can have, and [`with_any!`], which does the
//! same with each of them.

// For `unsafe fn` alone.
#![allow(unsafe_code)]

use std::any::Any;
use std::path::Path;

use crate::access::{Access, CopyOnWrite, ReadOnly, ReadWrite};
use crate::array::MmapArray;
use crate::element::{Bool, Element, describe, mismatch};
use crate::error::{Error, Result};
use crate::file::NpyFile;
use crate::layout::Order;
use crate::npy::{DType, Header, Kind};
use crate::options::{OpenOptions, Opened};
use crate::storage::MapMode;

/// Does the same with an [`AnyFile`] or [`AnyArray`] of whatever type: in
/// `with_any!(AnyFile, file, |typed| body)`, `typed` is the [`NpyFile`] in `file`, and the body is
/// compiled once for each element type. For `&file` it is a reference, for `file` itself it is moved
/// out.
///
/// The body must have one type, whatever the elements are, and compile with all of them, [`Bool`]
/// too: mostly it calls a generic function. It is no closure: `?` and `return` leave the function
/// around it. Where the types need different code, write a `match`.
///
/// # Example
///
/// ```
/// use mmap_array::{AnyFile, Element, NpyFile, Result, with_any};
///
/// fn zeros<T: Element + Default + PartialEq>(file: &NpyFile<T>) -> Result<usize> {
///     let mut count = 0;
///     for window in file.row_blocks(1024)? {
///         let block = file.read_window(window)?;
///         count += block.iter().filter(|&&element| element == T::default()).count();
///     }
///     Ok(count)
/// }
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("a.npy");
/// # mmap_array::save(&path, &[3_u16, 0, 5, 0])?;
///
/// let file = AnyFile::open(&path)?;
/// assert_eq!(with_any!(AnyFile, &file, |typed| zeros(typed))?, 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[macro_export]
macro_rules! with_any {
    ($any:ident, $value:expr, |$typed:ident| $body:expr $(,)?) => {
        match $value {
            $crate::$any::Bool($typed) => $body,
            $crate::$any::I8($typed) => $body,
            $crate::$any::I16($typed) => $body,
            $crate::$any::I32($typed) => $body,
            $crate::$any::I64($typed) => $body,
            $crate::$any::U8($typed) => $body,
            $crate::$any::U16($typed) => $body,
            $crate::$any::U32($typed) => $body,
            $crate::$any::U64($typed) => $body,
            $crate::$any::F32($typed) => $body,
            $crate::$any::F64($typed) => $body,
            #[allow(unreachable_patterns, reason = "outside of the crate there may be others")]
            _ => unreachable!("every variant is above"),
        }
    };
}

/// An [`NpyFile`] of the element type that the file has.
///
/// [`match`](#example) on it where few types matter, or do the same with all of them by
/// [`with_any!`](crate::with_any!). Files in the other byte order are opened as any other.
///
/// Byte strings and voids have no variant, because their lengths are part of their Rust types:
/// [`Bytes<N>`](crate::Bytes), [`Void<N>`](crate::Void). Neither have types that this crate does not
/// read: [`Error::UnsupportedDType`] names what was found, and [`Header::read`] tells of every file.
///
/// # Example
///
/// ```
/// use mmap_array::{AnyFile, Result};
///
/// /// Reads numbers as `f64`, whatever they are in the file.
/// fn read_numbers(path: &std::path::Path) -> Result<Vec<f64>> {
///     Ok(match AnyFile::open(path)? {
///         AnyFile::I16(file) => file.read()?.iter().map(|&x| f64::from(x)).collect(),
///         AnyFile::F32(file) => file.read()?.iter().map(|&x| f64::from(x)).collect(),
///         other => other.into_typed::<f64>()?.read()?.into_vec(),
///     })
/// }
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("a.npy");
/// # mmap_array::save(&path, &[1_i16, -2])?;
/// assert_eq!(read_numbers(&path)?, [1.0, -2.0]);
/// # let path = folder.path().join("b.npy");
/// # mmap_array::save(&path, &[1.5_f64])?;
/// # assert_eq!(read_numbers(&path)?, [1.5]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum AnyFile<A = ReadOnly> {
    /// NumPy's `bool`.
    Bool(NpyFile<Bool, A>),
    /// `int8`.
    I8(NpyFile<i8, A>),
    /// `int16`.
    I16(NpyFile<i16, A>),
    /// `int32`.
    I32(NpyFile<i32, A>),
    /// `int64`.
    I64(NpyFile<i64, A>),
    /// `uint8`.
    U8(NpyFile<u8, A>),
    /// `uint16`.
    U16(NpyFile<u16, A>),
    /// `uint32`.
    U32(NpyFile<u32, A>),
    /// `uint64`.
    U64(NpyFile<u64, A>),
    /// `float32`.
    F32(NpyFile<f32, A>),
    /// `float64`.
    F64(NpyFile<f64, A>),
}

/// A [`MmapArray`] of the element type that the file has: [`AnyFile`] mapped.
///
/// # Example
///
/// ```
/// use mmap_array::{AnyArray, with_any};
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("a.npy");
/// # mmap_array::save(&path, &[1_u16, 0, 5, 0])?;
///
/// // SAFETY: nobody else knows of this file.
/// let array = unsafe { AnyArray::open(&path)? };
/// assert_eq!((array.dtype().name(), array.shape()), ("uint16".to_owned(), &[4][..]));
/// let text = with_any!(AnyArray, &array, |typed| typed.to_string());
/// assert_eq!(text, "[1 0 5 0]");
///
/// let array = array.into_typed::<u16>()?;
/// assert_eq!(array.as_slice(), Some(&[1, 0, 5, 0][..]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum AnyArray<A = ReadOnly> {
    /// NumPy's `bool`.
    Bool(MmapArray<Bool, A>),
    /// `int8`.
    I8(MmapArray<i8, A>),
    /// `int16`.
    I16(MmapArray<i16, A>),
    /// `int32`.
    I32(MmapArray<i32, A>),
    /// `int64`.
    I64(MmapArray<i64, A>),
    /// `uint8`.
    U8(MmapArray<u8, A>),
    /// `uint16`.
    U16(MmapArray<u16, A>),
    /// `uint32`.
    U32(MmapArray<u32, A>),
    /// `uint64`.
    U64(MmapArray<u64, A>),
    /// `float32`.
    F32(MmapArray<f32, A>),
    /// `float64`.
    F64(MmapArray<f64, A>),
}

impl AnyFile {
    /// Opens an array to read by position, as [`NpyFile::open`] does.
    ///
    /// # Errors
    ///
    /// As [`NpyFile::open`], but [`Error::UnsupportedDType`] in place of [`Error::DTypeMismatch`].
    pub fn open(path: impl AsRef<Path>) -> Result<AnyFile<ReadOnly>> {
        OpenOptions::new().open_any_file(path)
    }

    /// Opens an array to read and write by position, as [`NpyFile::open_mut`] does.
    ///
    /// # Errors
    ///
    /// As [`NpyFile::open_mut`], but [`Error::UnsupportedDType`] in place of
    /// [`Error::DTypeMismatch`].
    pub fn open_mut(path: impl AsRef<Path>) -> Result<AnyFile<ReadWrite>> {
        OpenOptions::new().open_any_file_mut(path)
    }
}

impl<A: Access> AnyFile<A> {
    /// The length of each axis.
    #[must_use]
    pub fn shape(&self) -> &[usize] {
        with_any!(AnyFile, self, |file| file.shape())
    }

    /// The element type as the file has it, in the file's byte order.
    #[must_use]
    pub fn dtype(&self) -> &DType {
        self.header().dtype()
    }

    /// The storage order of the file.
    #[must_use]
    pub fn order(&self) -> Order {
        self.header().order()
    }

    /// The file's header.
    #[must_use]
    pub fn header(&self) -> &Header {
        with_any!(AnyFile, self, |file| file.header())
    }

    /// The path that the file was opened with.
    #[must_use]
    pub fn path(&self) -> &Path {
        with_any!(AnyFile, self, |file| file.path())
    }

    /// The file as an array of `T`, which must be the type of its variant. Costs nothing.
    ///
    /// # Errors
    ///
    /// [`Error::DTypeMismatch`]; the file is closed then. [`dtype`](Self::dtype) tells before.
    pub fn into_typed<T: Element>(self) -> Result<NpyFile<T, A>> {
        with_any!(AnyFile, self, |file| cast(file)
            .map_err(|file| mismatch::<T>(file.dtype(), file.path())))
    }
}

impl AnyArray {
    /// Maps an array to read, as [`MmapArray::open`] does.
    ///
    /// # Errors
    ///
    /// As [`MmapArray::open`], but [`Error::UnsupportedDType`] in place of [`Error::DTypeMismatch`].
    ///
    /// # Safety
    ///
    /// See [`MmapArray`](MmapArray#safety).
    pub unsafe fn open(path: impl AsRef<Path>) -> Result<AnyArray<ReadOnly>> {
        // SAFETY: the caller's promise is the one that is asked for.
        unsafe { OpenOptions::new().open_any(path) }
    }

    /// Maps an array to read and write, as [`MmapArray::open_mut`] does.
    ///
    /// # Errors
    ///
    /// As [`MmapArray::open_mut`], but [`Error::UnsupportedDType`] in place of
    /// [`Error::DTypeMismatch`].
    ///
    /// # Safety
    ///
    /// See [`MmapArray`](MmapArray#safety).
    pub unsafe fn open_mut(path: impl AsRef<Path>) -> Result<AnyArray<ReadWrite>> {
        // SAFETY: the caller's promise is the one that is asked for.
        unsafe { OpenOptions::new().open_any_mut(path) }
    }

    /// Maps an array to read, and to write in memory only, as [`MmapArray::open_cow`] does.
    ///
    /// # Errors
    ///
    /// As [`MmapArray::open_cow`], but [`Error::UnsupportedDType`] in place of
    /// [`Error::DTypeMismatch`].
    ///
    /// # Safety
    ///
    /// See [`MmapArray`](MmapArray#safety).
    pub unsafe fn open_cow(path: impl AsRef<Path>) -> Result<AnyArray<CopyOnWrite>> {
        // SAFETY: the caller's promise is the one that is asked for.
        unsafe { OpenOptions::new().open_any_cow(path) }
    }
}

impl<A: Access> AnyArray<A> {
    /// The length of each axis.
    #[must_use]
    pub fn shape(&self) -> &[usize] {
        with_any!(AnyArray, self, |array| array.shape())
    }

    /// The element type as the file has it.
    #[must_use]
    pub fn dtype(&self) -> &DType {
        self.header().dtype()
    }

    /// The storage order of the file.
    #[must_use]
    pub fn order(&self) -> Order {
        self.header().order()
    }

    /// The file's header.
    #[must_use]
    pub fn header(&self) -> &Header {
        with_any!(AnyArray, self, |array| array.header())
    }

    /// The path that the file was opened with.
    #[must_use]
    pub fn path(&self) -> &Path {
        with_any!(AnyArray, self, |array| array.path())
    }

    /// The array as one of `T`, which must be the type of its variant. Costs nothing.
    ///
    /// # Errors
    ///
    /// [`Error::DTypeMismatch`]; the array is closed then. [`dtype`](Self::dtype) tells before.
    pub fn into_typed<T: Element>(self) -> Result<MmapArray<T, A>> {
        with_any!(AnyArray, self, |array| cast(array)
            .map_err(|array| mismatch::<T>(array.dtype(), array.path())))
    }
}

/// `from` itself, where it is a `G`.
fn cast<F: 'static, G: 'static>(from: F) -> Result<G, F> {
    let mut place = Some(from);
    if let Some(found) = (&mut place as &mut dyn Any).downcast_mut::<Option<G>>() {
        return Ok(found.take().expect("it was put there"));
    }
    Err(place.expect("it was put there"))
}

/// Arrays of any element type.
impl OpenOptions {
    /// Opens an array of any element type to read by position.
    ///
    /// # Errors
    ///
    /// As [`AnyFile::open`].
    pub fn open_any_file(&self, path: impl AsRef<Path>) -> Result<AnyFile<ReadOnly>> {
        let path = path.as_ref();
        any_file(self.open_untyped(path, false, self.reader())?, path)
    }

    /// Opens an array of any element type to read and write by position.
    ///
    /// # Errors
    ///
    /// As [`AnyFile::open_mut`].
    pub fn open_any_file_mut(&self, path: impl AsRef<Path>) -> Result<AnyFile<ReadWrite>> {
        let path = path.as_ref();
        any_file(self.open_untyped(path, true, self.writer())?, path)
    }

    /// Maps an array of any element type to read.
    ///
    /// # Errors
    ///
    /// As [`AnyArray::open`].
    ///
    /// # Safety
    ///
    /// See [`MmapArray`](MmapArray#safety).
    pub unsafe fn open_any(&self, path: impl AsRef<Path>) -> Result<AnyArray<ReadOnly>> {
        let path = path.as_ref();
        let opened = self.open_untyped(path, false, self.mapped_reader())?;
        // SAFETY: the caller's promise is the one that is asked for.
        unsafe { self.map_any(any_file::<ReadOnly>(opened, path)?, MapMode::Read) }
    }

    /// Maps an array of any element type to read and write.
    ///
    /// # Errors
    ///
    /// As [`AnyArray::open_mut`].
    ///
    /// # Safety
    ///
    /// See [`MmapArray`](MmapArray#safety).
    pub unsafe fn open_any_mut(&self, path: impl AsRef<Path>) -> Result<AnyArray<ReadWrite>> {
        let file = self.open_any_file_mut(path)?;
        // SAFETY: the caller's promise is the one that is asked for.
        unsafe { self.map_any(file, MapMode::Write) }
    }

    /// Maps an array of any element type to read, and to write in memory only.
    ///
    /// # Errors
    ///
    /// As [`AnyArray::open_cow`].
    ///
    /// # Safety
    ///
    /// See [`MmapArray`](MmapArray#safety).
    pub unsafe fn open_any_cow(&self, path: impl AsRef<Path>) -> Result<AnyArray<CopyOnWrite>> {
        let path = path.as_ref();
        let opened = self.open_untyped(path, false, self.mapped_reader())?;
        // SAFETY: the caller's promise is the one that is asked for.
        unsafe { self.map_any(any_file::<ReadOnly>(opened, path)?, MapMode::Copy) }
    }

    /// Maps an open file of any element type.
    ///
    /// # Safety
    ///
    /// See [`MmapArray`](MmapArray#safety).
    unsafe fn map_any<A: Access, B: Access>(
        &self,
        file: AnyFile<A>,
        mode: MapMode,
    ) -> Result<AnyArray<B>> {
        // SAFETY: the caller's promise is the one that is asked for.
        Ok(unsafe {
            match file {
                AnyFile::Bool(file) => AnyArray::Bool(self.map(file, mode)?),
                AnyFile::I8(file) => AnyArray::I8(self.map(file, mode)?),
                AnyFile::I16(file) => AnyArray::I16(self.map(file, mode)?),
                AnyFile::I32(file) => AnyArray::I32(self.map(file, mode)?),
                AnyFile::I64(file) => AnyArray::I64(self.map(file, mode)?),
                AnyFile::U8(file) => AnyArray::U8(self.map(file, mode)?),
                AnyFile::U16(file) => AnyArray::U16(self.map(file, mode)?),
                AnyFile::U32(file) => AnyArray::U32(self.map(file, mode)?),
                AnyFile::U64(file) => AnyArray::U64(self.map(file, mode)?),
                AnyFile::F32(file) => AnyArray::F32(self.map(file, mode)?),
                AnyFile::F64(file) => AnyArray::F64(self.map(file, mode)?),
            }
        })
    }
}

/// An open file as the variant of its element type: the one place where a type that is known only
/// now becomes one that the compiler knows.
fn any_file<A: Access>(opened: Opened, path: &Path) -> Result<AnyFile<A>> {
    let dtype = opened.header.dtype();
    Ok(match (dtype.kind(), dtype.item_size()) {
        (Kind::Bool, 1) => AnyFile::Bool(opened.typed(path)?),
        (Kind::Int, 1) => AnyFile::I8(opened.typed(path)?),
        (Kind::Int, 2) => AnyFile::I16(opened.typed(path)?),
        (Kind::Int, 4) => AnyFile::I32(opened.typed(path)?),
        (Kind::Int, 8) => AnyFile::I64(opened.typed(path)?),
        (Kind::UInt, 1) => AnyFile::U8(opened.typed(path)?),
        (Kind::UInt, 2) => AnyFile::U16(opened.typed(path)?),
        (Kind::UInt, 4) => AnyFile::U32(opened.typed(path)?),
        (Kind::UInt, 8) => AnyFile::U64(opened.typed(path)?),
        (Kind::Float, 4) => AnyFile::F32(opened.typed(path)?),
        (Kind::Float, 8) => AnyFile::F64(opened.typed(path)?),
        _ => {
            let found = describe(dtype);
            return Err(Error::UnsupportedDType { path: path.to_path_buf(), found });
        }
    })
}
