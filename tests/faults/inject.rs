//! System calls that fail one at a time, by `strace`: each failure is an error or is made good,
//! never a panic and never half a file.

use std::fs::{self, File};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::time::Duration;

use mmap_array::{Allocation, NpyFile, OpenOptions, View, load, save};

use crate::child::say;
use crate::lab::Lab;
use crate::tools::word;

const LEN: usize = 1024;

/// Child: a new file from creation to close; says how each step ended.
pub(crate) fn whole(path: &Path) {
    through(OpenOptions::new(), path);
}

/// Child: as [`whole`], without reserving its space.
pub(crate) fn sparse(path: &Path) {
    through(OpenOptions::new().allocation(Allocation::Sparse), path);
}

fn through(options: OpenOptions, path: &Path) {
    let made = options.create_file::<i32>(path, [LEN]);
    say(word(&made));
    match made {
        Ok(file) => {
            say(word(&file.write_window([0..LEN], &[7; LEN])));
            say(word(&file.flush()));
            say(word(&file.flush()));
            say(word(&file.close()));
        }
        Err(error) => say(error),
    }
}

/// Child: opens the file, reads, writes, flushes and closes it.
pub(crate) fn open(path: &Path) {
    let opened = NpyFile::<i32>::open_mut(path);
    say(word(&opened));
    if let Ok(file) = opened {
        say(format!("{:?}", file.lock_state()));
        let read = file.read();
        say(word(&read));
        match read {
            Ok(array) => say(array.as_slice().iter().filter(|&&found| found == 7).count()),
            Err(error) => say(error),
        }
        say(word(&file.write_window([0..LEN], &[8; LEN])));
        say(word(&file.close()));
    }
}

/// Child: replaces the file.
pub(crate) fn overwrite(path: &Path) {
    say(word(&OpenOptions::new().overwrite(true).save(path, &[8_i32; LEN])));
}

const FINE: [&str; 5] = ["Ok"; 5];
const FINE_OPEN: [&str; 6] = ["Ok", "Exclusive", "Ok", "1024", "Ok", "Ok"];

#[test]
fn a_failed_flush_is_remembered_where_the_next_one_would_succeed() {
    let Some(lab) = Lab::new() else { return };
    // The first is that of the creation.
    let lines = lab.run(&["fdatasync:error=EIO:when=2"], "whole");
    assert_eq!(lines, ["Ok", "Ok", "SyncFailed", "SyncFailed", "SyncFailed"]);
    fs::remove_file(lab.path()).unwrap();
    // The folder's.
    let lines = lab.run(&["fsync:error=EIO:when=1"], "whole");
    assert_eq!(lines, ["Ok", "Ok", "SyncFailed", "SyncFailed", "SyncFailed"]);
}

#[test]
fn a_creation_whose_sync_fails_leaves_nothing() {
    let Some(lab) = Lab::new() else { return };
    let lines = lab.run(&["fdatasync:error=EIO:when=1"], "whole");
    assert_ne!(lines[0], "Ok");
    assert!(lab.names().is_empty());
}

#[test]
fn a_short_write_and_a_short_read_are_gone_on_with() {
    let Some(lab) = Lab::new() else { return };
    save(lab.path(), &[7_i32; LEN]).unwrap();
    // The call itself is left out, so what it claims to have moved is still as it was.
    let lines = lab.run_on_file(&["pwrite64:retval=1000:when=1"], "open");
    assert_eq!(lines, FINE_OPEN);
    let found = load::<i32>(lab.path()).unwrap();
    assert_eq!(found.as_slice()[..250], [7; 250]);
    assert_eq!(found.as_slice()[250..], [8; LEN - 250]);

    OpenOptions::new().overwrite(true).save(lab.path(), &[7_i32; LEN]).unwrap();
    // The first one reads the header.
    let lines = lab.run_on_file(&["pread64:retval=1000:when=2"], "open");
    assert_eq!(lines, ["Ok", "Exclusive", "Ok", "774", "Ok", "Ok"]);
}

