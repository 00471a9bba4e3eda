//! This program, started again as a child that plays one role: processes to race, to limit and to
//! kill.
//!
//! A child tells its parent things in lines on stderr (the test harness writes to stdout), and
//! waits for it by reading stdin. It ends itself when it hangs, so nobody waits for it for ever.

use std::env;
use std::io::{self, BufRead, BufReader, Lines, Write};
use std::path::{Path, PathBuf};
use std::process::{self, ChildStderr, Command, ExitStatus, Stdio};
use std::thread;
use std::time::Duration;

use mmap_array::{OpenOptions, Publish};

use crate::tools::spawn;
use crate::{batch, create, growth, huge, inject, kill, limits, mapped, regions, special, writers};

const ROLE: &str = "MMAP_ARRAY_FAULTS_ROLE";
const FILE: &str = "MMAP_ARRAY_FAULTS_FILE";

/// What marks a line as meant for the parent.
const MARK: &str = "> ";

/// After this a child counts as hanging. None has work for more than a few seconds.
const LIMIT: Duration = Duration::from_secs(30);

/// The only door to the roles; alone it does nothing.
#[test]
fn entry() {
    let Ok(role) = env::var(ROLE) else { return };
    thread::spawn(|| {
        thread::sleep(LIMIT);
        say("hangs");
        process::abort();
    });
    let path = PathBuf::from(env::var_os(FILE).unwrap());
    play(&role, &path);
    process::exit(0);
}

fn play(role: &str, path: &Path) {
    match role {
        "hold" => writers::hold(path),
        "hold_cooperative" => writers::hold_cooperative(path),
        "touch" => special::touch(path),
        "file_size" => limits::file_size(path),
        "descriptors" => limits::descriptors(path),
        "address_space" => limits::address_space(path),
        "new_files" => create::new_files(path),
        "modes" => create::modes(path),
        "race" => create::race(path, OpenOptions::new()),
        "race_on_close" => create::race(path, OpenOptions::new().publish(Publish::OnClose)),
        "race_overwrite" => create::race(path, OpenOptions::new().overwrite(true)),
        "create_on_and_on" => create::create_on_and_on(path),
        "half_done" => create::half_done(path),
        "overwrite_on_and_on" => create::overwrite_on_and_on(path),
        "rows" => kill::rows(path),
        "whole" => inject::whole(path),
        "sparse" => inject::sparse(path),
        "two_runs" => inject::two_runs(path),
        "open" => inject::open(path),
        "overwrite" => inject::overwrite(path),
        "batch_by_position" => batch::by_position(path),
        "batch_mapped" => batch::mapped(path),
        "batch_neighbours" => batch::neighbours(path),
        "huge" => huge::huge(path),
        "stream" => huge::stream(path),
        _ if growth::play(role, path) || regions::play(role, path) => {}
        _ => mapped::play(role, path),
    }
}

/// Child: tells the parent one line.
pub(crate) fn say(text: impl std::fmt::Display) {
    // One write, so that a killed child leaves no half line.
    let _ = io::stderr().write_all(format!("{MARK}{text}\n").as_bytes());
}

/// Child: waits for [`Child::go`], or for the parent's end.
pub(crate) fn wait_for_parent() {
    let _ = io::stdin().read_line(&mut String::new());
}

/// Child: the next line that the parent tells; none after the parent's end.
pub(crate) fn hear() -> Option<String> {
    let mut line = String::new();
    let count = io::stdin().read_line(&mut line).ok()?;
    (count > 0).then(|| line.trim_end().to_owned())
}

/// A running child; killed when dropped.
pub(crate) struct Child {
    process: process::Child,
    lines: Lines<BufReader<ChildStderr>>,
}

/// Starts a child.
pub(crate) fn start(role: &str, path: &Path) -> Child {
    start_by(&[], role, path).unwrap()
}

/// Starts a child by way of a program that executes its arguments, as `strace` does.
pub(crate) fn start_by(by: &[&str], role: &str, path: &Path) -> io::Result<Child> {
    let ourselves = env::current_exe()?;
    let mut command = match by {
        [] => Command::new(ourselves),
        [program, args @ ..] => {
            let mut command = crate::tools::program(program);
            command.args(args).arg(ourselves);
            command
        }
    };
    command
        .args(["child::entry", "--exact", "--nocapture", "--test-threads=2"])
        .env(ROLE, role)
        .env(FILE, path)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    let mut process = spawn(&mut command)?;
    let lines = BufReader::new(process.stderr.take().unwrap()).lines();
    Ok(Child { process, lines })
}

/// Starts a child by way of `sh`, which first executes `script`.
pub(crate) fn start_after(script: &str, role: &str, path: &Path) -> Child {
    start_by(&["sh", "-c", &format!("{script}; exec \"$@\""), "sh"], role, path).unwrap()
}

impl Child {
    /// The next line the child says; none once it has ended.
    pub(crate) fn next_line(&mut self) -> Option<String> {
        loop {
            let line = self.lines.next()?.unwrap();
            match line.strip_prefix(MARK) {
                Some(said) => return Some(said.to_owned()),
                None => eprintln!("child: {line}"),
            }
        }
    }

    /// All lines that are left, up to the child's end.
    pub(crate) fn rest(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.next_line()).collect()
    }

    /// Lets a child that waits go on.
    pub(crate) fn go(&mut self) {
        self.tell("");
    }

    /// Tells a child one line, which it hears.
    pub(crate) fn tell(&mut self, text: &str) {
        self.process.stdin.as_mut().unwrap().write_all(format!("{text}\n").as_bytes()).unwrap();
    }

    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    /// What a child says until it ends; it must end well.
    pub(crate) fn finish(mut self) -> Vec<String> {
        let lines = self.rest();
        let status = self.status();
        assert!(status.success(), "the child ended with {status} and said {lines:?}");
        lines
    }

    /// Waits for the end.
    pub(crate) fn status(&mut self) -> ExitStatus {
        drop(self.process.stdin.take());
        self.process.wait().unwrap()
    }

    /// `kill -9`; returns what was said before and not yet heard.
    pub(crate) fn kill(mut self) -> Vec<String> {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
        self.rest()
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
