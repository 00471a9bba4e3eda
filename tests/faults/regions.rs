//! Regions of one file for several processes: what overlaps is never held at once, what does not is,
//! and whatever ends a process frees its regions.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::{self, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use mmap_array::{
    Error, Lock, OpenOptions, Order, Publish, RegionReadGuard, RegionWriteGuard, SharedMmapArray,
    Window, load, s,
};
use tempfile::TempDir;

use crate::child::{Child, hear, say, start, start_after, start_by};
use crate::ground::Disk;
use crate::lab::Lab;
use crate::mapped::doors::{self, PLAIN};
use crate::tools::{at_once, no_spawns, program, run, skip, spawn, spawning, word};

const CAREFUL: OpenOptions = PLAIN.lock(Lock::Cooperative);

/// The roles of children here; see `child.rs`.
pub(crate) fn play(role: &str, path: &Path) -> bool {
    match role.split_once(' ') {
        None if role == "regions" => obey(path),
        None if role == "regions_calls" => calls(path),
        None if role == "regions_descriptors" => descriptors(path),
        None if role == "regions_no_links" => no_links(path),
        Some(("regions_count", seed)) => count(path, seed.parse().unwrap()),
        Some(("regions_look", seed)) => look(path, seed.parse().unwrap()),
        _ => return false,
    }
    true
}

fn open(path: &Path) -> SharedMmapArray<u64> {
    doors::open_mut(&CAREFUL, path).unwrap().into_shared()
}

/// A new file of zeros.
fn saved(shape: &[usize], order: Order) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.npy");
    let _calm = no_spawns();
    doors::create::<u64>(&PLAIN.order(order), &path, shape).unwrap().close().unwrap();
    (folder, path)
}

// ---- a process that does what it is told ----------------------------------------------------------

