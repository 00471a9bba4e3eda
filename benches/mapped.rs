//! What mapping costs: opening, the first pass over a file, small writes with a flush, the flush of
//! one row.
//!
//! The limit is the system calls that the work needs, made bare, or the same pass over memory that
//! is there already. Rivals are memmap2 with ndarray and ndarray-npy, and stores through a map as
//! NumPy makes them. The last column is our time divided by theirs.
//!
//! Files hold 1 GiB. `cargo bench --bench mapped`, or with files of GIB GiB
//! `MMAP_ARRAY_BENCH_GIB=8 cargo bench --bench mapped`

#![allow(unsafe_code)]

mod files;
mod ratio;

use std::fs::File;
use std::hint::black_box;
use std::os::unix::fs::FileExt;
use std::path::Path;

use files::{START, places};
use memmap2::{Mmap, MmapMut};
use mmap_array::bytemuck::cast_slice;
use mmap_array::{Allocation, MmapArray, MmapArrayMut, OpenOptions};
use ndarray_0_17::{ArrayView2, ArrayView3};
use ndarray_npy::ViewNpyExt;
use ratio::Ratios;
use rustix::fs::{FlockOperation, Mode, OFlags};

const COLUMNS: usize = 1024;

fn main() {
    let mut ratios = Ratios::new();
    let gib = std::env::var("MMAP_ARRAY_BENCH_GIB").map(|gib| gib.parse().expect("a number"));
    let rows = if ratios.test { 4096 } else { gib.unwrap_or(1) << 18 };
    let folder = tempfile::tempdir().expect("a folder for files that go away");
    let path = folder.path().join("a.npy");
    // SAFETY: the folder is this program's own, here and below.
    let small = unsafe { MmapArray::<f32>::create(&path, [365, 73, 144]) }.expect("a new file");
    small.close().expect("a disk");
    open(&mut ratios, &path);
    std::fs::remove_file(&path).expect("a file to remove");

    fill(&path, rows);
    first_pass(&mut ratios, &path);
    write_and_flush(&mut ratios, &path);
    flush_row(&mut ratios, &path);
    ratios.finish();
}

/// Writes a file by large windows.
fn fill(path: &Path, rows: usize) {
    let sparse = OpenOptions::new().allocation(Allocation::Sparse);
    let file = sparse.create_file::<f32>(path, [rows, COLUMNS]).unwrap();
    let block: Vec<f32> = (0..COLUMNS * COLUMNS).map(|n| (n % 97) as f32).collect();
    for window in file.row_blocks(COLUMNS).unwrap() {
        file.write_window(&window, &block[..window.len()]).unwrap();
    }
    file.close().unwrap();
}

fn open(ratios: &mut Ratios, path: &Path) {
    ratios.compare(
        "open mapped",
        "<= 1.3 of the calls",
        &mut [
            ("MmapArray::open", &mut || drop(black_box(map(path)))),
            ("the calls it needs", &mut || bare_open(path, OFlags::empty())),
            ("memmap2, ndarray-npy", &mut || {
                let file = File::open(path).unwrap();
                // SAFETY: see `main`.
                let map = unsafe { Mmap::map(&file).unwrap() };
                let view = ArrayView3::<f32>::view_npy(&map).unwrap();
                black_box(view[[1, 2, 3]]);
            }),
        ],
    );
    ratios.compare(
        "open mapped to write",
        "<= 1.3 of the calls",
        &mut [
            ("MmapArray::open_mut", &mut || drop(black_box(map_mut(path)))),
            ("the calls it needs", &mut || bare_open(path, OFlags::RDWR)),
        ],
    );
}

fn map(path: &Path) -> MmapArray<f32> {
    // SAFETY: see `main`.
    unsafe { MmapArray::open(path) }.unwrap()
}

fn map_mut(path: &Path) -> MmapArrayMut<f32> {
    // SAFETY: see `main`.
    unsafe { MmapArray::open_mut(path) }.unwrap()
}

