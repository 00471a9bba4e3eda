//! Parts of a file that are read each into a place of its own: as few reads as do it, in the order of
//! the file.

use std::ops::Range;

use super::depth::{Buffer, Job, Source, drive, fill};
use crate::batch;
use crate::element::Element;
use crate::error::{Error, Result};
use crate::layout::{Layout, Order};
use crate::transfer::{self, BUFFER, MAX_GAP};
use crate::window::Window;

/// Windows that are planned at once.
const WINDOWS_AT_ONCE: usize = 64 << 10;

/// A part that is asked for, and where it goes.
pub(super) struct Request<'o, T> {
    start: usize,
    /// A box of the file; `None` where it is one run, in the order of `out`.
    part: Option<Box<Layout>>,
    out: &'o mut [T],
}

impl<T> Request<'_, T> {
    fn run(&self) -> Range<usize> {
        self.start..self.start + self.out.len()
    }
}

/// Checks all windows, and that `out_len` elements are as many as they have together.
pub(crate) fn check_windows(file: &Layout, windows: &[Window], out_len: usize) -> Result<()> {
    let mut expected = 0_usize;
    for window in windows {
        expected = expected.saturating_add(window.select(file)?.1.len());
    }
    if expected != out_len {
        return Err(Error::LenMismatch { expected, found: out_len });
    }
    Ok(())
}

/// Reads windows that were checked.
pub(crate) fn read_windows<T: Element>(
    source: &impl Source<T>,
    file: &Layout,
    windows: &[Window],
    mut out: &mut [T],
) -> Result<()> {
    for windows in windows.chunks(WINDOWS_AT_ONCE) {
        let mut requests = Vec::with_capacity(windows.len());
        for window in windows {
            let (start, part) = window.select(file)?;
            let (ours, rest) = std::mem::take(&mut out).split_at_mut(part.len());
            out = rest;
            request(&mut requests, start as usize, part, ours);
        }
        sort(&mut requests);
        read_requests(source, &mut requests)?;
    }
    Ok(())
}

/// Adds what reads a window, in pieces of at most some 1 MiB where its order allows that.
fn request<'o, T>(
    requests: &mut Vec<Request<'o, T>>,
    start: usize,
    mut part: Layout,
    out: &'o mut [T],
) {
    let most = most::<T>();
    if out.is_empty() {
    } else if part.is_contiguous(Order::C) {
        push_run(requests, start, out);
    } else if out.len() <= most || !part.strides().is_sorted_by(|a, b| a >= b) {
        requests.push(Request { start, part: Some(Box::new(part)), out });
    } else {
        while part.shape()[0] == 1 {
            part.remove_axis(0);
        }
        let row_len = out.len() / part.shape()[0];
        let rows = (most / row_len).max(1);
        let step = rows * part.strides()[0] as usize;
        for (i, out) in out.chunks_mut(rows * row_len).enumerate() {
            let mut shape = part.shape().to_vec();
            shape[0] = out.len() / row_len;
            let (start, part) = (start + i * step, part.with_shape(&shape));
            // One row may be a run, or still too long.
            request(requests, start, part, out);
        }
    }
}

/// The elements of one read, at most.
pub(super) fn most<T>() -> usize {
    (BUFFER / size_of::<T>()).max(1)
}

/// Adds what reads a run, in pieces.
pub(super) fn push_run<'o, T>(requests: &mut Vec<Request<'o, T>>, start: usize, out: &'o mut [T]) {
    let pieces = out.chunks_mut(most::<T>()).enumerate();
    let starts = |number| start + number * most::<T>();
    requests.extend(pieces.map(|(i, out)| Request { start: starts(i), part: None, out }));
}

pub(super) fn sort<T>(requests: &mut [Request<'_, T>]) {
    requests.sort_unstable_by_key(|request| (request.start, request.out.len()));
}

/// Reads requests, which are in the order of the file.
pub(super) fn read_requests<T: Element>(
    source: &impl Source<T>,
    requests: &mut [Request<'_, T>],
) -> Result<()> {
    let bytes = requests.iter().map(|request| size_of_val(request.out)).sum();
    let mut rest = requests;
    let reads = std::iter::from_fn(|| {
        let count = match rest.first()?.part {
            Some(_) => 1,
            None => {
                let runs = rest.iter().take_while(|request| request.part.is_none());
                batch::coalesce(runs.map(Request::run), size_of::<T>()).0
            }
        };
        let (requests, others) = std::mem::take(&mut rest).split_at_mut(count);
        rest = others;
        Some(Read { requests })
    });
    drive(source, reads, bytes)
}

/// Requests that are read at once.
struct Read<'r, 'o, T> {
    requests: &'r mut [Request<'o, T>],
}

impl<T> Read<'_, '_, T> {
    /// What is read, where it is no box.
    fn run(&self) -> Range<usize> {
        let start = self.requests.first().map_or(0, |request| request.start);
        let ends = self.requests.iter().map(|request| request.run().end);
        start..ends.max().unwrap_or(start)
    }
}

impl<T: Element> Job<T> for Read<'_, '_, T> {
    fn len(&self) -> usize {
        self.run().len()
    }

    fn run(&mut self, source: &impl Source<T>, buffer: &mut Buffer<T>, now: bool) -> Result<bool> {
        let run = Read::run(self);
        match &mut *self.requests {
            [Request { start, part: Some(part), out }] if now => {
                source.fetch_box_now(*start as isize, part, out)
            }
            [Request { start, part: Some(part), out }] => {
                source.fetch_box(*start as isize, part, out)?;
                Ok(true)
            }
            // One, or the same again and again.
            [first, others @ ..] if others.iter().all(|other| other.run() == first.run()) => {
                if !fill(source, first.start, first.out, now)? {
                    return Ok(false);
                }
                others.iter_mut().for_each(|other| other.out.copy_from_slice(first.out));
                Ok(true)
            }
            requests => {
                let Some(elements) = buffer.run(source, run.clone(), now)? else {
                    return Ok(false);
                };
                for request in requests {
                    let from = &elements[request.start - run.start..];
                    match &mut *request.out {
                        // A call would take longer.
                        [element] => *element = from[0],
                        out => out.copy_from_slice(&from[..out.len()]),
                    }
                }
                Ok(true)
            }
        }
    }

    fn ask(&self, source: &impl Source<T>) {
        match &*self.requests {
            [Request { start, part: Some(part), .. }] => {
                let gap = MAX_GAP / size_of::<T>();
                transfer::runs(*start as isize, part, gap).for_each(|run| source.ask(run));
            }
            _ => source.ask(Read::run(self)),
        }
    }
}
