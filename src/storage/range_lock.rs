//! Locks on parts of a file, between processes: those of open file descriptions (`F_OFD_SETLK`),
//! which Linux has; its 32-bit systems have another structure for them.
//!
//! The classic ones of POSIX are none to build on: a process loses them when it closes any
//! descriptor of the file. These belong to a descriptor of their own, are in conflict also between
//! threads, and end with it, whatever ends the process. They are in conflict with classic ones, so
//! programs that know only those can take part.
//!
//! The kernel gives a part to whoever asks while nobody has it: who waits to write would starve while
//! others come to read. So there is a gate before each part, a lock of the same kind far behind the
//! end of the file. Who has to wait does so with the gate locked, and nobody passes a locked gate.

#![allow(unsafe_code)]

use std::fs::File;
use std::ops::Range;
use std::path::Path;

use crate::error::{Error, Result};

/// Parts of a file that are locked as long as this lives, or none.
#[derive(Debug)]
pub(crate) struct RangeLock {
    /// A description of the file for these locks alone.
    descriptor: Option<File>,
}

impl RangeLock {
    /// Locks nothing: nobody needs to be kept out.
    pub(crate) fn none() -> RangeLock {
        RangeLock { descriptor: None }
    }

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

        let none = |reason| Error::NoRegionLocks { path: path.to_path_buf(), reason };
        let failed = |action, error| Error::io(path, action, 0, error);
        let stat = rustix::fs::fstatfs(file)
            .map_err(|error| failed("look up the file system of", error.into()))?;
        // The number is signed on some processors.
        if let Some(reason) = remote(stat.f_type as u32) {
            return Err(none(reason));
        }
        // Another description of the same file, whatever its name is now, if it has one.
        let link = format!("/proc/self/fd/{}", file.as_raw_fd());
        let descriptor = File::options().read(true).write(write).open(link);
        let descriptor = descriptor.map_err(|error| match error.kind() {
            // The file is open: what is not there is the link.
            std::io::ErrorKind::NotFound => none("it is opened again by /proc, which is not there"),
            _ => failed("open again", error),
        })?;
        let locked = RangeLock { descriptor: Some(descriptor) };
        let part = locked.part(path, write).expect("the descriptor");
        let ranges: Vec<Range<u64>> = ranges.collect();
        if let (Some(first), Some(last)) = (ranges.first(), ranges.last()) {
            // Or the gates of some parts would be where other parts are.
            if last.end > FAR {
                return Err(none("it lies more than 4 EiB behind the start of the file"));
            }
            // Who only tries does not lock some parts first, to give them up: others who try for those
            // would be refused what nobody has.
            if !wait && ranges.len() > 1 && !part.are_free(&ranges)? {
                return Ok(None);
            }
            let gates = gate(&(first.start..last.end));
            if !part.lock_at_once(&ranges, &gates)? {
                for range in &ranges {
                    if !part.lock(&gate(range), wait)? || !part.lock(range, wait)? {
                        return Ok(None);
                    }
                }
                part.unlock(&gates)?;
            }
        }
        Ok(Some(locked))
    }

    fn part<'a>(&'a self, path: &'a Path, write: bool) -> Option<Part<'a>> {
        self.descriptor.as_ref().map(|file| Part { file, path, write })
    }
}

impl Drop for RangeLock {
    fn drop(&mut self) {
        // To close the descriptor is not enough: a process that is just being started has it too.
        if let Some(part) = self.part(Path::new(""), false) {
            let _ = part.unlock(&ALL);
        }
    }
}

/// Why a file system of this type is none to lock parts of files on: several machines write to it,
/// or it answers from memory of its own. A lock may be had there, but what others wrote under
/// theirs may not be seen.
fn remote(file_system: u32) -> Option<&'static str> {
    Some(match file_system {
        0x0000_6969 => "it lies on NFS, a network file system",
        0xff53_4d42 | 0xfe53_4d42 | 0x0000_517b => "it lies on SMB, a network file system",
        0x0102_1997 => "it lies on 9p, a network file system",
        0x00c3_6400 => "it lies on Ceph, a network file system",
        0x0bd0_0bd0 => "it lies on Lustre, a network file system",
        0x5346_414f | 0x6b41_4653 => "it lies on AFS, a network file system",
        0x1983_0326 => "it lies on BeeGFS, a network file system",
        0x2003_0528 => "it lies on OrangeFS, a network file system",
        0xaad7_aaea => "it lies on PanFS, a network file system",
        0x786f_4256 | 0xbacb_acbc | 0x7c7c_6673 => "it lies in a folder that a host shares",
        0x4750_4653 => "it lies on GPFS, a network file system",
        0x6573_5546 => "it lies on FUSE, a file system that a program serves",
        _ => return None,
    })
}