enum Held<'a> {
    Read(#[expect(dead_code, reason = "held")] RegionReadGuard<'a, u64>),
    Write(RegionWriteGuard<'a, u64>),
}

/// Child: takes, uses and frees regions as it is told, and says how that went.
fn obey(path: &Path) {
    let shared = open(path);
    let mut held = Vec::new();
    say("open");
    while let Some(order) = hear() {
        let mut words = order.split(' ');
        let verb = words.next().unwrap();
        let ranges = words.map(|range| {
            let (start, end) = range.split_once("..").unwrap();
            start.parse().unwrap()..end.parse().unwrap()
        });
        match verb {
            "end" => break,
            "free" => held.clear(),
            "store" => {
                let Some(Held::Write(region)) = held.last_mut() else { panic!("nothing to write") };
                region.view_mut().fill(u64::from(process::id()));
            }
            "close_another" => drop(File::open(path).unwrap()),
            _ => {
                let window = Window::from(&ranges.collect::<Vec<_>>()[..]);
                let result = match verb {
                    "read" => shared.read_region(window).map(|guard| Some(Held::Read(guard))),
                    "write" => shared.write_region(window).map(|guard| Some(Held::Write(guard))),
                    "try_read" => shared.try_read_region(window).map(|it| it.map(Held::Read)),
                    "try_write" => shared.try_write_region(window).map(|it| it.map(Held::Write)),
                    _ => panic!("no such order: {order}"),
                };
                match result {
                    Ok(None) => {
                        say("none");
                        continue;
                    }
                    Ok(guard) => held.extend(guard),
                    Err(error) => {
                        say(word::<()>(&Err(error)));
                        continue;
                    }
                }
            }
        }
        say("done");
    }
}

/// Another process that has the file open.
struct Other(Child);

impl Other {
    fn new(path: &Path) -> Other {
        let mut child = start("regions", path);
        assert_eq!(child.next_line().as_deref(), Some("open"));
        Other(child)
    }

    /// What the other process says to an order.
    fn ask(&mut self, order: &str) -> String {
        self.0.tell(order);
        self.0.next_line().expect("an answer")
    }

    fn does(&mut self, order: &str) {
        assert_eq!(self.ask(order), "done", "{order}");
    }

    fn cannot(&mut self, order: &str) {
        assert_eq!(self.ask(order), "none", "{order}");
    }

    fn end(mut self) {
        self.0.tell("end");
        self.0.finish();
    }

    fn id(&self) -> u64 {
        u64::from(self.0.id())
    }
}

fn can_read<const N: usize>(shared: &SharedMmapArray<u64>, window: [Range<usize>; N]) -> bool {
    shared.try_read_region(window).unwrap().is_some()
}

fn can_write<const N: usize>(shared: &SharedMmapArray<u64>, window: [Range<usize>; N]) -> bool {
    shared.try_write_region(window).unwrap().is_some()
}

// ---- who keeps out whom ---------------------------------------------------------------------------

#[test]
fn four_processes_hold_and_fill_tiles_of_one_file_at_once() {
    let tiles = ["0..4 0..3", "0..4 3..8", "4..6 0..3", "4..6 3..8"];
    let columns = ["0..6 0..1", "0..6 1..2", "0..6 2..3", "0..6 3..8"];
    for boxes in [tiles, columns] {
        for order in [Order::C, Order::Fortran] {
            let (_folder, path) = saved(&[6, 8], order);
            let mut others: Vec<_> = boxes.iter().map(|_| Other::new(&path)).collect();
            for (other, tile) in others.iter_mut().zip(boxes) {
                other.does(&format!("write {tile}"));
            }
            // All are held now, and filled without waiting for each other.
            others.iter_mut().for_each(|other| other.0.tell("store"));
            others.iter_mut().for_each(|other| assert_eq!(other.0.next_line().unwrap(), "done"));
            let ids: Vec<u64> = others.iter().map(Other::id).collect();
            others.into_iter().for_each(Other::end);
            let found = load::<u64>(&path).unwrap();
            for row in 0..6 {
                for column in 0..8 {
                    let tile = if boxes == columns {
                        column.min(3)
                    } else {
                        row / 4 * 2 + usize::from(column >= 3)
                    };
                    assert_eq!(found[[row, column]], ids[tile], "{order:?} [{row}, {column}]");
                }
            }
        }
    }
}

#[test]
fn a_region_keeps_other_processes_out_of_its_elements_until_it_is_freed() {
    let (_folder, path) = saved(&[4, 5], Order::C);
    let ours = open(&path);
    let mut other = Other::new(&path);
    other.does("write 1..3 1..3");
    assert!(!can_write(&ours, [0..4, 2..3]) && !can_read(&ours, [2..3, 0..5]));
    assert!(can_write(&ours, [1..3, 0..1]) && can_write(&ours, [1..3, 3..5]));
    assert!(can_read(&ours, [0..1, 0..5]) && can_write(&ours, [3..4, 0..5]));
    let held = ours.write_region([1..3, 3..4]).unwrap();
    other.cannot("try_write 0..4 3..4");
    other.cannot("try_read 2..3 3..5");
    other.does("try_write 3..4 0..5");
    drop(held);
    other.does("try_read 2..3 3..5");
    other.does("free");
    assert!(can_write(&ours, [0..4, 0..5]) && can_read(&ours, [0..4, 0..5]));
    assert_eq!(other.ask("try_read 0..5 0..5"), "OutOfBounds");
    assert!(can_write(&ours, [0..4, 0..5]));
}

#[test]
fn regions_to_read_are_shared_by_processes_and_each_counts_for_itself() {
    let (_folder, path) = saved(&[4, 5], Order::Fortran);
    let ours = open(&path);
    let mut other = Other::new(&path);
    let (first, second) =
        (ours.read_region([0..4, 0..3]).unwrap(), ours.read_region([0..4, 1..4]).unwrap());
    other.does("read 0..2 0..5");
    other.cannot("try_write 3..4 2..3");
    // What one of ours gives up, the other one still has.
    drop(first);
    other.cannot("try_write 3..4 2..3");
    other.does("try_write 3..4 0..1");
    drop(second);
    other.does("try_write 3..4 2..3");
    assert!(!can_write(&ours, [0..1, 4..5]) && can_read(&ours, [0..1, 0..5]));
    other.does("free");
    assert!(can_write(&ours, [0..4, 0..5]));
}

#[test]
fn a_box_of_more_runs_than_are_locked_one_by_one_keeps_out_all_that_overlap_it() {
    let (_folder, path) = saved(&[5000, 3], Order::C);
    let ours = open(&path);
    let mut other = Other::new(&path);
    other.does("write 0..5000 1..2");
    for window in [[0..1, 1..2], [2500..2501, 0..3], [4999..5000, 1..2], [0..5000, 1..2]] {
        assert!(!can_read(&ours, window.clone()) && !can_write(&ours, window));
    }
    // Those before its first and after its last one are free, and nothing between.
    assert!(can_write(&ours, [0..1, 0..1]) && can_write(&ours, [4999..5000, 2..3]));
    assert!(!can_write(&ours, [2500..2501, 2..3]));
    other.does("free");
    // As many as are locked one by one are locked exactly.
    other.does("write 0..256 1..2");
    assert!(can_write(&ours, [0..256, 0..1]) && can_write(&ours, [0..256, 2..3]));
    assert!(!can_read(&ours, [255..256, 1..2]));
}

#[test]
fn two_handles_of_one_process_keep_each_other_out_as_two_processes_do() {
    let (_folder, path) = saved(&[4, 5], Order::C);
    let (first, second) = (open(&path), open(&path));
    let held = first.write_region([1..2, 0..5]).unwrap();
    assert!(!can_read(&second, [0..4, 2..3]) && can_write(&second, [2..4, 0..5]));
    drop(held);
    assert!(can_write(&second, [0..4, 0..5]));
}

// ---- under load -----------------------------------------------------------------------------------

/// An element is a number and, beside it, its complement.
const SHAPE: [usize; 3] = [4, 6, 2];

fn any_box(state: &mut u64) -> [Range<usize>; 3] {
    let mut below = |end: usize| {
        *state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (*state >> 33) as usize % end
    };
    let mut range = |len: usize| {
        let (a, b) = (below(len), below(len));
        if below(3) == 0 { 0..len } else { a.min(b)..a.max(b) + 1 }
    };
    [range(SHAPE[0]), range(SHAPE[1]), 0..2]
}

/// Adds one to all numbers of a random box, many times; how many were added to each.
fn add(shared: &SharedMmapArray<u64>, seed: u64, rounds: usize) -> BTreeMap<[usize; 2], u64> {
    let mut state = seed;
    let mut added = BTreeMap::new();
    for round in 0..rounds {
        let window = any_box(&mut state);
        let mut region = shared.write_region(&window).unwrap();
        let mut elements = region.view().to_vec();
        if round % 2 == 0 {
            for pair in elements.chunks_exact_mut(2) {
                pair.copy_from_slice(&[pair[0] + 1, !(pair[0] + 1)]);
            }
            region.write(&elements).unwrap();
        } else {
            // All numbers first: until the complements follow, each pair is half written.
            let mut view = region.view_mut();
            view.iter_mut().step_by(2).for_each(|number| *number += 1);
            if round % 16 == 1 {
                thread::sleep(Duration::from_micros(50));
            }
            let mut elements = view.iter_mut();
            while let (Some(number), Some(complement)) = (elements.next(), elements.next()) {
                *complement = !*number;
            }
        }
        drop(region);
        for row in window[0].clone() {
            window[1].clone().for_each(|column| *added.entry([row, column]).or_default() += 1);
        }
    }
    added
}

/// Child: as [`add`]; says what was added.
fn count(path: &Path, seed: u64) {
    for ([row, column], added) in add(&open(path), seed, 2000) {
        say(format!("{row} {column} {added}"));
    }
}

fn watch_pairs(shared: &SharedMmapArray<u64>, seed: u64, rounds: usize) {
    let mut state = seed;
    for _ in 0..rounds {
        let region = shared.read_region(any_box(&mut state)).unwrap();
        for pair in region.view().to_vec().chunks_exact(2) {
            assert_eq!(pair[0], !pair[1], "half a write in {:?}", region.window());
        }
    }
}

/// Child: looks for half-written numbers.
fn look(path: &Path, seed: u64) {
    watch_pairs(&open(path), seed, 2000);
}

#[test]
fn processes_and_threads_lose_no_update_of_boxes_that_overlap_and_see_none_half_done() {
    const THREADS: u64 = 2;
    const PROCESSES: u64 = 2;
    for order in [Order::C, Order::Fortran] {
        let (_folder, path) = saved(&SHAPE, order);
        let ours = open(&path);
        ours.write().slice_mut(s![.., .., 1]).unwrap().fill(!0);
        let mut children: Vec<_> =
            (0..PROCESSES).map(|seed| start(&format!("regions_count {seed}"), &path)).collect();
        children.push(start("regions_look 100", &path));
        let mut added = BTreeMap::new();
        thread::scope(|scope| {
            let threads: Vec<_> = (0..THREADS)
                .map(|thread| {
                    let ours = &ours;
                    scope.spawn(move || add(ours, 10 + thread, 1000))
                })
                .collect();
            watch_pairs(&ours, 20, 1000);
            for thread in threads {
                for (place, count) in thread.join().unwrap() {
                    *added.entry(place).or_default() += count;
                }
            }
        });
        for line in children.into_iter().flat_map(Child::finish) {
            let numbers: Vec<u64> = line.split(' ').map(|word| word.parse().unwrap()).collect();
            let place = [numbers[0] as usize, numbers[1] as usize];
            *added.entry(place).or_default() += numbers[2];
        }
        let found = ours.read();
        for row in 0..SHAPE[0] {
            for column in 0..SHAPE[1] {
                assert_eq!(found[[row, column, 0]], added[&[row, column]], "{order:?}");
            }
        }
        assert!(added.values().sum::<u64>() > 20_000);
    }
}

#[test]
fn who_waits_in_another_process_is_served_when_the_region_is_freed() {
    let (_folder, path) = saved(&[4, 5], Order::C);
    let ours = open(&path);
    let mut other = Other::new(&path);
    let held = ours.write_region([0..2, 0..2]).unwrap();
    let mut waiting = Other::new(&path);
    waiting.0.tell("write 1..4 1..4");
    other.0.tell("read 1..4 0..1");
    thread::sleep(Duration::from_millis(50));
    drop(held);
    assert_eq!(waiting.0.next_line().as_deref(), Some("done"));
    assert_eq!(other.0.next_line().as_deref(), Some("done"));
    assert!(!can_read(&ours, [3..4, 3..4]) && can_read(&ours, [0..4, 0..1]));
}

#[test]
fn who_waits_is_not_overtaken_by_another_process_that_he_is_in_the_way_of() {
    let (_folder, path) = saved(&[4, 5], Order::C);
    let [mut holder, mut waiting, mut late] = [(); 3].map(|()| Other::new(&path));
    holder.does("read 0..4 0..5");
    waiting.0.tell("write 1..3 1..2");
    // Nobody holds that one to write: it is refused for the sake of who waits.
    while late.ask("try_read 1..2 1..2") == "done" {
        late.does("free");
    }
    late.cannot("try_read 0..4 1..2");
    // What lies beside his elements, and between them, is free.
    late.does("try_read 0..1 0..5");
    late.does("try_read 1..3 0..1");
    late.does("free");
    late.0.tell("read 0..2 0..5");
    thread::sleep(Duration::from_millis(20));
    holder.does("free");
    assert_eq!(waiting.0.next_line().as_deref(), Some("done"));
    holder.cannot("try_read 1..2 0..5");
    waiting.does("free");
    assert_eq!(late.0.next_line().as_deref(), Some("done"));
    holder.does("try_write 2..4 0..5");
}

#[test]
fn who_waits_to_write_is_served_while_others_keep_coming_to_read() {
    const READERS: usize = 6;
    let (_folder, path) = saved(&[4, 5], Order::C);
    let done = AtomicBool::new(false);
    let read = AtomicUsize::new(0);
    thread::scope(|scope| {
        for reader in 0..READERS {
            // A handle of its own, as another process has it.
            let (handle, done, read) = (open(&path), &done, &read);
            scope.spawn(move || {
                // They stop at last, so that who starves comes to say so.
                while !done.load(Ordering::Relaxed) && read.load(Ordering::Relaxed) < 5000 {
                    let _region = handle.read_region([0..4, 0..1 + reader % 4]).unwrap();
                    read.fetch_add(1, Ordering::Relaxed);
                    thread::sleep(Duration::from_millis(2 + reader as u64 % 3));
                }
            });
        }
        let ours = open(&path);
        for round in 0..40 {
            thread::sleep(Duration::from_millis(5));
            let before = read.load(Ordering::Relaxed);
            let window = if round % 2 == 0 { [0..4, 0..5] } else { [1..3, 0..2] };
            drop(ours.write_region(window).unwrap());
            let overtook = read.load(Ordering::Relaxed) - before;
            // Not exact: the system tells nobody who came first.
            assert!(overtook < 10 * READERS, "{overtook} came later and were served before");
        }
        done.store(true, Ordering::Relaxed);
    });
    assert!(read.into_inner() > 40);
}

// ---- how a region ends ----------------------------------------------------------------------------

#[test]
fn the_region_of_a_process_that_was_killed_goes_to_who_waits_for_it() {
    let (_folder, path) = saved(&[4, 5], Order::C);
    let ours = open(&path);
    let (mut holder, mut waiting) = (Other::new(&path), Other::new(&path));
    holder.does("write 0..4 1..2");
    holder.does("store");
    waiting.0.tell("write 2..4 0..5");
    let waiter = thread::spawn({
        let ours = ours.clone();
        move || ours.write_region([0..2, 1..2]).unwrap().view().to_vec()
    });
    thread::sleep(Duration::from_millis(50));
    assert!(!waiter.is_finished());
    let id = holder.id();
    holder.0.kill();
    assert_eq!(at_once(|| waiter.join().unwrap()), [id, id]);
    assert_eq!(waiting.0.next_line().as_deref(), Some("done"));
    // And who is killed while he waits leaves nothing behind either.
    let mut another = Other::new(&path);
    another.0.tell("write 0..4 0..5");
    thread::sleep(Duration::from_millis(50));
    another.0.kill();
    waiting.does("free");
    assert!(can_write(&ours, [0..4, 0..5]));
}

#[test]
fn closing_another_descriptor_of_the_file_frees_no_region() {
    let (_folder, path) = saved(&[4, 5], Order::C);
    let ours = open(&path);
    let mut other = Other::new(&path);
    other.does("write 0..2 0..5");
    other.does("close_another");
    assert!(!can_read(&ours, [1..3, 0..5]));
    let held = ours.write_region([2..4, 0..5]).unwrap();
    drop(File::open(&path).unwrap());
    drop(load::<u64>(&path).unwrap());
    drop(open(&path));
    other.cannot("try_read 3..4 4..5");
    drop(held);
    other.does("try_read 3..4 4..5");
}

#[test]
fn a_program_that_was_started_meanwhile_does_not_keep_the_region() {
    let (_folder, path) = saved(&[4, 5], Order::C);
    let ours = open(&path);
    let mut other = Other::new(&path);
    let held = ours.write_region([0..2, 0..5]).unwrap();
    let mut program =
        spawn(Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::null())).unwrap();
    other.cannot("try_write 1..4 0..5");
    drop(held);
    other.does("try_write 1..4 0..5");
    assert!(program.try_wait().unwrap().is_none());
    drop(program.stdin.take());
    program.wait().unwrap();
}

