//! Boxes of a shared array for many threads: what overlaps is never held at once, what does not
//! overlap waits for nobody, and who came first goes first. With few cases all of it runs under
//! Miri too, which also finds accesses that no lock kept apart.

mod boxes;
mod load;
mod order;

use std::fs;
use std::io::{self, Write};
use std::mem::forget;
use std::ops::Range;
use std::panic::resume_unwind;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Barrier, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use mmap_array::{
    Error, Order, ReadGuard, RegionReadGuard, RegionWriteGuard, Result, SharedMmapArray, View,
    Window, WriteGuard, load,
};

use crate::common::{Random, folder, for_each_index, number};
use crate::map;

/// So many times; fewer where each takes longer.
const fn times(many: usize, few: usize) -> usize {
    if cfg!(miri) { few } else { many }
}

/// Is all to be done that takes long?
fn all_cases() -> bool {
    std::env::var_os("MMAP_ARRAY_ALL_CASES").is_some()
}

fn shared<const N: usize>(path: &Path, shape: [usize; N]) -> SharedMmapArray<u64> {
    map::create::<u64>(path, shape).unwrap().into_shared()
}

/// Ends the tests where one waits for ever: a deadlock is among what they look for. (Miri sees one
/// itself.)
struct Watch(#[expect(dead_code, reason = "its end is the sign")] Option<mpsc::Sender<()>>);

fn watch(name: &'static str) -> Watch {
    if cfg!(miri) {
        return Watch(None);
    }
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        if receiver.recv_timeout(Duration::from_secs(300)) == Err(mpsc::RecvTimeoutError::Timeout) {
            // Not `eprintln!`: the test harness keeps that to itself.
            let _ = writeln!(io::stderr(), "{name} waits for ever");
            std::process::abort();
        }
    });
    Watch(Some(sender))
}

/// Waits until somebody has come to wait, which a claim of ours that is refused shows.
fn until(refused: impl Fn() -> bool) {
    while !refused() {
        thread::yield_now();
    }
}

/// A box of an array of this shape: any ranges, whole along some axes, empty along others.
fn any_box(random: &mut Random, shape: &[usize]) -> Vec<Range<usize>> {
    let range = |&len: &usize| {
        let (a, b) = (random.below(len + 1), random.below(len + 1));
        if random.below(3) == 0 { 0..len } else { a.min(b)..a.max(b) }
    };
    shape.iter().map(range).collect()
}

fn shape_of(ranges: &[Range<usize>]) -> Vec<usize> {
    ranges.iter().map(Range::len).collect()
}

/// The numbers, in row-major order, of the elements of a box, in row-major order.
fn numbers(shape: &[usize], ranges: &[Range<usize>]) -> Vec<usize> {
    let mut numbers = Vec::new();
    for_each_index(&shape_of(ranges), |index| {
        let index: Vec<_> = index.iter().zip(ranges).map(|(i, range)| range.start + i).collect();
        numbers.push(number(shape, &index));
    });
    numbers
}

fn is_there<G>(guard: Result<Option<G>>) -> bool {
    guard.unwrap().is_some()
}
