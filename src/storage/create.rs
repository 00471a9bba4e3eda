//! Making a file that has no name until it is whole.
//!
//! On Linux the file has no name at all (`O_TMPFILE`) and vanishes with the process that made it.
//! Elsewhere, and where the file system cannot do that, it has a temporary name, `.NAME.RANDOM.tmp`
//! in the same directory, which a killed process leaves behind.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use super::Dir;
use super::lock::{Lock, open_locked};
use super::naming::{move_to_free_name, with_temporary_name};
use super::open::{is_same_file, not_regular, open_regular};
use crate::error::{Error, Result};

/// When a new file gets its name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Publish {
    /// As soon as its header is there and its space is reserved: others see it while it is being
    /// filled.
    #[default]
    AtOnce,
    /// When it is closed: nobody sees it half filled, an overwritten file keeps its content until
    /// then, and a file that is dropped instead never existed.
    OnClose,
}

/// A file on its way to its name.
#[derive(Debug)]
pub(crate) struct NewFile {
    file: File,
    name: NewName,
}

/// The name that a new file will get. Dropped before that, it leaves nothing behind.
///
/// Keeps the directory open, so that neither `publish` nor `sync_dir` cares about the working
/// directory.
#[derive(Debug)]
pub(crate) struct NewName {
    /// As the caller wrote it, for messages.
    path: PathBuf,
    absolute: PathBuf,
    dir: Dir,
    name: OsString,
    /// Where the file is until it has its name; none for a file without any.
    temporary: Option<OsString>,
    /// The file to be overwritten, held open for its lock.
    old: Option<File>,
    overwrite: bool,
    lock: Lock,
    published: bool,
}

impl NewFile {
    /// A new, empty file, with the mode that the umask leaves.
    ///
    /// An existing `target` is refused at once, a dangling symbolic link too, unless `overwrite`.
    /// Then it must be a regular file; it is locked (unless `Lock::Off`) until the new one has
    /// replaced it, and hands on its permission bits. A symbolic link is replaced, not followed.
    pub(crate) fn create(target: &Path, overwrite: bool, lock: Lock) -> Result<NewFile> {
        NewFile::create_by(target, overwrite, lock, true)
    }

    fn create_by(target: &Path, overwrite: bool, lock: Lock, unnamed: bool) -> Result<NewFile> {
        let failed = |error| Error::io(target, "create", 0, error);
        // A name with a slash behind it is a folder's; `file_name` would drop the slash.
        let bytes = target.as_os_str().as_encoded_bytes();
        let name = target.file_name().filter(|name| bytes.ends_with(name.as_encoded_bytes()));
        let Some(name) = name else {
            let problem = "the path does not end in a file's name";
            return Err(failed(io::Error::new(io::ErrorKind::InvalidInput, problem)));
        };
        let old = match fs::symlink_metadata(target) {
            Ok(_) if overwrite => lock_old(target, lock)?,
            // Whatever is asked for, no array takes the place of a directory.
            Ok(found) if !found.is_file() && !found.is_symlink() => {
                return Err(not_regular(target, found.file_type()));
            }
            Ok(_) => return Err(Error::AlreadyExists { path: target.to_path_buf() }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(failed(error)),
        };
        let parent = match target.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let dir = Dir::open(parent).map_err(failed)?;
        let (file, temporary) = create_in(&dir, name, unnamed, old.is_some()).map_err(failed)?;
        let mut new = NewName {
            path: target.to_path_buf(),
            absolute: PathBuf::new(),
            dir,
            name: name.to_owned(),
            temporary,
            old,
            overwrite,
            lock,
            published: false,
        };
        // From here on, dropping `new` removes what was made.
        new.absolute = std::path::absolute(target).map_err(failed)?;
        if let Some(old) = &new.old {
            copy_mode(old, &file).map_err(failed)?;
        }
        Ok(NewFile { file, name: new })
    }

    /// The file, open for reading and writing.
    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    /// The file, and what is needed to publish it later or to sync its directory.
    pub(crate) fn into_parts(self) -> (File, NewName) {
        (self.file, self.name)
    }
}

impl NewName {
    /// Gives `file`, which was created with this name, its name, once. Never replaces a file
    /// unless `overwrite` was asked for. After an error nothing has changed, and it may be tried
    /// again.
    ///
    /// This syncs nothing: the content must be on stable storage before, and the directory
    /// ([`NewName::sync_dir`]) after it, if the name shall outlive a power cut.
    pub(crate) fn publish(&mut self, file: &File) -> Result<()> {
        if self.published {
            return Ok(());
        }
        if self.old.is_none() {
            // Also when overwriting: who comes first to a free name must not lose it to us unseen.
            match self.take_name(file) {
                Ok(()) => {
                    self.done();
                    return Ok(());
                }
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                    return Err(Error::io(&self.path, "create", 0, error));
                }
                Err(_) if !self.overwrite => {
                    return Err(Error::AlreadyExists { path: self.path.clone() });
                }
                Err(_) => {}
            }
        }
        self.hold_old().map_err(|error| error.with_path(&self.path))?;
        let failed = |error| Error::io(&self.path, "replace", 0, error);
        if let Some(old) = &self.old {
            // Its mode may have become stricter since it was copied.
            copy_mode(old, file).map_err(failed)?;
        }
        self.replace(file).map_err(failed)?;
        self.done();
        Ok(())
    }

