//! The one error type. Plain data: it imports nothing of ours.
//!
//! Each message says what was found, what was expected and what to do about it. `Display` prints
//! everything, the operating system's own words included, so `source()` stays empty.

use std::io;
use std::path::{Path, PathBuf};

/// What the functions of this crate return.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Everything that can go wrong, with the numbers needed to say why.
///
/// Errors about a file carry its `path`; it is empty where a header was parsed from memory.
/// Errors about indices carry `axis`, `index` and `len`, counted in elements.
///
/// # Example
///
/// ```
/// use mmap_array::{Error, NpyFile};
///
/// match NpyFile::<f32>::open("no such file.npy") {
///     Err(Error::Io { path, error, .. }) => {
///         assert_eq!(path.to_str(), Some("no such file.npy"));
///         assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
///     }
///     other => panic!("{other:?}"),
/// }
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused an operation.
    #[error("cannot {action} {path:?}: {error}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What was attempted, as a verb: `open`, `read`, ...
        action: &'static str,
        /// The operating system's answer.
        error: io::Error,
    },
    /// A file was to be created where one exists.
    #[error("{path:?} already exists: choose another name, or ask for it with `overwrite(true)`")]
    AlreadyExists {
        /// The file that is in the way.
        path: PathBuf,
    },
    /// Somebody, in this process or another, holds a lock on the file.
    #[error(
        "{path:?} is already open elsewhere, in this process or another: {}",
        if *overwriting {
            "close it there before you overwrite it, or choose another name"
        } else {
            "close it there, read it by position as `NpyFile`, or open each of its writers with \
             `lock(Lock::Cooperative)`"
        }
    )]
    AlreadyOpen {
        /// The locked file.
        path: PathBuf,
        /// Was another file to take its place?
        overwriting: bool,
    },
    /// The name kept changing its file while it was being opened.
    #[error("{path:?} was replaced again and again while it was being opened: try later")]
    Replaced {
        /// The name.
        path: PathBuf,
    },
    /// The path names something that is no regular file.
    #[error("{path:?} is {found}, not a regular file")]
    NotRegular {
        /// The path.
        path: PathBuf,
        /// What it is: `a directory`, `a FIFO`, ...
        found: &'static str,
    },
    /// The file holds fewer bytes than its header promises.
    #[error(
        "{path:?} is cut short: it has {found} bytes, its header needs {expected}; copy it again from \
         its source (it was left as it is)"
    )]
    Truncated {
        /// The file.
        path: PathBuf,
        /// Bytes that header and data need together.
        expected: u64,
        /// Bytes that the file has.
        found: u64,
    },
    /// The file ends before the [raw](crate::Raw) array that was asked for does.
    #[error(
        "{path:?} has {found} bytes, too few for {byte_len} bytes of elements from byte {offset} on: \
         check element type, shape and offset (the file was left as it is)"
    )]
    RawTooShort {
        /// The file.
        path: PathBuf,
        /// Where the array starts, in bytes.
        offset: u64,
        /// Bytes of all elements together; 0 where a length was to be inferred.
        byte_len: u64,
        /// Bytes that the file has.
        found: u64,
    },
    /// The file does not end with a whole index of the axis whose length is
    /// [inferred](crate::Raw::infer_axis) from it.
    #[error(
        "{path:?} has {rest} bytes from byte {offset} on, which is no multiple of {unit}, the bytes \
         of one index of axis {axis}: {} are left over; check element type, shape and offset, or \
         give all lengths",
        rest % unit
    )]
    RawRemainder {
        /// The file.
        path: PathBuf,
        /// Where the array starts, in bytes.
        offset: u64,
        /// Bytes from there to the end of the file.
        rest: u64,
        /// Bytes of one index of the axis.
        unit: u64,
        /// The axis.
        axis: usize,
    },
    /// Somebody shortened the file after it was opened.
    #[error(
        "{path:?} became shorter while it was open: it has {found} bytes of {expected}; somebody \
         truncated it, and what was cut off is lost"
    )]
    Shrunk {
        /// The file.
        path: PathBuf,
        /// Bytes that the file had when it was opened.
        expected: u64,
        /// Bytes that it has now.
        found: u64,
    },
    /// A flush failed, now or earlier: what was written since the last good flush may be lost.
    #[error(
        "{path:?} was not written to stable storage: {}; this handle stays failed, so reopen the file \
         and write again what came after the last good flush",
        os_error(*kind, *os_code)
    )]
    SyncFailed {
        /// The file.
        path: PathBuf,
        /// The kind of the first failure.
        kind: io::ErrorKind,
        /// The operating system's number for it, where it gave one.
        os_code: Option<i32>,
    },
    /// No space is left for the file.
    #[error("no space for {path:?}: {needed} bytes are needed; free some, or take another disk")]
    StorageFull {
        /// The file.
        path: PathBuf,
        /// Bytes that were asked for.
        needed: u64,
    },
    /// The file system, or a limit of this process, does not allow a file of this size.
    #[error(
        "{path:?} would be too large: {needed} bytes are more than the file system or this process's \
         limit (`ulimit -f`) allows"
    )]
    FileTooLarge {
        /// The file.
        path: PathBuf,
        /// Bytes that were asked for.
        needed: u64,
    },
    /// The file system cannot reserve space ahead of the writes.
    #[error(
        "the file system of {path:?} cannot reserve space ({error}): ask for \
         `allocation(Allocation::Sparse)` and expect a full disk to show at a write"
    )]
    CannotReserve {
        /// The file.
        path: PathBuf,
        /// The operating system's answer.
        error: io::Error,
    },

    /// The header has no room for the new number of rows.
    #[error(
        "the header of {path:?} has {room} bytes, and {needed} are needed for the new length of its \
         growing axis: copy the array to a new file, whose header has room for all lengths"
    )]
    NoGrowthRoom {
        /// The file.
        path: PathBuf,
        /// Bytes that the header needs.
        needed: u64,
        /// Bytes before the data.
        room: u64,
    },
    /// Bytes lie behind the array that its header does not speak of, where it is to grow.
    #[error(
        "{path:?} has {byte_len} bytes behind its array, which growing would overwrite: if a writer \
         that did not get to its flush left them, call `NpyFile::recover`; a raw array grows only at \
         the end of its file"
    )]
    UncommittedTail {
        /// The file.
        path: PathBuf,
        /// Bytes behind the array.
        byte_len: u64,
    },
    /// What is asked for needs a header, and a [raw](crate::Raw) array has none.
    #[error(
        "cannot {action} {path:?} as a raw array, which has no header that tells its length: open \
         it again, with `Raw::infer_axis`"
    )]
    NoHeader {
        /// The file.
        path: PathBuf,
        /// What was attempted, as a verb: `refresh` or `recover`.
        action: &'static str,
    },
    /// The array is to change its length, and others may write to it.
    #[error(
        "the length of {path:?} cannot change while others may write to it: open it without \
         `lock(Lock::Cooperative)`"
    )]
    NotAlone {
        /// The file.
        path: PathBuf,
    },
    /// Processes are to lock a region of a file that they write to together.
    #[error(
        "no region of {path:?} can be locked between processes: {reason}; let one process write, \
         with `Lock::Exclusive`, and share the array among its threads"
    )]
    NoRegionLocks {
        /// The file.
        path: PathBuf,
        /// What stands against it.
        reason: &'static str,
    },
    /// The file has become another array while it was open.
    #[error(
        "{path:?} has become {found}, and was {expected}: only the length of its growing axis may \
         change while it is open, so open it again"
    )]
    ArrayChanged {
        /// The file.
        path: PathBuf,
        /// What its header says now.
        found: String,
        /// What its header said when it was opened.
        expected: String,
    },
    /// The system does not map the file: its address space, or a limit of the process (`ulimit -v`,
    /// and `ulimit -d` for copy-on-write), is too small, or the file system cannot.
    #[error(
        "cannot map {byte_len} bytes of {path:?}: {error}; open it as `NpyFile`, which needs no \
         address space for it"
    )]
    CannotMap {
        /// The file.
        path: PathBuf,
        /// Bytes from the file's start to the array's end.
        byte_len: u64,
        /// The operating system's answer.
        error: io::Error,
    },

    /// The file does not begin as an `.npy` file does.
    #[error("{}", not_npy(path, found))]
    HeaderMagic {
        /// The file.
        path: PathBuf,
        /// Its first bytes, escaped, with a guess at what it is; nothing for an empty file.
        found: String,
    },
    /// A version of the format that does not exist yet.
    #[error("{} has .npy version {major}.{minor}: 1.0, 2.0 and 3.0 can be read", name(path))]
    HeaderVersion {
        /// The file.
        path: PathBuf,
        /// The version's first number.
        major: u8,
        /// The version's second number.
        minor: u8,
    },
    /// The header is longer than allowed.
    #[error(
        "the header of {} claims {len} bytes, {limit} are allowed: if the file is to be trusted, \
         raise `max_header_len`",
        name(path)
    )]
    HeaderTooLong {
        /// The file.
        path: PathBuf,
        /// Bytes that the header claims.
        len: u64,
        /// Bytes that are allowed.
        limit: u64,
    },
    /// The file ends inside its header.
    #[error("{} ends inside its header: it has {found} bytes of {expected}", name(path))]
    HeaderTruncated {
        /// The file.
        path: PathBuf,
        /// Bytes that the header needs.
        expected: u64,
        /// Bytes that the file has.
        found: u64,
    },
    /// The header's text is not what the format allows.
    #[error(
        "the header of {} is broken at byte {at}: expected {expected}, found {found}",
        name(path)
    )]
    HeaderSyntax {
        /// The file.
        path: PathBuf,
        /// The place, in bytes from the start of the file.
        at: u64,
        /// What stands there.
        found: String,
        /// What should.
        expected: &'static str,
    },
    /// A key of the header's dictionary is missing, unknown or there twice.
    #[error(
        "the header of {} {problem} key '{key}': 'descr', 'fortran_order' and 'shape' are \
         needed, each once, and nothing else",
        name(path)
    )]
    HeaderKey {
        /// The file.
        path: PathBuf,
        /// The key.
        key: String,
        /// `lacks the`, `repeats the` or `has the unknown`.
        problem: &'static str,
    },
    /// A description of an element type that means nothing.
    #[error("{} has no valid element type: {descr}: {problem}", name(path))]
    InvalidDType {
        /// The file.
        path: PathBuf,
        /// The description, cut where it is long.
        descr: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The file holds Python objects.
    #[error(
        "{} holds Python objects (dtype {descr}): they are pickled, and only Python can read \
         them; convert them there to a plain dtype, with `a.astype(...)`",
        name(path)
    )]
    ObjectDType {
        /// The file.
        path: PathBuf,
        /// The element type as the file has it.
        descr: String,
    },

    /// The file holds another element type than the one asked for.
    #[error("{path:?} holds {found}, not {expected}: {hint}")]
    DTypeMismatch {
        /// The file.
        path: PathBuf,
        /// The file's element type, as `float32 ('<f4')`.
        found: String,
        /// The element type asked for, likewise.
        expected: String,
        /// The type to take for such a file, or what to do with it in Python where there is none.
        hint: String,
    },
    /// The file holds elements of a type that [`AnyFile`](crate::AnyFile) and
    /// [`AnyArray`](crate::AnyArray) have no variant for.
    #[error(
        "{path:?} holds {found}: without a type only booleans, integers and floats of 32 and 64 \
         bits are opened; byte strings and voids open as `Bytes<N>` and `Void<N>`, and others once \
         they are converted in Python with `a.astype(...)`"
    )]
    UnsupportedDType {
        /// The file.
        path: PathBuf,
        /// The file's element type, as `bytes24 ('|S3')`.
        found: String,
    },
    /// The elements are in the byte order of another machine, so they cannot be borrowed.
    #[error(
        "{} holds {found}, which is not in this machine's byte order: it cannot be mapped, but \
         `NpyFile` reads it and converts, where all of it has one byte order",
        name(path)
    )]
    ForeignByteOrder {
        /// The file.
        path: PathBuf,
        /// The file's element type.
        found: String,
    },
    /// The elements start at an offset that their type does not allow, so they cannot be borrowed.
    #[error(
        "the data of {} starts at byte {data_start}, which is no multiple of {align}: it cannot be \
         mapped, but `NpyFile` reads it",
        name(path)
    )]
    Misaligned {
        /// The file.
        path: PathBuf,
        /// Where the data starts, in bytes.
        data_start: u64,
        /// The alignment that the element type needs, in bytes.
        align: usize,
    },

    /// A file that does not fit the others of its stack, what `info` says of it, or what it was when
    /// the stack was opened.
    #[error("{path:?} does not fit its stack: it has {found}, not {expected}")]
    StackMismatch {
        /// The file.
        path: PathBuf,
        /// Its element type and shape.
        found: String,
        /// Those that it should have, and why.
        expected: String,
    },
    /// The `info` of an npy-stack is not what Dask writes.
    #[error(
        "{} is no info of an npy-stack: byte {at} needs {expected}, found {found}; nothing in it \
         was run, so write the stack again with `da.to_npy_stack`, or open its files by name",
        name(path)
    )]
    StackInfo {
        /// The file.
        path: PathBuf,
        /// The place of the opcode, in bytes from the start.
        at: u64,
        /// The opcode, or what it gave.
        found: String,
        /// What it should be.
        expected: &'static str,
    },

    /// An index, window or axis list with the wrong number of axes.
    #[error("the array has {expected} axes, not {found}")]
    RankMismatch {
        /// Axes of the array.
        expected: usize,
        /// Axes given, or of the type that the array was to become.
        found: usize,
    },
    /// More axes than NumPy allows.
    #[error("{} has {found} axes: at most 64 are allowed, as in NumPy", name(path))]
    TooManyAxes {
        /// The file, where one has them.
        path: PathBuf,
        /// Axes given.
        found: usize,
    },
    /// An index, or a bound of a range, outside its axis.
    #[error("index {index} is out of bounds for axis {axis}, which has length {len}")]
    OutOfBounds {
        /// The axis.
        axis: usize,
        /// The index; for a range, the first bound outside, or the last index it asks for.
        index: isize,
        /// The axis's length.
        len: usize,
    },
    /// A range that ends before it starts.
    #[error("range {start}..{end} of axis {axis} ends before it starts: swap its bounds")]
    ReversedRange {
        /// The axis.
        axis: usize,
        /// The range's start.
        start: usize,
        /// The range's end, exclusive.
        end: usize,
    },
    /// A slice, permutation or tile that means nothing.
    #[error("axis {axis}: {problem}")]
    InvalidAxis {
        /// The axis, or the place in the list.
        axis: usize,
        /// What is wrong.
        problem: &'static str,
    },
    /// A shape whose size does not fit the machine's integers.
    #[error(
        "{} has shape {shape:?} with elements of {item_size} bytes: more than can be \
         counted (a length of 0 counts as 1)",
        name(path)
    )]
    ShapeOverflow {
        /// The file, where one has it.
        path: PathBuf,
        /// The shape.
        shape: Vec<u64>,
        /// Bytes of one element.
        item_size: usize,
    },
    /// Two arrays that must have one shape have two.
    #[error("shape {expected:?} is needed, but {found:?} was given")]
    ShapeMismatch {
        /// The shape that is needed.
        expected: Vec<usize>,
        /// The shape given.
        found: Vec<usize>,
    },
    /// A buffer of the wrong length.
    #[error("{expected} elements are needed, but {found} were given")]
    LenMismatch {
        /// Elements that are needed.
        expected: usize,
        /// Elements given.
        found: usize,
    },
    /// The memory for a result cannot be had.
    #[error("no memory for {byte_len} bytes: read the array in smaller windows")]
    OutOfMemory {
        /// Bytes that were asked for.
        byte_len: u64,
    },
    /// An option with a value that it does not take.
    #[error("option `{option}` cannot be {found}: it takes {expected}")]
    InvalidOption {
        /// The option's name.
        option: &'static str,
        /// The value given.
        found: usize,
        /// The values it takes.
        expected: &'static str,
    },
}

