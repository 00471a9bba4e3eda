//! [`StackInfo`]: what the file `info` of an npy-stack says.

use std::path::{Path, PathBuf};

use super::pickle::{Item, Pickle, excerpt};
use crate::error::{Error, Result};
use crate::layout::{Layout, MAX_NDIM, Order};
use crate::npy::DType;
use crate::storage;

/// Bytes of an `info` that are read: enough for some 200,000 files.
const MAX_LEN: usize = 1 << 20;

const CONTENT: &str = "a dictionary with 'chunks', 'dtype' and 'axis', each once";
const CHUNKS: &str =
    "'chunks' with the lengths of the files along the axis, and one for each other";
const AXIS: &str = "'axis' to be the number of an axis";
const DTYPE: &str = "'dtype' to be a dtype or its name";
const SIZE: &str = "at most 1 MiB";

/// What the file `info` of a Dask npy-stack says: which shape the whole has, along which axis its
/// files follow each other, and how long each is.
///
/// That file is a Python pickle, which can be any program. Here nothing in it is run: what is not a
/// plain dictionary of numbers, strings and a NumPy dtype is refused. (Dask runs it: open there only
/// what you trust.)
///
/// [`Stack`](crate::Stack) reads and writes it. It is of use alone where the files `0.npy`,
/// `1.npy`, ... come from elsewhere, or are too many to be open at once:
///
/// ```
/// use mmap_array::{Array, DType, Stack, StackInfo};
/// # let folder = tempfile::tempdir()?;
/// # let path = |name: &str| folder.path().join(name);
///
/// for year in 0..3 {
///     mmap_array::save(path(&format!("{year}.npy")), &Array::from_vec([2, 2], vec![year; 4])?)?;
/// }
/// let info = StackInfo::new([6, 2], 0, [2, 2, 2])?;
/// std::fs::write(path("info"), info.to_bytes(&DType::of::<i32>())?)?;
///
/// let stack = Stack::<i32>::open_npy_stack(folder.path())?;
/// assert_eq!(stack.read_window([1..3, 0..1])?.as_slice(), [0, 1]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StackInfo {
    shape: Vec<usize>,
    axis: usize,
    lens: Vec<usize>,
}

impl StackInfo {
    /// The info of an array of this shape whose files have these lengths along `axis`.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidAxis`] where there is no such axis, or where the lengths are none or do not
    /// sum up to its own; [`Error::ShapeOverflow`]; [`Error::TooManyAxes`].
    pub fn new(
        shape: impl AsRef<[usize]>,
        axis: usize,
        lens: impl AsRef<[usize]>,
    ) -> Result<StackInfo> {
        let (shape, lens) = (shape.as_ref(), lens.as_ref());
        Layout::new(shape, Order::C)?;
        let Some(&whole) = shape.get(axis) else {
            return Err(Error::InvalidAxis { axis, problem: "the array has no such axis" });
        };
        let sum = lens.iter().try_fold(0_usize, |sum, &len| sum.checked_add(len));
        if lens.is_empty() || sum != Some(whole) {
            let problem = "the lengths of the files must sum up to that of the axis";
            return Err(Error::InvalidAxis { axis, problem });
        }
        Ok(StackInfo { shape: shape.to_vec(), axis, lens: lens.to_vec() })
    }

    /// The same with `rows` indices in each file, fewer in the last.
    pub(super) fn of_rows(shape: &[usize], axis: usize, rows: usize) -> Result<StackInfo> {
        let whole = shape.get(axis).copied().unwrap_or(0);
        if rows == 0 {
            return Err(Error::InvalidAxis { axis, problem: "a file needs at least one row" });
        }
        let count = whole.div_ceil(rows).max(1);
        if count > MAX_LEN / "I1\n".len() {
            let problem = "more files than an npy-stack can have: take more rows for each";
            return Err(Error::InvalidAxis { axis, problem });
        }
        let lens: Vec<usize> = (0..count).map(|file| rows.min(whole - file * rows)).collect();
        StackInfo::new(shape, axis, lens)
    }

    /// Reads the `info` of a directory.
    ///
    /// # Errors
    ///
    /// [`Error::Io`], [`Error::NotRegular`], and as [`parse`](Self::parse).
    pub fn read(dir: impl AsRef<Path>) -> Result<StackInfo> {
        let path = dir.as_ref().join("info");
        let (file, len) = storage::open_regular(&path, false)?;
        // One more than is allowed, so that `parse` sees that there are more.
        let mut bytes = vec![0; len.min(MAX_LEN as u64 + 1) as usize];
        let count = storage::read_at(&file, &path, &mut bytes, 0)?;
        StackInfo::parse(&bytes[..count]).map_err(|error| error.with_path(&path))
    }

