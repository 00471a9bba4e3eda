//! Paths that are no files, and files that may not be written.

use std::fs::{self, Permissions};
use std::io::ErrorKind;
use std::os::unix::fs::{FileTypeExt, PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;

use mmap_array::{Header, NpyFile, OpenOptions, load, save};
use rustix::fs::{CWD, FileType, Mode, mknodat};

use crate::child::{say, start, start_by};
use crate::ground;
use crate::tools::{names, run, skip, word};

/// Child: tries every door, and says how each one answered.
pub(crate) fn touch(path: &Path) {
    say(word(&NpyFile::<u8>::open(path)));
    say(word(&NpyFile::<u8>::open_mut(path)));
    say(word(&load::<u8>(path)));
    say(word(&Header::read(path)));
    say(word(&save(path, &[1_u8, 2])));
    say(word(&OpenOptions::new().overwrite(true).save(path, &[1_u8, 2])));
}

/// The six answers of [`touch`]; a child that hangs ends itself and fails the test.
fn answers(path: &Path) -> Vec<String> {
    start("touch", path).finish()
}

#[test]
fn what_is_no_regular_file_is_refused_at_once_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let (fifo, socket) = (folder.path().join("fifo"), folder.path().join("socket"));
    mknodat(CWD, &fifo, FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
    let listener = UnixListener::bind(&socket).unwrap();
    let to_fifo = folder.path().join("link");
    symlink(&fifo, &to_fifo).unwrap();
    let not_regular = "NotRegular";
    for path in
        [&fifo, &socket, &to_fifo, folder.path(), Path::new("/dev/zero"), Path::new("/dev/tty")]
    {
        // A link is in the way itself, whatever it leads to.
        let saved = if path.is_symlink() { "AlreadyExists" } else { not_regular };
        let expected = [not_regular, not_regular, not_regular, not_regular, saved, not_regular];
        assert_eq!(answers(path), expected, "{path:?}");
    }
    assert!(fs::metadata(&fifo).unwrap().file_type().is_fifo());
    assert_eq!(names(folder.path()), ["fifo", "link", "socket"]);
    drop(listener);
}

#[test]
fn a_path_that_leads_nowhere_is_an_ordinary_error_and_a_dangling_link_is_not_followed() {
    let folder = tempfile::tempdir().unwrap();
    let link = folder.path().join("link");
    symlink("nothing", &link).unwrap();
    let missing = "Io(NotFound)";
    let expected = [missing, missing, missing, missing, "AlreadyExists", "Ok"];
    assert_eq!(answers(&link), expected);
    // Asked to overwrite, it replaced the link itself.
    assert_eq!(names(folder.path()), ["link"]);
    assert!(fs::symlink_metadata(&link).unwrap().is_file());

    let looped = folder.path().join("loop");
    symlink("loop", &looped).unwrap();
    for answer in &answers(&looped)[..4] {
        assert!(answer.starts_with("Io("), "{answer}");
    }
    let below_file = link.join("a.npy");
    assert!(answers(&below_file).iter().all(|answer| answer == "Io(NotADirectory)"));
    let no_folder = folder.path().join("none/a.npy");
    assert!(answers(&no_folder).iter().all(|answer| answer == missing));
}

#[test]
fn a_file_of_the_kernel_without_a_length_is_no_array() {
    let answers = answers(Path::new("/proc/self/status"));
    for answer in &answers[..4] {
        assert!(answer.starts_with("Header") || answer.starts_with("Io("), "{answers:?}");
    }
}

/// How to start a child without the superuser's rights: with no capabilities, its own files obey
/// their permission bits as anybody's.
const PLAIN: [&str; 4] = ["setpriv", "--inh-caps=-all", "--bounding-set=-all", "--"];

#[test]
fn a_write_protected_file_can_be_read_and_neither_opened_to_write_nor_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.npy");
    save(&path, &[7_u8]).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o400)).unwrap();
    let is_root = fs::File::options().write(true).open(&path).is_ok();
    let mut by = &PLAIN[..];
    if is_root {
        if let Err(reason) = run(PLAIN[0], &["--inh-caps=-all", "--bounding-set=-all", "true"]) {
            return skip(reason);
        }
    } else {
        by = &[];
    }
    let denied = format!("Io({:?})", ErrorKind::PermissionDenied);
    let answers = start_by(by, "touch", &path).unwrap().finish();
    assert_eq!(answers, ["Ok", &denied, "Ok", "Ok", "AlreadyExists", &denied]);
    assert_eq!(load::<u8>(&path).unwrap().as_slice(), [7]);
    assert_eq!(names(folder.path()), ["a.npy"]);

    // A folder that nobody may write to.
    fs::set_permissions(folder.path(), Permissions::from_mode(0o500)).unwrap();
    let answers = start_by(by, "touch", &folder.path().join("b.npy")).unwrap().finish();
    fs::set_permissions(folder.path(), Permissions::from_mode(0o700)).unwrap();
    assert_eq!(answers[4..], [denied.clone(), denied]);
}

#[test]
fn a_file_on_a_read_only_disk_can_be_read_and_not_opened_to_write() {
    let Some(mut disk) = ground::ext4(16) else { return };
    save(disk.join("a.npy"), &[7_u8]).unwrap();
    let image = disk.scratch().join("image");
    disk.unmount();
    if disk.mount(&["-t", "ext4", "-o", "loop,ro", image.to_str().unwrap()]).is_none() {
        return;
    }
    let path = disk.join("a.npy");
    let read_only = format!("Io({:?})", ErrorKind::ReadOnlyFilesystem);
    assert_eq!(answers(&path), ["Ok", &read_only, "Ok", "Ok", "AlreadyExists", &read_only]);
    let new = NpyFile::<u8>::create(disk.join("b.npy"), [1]);
    assert_eq!(word(&new), read_only);
}
