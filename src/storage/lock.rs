//! Whole-file locks: advisory on Unix (`flock`), mandatory on Windows (`LockFileEx`).
//!
//! A lock belongs to the open file and ends with it. It is never given up earlier and never
//! changed: a failed upgrade would drop the lock that is held.

use std::fs::{File, TryLockError};
use std::io;
use std::path::Path;

use super::io::is_unsupported;
use super::open::{is_same_file, open_regular};
use crate::error::{Error, Result};

/// Whether handles of one file keep each other out.
///
/// Locks bind programs that ask for them: another program can still write to, shorten or remove
/// the file. A lock that cannot be had is an error at once, [`Error::AlreadyOpen`]; nobody waits.
/// A process that this one starts shares the lock until it has become another program, so a file
/// that was closed in that instant may still be locked for a moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Lock {
    /// One writer and nobody else who asks for a lock.
    #[default]
    Exclusive,
    /// Several writers, which see to it themselves that their windows do not overlap: by agreement,
    /// or by [regions](crate::concurrency#processes). They keep out those who ask for `Exclusive`.
    Cooperative,
    /// No lock is taken, and none is looked at.
    Off,
}

/// The lock that an open handle holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LockState {
    /// Nobody else holds a lock.
    Exclusive,
    /// Others may hold shared locks too, and nobody an exclusive one.
    Shared,
    /// None was asked for.
    Unlocked,
    /// One was asked for, but the file system (or, for `Lock::Cooperative`, Windows) has none to
    /// give: nothing keeps other writers out.
    Unsupported,
}

/// How often a name may change its file while it is being opened.
const ATTEMPTS: usize = 16;

/// Locks an open file, or fails at once with `AlreadyOpen`.
pub(crate) fn try_lock(file: &File, path: &Path, exclusive: bool) -> Result<LockState> {
    loop {
        let locked = if exclusive { file.try_lock() } else { file.try_lock_shared() };
        return match locked {
            Ok(()) if exclusive => Ok(LockState::Exclusive),
            Ok(()) => Ok(LockState::Shared),
            Err(TryLockError::WouldBlock) => {
                Err(Error::AlreadyOpen { path: path.to_path_buf(), overwriting: false })
            }
            Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Interrupted => {
                continue;
            }
            Err(TryLockError::Error(error)) if has_no_locks(&error) => Ok(LockState::Unsupported),
            Err(TryLockError::Error(error)) => Err(Error::io(path, "lock", 0, error)),
        };
    }
}

/// Opens and locks the file that `path` names when the lock is held, not one that was replaced
/// in between. Also says how long the file was when it was opened.
pub(crate) fn open_locked(
    path: &Path,
    writable: bool,
    exclusive: bool,
) -> Result<(File, u64, LockState)> {
    for _ in 0..ATTEMPTS {
        let (file, len) = open_regular(path, writable)?;
        // A shared lock of Windows would forbid our own writes.
        let state = if cfg!(windows) && writable && !exclusive {
            LockState::Unsupported
        } else {
            try_lock(&file, path, exclusive)?
        };
        if is_same_file(&file, path)? {
            return Ok((file, len, state));
        }
    }
    Err(Error::Replaced { path: path.to_path_buf() })
}

#[cfg(unix)]
fn has_no_locks(error: &io::Error) -> bool {
    // A network file system whose lock service is down says NOLCK.
    is_unsupported(error)
        || rustix::io::Errno::from_io_error(error) == Some(rustix::io::Errno::NOLCK)
}

#[cfg(not(unix))]
fn has_no_locks(error: &io::Error) -> bool {
    is_unsupported(error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn is_refused<T>(result: Result<T>) -> bool {
        matches!(result, Err(Error::AlreadyOpen { .. }))
    }

    #[test]
    fn a_second_exclusive_handle_is_refused_until_the_first_is_gone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        fs::write(&path, "").unwrap();
        let (first, _, state) = open_locked(&path, true, true).unwrap();
        assert_eq!(state, LockState::Exclusive);
        assert!(is_refused(open_locked(&path, true, true)));
        assert!(is_refused(open_locked(&path, false, false)));
        drop(first);
        open_locked(&path, true, true).unwrap();
    }

    #[test]
    fn shared_handles_let_each_other_in_and_keep_an_exclusive_one_out() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        fs::write(&path, "").unwrap();
        let (_first, _, state) = open_locked(&path, false, false).unwrap();
        assert_eq!(state, LockState::Shared);
        let (_second, _, state) = open_locked(&path, true, false).unwrap();
        assert_eq!(state == LockState::Unsupported, cfg!(windows));
        assert!(is_refused(open_locked(&path, true, true)));
    }

    #[test]
    fn another_name_of_a_locked_file_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let (path, link) = (dir.path().join("a"), dir.path().join("link"));
        fs::write(&path, "").unwrap();
        fs::hard_link(&path, &link).unwrap();
        let _first = open_locked(&path, true, true).unwrap();
        assert!(is_refused(open_locked(&link, true, true)));
    }

    #[cfg(unix)]
    #[test]
    fn the_lock_of_a_replaced_file_is_not_in_the_way_of_the_new_one() {
        let dir = tempfile::tempdir().unwrap();
        let (path, other) = (dir.path().join("a"), dir.path().join("b"));
        fs::write(&path, "old").unwrap();
        fs::write(&other, "new").unwrap();
        let (first, ..) = open_locked(&path, true, true).unwrap();
        fs::rename(&other, &path).unwrap();
        let (second, ..) = open_locked(&path, true, true).unwrap();
        assert!(!is_same_file(&first, &path).unwrap());
        assert!(is_same_file(&second, &path).unwrap());
    }

    #[cfg(unix)]
    #[test]
    fn opening_a_name_that_keeps_changing_ends() {
        let dir = tempfile::tempdir().unwrap();
        let (path, other) = (dir.path().join("a"), dir.path().join("b"));
        fs::write(&path, "").unwrap();
        std::thread::scope(|scope| {
            let replacer = scope.spawn(|| {
                for _ in 0..2000 {
                    fs::write(&other, "").unwrap();
                    fs::rename(&other, &path).unwrap();
                }
            });
            while !replacer.is_finished() {
                match open_locked(&path, true, true) {
                    Ok(_) | Err(Error::Replaced { .. }) => {}
                    Err(error) => panic!("{error}"),
                }
            }
        });
    }
}
