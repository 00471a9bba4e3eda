//! One array, many threads, and other processes: what the locks order, and what they do not.
//!
//! ```text
//! cargo run --release --example shared
//! ```
//!
//! Writers count up the rows of a grid, each row as a whole, while readers look for a row that is
//! only half counted; they find none, because both go through the guards of a `SharedMmapArray`.
//! Then the program starts itself a second time, to show what another process may do meanwhile.
//! The file goes to a new folder in the system's temporary one, which is removed at the end; a run
//! that is killed leaves it there.

// Mapping a file is unsafe: see the SAFETY notes.
#![allow(unsafe_code)]

use std::env;
use std::hint::black_box;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, ScopedJoinHandle};
use std::time::{Duration, Instant};

use mmap_array::{LockState, MmapArray, NpyFile, SharedMmapArray, View, s};

const ROWS: usize = 16;
const COLUMNS: usize = 1024;
const WRITERS: usize = 2;
const READERS: usize = 4;
/// How often each writer counts up a row.
const UPDATES: usize = 20_000;

/// The argument that makes this program the second process.
const SECOND: &str = "--second-process";
/// How the second process says that the file is not its to map.
const REFUSED: &str = "refused: ";

type Grid = SharedMmapArray<u64>;
type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

fn main() -> ExitCode {
    let arguments: Vec<_> = env::args_os().skip(1).collect();
    let result = match arguments.as_slice() {
        [] => first_process(),
        [role, path] if role == SECOND => {
            second_process(Path::new(path));
            Ok(())
        }
        _ => Err("usage: shared".into()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("shared: {error}");
            ExitCode::FAILURE
        }
    }
}

fn first_process() -> Result<()> {
    // Removed with all that is in it when this returns.
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("grid.npy");
    // SAFETY: only this program knows of the file. Its second process asks for the lock, which
    // this one holds as long as the file is mapped here.
    let array = unsafe { MmapArray::<u64>::create(&path, [ROWS, COLUMNS])? };
    if array.lock_state() != LockState::Exclusive {
        let folder = folder.path().display();
        return Err(format!("{folder} is on a file system without locks; set TMPDIR").into());
    }
    let grid = array.into_shared();

    println!("Threads of one process");
    println!("  grid     {ROWS} x {COLUMNS} counts; an update counts up each of a row by one");
    let updates = count(&grid)?;
    prove(&grid, updates)?;
    println!("\nThe price of a guard that nobody waits for");
    show_prices(&grid);

    println!("\nA second process, while this one writes");
    let refused = start_second_while_writing(&grid, &path)?;
    expect(refused >= 2, "the second process should not have mapped the file")?;
    println!(
        "  The guards order the threads of the first process, and nobody else: a process that reads"
    );
    println!("  the file by position may see half an update.");
    grid.close()?;
    println!("\nA second process, after this one closed the array");
    let refused = start_second(&path)?;
    expect(refused == 0, "the second process should have mapped the file")
}

fn expect(holds: bool, problem: &str) -> Result<()> {
    if holds { Ok(()) } else { Err(problem.into()) }
}

// ---- threads -----------------------------------------------------------------------------------

/// Counts up one row. Nobody else reads or writes until the guard is dropped, at the end.
fn update(grid: &Grid, row: usize) -> mmap_array::Result<()> {
    let mut grid = grid.write();
    grid.slice_mut(s![row])?.map_inplace(|count| *count += 1);
    Ok(())
}

/// Counts the rows whose counts differ, with a guard: nobody writes meanwhile.
fn look(grid: &Grid) -> usize {
    let grid = grid.read();
    grid.view().outer_iter().filter(is_half_updated).count()
}

fn is_half_updated(row: &View<'_, u64>) -> bool {
    let first = row.get([0]);
    row.iter().any(|count| Some(count) != first)
}

/// Lets writers and readers loose on the grid; returns the number of updates.
fn count(grid: &Grid) -> Result<usize> {
    let start = Instant::now();
    let done = AtomicBool::new(false);
    let (updates, reads) = thread::scope(|scope| {
        let readers: Vec<_> = (0..READERS)
            .map(|_| {
                let (grid, done) = (grid.clone(), &done);
                scope.spawn(move || read_until(&grid, done))
            })
            .collect();
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| {
                let grid = grid.clone();
                scope.spawn(move || write(&grid, writer))
            })
            .collect();
        let updates: Result<usize> = writers.into_iter().map(join).sum();
        // Also after an error, or the readers would never end.
        done.store(true, Ordering::Relaxed);
        let reads: Result<Vec<_>> = readers.into_iter().map(join).collect();
        (updates, reads)
    });
    let (updates, reads) = (updates?, reads?);
    let half: usize = reads.iter().map(|(_, half)| half).sum();
    let reads: usize = reads.iter().map(|(reads, _)| reads).sum();
    println!("  writers  {WRITERS}, with {updates:>6} updates together");
    println!("  readers  {READERS}, with {reads:>6} looks at the whole grid");
    println!("  time     {:.1?}", start.elapsed());
    expect(half == 0, &format!("readers saw {half} rows that were half updated"))?;
    println!("  ok  no reader saw a row that was half updated");
    Ok(updates)
}

