//! [`Raw`]: where an array lies in a file that says nothing about it. Numbers in, a [`Header`] out;
//! no file is touched.

use std::path::Path;

use crate::element::Element;
use crate::error::{Error, Result};
use crate::layout::Order;
use crate::npy::{DType, Header};

/// An array without a header, somewhere in a file of any kind: element type, shape, order and
/// place, as they are given to `np.memmap`.
///
/// Handed to [`OpenOptions::raw`](crate::OpenOptions::raw), after which every door works as for an
/// `.npy` file: by position in either byte order and at any byte; mapped in this machine's byte
/// order and at a multiple of the element type's alignment. What lies before and behind the array
/// is never touched. The array's [`header`](crate::NpyFile::header) says what was asked for; its
/// [`data_start`](Header::data_start) is the offset, and [`is_raw`](Header::is_raw) is true.
///
/// Nothing in the file says whether it is what it is taken for. What can be checked is its length:
/// it must hold the whole array, and more may follow.
///
/// # Example
///
/// Two channels of 16 bits in a sound file, of as many samples as it has:
///
/// ```
/// use mmap_array::{OpenOptions, Raw, s};
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("a.wav");
/// # std::fs::write(&path, [&[0; 44][..], &[1, 0, 2, 0, 3, 0, 4, 0]].concat())?;
///
/// let samples = Raw::new("<i2".parse()?, [0, 2]).offset(44).infer_axis(0);
/// let file = OpenOptions::new().raw(samples).open_file::<i16>(&path)?;
/// assert_eq!(file.shape(), [2, 2]);
/// assert_eq!(file.read_slice(s![.., 1])?.as_slice(), [2, 4]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// A new file of elements alone, as `tofile` writes it:
///
/// ```
/// use mmap_array::{Array, OpenOptions, Raw};
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("a.bin");
///
/// let array = Array::from_vec([2, 2], vec![1_u8, 2, 3, 4])?;
/// OpenOptions::new().raw(Raw::of::<u8>([2, 2])).save(&path, &array)?;
/// assert_eq!(std::fs::read(&path)?, [1, 2, 3, 4]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
#[must_use = "it says where an array is, and opens nothing: give it to `OpenOptions::raw`"]
pub struct Raw {
    dtype: DType,
    shape: Vec<usize>,
    order: Order,
    offset: u64,
    inferred: Option<usize>,
}

impl Raw {
    /// Elements of type `dtype`, which has the byte order, in this shape: in C order, from the
    /// file's first byte on.
    pub fn new(dtype: DType, shape: impl AsRef<[usize]>) -> Raw {
        let shape = shape.as_ref().to_vec();
        Raw { dtype, shape, order: Order::C, offset: 0, inferred: None }
    }

    /// The same for elements of type `T`, in this machine's byte order.
    pub fn of<T: Element>(shape: impl AsRef<[usize]>) -> Raw {
        Raw::new(T::dtype(), shape)
    }

    /// The storage order; C by default.
    pub const fn order(mut self, order: Order) -> Raw {
        self.order = order;
        self
    }

    /// The byte of the file at which the array starts; the first by default.
    pub const fn offset(mut self, bytes: u64) -> Raw {
        self.offset = bytes;
        self
    }

    /// Takes the length along one axis from the length of the file: the array ends where the file
    /// does. What the shape says of this axis has no meaning then.
    ///
    /// Opening fails with [`Error::RawRemainder`] where the file does not end with a whole index of
    /// the axis, and with [`Error::InvalidAxis`] where the shape has no such axis, or another one
    /// of length 0. Creating takes the length from the shape that it is given.
    pub const fn infer_axis(mut self, axis: usize) -> Raw {
        self.inferred = Some(axis);
        self
    }

    /// The header that would say what is known of this array in a file of `file_len` bytes. Whether
    /// the file is long enough is left to the caller.
    pub(crate) fn header_in(&self, path: &Path, file_len: u64) -> Result<Header> {
        let Some(axis) = self.inferred else {
            return self.header_for(path, self.shape.clone());
        };
        let mut shape = self.shape.clone();
        self.set_inferred(&mut shape, 1)?;
        let unit = self.header_for(path, shape.clone())?.byte_len();
        if unit == 0 {
            let problem = "its length cannot be inferred beside another axis of length 0";
            return Err(Error::InvalidAxis { axis, problem });
        }
        let (path_buf, offset) = (path.to_path_buf(), self.offset);
        let Some(rest) = file_len.checked_sub(offset) else {
            return Err(Error::RawTooShort {
                path: path_buf,
                offset,
                byte_len: 0,
                found: file_len,
            });
        };
        if rest % unit != 0 {
            return Err(Error::RawRemainder { path: path_buf, offset, rest, unit, axis });
        }
        let Ok(len) = usize::try_from(rest / unit) else {
            let mut shape: Vec<u64> = shape.iter().map(|&len| len as u64).collect();
            shape[axis] = rest / unit;
            let item_size = self.dtype.item_size();
            return Err(Error::ShapeOverflow { path: path_buf, shape, item_size });
        };
        shape[axis] = len;
        self.header_for(path, shape)
    }

