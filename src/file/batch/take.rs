//! Items along an axis, from any [`Source`]: a file, or a mapping of one.

use std::ops::Range;

use super::depth::{Buffer, Job, Source, drive};
use super::requests::{most, push_run, read_requests, sort};
use super::tiles::take_tiles;
use crate::batch::{self, AT_ONCE, Pick, Rows, Take};
use crate::element::Element;
use crate::error::Result;
use crate::layout::{Layout, Order};
use crate::transfer::BUFFER;

/// Asking whether a page is in memory takes as long as picking this many elements from it.
const PICKS_FOR_A_PAGE: usize = 32;

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
                // No more than there are, or their picks might be too many to count.
                let count = count.min(rows.count);
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
    let count = (most / indices.len()).clamp(1, rows.count);
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
    let rows_at_once = (AT_ONCE / picks.len()).clamp(1, rows.count);
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
