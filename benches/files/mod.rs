//! Files to measure with, and places in them.

// Each bench takes what it needs.
#![allow(dead_code)]

use std::fs::File;
use std::io::Write;
use std::path::Path;

use mmap_array::bytemuck::cast_slice;
use mmap_array::{Element, Header, Order};

pub(crate) const BLOCK: usize = 4 << 20;
/// How many places are enough for no cache to hold them.
const PLACES: usize = 10_000;
/// Where the data starts in all files here.
pub(crate) const START: u64 = 128;

/// Goes round and round, each time from another place: who comes second shall not find in the
/// processor's cache, or already dirty, what the first one has just touched.
pub(crate) fn turns<T, const N: usize>(items: &[T]) -> [impl Iterator<Item = &T>; N] {
    std::array::from_fn(|number| items.iter().cycle().skip(number * items.len() / N))
}

/// Places at which a window fits, the same ones in every run.
pub(crate) fn places(shape: &[usize], window: [usize; 2]) -> Vec<[usize; 2]> {
    let mut state = 1_u64;
    let mut below = |end: usize| {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 33) as usize % end
    };
    (0..PLACES)
        .map(|_| [below(shape[0] - window[0] + 1), below(shape[1] - window[1] + 1)])
        .collect()
}

/// Writes a file in large pieces, without the code that is measured.
pub(crate) fn write_file<T: Element + From<u16>>(
    path: &Path,
    descr: &str,
    shape: [usize; 2],
    order: Order,
) {
    let header = Header::new(descr.parse().unwrap(), shape, order).unwrap();
    let mut block: Vec<T> = (0..BLOCK / size_of::<T>()).map(|n| T::from(n as u16)).collect();
    if header.dtype().is_foreign() {
        block.iter_mut().for_each(T::swap_bytes);
    }
    let mut file = File::create(path).unwrap();
    file.write_all(&header.to_bytes()).unwrap();
    for _ in 0..header.byte_len() / BLOCK as u64 {
        file.write_all(cast_slice(&block)).unwrap();
    }
    assert_eq!(file.metadata().unwrap().len(), START + header.byte_len());
}
