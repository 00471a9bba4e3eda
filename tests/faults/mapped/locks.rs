//! Who may map a file beside whom: one writer, or many readers, in this process and others.

use std::path::{Path, PathBuf};

use mmap_array::{
    Lock, LockState, MmapArray, MmapArrayCow, MmapArrayMut, NpyFile, OpenOptions, Result, save,
};
use tempfile::TempDir;

use super::doors::{self, PLAIN};
use crate::child::{Child, say, start, wait_for_parent};
use crate::tools::{at_once, names, no_spawns, word};

fn saved() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.npy");
    let _calm = no_spawns();
    save(&path, &[1_u8, 2, 3]).unwrap();
    (folder, path)
}

// Each answers at once, whatever the answer is.

fn open(options: &OpenOptions, path: &Path) -> Result<MmapArray<u8>> {
    let (options, path) = (options.clone(), path.to_path_buf());
    at_once(move || doors::open(&options, &path))
}

fn open_mut(options: &OpenOptions, path: &Path) -> Result<MmapArrayMut<u8>> {
    let (options, path) = (options.clone(), path.to_path_buf());
    at_once(move || doors::open_mut(&options, &path))
}

fn open_cow(options: &OpenOptions, path: &Path) -> Result<MmapArrayCow<u8>> {
    let (options, path) = (options.clone(), path.to_path_buf());
    at_once(move || doors::open_cow(&options, &path))
}

/// Child: maps the file, and keeps it so until it is told to end.
pub(crate) fn hold(role: &str, path: &Path) {
    let (mut read, mut write, mut copy) = (None, None, None);
    match role {
        "hold_read" => read = doors::open::<u8>(&PLAIN, path).ok(),
        "hold_write" => write = doors::open_mut::<u8>(&PLAIN, path).ok(),
        _ => copy = doors::open_cow::<u8>(&PLAIN, path).ok(),
    }
    assert!(read.is_some() || write.is_some() || copy.is_some());
    say("held");
    wait_for_parent();
}

fn holder(role: &str, path: &Path) -> Child {
    let mut child = start(role, path);
    assert_eq!(child.next_line().as_deref(), Some("held"));
    child
}

/// What `open`, `open_cow`, `open_mut`, and the two of `NpyFile`, say, one after the other.
fn answers(path: &Path) -> [String; 5] {
    // Each handle is gone before the next one is asked for.
    fn answer<R>(result: Result<R>) -> String {
        word(&result)
    }
    let _calm = no_spawns();
    [
        answer(open(&PLAIN, path)),
        answer(open_cow(&PLAIN, path)),
        answer(open_mut(&PLAIN, path)),
        answer(NpyFile::<u8>::open(path)),
        answer(NpyFile::<u8>::open_mut(path)),
    ]
}

const BESIDE_A_WRITER: [&str; 5] =
    ["AlreadyOpen", "AlreadyOpen", "AlreadyOpen", "Ok", "AlreadyOpen"];
const BESIDE_A_READER: [&str; 5] = ["Ok", "Ok", "AlreadyOpen", "Ok", "AlreadyOpen"];
const ALONE: [&str; 5] = ["Ok"; 5];

#[test]
fn a_mapped_writer_is_alone_in_its_process_but_for_readers_by_position() {
    let (folder, path) = saved();
    let (hard, soft) = (folder.path().join("hard.npy"), folder.path().join("soft.npy"));
    std::fs::hard_link(&path, &hard).unwrap();
    std::os::unix::fs::symlink(&path, &soft).unwrap();
    let writer = doors::open_mut::<u8>(&PLAIN, &path).unwrap();
    assert_eq!(writer.lock_state(), LockState::Exclusive);
    assert_eq!(writer.file().lock_state(), LockState::Exclusive);
    for name in [&path, &hard, &soft] {
        assert_eq!(answers(name), BESIDE_A_WRITER, "{name:?}");
    }
    let calm = no_spawns();
    drop(writer);
    drop(calm);
    for name in [&path, &hard, &soft] {
        assert_eq!(answers(name), ALONE, "{name:?}");
    }
}

#[test]
fn mapped_readers_and_copies_let_each_other_in_and_keep_writers_out() {
    let (_folder, path) = saved();
    let reader = doors::open::<u8>(&PLAIN, &path).unwrap();
    assert_eq!(reader.lock_state(), LockState::Shared);
    assert_eq!(answers(&path), BESIDE_A_READER);
    let mut copy = doors::open_cow::<u8>(&PLAIN, &path).unwrap();
    assert_eq!(copy.lock_state(), LockState::Shared);
    copy[[0]] = 9;
    assert_eq!((reader[[0]], copy[[0]]), (1, 9));
    let calm = no_spawns();
    drop(reader);
    drop(calm);
    assert_eq!(answers(&path), BESIDE_A_READER);
    let calm = no_spawns();
    drop(copy);
    drop(calm);
    assert_eq!(answers(&path), ALONE);
}

