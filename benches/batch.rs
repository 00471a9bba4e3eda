//! What batches cost: random rows of 64 KiB, cold and warm, columns, single elements, and a batch
//! of one window.
//!
//! The limit of cold rows is what the disk gives: reads of 64 KiB past the cache (`O_DIRECT`), one
//! at a time and by 8 to 32 threads. That of warm rows is a loop of single reads, and copies from a
//! map that is there; that of columns, reading the whole file. The last column is our time divided by
//! theirs. NumPy's times are those of `numpy_memmap.py --batch`.
//!
//! The file holds 1 GiB. `cargo bench --bench batch`, or with a file of GIB GiB
//! `MMAP_ARRAY_BENCH_GIB=8 cargo bench --bench batch`

#![allow(unsafe_code)]

mod files;
mod ratio;

use std::cell::RefCell;
use std::fs::File;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use files::{START, turns, write_file};
use mmap_array::bytemuck::cast_slice_mut;
use mmap_array::{MmapArray, NpyFile, OpenOptions, Order, Raw, Window};
use ratio::{Call, Ratios};
use rustix::fs::{Advice, OFlags, fadvise};

const ROW: usize = 64 << 10;
const COLUMNS: usize = ROW / size_of::<f32>();

fn main() {
    let mut ratios = Ratios::new();
    let gib = std::env::var("MMAP_ARRAY_BENCH_GIB").map(|gib| gib.parse().expect("a number"));
    let rows = if ratios.test { 64 } else { gib.unwrap_or(1) << 14 };
    let folder = tempfile::tempdir().expect("a folder for files that go away");
    let path = folder.path().join("a.npy");
    write_file::<f32>(&path, "<f4", [rows, COLUMNS], Order::C);
    File::open(&path).unwrap().sync_all().expect("a disk");

    cold_rows(&mut ratios, &path);
    warm_rows(&mut ratios, &path);
    let elements = rows * COLUMNS;
    // The same file in other shapes, each with the axis and the number of indices to take.
    let columns = (elements / 100_000).max(100);
    let wide = 512_000.min(elements);
    let shapes = [
        ("100 of 1000 columns", [elements / 1000, 1000], Order::C, 1, 100),
        ("10 columns of wide rows", [elements / wide, wide], Order::C, 1, 10),
        ("Fortran, 100 of 1000 rows", [1000, elements / 1000], Order::Fortran, 0, 100),
        ("Fortran, 100 columns", [elements / columns, columns], Order::Fortran, 1, 100),
    ];
    for (name, shape, order, axis, count) in shapes {
        columns_or_rows(&mut ratios, &path, name, Raw::of::<f32>(shape).order(order), axis, count);
    }
    single_elements(&mut ratios, &path, elements);
    small(&mut ratios, &path);
    ratios.finish();
}

/// Numbers below `end` that look random.
fn numbers(count: usize, end: usize) -> Vec<usize> {
    let mut state = 1_u64;
    let below = |_| {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 33) as usize % end
    };
    (0..count).map(below).collect()
}

/// Batches of rows, none of them twice in one.
fn batches(rows: usize) -> Vec<Vec<usize>> {
    let count = 1000.min(rows / 4);
    let mut shuffled: Vec<usize> = (0..rows).collect();
    let mut batches = Vec::new();
    for places in numbers(8 * rows, rows).chunks_exact(rows) {
        places.iter().enumerate().for_each(|(row, &place)| shuffled.swap(row, place));
        batches.extend(shuffled.chunks_exact(count).map(<[usize]>::to_vec));
    }
    batches
}

fn open_mapped(path: &Path) -> MmapArray<f32> {
    // SAFETY: the folder is this program's own.
    unsafe { MmapArray::open(path) }.unwrap()
}

