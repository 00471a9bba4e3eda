//! Ten terabytes in one `.npy` file, on an ordinary disk, with a few megabytes of memory.
//!
//! ```text
//! cargo run --release --example ten_terabytes [-- FILE-OR-FOLDER]
//! ```
//!
//! Creates a sparse array of 10^13 bytes, maps it, writes and reads it at its start, its middle and
//! its far end, opens it again to read, and once more to change it in memory only. NumPy refuses
//! the last one on most machines: `np.load(path, mmap_mode="c")` asks for the memory of all of it.
//!
//! The file goes to the system's temporary folder, takes the disk space of what is written, and is
//! removed at the end, also after an error. It has no name while it is written, so a run that is
//! killed then leaves nothing behind. It must have one to be opened again, so a run that is killed
//! after that leaves the file; the next run says so and touches nothing.

// Mapping a file is unsafe: see the SAFETY notes.
#![allow(unsafe_code)]

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;
use std::{array, env, fs};

use mmap_array::{
    Access, Advice, Allocation, Array, Error, MmapArray, OpenOptions, Publish, ViewMut, s,
};

const SHAPE: [usize; 3] = [2_500_000, 1_000, 1_000];
/// More than the file takes of the disk, in bytes.
const ROOM: usize = 1_000_000;
/// More than this program takes of the memory, in bytes; it fails where it took more.
const MEMORY: u64 = 64_000_000;

/// What is written at each place: two pieces of 16 kB, which lie 4 MB apart.
const WINDOW: [usize; 3] = [2, 4, 1_000];
const PLACES: [[usize; 3]; 3] = [
    [0, 0, 0],           // the first element is in it
    [1_250_000, 500, 0], // 5 TB further
    [2_499_998, 996, 0], // the last element is in it
];
/// Far from all of them.
const UNTOUCHED: usize = 2_000_000;
const MARK: i32 = -1;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("ten_terabytes: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let path = path()?;
    println!("Ten terabytes in one file");
    println!("  file    {}", path.display());
    println!("  shape   {SHAPE:?}, int32, 10^13 bytes");
    println!("  places  windows of {WINDOW:?} at {PLACES:?}");

    check_room(&path).and_then(|()| write(&path)).map_err(with_advice)?;
    let _removed_at_the_end = Removed(&path);
    read(&path)?;
    change_in_memory(&path)?;

    println!("\nWhat it took");
    show_disk(&path)?;
    show_memory()
}

/// The file that the command line names, or one in the folder that it names, or in the system's
/// temporary one.
fn path() -> Result<PathBuf> {
    let mut arguments = env::args_os().skip(1).map(PathBuf::from);
    let mut path = arguments.next().unwrap_or_else(env::temp_dir);
    if arguments.next().is_some() || path.to_string_lossy().starts_with('-') {
        return Err("usage: ten_terabytes [FILE-OR-FOLDER]".into());
    }
    if path.is_dir() {
        path.push("ten_terabytes.npy");
    }
    Ok(path)
}

/// Fails where the disk is nearly full, because it is a signal to find that out through a mapping.
/// On a tmpfs, what is only read takes space too.
fn check_room(path: &Path) -> Result<()> {
    let reserved = OpenOptions::new().publish(Publish::OnClose);
    match reserved.create_file::<u8>(path, [ROOM]) {
        // The file is dropped without a name, and so is its space.
        Ok(_) | Err(Error::CannotReserve { .. }) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Says what to do where the file cannot be had.
fn with_advice(error: Box<dyn std::error::Error>) -> Box<dyn std::error::Error> {
    let advice = match error.downcast_ref() {
        Some(Error::AlreadyExists { .. }) => {
            "a run that was killed may have left it: then remove it"
        }
        Some(Error::FileTooLarge { .. }) => {
            "name a folder on another file system: ext4 with blocks of 4 KiB, XFS and Btrfs allow it"
        }
        Some(Error::StorageFull { .. } | Error::Io { .. }) => "name another folder",
        _ => return error,
    };
    format!("{error}; {advice}").into()
}

/// Removes its file when it goes out of scope, however that comes about.
struct Removed<'a>(&'a Path);

impl Drop for Removed<'_> {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(self.0) {
            eprintln!("ten_terabytes: cannot remove {}: {error}", self.0.display());
        }
    }
}

// ---- three ways to map it ----------------------------------------------------------------------

fn write(path: &Path) -> Result<()> {
    println!("\nA new array, to read and write");
    let options = options().allocation(Allocation::Sparse).publish(Publish::OnClose);
    let mut array = step("create and map", || {
        // SAFETY: the file is new, and nobody else finds it before it is closed and gets its name.
        Ok(unsafe { options.create::<i32>(path, SHAPE)? })
    })?;
    step("write a window at each place", || {
        for (place, start) in PLACES.into_iter().enumerate() {
            array.write_window(ranges(start), &numbers(place))?;
        }
        Ok(())
    })?;
    // A store through a view that finds the disk full is a signal, where `write_window` returns an
    // error (on Linux). These stores go where it has been, so their space is there.
    step("mark some elements through views", || {
        PLACES.into_iter().try_for_each(|start| mark(array.view_mut().window(ranges(start))?))
    })?;
    step("check them, as copies and as views", || check(&array))?;
    step("flush, to stable storage", || Ok(array.flush()?))?;
    step("close, which gives it its name", || Ok(array.close()?))
}

