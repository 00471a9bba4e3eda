//! Giving a file its length, with or without the space behind it.

use std::fs::File;
use std::path::Path;

use super::io::is_unsupported;
use super::open::file_len;
use crate::error::{Error, Result};

/// Whether a new file gets its space at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Allocation {
    /// All of it now: after that, no write fails for lack of space. Where the file system cannot
    /// promise it, the answer is [`Error::CannotReserve`]. In a file system that lives in memory
    /// (tmpfs) it takes that memory.
    #[default]
    Reserved,
    /// None before it is written: an array may be far larger than the disk. Once the disk is
    /// full, a write through [`NpyFile`](crate::NpyFile) fails with [`Error::StorageFull`].
    Sparse,
}

/// Sets the length of a file. What is added reads as zeros. After an error the file has its old
/// length.
pub(crate) fn allocate(file: &File, path: &Path, len: u64, allocation: Allocation) -> Result<()> {
    let failed = |error| Error::io(path, "set the length of", len, error);
    if i64::try_from(len).is_err() {
        return Err(Error::FileTooLarge { path: path.to_path_buf(), needed: len });
    }
    let old_len = file_len(file).map_err(failed)?;
    if allocation == Allocation::Sparse || len <= old_len {
        return file.set_len(len).map_err(failed);
    }
    reserve(file, old_len, len).map_err(|error| {
        // A failed reservation may have grown the file part of the way. There is nothing left to
        // do if that cannot be undone; the first error is the one to report.
        let _ = file.set_len(old_len);
        if is_unsupported(&error) {
            Error::CannotReserve { path: path.to_path_buf(), error }
        } else {
            Error::io(path, "reserve space for", len, error)
        }
    })
}

/// Sets the length of a file. What is added reads as zeros, and has no space yet.
pub(crate) fn set_len(file: &File, path: &Path, len: u64) -> Result<()> {
    file.set_len(len).map_err(|error| Error::io(path, "set the length of", len, error))
}

/// Reserves the space of a file up to byte `end`, and leaves its length.
pub(crate) fn reserve_beyond(file: &File, path: &Path, end: u64) -> Result<()> {
    let failed = |error| Error::io(path, "look up the length of", 0, error);
    let len = file_len(file).map_err(failed)?;
    if end <= len {
        return Ok(());
    }
    keep_size(file, len, end - len).map_err(|error| {
        // Some file systems have handed out a part by now.
        let _ = file.set_len(len);
        if is_unsupported(&error) {
            Error::CannotReserve { path: path.to_path_buf(), error }
        } else {
            Error::io(path, "reserve space for", end, error)
        }
    })
}

#[cfg(all(any(target_os = "linux", target_os = "android"), not(miri)))]
fn keep_size(file: &File, start: u64, len: u64) -> std::io::Result<()> {
    use rustix::fs::{FallocateFlags, fallocate};
    if system::cannot_fit(file, len) {
        return Err(std::io::ErrorKind::StorageFull.into());
    }
    let reserve = || fallocate(file, FallocateFlags::KEEP_SIZE, start, len);
    Ok(rustix::io::retry_on_intr(reserve)?)
}

#[cfg(not(all(any(target_os = "linux", target_os = "android"), not(miri))))]
fn keep_size(_file: &File, _start: u64, _len: u64) -> std::io::Result<()> {
    Err(std::io::ErrorKind::Unsupported.into())
}

#[cfg(all(
    any(
        target_os = "linux",
        target_os = "android",
        target_os = "freebsd",
        target_vendor = "apple"
    ),
    not(miri)
))]
mod system {
    use std::fs::File;
    use std::io;

    use rustix::fs::{FallocateFlags, fallocate, fstatvfs};
    use rustix::io::{Errno, retry_on_intr};

