//! What a handle may do with its file, as types: a write to a read-only array does not compile.

mod sealed {
    pub trait Sealed {}
}

/// What a handle may do: [`ReadOnly`] or [`ReadWrite`]. Sealed: there are no others.
pub trait Access: sealed::Sealed + Send + Sync + 'static {
    /// May it write to its file?
    #[doc(hidden)]
    const WRITES: bool;
}

/// The file is only read; NumPy's mode `r`.
#[derive(Debug, Clone, Copy)]
pub enum ReadOnly {}

/// The file is read and written; NumPy's modes `r+` and `w+`.
#[derive(Debug, Clone, Copy)]
pub enum ReadWrite {}

impl sealed::Sealed for ReadOnly {}
impl sealed::Sealed for ReadWrite {}
impl Access for ReadOnly {
    const WRITES: bool = false;
}

impl Access for ReadWrite {
    const WRITES: bool = true;
}
