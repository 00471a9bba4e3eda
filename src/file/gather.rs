//! Batches from any [`Source`]: a file, or a mapping of one. `batch.rs` plans them, `depth.rs` does
//! many reads at once.

use std::cell::RefCell;
use std::ops::Range;

use super::depth::{Buffer, Job, Source, drive, fill, work};
use crate::batch::{self, AT_ONCE, Pick, Rows, Take};
use crate::element::Element;
use crate::error::{Error, Result};
use crate::layout::{Layout, Order, Positions};
use crate::transfer::{self, BUFFER, MAX_GAP};
use crate::window::{Tiles, Window};

/// Windows that are planned at once.
const WINDOWS_AT_ONCE: usize = 64 << 10;
/// Asking whether a page is in memory takes as long as picking this many elements from it.
const PICKS_FOR_A_PAGE: usize = 32;

/// A part that is asked for, and where it goes.
struct Request<'o, T> {
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

// ---- windows -----------------------------------------------------------------------------------

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
fn most<T>() -> usize {
    (BUFFER / size_of::<T>()).max(1)
}

/// Adds what reads a run, in pieces.
fn push_run<'o, T>(requests: &mut Vec<Request<'o, T>>, start: usize, out: &'o mut [T]) {
    let pieces = out.chunks_mut(most::<T>()).enumerate();
    let starts = |number| start + number * most::<T>();
    requests.extend(pieces.map(|(i, out)| Request { start: starts(i), part: None, out }));
}

fn sort<T>(requests: &mut [Request<'_, T>]) {
    requests.sort_unstable_by_key(|request| (request.start, request.out.len()));
}

// ---- requests ----------------------------------------------------------------------------------

/// Reads requests, which are in the order of the file.
fn read_requests<T: Element>(
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

// ---- take --------------------------------------------------------------------------------------

/// Reads what was asked for along an axis.
pub(crate) fn take<T: Element>(
    source: &impl Source<T>,
    file: &Layout,
    order: Order,
    take: &Take<'_>,
    out: &mut [T],
) -> Result<()> {
    if out.is_empty() {
        return Ok(());
    }
    let Some(rows) = Rows::new(file, take.axis) else {
        return take_tiles(source, file, order, take, out);
    };
    let (indices, pages) = (take.indices, file.len().saturating_mul(size_of::<T>()) / 4096);
    let picks = rows.count.saturating_mul(indices.len());
    if picks.saturating_mul(PICKS_FOR_A_PAGE) >= pages
        && let Some(elements) = source.lend(0..file.len())
    {
        return take_lent(source, elements, &rows, indices, out);
    }
    for first in (0..indices.len()).step_by(AT_ONCE) {
        let some = &indices[first..indices.len().min(first + AT_ONCE)];
        let picks = batch::in_file_order(some, first);
        match rows.whole_rows(&picks, size_of::<T>()) {
            Some(count) if some.len() == indices.len() => {
                let byte_len = size_of_val(out);
                let blocks = out.chunks_mut(count * indices.len() * rows.inner).enumerate();
                let blocks = blocks.map(|(number, out)| Block {
                    start: number * count * rows.row_len(),
                    rows: &rows,
                    indices,
                    out,
                });
                drive(source, blocks, byte_len)?;
            }
            _ => take_requests(source, &rows, first, &picks, indices.len(), out)?,
        }
    }
    Ok(())
}

/// Whole rows, which are read, and from which items are picked.
struct Block<'b, T> {
    start: usize,
    rows: &'b Rows,
    indices: &'b [usize],
    out: &'b mut [T],
}

impl<T> Block<'_, T> {
    fn run(&self) -> Range<usize> {
        let rows = self.out.len() / (self.indices.len() * self.rows.inner);
        self.start..self.start + rows * self.rows.row_len()
    }
}

