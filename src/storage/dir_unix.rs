//! A directory as an open handle: names in it stay reachable whatever happens to its path or to
//! the working directory.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::path::Path;

use rustix::fs::{AtFlags, Mode, OFlags, linkat, openat, renameat, unlinkat};
use rustix::io::{Errno, retry_on_intr};

/// An open directory.
#[derive(Debug)]
pub(crate) struct Dir(File);

impl Dir {
    pub(super) fn open(path: &Path) -> io::Result<Dir> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let dir = retry_on_intr(|| rustix::fs::open(path, flags, Mode::empty()))?;
        Ok(Dir(dir.into()))
    }

    /// A new file that has no name, and that goes when it is closed without one.
    #[cfg(target_os = "linux")]
    pub(super) fn create_unnamed(&self) -> io::Result<File> {
        let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
        let file = File::from(retry_on_intr(|| openat(&self.0, ".", flags, NEW_FILE))?);
        // It gets its name by way of /proc, which a container may lack.
        match super::open::is_same_file(&file, &descriptor_path(&file)) {
            Ok(true) => Ok(file),
            _ => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    /// Elsewhere there are no such files, or (Android) programs may not link them.
    #[cfg(not(target_os = "linux"))]
    pub(super) fn create_unnamed(&self) -> io::Result<File> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// A new file; a name that exists, be it a dangling symbolic link, is an error.
    /// `private`: nobody else may open it.
    pub(super) fn create_new(&self, name: &OsStr, private: bool) -> io::Result<File> {
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::RDWR | OFlags::CLOEXEC;
        let mode = if private { Mode::RUSR | Mode::WUSR } else { NEW_FILE };
        Ok(retry_on_intr(|| openat(&self.0, name, flags, mode))?.into())
    }

    /// Names a file from `create_unnamed`; an existing name is an error.
    pub(super) fn link_unnamed(&self, file: &File, name: &OsStr) -> io::Result<()> {
        let from = descriptor_path(file);
        let flags = AtFlags::SYMLINK_FOLLOW;
        Ok(linkat(rustix::fs::CWD, from.as_path(), &self.0, name, flags)?)
    }

    /// A second name for a file; an existing one is an error.
    pub(super) fn link(&self, from: &OsStr, to: &OsStr) -> io::Result<()> {
        Ok(linkat(&self.0, from, &self.0, to, AtFlags::empty())?)
    }

    /// Renames; an existing file of that name is replaced.
    pub(super) fn rename(&self, from: &OsStr, to: &OsStr) -> io::Result<()> {
        Ok(renameat(&self.0, from, &self.0, to)?)
    }

    /// Renames; an existing name is an error.
    #[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
    pub(super) fn rename_new(&self, from: &OsStr, to: &OsStr) -> io::Result<()> {
        let flags = rustix::fs::RenameFlags::NOREPLACE;
        Ok(rustix::fs::renameat_with(&self.0, from, &self.0, to, flags)?)
    }

    #[cfg(not(any(target_os = "linux", target_os = "android", target_vendor = "apple")))]
    pub(super) fn rename_new(&self, _from: &OsStr, _to: &OsStr) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(super) fn remove(&self, name: &OsStr) -> io::Result<()> {
        Ok(unlinkat(&self.0, name, AtFlags::empty())?)
    }

    /// Does `path` still lead to this directory?
    pub(super) fn is_at(&self, path: &Path) -> bool {
        super::open::is_same_file(&self.0, path).unwrap_or(false)
    }

    /// Waits until the names are on stable storage.
    pub(super) fn sync(&self) -> io::Result<()> {
        match self.0.sync_all() {
            // Some network file systems know no such thing for directories.
            Err(error) if Errno::from_io_error(&error) == Some(Errno::INVAL) => Ok(()),
            result => result,
        }
    }
}

/// What the umask leaves of it, as for any new file.
const NEW_FILE: Mode = Mode::from_raw_mode(0o666);

fn descriptor_path(file: &File) -> std::path::PathBuf {
    use std::os::fd::AsRawFd;
    format!("/proc/self/fd/{}", file.as_raw_fd()).into()
}
