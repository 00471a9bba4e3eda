//! What growth asks of the system: the order of a commit, few mappings, and limits of addresses.

use std::fs::{self, File};
use std::path::Path;

use mmap_array::{Advice, Allocation, Lock, MmapArray, MmapArrayMut, NpyFile, View, save};

use super::{all_cases, assert_rows, row, rows};
use crate::child::{say, start, start_after};
use crate::lab::Lab;
use crate::mapped::doors::{self, PLAIN};
use crate::mapped::flush::calls_after;
use crate::tools::{no_spawns, word};

/// Elements in a row.
const ROW: usize = 256;

fn save_rows(path: &Path, count: usize) {
    let elements = rows(0..count, ROW);
    let _calm = no_spawns();
    save(path, View::from_shape([count, ROW], &elements).unwrap()).unwrap();
}

/// Child: grows in every way, and says before each what it will do.
pub(crate) fn growth_calls(path: &Path) {
    let mut file = NpyFile::<u64>::open_mut(path).unwrap();
    say("append");
    file.append(&row(9, ROW)).unwrap();
    say("flush");
    file.flush().unwrap();
    say("flush again");
    file.flush().unwrap();
    say("truncate");
    file.truncate(5).unwrap();
    file.close().unwrap();
    let mut array = doors::open_mut::<u64>(&PLAIN, path).unwrap();
    array.append(&row(5, ROW)).unwrap();
    say("flush_window");
    array.flush_window([5..6, 0..ROW]).unwrap();
    say("flush map");
    array.flush().unwrap();
    say("end");
}

/// The bytes and the place of a `pwrite64`.
fn written(call: &str) -> (usize, usize) {
    let arguments = call.split_once(") = ").unwrap_or_else(|| panic!("{call}")).0;
    let mut numbers = arguments.rsplit(", ").map(|number| number.parse().unwrap());
    let (place, len) = (numbers.next().unwrap(), numbers.next().unwrap());
    (len, place)
}

#[test]
fn rows_are_synced_before_a_few_bytes_of_the_header_are_written_and_synced() {
    let Some(lab) = Lab::new() else { return };
    save_rows(&lab.path(), 9);
    let names = ["msync", "fdatasync", "fsync", "pwrite64", "ftruncate", "write"];
    let log = lab.trace(&names, "growth_calls");
    let calls = |word: &str| {
        let calls = calls_after(&log, word);
        let names: Vec<_> = calls.iter().map(|call| call.split('(').next().unwrap()).collect();
        (calls.clone(), names)
    };
    let (append, names) = calls("append");
    assert_eq!(names, ["pwrite64"], "one write for rows that lie as in the file");
    assert_eq!(written(append[0]), (ROW * 8, 128 + 9 * ROW * 8));
    let (flush, names) = calls("flush");
    assert_eq!(names, ["fdatasync", "pwrite64", "fdatasync"]);
    let (len, place) = written(flush[1]);
    assert!((1..=11).contains(&len) && place + len < 80, "{flush:?}");
    let (_, names) = calls("flush again");
    assert_eq!(names, ["fdatasync"]);
    let (cut, names) = calls("truncate");
    assert_eq!(names[..5], ["fdatasync", "pwrite64", "fdatasync", "ftruncate", "fdatasync"]);
    assert!(written(cut[1]).0 <= 11, "{cut:?}");
    let (_, names) = calls("flush_window");
    assert_eq!(names, ["msync"]);
    let (map, names) = calls("flush map");
    assert_eq!(names, ["msync", "fdatasync", "pwrite64", "fdatasync"]);
    assert_eq!(written(map[2]).0, 1, "5 and 6 rows: {map:?}");
}

/// Child: appends single rows to a map; says how often they moved.
pub(crate) fn few_maps(path: &Path) {
    let count = if all_cases() { 100_000 } else { 5_000 };
    let mut array = doors::open_mut::<u64>(&PLAIN, path).unwrap();
    let mut places = vec![array.as_slice().unwrap().as_ptr()];
    for at in 3..count {
        array.append(&row(at, ROW)[..]).unwrap();
        let elements = array.as_slice().unwrap();
        assert_eq!(elements[at * ROW], (at * ROW) as u64 + 1);
        if places.last() != Some(&elements.as_ptr()) {
            places.push(elements.as_ptr());
        }
    }
    assert_eq!(array.shape(), [count, ROW]);
    say(places.len());
    array.close().unwrap();
    assert_rows(&NpyFile::<u64>::open(path).unwrap());
}

#[test]
fn a_map_that_grows_row_by_row_is_mapped_anew_only_a_few_times() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.npy");
    save_rows(&path, 3);
    let lines = start("few_maps", &path).finish();
    assert!(lines[0].parse::<usize>().unwrap() <= 3, "{lines:?}");

    let Some(lab) = Lab::new() else { return };
    save_rows(&lab.path(), 9);
    let log = lab.trace(&["mmap"], "growth_calls");
    let file = format!("<{}>", fs::canonicalize(lab.path()).unwrap().display());
    let maps = log.iter().filter(|call| call.contains(&file)).count();
    assert_eq!(maps, 2, "{log:?}");
}

