//! Pages that cannot be had: where touching them ends the process, and what is an error instead.

use std::os::unix::process::ExitStatusExt;
use std::path::Path;

use mmap_array::{Access, Allocation, MmapArray, NpyFile, View, Writable, load, s, save};

use super::doors::{self, PLAIN};
use crate::child::{Child, say, start_after, wait_for_parent};
use crate::device::{LEN, break_disk, not_in_memory};
use crate::ground;
use crate::shrink::cut;
use crate::tools::word;

/// Starts a child that may be killed by the kernel; it leaves no core file.
fn start(role: &str, path: &Path) -> Child {
    start_after("ulimit -c 0", role, path)
}

/// What a child says until `SIGBUS` ends it.
#[track_caller]
fn killed_by_sigbus(mut child: Child) -> Vec<String> {
    let (lines, status) = (child.rest(), child.status());
    assert_eq!(status.signal(), Some(libc::SIGBUS), "{status}: {lines:?}");
    lines
}

/// Elements of int32; the file has four pages and 128 bytes.
const SMALL: usize = 4096;
/// Where the file is cut, inside its second page, and the elements there and behind that page.
const CUT: u64 = 4196;
const AFTER_CUT: usize = 1017;
const NEXT_PAGE: usize = 2016;

/// Child: cuts the file that it has mapped, and touches elements up to the end of the last page,
/// and then one behind it.
pub(crate) fn past_the_end(role: &str, path: &Path) {
    match role {
        "look_read" => look(&doors::open(&PLAIN, path).unwrap()),
        "look_write" => look(&doors::open_mut(&PLAIN, path).unwrap()),
        "look_copy" => look(&doors::open_cow(&PLAIN, path).unwrap()),
        "store_write" => store(&mut doors::open_mut(&PLAIN, path).unwrap()),
        _ => store(&mut doors::open_cow(&PLAIN, path).unwrap()),
    }
}

fn look<A: Access>(array: &MmapArray<i32, A>) {
    cut(array.path(), CUT);
    let elements = array.as_slice().unwrap();
    let sevens = elements[..NEXT_PAGE].iter().take_while(|&&found| found == 7).count();
    let zeros = elements[sevens..NEXT_PAGE].iter().take_while(|&&found| found == 0).count();
    say(format!("{sevens} and {zeros} zeros"));
    say(elements[NEXT_PAGE]);
}

fn store<A: Writable>(array: &mut MmapArray<i32, A>) {
    // A page that was copied goes with the rest of the file.
    array[[NEXT_PAGE]] = 4;
    cut(array.path(), CUT);
    array[[AFTER_CUT]] = 5;
    say(array[[AFTER_CUT]]);
    array[[NEXT_PAGE]] = 5;
    say("alive");
}

#[test]
fn touching_a_page_behind_the_end_of_a_file_that_was_cut_kills_and_inside_the_last_page_are_zeros()
{
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.npy");
    for (role, expected) in [
        ("look_read", "1017 and 999 zeros"),
        ("look_write", "1017 and 999 zeros"),
        ("look_copy", "1017 and 999 zeros"),
        ("store_write", "5"),
        ("store_copy", "5"),
    ] {
        save(&path, &vec![7_i32; SMALL]).unwrap();
        assert_eq!(killed_by_sigbus(start(role, &path)), [expected], "{role}");
        assert_eq!(std::fs::metadata(&path).unwrap().len(), CUT);
        std::fs::remove_file(&path).unwrap();
    }
}

/// Child: fills the disk, and writes to a sparse array by position and through the map.
pub(crate) fn hole(path: &Path) {
    let options = PLAIN.allocation(Allocation::Sparse);
    let mut array = doors::create::<u64>(&options, path, &[LEN]).unwrap();
    array[[0]] = 1;
    say(word(&array.flush()));
    ground::fill(&path.with_file_name("fill"));
    say(word(&array.write_window([LEN - 8192..LEN], &[2; 8192])));
    say(word(&array.write_slice(s![-1], View::from_shape([], &[2]).unwrap())));
    say(word(&array.flush()));
    array[[0]] += 1;
    say(array[[0]]);
    array[[LEN - 1]] = 2;
    say("alive");
}

