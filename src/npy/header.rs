//! [`Header`]: the start of an `.npy` file, read from bytes and written as NumPy writes it.
//!
//! Reading has two steps, so that nothing is allocated because a file claims a length:
//! [`prefix`] looks at the first 12 bytes and says where the data starts, once version, limit and
//! file length allow it; then [`Header::parse`] reads that many bytes.

use std::fmt;
use std::path::PathBuf;

use super::descr;
use super::dtype::{DType, invalid};
use super::kind::Kind;
use super::literal::{self, Node, Source, Value};
use super::text;
use crate::error::{Error, Result};
use crate::layout::{Layout, MAX_NDIM, Order};

const MAGIC: &[u8] = b"\x93NUMPY";
/// Bytes of magic and version.
const VERSION_END: usize = 8;
/// NumPy starts the data at multiples of this, since version 1.14.
const ALIGN: usize = 64;
/// NumPy leaves room for this many digits in the axis along which a file can grow.
const GROWTH_DIGITS: usize = 21;
/// No limit goes beyond this: any header up to here, written out again, stays below 4 GiB.
const MAX_LEN: u64 = 64 << 20;
const SHAPE: &str = "a tuple of whole numbers";

/// What an `.npy` file says about its data: element type, shape, order, and where the data is.
/// For a [raw](crate::Raw) array, what its user says.
///
/// # Example
///
/// ```
/// use mmap_array::{DType, Header, Order};
///
/// let header = Header::new(DType::float(8), [240, 37, 49], Order::C)?;
/// let bytes = header.to_bytes(); // exactly NumPy's
/// assert_eq!(Header::parse(&bytes)?, header);
/// assert_eq!(header.data_start(), 128);
/// # Ok::<(), mmap_array::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Header {
    dtype: DType,
    shape: Vec<usize>,
    order: Order,
    version: (u8, u8),
    data_start: u64,
    byte_len: u64,
}

/// What the first bytes of a file tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Prefix {
    pub(crate) version: (u8, u8),
    /// Bytes up to the data: magic, version, length and text.
    pub(crate) data_start: u64,
    /// Bytes up to the text.
    text_start: usize,
}

/// Reads a file's first bytes: 12 of them, or all if the file is shorter.
///
/// After `Ok` the header is within `limit` and within the file, so `data_start` bytes may be
/// allocated and read.
pub(crate) fn prefix(first: &[u8], file_len: u64, limit: u64) -> Result<Prefix> {
    let truncated = |expected: u64| {
        // A file that shrank since it was measured has fewer bytes than it says.
        let found = file_len.min(expected - 1);
        Error::HeaderTruncated { path: PathBuf::new(), expected, found }
    };
    let known = first.len().min(MAGIC.len());
    if first.is_empty() || first[..known] != MAGIC[..known] {
        return Err(Error::HeaderMagic { path: PathBuf::new(), found: guess(first) });
    }
    let &[.., major, minor] = first.get(..VERSION_END).ok_or_else(|| truncated(10))? else {
        unreachable!("a slice of eight bytes has a last one")
    };
    let text_start = match (major, minor) {
        (1, 0) => 10,
        (2 | 3, 0) => 12,
        _ => return Err(Error::HeaderVersion { path: PathBuf::new(), major, minor }),
    };
    let len = first.get(VERSION_END..text_start).ok_or_else(|| truncated(text_start as u64))?;
    // Little-endian, of two or four bytes.
    let len = len.iter().rev().fold(0, |number, &byte| number << 8 | u64::from(byte));
    let limit = limit.min(MAX_LEN);
    if len > limit {
        return Err(Error::HeaderTooLong { path: PathBuf::new(), len, limit });
    }
    let data_start = text_start as u64 + len;
    if data_start > file_len {
        return Err(truncated(data_start));
    }
    Ok(Prefix { version: (major, minor), data_start, text_start })
}