impl Error {
    /// The kind of the operating system's error, where one stands behind this error.
    ///
    /// # Example
    ///
    /// ```
    /// let error = mmap_array::load::<f32>("no such file.npy").unwrap_err();
    /// assert_eq!(error.io_kind(), Some(std::io::ErrorKind::NotFound));
    /// ```
    #[must_use]
    pub fn io_kind(&self) -> Option<io::ErrorKind> {
        match self {
            Error::Io { error, .. }
            | Error::CannotReserve { error, .. }
            | Error::CannotMap { error, .. } => Some(error.kind()),
            Error::AlreadyExists { .. } => Some(io::ErrorKind::AlreadyExists),
            Error::AlreadyOpen { .. } => Some(io::ErrorKind::WouldBlock),
            Error::SyncFailed { kind, .. } => Some(*kind),
            Error::StorageFull { .. } => Some(io::ErrorKind::StorageFull),
            Error::FileTooLarge { .. } => Some(io::ErrorKind::FileTooLarge),
            Error::OutOfMemory { .. } => Some(io::ErrorKind::OutOfMemory),
            _ => None,
        }
    }

    /// A failed operation on `path`. A full disk and a too large file get their own variants,
    /// where it is known how many bytes were needed: names can run out of space too.
    #[cold]
    pub(crate) fn io(path: &Path, action: &'static str, needed: u64, error: io::Error) -> Error {
        let path = path.to_path_buf();
        match error.kind() {
            _ if needed == 0 => Error::Io { path, action, error },
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                Error::StorageFull { path, needed }
            }
            io::ErrorKind::FileTooLarge => Error::FileTooLarge { path, needed },
            _ => Error::Io { path, action, error },
        }
    }

    /// The same error with this path, for errors that arise where it is not known.
    #[must_use]
    pub(crate) fn with_path(mut self, file: &Path) -> Error {
        match &mut self {
            Error::Io { path, .. }
            | Error::AlreadyOpen { path, .. }
            | Error::NotRegular { path, .. }
            | Error::Replaced { path }
            | Error::HeaderMagic { path, .. }
            | Error::HeaderVersion { path, .. }
            | Error::HeaderTooLong { path, .. }
            | Error::HeaderTruncated { path, .. }
            | Error::HeaderSyntax { path, .. }
            | Error::HeaderKey { path, .. }
            | Error::InvalidDType { path, .. }
            | Error::ObjectDType { path, .. }
            | Error::ForeignByteOrder { path, .. }
            | Error::Misaligned { path, .. }
            | Error::StackInfo { path, .. }
            | Error::TooManyAxes { path, .. }
            | Error::ShapeOverflow { path, .. } => *path = file.to_path_buf(),
            _ => {}
        }
        self
    }
}