fn cold_rows(ratios: &mut Ratios, path: &Path) {
    let (file, array) = (NpyFile::<f32>::open(path).unwrap(), open_mapped(path));
    let direct = OFlags::DIRECT.bits().cast_signed();
    // A file system in memory has no such reads.
    let direct = File::options().read(true).custom_flags(direct).open(path);
    let bare = File::open(path).unwrap();
    let batches = batches(file.shape()[0]);
    let out = RefCell::new(vec![0.0_f32; batches[0].len() * COLUMNS + 1024]);
    let forget = || {
        fadvise(&bare, 0, None, Advice::DontNeed).unwrap();
    };
    let [mut ours, mut mapped, mut single, mut direct_1, mut a, mut b, mut c] = turns(&batches);
    let len = batches[0].len() * COLUMNS;
    let read = |depth, batch: &Vec<usize>| {
        let Ok(direct) = &direct else { return };
        let mut out = out.borrow_mut();
        let aligned = out.as_ptr().align_offset(4096);
        read_direct(direct, batch, &mut out[aligned..][..len], depth);
    };
    ratios.compare_each_after(
        Some(&forget),
        "cold rows of 64 KiB",
        "<= 1.18 of the disk's best",
        &mut [
            ("NpyFile::take", &mut || {
                file.take(0, ours.next().unwrap(), &mut out.borrow_mut()[..len]).unwrap();
            }),
            ("MmapArray::take", &mut || {
                array.take(0, mapped.next().unwrap(), &mut out.borrow_mut()[..len]).unwrap();
            }),
            ("read_window_into, each", &mut || {
                read_each(&file, single.next().unwrap(), &mut out.borrow_mut()[..len]);
            }),
            ("O_DIRECT, one at a time", &mut || read(1, direct_1.next().unwrap())),
            ("O_DIRECT, 8 threads", &mut || read(8, a.next().unwrap())),
            ("O_DIRECT, 16 threads", &mut || read(16, b.next().unwrap())),
            ("O_DIRECT, 32 threads", &mut || read(32, c.next().unwrap())),
        ],
    );
}

/// Reads rows past the cache, from the page where each begins, by as many threads.
fn read_direct(file: &File, rows: &[usize], out: &mut [f32], depth: usize) {
    let next = AtomicUsize::new(0);
    let places: Vec<_> = out.chunks_mut(COLUMNS).map(Mutex::new).collect();
    let work = || {
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let Some((row, place)) = rows.get(number).zip(places.get(number)) else { return };
            let out = &mut place.lock().unwrap();
            let count = file.read_at(cast_slice_mut(out), (row * ROW) as u64).unwrap();
            assert_eq!(count, ROW);
        }
    };
    std::thread::scope(|scope| {
        (1..depth).for_each(|_| drop(scope.spawn(work)));
        work();
    });
}

fn read_each(file: &NpyFile<f32>, rows: &[usize], out: &mut [f32]) {
    for (&row, out) in rows.iter().zip(out.chunks_exact_mut(COLUMNS)) {
        file.read_window_into([row..row + 1, 0..COLUMNS], out).unwrap();
    }
}

