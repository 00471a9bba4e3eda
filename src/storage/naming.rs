//! Temporary names, and the ways from there to a name that must be free.

use std::ffi::{OsStr, OsString};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io;

use super::Dir;

/// How many random names are tried; a second one is never needed in practice.
const ATTEMPTS: usize = 16;

/// Bytes of the file's own name in its temporary one: names end at 255 on most systems, and some
/// allow fewer.
const STEM_LEN: usize = 100;

/// Calls `make` with random names beside `name`, until one is free.
pub(super) fn with_temporary_name<R>(
    name: &OsStr,
    make: impl Fn(&OsStr) -> io::Result<R>,
) -> io::Result<(R, OsString)> {
    let mut result = Err(io::ErrorKind::AlreadyExists.into());
    for _ in 0..ATTEMPTS {
        let temporary = temporary_name(name);
        result = make(&temporary).map(|made| (made, temporary));
        match &result {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            _ => break,
        }
    }
    result
}

fn temporary_name(name: &OsStr) -> OsString {
    let name = name.to_string_lossy();
    let mut end = name.len().min(STEM_LEN);
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    let stem = &name[..end];
    // std seeds each of these anew.
    let random = RandomState::new().build_hasher().finish();
    format!(".{stem}.{random:016x}.tmp").into()
}

/// Moves a temporary file to a name that must be free, by the best of three ways that the file
/// system knows.
pub(super) fn move_to_free_name(dir: &Dir, from: &OsStr, to: &OsStr) -> io::Result<()> {
    for way in [Dir::rename_new, link_and_remove] {
        match way(dir, from, to) {
            Ok(()) => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Err(error),
            Err(_) => {}
        }
    }
    claim_and_rename(dir, from, to)
}

fn link_and_remove(dir: &Dir, from: &OsStr, to: &OsStr) -> io::Result<()> {
    dir.link(from, to)?;
    // The file has its name; a second one that stays is no failure of that.
    let _ = dir.remove(from);
    Ok(())
}

/// Where there are no links either (FAT, object stores): an empty file takes the name and is then
/// replaced. For an instant others may see it.
fn claim_and_rename(dir: &Dir, from: &OsStr, to: &OsStr) -> io::Result<()> {
    drop(dir.create_new(to, false)?);
    dir.rename(from, to).inspect_err(|_| {
        let _ = dir.remove(to);
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn names(dir: &tempfile::TempDir) -> Vec<OsString> {
        fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect()
    }

    #[test]
    fn every_way_to_a_free_name_moves_the_file_and_replaces_nothing() {
        let ways = [move_to_free_name, link_and_remove, claim_and_rename];
        for way in ways {
            let dir = tempfile::tempdir().unwrap();
            let handle = Dir::open(dir.path()).unwrap();
            let (from, to) = (OsStr::new("from"), OsStr::new("to"));
            fs::write(dir.path().join("from"), "content").unwrap();
            way(&handle, from, to).unwrap();
            assert_eq!(names(&dir), ["to"]);
            fs::write(dir.path().join("from"), "second").unwrap();
            let error = way(&handle, from, to).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
            assert_eq!(fs::read(dir.path().join("to")).unwrap(), b"content");
            fs::remove_file(dir.path().join("from")).unwrap();
            fs::remove_file(dir.path().join("to")).unwrap();
            assert_eq!(way(&handle, from, to).unwrap_err().kind(), io::ErrorKind::NotFound);
            assert!(names(&dir).is_empty());
        }
    }

    #[test]
    fn temporary_names_differ_and_a_taken_one_is_passed_over() {
        assert_ne!(temporary_name(OsStr::new("a")), temporary_name(OsStr::new("a")));
        let tries = std::cell::Cell::new(0);
        let second_time = |_: &OsStr| {
            tries.set(tries.get() + 1);
            if tries.get() < 2 { Err(io::ErrorKind::AlreadyExists.into()) } else { Ok(()) }
        };
        with_temporary_name(OsStr::new("a"), second_time).unwrap();
        let never = |_: &OsStr| Err::<(), _>(io::ErrorKind::AlreadyExists.into());
        assert!(with_temporary_name(OsStr::new("a"), never).is_err());
    }
}
