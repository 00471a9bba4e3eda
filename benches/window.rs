//! What windows of a file cost: one element, 64 x 64 elements, a row of 4 KiB, blocks of 4 MiB,
//! files in Fortran order and in the other byte order, and filling a new file.
//!
//! The limit is the positional reads or writes of the same bytes from and to the same buffer, made
//! bare; for blocks of 4 MiB also a `memcpy` of as many bytes, from a source as large as the file,
//! so that no cache flatters it. The last column is our time divided by the limit's: at most 1.2
//! for windows, and at most 1.11 (0.9 of the speed) for filling.
//!
//! The files are in the page cache, and hold 256 MiB each.
//!
//! `cargo bench --bench window`, or with files of 4 x side x side bytes
//! `MMAP_ARRAY_BENCH_SIDE=32768 cargo bench --bench window`

mod files;
mod ratio;

use std::cell::RefCell;
use std::fs::File;
use std::io::Write;
use std::path::Path;

use files::{BLOCK, START, places, turns, write_file};
use mmap_array::bytemuck::{cast_slice, cast_slice_mut};
use mmap_array::{Allocation, Element, Header, NpyFile, OpenOptions, Order};
use ratio::Ratios;

fn main() {
    let mut ratios = Ratios::new();
    let side = std::env::var("MMAP_ARRAY_BENCH_SIDE").map(|side| side.parse().expect("a number"));
    let side = if ratios.test { 1024 } else { side.unwrap_or(8192) };
    assert!(side % 1024 == 0, "the side must be a multiple of 1024");
    let folder = tempfile::tempdir().expect("a folder for files that go away");
    let path = folder.path().join("a.npy");

    write_file::<f32>(&path, "<f4", [side, side], Order::C);
    small_reads(&mut ratios, &path, "one element", [1, 1]);
    small_reads(&mut ratios, &path, "row of 4 KiB", [1, 1024]);
    small_reads(&mut ratios, &path, "64 x 64", [64, 64]);
    small_writes(&mut ratios, &path, "write one element", [1, 1]);
    small_writes(&mut ratios, &path, "write 64 x 64", [64, 64]);
    blocks(&mut ratios, &path, "4 MiB");
    write_file::<f32>(&path, ">f4", [side, side], Order::C);
    blocks(&mut ratios, &path, "4 MiB, big-endian");
    write_file::<f64>(&path, "<f8", [side / 2, side], Order::Fortran);
    fortran(&mut ratios, &path, "Fortran 512 x 512", [512, 512]);
    fortran(&mut ratios, &path, "Fortran, whole file", [side / 2, side]);
    std::fs::remove_file(&path).expect("a file to remove");
    fill(&mut ratios, &path, side);
    ratios.finish();
}

/// Small windows at random places.
fn small_reads(ratios: &mut Ratios, path: &Path, name: &str, [rows, columns]: [usize; 2]) {
    let (file, bare) = (NpyFile::<f32>::open(path).unwrap(), File::open(path).unwrap());
    let places = places(file.shape(), [rows, columns]);
    let ours = |[i, j]: [usize; 2], out: &mut [f32]| {
        file.read_window_into([i..i + rows, j..j + columns], out).unwrap();
    };
    let preads = |[i, j]: [usize; 2], out: &mut [f32]| {
        for (row, out) in out.chunks_exact_mut(columns).enumerate() {
            pread(&bare, out, (i + row) * file.shape()[1] + j);
        }
    };
    let mut expected = vec![0.0; rows * columns];
    let buffer = RefCell::new(expected.clone());
    preads(places[0], &mut expected);
    ours(places[0], &mut buffer.borrow_mut());
    assert_eq!(*buffer.borrow(), expected);

    let [mut place, mut other_place] = turns(&places);
    ratios.compare(
        name,
        "<= 1.2",
        &mut [
            ("read_window_into", &mut || ours(*place.next().unwrap(), &mut buffer.borrow_mut())),
            ("preads", &mut || preads(*other_place.next().unwrap(), &mut buffer.borrow_mut())),
        ],
    );
}

fn small_writes(ratios: &mut Ratios, path: &Path, name: &str, [rows, columns]: [usize; 2]) {
    let file = OpenOptions::new().open_file_mut::<f32>(path).unwrap();
    let bare = File::options().write(true).open(path).unwrap();
    let places = places(file.shape(), [rows, columns]);
    let elements = vec![1.5; rows * columns];
    let [mut place, mut other_place] = turns(&places);
    ratios.compare(
        name,
        "<= 1.2",
        &mut [
            ("write_window", &mut || {
                let [i, j] = *place.next().unwrap();
                file.write_window([i..i + rows, j..j + columns], &elements).unwrap();
            }),
            ("pwrites", &mut || {
                let [i, j] = *other_place.next().unwrap();
                for (row, elements) in elements.chunks_exact(columns).enumerate() {
                    pwrite(&bare, elements, (i + row) * file.shape()[1] + j);
                }
            }),
        ],
    );
    let [i, j] = places[0];
    let window = file.read_window([i..i + rows, j..j + columns]).unwrap();
    assert_eq!(window.as_slice(), elements);
}