fn warm_rows(ratios: &mut Ratios, path: &Path) {
    let (file, array) = (NpyFile::<f32>::open(path).unwrap(), open_mapped(path));
    let elements = array.as_slice().unwrap();
    let total: f32 = elements.iter().step_by(1024).sum();
    assert!(total > 0.0);
    let batches = batches(file.shape()[0]);
    let len = batches[0].len() * COLUMNS;
    let out = RefCell::new(vec![0.0; len]);
    file.take(0, &batches[0], &mut out.borrow_mut()).unwrap();
    for (row, found) in batches[0].iter().zip(out.borrow().chunks_exact(COLUMNS)) {
        assert_eq!(*found, elements[row * COLUMNS..][..COLUMNS]);
    }
    let [mut ours, mut single, mut copied] = turns(&batches);
    let mut each = || read_each(&file, single.next().unwrap(), &mut out.borrow_mut());
    let mut copies = || {
        let out = &mut *out.borrow_mut();
        for (row, out) in copied.next().unwrap().iter().zip(out.chunks_exact_mut(COLUMNS)) {
            out.copy_from_slice(&elements[row * COLUMNS..][..COLUMNS]);
        }
    };
    let mut by_position = || file.take(0, ours.next().unwrap(), &mut out.borrow_mut()).unwrap();
    let calls: &mut [Call<'_>] = &mut [
        ("NpyFile::take", &mut by_position),
        ("read_window_into, each", &mut each),
        ("memcpy of each, mapped", &mut copies),
    ];
    ratios.compare("warm rows of 64 KiB, by position", "<= 0.67 of memcpy", calls);
    let [mut ours] = turns(&batches);
    let mut mapped = || array.take(0, ours.next().unwrap(), &mut out.borrow_mut()).unwrap();
    let calls: &mut [Call<'_>] =
        &mut [("MmapArray::take", &mut mapped), ("memcpy of each, mapped", &mut copies)];
    ratios.compare("warm rows of 64 KiB, mapped", "<= 0.67 of memcpy", calls);
}

fn columns_or_rows(
    ratios: &mut Ratios,
    path: &Path,
    name: &str,
    raw: Raw,
    axis: usize,
    count: usize,
) {
    let options = OpenOptions::new().raw(raw.offset(START));
    let file = options.open_file::<f32>(path).unwrap();
    // SAFETY: see `open_mapped`.
    let array = unsafe { options.open::<f32>(path) }.unwrap();
    let indices = numbers(count, file.shape()[axis]);
    let len = file.len() / file.shape()[axis] * indices.len();
    let (mut ours, mut mapped) = (vec![0.0; len], vec![0.0; len]);
    let mut buffer = vec![0_u8; 1 << 20];
    let bare = File::open(path).unwrap();
    ratios.compare(
        name,
        "",
        &mut [
            ("NpyFile::take", &mut || file.take(axis, &indices, &mut ours).unwrap()),
            ("MmapArray::take", &mut || array.take(axis, &indices, &mut mapped).unwrap()),
            ("preads of the file", &mut || {
                for at in (0..file.byte_len()).step_by(buffer.len()) {
                    bare.read_at(&mut buffer, START + at).unwrap();
                }
            }),
        ],
    );
    assert!(ours == mapped);
}

fn single_elements(ratios: &mut Ratios, path: &Path, len: usize) {
    let raw = Raw::of::<f32>([len]).offset(START);
    let options = OpenOptions::new().raw(raw);
    let file = options.open_file::<f32>(path).unwrap();
    // SAFETY: see `open_mapped`.
    let array = unsafe { options.open::<f32>(path) }.unwrap();
    let elements = array.as_slice().unwrap();
    let indices = numbers(if ratios.test { 1000 } else { 1_000_000 }, len);
    let out = RefCell::new(vec![0.0; indices.len()]);
    ratios.compare(
        "10^6 elements",
        "",
        &mut [
            ("NpyFile::take", &mut || file.take(0, &indices, &mut out.borrow_mut()).unwrap()),
            ("MmapArray::take", &mut || array.take(0, &indices, &mut out.borrow_mut()).unwrap()),
            ("loads from the map", &mut || {
                let out = &mut *out.borrow_mut();
                let places = indices.iter().zip(out);
                places.for_each(|(&index, out)| *out = elements[index]);
            }),
        ],
    );
}

/// Batches that are not worth a thread.
fn small(ratios: &mut Ratios, path: &Path) {
    let (file, array) = (NpyFile::<f32>::open(path).unwrap(), open_mapped(path));
    let windows: Vec<Vec<Window>> = numbers(4096, file.shape()[0] * 16)
        .chunks_exact(8)
        .map(|places| {
            let window = |place: &usize| Window::from([place / 16..place / 16 + 1, 0..1024]);
            places.iter().map(window).collect()
        })
        .collect();
    let out = RefCell::new(vec![0.0; 8 * 1024]);
    for count in [1, 8] {
        let name = if count == 1 { "one window of 4 KiB" } else { "8 windows of 4 KiB" };
        let [mut ours, mut each] = turns(&windows);
        let len = count * 1024;
        ratios.compare(
            &format!("{name}, by position"),
            "",
            &mut [
                ("read_windows", &mut || {
                    let windows = &ours.next().unwrap()[..count];
                    file.read_windows(windows, &mut out.borrow_mut()[..len]).unwrap();
                }),
                ("read_window_into, each", &mut || {
                    let windows = &each.next().unwrap()[..count];
                    for (window, out) in windows.iter().zip(out.borrow_mut().chunks_mut(1024)) {
                        file.read_window_into(window, out).unwrap();
                    }
                }),
            ],
        );
        let [mut ours, mut each] = turns(&windows);
        ratios.compare(
            &format!("{name}, mapped"),
            "",
            &mut [
                ("read_windows", &mut || {
                    let windows = &ours.next().unwrap()[..count];
                    array.read_windows(windows, &mut out.borrow_mut()[..len]).unwrap();
                }),
                ("read_window_into, each", &mut || {
                    let windows = &each.next().unwrap()[..count];
                    for (window, out) in windows.iter().zip(out.borrow_mut().chunks_mut(1024)) {
                        array.read_window_into(window, out).unwrap();
                    }
                }),
            ],
        );
    }
}