/// Child: takes regions until it has no more descriptors, and frees them.
fn descriptors(path: &Path) {
    let shared = open(path);
    let region = |row| shared.write_region([row..row + 1, 0..5]);
    let held: Vec<_> = (0..100).map(region).take_while(|region| region.is_ok()).collect();
    say(held.len() < 100);
    say(word(&region(99)));
    drop(held);
    say(shared.try_write().is_some());
    say(word(&region(99)));
}

#[test]
fn a_region_for_which_there_is_no_descriptor_is_an_error_that_leaves_no_claim_behind() {
    let (_folder, path) = saved(&[100, 5], Order::C);
    let said = start_after("ulimit -n 40", "regions_descriptors", &path).finish();
    assert!(said[1].starts_with("Io("), "{said:?}");
    assert_eq!([&said[0], &said[2], &said[3]], ["true", "true", "Ok"]);
}

/// Child: asks for a region, and for all.
fn no_links(path: &Path) {
    let shared = open(path);
    let error = shared.write_region([0..1]).unwrap_err();
    say(matches!(error, Error::NoRegionLocks { .. }) && error.to_string().contains("/proc"));
    say(shared.try_write().is_some());
}

#[test]
fn a_system_without_proc_is_refused_by_name() {
    if let Err(reason) = run("unshare", &["-rm", "mount", "-t", "tmpfs", "none", "/proc"]) {
        return skip(reason);
    }
    let (_folder, path) = saved(&[4], Order::C);
    let hide = "mount -t tmpfs none /proc; exec \"$@\"";
    let said = start_by(&["unshare", "-rm", "sh", "-c", hide, "sh"], "regions_no_links", &path);
    assert_eq!(said.unwrap().finish(), ["true", "true"]);
}