impl<T: Element> Job<T> for Block<'_, T> {
    fn len(&self) -> usize {
        self.run().len()
    }

    fn run(&mut self, source: &impl Source<T>, buffer: &mut Buffer<T>, now: bool) -> Result<bool> {
        let Some(elements) = buffer.run(source, Block::run(self), now)? else { return Ok(false) };
        self.rows.gather(elements, self.indices, self.out);
        Ok(true)
    }

    fn ask(&self, source: &impl Source<T>) {
        source.ask(Block::run(self));
    }
}

/// Picks from elements that lie in memory.
fn take_lent<T: Element>(
    source: &impl Source<T>,
    elements: &[T],
    rows: &Rows,
    indices: &[usize],
    out: &mut [T],
) -> Result<()> {
    let byte_len = size_of_val(out);
    let most = (BUFFER / size_of::<T>() / rows.inner).max(1);
    let row_out = indices.len() * rows.inner;
    if indices.len() > most || rows.count == 1 {
        let lent = elements.chunks_exact(rows.row_len()).zip(out.chunks_exact_mut(row_out));
        let lent = lent.flat_map(move |(elements, out)| {
            let out = out.chunks_mut(most * rows.inner);
            out.zip(indices.chunks(most)).map(move |(out, indices)| Lent {
                elements,
                rows,
                indices,
                out,
            })
        });
        return drive(source, lent, byte_len);
    }
    let count = (most / indices.len()).max(1);
    let blocks = elements.chunks(count * rows.row_len()).zip(out.chunks_mut(count * row_out));
    let lent = blocks.map(|(elements, out)| Lent { elements, rows, indices, out });
    drive(source, lent, byte_len)
}

/// Rows that lie in memory.
struct Lent<'b, T> {
    elements: &'b [T],
    rows: &'b Rows,
    indices: &'b [usize],
    out: &'b mut [T],
}

impl<T: Element> Job<T> for Lent<'_, T> {
    fn len(&self) -> usize {
        self.out.len()
    }

    fn run(&mut self, _: &impl Source<T>, _: &mut Buffer<T>, _: bool) -> Result<bool> {
        self.rows.gather(self.elements, self.indices, self.out);
        Ok(true)
    }

    fn ask(&self, _: &impl Source<T>) {}
}

/// Reads sorted picks of each row by requests of their own. The places of the picks start at
/// `first`; a row of the result has `row_picks` items.
fn take_requests<T: Element>(
    source: &impl Source<T>,
    rows: &Rows,
    first: usize,
    picks: &[Pick],
    row_picks: usize,
    out: &mut [T],
) -> Result<()> {
    let rows_at_once = (AT_ONCE / picks.len()).max(1);
    let row_out = row_picks * rows.inner;
    for (number, out) in out.chunks_mut(rows_at_once * row_out).enumerate() {
        let mut requests = Vec::with_capacity(out.len() / row_out * picks.len());
        for (row, out) in out.chunks_mut(row_out).enumerate() {
            let start = (number * rows_at_once + row) * rows.row_len();
            let out = &mut out[first * rows.inner..][..picks.len() * rows.inner];
            let mut places: Vec<_> = out.chunks_mut(rows.inner).collect();
            for pick in picks {
                let start = start + pick.index * rows.inner;
                let out = std::mem::take(&mut places[pick.place - first]);
                push_run(&mut requests, start, out);
            }
        }
        if rows.inner > most::<T>() {
            sort(&mut requests);
        }
        read_requests(source, &mut requests)?;
    }
    Ok(())
}

// ---- take from a file in another order ---------------------------------------------------------

/// Reads what was asked for by boxes, and picks it from there.
fn take_tiles<T: Element>(
    source: &impl Source<T>,
    file: &Layout,
    order: Order,
    take: &Take<'_>,
    out: &mut [T],
) -> Result<()> {
    let (axis, len) = (take.axis, file.shape()[take.axis]);
    let item_bytes = (file.strides()[axis] as usize).saturating_mul(size_of::<T>());
    let out = RefCell::new(out);
    for first in (0..take.indices.len()).step_by(AT_ONCE) {
        let some = &take.indices[first..take.indices.len().min(first + AT_ONCE)];
        let picks = batch::in_file_order(some, first);
        let tiles = batch::groups(&picks, item_bytes).flat_map(|group| {
            let range = batch::extent(group, len, item_bytes);
            let mut shape = file.shape().to_vec();
            shape[axis] = range.len();
            let tile = batch::tile(&shape, order, size_of::<T>());
            let tiles = Tiles::over(&file.with_shape(&shape), &tile, order);
            let tiles = tiles.expect("tiles with elements, of a part of the file");
            let out = &out;
            tiles.filter_map(move |tile| Tile::new(file, take, &tile, range.start, group, out))
        });
        work(source, tiles)?;
    }
    Ok(())
}

