//! What every test here needs: printed skips, programs, a time limit, errors as words.

use std::ffi::OsString;
use std::fmt::Display;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{self, Command, Stdio};
use std::sync::mpsc;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::thread;
use std::time::Duration;

use mmap_array::{Error, Result};

/// Says why the running test proves nothing here.
pub(crate) fn skip(reason: impl Display) {
    let thread = thread::current();
    let test = thread.name().unwrap_or("a test");
    // Not `eprintln!`: the test harness swallows that where the test passes.
    let reason = reason.to_string();
    let reason = reason.lines().next().unwrap_or_default();
    let _ = writeln!(io::stderr(), "skipped: {test}: {reason}");
}

/// A process that is being started has our descriptors, and so our locks, until it runs its own
/// program: a file that was just closed would look open for an instant.
static SPAWNING: RwLock<()> = RwLock::new(());

/// Starts a process, and waits until it has let go of our descriptors.
pub(crate) fn spawn(command: &mut Command) -> io::Result<process::Child> {
    let _alone = spawning();
    let child = command.spawn()?;
    // `spawn` returns once the child has its own memory, which is a little earlier. What the
    // child has of ours for good does not matter here, so there is a limit.
    for _ in 0..20 {
        let theirs = descriptors(child.id());
        if descriptors(process::id()).iter().all(|ours| !theirs.contains(ours)) {
            break;
        }
        thread::sleep(Duration::from_micros(100));
    }
    Ok(child)
}

/// As long as this lives, nobody closes a file and relies on it: for starting a process otherwise.
pub(crate) fn spawning() -> RwLockWriteGuard<'static, ()> {
    SPAWNING.write().unwrap_or_else(PoisonError::into_inner)
}

/// The descriptors of a process beyond its standard ones, each with what it leads to.
fn descriptors(pid: u32) -> Vec<(OsString, PathBuf)> {
    let entries = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    entries
        .filter(|entry| !["0", "1", "2"].iter().any(|&standard| entry.file_name() == standard))
        .filter_map(|entry| Some((entry.file_name(), fs::read_link(entry.path()).ok()?)))
        .collect()
}

/// No process is started while this lives: for closing a file and opening it again.
pub(crate) fn no_spawns() -> RwLockReadGuard<'static, ()> {
    SPAWNING.read().unwrap_or_else(PoisonError::into_inner)
}

/// A program, also where only the superuser's path has it.
pub(crate) fn program(name: &str) -> Command {
    let path = std::env::var("PATH").unwrap_or_default();
    let mut command = Command::new(name);
    command.env("PATH", format!("{path}:/usr/sbin:/sbin"));
    command
}

/// Runs a program to its end; an error says why it could not.
pub(crate) fn run(name: &str, args: &[&str]) -> Result<(), String> {
    let mut command = program(name);
    command.args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let output = spawn(&mut command)
        .and_then(process::Child::wait_with_output)
        .map_err(|error| format!("`{name}` cannot be run: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let message = String::from_utf8_lossy(&output.stderr);
    Err(format!("`{name} {}` failed: {}", args.join(" "), message.trim()))
}

/// Runs `work` and fails the test where it has not ended after ten seconds.
pub(crate) fn at_once<R: Send + 'static>(work: impl FnOnce() -> R + Send + 'static) -> R {
    let (sender, receiver) = mpsc::channel();
    let worker = thread::spawn(move || sender.send(work()));
    match receiver.recv_timeout(Duration::from_secs(10)) {
        Ok(result) => result,
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("it waits instead of answering at once"),
        Err(mpsc::RecvTimeoutError::Disconnected) => match worker.join() {
            Err(panic) => std::panic::resume_unwind(panic),
            Ok(_) => unreachable!("the worker sends before it ends"),
        },
    }
}

/// `Ok`, or the error's variant, or `Io(kind)`: short enough to pass through a pipe.
pub(crate) fn word<R>(result: &Result<R>) -> String {
    match result {
        Ok(_) => "Ok".to_owned(),
        Err(Error::Io { error, .. }) => format!("Io({:?})", error.kind()),
        Err(error) => {
            let text = format!("{error:?}");
            text.split([' ', '{']).next().unwrap_or_default().to_owned()
        }
    }
}

/// The names in a folder, sorted.
pub(crate) fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// A number in `/proc/self/status`, in bytes: `VmHWM` is the most memory that was ever resident.
pub(crate) fn status_bytes(key: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB")).unwrap();
    kib.parse::<u64>().unwrap() * 1024
}