/// Open, lock, compare with the path, ask for type and length, read the header, map, let go.
fn bare_open(path: &Path, access: OFlags) {
    let flags = OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY | access;
    let file = File::from(rustix::fs::open(path, flags, Mode::empty()).unwrap());
    black_box(rustix::fs::fstat(&file).unwrap());
    let (lock, options) = match access {
        OFlags::RDWR => (FlockOperation::NonBlockingLockExclusive, memmap2::MmapOptions::new()),
        _ => (FlockOperation::NonBlockingLockShared, memmap2::MmapOptions::new()),
    };
    rustix::fs::flock(&file, lock).unwrap();
    black_box(rustix::fs::stat(path).unwrap());
    black_box(rustix::fs::fstat(&file).unwrap());
    let mut first = [0; 1024];
    assert_eq!(file.read_at(&mut first, 0).unwrap(), first.len());
    let mut options = options;
    options.len(START as usize + 4 * 365 * 73 * 144);
    if access == OFlags::RDWR {
        drop(black_box(options.map_raw(&file).unwrap()));
    } else {
        drop(black_box(options.map_raw_read_only(&file).unwrap()));
    }
}

/// The sum of a file in the cache, or of its first GiB, mapped anew each time.
fn first_pass(ratios: &mut Ratios, path: &Path) {
    let whole = map(path);
    let memory = whole.as_slice().unwrap().chunks(1 << 28).next().unwrap().to_vec();
    let expected = sum(&memory);
    ratios.compare(
        "first pass over a map",
        "<= 1.11 of memory",
        &mut [
            ("MmapArray::open, sum", &mut || {
                assert_eq!(sum(&map(path).as_slice().unwrap()[..memory.len()]), expected);
            }),
            ("sum of memory", &mut || assert_eq!(sum(&memory), expected)),
            ("memmap2, ndarray, sum", &mut || {
                let file = File::open(path).unwrap();
                // SAFETY: see `main`.
                let map = unsafe { Mmap::map(&file).unwrap() };
                let view = ArrayView2::<f32>::view_npy(&map).unwrap();
                let rows = memory.len() / COLUMNS;
                black_box(view.slice(ndarray_0_17::s![..rows, ..]).sum());
            }),
        ],
    );
}

/// In lanes enough to wait for memory only.
fn sum(elements: &[f32]) -> f32 {
    let mut lanes = [0.0_f32; 64];
    for chunk in elements.chunks_exact(64) {
        lanes.iter_mut().zip(chunk).for_each(|(lane, element)| *lane += element);
    }
    lanes.iter().sum()
}

/// 10,000 times 16 elements at random places, and then a flush.
fn write_and_flush(ratios: &mut Ratios, path: &Path) {
    let mut array = map_mut(path);
    let places = places(array.shape(), [1, 16]);
    let bare = File::options().read(true).write(true).open(path).unwrap();
    // SAFETY: see `main`; the stores are made while nobody looks at the array.
    let mut map = unsafe { MmapMut::map_mut(&bare).unwrap() };
    let elements = [1.5_f32; 16];
    let offset = |[i, j]: [usize; 2]| START as usize + 4 * (i * COLUMNS + j);
    ratios.compare(
        "10,000 writes of 64 bytes, flush",
        ">= 8 times memmap2's speed",
        &mut [
            ("write_window, flush", &mut || {
                for &[i, j] in &places {
                    array.write_window([i..i + 1, j..j + 16], &elements).unwrap();
                }
                array.flush().unwrap();
            }),
            ("pwrites, fdatasync", &mut || {
                for &place in &places {
                    bare.write_all_at(cast_slice(&elements), offset(place) as u64).unwrap();
                }
                bare.sync_data().unwrap();
            }),
            ("memmap2, stores, flush", &mut || {
                for &place in &places {
                    map[offset(place)..][..64].copy_from_slice(cast_slice(&elements));
                }
                map.flush().unwrap();
            }),
        ],
    );
}

/// One row of 4 KiB.
fn flush_row(ratios: &mut Ratios, path: &Path) {
    let mut array = map_mut(path);
    let bare = File::options().write(true).open(path).unwrap();
    let elements = [2.5_f32; COLUMNS];
    let row = array.shape()[0] / 2;
    ratios.compare(
        "write a row, flush it",
        "<= 1.2 of fdatasync",
        &mut [
            ("write_window, flush_window", &mut || {
                array.write_window([row..row + 1, 0..COLUMNS], &elements).unwrap();
                array.flush_window([row..row + 1, 0..COLUMNS]).unwrap();
            }),
            ("pwrite, fdatasync", &mut || {
                let offset = START + 4 * (row * COLUMNS) as u64;
                bare.write_all_at(cast_slice(&elements), offset).unwrap();
                bare.sync_data().unwrap();
            }),
        ],
    );
}
