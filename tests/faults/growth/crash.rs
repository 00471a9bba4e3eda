//! Killed at every system call in turn, and each call failing in turn: the file has the rows that
//! were committed before or after, never wrong ones, and recovering it works.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;

use mmap_array::{
    Header, MmapArrayMut, NpyFile, OpenOptions, Order, ReadWrite, Result, Tail, View,
};

use super::{assert_rows, row, rows};
use crate::child::say;
use crate::lab::Lab;
use crate::mapped::doors::{self, PLAIN};
use crate::tools::{no_spawns, word};

/// Elements in a row.
const ROW: usize = 5;
/// Committed rows, and those that are appended at once: the header's number gets a digit more.
const FIRST: usize = 9;
const MORE: usize = 3;

/// Child: appends and flushes twice; says how many rows there are after each good flush.
pub(crate) fn grow(path: &Path) {
    let Ok(mut file) = NpyFile::<u64>::open_mut(path) else { return };
    for turned in [false, true] {
        let count = file.shape()[0];
        let appended = append(count, turned, |view| file.append_view(view));
        assert_eq!(file.shape()[0], if appended.is_ok() { count + MORE } else { count });
        acknowledge(&file.flush(), file.shape());
    }
    let _ = file.close();
}

/// Child: the same through a map, whose rows get their last elements by stores.
pub(crate) fn grow_mapped(path: &Path) {
    let Ok(mut array) = doors::open_mut::<u64>(&PLAIN, path) else { return };
    for turned in [false, true] {
        let count = array.shape()[0];
        let appended = append(count, turned, |view| array.append_view(view));
        assert_eq!(array.shape()[0], if appended.is_ok() { count + MORE } else { count });
        store_again(&mut array);
        acknowledge(&array.flush(), array.shape());
    }
    let _ = array.close();
}