/// What a file that is no `.npy` file might be.
#[cold]
fn guess(first: &[u8]) -> String {
    let words = match first {
        [] => return String::new(),
        [b'P', b'K', ..] => {
            " (a zip archive, perhaps .npz: unpack it, or save its arrays one by one in Python, \
             from `np.load(...)['name']`)"
        }
        [0x89, b'H', b'D', b'F', ..] => " (an HDF5 file: save its arrays from h5py)",
        [0x80, 2..=5, ..] => " (a Python pickle: save its array with `np.save`)",
        [0x1F, 0x8B, ..] => " (a gzip file: unpack it)",
        _ => "",
    };
    format!("\"{}\"{words}", literal::escape(&first[..first.len().min(8)]))
}

impl Header {
    /// Bytes of text that a header may have where nothing else is asked for: 1 MiB.
    ///
    /// NumPy's own limit is 10,000 characters.
    pub const DEFAULT_MAX_LEN: usize = 1 << 20;

    /// The header that NumPy would write for such an array.
    ///
    /// # Errors
    ///
    /// [`TooManyAxes`](Error::TooManyAxes) and [`ShapeOverflow`](Error::ShapeOverflow) for shapes
    /// that no file can have, [`ObjectDType`](Error::ObjectDType) for Python objects, and
    /// [`InvalidDType`](Error::InvalidDType) for elements of no size, for a description of more
    /// than [`DEFAULT_MAX_LEN`](Self::DEFAULT_MAX_LEN) bytes, and for sub-arrays outside structs:
    /// NumPy does not load them.
    pub fn new(dtype: DType, shape: impl AsRef<[usize]>, order: Order) -> Result<Header> {
        let shape = shape.as_ref().to_vec();
        if dtype.kind() == Kind::SubArray {
            let problem = "NumPy loads no file of sub-arrays: give the array more axes instead";
            return Err(invalid(short(&dtype), problem));
        }
        let mut header = Header::checked(dtype, shape, order)?;
        let bytes = header.to_bytes();
        if bytes.len() > Header::DEFAULT_MAX_LEN {
            return Err(invalid(short(&header.dtype), "it is too long for a header"));
        }
        header.version = (bytes[6], bytes[7]);
        header.data_start = bytes.len() as u64;
        Ok(header)
    }

    /// What a header would say of an array at byte `offset` of a file that has none.
    pub(crate) fn of_raw(
        dtype: DType,
        shape: Vec<usize>,
        order: Order,
        offset: u64,
    ) -> Result<Header> {
        Ok(Header { data_start: offset, ..Header::checked(dtype, shape, order)? })
    }

    /// A header without version and place.
    fn checked(dtype: DType, shape: Vec<usize>, order: Order) -> Result<Header> {
        if dtype.has_objects() {
            return Err(Error::ObjectDType { path: PathBuf::new(), descr: short(&dtype) });
        }
        if dtype.item_size() == 0 {
            let problem = "elements of no size cannot be stored: give them at least one byte";
            return Err(invalid(short(&dtype), problem));
        }
        let item_size = dtype.item_size();
        let layout = Layout::new(&shape, order).map_err(|error| match error {
            Error::ShapeOverflow { path, shape, .. } => {
                Error::ShapeOverflow { path, shape, item_size }
            }
            other => other,
        })?;
        let byte_len = layout.byte_len(item_size)?;
        Ok(Header { dtype, shape, order, version: (0, 0), data_start: 0, byte_len })
    }

    /// Reads a header from the beginning of a file; `bytes` must hold at least all of it.
    ///
    /// Everything that NumPy writes is taken, in versions 1.0, 2.0 and 3.0, from Python 2 as
    /// well, with any padding and alignment. The text may have
    /// [`DEFAULT_MAX_LEN`](Self::DEFAULT_MAX_LEN) bytes.
    ///
    /// # Errors
    ///
    /// The `Header..` variants of [`Error`] where the bytes are no valid header,
    /// [`InvalidDType`](Error::InvalidDType) and [`ObjectDType`](Error::ObjectDType) where the
    /// elements cannot be read, [`TooManyAxes`](Error::TooManyAxes) and
    /// [`ShapeOverflow`](Error::ShapeOverflow) where the shape is beyond what can be counted.
    pub fn parse(bytes: &[u8]) -> Result<Header> {
        Header::parse_with_limit(bytes, Header::DEFAULT_MAX_LEN as u64)
    }