    /// Whether the file has its name.
    pub(crate) fn is_published(&self) -> bool {
        self.published
    }

    /// Waits until the name is on stable storage.
    pub(crate) fn sync_dir(&self) -> io::Result<()> {
        self.dir.sync()
    }

    fn take_name(&self, file: &File) -> io::Result<()> {
        match &self.temporary {
            None => self.dir.link_unnamed(file, &self.name),
            Some(temporary) => move_to_free_name(&self.dir, temporary, &self.name),
        }
    }

    /// Holds the lock of the file that has the name now.
    fn hold_old(&mut self) -> Result<()> {
        // The lock is taken by path, the name by way of the directory: they must not part.
        if !self.absolute.parent().is_some_and(|parent| self.dir.is_at(parent)) {
            let error = io::Error::other("its folder was moved meanwhile");
            return Err(Error::io(&self.path, "replace", 0, error));
        }
        if let Some(old) = &self.old {
            if is_same_file(old, &self.absolute)? {
                return Ok(());
            }
            self.old = None;
        }
        self.old = lock_old(&self.absolute, self.lock)?;
        Ok(())
    }

    fn replace(&self, file: &File) -> io::Result<()> {
        if let Some(temporary) = &self.temporary {
            return self.dir.rename(temporary, &self.name);
        }
        let link = |name: &OsStr| self.dir.link_unnamed(file, name);
        let ((), temporary) = with_temporary_name(&self.name, link)?;
        self.dir.rename(&temporary, &self.name).inspect_err(|_| {
            let _ = self.dir.remove(&temporary);
        })
    }

    fn done(&mut self) {
        self.published = true;
        self.temporary = None;
        self.old = None;
    }
}

impl Drop for NewName {
    fn drop(&mut self) {
        if let Some(temporary) = &self.temporary {
            let _ = self.dir.remove(temporary);
        }
    }
}

/// `private` where a file is overwritten: who may open the new one is known when the old one's mode
/// is copied.
fn create_in(
    dir: &Dir,
    name: &OsStr,
    unnamed: bool,
    private: bool,
) -> io::Result<(File, Option<OsString>)> {
    // Systems refuse unnamed files with many numbers; a true obstacle stops the second way too.
    if unnamed && let Ok(file) = dir.create_unnamed() {
        return Ok((file, None));
    }
    let (file, temporary) = with_temporary_name(name, |name| dir.create_new(name, private))?;
    Ok((file, Some(temporary)))
}

/// Opens and locks a file that is to be replaced. None if the name is free, or a link to nothing.
fn lock_old(path: &Path, lock: Lock) -> Result<Option<File>> {
    // Writable, so that a write-protected file stays.
    let opened = match lock {
        Lock::Off => open_regular(path, true).map(|(file, _)| file),
        Lock::Exclusive | Lock::Cooperative => open_locked(path, true, true).map(|(file, ..)| file),
    };
    match opened {
        Ok(file) => Ok(Some(file)),
        Err(Error::Io { error, .. }) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(Error::AlreadyOpen { path, .. }) => Err(Error::AlreadyOpen { path, overwriting: true }),
        Err(error) => Err(error),
    }
}

/// Private data must not become public by being overwritten.
#[cfg(unix)]
fn copy_mode(old: &File, new: &File) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let mode = |file: &File| Ok::<_, io::Error>(file.metadata()?.permissions().mode() & 0o777);
    let old_mode = mode(old)?;
    // Not every file system lets modes be set, so only where it matters.
    if old_mode == mode(new)? {
        return Ok(());
    }
    new.set_permissions(fs::Permissions::from_mode(old_mode))
}

/// Access rights come from the directory, and a read-only file is not overwritten.
#[cfg(not(unix))]
fn copy_mode(_old: &File, _new: &File) -> io::Result<()> {
    Ok(())
}

