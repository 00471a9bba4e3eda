//! A directory as an absolute path, for systems where a directory cannot be opened, and for Miri,
//! which knows few system calls.

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

/// A directory's path, made absolute so that a new working directory does not matter.
#[derive(Debug)]
pub(crate) struct Dir(PathBuf);

impl Dir {
    pub(super) fn open(path: &Path) -> io::Result<Dir> {
        match fs::metadata(path)?.is_dir() {
            true => Ok(Dir(std::path::absolute(path)?)),
            false => Err(io::ErrorKind::NotADirectory.into()),
        }
    }

    /// Every file has a name here.
    pub(super) fn create_unnamed(&self) -> io::Result<File> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// A new file; a name that exists is an error.
    pub(super) fn create_new(&self, name: &OsStr, _private: bool) -> io::Result<File> {
        OpenOptions::new().read(true).write(true).create_new(true).open(self.0.join(name))
    }

    /// Never called: there are no unnamed files.
    pub(super) fn link_unnamed(&self, _file: &File, _name: &OsStr) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// A second name for a file; an existing one is an error.
    pub(super) fn link(&self, from: &OsStr, to: &OsStr) -> io::Result<()> {
        fs::hard_link(self.0.join(from), self.0.join(to))
    }

    /// Renames; an existing file of that name is replaced.
    pub(super) fn rename(&self, from: &OsStr, to: &OsStr) -> io::Result<()> {
        fs::rename(self.0.join(from), self.0.join(to))
    }

    /// std's rename always replaces. Miri has no links to do without it, and nobody else comes
    /// between two calls there.
    pub(super) fn rename_new(&self, from: &OsStr, to: &OsStr) -> io::Result<()> {
        match cfg!(miri) {
            false => Err(io::ErrorKind::Unsupported.into()),
            true if self.0.join(to).exists() => Err(io::ErrorKind::AlreadyExists.into()),
            true => self.rename(from, to),
        }
    }

    pub(super) fn remove(&self, name: &OsStr) -> io::Result<()> {
        fs::remove_file(self.0.join(name))
    }

    /// It is nothing but its path.
    pub(super) fn is_at(&self, path: &Path) -> bool {
        self.0 == path
    }

    /// Names are on stable storage when the file system's journal says so; nothing can be asked.
    pub(super) fn sync(&self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_made_moved_and_removed() {
        let temp = tempfile::tempdir().unwrap();
        let dir = Dir::open(temp.path()).unwrap();
        let [a, b, c] = ["a", "b", "c"].map(OsStr::new);
        assert!(dir.is_at(&dir.0) && !dir.is_at(Path::new("elsewhere")));
        let file = dir.create_new(a, false).unwrap();
        assert_eq!(dir.create_new(a, false).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        dir.link(a, b).unwrap();
        assert_eq!(dir.link(a, b).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        dir.create_new(c, false).unwrap();
        dir.rename(c, b).unwrap();
        dir.remove(a).unwrap();
        dir.remove(b).unwrap();
        dir.sync().unwrap();
        assert_eq!(fs::read_dir(temp.path()).unwrap().count(), 0);
        assert!(dir.rename_new(a, b).is_err() && dir.create_unnamed().is_err());
        assert!(dir.link_unnamed(&file, a).is_err());
    }

    #[test]
    fn a_file_is_no_directory() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert_eq!(Dir::open(file.path()).unwrap_err().kind(), io::ErrorKind::NotADirectory);
    }
}