/// Whole rows, 4 MiB at a time, one after the other.
fn blocks(ratios: &mut Ratios, path: &Path, name: &str) {
    let (file, bare) = (NpyFile::<f32>::open(path).unwrap(), File::open(path).unwrap());
    let len = BLOCK / size_of::<f32>();
    let windows: Vec<_> = file.row_blocks(len / file.shape()[1]).unwrap().collect();
    let memory = file.read().unwrap().into_vec();
    let buffer = RefCell::new(vec![0.0; len]);
    for (number, window) in windows.iter().enumerate() {
        file.read_window_into(window, &mut buffer.borrow_mut()).unwrap();
        assert_eq!(*buffer.borrow(), memory[number * len..][..len]);
    }

    let numbers: Vec<_> = (0..windows.len()).collect();
    let [mut number, mut other_number] = turns(&numbers);
    let mut source = memory.chunks_exact(len).cycle();
    ratios.compare(
        name,
        "<= 1.2 of memcpy",
        &mut [
            ("read_window_into", &mut || {
                let window = &windows[*number.next().unwrap()];
                file.read_window_into(window, &mut buffer.borrow_mut()).unwrap();
            }),
            ("pread", &mut || {
                pread(&bare, &mut buffer.borrow_mut(), other_number.next().unwrap() * len);
            }),
            ("memcpy", &mut || buffer.borrow_mut().copy_from_slice(source.next().unwrap())),
        ],
    );
}

/// A file in Fortran order is read in columns, and turned round on the way.
fn fortran(ratios: &mut Ratios, path: &Path, name: &str, [rows, columns]: [usize; 2]) {
    let (file, bare) = (NpyFile::<f64>::open(path).unwrap(), File::open(path).unwrap());
    let column_len = file.shape()[0];
    let places = places(file.shape(), [rows, columns]);
    let ours = |[i, j]: [usize; 2], out: &mut [f64]| {
        file.read_window_into([i..i + rows, j..j + columns], out).unwrap();
    };
    let preads = |[i, j]: [usize; 2], out: &mut [f64]| {
        // Whole columns follow each other.
        let run = if rows == column_len { BLOCK / 8 } else { rows };
        for (number, out) in out.chunks_mut(run).enumerate() {
            let column = number * run / rows;
            pread(&bare, out, (j + column) * column_len + i + number * run % rows);
        }
    };
    let mut columns_first = vec![0.0; rows * columns];
    let buffer = RefCell::new(columns_first.clone());
    preads(places[0], &mut columns_first);
    ours(places[0], &mut buffer.borrow_mut());
    for (place, element) in buffer.borrow().iter().enumerate() {
        assert_eq!(*element, columns_first[place % columns * rows + place / columns]);
    }

    let [mut place, mut other_place] = turns(&places);
    ratios.compare(
        name,
        "",
        &mut [
            ("read_window_into", &mut || ours(*place.next().unwrap(), &mut buffer.borrow_mut())),
            ("preads", &mut || preads(*other_place.next().unwrap(), &mut buffer.borrow_mut())),
        ],
    );
}

/// Creates a file, fills it 4 MiB at a time, and removes it again. Nothing is flushed, save what
/// `create` does.
fn fill(ratios: &mut Ratios, path: &Path, side: usize) {
    let block = vec![1.5_f32; BLOCK / size_of::<f32>()];
    let header = Header::new(f32::dtype(), [side, side], Order::C).unwrap().to_bytes();
    let ours = |allocation| {
        let options = OpenOptions::new().allocation(allocation);
        let file = options.create_file::<f32>(path, [side, side]).unwrap();
        for window in file.row_blocks(block.len() / side).unwrap() {
            file.write_window(window, &block).unwrap();
        }
        drop(file);
        std::fs::remove_file(path).unwrap();
    };
    let mut bare = || {
        let mut file = File::create_new(path).unwrap();
        file.write_all(&header).unwrap();
        (0..side * side).step_by(block.len()).for_each(|at| pwrite(&file, &block, at));
        drop(file);
        std::fs::remove_file(path).unwrap();
    };
    let mut reserved = || ours(Allocation::Reserved);
    let mut sparse = || ours(Allocation::Sparse);
    ratios.compare("fill, Sparse", "<= 1.11", &mut [("ours", &mut sparse), ("pwrites", &mut bare)]);
    let calls: &mut [ratio::Call<'_>] = &mut [("ours", &mut reserved), ("pwrites", &mut bare)];
    ratios.compare("fill, Reserved", "<= 1.11", calls);
}

/// One positional read of elements from the one numbered `at`.
fn pread<T: Element>(file: &File, out: &mut [T], at: usize) {
    let offset = START + (at * size_of::<T>()) as u64;
    #[cfg(unix)]
    let count = std::os::unix::fs::FileExt::read_at(file, cast_slice_mut(out), offset);
    #[cfg(windows)]
    let count = std::os::windows::fs::FileExt::seek_read(file, cast_slice_mut(out), offset);
    assert_eq!(count.unwrap(), size_of_val(out));
}

/// One positional write.
fn pwrite<T: Element>(file: &File, elements: &[T], at: usize) {
    let offset = START + (at * size_of::<T>()) as u64;
    #[cfg(unix)]
    let count = std::os::unix::fs::FileExt::write_at(file, cast_slice(elements), offset);
    #[cfg(windows)]
    let count = std::os::windows::fs::FileExt::seek_write(file, cast_slice(elements), offset);
    assert_eq!(count.unwrap(), size_of_val(elements));
}
