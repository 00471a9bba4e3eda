//! How a region ends: with its process, and with nothing else; and how it fails.

use super::*;

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
pub(super) fn descriptors(path: &Path) {
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
pub(super) fn no_links(path: &Path) {
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
