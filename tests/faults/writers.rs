//! Two writers of one file: refused at once, unless both ask for it.

use std::fs;
use std::path::{Path, PathBuf};

use mmap_array::{Lock, LockState, NpyFile, OpenOptions, Publish, ReadWrite, Result, load, save};
use tempfile::TempDir;

use crate::child::{Child, say, start, wait_for_parent};
use crate::tools::{at_once, names, no_spawns, word};

fn saved() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.npy");
    let _calm = no_spawns();
    save(&path, &[1_u8, 2, 3]).unwrap();
    (folder, path)
}

/// Opens to write; answers at once, whatever the answer is.
fn open(path: &Path) -> Result<NpyFile<u8, ReadWrite>> {
    open_with(path, Lock::Exclusive)
}

fn open_with(path: &Path, lock: Lock) -> Result<NpyFile<u8, ReadWrite>> {
    let path = path.to_path_buf();
    at_once(move || OpenOptions::new().lock(lock).open_file_mut(path))
}

/// Child: opens the file to write, and keeps it open until it is told to end.
pub(crate) fn hold(path: &Path) {
    let _file = NpyFile::<u8>::open_mut(path).unwrap();
    say("held");
    wait_for_parent();
}

/// Child: as [`hold`], for others who are careful.
pub(crate) fn hold_cooperative(path: &Path) {
    let file = OpenOptions::new().lock(Lock::Cooperative).open_file_mut::<u8>(path).unwrap();
    say("held");
    wait_for_parent();
    file.write_window([1..2], &[20]).unwrap();
}

fn holder(role: &str, path: &Path) -> Child {
    let mut child = start(role, path);
    assert_eq!(child.next_line().as_deref(), Some("held"));
    child
}

#[test]
fn a_second_writer_in_the_same_process_is_refused_by_any_name() {
    let (folder, path) = saved();
    let (hard, soft) = (folder.path().join("hard.npy"), folder.path().join("soft.npy"));
    fs::hard_link(&path, &hard).unwrap();
    std::os::unix::fs::symlink(&path, &soft).unwrap();
    let first = NpyFile::<u8>::open_mut(&path).unwrap();
    assert_eq!(first.lock_state(), LockState::Exclusive);
    for name in [&path, &hard, &soft] {
        assert_eq!(word(&open(name)), "AlreadyOpen", "{name:?}");
    }
    let _calm = no_spawns();
    drop(first);
    for name in [&path, &hard, &soft] {
        assert_eq!(word(&open(name)), "Ok", "{name:?}");
    }
}

