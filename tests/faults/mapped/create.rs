//! Creating mapped arrays, all or nothing, and mappings that the system refuses.

use std::fs;
use std::path::Path;

use mmap_array::{Allocation, NpyFile, OpenOptions, Publish, Result, load, save};

use super::doors::{self, PLAIN};
use crate::child::{say, start, start_after, wait_for_parent};
use crate::ground::{self, Disk};
use crate::lab::Lab;
use crate::tools::{names, no_spawns, word};

/// Elements of an array that is too large to be mapped where there is only half of that.
const LARGE: usize = 1 << 30;
const HALF: &str = "ulimit -v 524288";

fn sparse() -> OpenOptions {
    PLAIN.allocation(Allocation::Sparse)
}

fn save_large(path: &Path) {
    let file = sparse().create_file::<u8>(path, [LARGE]).unwrap();
    file.write_window([LARGE - 1..LARGE], &[7]).unwrap();
}

fn say_whether_it_names_the_way_out<R>(result: Result<R>) {
    say(word(&result));
    let message = result.err().map(|error| error.to_string()).unwrap_or_default();
    say(message.contains("1073741952 bytes") && message.contains("open it as `NpyFile`"));
}

/// Child: maps what does not fit its address space, and takes the way that the error names.
pub(crate) fn no_room_to_map(path: &Path) {
    say_whether_it_names_the_way_out(doors::open::<u8>(&PLAIN, path));
    say_whether_it_names_the_way_out(doors::open_mut::<u8>(&PLAIN, path));
    say_whether_it_names_the_way_out(doors::open_cow::<u8>(&PLAIN, path));
    // Nothing holds the lock any more.
    let file = NpyFile::<u8>::open_mut(path).unwrap();
    say(file.read_window([LARGE - 1..LARGE]).unwrap()[[0]]);
    say(word(&file.write_window([0..1], &[8])));
    say(word(&file.close()));
}

#[test]
fn a_file_that_does_not_fit_the_address_space_names_the_way_out_and_that_works() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.npy");
    save_large(&path);
    let lines = start_after(HALF, "no_room_to_map", &path).finish();
    let refused = ["CannotMap", "true"];
    assert_eq!(lines, [&refused[..], &refused, &refused, &["7", "Ok", "Ok"]].concat());
    assert_eq!(NpyFile::<u8>::open(&path).unwrap().read_window([0..1]).unwrap()[[0]], 8);
}

/// Child: creates what does not fit its address space.
pub(crate) fn no_room_to_create(path: &Path) {
    let on_close = sparse().publish(Publish::OnClose);
    for options in [sparse(), on_close.clone(), sparse().overwrite(true), on_close.overwrite(true)]
    {
        say(word(&doors::create::<u8>(&options, path, &[LARGE])));
    }
}

#[test]
fn a_creation_that_cannot_be_mapped_leaves_nothing_and_an_old_file_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.npy");
    let lines = start_after(HALF, "no_room_to_create", &path).finish();
    assert_eq!(lines, ["CannotMap"; 4]);
    assert!(names(folder.path()).is_empty());
    save(&path, &[5_u8, 6]).unwrap();
    let lines = start_after(HALF, "no_room_to_create", &path).finish();
    assert_eq!(lines, ["AlreadyExists", "AlreadyExists", "CannotMap", "CannotMap"]);
    assert_eq!(names(folder.path()), ["a.npy"]);
    assert_eq!(load::<u8>(&path).unwrap().as_slice(), [5, 6]);
}

#[test]
fn a_creation_under_a_temporary_name_that_cannot_be_mapped_leaves_nothing() {
    let Some(lab) = Lab::new() else { return };
    // The unnamed file is asked what it is, and does not answer.
    let limited = ["sh", "-c", &format!("{HALF}; exec \"$@\""), "sh"];
    let child = lab.start_by(&limited, &["fstat:error=EIO"], None, "no_room_to_create");
    assert_eq!(child.finish(), ["CannotMap"; 4]);
    assert!(lab.has_tampered());
    assert!(lab.names().is_empty());
}

/// Child: maps a large array where little memory may be written.
pub(crate) fn no_data_segment(path: &Path) {
    say(doors::open::<u8>(&PLAIN, path).unwrap()[[LARGE - 1]]);
    let mut array = doors::open_mut::<u8>(&PLAIN, path).unwrap();
    array[[0]] = 9;
    say(word(&array.close()));
    say_whether_it_names_the_way_out(doors::open_cow::<u8>(&PLAIN, path));
    say(NpyFile::<u8>::open_mut(path).unwrap().read_window([0..1]).unwrap()[[0]]);
}

#[test]
fn a_limit_of_writable_memory_refuses_copy_on_write_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.npy");
    save_large(&path);
    let lines = start_after("ulimit -d 131072", "no_data_segment", &path).finish();
    assert_eq!(lines, ["7", "Ok", "CannotMap", "true", "9"]);
}

/// Child: maps a small file in each way; says how each ended.
pub(crate) fn open_mapped(path: &Path) {
    say(word(&doors::open::<u8>(&PLAIN, path)));
    say(word(&doors::open_mut::<u8>(&PLAIN, path)));
    say(word(&doors::open_cow::<u8>(&PLAIN, path)));
    say(word(&NpyFile::<u8>::open_mut(path)));
}