    /// The same for a new file of this shape, which must be the one that was said already, but for
    /// the inferred axis.
    pub(crate) fn header_of_new(&self, path: &Path, shape: &[usize]) -> Result<Header> {
        let mut expected = self.shape.clone();
        if let Some(axis) = self.inferred {
            self.set_inferred(&mut expected, shape.get(axis).copied().unwrap_or(0))?;
        }
        if expected != shape {
            return Err(Error::ShapeMismatch { expected, found: shape.to_vec() });
        }
        self.header_for(path, expected)
    }

    fn set_inferred(&self, shape: &mut [usize], len: usize) -> Result<()> {
        let Some(axis) = self.inferred else { return Ok(()) };
        let problem = "the raw array has no such axis whose length could be inferred";
        *shape.get_mut(axis).ok_or(Error::InvalidAxis { axis, problem })? = len;
        Ok(())
    }

    fn header_for(&self, path: &Path, shape: Vec<usize>) -> Result<Header> {
        let header = Header::of_raw(self.dtype.clone(), shape, self.order, self.offset);
        header.map_err(|error| error.with_path(path))
    }
}

/// Arrays without a header.
#[cfg(test)]
mod tests {
    use super::*;

    fn shape(raw: &Raw, file_len: u64) -> Result<Vec<usize>> {
        Ok(raw.header_in(Path::new("a.bin"), file_len)?.shape().to_vec())
    }

    #[test]
    fn the_length_of_any_axis_comes_from_the_length_of_the_file() {
        let raw = Raw::of::<u16>([99, 3, 5]).offset(7);
        assert_eq!(shape(&raw, 0).unwrap(), [99, 3, 5]);
        assert_eq!(shape(&raw.clone().infer_axis(0), 7 + 4 * 30).unwrap(), [4, 3, 5]);
        assert_eq!(shape(&raw.clone().infer_axis(0), 7).unwrap(), [0, 3, 5]);
        assert_eq!(shape(&raw.clone().infer_axis(1), 7 + 990 * 2).unwrap(), [99, 2, 5]);
        assert_eq!(shape(&raw.infer_axis(2), 7 + 594 * 8).unwrap(), [99, 3, 8]);
    }

    #[test]
    fn what_is_left_over_is_named_in_numbers() {
        let raw = Raw::of::<u16>([0, 3, 5]).offset(7).infer_axis(0);
        let error = shape(&raw, 100).unwrap_err();
        assert_eq!(
            error.to_string(),
            "\"a.bin\" has 93 bytes from byte 7 on, which is no multiple of 30, the bytes of one \
             index of axis 0: 3 are left over; check element type, shape and offset, or give all \
             lengths"
        );
        let error = shape(&raw, 6).unwrap_err();
        assert!(matches!(error, Error::RawTooShort { offset: 7, found: 6, .. }), "{error}");
    }

    #[test]
    fn an_axis_that_is_not_there_or_has_no_bytes_has_no_length_to_infer() {
        let missing = Raw::of::<u16>([3, 5]).infer_axis(2);
        let empty = Raw::of::<u16>([3, 0]).infer_axis(0);
        let point = Raw::of::<u16>([]).infer_axis(0);
        for (raw, wrong) in [(missing, 2), (empty, 0), (point, 0)] {
            let error = shape(&raw, 60).unwrap_err();
            assert!(matches!(error, Error::InvalidAxis { axis, .. } if axis == wrong), "{error}");
        }
    }

    #[test]
    fn shapes_that_cannot_be_counted_are_refused_before_any_length_is_looked_at() {
        for raw in [
            Raw::of::<u16>([usize::MAX, 3]),
            Raw::of::<u16>([usize::MAX, 3]).infer_axis(1),
            Raw::of::<f64>([usize::MAX / 4, 5, 0]),
        ] {
            let error = shape(&raw, 60).unwrap_err();
            assert!(matches!(error, Error::ShapeOverflow { .. }), "{error}");
            assert!(error.to_string().contains("a.bin"), "{error}");
        }
        let error = shape(&Raw::new("|V0".parse().unwrap(), [3]), 60).unwrap_err();
        assert!(matches!(error, Error::InvalidDType { .. }), "{error}");
        let error = shape(&Raw::of::<u8>([1; 65]), 60).unwrap_err();
        assert!(matches!(error, Error::TooManyAxes { found: 65, .. }), "{error}");
    }
}