    /// [`parse`](Self::parse) with another limit, which is capped at 64 MiB.
    pub(crate) fn parse_with_limit(bytes: &[u8], limit: u64) -> Result<Header> {
        let Prefix { version, data_start, text_start } = prefix(bytes, bytes.len() as u64, limit)?;
        // `prefix` made sure that the bytes are there.
        let text = &bytes[text_start..data_start as usize];
        if let Some((dtype, order, shape)) = usual(text) {
            return Ok(Header { version, data_start, ..Header::checked(dtype, shape, order)? });
        }
        let source = Source { bytes: text, start: text_start as u64, version_3: version.0 == 3 };
        let [descr, order, shape] = values(&source)?;
        let dtype = descr::from_node(&descr, &source)?;
        let order = match order.value {
            Value::Bool(true) => Order::Fortran,
            Value::Bool(false) => Order::C,
            _ => return Err(source.broken(order.at, "True or False")),
        };
        let shape = lengths(&shape, &source, dtype.item_size())?;
        Ok(Header { version, data_start, ..Header::checked(dtype, shape, order)? })
    }

    /// The header as NumPy writes it, byte for byte, in the oldest version that can hold it.
    ///
    /// A header that was read from elsewhere may come out in another length or version.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        self.to_bytes_aligned(ALIGN)
    }

    /// [`to_bytes`](Self::to_bytes) with a length that is a multiple of `align`, a power of two up
    /// to 1 GiB. NumPy itself loads no header of more than 10,000 characters.
    pub(crate) fn to_bytes_aligned(&self, align: usize) -> Vec<u8> {
        debug_assert!(align.is_power_of_two() && align <= 1 << 30);
        let text = self.text();
        if text.chars().any(|c| c > '\u{FF}') {
            return wrap(text.as_bytes(), 3, align);
        }
        let latin_1: Vec<u8> = text.chars().map(|c| c as u8).collect();
        let short = wrap(&latin_1, 1, align);
        if short.len() - 10 <= usize::from(u16::MAX) { short } else { wrap(&latin_1, 2, align) }
    }

    /// The dictionary, and blanks for the axis that may grow.
    fn text(&self) -> String {
        let mut text = self.dictionary();
        if let Some(axis) = self.order.slowest_axis(self.shape.len()) {
            let digits = self.shape[axis].checked_ilog10().unwrap_or(0) as usize + 1;
            text.extend((digits..GROWTH_DIGITS).map(|_| ' '));
        }
        text
    }

    fn dictionary(&self) -> String {
        format!(
            "{{'descr': {}, 'fortran_order': {}, 'shape': {}, }}",
            self.dtype.repr(),
            if self.order == Order::Fortran { "True" } else { "False" },
            Tuple(&self.shape),
        )
    }

    /// The header of an array that has `rows` indices along its slowest axis and is the same
    /// otherwise, at the same place in the file.
    pub(crate) fn with_rows(&self, rows: usize) -> Result<Header> {
        let mut shape = self.shape.clone();
        if let Some(axis) = self.order.slowest_axis(shape.len()) {
            shape[axis] = rows;
        }
        let header = Header::checked(self.dtype.clone(), shape, self.order)?;
        Ok(Header { version: self.version, data_start: self.data_start, ..header })
    }

    /// The header in just the bytes that lie before the data, in the version that the file has; the
    /// number of bytes that it needs where that is more.
    pub(crate) fn to_bytes_in_place(&self) -> Result<Vec<u8>, u64> {
        let text_start = if self.version.0 == 1 { 10 } else { 12 };
        let dictionary = self.dictionary();
        let text: Vec<u8> = match self.version.0 {
            3 => dictionary.into_bytes(),
            // What was read from such a file has no other letters.
            _ => dictionary.chars().map(|c| c as u8).collect(),
        };
        let needed = (text_start + text.len() + 1) as u64;
        if needed > self.data_start {
            return Err(needed);
        }
        let len = self.data_start as usize;
        let mut bytes = Vec::with_capacity(len);
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&[self.version.0, self.version.1]);
        bytes.extend_from_slice(
            &((len - text_start) as u32).to_le_bytes()[..text_start - VERSION_END],
        );
        bytes.extend_from_slice(&text);
        bytes.resize(len - 1, b' ');
        bytes.push(b'\n');
        Ok(bytes)
    }

    /// What one element is.
    #[must_use]
    pub fn dtype(&self) -> &DType {
        &self.dtype
    }

    /// The length of each axis.
    #[must_use]
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// In which order the elements follow each other.
    #[must_use]
    pub fn order(&self) -> Order {
        self.order
    }

    /// The byte of the file at which the data starts. It may be any, aligned or not.
    #[must_use]
    pub fn data_start(&self) -> u64 {
        self.data_start
    }

    /// The version of the format: `(1, 0)`, `(2, 0)` or `(3, 0)`; `(0, 0)` for a
    /// [raw](Self::is_raw) array, which has none.
    #[must_use]
    pub fn version(&self) -> (u8, u8) {
        self.version
    }

    /// Is this of a [raw](crate::Raw) array, whose file holds no header? Then it says what was
    /// asked for, and [`to_bytes`](Self::to_bytes) gives the header that the array would have as
    /// an `.npy` file.
    #[must_use]
    pub fn is_raw(&self) -> bool {
        self.version == (0, 0)
    }

    /// The number of elements.
    #[must_use]
    #[allow(clippy::len_without_is_empty, reason = "a header is not a container")]
    pub fn len(&self) -> usize {
        // `Layout::new` made sure that this cannot overflow.
        self.shape.iter().product()
    }

    /// Bytes of all elements together.
    #[must_use]
    pub fn byte_len(&self) -> u64 {
        self.byte_len
    }

    /// Could the elements be borrowed as they lie in a mapping of the file, as `np.memmap` does?
    /// [`NpyFile`](crate::NpyFile) copies, and needs none of this.
    ///
    /// # Errors
    ///
    /// A header does not know its file, so they name none: "this data holds ...".
    ///
    /// [`ForeignByteOrder`](Error::ForeignByteOrder) where they are in the byte order of another
    /// machine, [`Misaligned`](Error::Misaligned) where the data starts at an offset that the
    /// element type does not allow.
    pub fn check_mappable(&self) -> Result<()> {
        let path = PathBuf::new();
        if !self.dtype.is_native() {
            let found = format!("{} ({})", self.dtype.name(), self.dtype.repr());
            return Err(Error::ForeignByteOrder { path, found });
        }
        let (data_start, align) = (self.data_start, self.dtype.alignment());
        if !data_start.is_multiple_of(align as u64) {
            return Err(Error::Misaligned { path, data_start, align });
        }
        Ok(())
    }
}

