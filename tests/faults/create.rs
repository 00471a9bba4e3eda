//! Creating: whose file it is, what it may be read by, and that no half of one is ever seen.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use mmap_array::{Allocation, Error, Header, NpyFile, OpenOptions, Publish, load, save};
use rustix::fs::{CWD, Mode, OFlags};

use crate::child::{Child, say, start, start_after, start_by, wait_for_parent};
use crate::tools::{names, no_spawns, run, skip, word};

/// Elements of the arrays here: 64 KiB.
const LEN: usize = 16 << 10;

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

/// Are there files without a name here? Without them a killed process leaves a temporary name.
pub(crate) fn has_unnamed_files(folder: &Path) -> bool {
    let flags = OFlags::TMPFILE | OFlags::RDWR;
    let result = rustix::fs::openat(CWD, folder, flags, Mode::from_raw_mode(0o600));
    if let Err(error) = &result {
        skip(format!("the file system of {folder:?} has no unnamed files: {error}"));
    }
    result.is_ok()
}

/// Child: makes new files.
pub(crate) fn new_files(folder: &Path) {
    drop(NpyFile::<u8>::create(folder.join("create.npy"), [1]).unwrap());
    save(folder.join("save.npy"), &[1_u8]).unwrap();
}

/// Child: makes new files, and overwrites old ones.
pub(crate) fn modes(folder: &Path) {
    new_files(folder);
    let options = OpenOptions::new().overwrite(true);
    options.save(folder.join("private.npy"), &[1_u8]).unwrap();
    options.create_file::<u8>(folder.join("public.npy"), [1]).unwrap().close().unwrap();
}

#[test]
fn a_new_file_has_the_mode_that_the_umask_leaves_and_an_overwritten_one_keeps_its_own() {
    for (umask, expected) in [("077", 0o600), ("022", 0o644), ("027", 0o640)] {
        let folder = tempfile::tempdir().unwrap();
        for (name, mode) in [("private.npy", 0o600), ("public.npy", 0o664)] {
            let path = folder.path().join(name);
            save(&path, &[0_u8]).unwrap();
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        }
        start_after(&format!("umask {umask}"), "modes", folder.path()).finish();
        assert_eq!(mode(&folder.path().join("create.npy")), expected);
        assert_eq!(mode(&folder.path().join("save.npy")), expected);
        assert_eq!(mode(&folder.path().join("private.npy")), 0o600);
        assert_eq!(mode(&folder.path().join("public.npy")), 0o664);
    }
}

/// Child: makes the file at the word of command, filled with its own number.
pub(crate) fn race(path: &Path, options: OpenOptions) {
    let mine = std::process::id();
    say("ready");
    wait_for_parent();
    let made = options.create_file::<u32>(path, [LEN]).and_then(|file| {
        file.write_window([0..LEN], &[mine; LEN])?;
        file.close()
    });
    say(word(&made));
    if made.is_ok() {
        say(mine);
    }
}

/// Lets 16 children race; returns what the winners said after `Ok`, and what the others said.
fn race_of_16(role: &str, path: &Path) -> (Vec<u32>, Vec<String>) {
    let mut children: Vec<Child> = (0..16).map(|_| start(role, path)).collect();
    for child in &mut children {
        assert_eq!(child.next_line().as_deref(), Some("ready"));
    }
    children.iter_mut().for_each(Child::go);
    let (mut winners, mut others) = (Vec::new(), Vec::new());
    for child in children {
        let lines = child.finish();
        match &lines[..] {
            [ok, number] if ok == "Ok" => winners.push(number.parse().unwrap()),
            [other] => others.push(other.clone()),
            lines => panic!("{lines:?}"),
        }
    }
    (winners, others)
}

#[test]
fn of_16_processes_that_create_one_name_exactly_one_succeeds() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.npy");
    for role in ["race", "race_on_close", "race", "race_on_close"] {
        let (winners, others) = race_of_16(role, &path);
        assert_eq!(winners.len(), 1);
        assert!(others.iter().all(|word| word == "AlreadyExists"), "{others:?}");
        assert_eq!(names(folder.path()), ["a.npy"]);
        assert_eq!(load::<u32>(&path).unwrap().as_slice(), [winners[0]; LEN]);
        fs::remove_file(&path).unwrap();
    }
}

#[test]
fn of_16_processes_that_overwrite_one_name_each_makes_a_whole_file_or_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.npy");
    let (winners, others) = race_of_16("race_overwrite", &path);
    assert!(!winners.is_empty());
    assert!(others.iter().all(|word| word == "AlreadyOpen"), "{others:?}");
    assert_eq!(names(folder.path()), ["a.npy"]);
    let found = load::<u32>(&path).unwrap();
    assert!(winners.iter().any(|&number| found.as_slice() == [number; LEN]));
}

