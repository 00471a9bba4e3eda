//! Stands in for locks on parts of files where there are none to build on: it says so.

use std::fs::File;
use std::ops::Range;
use std::path::Path;

use crate::error::{Error, Result};

/// No part of a file that is locked.
#[derive(Debug)]
pub(crate) struct RangeLock;

impl RangeLock {
    /// Locks nothing: nobody needs to be kept out.
    pub(crate) fn none() -> RangeLock {
        RangeLock
    }

    pub(crate) fn acquire(
        _file: &File,
        path: &Path,
        _ranges: impl Iterator<Item = Range<u64>>,
        _write: bool,
        _wait: bool,
    ) -> Result<Option<RangeLock>> {
        let reason = if cfg!(windows) {
            "a lock on a part of a file forbids the writes of its own process on Windows"
        } else {
            "such locks are taken on 64-bit Linux only"
        };
        Err(Error::NoRegionLocks { path: path.to_path_buf(), reason })
    }
}
