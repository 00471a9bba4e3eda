//! Locks on parts of a file, between processes: those of open file descriptions (`F_OFD_SETLK`),
//! which Linux has.
//!
//! The classic ones of POSIX are none to build on: a process loses them when it closes any
//! descriptor of the file. These belong to a descriptor of their own, are in conflict also between
//! threads, and end with it, whatever ends the process. They are in conflict with classic ones, so
//! programs that know only those can take part.

#![allow(unsafe_code)]

use std::fs::File;
use std::ops::Range;
use std::path::Path;

use crate::error::{Error, Result};

/// Parts of a file that are locked as long as this lives, or none.
#[derive(Debug)]
pub(crate) struct RangeLock {
    _descriptor: Option<File>,
}

impl RangeLock {
    /// Locks nothing: nobody needs to be kept out.
    pub(crate) fn none() -> RangeLock {
        RangeLock { _descriptor: None }
    }
}

/// 32-bit systems have another structure for it.
#[cfg(all(target_os = "linux", target_pointer_width = "64", not(miri)))]
impl RangeLock {
    /// Locks parts of a file, to write or only to read; `None` where that means to wait, which
    /// `wait` allows.
    ///
    /// The ranges must ascend: as all who lock several do it in one order, nobody waits for who
    /// waits for him.
    pub(crate) fn acquire(
        file: &File,
        path: &Path,
        ranges: impl Iterator<Item = Range<u64>>,
        write: bool,
        wait: bool,
    ) -> Result<Option<RangeLock>> {
        use std::os::fd::AsRawFd;

        let failed = |action, error| Error::io(path, action, 0, error);
        let stat = rustix::fs::fstatfs(file)
            .map_err(|error| failed("look up the file system of", error.into()))?;
        // The number is signed on some processors.
        if let Some(reason) = remote(stat.f_type as u32) {
            return Err(Error::NoRegionLocks { path: path.to_path_buf(), reason });
        }
        // Another description of the same file, whatever its name is now, if it has one.
        let link = format!("/proc/self/fd/{}", file.as_raw_fd());
        let descriptor = File::options().read(true).write(write).open(link);
        let descriptor = descriptor.map_err(|error| failed("open again", error))?;
        for range in ranges {
            if !lock(&descriptor, path, range, write, wait)? {
                return Ok(None);
            }
        }
        Ok(Some(RangeLock { _descriptor: Some(descriptor) }))
    }
}

/// Why a file system of this type is none to lock parts of files on: several machines write to it,
/// or it answers from memory of its own. A lock may be had there, but what others wrote under
/// theirs may not be seen.
#[cfg(all(target_os = "linux", target_pointer_width = "64", not(miri)))]
fn remote(file_system: u32) -> Option<&'static str> {
    Some(match file_system {
        0x0000_6969 => "it lies on NFS, a network file system",
        0xff53_4d42 | 0xfe53_4d42 | 0x0000_517b => "it lies on SMB, a network file system",
        0x0102_1997 => "it lies on 9p, a network file system",
        0x00c3_6400 => "it lies on Ceph, a network file system",
        0x0bd0_0bd0 => "it lies on Lustre, a network file system",
        0x5346_414f => "it lies on AFS, a network file system",
        0x4750_4653 => "it lies on GPFS, a network file system",
        0x6573_5546 => "it lies on FUSE, a file system that a program serves",
        _ => return None,
    })
}