/// Child: makes one new file after the other, reserved and sparse in turn.
pub(crate) fn create_on_and_on(folder: &Path) {
    say("ready");
    let pid = std::process::id();
    for number in 0..10_000 {
        let path = folder.join(format!("{pid}-{number}.npy"));
        let allocation = if number % 2 == 0 { Allocation::Reserved } else { Allocation::Sparse };
        drop(OpenOptions::new().allocation(allocation).create_file::<u32>(path, [LEN]).unwrap());
    }
}

/// Starts 50 children, one after the other, and kills each after a different time.
fn kill_50(role: &str, path: &Path, mut check: impl FnMut()) {
    let started = Instant::now();
    for number in 0..50 {
        let mut child = start(role, path);
        assert_eq!(child.next_line().as_deref(), Some("ready"));
        // All sorts of times up to 10 ms.
        std::thread::sleep(Duration::from_micros(number * 7_919 % 10_000));
        child.kill();
        check();
        // On a slow machine a few less have to do.
        if started.elapsed() > Duration::from_secs(8) {
            break;
        }
    }
}

#[test]
fn a_process_killed_while_it_creates_leaves_whole_files_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    if !has_unnamed_files(folder.path()) {
        return;
    }
    let mut found = 0;
    kill_50("create_on_and_on", folder.path(), || {
        for name in names(folder.path()) {
            let path = folder.path().join(&name);
            assert!(name.ends_with(".npy") && !name.starts_with('.'), "{name}");
            assert_eq!(load::<u32>(&path).unwrap().as_slice(), [0; LEN], "{name}");
            fs::remove_file(path).unwrap();
            found += 1;
        }
    });
    assert!(found > 0, "no child came far enough to be killed in the middle");
}

/// Child: fills a new file and waits, unpublished, to be killed.
pub(crate) fn half_done(path: &Path) {
    let options = OpenOptions::new().overwrite(true).publish(Publish::OnClose);
    let file = options.create_file::<u32>(path, [LEN]).unwrap();
    file.write_window([0..LEN], &[9; LEN]).unwrap();
    file.flush().unwrap();
    say("ready");
    wait_for_parent();
}

fn half_done_and_killed(path: &Path) {
    let mut child = start("half_done", path);
    assert_eq!(child.next_line().as_deref(), Some("ready"));
    child.kill();
}

#[test]
fn a_file_to_be_published_on_close_is_not_there_after_a_kill_or_a_drop() {
    let folder = tempfile::tempdir().unwrap();
    if !has_unnamed_files(folder.path()) {
        return;
    }
    let path = folder.path().join("a.npy");
    half_done_and_killed(&path);
    assert!(names(folder.path()).is_empty());
    let options = OpenOptions::new().publish(Publish::OnClose);
    let file = options.create_file::<u32>(&path, [LEN]).unwrap();
    file.flush().unwrap();
    assert!(names(folder.path()).is_empty());
    drop(file);
    assert!(names(folder.path()).is_empty());
}

#[test]
fn an_overwritten_file_keeps_its_content_until_the_close_and_after_a_kill_or_a_drop() {
    let folder = tempfile::tempdir().unwrap();
    if !has_unnamed_files(folder.path()) {
        return;
    }
    let path = folder.path().join("a.npy");
    save(&path, &[5_u32, 6]).unwrap();
    half_done_and_killed(&path);
    assert_eq!(names(folder.path()), ["a.npy"]);
    assert_eq!(load::<u32>(&path).unwrap().as_slice(), [5, 6]);
    let options = OpenOptions::new().overwrite(true).publish(Publish::OnClose);
    for close in [false, true] {
        let file = options.create_file::<u32>(&path, [3]).unwrap();
        file.write_window([0..3], &[7, 8, 9]).unwrap();
        file.flush().unwrap();
        assert_eq!(load::<u32>(&path).unwrap().as_slice(), [5, 6]);
        let _calm = no_spawns();
        if close { file.close().unwrap() } else { drop(file) }
    }
    assert_eq!(names(folder.path()), ["a.npy"]);
    assert_eq!(load::<u32>(&path).unwrap().as_slice(), [7, 8, 9]);
}