/// Where gates begin. A sparse file may be longer; what lies there has none, and is not locked.
const FAR: u64 = 1 << 62;

/// The gate before a range.
fn gate(range: &Range<u64>) -> Range<u64> {
    range.start + FAR..range.end + FAR
}

/// A file and its gates.
const ALL: Range<u64> = 0..i64::MAX.cast_unsigned();

/// Parts of a file to lock, to write or only to read.
struct Part<'a> {
    file: &'a File,
    path: &'a Path,
    write: bool,
}

impl Part<'_> {
    /// Locks ranges where nobody has any, or waits for any; else `false`, and nothing is locked.
    fn lock_at_once(&self, ranges: &[Range<u64>], gates: &Range<u64>) -> Result<bool> {
        if !self.is_free(gates)? {
            return Ok(false);
        }
        for range in ranges {
            if !self.lock(range, false)? {
                self.unlock(&ALL)?;
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Locks a range; `false` where that means to wait, which `wait` allows.
    fn lock(&self, range: &Range<u64>, wait: bool) -> Result<bool> {
        let command = if wait { libc::F_OFD_SETLKW } else { libc::F_OFD_SETLK };
        Ok(self.call(command, self.kind(), range)?.is_some())
    }

    fn unlock(&self, range: &Range<u64>) -> Result<()> {
        self.call(libc::F_OFD_SETLK, libc::F_UNLCK, range).map(drop)
    }

    /// Could the range be locked?
    fn is_free(&self, range: &Range<u64>) -> Result<bool> {
        let found = self.call(libc::F_OFD_GETLK, self.kind(), range)?;
        Ok(found.is_some_and(|found| libc::c_int::from(found.l_type) == libc::F_UNLCK))
    }

    fn are_free(&self, ranges: &[Range<u64>]) -> Result<bool> {
        for range in ranges {
            if !self.is_free(range)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn kind(&self) -> libc::c_int {
        if self.write { libc::F_WRLCK } else { libc::F_RDLCK }
    }

    /// What the system answers; `None` where it would have to wait.
    fn call(
        &self,
        command: libc::c_int,
        kind: libc::c_int,
        range: &Range<u64>,
    ) -> Result<Option<libc::flock>> {
        use rustix::io::Errno;
        use std::os::fd::AsRawFd;

        // SAFETY: the structure holds integers alone.
        let mut lock: libc::flock = unsafe { std::mem::zeroed() };
        lock.l_type = kind as libc::c_short;
        lock.l_whence = libc::SEEK_SET as libc::c_short;
        // The range lies in a file, whose length fits, or as far behind as no file's is.
        lock.l_start = range.start.cast_signed();
        lock.l_len = (range.end - range.start).cast_signed();
        loop {
            // SAFETY: the descriptor is open as long as `file` is borrowed, and the system has the
            // structure during the call only.
            if unsafe { libc::fcntl(self.file.as_raw_fd(), command, &raw mut lock) } == 0 {
                return Ok(Some(lock));
            }
            let error = std::io::Error::last_os_error();
            match Errno::from_io_error(&error) {
                Some(Errno::INTR) => {}
                Some(Errno::AGAIN | Errno::ACCESS) if command == libc::F_OFD_SETLK => {
                    return Ok(None);
                }
                Some(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP | Errno::NOLCK) => {
                    let reason = "its file system has no locks on parts of files";
                    return Err(Error::NoRegionLocks { path: self.path.to_path_buf(), reason });
                }
                _ => return Err(Error::io(self.path, "lock a region of", 0, error)),
            }
        }
    }
}

#[cfg(test)]
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
    fn who_tries_and_is_refused_keeps_nobody_from_what_is_free() {
        let file = tempfile::tempfile().unwrap();
        let _held = try_lock(&file, &[30..40], true).unwrap();
        std::thread::scope(|scope| {
            let other = scope.spawn(|| {
                for _ in 0..2000 {
                    assert!(try_lock(&file, &[0..10, 30..31], true).is_none());
                }
            });
            while !other.is_finished() {
                assert!(try_lock(&file, &[0..10], true).is_some(), "nobody has it");
            }
        });
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
    fn what_lies_where_gates_are_is_refused_by_name() {
        let file = tempfile::tempfile().unwrap();
        let _last = try_lock(&file, &[0..1, FAR - 1..FAR], true).unwrap();
        for far in [FAR - 1..FAR + 1, FAR..FAR + 1, 2 * FAR - 2..2 * FAR - 1] {
            let ranges = [0..1, far].into_iter();
            let error = RangeLock::acquire(&file, Path::new("a"), ranges, false, false);
            let error = error.unwrap_err().to_string();
            assert!(error.contains("4 EiB"), "{error}");
        }
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
