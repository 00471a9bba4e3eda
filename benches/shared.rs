//! What sharing an array costs: guards of the whole, regions, regions between processes, and how much
//! two threads gain that write tiles of one array.
//!
//! Rivals and limits are std's read-write lock, the system calls that a lock between processes needs,
//! made bare, and threads that have their tiles without any lock. The last column is our time
//! divided by theirs.
//!
//! `cargo bench --bench shared`

#![allow(unsafe_code)]

mod ratio;

use std::fs::File;
use std::hint::black_box;
use std::os::fd::AsRawFd;
use std::path::Path;
use std::sync::RwLock;

use mmap_array::{Lock, MmapArray, MmapArrayMut, OpenOptions, SharedMmapArray, ViewMut, Window};
use ratio::Ratios;

const TILE: usize = 256;

fn main() {
    let mut ratios = Ratios::new();
    let folder = tempfile::tempdir().expect("a folder for files that go away");
    let path = folder.path().join("a.npy");
    let side = if ratios.test { 2 * TILE } else { 16 * TILE };
    // SAFETY: the folder is this program's own, here and below.
    let array = unsafe { MmapArray::<f32>::create(&path, [side, side]) }.expect("a new file");
    array.close().expect("a disk");
    guards(&mut ratios, &path);
    regions(&mut ratios, &path);
    processes(&mut ratios, &path);
    tiles(&mut ratios, &path);
    ratios.finish();
}

fn map(path: &Path, lock: Lock) -> MmapArrayMut<f32> {
    // SAFETY: see `main`.
    unsafe { OpenOptions::new().lock(lock).open_mut(path).unwrap() }
}

/// The lock and the guard alone, a thousand times.
fn guards(ratios: &mut Ratios, path: &Path) {
    let shared = map(path, Lock::Exclusive).into_shared();
    let bare = RwLock::new(0);
    ratios.compare(
        "read guard, 1000 times",
        "<= 25 us, 25 ns each",
        &mut [
            ("SharedMmapArray::read", &mut || {
                (0..1000).for_each(|_| drop(black_box(shared.read())));
            }),
            ("RwLock::read", &mut || (0..1000).for_each(|_| drop(black_box(bare.read().unwrap())))),
        ],
    );
    ratios.compare(
        "write guard, 1000 times",
        "<= 25 us, 25 ns each",
        &mut [
            ("SharedMmapArray::write", &mut || {
                (0..1000).for_each(|_| drop(black_box(shared.write())));
            }),
            ("RwLock::write", &mut || {
                (0..1000).for_each(|_| drop(black_box(bare.write().unwrap())));
            }),
        ],
    );
}

fn window(turn: usize) -> Window {
    let row = turn % TILE;
    Window::from([row..row + TILE, TILE..2 * TILE])
}

/// A tile to read or to write, and its view, a thousand times, where nobody is in the way.
fn regions(ratios: &mut Ratios, path: &Path) {
    let shared = map(path, Lock::Exclusive).into_shared();
    let array = RwLock::new(map_second(path));
    ratios.compare(
        "region to read, 1000 times",
        "<= 350 us, 350 ns each",
        &mut [
            ("SharedMmapArray::read_region", &mut || {
                (0..1000).for_each(|turn| {
                    let region = shared.read_region(window(turn)).unwrap();
                    black_box(region.view());
                });
            }),
            ("RwLock::read, a window", &mut || {
                (0..1000).for_each(|turn| {
                    black_box(array.read().unwrap().window(window(turn)).unwrap());
                });
            }),
        ],
    );
    ratios.compare(
        "region to write, 1000 times",
        "<= 350 us, 350 ns each",
        &mut [
            ("SharedMmapArray::write_region", &mut || {
                (0..1000).for_each(|turn| {
                    let mut region = shared.write_region(window(turn)).unwrap();
                    black_box(region.view_mut());
                });
            }),
            ("RwLock::write, a window", &mut || {
                (0..1000).for_each(|turn| {
                    black_box(array.write().unwrap().window_mut(window(turn)).unwrap());
                });
            }),
        ],
    );
}

