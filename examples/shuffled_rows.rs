//! Shuffled mini-batches: the rows of a data set in random order, as one trains a model with them.
//!
//! ```text
//! cargo run --release --example shuffled_rows           # 64 MiB, removed at the end
//! cargo run --release --example shuffled_rows -- 4096   # MiB
//! ```
//!
//! Goes through all samples in the same random order, with a `take` for each batch, and with a read
//! for each sample: from the disk, and from memory. The file goes to a new folder in the system's
//! temporary one; where that lies in memory, there is no disk to wait for.

// Mapping a file is unsafe: see the SAFETY note.
#![allow(unsafe_code)]

use std::env;
use std::path::Path;
use std::time::Instant;

use mmap_array::{MmapArray, NpyFile};

/// Numbers of a sample: 16 KiB.
const FEATURES: usize = 4096;
/// Samples of a mini-batch.
const BATCH: usize = 256;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

fn main() -> Result<()> {
    let mib: usize = env::args().nth(1).map_or(Ok(64), |mib| mib.parse())?;
    let samples = mib * (1 << 20) / (FEATURES * size_of::<f32>());
    // Removed with all that is in it when this returns.
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("samples.npy");
    make(&path, samples)?;

    let file = NpyFile::<f32>::open(&path)?;
    let order = shuffled(samples);
    println!("{samples} samples of {FEATURES} numbers, in batches of {BATCH}");
    let by_batch = |batch: &[usize], out: &mut [f32]| file.take(0, batch, out);
    let one_by_one = |batch: &[usize], out: &mut [f32]| {
        for (&row, out) in batch.iter().zip(out.chunks_exact_mut(FEATURES)) {
            file.read_window_into([row..row + 1, 0..FEATURES], out)?;
        }
        Ok(())
    };
    println!("                       take   a read for each");
    forget(&path)?;
    let taken = epoch(&order, by_batch)?;
    forget(&path)?;
    let read = epoch(&order, one_by_one)?;
    println!("  from the disk   {taken:>9.0} {read:>17.0}   samples/s");
    let (taken, read) = (epoch(&order, by_batch)?, epoch(&order, one_by_one)?);
    println!("  from memory     {taken:>9.0} {read:>17.0}   samples/s");
    println!("  ok  all {samples} samples came in the order asked, four times");
    Ok(())
}

/// Lets the file go from the system's cache, where it is on a disk.
fn forget(path: &Path) -> Result<()> {
    // SAFETY: nobody else knows of this file, and here it is only read.
    let array = unsafe { MmapArray::<f32>::open(path)? };
    array.evict([0..array.shape()[0], 0..FEATURES])?;
    Ok(())
}

/// Goes through all samples, a batch at a time; returns samples per second.
fn epoch(
    order: &[usize],
    read: impl Fn(&[usize], &mut [f32]) -> mmap_array::Result<()>,
) -> Result<f64> {
    // One buffer for all batches.
    let mut samples = vec![0.0; BATCH * FEATURES];
    let start = Instant::now();
    for batch in order.chunks(BATCH) {
        let samples = &mut samples[..batch.len() * FEATURES];
        read(batch, samples)?;
        train(batch, samples)?;
    }
    Ok(order.len() as f64 / start.elapsed().as_secs_f64())
}

/// In place of training: are these the samples that were asked for?
fn train(batch: &[usize], samples: &[f32]) -> Result<()> {
    for (&row, sample) in batch.iter().zip(samples.chunks_exact(FEATURES)) {
        if [sample[0], sample[FEATURES - 1]] != [row as f32; 2] {
            return Err(format!("sample {row} has {} and {}", sample[0], sample[1]).into());
        }
    }
    Ok(())
}

/// A new file in which all numbers of sample `i` are `i`.
fn make(path: &Path, samples: usize) -> mmap_array::Result<()> {
    let file = NpyFile::<f32>::create(path, [samples, FEATURES])?;
    for block in file.row_blocks(BATCH)? {
        let rows = block.start()[0]..block.start()[0] + block.shape()[0];
        let numbers: Vec<f32> = rows.flat_map(|row| [row as f32; FEATURES]).collect();
        file.write_window(block, &numbers)?;
    }
    file.close()
}

/// The numbers from 0 to `count - 1` in random order.
fn shuffled(count: usize) -> Vec<usize> {
    let mut numbers: Vec<usize> = (0..count).collect();
    let mut state = 1_u64;
    for last in (1..count).rev() {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        numbers.swap(last, (state >> 33) as usize % (last + 1));
    }
    numbers
}
