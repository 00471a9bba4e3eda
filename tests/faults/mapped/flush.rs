//! Flushes of mapped arrays: which calls they make, in which order, and that a failure stays.

use std::fs::{self, File};
use std::path::Path;

use mmap_array::{MmapArrayMut, View, load, s, save};

use super::doors::{self, PLAIN};
use crate::child::say;
use crate::device::assert_sync_failed;
use crate::ground;
use crate::lab::Lab;
use crate::tools::word;

/// Elements of the arrays on the failing disk: 4 MiB.
const LEN: usize = 1 << 19;

fn assert_all_failed(array: &MmapArrayMut<u64>) {
    for _ in 0..3 {
        assert_sync_failed(array.flush());
    }
    assert_sync_failed(array.flush_window([0..1]));
    assert_sync_failed(array.flush_window([0..LEN]));
    assert_sync_failed(array.flush_async());
    assert_sync_failed(array.publish());
}

/// An ext4 file system on a disk that has less room than it claims: once that is used up, stores
/// are accepted and lost later.
fn a_failed_flush_stays_failed(features: &str) {
    let Some(mut disk) = ground::tmpfs("size=28m") else { return };
    let (image, fill) = (disk.join("image"), disk.join("fill"));
    let options = "loop,errors=continue";
    if disk.mount_ext4(&image, 64, features, options).is_none() {
        return;
    }
    let mut arrays = ["flush", "window", "async", "close"].map(|name| {
        let path = disk.join(&format!("{name}.npy"));
        let array = doors::create::<u64>(&PLAIN, &path, &[LEN]).unwrap();
        array.flush().unwrap();
        array
    });
    ground::fill(&fill);
    // All stores come first: once the file system knows of the failure, it may refuse them, with a
    // signal.
    arrays.iter_mut().for_each(|array| array.as_mut_slice().unwrap().fill(5));
    let [flush, window, later, close] = arrays;

    assert_sync_failed(flush.flush());
    assert_all_failed(&flush);
    let file = flush.into_file();
    assert_sync_failed(file.flush());
    assert_sync_failed(file.publish());
    assert_sync_failed(file.close());

    assert_sync_failed(window.flush_window([0..LEN]));
    assert_all_failed(&window);
    assert_sync_failed(window.into_shared().close());

    // A flush that nobody waits for keeps the error for the next one.
    later.flush_async().unwrap();
    std::thread::sleep(std::time::Duration::from_millis(100));
    assert_sync_failed(later.flush());
    assert_all_failed(&later);

    assert_sync_failed(close.close());
}

/// The system reports an error once: to one of those who sync.
#[test]
fn of_threads_that_flush_at_once_on_a_failing_disk_none_is_told_that_all_is_well() {
    const ROUNDS: usize = 20;
    let Some(mut disk) = ground::tmpfs("size=24m") else { return };
    let (image, fill) = (disk.join("image"), disk.join("fill"));
    let options = "loop,errors=continue";
    if disk.mount_ext4(&image, 64, "^has_journal", options).is_none() {
        return;
    }
    let arrays: Vec<_> = (0..ROUNDS)
        .map(|round| {
            let path = disk.join(&format!("{round}.npy"));
            let array = doors::create::<u64>(&PLAIN, &path, &[LEN / 4]).unwrap();
            array.flush().unwrap();
            array
        })
        .collect();
    ground::fill(&fill);
    for mut array in arrays {
        // By position: a store might end the process by now.
        if array.write_window([0..LEN / 4], &vec![5; LEN / 4]).is_err() {
            continue;
        }
        let array = &array;
        let answers = std::thread::scope(|scope| {
            let threads = [0, 1, 2, 3].map(|thread| {
                scope.spawn(move || match thread % 2 {
                    0 => array.flush(),
                    _ => array.flush_window([0..LEN / 4]),
                })
            });
            threads.map(|thread| thread.join().unwrap())
        });
        if array.flush().is_err() {
            answers.into_iter().for_each(assert_sync_failed);
        }
    }
}

#[test]
fn a_failed_flush_of_stores_stays_failed_without_a_journal() {
    a_failed_flush_stays_failed("^has_journal");
}