/// Child: overwrites one file with whole arrays of one number.
pub(crate) fn overwrite_on_and_on(path: &Path) {
    say("ready");
    for number in 0..10_000_u32 {
        match OpenOptions::new().overwrite(true).save(path, &[number; LEN]) {
            Ok(()) | Err(Error::AlreadyOpen { .. }) => {}
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn a_process_killed_while_it_overwrites_leaves_the_old_file_or_the_new_one() {
    let folder = tempfile::tempdir().unwrap();
    let path: PathBuf = folder.path().join("a.npy");
    save(&path, &[0_u32; LEN]).unwrap();
    kill_50("overwrite_on_and_on", &path, || {
        let found = load::<u32>(&path).unwrap();
        let first = found[[0]];
        assert!(found.shape() == [LEN] && found.as_slice().iter().all(|&number| number == first));
    });
}

#[test]
fn readers_of_a_file_that_is_being_overwritten_see_one_whole_file_or_another() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.npy");
    save(&path, &[0_u32; LEN]).unwrap();
    let mut child = start("overwrite_on_and_on", &path);
    assert_eq!(child.next_line().as_deref(), Some("ready"));
    let (started, mut last, mut changes) = (Instant::now(), 0, 0);
    while changes < 20 && started.elapsed() < Duration::from_secs(5) {
        let found = load::<u32>(&path).unwrap();
        let first = found[[0]];
        assert!(found.shape() == [LEN] && found.as_slice().iter().all(|&number| number == first));
        changes += u32::from(first != last);
        last = first;
        let writer = NpyFile::<u32>::open_mut(&path);
        assert!(["Ok", "AlreadyOpen", "Replaced"].contains(&&*word(&writer)), "{writer:?}");
    }
    assert!(changes > 0);
}

#[test]
fn a_folder_that_is_gone_before_the_close_is_an_error() {
    let outer = tempfile::tempdir().unwrap();
    let folder = outer.path().join("folder");
    fs::create_dir(&folder).unwrap();
    let options = OpenOptions::new().publish(Publish::OnClose);
    let file = options.create_file::<u32>(folder.join("a.npy"), [3]).unwrap();
    if fs::remove_dir(&folder).is_err() {
        return skip("the new file has a temporary name, so its folder cannot be removed");
    }
    assert_eq!(word(&file.close()), "Io(NotFound)");
}

#[test]
fn without_proc_a_file_is_created_all_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let script = "mount -t tmpfs tmpfs /proc && exec \"$@\"";
    if let Err(reason) = run("unshare", &["-m", "sh", "-c", script, "sh", "true"]) {
        return skip(reason);
    }
    let by = ["unshare", "-m", "sh", "-c", script, "sh"];
    start_by(&by, "new_files", folder.path()).unwrap().finish();
    assert_eq!(names(folder.path()), ["create.npy", "save.npy"]);
    assert_eq!(load::<u8>(folder.path().join("save.npy")).unwrap().as_slice(), [1]);
}

#[test]
fn a_folder_that_was_moved_loses_no_locked_file_to_an_overwrite() {
    let folder = tempfile::tempdir().unwrap();
    let [before, after] = ["before", "after"].map(|name| folder.path().join(name));
    fs::create_dir(&before).unwrap();
    let options = OpenOptions::new().overwrite(true).publish(Publish::OnClose);
    let file = options.create_file::<u8>(before.join("a.npy"), [3]).unwrap();
    fs::rename(&before, &after).unwrap();
    let other = NpyFile::<u8>::create(after.join("a.npy"), [5]).unwrap();
    assert!(file.publish().is_err());
    assert_eq!(other.read().unwrap().len(), 5);
    assert_eq!(Header::read(after.join("a.npy")).unwrap().shape(), [5]);
    // Back at its place, it is refused for the lock, and then not at all.
    fs::rename(&after, &before).unwrap();
    assert!(matches!(file.publish(), Err(Error::AlreadyOpen { path, .. }) if path == file.path()));
    let _calm = no_spawns();
    drop(other);
    file.close().unwrap();
    assert_eq!(Header::read(before.join("a.npy")).unwrap().shape(), [3]);
}

#[test]
fn a_file_that_became_private_before_it_is_overwritten_stays_private() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.npy");
    let calm = no_spawns();
    save(&path, &[1_u8]).unwrap();
    drop(calm);
    let options = OpenOptions::new().overwrite(true).publish(Publish::OnClose);
    let file = options.create_file::<u8>(&path, [3]).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    file.close().unwrap();
    assert_eq!(mode(&path), 0o600);
}

#[test]
fn a_folders_name_makes_no_file() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["a/", "a/.", "a/..", ""] {
        let result = NpyFile::<u8>::create(format!("{}/{name}", folder.path().display()), [3]);
        assert!(result.is_err(), "{name}");
    }
    assert!(names(folder.path()).is_empty());
}
