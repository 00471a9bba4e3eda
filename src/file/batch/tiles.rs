//! Items along an axis of a file whose order is not that of the result: boxes of it are read, and
//! picked from.

use std::cell::RefCell;

use super::depth::{Buffer, Job, Source, fill, work};
use crate::batch::{self, AT_ONCE, Pick, Take};
use crate::element::Element;
use crate::error::Result;
use crate::layout::{Layout, Order, Positions};
use crate::transfer;
use crate::window::{Tiles, Window};

/// Reads what was asked for by boxes, and picks it from there.
pub(super) fn take_tiles<T: Element>(
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
