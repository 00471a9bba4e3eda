//! What a handle may do with its array, as types: a write to a read-only one does not compile.

mod sealed {
    pub trait Sealed {}
}

/// What a handle may do: [`ReadOnly`], [`ReadWrite`] or [`CopyOnWrite`]. Sealed: there are no
/// others.
pub trait Access: sealed::Sealed + Send + Sync + 'static {
    /// May it write to its file?
    #[doc(hidden)]
    const WRITES: bool;
}

/// Access that may change elements: [`ReadWrite`] or [`CopyOnWrite`].
#[diagnostic::on_unimplemented(
    message = "this array is only read: open it with `open_mut` or `open_cow`",
    label = "its elements cannot be changed"
)]
pub trait Writable: Access {}

/// Access that sees what the file holds, and nothing else: [`ReadOnly`] or [`ReadWrite`]. Pages of
/// such an array can be let go, because the file has them.
#[diagnostic::on_unimplemented(
    message = "what was written to a copy-on-write array is in memory only, so its pages cannot be let \
               go: open it with `open` or `open_mut`",
    label = "its pages stay in memory"
)]
pub trait Evictable: Access {}

/// The array is only read; NumPy's mode `r`.
#[derive(Debug, Clone, Copy)]
pub enum ReadOnly {}

/// The array is read and written; NumPy's modes `r+` and `w+`.
#[derive(Debug, Clone, Copy)]
pub enum ReadWrite {}

/// The array is read, and written in memory only: the file stays as it is; NumPy's mode `c`. For
/// mapped arrays.
#[derive(Debug, Clone, Copy)]
pub enum CopyOnWrite {}

impl sealed::Sealed for ReadOnly {}
impl sealed::Sealed for ReadWrite {}
impl sealed::Sealed for CopyOnWrite {}

impl Access for ReadOnly {
    const WRITES: bool = false;
}

impl Access for ReadWrite {
    const WRITES: bool = true;
}

impl Access for CopyOnWrite {
    const WRITES: bool = false;
}

impl Writable for ReadWrite {}
impl Writable for CopyOnWrite {}
impl Evictable for ReadOnly {}
impl Evictable for ReadWrite {}