fn read(path: &Path) -> Result<()> {
    println!("\nOpened again, to read");
    let array = step("open and map", || {
        // SAFETY: this program made the file under a name of its own, and does not write to it
        // while it is open here; the lock keeps out other writers that ask for one.
        Ok(unsafe { options().open::<i32>(path)? })
    })?;
    step("check the places", || check(&array))?;
    step("take one element from every terabyte", || {
        let sample = array.slice(s![..;250_000, 0, 0])?;
        expect(sample.to_vec() == [MARK, 0, 0, 0, 0, 0, 0, 0, 0, 0], "the sample is wrong")
    })
}

fn change_in_memory(path: &Path) -> Result<()> {
    println!("\nOpened again, to change in memory only");
    let mut array = step("open and map", || {
        // SAFETY: as for `read`.
        Ok(unsafe { options().open_cow::<i32>(path)? })
    })?;
    step("change a matrix row at each place", || {
        for [matrix, row, _] in PLACES {
            array.slice_mut(s![matrix, row])?.fill(7);
        }
        Ok(())
    })?;
    step("check that the array shows it", || {
        for [matrix, row, _] in PLACES {
            let changed = array.slice(s![matrix, row])?;
            expect(changed.iter().all(|&element| element == 7), "a change was lost")?;
        }
        Ok(())
    })?;
    step("check that the file does not", || {
        for (place, start) in PLACES.into_iter().enumerate() {
            let found = array.file().read_window(ranges(start))?;
            expect(found == written(place)?, "the file changed")?;
        }
        Ok(())
    })
}

/// Without this hint the system reads megabytes around every place that is touched.
fn options() -> OpenOptions {
    OpenOptions::new().advice(Advice::Random)
}

/// Does something, and says how long it took.
fn step<T>(name: &str, action: impl FnOnce() -> Result<T>) -> Result<T> {
    let start = Instant::now();
    let result = action()?;
    println!("  {name:<38}{:>10.1?}", start.elapsed());
    Ok(result)
}

// ---- what is in it -----------------------------------------------------------------------------

/// The window that starts here.
fn ranges(start: [usize; 3]) -> [Range<usize>; 3] {
    array::from_fn(|axis| start[axis]..start[axis] + WINDOW[axis])
}

/// The elements of a window: no two places have a number in common, and none is zero.
fn numbers(place: usize) -> Vec<i32> {
    let len = WINDOW.iter().product::<usize>();
    (1..=len).map(|number| (place * len + number) as i32).collect()
}

/// Marks every second element in the first row of each matrix.
fn mark(window: ViewMut<'_, i32>) -> Result<()> {
    window.slice(s![.., 0, ..;2])?.fill(MARK);
    Ok(())
}

/// What the file should hold at a place: the same done in memory.
fn written(place: usize) -> Result<Array<i32>> {
    let mut window = Array::from_vec(WINDOW, numbers(place))?;
    mark(window.view_mut())?;
    Ok(window)
}

fn check<A: Access>(array: &MmapArray<i32, A>) -> Result<()> {
    for (place, start) in PLACES.into_iter().enumerate() {
        let written = written(place)?;
        expect(array.read_window(ranges(start))? == written, "a copied window is wrong")?;
        expect(
            array.view().window(ranges(start))? == written.view(),
            "a borrowed window is wrong",
        )?;
    }
    let untouched = array.slice(s![UNTOUCHED, 0])?;
    expect(untouched.iter().all(|&element| element == 0), "what nobody wrote is not zero")
}

fn expect(holds: bool, problem: &str) -> Result<()> {
    if holds { Ok(()) } else { Err(problem.into()) }
}

// ---- what it took ------------------------------------------------------------------------------

#[cfg(unix)]
fn show_disk(path: &Path) -> Result<()> {
    use std::os::unix::fs::MetadataExt;
    let metadata = fs::metadata(path)?;
    // `stat` counts in 512 bytes, whatever the file system's blocks are.
    let kilobytes = metadata.blocks() as f64 * 512.0 / 1e3;
    println!("  disk    {kilobytes:.0} kB, for a file of {} bytes", metadata.len());
    Ok(())
}

#[cfg(not(unix))]
fn show_disk(path: &Path) -> Result<()> {
    println!("  disk    not known here, for a file of {} bytes", fs::metadata(path)?.len());
    Ok(())
}

/// Says how much memory this process had at most, and fails where that was too much.
fn show_memory() -> Result<()> {
    let Some(peak) = peak_memory() else {
        println!("  memory  not known here");
        return Ok(());
    };
    let (peak_mb, limit_mb) = (peak as f64 / 1e6, MEMORY / 1_000_000);
    if peak > MEMORY {
        return Err(format!("{peak_mb:.1} MB of memory were needed, not {limit_mb} at most").into());
    }
    println!("  memory  {peak_mb:.1} MB at most, less than {limit_mb} MB");
    Ok(())
}

/// The most memory that this process had, in bytes, with the mapped pages; where Linux tells it.
fn peak_memory() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kibibytes * 1024)
}