#[test]
fn a_failed_flush_of_stores_stays_failed_with_a_journal() {
    a_failed_flush_stays_failed("has_journal");
}

/// Child: stores, and flushes in every way; says how each ended.
pub(crate) fn flushes(path: &Path, window_first: bool) {
    let mut array = doors::open_mut::<i32>(&PLAIN, path).unwrap();
    array.view_mut().fill(8);
    if window_first {
        say(word(&array.flush_window([0..10])));
    }
    say(word(&array.flush()));
    say(word(&array.flush()));
    say(word(&array.flush_window([0..10])));
    say(word(&array.flush_async()));
    say(word(&array.publish()));
    if window_first {
        say(word(&array.close()));
    } else {
        let file = array.into_file();
        say(word(&file.flush()));
        say(word(&file.close()));
    }
}

const FAILED: [&str; 7] = ["SyncFailed"; 7];
const FINE: [&str; 7] = ["Ok"; 7];

#[test]
fn a_failed_call_of_a_flush_is_remembered_where_the_next_one_would_succeed() {
    let Some(lab) = Lab::new() else { return };
    save(lab.path(), &[7_i32; 5000]).unwrap();
    assert_eq!(lab.run(&["msync:error=EIO:when=1"], "flushes"), FAILED);
    assert_eq!(lab.run(&["fdatasync:error=EIO:when=1"], "flushes"), FAILED);
    assert_eq!(lab.run(&["msync:error=EIO:when=1"], "flushes_window_first"), FAILED);
    // A window is flushed by `msync` alone.
    let lines = lab.run(&["fdatasync:error=EIO:when=1"], "flushes_window_first");
    assert_eq!(lines[0], "Ok");
    assert_eq!(lines[1..], FAILED[1..]);
    // What was stored is in the file all the same.
    assert_eq!(load::<i32>(lab.path()).unwrap().as_slice(), [8; 5000]);
}

#[test]
fn both_calls_of_a_flush_are_made_where_the_first_one_fails() {
    let Some(lab) = Lab::new() else { return };
    save(lab.path(), &[7_i32; 5000]).unwrap();
    // Each may know of an error that the other does not.
    let faults = ["msync:error=ENOSPC:when=1", "fdatasync:error=EIO:when=1"];
    assert_eq!(lab.run(&faults, "flushes"), FAILED);
    assert_eq!(lab.tampered_calls(), ["msync", "fdatasync"]);
}

#[test]
fn an_interrupted_flush_of_stores_is_made_again() {
    let Some(lab) = Lab::new() else { return };
    save(lab.path(), &[7_i32; 5000]).unwrap();
    for call in ["msync", "fdatasync"] {
        for role in ["flushes", "flushes_window_first"] {
            assert_eq!(lab.run(&[&format!("{call}:error=EINTR:when=1")], role), FINE, "{call}");
            assert_eq!(lab.tampered_calls(), [call]);
        }
    }
}

/// Columns of int32: a page. There are 64 rows.
const COLUMNS: usize = 1024;

/// Child: writes and flushes, and says before each what it will do.
pub(crate) fn calls(path: &Path) {
    let mut array = doors::open_mut::<i32>(&PLAIN, path).unwrap();
    array[[20, 3]] = 5;
    say("flush");
    array.flush().unwrap();
    array[[10, 3]] = 6;
    say("flush_window");
    array.flush_window([10..12, 3..8]).unwrap();
    say("write_window");
    array.write_window([1..3, 0..10], &[7; 20]).unwrap();
    array
        .write_slice(s![5..7], View::from_shape([2, COLUMNS], &[7; 2 * COLUMNS]).unwrap())
        .unwrap();
    say("flush_async");
    array.flush_async().unwrap();
    say("close");
    array.close().unwrap();
    let mut array = doors::open_cow::<i32>(&PLAIN, path).unwrap();
    say("copy");
    array.write_window([1..3, 0..10], &[8; 20]).unwrap();
    array.write_slice(s![5], &[8; COLUMNS]).unwrap();
    array[[6, 0]] = 8;
    say(array[[1, 0]] + array[[5, 0]] + array[[6, 0]]);
    drop(array);
    say("end");
}

