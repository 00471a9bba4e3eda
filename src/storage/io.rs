//! Moving bytes between memory and a place in a file, and from the cache to the disk.
//!
//! Nothing here uses the file's cursor, so threads may share a descriptor.

use std::fs::File;
use std::io;
use std::path::Path;

use crate::error::{Error, Result};

/// Fills `buf` from byte `offset` of the file and returns how many bytes there were: fewer than
/// asked for only where the file ends.
pub(crate) fn read_at(file: &File, path: &Path, buf: &mut [u8], offset: u64) -> Result<usize> {
    let mut done = 0;
    while done < buf.len() {
        match place(offset, done).and_then(|at| read_once(file, &mut buf[done..], at)) {
            Ok(0) => break,
            Ok(count) => done += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(Error::io(path, "read", 0, error)),
        }
    }
    Ok(done)
}

/// Fills `buf` from byte `offset` of the file where the system has all of it in memory, and waits for
/// no disk. `false` where it has not, or cannot tell; then `buf` may be half filled.
#[cfg(all(target_os = "linux", not(miri)))]
pub(crate) fn read_cached(file: &File, buf: &mut [u8], offset: u64) -> bool {
    use rustix::io::{IoSliceMut, ReadWriteFlags, preadv2};
    let len = buf.len();
    let read = preadv2(file, &mut [IoSliceMut::new(buf)], offset, ReadWriteFlags::NOWAIT);
    read.is_ok_and(|count| count == len)
}

#[cfg(not(all(target_os = "linux", not(miri))))]
pub(crate) fn read_cached(_file: &File, _buf: &mut [u8], _offset: u64) -> bool {
    false
}

/// Asks for bytes of a file that will be read soon. A hint: a disk works on many of them at once.
#[cfg(all(target_os = "linux", not(miri)))]
pub(crate) fn will_read(file: &File, offset: u64, len: u64) {
    // Without a length it would be all of the file.
    if let Some(len) = std::num::NonZeroU64::new(len) {
        let _ = rustix::fs::fadvise(file, offset, Some(len), rustix::fs::Advice::WillNeed);
    }
}

#[cfg(not(all(target_os = "linux", not(miri))))]
pub(crate) fn will_read(_file: &File, _offset: u64, _len: u64) {}

/// Writes the whole of `buf` at byte `offset`. After an error, any part of it may be there.
pub(crate) fn write_at(file: &File, path: &Path, buf: &[u8], offset: u64) -> Result<()> {
    let failed = |error: io::Error| {
        // A file is too large by where it would end, and a disk too full for what is written.
        let end = offset.saturating_add(buf.len() as u64);
        let too_large = error.kind() == io::ErrorKind::FileTooLarge;
        Error::io(path, "write", if too_large { end } else { buf.len() as u64 }, error)
    };
    let mut done = 0;
    while done < buf.len() {
        match place(offset, done).and_then(|at| write_once(file, &buf[done..], at)) {
            Ok(count) if count > 0 => done += count,
            // Asking again would go on for ever.
            Ok(_) => {
                return Err(failed(io::ErrorKind::WriteZero.into()));
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(failed(error)),
        }
    }
    Ok(())
}

/// Waits until the data, and the length needed to read it, are on stable storage.
pub(crate) fn sync_data(file: &File) -> io::Result<()> {
    file.sync_data()
}

/// Waits until a write that somebody is making to the file is over.
///
/// A read takes no lock in most file systems, and may see a part of a write; looking for data does
/// take the one that a write holds, for an instant (ext4, tmpfs, btrfs, f2fs). Elsewhere there is
/// only time.
pub(crate) fn wait_for_write(file: &File) {
    #[cfg(all(target_os = "linux", not(miri)))]
    let waited = rustix::fs::seek(file, rustix::fs::SeekFrom::Data(0)).is_ok();
    #[cfg(not(all(target_os = "linux", not(miri))))]
    let waited = {
        let _ = file;
        false
    };
    if !waited {
        std::thread::sleep(std::time::Duration::from_micros(100));
    }
}

fn place(offset: u64, done: usize) -> io::Result<u64> {
    offset.checked_add(done as u64).ok_or_else(|| io::ErrorKind::InvalidInput.into())
}

#[cfg(unix)]
fn read_once(file: &File, buf: &mut [u8], offset: u64) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, buf, offset)
}

#[cfg(unix)]
fn write_once(file: &File, buf: &[u8], offset: u64) -> io::Result<usize> {
    std::os::unix::fs::FileExt::write_at(file, buf, offset)
}

#[cfg(windows)]
fn read_once(file: &File, buf: &mut [u8], offset: u64) -> io::Result<usize> {
    std::os::windows::fs::FileExt::seek_read(file, buf, offset)
}

#[cfg(windows)]
fn write_once(file: &File, buf: &[u8], offset: u64) -> io::Result<usize> {
    std::os::windows::fs::FileExt::seek_write(file, buf, offset)
}

#[cfg(not(any(unix, windows)))]
fn read_once(_file: &File, _buf: &mut [u8], _offset: u64) -> io::Result<usize> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(not(any(unix, windows)))]
fn write_once(_file: &File, _buf: &[u8], _offset: u64) -> io::Result<usize> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Whether the answer means "this file system cannot do that", in its several spellings.
#[cfg(unix)]
pub(super) fn is_unsupported(error: &io::Error) -> bool {
    use rustix::io::Errno;
    let unsupported = [Errno::NOTSUP, Errno::OPNOTSUPP, Errno::NOSYS];
    error.kind() == io::ErrorKind::Unsupported
        || Errno::from_io_error(error).is_some_and(|errno| unsupported.contains(&errno))
}

#[cfg(not(unix))]
pub(super) fn is_unsupported(error: &io::Error) -> bool {
    // ERROR_INVALID_FUNCTION and ERROR_NOT_SUPPORTED of Windows.
    error.kind() == io::ErrorKind::Unsupported
        || (cfg!(windows) && matches!(error.raw_os_error(), Some(1 | 50)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back_and_the_end_of_the_file_cuts_short() {
        let file = tempfile::tempfile().unwrap();
        write_at(&file, Path::new("a"), b"hello", 3).unwrap();
        let mut buf = [b'x'; 8];
        assert_eq!(read_at(&file, Path::new("a"), &mut buf, 2).unwrap(), 6);
        assert_eq!(&buf, b"\0helloxx");
        assert_eq!(read_at(&file, Path::new("a"), &mut buf, 8).unwrap(), 0);
        assert_eq!(read_at(&file, Path::new("a"), &mut [], 0).unwrap(), 0);
        sync_data(&file).unwrap();
    }

    #[test]
    fn an_offset_beyond_all_files_is_an_error_and_no_overflow() {
        let file = tempfile::tempfile().unwrap();
        for offset in [u64::MAX, u64::MAX - 1, i64::MAX as u64] {
            assert!(write_at(&file, Path::new("a"), b"hello", offset).is_err(), "{offset}");
        }
        let error = read_at(&file, Path::new("a"), &mut [0; 5], u64::MAX).unwrap_err();
        assert!(matches!(error, Error::Io { action: "read", .. }), "{error}");
    }

    #[test]
    fn a_read_only_file_cannot_be_written() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let read_only = File::open(file.path()).unwrap();
        let error = write_at(&read_only, file.path(), b"hello", 0).unwrap_err();
        assert!(matches!(error, Error::Io { action: "write", .. }), "{error}");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_device_is_a_full_disk() {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let error = write_at(&full, Path::new("a"), b"hello", 0).unwrap_err();
        assert!(matches!(error, Error::StorageFull { needed: 5, .. }), "{error}");
    }
}