/// Child: appends where addresses for what may come cannot be had.
pub(crate) fn no_room_to_reserve(path: &Path) {
    let mut array = doors::open_mut::<u64>(&PLAIN, path).unwrap();
    for at in 9..200 {
        array.append(&row(at, ROW)).unwrap();
        assert!(array.as_slice().unwrap().ends_with(&row(at, ROW)));
    }
    assert_eq!(array.as_slice().unwrap(), rows(0..200, ROW));
    say(word(&array.close()));
}

#[test]
fn a_map_grows_where_no_addresses_can_be_reserved() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.npy");
    save_rows(&path, 9);
    assert_eq!(start_after("ulimit -v 524288", "no_room_to_reserve", &path).finish(), ["Ok"]);
    assert_rows(&NpyFile::<u64>::open(&path).unwrap());
}

/// Bytes of an array that can be mapped once, and not twice.
const LARGE: usize = 300 << 20;

/// Child: grows an array that fits its addresses, and not twice, as growing would need.
pub(crate) fn no_room_to_grow(path: &Path) {
    let mut array = doors::open_mut::<u8>(&PLAIN, path).unwrap();
    say(word(&array.append(&[1, 2, 3])));
    say(fs::metadata(path).unwrap().len() - 128 == LARGE as u64);
    say(array.len() == LARGE && array.as_slice().unwrap().len() == LARGE);
    say(word(&array.append_view(&[1, 2, 3])));
    array.as_mut_slice().unwrap()[LARGE - 1] = 7;
    say(word(&array.flush()));
    say(word(&array.truncate(LARGE - 1)));
    say(array.as_slice().unwrap().len() == LARGE - 1);
    let mut file = array.into_file();
    say(word(&file.append(&[8, 9])));
    say(word(&file.close()));
}

#[test]
fn an_append_that_cannot_be_mapped_leaves_file_and_handle_as_they_were() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.npy");
    PLAIN.allocation(Allocation::Sparse).create_file::<u8>(&path, [LARGE]).unwrap();
    let lines = start_after("ulimit -v 524288", "no_room_to_grow", &path).finish();
    let expected = ["CannotMap", "true", "true", "CannotMap", "Ok", "Ok", "true", "Ok", "Ok"];
    assert_eq!(lines, expected);
    let file = NpyFile::<u8>::open(&path).unwrap();
    assert_eq!(file.shape(), [LARGE + 1]);
    assert_eq!(file.read_window([LARGE - 2..LARGE + 1]).unwrap().as_slice(), [0, 8, 9]);
}

#[test]
fn a_map_that_is_mapped_anew_keeps_its_advice() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.npy");
    save_rows(&path, 9);
    let mut array: MmapArrayMut<u64> = doors::open_mut(&PLAIN, &path).unwrap();
    array.advise(Advice::Random).unwrap();
    assert_eq!(flags(&path), [true]);
    array.append(&row(9, ROW)).unwrap();
    assert_eq!(flags(&path), [true]);
}

/// Of each mapping of a file: is it read at random?
fn flags(path: &Path) -> Vec<bool> {
    let path = fs::canonicalize(path).unwrap();
    let maps = fs::read_to_string("/proc/self/smaps").unwrap();
    let after = maps.split(path.to_str().unwrap()).skip(1);
    let flags = after.map(|map| map.lines().find(|line| line.starts_with("VmFlags")).unwrap());
    flags.map(|line| line.split(' ').any(|flag| flag == "rr")).collect()
}

#[test]
fn a_mapped_reader_without_a_lock_follows_a_growing_writer_of_another_process() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.npy");
    let mut child = start("grow_on_and_on", &path);
    child.next_line().unwrap();
    let options = PLAIN.lock(Lock::Off);
    let mut array: MmapArray<u64> = doors::open(&options, &path).unwrap();
    let (mut changes, mut looks) = (0, 0);
    let enough = if all_cases() { 300 } else { 50 };
    while changes < enough {
        let before = array.shape()[0];
        let said: usize = child.next_line().unwrap().parse().unwrap();
        changes += usize::from(array.refresh().unwrap());
        looks += 1;
        let count = array.shape()[0];
        assert!(count >= said && count >= before, "{before} rows, {said}, {count}");
        for index in before.saturating_sub(1)..count {
            let found = &array.as_slice().unwrap()[index * ROW..][..ROW];
            assert_eq!(found, row(index, ROW), "row {index}");
        }
    }
    child.kill();
    println!("{changes} changes in {looks} looks");
    assert_rows(array.file());
}

#[test]
fn a_mapped_reader_without_a_lock_follows_a_cut_and_lends_no_more_than_there_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.npy");
    save_rows(&path, 9);
    let mut writer = NpyFile::<u64>::open_mut(&path).unwrap();
    let mut reader: MmapArray<u64> = doors::open(&PLAIN.lock(Lock::Off), &path).unwrap();
    writer.truncate(4).unwrap();
    assert_eq!(word(&reader.read_window([0..1, 0..ROW])), "Shrunk");
    assert!(reader.refresh().unwrap());
    assert_eq!(reader.as_slice().unwrap(), rows(0..4, ROW));
    assert!(!reader.refresh().unwrap());
    // A foreign program cuts the file, and leaves the header: the reader stays as it is.
    File::options().write(true).open(&path).unwrap().set_len(128 + 8).unwrap();
    assert_eq!(word(&reader.refresh()), "Truncated");
    assert_eq!(reader.shape(), [4, ROW]);
}