/// Locks a part of a file; `false` where that means to wait, which `wait` allows.
#[cfg(all(target_os = "linux", target_pointer_width = "64", not(miri)))]
fn lock(file: &File, path: &Path, range: Range<u64>, write: bool, wait: bool) -> Result<bool> {
    use rustix::io::Errno;
    use std::os::fd::AsRawFd;

    // SAFETY: the structure holds integers alone.
    let mut lock: libc::flock = unsafe { std::mem::zeroed() };
    lock.l_type = if write { libc::F_WRLCK } else { libc::F_RDLCK } as libc::c_short;
    lock.l_whence = libc::SEEK_SET as libc::c_short;
    // The range lies in a file, whose length fits.
    lock.l_start = range.start.cast_signed();
    lock.l_len = (range.end - range.start).cast_signed();
    let command = if wait { libc::F_OFD_SETLKW } else { libc::F_OFD_SETLK };
    loop {
        // SAFETY: the descriptor is open as long as `file` is borrowed, and the system reads the
        // structure during the call only.
        if unsafe { libc::fcntl(file.as_raw_fd(), command, &lock) } == 0 {
            return Ok(true);
        }
        let error = std::io::Error::last_os_error();
        match Errno::from_io_error(&error) {
            Some(Errno::INTR) => {}
            Some(Errno::AGAIN | Errno::ACCESS) if !wait => return Ok(false),
            Some(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP | Errno::NOLCK) => {
                let reason = "its file system has no locks on parts of files";
                return Err(Error::NoRegionLocks { path: path.to_path_buf(), reason });
            }
            _ => return Err(Error::io(path, "lock a region of", 0, error)),
        }
    }
}

#[cfg(not(all(target_os = "linux", target_pointer_width = "64", not(miri))))]
impl RangeLock {
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

#[cfg(all(test, target_os = "linux", target_pointer_width = "64", not(miri)))]
#[allow(clippy::single_range_in_vec_init, reason = "one part")]
mod tests {
    use super::*;

    fn try_lock(file: &File, ranges: &[Range<u64>], write: bool) -> Option<RangeLock> {
        RangeLock::acquire(file, Path::new("a"), ranges.iter().cloned(), write, false).unwrap()
    }

    #[test]
    fn parts_to_write_exclude_each_other_where_they_overlap() {
        let file = tempfile::tempfile().unwrap();
        let first = try_lock(&file, &[10..20, 30..40], true).unwrap();
        assert!(try_lock(&file, &[0..10, 20..30, 40..50], true).is_some());
        for range in [10..11, 19..30, 39..50, 0..100] {
            assert!(try_lock(&file, &[0..1, range], false).is_none());
        }
        // Who was refused has given up what he had.
        assert!(try_lock(&file, &[0..1], true).is_some());
        drop(first);
        assert!(try_lock(&file, &[0..100], true).is_some());
    }

    #[test]
    fn parts_to_read_are_for_many() {
        let file = tempfile::tempfile().unwrap();
        let readers = [0..20, 10..30].map(|range| try_lock(&file, &[range], false).unwrap());
        assert!(try_lock(&file, &[15..16], true).is_none());
        let [first, second] = readers;
        drop(first);
        assert!(try_lock(&file, &[0..10], true).is_some());
        assert!(try_lock(&file, &[15..16], true).is_none(), "the second one still has it");
        drop(second);
        assert!(try_lock(&file, &[15..16], true).is_some());
    }

    #[test]
    fn a_read_only_file_is_locked_to_read() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let read_only = File::open(file.path()).unwrap();
        let _reader = try_lock(&read_only, &[0..1], false).unwrap();
        assert!(try_lock(file.as_file(), &[0..1], true).is_none());
    }

    #[test]
    fn closing_another_descriptor_of_the_file_gives_nothing_up() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let held = try_lock(file.as_file(), &[0..1], true).unwrap();
        drop(File::open(file.path()).unwrap());
        assert!(try_lock(file.as_file(), &[0..1], true).is_none());
        drop(held);
    }

    #[test]
    fn network_file_systems_are_known_by_name() {
        assert!(remote(0x6969).unwrap().contains("NFS"));
        assert!(remote(0xff53_4d42).unwrap().contains("SMB"));
        // ext4, tmpfs, xfs, btrfs.
        for local in [0xef53, 0x0102_1994, 0x5846_5342, 0x9123_683e] {
            assert_eq!(remote(local), None);
        }
    }
}