/// Makes a program wait for a moment before it starts: as long it has what this process has.
fn dawdling(command: &mut Command) -> &mut Command {
    use std::os::unix::process::CommandExt;
    let pause = || {
        thread::sleep(Duration::from_millis(300));
        Ok(())
    };
    #[allow(unsafe_code)]
    // SAFETY: between fork and exec only sleeps, which is a system call.
    unsafe {
        command.pre_exec(pause)
    }
}

#[test]
fn a_program_that_is_just_being_started_does_not_keep_the_region_either() {
    let (_folder, path) = saved(&[4, 5], Order::C);
    let ours = open(&path);
    let mut other = Other::new(&path);
    let held = ours.write_region([0..2, 0..5]).unwrap();
    // Our `spawn` would wait until the program has let go.
    let _alone = spawning();
    thread::scope(|scope| {
        let starting = scope.spawn(|| dawdling(&mut Command::new("true")).status().unwrap());
        thread::sleep(Duration::from_millis(100));
        drop(held);
        other.does("try_write 1..4 0..5");
        assert!(!starting.is_finished());
        assert!(starting.join().unwrap().success());
    });
}

// ---- other programs -------------------------------------------------------------------------------

/// Locks bytes as any program may, holds them until it reads a line, and tells what happens.
const PYTHON: &str = "
import fcntl, sys
file = open(sys.argv[1], 'r+b')
try:
    fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, int(sys.argv[2]), int(sys.argv[3]))
    print('locked', flush=True)