#[test]
fn a_read_that_ends_early_tells_where_and_is_no_endless_loop() {
    let Some(lab) = Lab::new() else { return };
    save(lab.path(), &[7_i32; LEN]).unwrap();
    let lines = lab.run_on_file(&["pread64:retval=0:when=2"], "open");
    assert_eq!((&*lines[2], &*lines[4]), ("Shrunk", "Ok"));
    assert!(lines[3].contains("it has 128 bytes of 4224"), "{}", lines[3]);
}

#[test]
fn a_read_or_a_write_that_fails_is_an_error() {
    let Some(lab) = Lab::new() else { return };
    save(lab.path(), &[7_i32; LEN]).unwrap();
    let lines = lab.run_on_file(&["pread64:error=EIO:when=2"], "open");
    assert!(lines[2].starts_with("Io("), "{lines:?}");
    let lines = lab.run_on_file(&["pwrite64:error=EIO"], "open");
    assert!(lines[4].starts_with("Io("), "{lines:?}");
    let lines = lab.run_on_file(&["pwrite64:error=EDQUOT"], "open");
    assert_eq!(lines[4], "StorageFull");
    let lines = lab.run_on_file(&["pread64:error=EIO:when=1"], "open");
    assert!(lines[0].starts_with("Io("), "{lines:?}");
}

#[test]
fn a_write_that_moves_nothing_is_an_error_and_no_endless_loop() {
    let Some(lab) = Lab::new() else { return };
    save(lab.path(), &[7_i32; LEN]).unwrap();
    let lines = lab.run_on_file(&["pwrite64:retval=0"], "open");
    assert_eq!(lines, ["Ok", "Exclusive", "Ok", "1024", "Io(WriteZero)", "Ok"]);
}

/// Child: writes a window of two runs.
pub(crate) fn two_runs(path: &Path) {
    let file = NpyFile::<i32>::open_mut(path).unwrap();
    say("ready");
    let result = file.write_window([1..3, 0..LEN - 1], &[8; 2 * (LEN - 1)]);
    say(word(&result));
    say(word(&file.close()));
}

#[test]
fn a_file_that_is_cut_short_between_two_runs_of_a_write_is_not_made_long_again() {
    let Some(lab) = Lab::new() else { return };
    save(lab.path(), View::from_shape([3, LEN], &[7_i32; 3 * LEN]).unwrap()).unwrap();
    let delay = "pwrite64:delay_exit=1000000:when=1";
    let mut child = lab.start(&[delay], Some(&lab.path()), "two_runs");
    assert_eq!(child.next_line().as_deref(), Some("ready"));
    std::thread::sleep(Duration::from_millis(100));
    File::options().write(true).open(lab.path()).unwrap().set_len(5000).unwrap();
    assert_eq!(child.finish(), ["Shrunk", "Shrunk"]);
    assert_eq!(fs::metadata(lab.path()).unwrap().len(), 5000);
}

#[test]
fn an_interrupted_call_is_made_again() {
    let Some(lab) = Lab::new() else { return };
    for call in ["fallocate", "pwrite64", "fdatasync", "flock", "fsync"] {
        let lines = lab.run(&[&format!("{call}:error=EINTR:when=1")], "whole");
        assert_eq!(lines, FINE, "{call}");
        assert!(lab.has_tampered(), "{call}");
        assert_eq!(load::<i32>(lab.path()).unwrap().as_slice(), [7; LEN]);
        fs::remove_file(lab.path()).unwrap();
    }
    assert_eq!(lab.run(&["ftruncate:error=EINTR:when=1"], "sparse"), FINE);
    for call in ["openat", "flock", "pread64", "pwrite64", "fdatasync"] {
        OpenOptions::new().overwrite(true).save(lab.path(), &[7_i32; LEN]).unwrap();
        let lines = lab.run_on_file(&[&format!("{call}:error=EINTR:when=1")], "open");
        assert_eq!(lines, FINE_OPEN, "{call}");
        assert!(lab.has_tampered(), "{call}");
    }
}

