//! Regions of one file for several processes: what overlaps is never held at once, what does not is,
//! and whatever ends a process frees its regions.

mod ends;
mod exclusion;
mod load;
mod others;

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
        None if role == "regions_calls" => others::calls(path),
        None if role == "regions_descriptors" => ends::descriptors(path),
        None if role == "regions_no_links" => ends::no_links(path),
        Some(("regions_count", seed)) => load::count(path, seed.parse().unwrap()),
        Some(("regions_look", seed)) => load::look(path, seed.parse().unwrap()),
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