except OSError:
    print('refused', flush=True)
sys.stdin.readline()
";

/// A Python program that has, or has not, locked bytes of a file.
fn python(path: &Path, bytes: Range<u64>) -> (process::Child, String) {
    let mut command = program("python3");
    command.args(["-c", PYTHON, path.to_str().unwrap()]);
    command.args([(bytes.end - bytes.start).to_string(), bytes.start.to_string()]);
    let mut python = spawn(command.stdin(Stdio::piped()).stdout(Stdio::piped())).unwrap();
    let mut line = String::new();
    BufReader::new(python.stdout.take().unwrap()).read_line(&mut line).unwrap();
    (python, line.trim().to_owned())
}

fn end_python((mut python, _): (process::Child, String)) {
    python.stdin.take().unwrap().write_all(b"\n").unwrap();
    assert!(python.wait().unwrap().success());
}

#[test]
fn python_s_fcntl_lockf_of_the_bytes_of_a_box_is_in_conflict_with_its_region() {
    if let Err(reason) = run("python3", &["-c", "import fcntl"]) {
        return skip(reason);
    }
    let (_folder, path) = saved(&[4, 5], Order::C);
    let ours = open(&path);
    let data_start = ours.read().header().data_start();
    let bytes =
        |elements: Range<u64>| data_start + 8 * elements.start..data_start + 8 * elements.end;
    // Elements 7, 8 and 12, 13.
    let held = ours.write_region([1..3, 2..4]).unwrap();
    for (elements, answer) in
        [(0..7, "locked"), (7..8, "refused"), (9..12, "locked"), (13..20, "refused")]
    {
        let python = python(&path, bytes(elements.clone()));
        assert_eq!(python.1, answer, "{elements:?}");
        end_python(python);
    }
    drop(held);
    let python = python(&path, bytes(7..9));
    assert_eq!(python.1, "locked");
    assert!(!can_read(&ours, [1..2, 3..4]) && !can_write(&ours, [0..4, 0..5]));
    assert!(can_write(&ours, [1..2, 4..5]) && can_write(&ours, [2..4, 0..5]));
    end_python(python);
    assert!(can_write(&ours, [0..4, 0..5]));
}