#[test]
fn a_file_system_that_cannot_reserve_is_named_with_the_way_out() {
    let Some(lab) = Lab::new() else { return };
    for errno in ["EOPNOTSUPP", "ENOSYS"] {
        let fault = format!("fallocate:error={errno}");
        let lines = lab.run(&[&fault], "whole");
        assert_eq!(lines[0], "CannotReserve");
        assert!(lines[1].contains("Allocation::Sparse"), "{}", lines[1]);
        assert!(lab.names().is_empty());
        assert_eq!(lab.run(&[&fault], "sparse"), FINE);
        fs::remove_file(lab.path()).unwrap();
    }
    for (errno, expected) in [("ENOSPC", "StorageFull"), ("EDQUOT", "StorageFull")] {
        assert_eq!(lab.run(&[&format!("fallocate:error={errno}")], "whole")[0], expected);
        assert!(lab.names().is_empty());
    }
}

#[test]
fn a_file_system_without_locks_opens_all_the_same_and_says_so() {
    let Some(lab) = Lab::new() else { return };
    for errno in ["ENOLCK", "EOPNOTSUPP", "ENOSYS"] {
        let fault = format!("flock:error={errno}");
        assert_eq!(lab.run(&[&fault], "whole"), FINE, "{errno}");
        let lines = lab.run(&[&fault], "open");
        assert_eq!(lines, ["Ok", "Unsupported", "Ok", "1024", "Ok", "Ok"], "{errno}");
        fs::remove_file(lab.path()).unwrap();
    }
}

/// The folder itself is opened before, by `open` where there is such a call.
const UNNAMED: &str = if cfg!(target_arch = "x86_64") { "when=1" } else { "when=2" };

#[test]
fn without_unnamed_files_links_or_careful_renames_a_file_still_gets_its_name() {
    let Some(lab) = Lab::new() else { return };
    let no_unnamed = format!("openat:error=EOPNOTSUPP:{UNNAMED}");
    let chains: [&[&str]; 3] = [
        &[&no_unnamed],
        &[&no_unnamed, "renameat2:error=EINVAL"],
        &[&no_unnamed, "renameat2:error=ENOSYS", "linkat:error=EPERM"],
    ];
    for faults in chains {
        let lines = lab.start(faults, Some(lab.folder()), "whole").finish();
        assert_eq!(lines, FINE, "{faults:?}");
        assert!(lab.has_tampered(), "{faults:?}");
        assert_eq!(lab.names(), ["a.npy"], "{faults:?}");
        let lines = lab.start(faults, Some(lab.folder()), "whole").finish();
        assert_eq!(lines[0], "AlreadyExists", "{faults:?}");
        let lines = lab.start(faults, Some(lab.folder()), "overwrite").finish();
        assert_eq!(lines, ["Ok"], "{faults:?}");
        assert_eq!(lab.names(), ["a.npy"], "{faults:?}");
        assert_eq!(load::<i32>(lab.path()).unwrap().as_slice(), [8; LEN]);
        fs::remove_file(lab.path()).unwrap();
    }
}

#[test]
fn a_creation_under_a_temporary_name_that_fails_leaves_nothing() {
    let Some(lab) = Lab::new() else { return };
    // The unnamed file is asked what it is, and does not answer. (A filter by path, as for the
    // test above, would not know the temporary name.)
    let unusable = "fstat:error=EIO";
    let chains: [&[&str]; 4] = [
        &["flock:error=EIO"],
        &["fallocate:error=ENOSPC"],
        &["fdatasync:error=EIO"],
        &["renameat2:error=EIO", "linkat:error=EIO", "renameat:error=EIO"],
    ];
    for faults in chains {
        let lines = lab.run(&[&[unusable], faults].concat(), "whole");
        assert_ne!(lines[0], "Ok", "{faults:?}");
        assert!(lab.names().is_empty(), "{faults:?}: {:?}", lab.names());
    }
    // Killed, it leaves the temporary name: so that way was taken.
    let mut child = lab.start(&[unusable, "fdatasync:signal=KILL:when=1"], None, "whole");
    child.rest();
    let names = lab.names();
    assert!(names.len() == 1 && names[0].starts_with(".a.npy."), "{names:?}");
}

#[test]
fn a_file_that_is_replaced_before_its_lock_is_had_is_not_the_one_that_is_opened() {
    let Some(lab) = Lab::new() else { return };
    let other = lab.folder().join("b.npy");
    save(lab.path(), &[5_i32; LEN]).unwrap();
    save(&other, &[7_i32; LEN]).unwrap();
    let delay = "flock:delay_enter=1000000:when=1";
    let child = lab.start(&[delay], Some(&lab.path()), "open");
    std::thread::sleep(Duration::from_millis(400));
    fs::rename(&other, lab.path()).unwrap();
    assert_eq!(child.finish(), FINE_OPEN);
    assert!(lab.has_tampered());
    assert_eq!(load::<i32>(lab.path()).unwrap().as_slice(), [8; LEN]);
}