    /// The system call, not the C library's `posix_fallocate`, which writes into every block where
    /// the file system does not help.
    pub(super) fn reserve(file: &File, old_len: u64, len: u64) -> io::Result<()> {
        let added = len - old_len;
        if cannot_fit(file, added) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        match retry_on_intr(|| fallocate(file, FallocateFlags::empty(), old_len, added)) {
            // POSIX lets a file system without the operation say this, and FreeBSD's ZFS does.
            Err(Errno::INVAL) if cfg!(target_os = "freebsd") => {
                Err(io::ErrorKind::Unsupported.into())
            }
            result => Ok(result?),
        }
    }

    /// A hopeless request is refused before it fills the disk for everybody else: some file
    /// systems hand out all they have before they say no. Zero blocks means "not told".
    pub(super) fn cannot_fit(file: &File, added: u64) -> bool {
        fstatvfs(file).is_ok_and(|disk| {
            disk.f_blocks > 0 && added > disk.f_bfree.saturating_mul(disk.f_frsize)
        })
    }
}
#[cfg(all(
    any(
        target_os = "linux",
        target_os = "android",
        target_os = "freebsd",
        target_vendor = "apple"
    ),
    not(miri)
))]
use system::reserve;

/// A file of NTFS has its clusters from the moment it has its length, unless it is marked sparse.
#[cfg(any(windows, miri))]
fn reserve(file: &File, _old_len: u64, len: u64) -> std::io::Result<()> {
    file.set_len(len)
}

#[cfg(not(any(
    target_os = "linux",
    target_os = "android",
    target_os = "freebsd",
    target_vendor = "apple",
    windows,
    miri
)))]
fn reserve(_file: &File, _old_len: u64, _len: u64) -> std::io::Result<()> {
    Err(std::io::ErrorKind::Unsupported.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    fn allocated(len: u64, allocation: Allocation) -> File {
        let file = tempfile::tempfile().unwrap();
        allocate(&file, Path::new("a"), len, allocation).unwrap();
        assert_eq!(file_len(&file).unwrap(), len);
        file
    }

    #[cfg(unix)]
    fn space(file: &File) -> u64 {
        std::os::unix::fs::MetadataExt::blocks(&file.metadata().unwrap()) * 512
    }

    #[cfg(unix)]
    #[test]
    fn reserved_space_is_there_and_sparse_space_is_not() {
        assert!(space(&allocated(MIB, Allocation::Reserved)) >= MIB);
        assert_eq!(space(&allocated(1 << 40, Allocation::Sparse)), 0);
    }

    #[cfg(unix)]
    #[test]
    fn growth_reserves_what_is_added() {
        let file = allocated(MIB, Allocation::Reserved);
        allocate(&file, Path::new("a"), 3 * MIB + 1, Allocation::Reserved).unwrap();
        assert_eq!(file_len(&file).unwrap(), 3 * MIB + 1);
        assert!(space(&file) > 3 * MIB);
    }

    #[test]
    fn an_empty_file_needs_nothing() {
        allocated(0, Allocation::Reserved);
        allocated(0, Allocation::Sparse);
    }

    #[test]
    fn more_than_the_disk_has_is_refused_and_the_file_is_as_before() {
        let file = allocated(MIB, Allocation::Reserved);
        let error = allocate(&file, Path::new("a"), 1 << 60, Allocation::Reserved).unwrap_err();
        assert!(
            matches!(error, Error::StorageFull { needed, .. } if needed == 1 << 60),
            "{error:?}"
        );
        assert_eq!(file_len(&file).unwrap(), MIB);
    }

    #[test]
    fn a_length_that_no_file_can_have_is_refused() {
        let file = allocated(5, Allocation::Sparse);
        for allocation in [Allocation::Reserved, Allocation::Sparse] {
            let error = allocate(&file, Path::new("a"), u64::MAX, allocation).unwrap_err();
            assert!(matches!(error, Error::FileTooLarge { .. }), "{error:?}");
        }
        assert_eq!(file_len(&file).unwrap(), 5);
    }
}
