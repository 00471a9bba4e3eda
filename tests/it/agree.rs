//! What is stored through a map is read by position, and the other way around: at once, page by
//! page, many times over.

use std::path::Path;

use mmap_array::{MmapArray, Order, ReadWrite, Window};

use crate::common::Random;
use crate::{common, map};

/// Half a MiB: more than a hundred pages, whose borders rows of 97 elements do not keep to.
const SHAPE: [usize; 2] = [1351, 97];

/// How many pairs to try: all where the build is fast, or where the project's own test run asks.
fn pairs() -> usize {
    let all = !cfg!(debug_assertions) || std::env::var_os("MMAP_ARRAY_ALL_CASES").is_some();
    if all { 200_000 } else { 50_000 }
}

/// A small window somewhere, as start and shape.
fn window(random: &mut Random) -> ([usize; 2], [usize; 2]) {
    let start = SHAPE.map(|len| random.below(len));
    let most = |axis: usize| (SHAPE[axis] - start[axis]).min(4);
    (start, [1 + random.below(most(0)), 1 + random.below(most(1))])
}

/// Stores through the map, in one of three ways; each element is a new number.
fn store(
    array: &mut MmapArray<u32, ReadWrite>,
    way: usize,
    start: [usize; 2],
    shape: [usize; 2],
    next: &mut impl FnMut() -> u32,
) {
    let items = [0, 1].map(|axis| (start[axis]..start[axis] + shape[axis]).into());
    match way {
        0 => array.slice_mut(items).unwrap().map_inplace(|element| *element = next()),
        1 => array.slice_mut(items).unwrap().fill(next()),
        _ => {
            for row in start[0]..start[0] + shape[0] {
                for column in start[1]..start[1] + shape[1] {
                    array[[row, column]] = next();
                }
            }
        }
    }
}

fn check(folder: &Path, order: Order, seed: u64) {
    let path = folder.join("a.npy");
    let mut array = map::create_in::<u32>(&path, SHAPE, order).unwrap();
    let mut random = Random::new(seed);
    let mut number = 0_u32;
    let mut next = || {
        number += 1;
        number
    };
    let mut out = [0; 16];
    let rounds = pairs() / 4;
    for round in 0..rounds {
        let (start, shape) = window(&mut random);
        store(&mut array, round % 3, start, shape, &mut next);
        // Somewhere near, so that elements which were not stored are looked at too.
        let near = start.map(|start| start.saturating_sub(random.below(3)));
        let near = Window::new(near, shape).unwrap();
        let out = &mut out[..near.len()];
        array.file().read_window_into(&near, out).unwrap();
        let items = [0, 1].map(|axis| {
            let start = near.start()[axis];
            (start..start + near.shape()[axis]).into()
        });
        assert_eq!(array.slice(items).unwrap().to_vec(), out, "round {round}: {near:?}");

        let (start, shape) = window(&mut random);
        let new: Vec<u32> = (0..shape[0] * shape[1]).map(|_| next()).collect();
        array.write_window(Window::new(start, shape).unwrap(), &new).unwrap();
        let items = [0, 1].map(|axis| (start[axis]..start[axis] + shape[axis]).into());
        assert_eq!(array.slice(items).unwrap().to_vec(), new, "round {round}: {start:?}");
    }
    assert_eq!(array.file().read().unwrap(), array.view());
    array.close().unwrap();
    std::fs::remove_file(path).unwrap();
}

#[test]
fn a_map_and_positional_access_agree_in_memory() {
    let folder = common::folder();
    check(folder.path(), Order::C, 1);
    check(folder.path(), Order::Fortran, 2);
}

#[test]
fn a_map_and_positional_access_agree_on_the_disk() {
    let folder = tempfile::tempdir().unwrap();
    check(folder.path(), Order::C, 3);
    check(folder.path(), Order::Fortran, 4);
}