/// In one line: `float32 ('<f4'), shape (240, 37), C order, data at byte 128, version 1.0`, or
/// `.., no header`.
impl fmt::Display for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let order = if self.order == Order::C { "C" } else { "Fortran" };
        let (major, minor) = self.version;
        write!(f, "{} ({}), ", self.dtype.name(), self.dtype.repr())?;
        write!(f, "shape {}, {order} order, ", Tuple(&self.shape))?;
        write!(f, "data at byte {}, ", self.data_start)?;
        if self.is_raw() {
            return f.write_str("no header");
        }
        write!(f, "version {major}.{minor}")
    }
}

struct Tuple<'a>(&'a [usize]);

impl fmt::Display for Tuple<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        text::write_tuple(f, self.0)
    }
}

/// The text that NumPy writes for plain elements, letter by letter; `None` for any other.
///
/// Nearly every file has this text, and taking it as it is needs 0.25 us where the parser of
/// Python needs 0.7, which is more than a tenth of opening a file. What is not exactly so is left
/// to that parser, errors too.
fn usual(text: &[u8]) -> Option<(DType, Order, Vec<usize>)> {
    let rest = text.strip_prefix(b"{'descr': '")?;
    let (code, rest) = rest.split_at_checked(3)?;
    let code = std::str::from_utf8(code).ok().filter(|code| code.is_ascii())?;
    let rest = rest.strip_prefix(b"', 'fortran_order': ")?;
    let (order, rest) = match rest.strip_prefix(b"False") {
        Some(rest) => (Order::C, rest),
        None => (Order::Fortran, rest.strip_prefix(b"True")?),
    };
    let rest = rest.strip_prefix(b", 'shape': (")?;
    let (shape, rest) = rest.split_at_checked(rest.iter().position(|&byte| byte == b')')?)?;
    let blanks = rest.strip_prefix(b"), }")?.strip_suffix(b"\n")?;
    if blanks.iter().any(|&byte| byte != b' ') {
        return None;
    }
    let number = |digits: &str| {
        let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
        let leading_zero = digits.len() > 1 && digits.starts_with('0');
        digits.parse().ok().filter(|_| plain && !leading_zero)
    };
    let shape = std::str::from_utf8(shape).ok()?;
    let shape = match shape.strip_suffix(',') {
        Some(only) => vec![number(only)?],
        None if shape.is_empty() => vec![],
        // `(3)` is a number, not a tuple.
        None if !shape.contains(',') => return None,
        None => shape.split(", ").map(number).collect::<Option<Vec<_>>>()?,
    };
    if shape.len() > MAX_NDIM {
        return None;
    }
    let dtype = descr::from_text(code).ok()?;
    Some((dtype, order, shape))
}