#[test]
fn a_store_into_a_hole_on_a_full_disk_kills_and_a_window_is_an_error() {
    for disk in [ground::tmpfs("size=4m"), ground::ext4(16)] {
        let Some(disk) = disk else { continue };
        let lines = killed_by_sigbus(start("hole", &disk.join("a.npy")));
        assert_eq!(lines, ["Ok", "StorageFull", "StorageFull", "Ok", "2"]);
        // What was stored before is there.
        let file = NpyFile::<u64>::open_mut(disk.join("a.npy")).unwrap();
        assert_eq!(file.read_window([0..1]).unwrap().as_slice(), [2]);
    }
}

/// Child: fills the disk, and reads what was never written of a sparse array.
pub(crate) fn read_hole(path: &Path) {
    let options = PLAIN.allocation(Allocation::Sparse);
    let array = doors::create::<u64>(&options, path, &[LEN]).unwrap();
    ground::fill(&path.with_file_name("fill"));
    say(word(&array.prefetch([LEN - 1..LEN])));
    say(array.file().read_window([LEN - 1..LEN]).unwrap()[[0]]);
    say(array[[LEN - 1]]);
    say(array.read_window([LEN - 9..LEN]).unwrap()[[0]]);
}

#[test]
fn a_hole_on_a_full_disk_can_be_read_through_the_map_but_not_where_files_live_in_memory() {
    if let Some(disk) = ground::ext4(16) {
        assert_eq!(start("read_hole", &disk.join("a.npy")).finish(), ["Ok", "0", "0", "0"]);
    }
    let Some(disk) = ground::tmpfs("size=4m") else { return };
    let lines = killed_by_sigbus(start("read_hole", &disk.join("a.npy")));
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines[0].starts_with("Io("), "{lines:?}");
    assert_eq!(lines[1], "0");
}

/// Child: fills the disk, and then all of a reserved array through the map.
pub(crate) fn reserved(path: &Path) {
    let mut array = doors::create::<u64>(&PLAIN, path, &[LEN / 2]).unwrap();
    ground::fill(&path.with_file_name("fill"));
    array.as_mut_slice().unwrap().fill(7);
    say(word(&array.flush_window([5..9])));
    say(word(&array.flush()));
    array.view_mut().map_inplace(|element| *element += 1);
    say(word(&array.close()));
}

#[test]
fn stores_into_reserved_space_on_a_full_disk_work_and_can_be_flushed() {
    for disk in [ground::tmpfs("size=8m"), ground::ext4(16)] {
        let Some(disk) = disk else { continue };
        let lines = start("reserved", &disk.join("a.npy")).finish();
        assert_eq!(lines, ["Ok", "Ok", "Ok"]);
        assert_eq!(load::<u64>(disk.join("a.npy")).unwrap().as_slice(), vec![8; LEN / 2]);
    }
}

/// Child: reads an array whose disk broke after it was opened.
pub(crate) fn unreadable(path: &Path) {
    let array = doors::open_mut::<u64>(&PLAIN, path).unwrap();
    say("open");
    wait_for_parent();
    say(word(&array.prefetch([0..LEN])));
    say(word(&array.prefetch([LEN - 1..LEN])));
    say(word(&array.file().read_window([LEN - 1..LEN])));
    say(word(&array.evict([0..LEN])));
    say(word(&array.read_window([LEN - 1..LEN])));
}

#[test]
fn reading_a_broken_disk_through_the_map_kills_and_a_prefetch_and_a_read_by_position_are_errors() {
    let Some((_disk, path, image)) = not_in_memory() else { return };
    let mut child = start("unreadable", &path);
    assert_eq!(child.next_line().as_deref(), Some("open"));
    break_disk(&image);
    child.go();
    let lines = killed_by_sigbus(child);
    assert_eq!(lines.len(), 4, "{lines:?}");
    assert!(lines[..3].iter().all(|line| line.starts_with("Io(")), "{lines:?}");
    assert_eq!(lines[3], "Ok");
}