fn append(
    at: usize,
    turned: bool,
    append: impl FnOnce(&View<'_, u64>) -> Result<()>,
) -> Result<()> {
    let elements = rows(at..at + MORE, ROW);
    let view = View::from_shape([MORE, ROW], &elements).unwrap();
    if !turned {
        return append(&view);
    }
    let columns = view.transpose().to_vec();
    append(&View::from_shape([ROW, MORE], &columns).unwrap().transpose())
}

fn store_again(array: &mut MmapArrayMut<u64>) {
    let last = array.shape()[0] - 1;
    for (column, element) in row(last, ROW).into_iter().enumerate() {
        array[[last, column]] = element;
    }
}

fn acknowledge(flushed: &Result<()>, shape: &[usize]) {
    if flushed.is_ok() {
        say(shape[0]);
    }
}

/// Child: cuts the array; says how that ended and how many rows are left after a good flush.
pub(crate) fn truncate(path: &Path) {
    let Ok(mut file) = NpyFile::<u64>::open_mut(path) else { return };
    let cut = file.truncate(FIRST);
    assert!(cut.is_err() || file.shape()[0] == FIRST);
    acknowledge(&file.flush(), file.shape());
}

/// Child: the same through a map.
pub(crate) fn truncate_mapped(path: &Path) {
    let Ok(mut array) = doors::open_mut::<u64>(&PLAIN, path) else { return };
    let cut = array.truncate(FIRST);
    assert!(cut.is_err() || array.shape()[0] == FIRST);
    assert_eq!(array.view().len(), array.shape()[0] * ROW);
    acknowledge(&array.flush(), array.shape());
}

/// Child: cuts the array, which fails, as if a part of the header had been written; flushes.
pub(crate) fn truncate_half(path: &Path) {
    let mut file = NpyFile::<u64>::open_mut(path).unwrap();
    say(word(&file.truncate(FIRST)));
    say(file.shape()[0]);
    // The first byte of `9, 5)`, where the file has `12, 5)`.
    File::options().write(true).open(path).unwrap().write_all_at(b"9", 61).unwrap();
    say(word(&file.flush()));
}

/// Child: recovers the file; says how many rows it has then.
pub(crate) fn recover(path: &Path, tail: Tail) {
    if let Ok(file) = OpenOptions::new().recover_file::<u64>(path, tail) {
        say(file.shape()[0]);
    }
}

/// A file of so many rows, and what else there may be.
fn prepare(path: &Path, count: usize) {
    let elements = rows(0..count, ROW);
    let view = View::from_shape([count, ROW], &elements).unwrap();
    let _calm = no_spawns();
    OpenOptions::new().overwrite(true).save(path, view).unwrap();
}

/// With rows behind the array, the last one not whole.
fn prepare_tail(path: &Path) {
    prepare(path, FIRST);
    let tail = rows(FIRST..FIRST + MORE + 1, ROW);
    let tail: Vec<u8> = tail.into_iter().flat_map(u64::to_le_bytes).collect();
    let mut file = File::options().append(true).open(path).unwrap();
    file.write_all(&tail[..tail.len() - 3]).unwrap();
}

/// With a header that promises more rows than there are.
fn prepare_short(path: &Path) {
    prepare(path, FIRST + MORE);
    let file = File::options().write(true).open(path).unwrap();
    file.set_len(128 + ((FIRST + 1) * ROW * 8 - 3) as u64).unwrap();
}

/// One of these numbers of rows, all of them right; and it can be recovered, and grows on.
fn check_image(path: &Path, allowed: &[usize], may_be_short: bool) {
    let _calm = no_spawns();
    let opened = NpyFile::<u64>::open(path);
    let found = match &opened {
        Ok(file) => {
            assert!(allowed.contains(&file.shape()[0]), "{:?} rows, {allowed:?}", file.shape());
            assert_rows(file);
            Some(file.shape()[0])
        }
        Err(error) => {
            assert!(may_be_short && word(&opened) == "Truncated", "{error}");
            None
        }
    };
    let mut file: NpyFile<u64, ReadWrite> = NpyFile::recover(path).unwrap();
    let count = file.shape()[0];
    assert!(found.is_none_or(|found| found == count) && allowed.contains(&count));
    assert_eq!(file.uncommitted_tail().unwrap(), 0);
    assert_rows(&file);
    file.append(&row(count, ROW)).unwrap();
    file.close().unwrap();
    let file = NpyFile::<u64>::open(path).unwrap();
    assert_eq!(file.shape(), [count + 1, ROW]);
    assert_rows(&file);
    // Byte for byte as if it had been written at once, so any NumPy opens it.
    let found = fs::read(path).unwrap();
    let expected = Header::new(file.dtype().clone(), file.shape(), Order::C).unwrap().to_bytes();
    assert!(found.starts_with(&expected) && found.len() == 128 + (count + 1) * ROW * 8);
}

/// What a child does to a prepared file, and which numbers of rows there may be at any instant.
struct Case {
    role: &'static str,
    prepare: fn(&Path),
    allowed: &'static [usize],
    may_be_short: bool,
}

const GROWN: &[usize] = &[FIRST, FIRST + MORE, FIRST + 2 * MORE];
const CUT: &[usize] = &[FIRST + MORE, FIRST];
const ADOPTED: &[usize] = &[FIRST, FIRST + MORE];

const CASES: [Case; 7] = [
    Case {
        role: "grow",
        prepare: |path| prepare(path, FIRST),
        allowed: GROWN,
        may_be_short: false,
    },
    Case {
        role: "grow_mapped",
        prepare: |path| prepare(path, FIRST),
        allowed: GROWN,
        may_be_short: false,
    },
    Case {
        role: "truncate",
        prepare: |path| prepare(path, FIRST + MORE),
        allowed: CUT,
        may_be_short: false,
    },
    Case {
        role: "truncate_mapped",
        prepare: |path| prepare(path, FIRST + MORE),
        allowed: CUT,
        may_be_short: false,
    },
    Case { role: "recover_adopt", prepare: prepare_tail, allowed: ADOPTED, may_be_short: false },
    Case { role: "recover_discard", prepare: prepare_tail, allowed: &[FIRST], may_be_short: false },
    Case { role: "recover_discard", prepare: prepare_short, allowed: &[FIRST], may_be_short: true },
];

/// The calls that change a file or make it durable, and those that look at it.
const CALLS: [&str; 7] =
    ["pwrite64", "fdatasync", "ftruncate", "msync", "pread64", "fstat", "statx"];

/// Plays a case once for each call, with a fault at it; says how often the fault was met.
fn each_call(case: &Case, fault: &str, check: impl Fn(&Lab, &[String])) -> usize {
    let Some(lab) = Lab::new() else { return usize::MAX };
    let mut met = 0;
    for call in CALLS {
        for when in 1..40 {
            (case.prepare)(&lab.path());
            let path = lab.path();
            // `msync` names no file, and is ours alone.
            let only = (call != "msync").then_some(path.as_path());
            let mut child = lab.start(&[&format!("{call}:{fault}:when={when}")], only, case.role);
            let lines = child.rest();
            let status = child.status();
            let killed = status.signal() == Some(9);
            assert!(killed || status.success(), "{call} {when}: {status}");
            let tampered = killed || lab.has_tampered();
            check(&lab, &lines);
            if !tampered {
                break;
            }
            met += 1;
        }
    }
    met
}

fn check_case(case: &Case, fault: &str) -> usize {
    each_call(case, fault, |lab, lines| {
        // What was acknowledged last is there, or what came after it.
        let acknowledged = lines.last().map(|line| line.parse::<usize>().unwrap());
        let from = case.allowed.iter().position(|&count| Some(count) == acknowledged);
        check_image(&lab.path(), &case.allowed[from.unwrap_or(0)..], case.may_be_short);
    })
}

#[test]
fn killed_at_any_call_growth_leaves_the_rows_before_it_or_after_it() {
    let kills: Vec<_> = CASES.iter().map(|case| check_case(case, "signal=KILL")).collect();
    println!("killed {kills:?} times");
    assert!(kills.iter().all(|&kills| kills >= 6), "{kills:?}");
}

#[test]
fn whichever_call_of_growth_fails_the_rows_are_those_before_it_or_after_it() {
    for error in ["EIO", "ENOSPC"] {
        let fault = format!("error={error}");
        let met: Vec<_> = CASES.iter().map(|case| check_case(case, &fault)).collect();
        println!("{met:?} calls failed");
        assert!(met.iter().all(|&met| met >= 6), "{met:?}");
    }
}

#[test]
fn a_header_that_was_half_written_by_a_cut_that_failed_is_put_right_by_the_next_flush() {
    let Some(lab) = Lab::new() else { return };
    prepare(&lab.path(), FIRST + MORE);
    let lines = lab.run_on_file(&["pwrite64:error=EIO:when=1"], "truncate_half");
    assert!(lines[0].starts_with("Io("), "{lines:?}");
    assert_eq!(lines[1..], ["12", "Ok"]);
    check_image(&lab.path(), &[FIRST + MORE], false);
}

#[test]
fn an_interrupted_write_of_growth_is_made_again() {
    let Some(lab) = Lab::new() else { return };
    for case in &CASES[..2] {
        for when in 1..4 {
            (case.prepare)(&lab.path());
            let fault = format!("pwrite64:error=EINTR:when={when}");
            let lines = lab.run_on_file(&[&fault], case.role);
            assert!(lab.has_tampered());
            assert_eq!(lines, ["12", "15"]);
            check_image(&lab.path(), &[FIRST + 2 * MORE], false);
        }
    }
}

#[test]
fn an_append_that_fails_for_ever_leaves_the_file_as_it_was() {
    let Some(lab) = Lab::new() else { return };
    for case in &CASES[..2] {
        (case.prepare)(&lab.path());
        let before = fs::read(lab.path()).unwrap();
        let lines = lab.run_on_file(&["pwrite64:error=ENOSPC"], case.role);
        // What is flushed is what was there.
        assert_eq!(lines, ["9", "9"]);
        assert_eq!(fs::read(lab.path()).unwrap(), before);
    }
}