/// A writer: its rows come in turn, and all writers share all rows.
fn write(grid: &Grid, writer: usize) -> mmap_array::Result<usize> {
    for number in 0..UPDATES {
        update(grid, (writer + number) % ROWS)?;
    }
    Ok(UPDATES)
}

/// A reader: returns how often it looked, and how many rows it saw half updated.
fn read_until(grid: &Grid, done: &AtomicBool) -> mmap_array::Result<(usize, usize)> {
    let (mut looks, mut half) = (0, 0);
    // Once more after the writers are done.
    let mut last = false;
    while !last {
        last = done.load(Ordering::Relaxed);
        half += look(grid);
        looks += 1;
    }
    Ok((looks, half))
}

fn join<T>(thread: ScopedJoinHandle<'_, mmap_array::Result<T>>) -> Result<T> {
    Ok(thread.join().map_err(|_| "a thread panicked")??)
}

/// Two writers that read the same count and both add one to it would lose an update.
fn prove(grid: &Grid, updates: usize) -> Result<()> {
    let sum: u64 = grid.read().slice(s![.., 0])?.iter().sum();
    expect(sum == updates as u64, &format!("the counts sum to {sum}, not to {updates}"))?;
    println!("  ok  the rows' counts sum to {sum}: no update was lost");
    Ok(())
}

fn show_prices(grid: &Grid) {
    let read = time_each(|| {
        black_box(grid.read().get([0, 0]));
    });
    let write = time_each(|| {
        black_box(grid.write().get_mut([0, 0]));
    });
    println!("  read     {read:>6.0?}, with the look-up of an element");
    println!("  write    {write:>6.0?}, likewise");
}

fn time_each(mut action: impl FnMut()) -> Duration {
    const TIMES: u32 = 1_000_000;
    let start = Instant::now();
    (0..TIMES).for_each(|_| action());
    start.elapsed() / TIMES
}

// ---- processes ---------------------------------------------------------------------------------

/// Starts the second process, and writes as long as it runs.
fn start_second_while_writing(grid: &Grid, path: &Path) -> Result<usize> {
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let mut row = 0;
            while !done.load(Ordering::Relaxed) {
                update(grid, row)?;
                row = (row + 1) % ROWS;
            }
            Ok(())
        });
        let refused = start_second(path);
        done.store(true, Ordering::Relaxed);
        join(writer)?;
        refused
    })
}

/// Runs this program as a second process, and returns how many doors it found locked.
fn start_second(path: &Path) -> Result<usize> {
    let second = Command::new(env::current_exe()?).arg(SECOND).arg(path).output()?;
    let text = String::from_utf8_lossy(&second.stdout);
    print!("{text}");
    if !second.status.success() {
        let error = String::from_utf8_lossy(&second.stderr);
        return Err(format!("the second process failed: {}", error.trim()).into());
    }
    Ok(text.matches(REFUSED).count())
}

/// Tries each door of the file, and says how it went.
fn second_process(path: &Path) {
    // SAFETY: where the first process has the file open, its lock makes this fail before anything
    // is mapped; nobody else knows of the file.
    let result = unsafe { MmapArray::<u64>::open_mut(path) };
    println!("  MmapArray::open_mut  {}", outcome(&result));
    drop(result);

    // SAFETY: as above.
    let result = unsafe { MmapArray::<u64>::open(path) };
    println!("  MmapArray::open      {}", outcome(&result));
    drop(result);

    // On Windows the lock keeps this out too.
    let result = NpyFile::<u64>::open(path).and_then(|file| look_by_position(&file));
    println!(
        "  NpyFile::open        {}",
        result.unwrap_or_else(|error| format!("{REFUSED}{error}"))
    );
}

fn outcome<T>(result: &mmap_array::Result<T>) -> String {
    match result {
        Ok(_) => "mapped".to_owned(),
        Err(error) => format!("{REFUSED}{error}"),
    }
}

/// Reads each row many times, by position, and says how many were half updated.
fn look_by_position(file: &NpyFile<u64>) -> mmap_array::Result<String> {
    const TIMES: usize = 500;
    let mut half = 0;
    for row in (0..ROWS).cycle().take(ROWS * TIMES) {
        let row = file.read_slice(s![row])?;
        half += usize::from(is_half_updated(&row.view()));
    }
    let total = ROWS * TIMES;
    Ok(format!("opened to read by position; {half} of {total} rows were half updated"))
}