/// A second map of the file, whose elements nobody touches.
fn map_second(path: &Path) -> MmapArrayMut<f32> {
    map(path, Lock::Off)
}

/// A block of whole rows to write, in a file that other processes may write to.
fn processes(ratios: &mut Ratios, path: &Path) {
    let shared = map(path, Lock::Cooperative).into_shared();
    let file = File::options().read(true).write(true).open(path).unwrap();
    let columns = shared.read().shape()[1];
    ratios.compare(
        "region between processes",
        "",
        &mut [
            ("SharedMmapArray::write_region", &mut || {
                let mut region = shared.write_region([8..16, 0..columns]).unwrap();
                black_box(region.view_mut());
            }),
            ("open, fcntl, close", &mut || {
                let link = format!("/proc/self/fd/{}", file.as_raw_fd());
                let file = File::options().read(true).write(true).open(link).unwrap();
                // SAFETY: the structure holds integers alone; the call reads it.
                unsafe {
                    let mut lock: libc::flock = std::mem::zeroed();
                    lock.l_type = libc::F_WRLCK as _;
                    (lock.l_start, lock.l_len) = (8, 8);
                    assert_eq!(libc::fcntl(file.as_raw_fd(), libc::F_OFD_SETLKW, &lock), 0);
                }
            }),
        ],
    );
}

/// Some work for each element, so that not the memory is what is measured.
fn work(mut tile: ViewMut<'_, f32>) {
    tile.map_inplace(|element| {
        (0..8).for_each(|_| *element = (*element * 0.99 + 1.0).sqrt());
    });
}

/// Works on all tiles of an array, of which each of some threads takes every `threads`-th.
fn by_regions(shared: &SharedMmapArray<f32>, tiles: &[Window], threads: usize) {
    std::thread::scope(|scope| {
        for thread in 0..threads {
            scope.spawn(move || {
                for tile in tiles.iter().skip(thread).step_by(threads) {
                    work(shared.write_region(tile).unwrap().view_mut());
                }
            });
        }
    });
}

/// The same, with a guard of the whole for each tile.
fn by_guards(shared: &SharedMmapArray<f32>, tiles: &[Window], threads: usize) {
    std::thread::scope(|scope| {
        for thread in 0..threads {
            scope.spawn(move || {
                for tile in tiles.iter().skip(thread).step_by(threads) {
                    work(shared.write().window_mut(tile).unwrap());
                }
            });
        }
    });
}

/// The same, with tiles that the threads have for themselves.
fn by_views(array: &mut MmapArrayMut<f32>, threads: usize) {
    let tiles: Vec<_> = array.view_mut().tiles([TILE, TILE]).unwrap().collect();
    let mut parts: Vec<Vec<_>> = (0..threads).map(|_| Vec::new()).collect();
    for (number, (_, tile)) in tiles.into_iter().enumerate() {
        parts[number % threads].push(tile);
    }
    std::thread::scope(|scope| {
        for part in parts {
            scope.spawn(|| part.into_iter().for_each(work));
        }
    });
}

/// Two threads that write disjoint tiles, beside one.
fn tiles(ratios: &mut Ratios, path: &Path) {
    let shared = map(path, Lock::Exclusive).into_shared();
    let mut array = map_second(path);
    let tiles: Vec<_> = array.tiles([TILE, TILE]).unwrap().collect();
    ratios.compare(
        "tiles of 256 x 256, by regions",
        "<= 0.556 of one thread",
        &mut [
            ("two threads", &mut || by_regions(&shared, &tiles, 2)),
            ("one thread", &mut || by_regions(&shared, &tiles, 1)),
            ("two threads, whole guards", &mut || by_guards(&shared, &tiles, 2)),
            ("two threads, no locks", &mut || by_views(&mut array, 2)),
        ],
    );
}