/// The calls that a child made after it had said `word`, until it said the next one.
fn calls_after<'a>(log: &'a [String], word: &str) -> Vec<&'a str> {
    let said = |line: &&String| line.starts_with("write(2");
    let from = log.iter().position(|line| said(&line) && line.contains(&format!("> {word}\\n")));
    let lines = log[from.unwrap() + 1..].iter().take_while(|line| !said(line));
    let other = |line: &&str| line.starts_with("write(") || line.starts_with("mmap(");
    lines.map(String::as_str).filter(|line| !other(line)).collect()
}

/// The span of an `msync`: `msync(0x7f0000000000, 4096, MS_SYNC) = 0`.
fn span(call: &str) -> (usize, usize) {
    let arguments = call.strip_prefix("msync(0x").unwrap_or_else(|| panic!("{call}"));
    assert!(call.contains("MS_SYNC") && call.ends_with("= 0"), "{call}");
    let mut arguments = arguments.split(", ");
    let start = usize::from_str_radix(arguments.next().unwrap(), 16).unwrap();
    (start, arguments.next().unwrap().parse().unwrap())
}

#[test]
fn flushes_and_windows_make_the_calls_that_they_promise() {
    let Some(lab) = Lab::new() else { return };
    save(lab.path(), View::from_shape([64, COLUMNS], &[1_i32; 64 * COLUMNS]).unwrap()).unwrap();
    let file = format!("<{}>", fs::canonicalize(lab.path()).unwrap().display());
    let names = ["mmap", "msync", "fdatasync", "fsync", "pwrite64", "sync_file_range", "write"];
    let log = lab.trace(&names, "calls");
    let mapped = log.iter().find(|line| line.starts_with("mmap(") && line.contains(&file)).unwrap();
    assert!(mapped.contains("MAP_SHARED"), "{mapped}");
    let start = usize::from_str_radix(mapped.rsplit("= 0x").next().unwrap(), 16).unwrap();
    let len = 128 + 64 * COLUMNS * 4;

    let of_file = |call: &str, name: &str| call.starts_with(name) && call.contains(&file);
    // Everything, through the map first and then to the disk.
    for word in ["flush", "close"] {
        let calls = calls_after(&log, word);
        assert_eq!(span(calls[0]), (start, len), "{calls:?}");
        assert!(of_file(calls[1], "fdatasync("), "{calls:?}");
    }
    assert_eq!(calls_after(&log, "flush").len(), 2);
    // From the page of the first element to the last one, and nothing else.
    let calls = calls_after(&log, "flush_window");
    let end = 128 + 4 * (11 * COLUMNS + 8);
    assert_eq!(span(calls[0]), (start + 10 * 4096, end - 10 * 4096), "{calls:?}");
    assert_eq!(calls.len(), 1, "{calls:?}");
    // By position, one write for each run.
    let calls = calls_after(&log, "write_window");
    assert_eq!(calls.len(), 3, "{calls:?}");
    assert!(calls.iter().all(|call| of_file(call, "pwrite64(")), "{calls:?}");
    let calls = calls_after(&log, "flush_async");
    assert!(calls.len() == 1 && of_file(calls[0], "sync_file_range("), "{calls:?}");

    assert_eq!(calls_after(&log, "copy"), [""; 0]);
    let copied = log.iter().filter(|line| line.starts_with("mmap(") && line.contains(&file)).nth(1);
    let copied = copied.unwrap();
    assert!(copied.contains("MAP_PRIVATE") && copied.contains("MAP_NORESERVE"), "{copied}");
    let found = load::<i32>(lab.path()).unwrap();
    assert_eq!((found[[1, 9]], found[[1, 10]], found[[6, 0]], found[[10, 3]]), (7, 1, 7, 6));
}

#[test]
fn a_flush_of_a_file_that_was_removed_still_works() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.npy");
    let mut array = doors::create::<u64>(&PLAIN, &path, &[LEN]).unwrap();
    fs::remove_file(&path).unwrap();
    File::create(&path).unwrap();
    array[[3]] = 5;
    array.flush().unwrap();
    array.flush_window([0..9]).unwrap();
    array.close().unwrap();
    assert_eq!(fs::metadata(&path).unwrap().len(), 0);
}
