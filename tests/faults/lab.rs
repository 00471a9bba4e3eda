//! `strace` for our children: system calls that fail, and which ones there are.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::child::{Child, start_by};
use crate::tools::{names, run, skip};

/// A folder, and `strace` for children that work in it.
pub(crate) struct Lab {
    folder: TempDir,
}

impl Lab {
    pub(crate) fn new() -> Option<Lab> {
        run("strace", &["-o", "/dev/null", "-e", "trace=none", "true"]).map_err(skip).ok()?;
        Some(Lab { folder: tempfile::tempdir().unwrap() })
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("a.npy")
    }

    pub(crate) fn names(&self) -> Vec<String> {
        names(self.folder.path())
    }

    fn log_path(&self) -> PathBuf {
        self.folder.path().with_extension("strace")
    }

    /// Starts a child whose system calls are tampered with, as `CALL:what[:when=N]` says. With
    /// `only`, calls are counted and tampered with where they name that path or a descriptor of it.
    pub(crate) fn start(&self, faults: &[&str], only: Option<&Path>, role: &str) -> Child {
        self.start_by(&[], faults, only, role)
    }

    /// The same, with `strace` itself started by a program that executes its arguments.
    pub(crate) fn start_by(
        &self,
        by: &[&str],
        faults: &[&str],
        only: Option<&Path>,
        role: &str,
    ) -> Child {
        let calls: Vec<_> = faults.iter().map(|fault| fault.split(':').next().unwrap()).collect();
        let trace = format!("trace={}", calls.join(","));
        let injections: Vec<_> = faults.iter().map(|fault| format!("inject={fault}")).collect();
        let log = self.log_path();
        let strace = ["strace", "-f", "-qq", "-o", log.to_str().unwrap(), "-e", &trace];
        let mut by = [by, &strace].concat();
        injections.iter().for_each(|injection| by.extend(["-e", injection]));
        only.iter().for_each(|path| by.extend(["-P", path.to_str().unwrap()]));
        start_by(&by, role, &self.path()).unwrap()
    }

    /// Starts a child that meets one fault. The program's own loading is full of `openat`, so
    /// only those in the folder count.
    pub(crate) fn start_one(&self, call: &str, fault: &str, role: &str) -> Child {
        let only = (call == "openat").then(|| self.folder.path());
        self.start(&[&format!("{call}:{fault}")], only, role)
    }

    pub(crate) fn run(&self, faults: &[&str], role: &str) -> Vec<String> {
        self.start(faults, None, role).finish()
    }

    pub(crate) fn run_on_file(&self, faults: &[&str], role: &str) -> Vec<String> {
        self.start(faults, Some(&self.path()), role).finish()
    }

    /// Was any call of the last child tampered with?
    pub(crate) fn has_tampered(&self) -> bool {
        let log = fs::read_to_string(self.log_path()).unwrap();
        log.contains("INJECTED") || log.contains("DELAYED")
    }

    /// The calls of the last child that failed because they were tampered with, in their order.
    pub(crate) fn tampered_calls(&self) -> Vec<String> {
        let log = fs::read_to_string(self.log_path()).unwrap();
        let failed = log.lines().filter(|line| line.contains("INJECTED"));
        let calls = failed.map(|line| line.split_once(' ').unwrap().1.split('(').next().unwrap());
        calls.map(|call| call.trim().to_owned()).collect()
    }

    /// Runs a child to its end and returns its calls of these names, in their order, each with the
    /// paths behind its descriptors.
    pub(crate) fn trace(&self, calls: &[&str], role: &str) -> Vec<String> {
        let (log, trace) = (self.log_path(), format!("trace={}", calls.join(",")));
        let by = ["strace", "-f", "-qq", "-y", "-o", log.to_str().unwrap(), "-e", &trace];
        start_by(&by, role, &self.path()).unwrap().finish();
        let log = fs::read_to_string(log).unwrap();
        let mut calls: Vec<String> = Vec::new();
        // Calls that were not over when another thread made one, each with its thread.
        let mut unfinished: Vec<(&str, usize)> = Vec::new();
        for line in log.lines() {
            let (thread, call) = line.split_once(' ').unwrap();
            let call = call.trim();
            if let Some((_, rest)) = call.split_once(" resumed>") {
                let place = unfinished.iter().position(|&(other, _)| other == thread).unwrap();
                calls[unfinished.remove(place).1].push_str(rest);
            } else if let Some(call) = call.strip_suffix(" <unfinished ...>") {
                unfinished.push((thread, calls.len()));
                calls.push(call.to_owned());
            } else {
                calls.push(call.to_owned());
            }
        }
        calls
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        let _ = fs::remove_file(self.log_path());
    }
}