    /// Reads the bytes of an `info`: a pickle of protocol 0 to 5, as Dask writes it, with the dtype
    /// as a NumPy dtype or as a string. Bytes behind the pickle are left alone.
    ///
    /// # Errors
    ///
    /// [`Error::StackInfo`] where it holds anything else, has more than 1 MiB, or means no array;
    /// [`Error::ShapeOverflow`].
    pub fn parse(bytes: &[u8]) -> Result<StackInfo> {
        if bytes.len() > MAX_LEN {
            let (path, at, found) = (PathBuf::new(), MAX_LEN as u64, "more".to_owned());
            return Err(Error::StackInfo { path, at, found, expected: SIZE });
        }
        let (pickle, item) = Pickle::read(bytes)?;
        let Item::Dict(dict) = item else { return Err(pickle.broken(CONTENT)) };
        let [mut chunks, mut dtype, mut axis] = [None; 3];
        for pair in pickle.items(dict).chunks_exact(2) {
            let Item::Str(start, end) = pair[0] else { return Err(pickle.broken(CONTENT)) };
            let key = pickle.text(start, end);
            let place = match key {
                b"chunks" => &mut chunks,
                b"dtype" => &mut dtype,
                b"axis" => &mut axis,
                _ => return Err(pickle.unexpected(format!("'{}'", excerpt(key)), CONTENT)),
            };
            if place.replace(pair[1]).is_some() {
                return Err(pickle.unexpected(format!("'{}' twice", excerpt(key)), CONTENT));
            }
        }
        let (Some(chunks), Some(dtype), Some(axis)) = (chunks, dtype, axis) else {
            return Err(pickle.broken(CONTENT));
        };
        if !matches!(dtype, Item::DType | Item::Str(..)) {
            return Err(pickle.unexpected("something else".to_owned(), DTYPE));
        }
        let Item::Sequence(chunks) = chunks else { return Err(pickle.broken(CHUNKS)) };
        from_chunks(&pickle, pickle.items(chunks), axis)
    }

    /// The length of each axis of the whole.
    #[must_use]
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The axis along which the files follow each other.
    #[must_use]
    pub fn axis(&self) -> usize {
        self.axis
    }

    /// The length of each file along the axis.
    #[must_use]
    pub fn lens(&self) -> &[usize] {
        &self.lens
    }

    /// The shape of a file.
    pub(super) fn shape_of(&self, file: usize) -> Vec<usize> {
        let mut shape = self.shape.clone();
        shape[self.axis] = self.lens[file];
        shape
    }

    /// The bytes of an `info` with this element type, which Python can unpickle without NumPy: a
    /// pickle of protocol 0, with the dtype as a string.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidDType`] where the type has no short name, as `<f4`, because it has fields or
    /// is a sub-array.
    pub fn to_bytes(&self, dtype: &DType) -> Result<Vec<u8>> {
        let descr = dtype.to_string();
        if !descr.starts_with(['<', '>', '|']) {
            let problem = "the info of an npy-stack names element types without fields only";
            return Err(Error::InvalidDType { path: PathBuf::new(), descr, problem });
        }
        let mut text = "(Vchunks\n(".to_owned();
        for (axis, &len) in self.shape.iter().enumerate() {
            let lens = if axis == self.axis { &self.lens[..] } else { &[len] };
            text.push('(');
            text.extend(lens.iter().map(|len| format!("I{len}\n")));
            text.push('t');
        }
        let axis = self.axis;
        text.push_str(&format!("tVdtype\nV{descr}\nVaxis\nI{axis}\nd."));
        Ok(text.into_bytes())
    }
}

/// What the values of the dictionary mean.
fn from_chunks(pickle: &Pickle<'_>, chunks: &[Item], axis: Item) -> Result<StackInfo> {
    let ndim = chunks.len();
    if ndim > MAX_NDIM {
        return Err(Error::TooManyAxes { path: PathBuf::new(), found: ndim });
    }
    let Item::Int(number) = axis else {
        return Err(pickle.unexpected("something else".to_owned(), AXIS));
    };
    // As Dask has it: -1 is the last.
    let axis = if number < 0 { number.checked_add(ndim as i64) } else { Some(number) };
    let axis = axis.and_then(|axis| usize::try_from(axis).ok()).filter(|&axis| axis < ndim);
    let axis = axis.ok_or_else(|| pickle.unexpected(format!("{number} of {ndim} axes"), AXIS))?;

    let (mut shape, mut lens) = (Vec::new(), Vec::new());
    for (number, &chunk) in chunks.iter().enumerate() {
        let Item::Sequence(chunk) = chunk else { return Err(pickle.broken(CHUNKS)) };
        let chunk = pickle.items(chunk);
        if chunk.is_empty() || number != axis && chunk.len() != 1 {
            let found = format!("{} lengths for axis {number}", chunk.len());
            return Err(pickle.unexpected(found, CHUNKS));
        }
        let mut sum = 0_usize;
        for &len in chunk {
            let Item::Int(len) = len else { return Err(pickle.broken(CHUNKS)) };
            let Some(len) = usize::try_from(len).ok() else {
                return Err(pickle.unexpected(format!("length {len}"), CHUNKS));
            };
            let total = sum.checked_add(len);
            sum = total.ok_or_else(|| pickle.unexpected(format!("length {len}"), CHUNKS))?;
            if number == axis {
                lens.push(len);
            }
        }
        shape.push(sum);
    }
    StackInfo::new(shape, axis, lens)
}