/// The values of `descr`, `fortran_order` and `shape`.
fn values<'a>(source: &Source<'a>) -> Result<[Node<'a>; 3]> {
    const KEYS: [&str; 3] = ["descr", "fortran_order", "shape"];
    let wrong = |problem, key: &str| Error::HeaderKey {
        path: PathBuf::new(),
        key: literal::escape(key.as_bytes()),
        problem,
    };
    let node = literal::parse(*source, 0)?;
    let Value::Dict(pairs) = node.value else {
        return Err(source.broken(node.at, "a dictionary"));
    };
    let mut values = [const { None }; 3];
    for (key, value) in pairs {
        let Value::Str(name) = key.value else {
            return Err(source.broken(key.at, "'descr', 'fortran_order' or 'shape'"));
        };
        let Some(place) = KEYS.iter().position(|key| *key == name) else {
            return Err(wrong("has the unknown", &name));
        };
        if values[place].replace(value).is_some() {
            return Err(wrong("repeats the", &name));
        }
    }
    match values {
        [Some(descr), Some(order), Some(shape)] => Ok([descr, order, shape]),
        [None, ..] => Err(wrong("lacks the", KEYS[0])),
        [_, None, _] => Err(wrong("lacks the", KEYS[1])),
        [_, _, None] => Err(wrong("lacks the", KEYS[2])),
    }
}

/// The lengths of the axes, from the value of `shape`.
fn lengths(node: &Node<'_>, source: &Source<'_>, item_size: usize) -> Result<Vec<usize>> {
    let Value::Tuple(items) = &node.value else {
        return Err(source.broken(node.at, SHAPE));
    };
    if items.len() > MAX_NDIM {
        return Err(Error::TooManyAxes { path: PathBuf::new(), found: items.len() });
    }
    let mut shape = Vec::with_capacity(items.len());
    for item in items {
        match item.value {
            Value::Int(len) => shape.push(len),
            _ => return Err(source.broken(item.at, SHAPE)),
        }
    }
    // On 32-bit machines a length may not fit.
    let lengths = shape.iter().map(|&len| usize::try_from(len)).collect::<Result<_, _>>();
    lengths.map_err(|_| Error::ShapeOverflow { path: PathBuf::new(), shape, item_size })
}

/// The text with what stands before it, and with blanks and a line end after it.
fn wrap(text: &[u8], major: u8, align: usize) -> Vec<u8> {
    let text_start = if major == 1 { 10 } else { 12 };
    let used = text_start + text.len() + 1;
    // From 1 to `align` blanks, never none: so NumPy does it.
    let blanks = align - used % align;
    let len = text.len() + blanks + 1;
    let mut bytes = Vec::with_capacity(used + blanks);
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&[major, 0]);
    // Of a length that does not fit version 1, half is written; the caller takes version 2 then.
    bytes.extend_from_slice(&(len as u32).to_le_bytes()[..text_start - VERSION_END]);
    bytes.extend_from_slice(text);
    bytes.resize(used + blanks - 1, b' ');
    bytes.push(b'\n');
    bytes
}

/// A type's description, cut for messages.
fn short(dtype: &DType) -> String {
    literal::escape(dtype.repr().as_bytes())
}

#[cfg(test)]
mod tests;