/// A box of the file, and what is picked from it.
struct Tile<'t, 'o, T> {
    start: usize,
    part: Layout,
    /// Its first index along the axis that is picked from.
    first: usize,
    picks: &'t [Pick],
    take: &'t Take<'t>,
    /// Where, in the result, index 0 of the axis has the box's first element.
    out_start: usize,
    out: &'t RefCell<&'o mut [T]>,
}

impl<'t, 'o, T: Element> Tile<'t, 'o, T> {
    /// The box `window` of those that start at index `group_start`; `None` where nothing is picked
    /// from it.
    fn new(
        file: &Layout,
        take: &'t Take<'t>,
        window: &Window,
        group_start: usize,
        group: &'t [Pick],
        out: &'t RefCell<&'o mut [T]>,
    ) -> Option<Self> {
        let (mut start, mut out_start, axis) = (0, 0, take.axis);
        for (other, &index) in window.start().iter().enumerate() {
            start += index * file.strides()[other] as usize;
            if other != axis {
                out_start += index * take.out.strides()[other] as usize;
            }
        }
        let first = group_start + window.start()[axis];
        start += group_start * file.strides()[axis] as usize;
        let below = |end| group.partition_point(|pick| pick.index < end);
        let picks = &group[below(first)..below(first + window.shape()[axis])];
        let part = file.with_shape(window.shape());
        (!picks.is_empty()).then_some(Tile { start, part, first, picks, take, out_start, out })
    }

    /// Picks from the box, which lies in memory in this layout.
    fn pick(&self, from: &[T], layout: &Layout) {
        let axis = self.take.axis;
        let (mut from_others, mut out_others) = (
            layout.clone(),
            Layout::from_parts(layout.shape().into(), self.take.out.strides().into()),
        );
        from_others.remove_axis(axis);
        out_others.remove_axis(axis);
        let [from_step, out_step] =
            [layout, &self.take.out].map(|layout| layout.strides()[axis] as usize);
        let mut out = self.out.borrow_mut();
        for (at, to) in Positions::new(from_others).zip(Positions::new(out_others)) {
            let (from, out) = (&from[at as usize..], &mut out[self.out_start + to as usize..]);
            for pick in self.picks {
                out[pick.place * out_step] = from[(pick.index - self.first) * from_step];
            }
        }
    }
}

impl<T: Element> Job<T> for Tile<'_, '_, T> {
    fn len(&self) -> usize {
        self.part.len()
    }

    fn run(&mut self, source: &impl Source<T>, buffer: &mut Buffer<T>, now: bool) -> Result<bool> {
        let (start, len) = (self.start as isize, self.part.len());
        let span = transfer::span(start, &self.part);
        // Boxes of few rows far apart are looked for row by row.
        if now
            && span.len() / 4 <= len
            && let Some(elements) = source.lend(span)
        {
            self.pick(elements, &self.part);
            return Ok(true);
        }
        let (buffer, mut filled) = (buffer.get(len)?, 0);
        for run in transfer::runs(start, &self.part, 0) {
            if !fill(source, run.start, &mut buffer[filled..][..run.len()], now)? {
                return Ok(false);
            }
            filled += run.len();
        }
        let layout = Layout::new(self.part.shape(), Order::Fortran)?;
        self.pick(buffer, &layout);
        Ok(true)
    }

    fn ask(&self, source: &impl Source<T>) {
        transfer::runs(self.start as isize, &self.part, 0).for_each(|run| source.ask(run));
    }
}