#[test]
fn a_mapping_in_another_process_counts_as_one_in_this_and_ends_with_kill_9() {
    let (_folder, path) = saved();
    let expected = [
        ("hold_write", BESIDE_A_WRITER),
        ("hold_read", BESIDE_A_READER),
        ("hold_copy", BESIDE_A_READER),
    ];
    for (role, expected) in expected {
        let child = holder(role, &path);
        assert_eq!(answers(&path), expected, "{role}");
        child.kill();
        assert_eq!(answers(&path), ALONE, "{role}");
    }
}

#[test]
fn of_many_threads_that_map_one_file_to_write_exactly_one_gets_it() {
    let (_folder, path) = saved();
    let barrier = std::sync::Barrier::new(16);
    let results: Vec<_> = std::thread::scope(|scope| {
        let open = || {
            barrier.wait();
            doors::open_mut::<u8>(&PLAIN, &path)
        };
        let threads: Vec<_> = (0..16).map(|_| scope.spawn(open)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1);
    assert_eq!(results.iter().filter(|result| word(result) == "AlreadyOpen").count(), 15);
}

#[test]
fn a_new_mapped_file_is_locked_from_its_first_instant_until_its_last_handle_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.npy");
    let array = doors::create::<u8>(&PLAIN, &path, &[3]).unwrap();
    assert_eq!(answers(&path), BESIDE_A_WRITER);
    let shared = array.into_shared();
    let other = shared.clone();
    shared.close().unwrap();
    assert_eq!(answers(&path), BESIDE_A_WRITER);
    let file = other.try_into_inner().unwrap().into_file();
    assert_eq!(answers(&path), BESIDE_A_WRITER);
    let calm = no_spawns();
    file.close().unwrap();
    drop(calm);
    assert_eq!(answers(&path), ALONE);
}

#[test]
fn careful_mapped_writers_let_each_other_in_and_keep_out_who_wants_to_be_alone() {
    let (_folder, path) = saved();
    let careful = PLAIN.lock(Lock::Cooperative);
    let mut first = open_mut(&careful, &path).unwrap();
    let mut second = open_mut(&careful, &path).unwrap();
    assert_eq!((first.lock_state(), second.lock_state()), (LockState::Shared, LockState::Shared));
    assert_eq!(word(&open_mut(&PLAIN, &path)), "AlreadyOpen");
    assert_eq!(word(&NpyFile::<u8>::open_mut(&path)), "AlreadyOpen");
    first.write_window([0..1], &[10]).unwrap();
    second.write_window([1..2], &[20]).unwrap();
    // Mapped readers have a shared lock too: that nobody writes under them is the caller's care.
    assert_eq!(word(&open(&PLAIN, &path)), "Ok");
    assert_eq!(word(&open_cow(&careful, &path)), "Ok");
    assert_eq!(first.file().read().unwrap().as_slice(), [10, 20, 3]);
    let _calm = no_spawns();
    drop((first, second));
    let alone = open_mut(&PLAIN, &path).unwrap();
    assert_eq!(word(&open_mut(&careful, &path)), "AlreadyOpen");
    assert_eq!(word(&open(&careful, &path)), "AlreadyOpen");
    drop(alone);
}

#[test]
fn a_mapping_without_a_lock_comes_in_always_and_keeps_nobody_out() {
    let (_folder, path) = saved();
    let off = PLAIN.lock(Lock::Off);
    let calm = no_spawns();
    let writer = open_mut(&PLAIN, &path).unwrap();
    assert_eq!(open(&off, &path).unwrap().lock_state(), LockState::Unlocked);
    assert_eq!(open_mut(&off, &path).unwrap().lock_state(), LockState::Unlocked);
    assert_eq!(open_cow(&off, &path).unwrap().lock_state(), LockState::Unlocked);
    drop(writer);
    drop(calm);
    let _unlocked = (open(&off, &path).unwrap(), open_mut(&off, &path).unwrap());
    assert_eq!(answers(&path), ALONE);
}

#[test]
fn a_mapped_file_is_not_overwritten_but_without_locks_and_then_its_mapping_stays() {
    let (folder, path) = saved();
    let over = PLAIN.overwrite(true);
    let no_locks = over.clone().lock(Lock::Off);
    let reader = doors::open::<u8>(&PLAIN, &path).unwrap();
    assert_eq!(word(&over.save(&path, &[9_u8])), "AlreadyOpen");
    assert_eq!(word(&doors::create::<u8>(&over, &path, &[5])), "AlreadyOpen");
    assert_eq!(names(folder.path()), ["a.npy"]);
    let new = doors::create::<u8>(&no_locks, &path, &[5]).unwrap();
    assert_eq!(reader.as_slice(), Some(&[1, 2, 3][..]));
    assert_eq!(NpyFile::<u8>::open(&path).unwrap().shape(), [5]);
    std::fs::remove_file(&path).unwrap();
    assert_eq!(reader.read_window([1..3]).unwrap().as_slice(), [2, 3]);
    new.close().unwrap();
    assert!(names(folder.path()).is_empty());
}