/// Waits until the names in a directory are on stable storage.
pub(crate) fn sync_dir(path: &Path) -> io::Result<()> {
    Dir::open(path)?.sync()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::{LockState, try_lock, write_at};
    use std::sync::Barrier;
    use tempfile::{TempDir, tempdir};

    /// With and without a file that has no name at all.
    const WAYS: [bool; 2] = [true, false];

    impl NewFile {
        fn publish(&mut self) -> Result<()> {
            self.name.publish(&self.file)
        }
    }

    fn create(target: &Path, overwrite: bool, unnamed: bool) -> Result<NewFile> {
        NewFile::create_by(target, overwrite, Lock::Exclusive, unnamed)
    }

    fn fill(new: &NewFile, bytes: &[u8]) {
        write_at(new.file(), Path::new("a"), bytes, 0).unwrap();
    }

    fn names(dir: &TempDir) -> Vec<String> {
        let entries = fs::read_dir(dir.path()).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn a_file_has_its_name_and_content_once_published() {
        for way in WAYS {
            let dir = tempdir().unwrap();
            let target = dir.path().join("a.npy");
            let mut new = create(&target, false, way).unwrap();
            fill(&new, b"content");
            assert!(!target.exists());
            assert_eq!(try_lock(new.file(), &target, true).unwrap(), LockState::Exclusive);
            new.publish().unwrap();
            new.publish().unwrap();
            assert_eq!(names(&dir), ["a.npy"]);
            assert!(matches!(open_locked(&target, true, true), Err(Error::AlreadyOpen { .. })));
            let (file, name) = new.into_parts();
            assert!(name.is_published() && is_same_file(&file, &target).unwrap());
            name.sync_dir().unwrap();
            drop((file, name));
            assert_eq!(fs::read(&target).unwrap(), b"content");
        }
    }

    #[test]
    fn a_file_that_is_not_published_leaves_nothing() {
        for way in WAYS {
            let dir = tempdir().unwrap();
            let new = create(&dir.path().join("a.npy"), false, way).unwrap();
            fill(&new, b"content");
            if !way {
                let found = names(&dir);
                assert!(found[0].starts_with(".a.npy.") && found[0].ends_with(".tmp"), "{found:?}");
            } else if cfg!(target_os = "linux") {
                assert!(new.name.temporary.is_some() || names(&dir).is_empty());
            }
            drop(new);
            assert!(names(&dir).is_empty());
        }
    }

    #[test]
    fn an_existing_name_is_refused_at_once() {
        let dir = tempdir().unwrap();
        let target = dir.path().join("a.npy");
        fs::write(&target, "old").unwrap();
        let error = NewFile::create(&target, false, Lock::Exclusive).unwrap_err();
        assert!(matches!(error, Error::AlreadyExists { .. }), "{error}");
        assert_eq!(fs::read(&target).unwrap(), b"old");
    }

    #[test]
    fn a_name_that_was_taken_meanwhile_is_not_replaced() {
        for way in WAYS {
            let dir = tempdir().unwrap();
            let target = dir.path().join("a.npy");
            let mut new = create(&target, false, way).unwrap();
            fs::write(&target, "other").unwrap();
            let error = new.publish().unwrap_err();
            assert!(matches!(error, Error::AlreadyExists { .. }), "{error}");
            drop(new);
            assert_eq!(names(&dir), ["a.npy"]);
            assert_eq!(fs::read(&target).unwrap(), b"other");
        }
    }

    #[test]
    fn of_many_threads_that_create_one_name_exactly_one_succeeds() {
        for way in WAYS {
            let dir = tempdir().unwrap();
            let target = dir.path().join("a.npy");
            let barrier = Barrier::new(64);
            let race = || {
                barrier.wait();
                create(&target, false, way).and_then(|mut new| new.publish())
            };
            let results: Vec<_> = std::thread::scope(|scope| {
                let threads: Vec<_> = (0..64).map(|_| scope.spawn(race)).collect();
                threads.into_iter().map(|thread| thread.join().unwrap()).collect()
            });
            assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1);
            let lost = |result: &Result<()>| matches!(result, Err(Error::AlreadyExists { .. }));
            assert_eq!(results.iter().filter(|result| lost(result)).count(), 63, "{results:?}");
            assert_eq!(names(&dir), ["a.npy"]);
        }
    }

    #[test]
    fn overwriting_keeps_the_old_bytes_and_their_lock_until_published() {
        for way in WAYS {
            let dir = tempdir().unwrap();
            let target = dir.path().join("a.npy");
            fs::write(&target, "old").unwrap();
            let mut new = create(&target, true, way).unwrap();
            fill(&new, b"new bytes");
            assert!(matches!(open_locked(&target, true, true), Err(Error::AlreadyOpen { .. })));
            if !cfg!(windows) {
                assert_eq!(fs::read(&target).unwrap(), b"old");
            }
            new.publish().unwrap();
            assert_eq!(fs::read(&target).unwrap(), b"new bytes");
            assert_eq!(names(&dir), ["a.npy"]);
            open_locked(&target, true, true).unwrap();
        }
    }

    #[test]
    fn overwriting_a_file_in_use_is_refused() {
        for way in WAYS {
            let dir = tempdir().unwrap();
            let target = dir.path().join("a.npy");
            // The name is free at first, and in use when it is needed.
            let mut new = create(&target, true, way).unwrap();
            fs::write(&target, "old").unwrap();
            let holder = open_locked(&target, false, false).unwrap();
            let refused =
                |result| matches!(result, Err(Error::AlreadyOpen { overwriting: true, .. }));
            assert!(refused(create(&target, true, way).map(drop)));
            assert!(refused(new.publish()));
            drop(holder);
            new.publish().unwrap();
            assert_eq!(fs::read(&target).unwrap(), b"");
            assert_eq!(names(&dir), ["a.npy"]);
        }
    }

    #[test]
    fn a_directory_is_in_the_way_and_not_overwritten() {
        let dir = tempdir().unwrap();
        for overwrite in [false, true] {
            let error = NewFile::create(dir.path(), overwrite, Lock::Off).unwrap_err();
            assert!(matches!(error, Error::NotRegular { .. }), "{error}");
        }
    }

    #[test]
    fn a_replacement_that_fails_leaves_nothing() {
        for way in WAYS {
            let dir = tempdir().unwrap();
            let target = dir.path().join("a.npy");
            fs::write(&target, "old").unwrap();
            let mut new = create(&target, true, way).unwrap();
            fs::remove_file(&target).unwrap();
            fs::create_dir(&target).unwrap();
            let error = new.publish().unwrap_err();
            assert!(matches!(error, Error::NotRegular { .. }), "{error}");
            assert!(new.name.replace(&new.file).is_err());
            drop(new);
            assert_eq!(names(&dir), ["a.npy"]);
        }
    }

    #[test]
    fn a_missing_folder_or_a_path_without_a_name_is_an_error() {
        let dir = tempdir().unwrap();
        for (path, kind) in [
            (dir.path().join("none").join("a.npy"), io::ErrorKind::NotFound),
            (dir.path().join(".."), io::ErrorKind::InvalidInput),
            (PathBuf::new(), io::ErrorKind::InvalidInput),
        ] {
            let error = NewFile::create(&path, false, Lock::Exclusive).unwrap_err();
            assert_eq!(error.io_kind(), Some(kind), "{error}");
            assert!(matches!(error, Error::Io { action: "create", .. }), "{error:?}");
        }
    }

    #[test]
    fn a_long_name_gets_a_temporary_one_that_fits() {
        for name in ["a".repeat(255), "\u{20ac}".repeat(85)] {
            let dir = tempdir().unwrap();
            let mut new = create(&dir.path().join(&name), false, false).unwrap();
            new.publish().unwrap();
            assert_eq!(names(&dir), [name]);
        }
    }

    #[cfg(unix)]
    #[test]
    fn modes_follow_the_umask_and_an_overwritten_file_hands_on_its_own() {
        use std::os::unix::fs::PermissionsExt;
        let mode = |file: &File| file.metadata().unwrap().permissions().mode();
        for way in WAYS {
            let dir = tempdir().unwrap();
            let typical = mode(&File::create(dir.path().join("typical")).unwrap());
            let private = dir.path().join("private");
            let file = File::create(&private).unwrap();
            file.set_permissions(fs::Permissions::from_mode(0o600)).unwrap();
            assert_eq!(mode(create(&dir.path().join("a"), false, way).unwrap().file()), typical);
            let new = create(&private, true, way).unwrap();
            assert_eq!(mode(new.file()) & 0o777, 0o600);
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_symbolic_link_is_in_the_way_and_overwriting_replaces_the_link() {
        for (way, goal) in WAYS.into_iter().flat_map(|way| [(way, "goal"), (way, "nothing")]) {
            let dir = tempdir().unwrap();
            let target = dir.path().join("a.npy");
            fs::write(dir.path().join("goal"), "goal").unwrap();
            std::os::unix::fs::symlink(goal, &target).unwrap();
            let error = create(&target, false, way).unwrap_err();
            assert!(matches!(error, Error::AlreadyExists { .. }), "{error}");
            create(&target, true, way).unwrap().publish().unwrap();
            assert_eq!(fs::read(dir.path().join("goal")).unwrap(), b"goal");
            assert!(fs::symlink_metadata(&target).unwrap().is_file());
            assert_eq!(names(&dir).len(), 2);
        }
    }
}
