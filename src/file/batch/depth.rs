//! Many reads at once: what is in memory is copied at once, what is not is asked for, and read when
//! enough has been asked for. Large batches are shared out among threads.

use std::collections::VecDeque;
use std::num::NonZero;
use std::ops::Range;
use std::sync::{Mutex, OnceLock, PoisonError};

use crate::element::Element;
use crate::error::Result;
use crate::file::zeroed;
use crate::layout::Layout;

/// Reads that were asked for and not read yet, for each thread. A disk that took 64 KiB at a time had
/// nothing to gain from more.
const DEPTH: usize = 32;
/// Elements of such reads, in bytes.
const IN_FLIGHT: usize = 8 << 20;
/// Bytes that are worth a thread. Starting one takes as long as copying 500 KiB, and on a busy machine
/// it may start late. Where threads are the depth, they wait for the disk more than they copy.
const FOR_A_THREAD: usize = if cfg!(target_os = "linux") { 2 << 20 } else { 256 << 10 };
/// More threads than this find the memory busy. Where the system takes no hints, they are the depth.
const MOST_THREADS: usize = if cfg!(target_os = "linux") { 8 } else { 16 };

/// Where the elements of an array are read from: its file, or a mapping of it. Elements are numbered
/// in the order of the file, and come in native byte order.
pub(crate) trait Source<T>: Sync {
    /// The elements themselves, where they lie in memory and no disk is waited for.
    fn lend(&self, run: Range<usize>) -> Option<&[T]>;

    /// Reads a run where no disk is waited for; `false` where one would be, and `out` may be half
    /// filled.
    fn fetch_now(&self, start: usize, out: &mut [T]) -> Result<bool>;

    /// Asks for a run that will be read soon.
    fn ask(&self, run: Range<usize>);

    /// Reads a run.
    fn fetch(&self, start: usize, out: &mut [T]) -> Result<()>;

    /// As `fetch_now`, of a box into row-major memory.
    fn fetch_box_now(&self, start: isize, part: &Layout, out: &mut [T]) -> Result<bool>;

    /// As `fetch`, of a box into row-major memory.
    fn fetch_box(&self, start: isize, part: &Layout, out: &mut [T]) -> Result<()>;
}

/// One read, or a few that belong together.
pub(super) trait Job<T> {
    /// Elements that are read.
    fn len(&self) -> usize;

    /// Does the work. With `now` only where no disk is waited for, and returns `false` otherwise.
    fn run(&mut self, source: &impl Source<T>, buffer: &mut Buffer<T>, now: bool) -> Result<bool>;

    /// Asks for what will be read.
    fn ask(&self, source: &impl Source<T>);
}

/// Memory that what is read passes through, had when it is needed.
pub(super) struct Buffer<T>(Vec<T>);

impl<T: Element> Buffer<T> {
    pub(super) fn new() -> Buffer<T> {
        Buffer(Vec::new())
    }

    pub(super) fn get(&mut self, len: usize) -> Result<&mut [T]> {
        if self.0.len() < len {
            self.0 = Vec::new();
            self.0 = zeroed(len)?;
        }
        Ok(&mut self.0[..len])
    }

    /// A run of the source: lent where it lies in memory, otherwise read into the buffer.
    pub(super) fn run<'b>(
        &'b mut self,
        source: &'b impl Source<T>,
        run: Range<usize>,
        now: bool,
    ) -> Result<Option<&'b [T]>> {
        if now && let Some(elements) = source.lend(run.clone()) {
            return Ok(Some(elements));
        }
        let elements = self.get(run.len())?;
        Ok(fill(source, run.start, elements, now)?.then_some(elements))
    }
}

/// Reads a run, and with `now` only where no disk is waited for.
pub(super) fn fill<T: Copy>(
    source: &impl Source<T>,
    start: usize,
    out: &mut [T],
    now: bool,
) -> Result<bool> {
    if now {
        return source.fetch_now(start, out);
    }
    source.fetch(start, out)?;
    Ok(true)
}

/// Does all jobs, on as many threads as their `byte_len` together is worth.
pub(super) fn drive<T: Element, J: Job<T> + Send>(
    source: &impl Source<T>,
    jobs: impl Iterator<Item = J> + Send,
    byte_len: usize,
) -> Result<()> {
    let threads = (byte_len / FOR_A_THREAD).min(processors());
    if threads < 2 {
        return work(source, jobs);
    }
    let jobs = Mutex::new(jobs.fuse());
    // A panic in another thread is passed on by the scope.
    let next = || jobs.lock().unwrap_or_else(PoisonError::into_inner).next();
    let work = || {
        let result = work(source, std::iter::from_fn(next));
        if result.is_err() {
            // The others need not go on. Nothing that is left is read any more.
            while next().is_some() {}
        }
        result
    };
    std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads)
            .map_while(|_| std::thread::Builder::new().spawn_scoped(scope, work).ok())
            .collect();
        let ours = work();
        others.into_iter().fold(ours, |result, other| {
            result.and(other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
        })
    })
}

/// Does jobs, in their order as far as their elements are in memory.
pub(super) fn work<T: Element, J: Job<T>>(
    source: &impl Source<T>,
    jobs: impl Iterator<Item = J>,
) -> Result<()> {
    let (mut jobs, mut buffer) = (jobs.fuse(), Buffer::new());
    let (mut asked, mut in_flight) = (VecDeque::new(), 0);
    loop {
        if let Some(mut job) = jobs.next() {
            if job.run(source, &mut buffer, true)? {
                continue;
            }
            job.ask(source);
            in_flight += job.len() * size_of::<T>();
            asked.push_back(job);
            if asked.len() < DEPTH && in_flight < IN_FLIGHT {
                continue;
            }
        }
        let Some(mut job) = asked.pop_front() else { return Ok(()) };
        in_flight -= job.len() * size_of::<T>();
        job.run(source, &mut buffer, false)?;
    }
}

/// How many threads run at once here. Asking takes longer than a small batch.
fn processors() -> usize {
    static PROCESSORS: OnceLock<usize> = OnceLock::new();
    *PROCESSORS.get_or_init(|| {
        let found = std::thread::available_parallelism().map_or(1, NonZero::get);
        if cfg!(target_os = "linux") { found.min(MOST_THREADS) } else { MOST_THREADS }
    })
}