#[test]
fn of_many_threads_that_open_one_file_exactly_one_gets_it() {
    let (_folder, path) = saved();
    let barrier = std::sync::Barrier::new(16);
    let results: Vec<_> = std::thread::scope(|scope| {
        let open = || {
            barrier.wait();
            NpyFile::<u8>::open_mut(&path)
        };
        let threads: Vec<_> = (0..16).map(|_| scope.spawn(open)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1);
    assert_eq!(results.iter().filter(|result| word(result) == "AlreadyOpen").count(), 15);
}

#[test]
fn a_second_writer_in_another_process_is_refused_and_readers_are_not() {
    let (folder, path) = saved();
    let hard = folder.path().join("hard.npy");
    fs::hard_link(&path, &hard).unwrap();
    let child = holder("hold", &path);
    assert_eq!(word(&open(&path)), "AlreadyOpen");
    assert_eq!(word(&open(&hard)), "AlreadyOpen");
    assert_eq!(load::<u8>(&path).unwrap().as_slice(), [1, 2, 3]);
    let reader = NpyFile::<u8>::open(&path).unwrap();
    assert_eq!(reader.lock_state(), LockState::Unlocked);
    drop(child);
    assert_eq!(word(&open(&path)), "Ok");
}

#[test]
fn a_file_whose_holder_was_killed_opens_at_once() {
    let (_folder, path) = saved();
    let child = holder("hold", &path);
    child.kill();
    assert_eq!(word(&open(&path)), "Ok");
}

#[test]
fn a_new_file_is_locked_from_its_first_instant() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.npy");
    let new = NpyFile::<u8>::create(&path, [3]).unwrap();
    assert_eq!(new.lock_state(), LockState::Exclusive);
    assert_eq!(word(&open(&path)), "AlreadyOpen");
    let _calm = no_spawns();
    new.close().unwrap();
    assert_eq!(word(&open(&path)), "Ok");
}

#[test]
fn careful_writers_let_each_other_in_and_keep_out_who_wants_to_be_alone() {
    let (_folder, path) = saved();
    let mut child = holder("hold_cooperative", &path);
    let ours = open_with(&path, Lock::Cooperative).unwrap();
    assert_eq!(ours.lock_state(), LockState::Shared);
    assert_eq!(word(&open(&path)), "AlreadyOpen");
    ours.write_window([0..1], &[10]).unwrap();
    child.go();
    child.finish();
    assert_eq!(ours.read().unwrap().as_slice(), [10, 20, 3]);
    assert_eq!(word(&open(&path)), "AlreadyOpen");
    let _calm = no_spawns();
    drop(ours);
    let alone = open(&path).unwrap();
    assert_eq!(word(&open_with(&path, Lock::Cooperative)), "AlreadyOpen");
    drop(alone);
}

#[test]
fn a_handle_without_a_lock_comes_in_always_and_keeps_nobody_out() {
    let (_folder, path) = saved();
    let first = NpyFile::<u8>::open_mut(&path).unwrap();
    let second = open_with(&path, Lock::Off).unwrap();
    assert_eq!(second.lock_state(), LockState::Unlocked);
    let _calm = no_spawns();
    drop(first);
    assert_eq!(word(&open(&path)), "Ok");
}

#[test]
fn a_reader_that_asks_for_a_lock_keeps_writers_out_and_is_kept_out_by_them() {
    let (_folder, path) = saved();
    let options = OpenOptions::new().lock(Lock::Exclusive);
    let (first, second) =
        (options.open_file::<u8>(&path).unwrap(), options.open_file::<u8>(&path).unwrap());
    assert_eq!(second.lock_state(), LockState::Shared);
    assert_eq!(word(&open(&path)), "AlreadyOpen");
    let _calm = no_spawns();
    drop((first, second));
    let writer = open(&path).unwrap();
    assert_eq!(word(&options.open_file::<u8>(&path)), "AlreadyOpen");
    drop(writer);
}

#[test]
fn a_file_that_somebody_holds_is_not_overwritten() {
    let (folder, path) = saved();
    for role in ["hold", "hold_cooperative"] {
        let child = holder(role, &path);
        refused_to_overwrite(&path);
        assert_eq!(load::<u8>(&path).unwrap().as_slice(), [1, 2, 3]);
        assert_eq!(names(folder.path()), ["a.npy"]);
        child.kill();
    }
    OpenOptions::new().overwrite(true).save(&path, &[9_u8]).unwrap();
    assert_eq!(load::<u8>(&path).unwrap().as_slice(), [9]);
}

fn refused_to_overwrite(path: &Path) {
    for publish in [Publish::AtOnce, Publish::OnClose] {
        let options = OpenOptions::new().overwrite(true).publish(publish);
        let new = path.to_path_buf();
        let (made, saved) = at_once(move || {
            (options.create_file::<u8>(&new, [9]).map(drop), options.save(&new, &[9_u8]))
        });
        assert_eq!(word(&made), "AlreadyOpen");
        assert_eq!(word(&saved), "AlreadyOpen");
    }
}

#[test]
fn a_file_that_waits_to_be_overwritten_has_no_other_writer() {
    let (_folder, path) = saved();
    let options = OpenOptions::new().overwrite(true).publish(Publish::OnClose);
    let new = options.create_file::<u8>(&path, [1]).unwrap();
    assert_eq!(word(&open(&path)), "AlreadyOpen");
    new.close().unwrap();
    assert_eq!(load::<u8>(&path).unwrap().as_slice(), [0]);
}

#[test]
fn a_file_that_was_renamed_over_or_removed_frees_its_name_and_keeps_its_handle() {
    let (folder, path) = saved();
    let other = folder.path().join("b.npy");
    let calm = no_spawns();
    save(&other, &[7_u8, 7]).unwrap();
    drop(calm);
    let old = NpyFile::<u8>::open_mut(&path).unwrap();
    fs::rename(&other, &path).unwrap();
    let new = open(&path).unwrap();
    old.write_window([0..3], &[4, 5, 6]).unwrap();
    assert_eq!(new.read().unwrap().as_slice(), [7, 7]);
    assert_eq!(old.read().unwrap().as_slice(), [4, 5, 6]);
    fs::remove_file(&path).unwrap();
    let newest = NpyFile::<u8>::create(&path, [1]).unwrap();
    old.close().unwrap();
    new.close().unwrap();
    newest.close().unwrap();
    assert_eq!(load::<u8>(&path).unwrap().as_slice(), [0]);
}
