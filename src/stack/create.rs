//! A new npy-stack on its way to its directory: its files first, `info` last.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use super::info::StackInfo;
use crate::error::{Error, Result};
use crate::npy::DType;
use crate::storage::{self, Lock, NewFile};

/// What is left to do for files to be an npy-stack. Dropped before that, it removes the directory,
/// where that is empty and was made for it.
#[derive(Debug)]
pub(super) struct NewStack {
    dir: PathBuf,
    /// Was the directory made for this stack?
    made: bool,
    overwrite: bool,
    info: Vec<u8>,
    count: usize,
    /// Files of the stack that is overwritten, as its `info` says.
    old_count: usize,
    /// Is `info` written?
    whole: bool,
}

impl NewStack {
    /// Makes the directory, or looks whether the one that exists may be used. Changes nothing in
    /// there.
    pub(super) fn begin(
        dir: &Path,
        info: &StackInfo,
        dtype: &DType,
        overwrite: bool,
    ) -> Result<NewStack> {
        let failed = |error| Error::io(dir, "create", 0, error);
        let bytes = info.to_bytes(dtype).map_err(|error| error.with_path(dir))?;
        // What cannot be read again is not written.
        StackInfo::parse(&bytes).map_err(|error| error.with_path(dir))?;
        let count = info.lens().len();
        let dir = std::path::absolute(dir).map_err(failed)?;
        let made = match fs::create_dir(&dir) {
            Ok(()) => true,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => false,
            Err(error) => return Err(failed(error)),
        };
        // Without an `info` that can be read, the files there are no stack's.
        let old = if made { None } else { StackInfo::read(&dir).ok() };
        let old_count = old.map_or(0, |old| old.lens().len());
        let new = NewStack { dir, made, overwrite, info: bytes, count, old_count, whole: false };
        if !made {
            new.check_dir()?;
        }
        Ok(new)
    }

    /// The path of a file.
    pub(super) fn path(&self, number: usize) -> PathBuf {
        path_of(&self.dir, number)
    }

    /// An existing directory must be empty; or, where it is to be overwritten, nobody may hold a
    /// lock on a file of its stack.
    fn check_dir(&self) -> Result<()> {
        if !self.overwrite {
            let failed = |error| Error::io(&self.dir, "create", 0, error);
            return match fs::read_dir(&self.dir).map_err(failed)?.next() {
                None => Ok(()),
                Some(_) => Err(Error::AlreadyExists { path: self.dir.clone() }),
            };
        }
        for number in 0..self.count.max(self.old_count) {
            self.lock_old(number)?;
        }
        Ok(())
    }

    /// Locks the file with this number, where there is one.
    fn lock_old(&self, number: usize) -> Result<Option<File>> {
        match storage::open_locked(&self.path(number), true, true) {
            Ok((file, ..)) => Ok(Some(file)),
            Err(Error::Io { error, .. }) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Removes an `info` that is to be overwritten: while files are replaced there is no stack.
    pub(super) fn remove_old_info(&self) -> Result<()> {
        if !self.overwrite || self.whole {
            return Ok(());
        }
        let path = self.dir.join("info");
        match fs::remove_file(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(Error::io(&path, "remove", 0, error)),
            Ok(()) => self.sync(&self.dir),
        }
    }

    /// With all files in place, removes those of an overwritten stack that had more, and writes
    /// `info`.
    ///
    /// After an error it may be called again.
    pub(super) fn finish(&mut self) -> Result<()> {
        if !self.whole {
            self.remove_surplus()?;
            self.write_info()?;
        }
        self.sync(&self.dir)?;
        // The directory's own name.
        match self.dir.parent() {
            Some(parent) if self.made => self.sync(parent),
            _ => Ok(()),
        }
    }

    /// Is `info` there, and so the stack?
    pub(super) fn is_whole(&self) -> bool {
        self.whole
    }

    fn remove_surplus(&self) -> Result<()> {
        for number in self.count..self.old_count {
            let path = self.path(number);
            if let Some(_locked) = self.lock_old(number)? {
                fs::remove_file(&path).map_err(|error| Error::io(&path, "remove", 0, error))?;
            }
        }
        Ok(())
    }

    fn write_info(&mut self) -> Result<()> {
        let path = self.dir.join("info");
        let new = NewFile::create(&path, false, Lock::Off)?;
        storage::write_at(new.file(), &path, &self.info, 0)?;
        storage::sync_data(new.file()).map_err(|error| Error::io(&path, "sync", 0, error))?;
        let (file, mut name) = new.into_parts();
        name.publish(&file)?;
        self.whole = true;
        Ok(())
    }

    fn sync(&self, dir: &Path) -> Result<()> {
        storage::sync_dir(dir).map_err(|error| Error::io(dir, "sync", 0, error))
    }
}

impl Drop for NewStack {
    fn drop(&mut self) {
        if self.made && !self.whole {
            // One with files in it stays.
            let _ = fs::remove_dir(&self.dir);
        }
    }
}

/// The path of a file of an npy-stack.
pub(super) fn path_of(dir: &Path, number: usize) -> PathBuf {
    dir.join(format!("{number}.npy"))
}