// ---- odd files ------------------------------------------------------------------------------------

#[test]
fn a_file_that_has_no_name_yet_or_another_one_or_none_any_more_has_regions() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.npy");
    let options = CAREFUL.publish(Publish::OnClose);
    let new = doors::create::<u64>(&options, &path, &[4]).unwrap().into_shared();
    new.write_region([0..2]).unwrap().write(&[1, 2]).unwrap();
    assert_eq!(new.read_region([0..4]).unwrap().view().to_vec(), [1, 2, 0, 0]);
    assert!(!path.exists());
    let calm = no_spawns();
    new.close().unwrap();
    drop(calm);

    let ours = open(&path);
    let renamed = folder.path().join("b.npy");
    fs::rename(&path, &renamed).unwrap();
    let mut other = Other::new(&renamed);
    let held = ours.write_region([1..2]).unwrap();
    other.cannot("try_write 1..2");
    fs::remove_file(&renamed).unwrap();
    drop(held);
    other.does("write 1..2");
    assert!(!can_read(&ours, [0..4]));
    other.does("store");
    let id = other.id();
    other.end();
    assert_eq!(ours.read_region([0..2]).unwrap().view().to_vec(), [1, id]);
}

#[test]
fn a_file_system_that_a_program_serves_is_refused_by_name_and_only_between_processes() {
    let (_folder, path) = saved(&[4], Order::C);
    let before = fs::read(&path).unwrap();
    let mut disk = Disk::new();
    if let Err(reason) = run("bindfs", &["--version"]) {
        return skip(reason);
    }
    if disk.mount_by("bindfs", &[path.parent().unwrap().to_str().unwrap()]).is_none() {
        return;
    }
    let there = disk.join("a.npy");
    let calm = no_spawns();
    let shared = open(&there);
    let results = [
        shared.read_region([0..1]).map(|_| true),
        shared.write_region([0..1]).map(|_| true),
        shared.try_read_region([0..1]).map(|guard| guard.is_some()),
        shared.try_write_region([0..1]).map(|guard| guard.is_some()),
    ];
    for result in results {
        let Err(error @ Error::NoRegionLocks { .. }) = result else { panic!("{result:?}") };
        let text = error.to_string();
        assert!(text.contains("FUSE") && text.contains("Lock::Exclusive"), "{text}");
    }
    assert!(shared.try_write().is_some());
    drop(shared);
    assert_eq!(fs::read(&path).unwrap(), before);

    // Among threads they are to be had.
    let shared = doors::open_mut::<u64>(&PLAIN, &there).unwrap().into_shared();
    let held = shared.write_region([0..1]).unwrap();
    assert!(can_write(&shared, [1..4]) && !can_read(&shared, [0..4]));
    drop(held);
    shared.close().unwrap();
    drop(calm);
}

