//! Four processes fill one array, tile by tile, and one of them dies in the middle of a tile.
//!
//! ```text
//! cargo run --release --example workers
//! ```
//!
//! Each worker opens the file with `Lock::Cooperative` and holds a region of it for each tile that it
//! computes. Nobody hands the tiles out: a worker takes the next one that nobody has, and the lock
//! itself says which those are. A worker that dies loses its region at once; the tile is not marked
//! as done, so another worker computes it.

// Mapping a file is unsafe: see the SAFETY note.
#![allow(unsafe_code)]

use std::env;
use std::error::Error;
use std::path::Path;
use std::process::{Child, Command};

use mmap_array::{Lock, NpyFile, OpenOptions, SharedMmapArray, Tiles, Window};

const WORKERS: usize = 4;
const SIDE: usize = 2048;
/// Rows of a tile; up to 256, neighbours never wait for each other.
const TILE: usize = 256;
/// The worker that dies, and at which of its tiles.
const UNLUCKY: (usize, usize) = (1, 3);

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match arguments.as_slice() {
        [] => lead(),
        [folder, number] => work(Path::new(folder), number.parse()?),
        _ => Err("no arguments, please: the workers get theirs from the first process".into()),
    }
}

/// Makes the files, starts the workers, and looks at what they did.
fn lead() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    NpyFile::<f64>::create(folder.path().join("field.npy"), [SIDE, SIDE])?.close()?;
    // For each tile, which worker has computed it.
    NpyFile::<u8>::create(folder.path().join("done.npy"), [tiles()?.len()])?.close()?;

    let start = |number| {
        let worker = Command::new(env::current_exe()?)
            .arg(folder.path())
            .arg(usize::to_string(&number))
            .spawn()?;
        Ok::<(usize, Child), Box<dyn Error>>((number, worker))
    };
    let workers = (1..=WORKERS).map(start).collect::<Result<Vec<_>, _>>()?;
    for (number, mut worker) in workers {
        let status = worker.wait()?;
        println!("worker {number} ended: {status}");
        assert_eq!(status.success(), number != UNLUCKY.0, "worker {number}");
    }

    let done = mmap_array::load::<u8>(folder.path().join("done.npy"))?;
    for number in 1..=WORKERS {
        let count = done.iter().filter(|&&worker| usize::from(worker) == number).count();
        println!("worker {number} computed {count} tiles");
    }
    let field = mmap_array::load::<f64>(folder.path().join("field.npy"))?;
    let right =
        (0..SIDE * SIDE).filter(|&n| field[[n / SIDE, n % SIDE]] == value(n / SIDE, n % SIDE));
    println!("{} of {} elements are right", right.count(), SIDE * SIDE);
    Ok(())
}

/// Opens a file together with the other workers.
fn open<T: mmap_array::Element>(path: &Path) -> mmap_array::Result<SharedMmapArray<T>> {
    let options = OpenOptions::new().lock(Lock::Cooperative);
    // SAFETY: nobody shortens the file, and all who open it touch its elements in regions alone.
    Ok(unsafe { options.open_mut::<T>(path)? }.into_shared())
}

/// Computes tiles until all are done.
fn work(folder: &Path, number: u8) -> Result<(), Box<dyn Error>> {
    let field = open::<f64>(&folder.join("field.npy"))?;
    let done = open::<u8>(&folder.join("done.npy"))?;
    let mut begun = 0;
    let mut compute = |tile: usize, window: &Window, wait: bool| {
        let region = match wait {
            true => Some(field.write_region(window)?),
            false => field.try_write_region(window)?,
        };
        let Some(mut region) = region else {
            return Ok(false);
        };
        // With the tile in hand, nobody else changes its mark.
        if done.read_region(tile..tile + 1)?.view()[[0]] != 0 {
            return Ok(true);
        }
        begun += 1;
        let mut view = region.view_mut();
        if view[[0, 0]] != 0.0 {
            println!("worker {number} computes tile {tile} anew");
        }
        for i in 0..TILE {
            if (usize::from(number), begun, i) == (UNLUCKY.0, UNLUCKY.1, TILE / 2) {
                println!("worker {number} dies in the middle of tile {tile}");
                std::process::abort();
            }
            for j in 0..TILE {
                view[[i, j]] = value(window.start()[0] + i, window.start()[1] + j);
            }
        }
        region.flush()?; // the tile is on the disk before its mark
        done.write_region(tile..tile + 1)?.write(&[number])?;
        Ok::<bool, mmap_array::Error>(true)
    };

    // First whatever nobody has; then whatever others had, when they let it go.
    let mut busy = Vec::new();
    for (tile, window) in tiles()?.enumerate() {
        if !compute(tile, &window, false)? {
            busy.push((tile, window));
        }
    }
    for (tile, window) in busy {
        compute(tile, &window, true)?;
    }
    field.close()?;
    done.close()?;
    Ok(())
}

fn tiles() -> mmap_array::Result<Tiles> {
    Tiles::new([SIDE, SIDE], [TILE, TILE])
}

/// What an element shall be; it takes a while.
fn value(i: usize, j: usize) -> f64 {
    let (mut x, mut y) = (0.0, 0.0);
    let (a, b) = (3.0 * i as f64 / SIDE as f64 - 2.0, 2.0 * j as f64 / SIDE as f64 - 1.0);
    let mut steps = 0;
    while steps < 50 && x * x + y * y < 4.0 {
        (x, y) = (x * x - y * y + a, 2.0 * x * y + b);
        steps += 1;
    }
    f64::from(steps)
}
