//! Opening regular files, and only those, and asking an open file what it is.

use std::fs::{self, File, FileType, OpenOptions};
use std::io;
use std::path::Path;

use crate::error::{Error, Result};

/// Opens a regular file, and says how long it is; anything else is refused at once, and a FIFO is
/// not waited for.
pub(crate) fn open_regular(path: &Path, writable: bool) -> Result<(File, u64)> {
    let mut options = OpenOptions::new();
    options.read(true).write(writable);
    never_wait(&mut options);
    let file = options.open(path).map_err(|error| cannot_open(path, error))?;
    // The descriptor is asked, not the path: the path may name something else by now.
    if let Some(len) = regular_len(&file).map_err(|error| Error::io(path, "open", 0, error))? {
        return Ok((file, len));
    }
    let metadata = file.metadata().map_err(|error| Error::io(path, "open", 0, error))?;
    Err(not_regular(path, metadata.file_type()))
}

/// The length of a regular file. `fstat` takes 280 ns where std's metadata takes 480.
#[cfg(all(unix, not(miri)))]
fn regular_len(file: &File) -> io::Result<Option<u64>> {
    let stat = rustix::fs::fstat(file)?;
    let is_file = rustix::fs::FileType::from_raw_mode(stat.st_mode).is_file();
    Ok(is_file.then_some(stat.st_size as u64))
}

#[cfg(any(not(unix), miri))]
fn regular_len(file: &File) -> io::Result<Option<u64>> {
    let metadata = file.metadata()?;
    Ok(metadata.is_file().then_some(metadata.len()))
}

/// Without these flags, opening a FIFO waits for its other end, and a terminal may become ours.
/// A regular file does not care about them afterwards.
#[cfg(all(unix, not(miri)))]
fn never_wait(options: &mut OpenOptions) {
    use rustix::fs::OFlags;
    use std::os::unix::fs::OpenOptionsExt;
    options.custom_flags((OFlags::NONBLOCK | OFlags::NOCTTY).bits().cast_signed());
}

#[cfg(any(not(unix), miri))]
fn never_wait(_options: &mut OpenOptions) {}

/// Directories (for writing), sockets and dead devices fail at open with numbers that differ
/// between systems, so the path is asked what it is.
#[cold]
fn cannot_open(path: &Path, error: io::Error) -> Error {
    match fs::metadata(path) {
        Ok(metadata) if !metadata.is_file() => not_regular(path, metadata.file_type()),
        _ => Error::io(path, "open", 0, error),
    }
}

pub(super) fn not_regular(path: &Path, file_type: FileType) -> Error {
    Error::NotRegular { path: path.to_path_buf(), found: kind(file_type) }
}

fn kind(file_type: FileType) -> &'static str {
    if file_type.is_dir() { "a directory" } else { special_kind(file_type) }
}

#[cfg(unix)]
fn special_kind(file_type: FileType) -> &'static str {
    use std::os::unix::fs::FileTypeExt;
    if file_type.is_fifo() {
        "a FIFO"
    } else if file_type.is_socket() {
        "a socket"
    } else if file_type.is_char_device() {
        "a character device"
    } else if file_type.is_block_device() {
        "a block device"
    } else {
        "a special file"
    }
}

#[cfg(not(unix))]
fn special_kind(_file_type: FileType) -> &'static str {
    "a special file"
}

/// Whether `path` still names the file that is open as `file`. A name that is gone does not.
#[cfg(all(unix, not(miri)))]
pub(crate) fn is_same_file(file: &File, path: &Path) -> Result<bool> {
    use rustix::{fs::fstat, fs::stat, io::Errno};
    let failed = |error: Errno| Error::io(path, "look up", 0, error.into());
    let ours = fstat(file).map_err(failed)?;
    match stat(path) {
        Ok(named) => Ok((named.st_dev, named.st_ino) == (ours.st_dev, ours.st_ino)),
        Err(Errno::NOENT) => Ok(false),
        Err(error) => Err(failed(error)),
    }
}