// ---- what it costs --------------------------------------------------------------------------------

/// Child: takes regions and guards, each between two calls that mark it.
fn calls(path: &Path) {
    let mark = |name: &str| drop(fs::metadata(Path::new("/mark").join(name)));
    let shared = open(path);
    mark("rows");
    drop(shared.write_region([1..3, 0..5]).unwrap());
    mark("a column");
    drop(shared.read_region([0..4, 1..2]).unwrap());
    mark("held here");
    let held = shared.write_region([0..1, 0..1]).unwrap();
    mark("refused here");
    assert!(!can_read(&shared, [0..1, 0..5]));
    mark("free");
    drop(held);
    mark("the whole");
    drop(shared.read());
    drop(shared.write());
    mark("an empty one");
    drop(shared.write_region([0..4, 2..2]).unwrap());
    mark("alone");
    let (alone, _folder) = {
        let (folder, path) = saved(&[4, 5], Order::C);
        (doors::open_mut::<u64>(&PLAIN, &path).unwrap().into_shared(), folder)
    };
    mark("a region of one who is alone");
    drop(alone.write_region([1..3, 1..4]).unwrap());
    mark("end");
}

#[test]
fn a_region_costs_six_system_calls_and_one_more_for_each_further_run() {
    let Some(lab) = Lab::new() else { return };
    let calm = no_spawns();
    doors::create::<u64>(&PLAIN, &lab.path(), &[4, 5]).unwrap().close().unwrap();
    drop(calm);
    let mut calls = lab.trace(&["%file", "%desc"], "regions_calls");
    // Rust looks at a descriptor before it closes it, in debug builds; a new thread maps memory.
    calls.retain(|call| !call.contains("F_GETFD") && !call.starts_with("mmap"));
    let between = |mark: &str| -> Vec<&str> {
        let at = |call: &&String| call.contains(&format!("\"/mark/{mark}\""));
        let after = calls.iter().skip_while(|call| !at(call)).skip(1);
        let until = after.take_while(|call| !call.contains("\"/mark/"));
        until.map(|call| call.split('(').next().unwrap()).collect()
    };
    assert_eq!(between("rows"), ["fstatfs", "openat", "fcntl", "fcntl", "fcntl", "close"]);
    let column = between("a column");
    assert_eq!(column.len(), 6 + 3, "{column:?}");
    assert_eq!(between("held here"), ["fstatfs", "openat", "fcntl", "fcntl"]);
    assert!(between("refused here").is_empty());
    assert_eq!(between("free"), ["fcntl", "close"]);
    assert!(between("the whole").is_empty());
    assert_eq!(between("an empty one"), ["fstatfs", "openat", "fcntl", "close"]);
    assert!(between("a region of one who is alone").is_empty());
}
