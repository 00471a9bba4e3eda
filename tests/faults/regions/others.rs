//! Other programs, odd files, and what a region costs.

use super::*;

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
pub(super) fn calls(path: &Path) {
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