#[test]
fn an_unnamed_file_that_cannot_be_named_is_an_error_and_leaves_nothing() {
    let Some(lab) = Lab::new() else { return };
    for errno in ["EPERM", "ENOENT", "EXDEV"] {
        let lines = lab.run(&[&format!("linkat:error={errno}")], "whole");
        assert!(lines[0].starts_with("Io("), "{errno}: {lines:?}");
        assert!(lab.names().is_empty());
    }
}

/// The calls on the way from a path to a closed file.
const CALLS: [&str; 11] = [
    "flock",
    "fallocate",
    "lseek",
    "pwrite64",
    "msync",
    "fdatasync",
    "linkat",
    "fsync",
    "fstatfs",
    "statx",
    "openat",
];

#[test]
fn whichever_call_fails_the_file_is_whole_or_absent_and_nothing_else_is_left() {
    each_call_fails("whole");
}

/// Goes through the calls of a child that plays `role`, which says what [`whole`] says.
pub(crate) fn each_call_fails(role: &str) {
    let Some(lab) = Lab::new() else { return };
    let mut runs = 0;
    for call in CALLS {
        for when in 1..20 {
            let lines = lab.start_one(call, &format!("error=EIO:when={when}"), role).finish();
            runs += 1;
            if lines[0] == "Ok" {
                assert_eq!(lab.names(), ["a.npy"], "{call} {when}");
                let found = load::<i32>(lab.path()).unwrap();
                let value = if lines[1] == "Ok" { 7 } else { 0 };
                assert_eq!(found.as_slice(), [value; LEN], "{call} {when}: {lines:?}");
                fs::remove_file(lab.path()).unwrap();
            } else {
                assert!(lab.names().is_empty(), "{call} {when}: {lines:?}");
            }
            if !lab.has_tampered() {
                assert_eq!(lines, FINE, "{call} {when}");
                break;
            }
        }
    }
    assert!(runs > CALLS.len() + 8, "only {runs} runs: nothing was tampered with");
}

#[test]
fn killed_at_any_call_of_a_creation_it_leaves_a_whole_file_or_nothing() {
    each_call_kills("whole");
}

/// Goes through the calls of a child that plays `role`, and kills it at each.
pub(crate) fn each_call_kills(role: &str) {
    let Some(lab) = Lab::new() else { return };
    let mut kills = 0;
    for call in CALLS {
        for when in 1..20 {
            let fault = format!("signal=KILL:when={when}");
            let mut child = lab.start_one(call, &fault, role);
            child.rest();
            let killed = child.status().signal() == Some(9);
            match &lab.names()[..] {
                [] => {}
                [name] if name == "a.npy" => {
                    let found = load::<i32>(lab.path()).unwrap();
                    assert!(found.as_slice() == [0; LEN] || found.as_slice() == [7; LEN]);
                    fs::remove_file(lab.path()).unwrap();
                }
                names => panic!("{call} {fault}: {names:?}"),
            }
            if !killed {
                break;
            }
            kills += 1;
        }
    }
    assert!(kills > 8, "only {kills} kills");
}

#[test]
fn killed_at_any_call_of_an_overwrite_it_leaves_the_old_file_or_the_new_one() {
    let Some(lab) = Lab::new() else { return };
    for call in CALLS.into_iter().chain(["renameat"]) {
        for when in 1..20 {
            OpenOptions::new().overwrite(true).save(lab.path(), &[7_i32; LEN]).unwrap();
            let fault = format!("signal=KILL:when={when}");
            let mut child = lab.start_one(call, &fault, "overwrite");
            child.rest();
            let killed = child.status().signal() == Some(9);
            let found = load::<i32>(lab.path()).unwrap();
            assert!(found.as_slice() == [7; LEN] || found.as_slice() == [8; LEN], "{call} {fault}");
            if !killed {
                break;
            }
        }
    }
}