#[test]
fn whatever_reason_the_system_has_to_refuse_a_mapping_the_file_is_free_again() {
    let Some(lab) = Lab::new() else { return };
    save(lab.path(), &[1_u8, 2, 3]).unwrap();
    for errno in ["ENOMEM", "ENODEV", "EACCES", "EAGAIN", "EPERM"] {
        let lines = lab.run_on_file(&[&format!("mmap:error={errno}")], "open_mapped");
        assert_eq!(lines, ["CannotMap", "CannotMap", "CannotMap", "Ok"], "{errno}");
    }
    assert_eq!(load::<u8>(lab.path()).unwrap().as_slice(), [1, 2, 3]);
}

/// Child: a new mapped file from creation to close; says what `inject::whole` says.
pub(crate) fn whole(path: &Path) {
    let made = doors::create::<i32>(&PLAIN, path, &[1024]);
    say(word(&made));
    match made {
        Ok(mut array) => {
            let written = word(&array.write_window([0..1024], &[7; 1024]));
            array.as_mut_slice().unwrap()[1..].fill(if written == "Ok" { 7 } else { 0 });
            say(written);
            say(word(&array.flush()));
            say(word(&array.flush()));
            say(word(&array.close()));
        }
        Err(error) => say(error),
    }
}

#[test]
fn whichever_call_fails_the_mapped_file_is_whole_or_absent_and_nothing_else_is_left() {
    crate::inject::each_call_fails("whole_mapped");
}

#[test]
fn killed_at_any_call_of_a_mapped_creation_it_leaves_a_whole_file_or_nothing() {
    crate::inject::each_call_kills("whole_mapped");
}

fn a_reserved_array_that_does_not_fit(disk: &Disk) {
    let _calm = no_spawns();
    let (free, path) = (disk.free(), disk.join("a.npy"));
    for publish in [Publish::AtOnce, Publish::OnClose] {
        for len in [free as usize, 2 * free as usize, 1 << 40] {
            let result = doors::create::<u8>(&PLAIN.publish(publish), &path, &[len]);
            assert_eq!(word(&result), "StorageFull", "{len}");
        }
    }
    assert!(!path.exists());
    assert!(disk.free() >= free, "{} of {free} bytes are free again", disk.free());
}

#[test]
fn a_reserved_mapped_array_that_does_not_fit_leaves_nothing() {
    let Some(disk) = ground::tmpfs("size=4m") else { return };
    a_reserved_array_that_does_not_fit(&disk);
    assert!(names(&disk.join("")).is_empty());
    let Some(disk) = ground::ext4(16) else { return };
    a_reserved_array_that_does_not_fit(&disk);
    assert_eq!(names(&disk.join("")), ["lost+found"]);
}

/// Elements: 64 KiB.
const LEN: usize = 16 << 10;

/// Child: fills a new array through the map and waits, unpublished, to be killed.
pub(crate) fn half_done(path: &Path) {
    let options = PLAIN.overwrite(true).publish(Publish::OnClose);
    let mut array = doors::create::<u32>(&options, path, &[LEN]).unwrap();
    array.view_mut().fill(9);
    array.flush().unwrap();
    say("ready");
    wait_for_parent();
}

fn half_done_and_killed(path: &Path) {
    let mut child = start("half_done_mapped", path);
    assert_eq!(child.next_line().as_deref(), Some("ready"));
    child.kill();
}

#[test]
fn an_array_to_be_published_on_close_has_no_name_before_and_never_gets_one_after_a_drop_or_a_kill()
{
    let folder = tempfile::tempdir().unwrap();
    if !crate::create::has_unnamed_files(folder.path()) {
        return;
    }
    let path = folder.path().join("a.npy");
    half_done_and_killed(&path);
    assert!(names(folder.path()).is_empty());
    let options = PLAIN.publish(Publish::OnClose);
    for close in [false, true] {
        let mut array = doors::create::<u32>(&options, &path, &[LEN]).unwrap();
        array.view_mut().fill(8);
        array.write_window([0..1], &[7]).unwrap();
        array.flush().unwrap();
        array.flush_window([0..1]).unwrap();
        assert!(names(folder.path()).is_empty());
        let _calm = no_spawns();
        if close {
            array.close().unwrap()
        } else {
            drop(array)
        }
        assert_eq!(names(folder.path()).len(), usize::from(close));
    }
    let found = load::<u32>(&path).unwrap();
    assert!(found[[0]] == 7 && found.as_slice()[1..] == [8; LEN - 1]);
}

#[test]
fn an_overwritten_file_keeps_its_content_until_the_mapped_array_is_published() {
    let folder = tempfile::tempdir().unwrap();
    if !crate::create::has_unnamed_files(folder.path()) {
        return;
    }
    let path = folder.path().join("a.npy");
    save(&path, &[5_u32, 6]).unwrap();
    half_done_and_killed(&path);
    assert_eq!(names(folder.path()), ["a.npy"]);
    let options = PLAIN.overwrite(true).publish(Publish::OnClose);
    let mut array = doors::create::<u32>(&options, &path, &[3]).unwrap();
    array[[0]] = 1;
    assert_eq!(load::<u32>(&path).unwrap().as_slice(), [5, 6]);
    array.publish().unwrap();
    // It has its name, and stays open.
    array[[1]] = 2;
    array.publish().unwrap();
    assert_eq!(load::<u32>(&path).unwrap().as_slice(), [1, 2, 0]);
    drop(array);
    assert_eq!(names(folder.path()), ["a.npy"]);
    assert_eq!(fs::metadata(&path).unwrap().len(), 128 + 12);
}