/// A path as a message shows it; the empty one stands for bytes in memory.
fn name(path: &Path) -> String {
    if path.as_os_str().is_empty() { "this data".to_owned() } else { format!("{path:?}") }
}

/// Why a file that does not begin as it should is no `.npy` file.
fn not_npy(path: &Path, found: &str) -> String {
    let (name, magic) = (name(path), r#""\x93NUMPY""#);
    match found {
        "" => format!("{name} is empty, and an .npy file begins with {magic}: save it again"),
        _ => format!("{name} is not an .npy file: it begins with {found}, not with {magic}"),
    }
}

/// The operating system's words for an error that was remembered as numbers.
fn os_error(kind: io::ErrorKind, os_code: Option<i32>) -> io::Error {
    os_code.map_or_else(|| kind.into(), io::Error::from_raw_os_error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_stays_small_and_crosses_threads() {
        fn crosses_threads<T: Send + Sync + 'static>() {}
        crosses_threads::<Error>();
        assert!(size_of::<Error>() < 128, "{} bytes", size_of::<Error>());
    }

    #[test]
    fn a_full_disk_has_its_own_variant() {
        let error = Error::io(Path::new("a.npy"), "write", 7, io::ErrorKind::StorageFull.into());
        assert!(matches!(error, Error::StorageFull { needed: 7, .. }), "{error:?}");
    }

    #[test]
    fn what_is_overwritten_cannot_be_shared() {
        let error = |overwriting| Error::AlreadyOpen { path: "a.npy".into(), overwriting };
        assert!(error(false).to_string().contains("Lock::Cooperative"));
        assert!(error(true).to_string().ends_with("overwrite it, or choose another name"));
    }

    #[test]
    fn a_message_names_the_path_and_has_no_trailing_dot() {
        let error = Error::Shrunk { path: "a b.npy".into(), expected: 10, found: 9 };
        assert!(error.to_string().starts_with("\"a b.npy\" became shorter"), "{error}");
        assert!(!error.to_string().ends_with('.'));
    }
}