/// Always true: stable Rust shows no file numbers here, and a file that is open elsewhere is
/// rarely replaced on these systems.
#[cfg(any(not(unix), miri))]
pub(crate) fn is_same_file(_file: &File, _path: &Path) -> Result<bool> {
    Ok(true)
}

/// Bytes in the file now. Moves the descriptor's cursor, which nobody uses.
#[cfg(all(unix, not(miri)))]
pub(crate) fn file_len(file: &File) -> io::Result<u64> {
    // 110 to 150 ns where `fstat` takes 280 and std's metadata 480, also with two threads.
    Ok(rustix::fs::seek(file, rustix::fs::SeekFrom::End(0))?)
}

/// Bytes in the file now.
#[cfg(any(not(unix), miri))]
pub(crate) fn file_len(file: &File) -> io::Result<u64> {
    Ok(file.metadata()?.len())
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    fn found<T: std::fmt::Debug>(result: Result<T>) -> &'static str {
        match result {
            Err(Error::NotRegular { found, .. }) => found,
            other => panic!("{other:?}"),
        }
    }

    #[cfg(not(target_vendor = "apple"))]
    #[test]
    fn a_fifo_is_refused_at_once() {
        use rustix::fs::{CWD, FileType, Mode, mknodat};
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("fifo");
        mknodat(CWD, &path, FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
        assert_eq!(found(open_regular(&path, false)), "a FIFO");
        assert_eq!(found(open_regular(&path, true)), "a FIFO");
    }

    #[test]
    fn a_directory_is_refused_for_reading_and_for_writing() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(found(open_regular(dir.path(), false)), "a directory");
        assert_eq!(found(open_regular(dir.path(), true)), "a directory");
    }

    #[test]
    fn a_device_and_a_socket_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("socket");
        let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        assert_eq!(found(open_regular(&socket, true)), "a socket");
        assert_eq!(found(open_regular(Path::new("/dev/zero"), false)), "a character device");
        assert_eq!(found(open_regular(Path::new("/dev/tty"), false)), "a character device");
    }

    #[test]
    fn a_missing_file_is_an_ordinary_error() {
        let dir = tempfile::tempdir().unwrap();
        let error = open_regular(&dir.path().join("none"), false).unwrap_err();
        assert_eq!(error.io_kind(), Some(io::ErrorKind::NotFound), "{error}");
        std::os::unix::fs::symlink("none", dir.path().join("dangling")).unwrap();
        let error = open_regular(&dir.path().join("dangling"), true).unwrap_err();
        assert_eq!(error.io_kind(), Some(io::ErrorKind::NotFound), "{error}");
    }

    #[test]
    fn a_symbolic_link_is_followed_and_is_the_same_file() {
        let dir = tempfile::tempdir().unwrap();
        let (path, link) = (dir.path().join("a"), dir.path().join("link"));
        fs::write(&path, "12345").unwrap();
        std::os::unix::fs::symlink(&path, &link).unwrap();
        let (file, len) = open_regular(&link, true).unwrap();
        assert_eq!(len, 5);
        assert!(is_same_file(&file, &path).unwrap());
        assert!(is_same_file(&file, &link).unwrap());
    }

    #[test]
    fn a_replaced_or_removed_name_is_not_the_same_file() {
        let dir = tempfile::tempdir().unwrap();
        let (path, other) = (dir.path().join("a"), dir.path().join("b"));
        fs::write(&path, "old").unwrap();
        fs::write(&other, "new").unwrap();
        let (file, _) = open_regular(&path, false).unwrap();
        fs::rename(&other, &path).unwrap();
        assert!(!is_same_file(&file, &path).unwrap());
        fs::remove_file(&path).unwrap();
        assert!(!is_same_file(&file, &path).unwrap());
    }

    #[test]
    fn the_length_follows_the_file() {
        let file = tempfile::tempfile().unwrap();
        for len in [0, 5, 1 << 33, 7] {
            file.set_len(len).unwrap();
            assert_eq!(file_len(&file).unwrap(), len);
        }
    }
}
