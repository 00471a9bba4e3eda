//! The plan of a transfer: which contiguous runs of a file cover a selection, and where their
//! elements lie in memory. Integers in, integers out; no file is touched.
//!
//! A selection of a file is a start and a [`Layout`] over it: a window, or any slice. Its axes are
//! brought into *file order* (largest stride first, none negative), so that going through them
//! outermost first is going through the file forwards. Then one of two ways is taken:
//!
//! * **straight**: where runs of the file are runs of the memory as well, each is transferred
//!   directly between file and memory;
//! * **by tiles**: otherwise (a gap worth reading through, a step, another storage order) tiles
//!   of the selection pass through a small buffer, and elements are put in order in there.

use std::ops::Range;

use crate::dims::Dims;
use crate::layout::{Layout, Positions};

/// Gaps up to this many bytes are read through: one longer read is cheaper than two.
pub(crate) const MAX_GAP: usize = 4 << 10;
/// Runs of at least this many bytes are worth a read of their own, whatever the gap between them.
pub(crate) const LONG_RUN: usize = 64 << 10;
/// Bytes of the buffer that a tile passes through.
pub(crate) const BUFFER: usize = 1 << 20;

/// A selection of a file in file order, beside the memory it is transferred to or from.
#[derive(Debug)]
pub(crate) struct Plan {
    /// Where the selection starts in the file, in elements from the first.
    pub(crate) start: usize,
    /// The selection, in file order: no negative strides.
    file: Layout,
    /// The memory's strides, in file order.
    memory: Layout,
    /// Where the memory of the first element in file order lies, in elements.
    pub(crate) memory_start: isize,
    /// Axis `i` in file order is axis `axes[i]` of the selection.
    pub(crate) axes: Dims<usize>,
    /// The axes of the selection that the file holds backwards.
    pub(crate) inverted: Dims<usize>,
    /// How many inner axes, in file order, are one run both in the file and in memory.
    straight_axes: usize,
    /// Elements of such a run.
    straight_len: usize,
}

impl Plan {
    /// Plans the transfer of the selection of a file that starts at `start` and has `file` as
    /// layout, with memory of the same shape that has `memory` as layout. There must be elements.
    pub(crate) fn new(start: isize, mut file: Layout, mut memory: Layout) -> Plan {
        debug_assert!(file.shape() == memory.shape() && !file.is_empty());
        let (mut start, mut memory_start) = (start, 0);
        let mut inverted = Dims::new();
        for axis in 0..file.ndim() {
            if file.strides()[axis] < 0 {
                start += file.invert_axis(axis);
                memory_start += memory.invert_axis(axis);
                inverted.push(axis);
            }
        }
        let mut axes: Dims<usize> = (0..file.ndim()).collect();
        // Axes of length one come first, where they are in nobody's way.
        let place = |axis: &usize| match file.shape()[*axis] {
            1 => std::cmp::Reverse(isize::MAX),
            _ => std::cmp::Reverse(file.strides()[*axis]),
        };
        if !axes.is_sorted_by_key(place) {
            axes.sort_by_key(place);
            file = file.permute(&axes);
            memory = memory.permute(&axes);
        }

        let (mut straight_axes, mut straight_len) = (0, 1);
        for axis in (0..file.ndim()).rev() {
            let len = file.shape()[axis];
            let run = straight_len as isize;
            if len > 1 && (file.strides()[axis] != run || memory.strides()[axis] != run) {
                break;
            }
            straight_axes += 1;
            straight_len *= len;
        }
        let start = usize::try_from(start).expect("a selection starts inside its file");
        Plan { start, file, memory, memory_start, axes, inverted, straight_axes, straight_len }
    }

    /// The runs to transfer directly: for each, its start in the file, its start in memory and
    /// its length, all in elements. `None` where tiles do better.
    ///
    /// `through_gaps`: gaps may be read through. (Nothing may be written through them.)
    pub(crate) fn straight(&self, item_size: usize, through_gaps: bool) -> Option<Runs<'_>> {
        let outer = self.file.ndim() - self.straight_axes;
        if outer > 0 {
            let run_bytes = self.straight_len.saturating_mul(item_size);
            let step_bytes = (self.file.strides()[outer - 1] as usize).saturating_mul(item_size);
            let gap = step_bytes - run_bytes.min(step_bytes);
            let one_run_of_the_file = gap == 0;
            let worth_reading_through = through_gaps && gap <= MAX_GAP;
            if run_bytes < LONG_RUN && (one_run_of_the_file || worth_reading_through) {
                return None;
            }
        }
        Some(Runs {
            shape: &self.file.shape()[..outer],
            file: &self.file.strides()[..outer],
            memory: &self.memory.strides()[..outer],
            index: self.file.shape()[..outer].iter().map(|_| 0).collect(),
            next: Some((self.start, self.memory_start)),
            len: self.straight_len,
        })
    }

    /// How to pass the selection through a buffer.
    pub(crate) fn tiling(&self, item_size: usize, through_gaps: bool) -> Tiling {
        let ndim = self.file.ndim();
        let gap = if through_gaps { MAX_GAP / item_size } else { 0 };
        // The axis that is fastest in memory. Where it is not the fastest in the file, the tile
        // gets an extent along both, so that neither side is walked in single elements.
        let fastest = (0..ndim)
            .filter(|&axis| self.file.shape()[axis] > 1)
            .min_by_key(|&axis| self.memory.strides()[axis].unsigned_abs())
            .unwrap_or(0);
        let mut shape: Dims<usize> = self.file.shape().iter().map(|_| 1).collect();
        let mut buffer: Dims<isize> = self.file.shape().iter().map(|_| 0).collect();
        let (mut run_axes, mut extent, mut one_run) = (0, 1, true);
        for axis in (0..ndim).rev() {
            let (len, stride) = (self.file.shape()[axis], self.file.strides()[axis] as usize);
            one_run &= len == 1 || stride - extent <= gap;
            let step = if one_run && len > 1 { stride } else { extent };
            let budget = if axis > fastest { LONG_RUN } else { BUFFER } / item_size;
            let most = (budget.saturating_sub(extent) / step).saturating_add(1);
            // Tiles of one size: a last one of a few elements would cost as much as the others.
            shape[axis] = len.div_ceil(len.div_ceil(most));
            buffer[axis] = step as isize;
            extent += (shape[axis] - 1) * step;
            run_axes += usize::from(one_run);
            // A cut axis ends the run: what follows lies beyond the part that was cut off.
            one_run &= shape[axis] == len;
        }
        Tiling { shape, buffer, buffer_len: extent, run_axes }
    }

    /// The runs of one tile: for each, its start in the file, its start in the buffer and its
    /// length. `start` and `shape` are the tile's, in file order.
    pub(crate) fn tile_runs<'a>(
        &'a self,
        tiling: &'a Tiling,
        start: &[usize],
        shape: &'a [usize],
    ) -> Runs<'a> {
        let outer = self.file.ndim() - tiling.run_axes;
        let first = start.iter().zip(self.file.strides()).map(|(&i, &s)| i * s as usize);
        let inner = shape[outer..].iter().zip(&tiling.buffer[outer..]);
        Runs {
            shape: &shape[..outer],
            file: &self.file.strides()[..outer],
            memory: &tiling.buffer[..outer],
            index: shape[..outer].iter().map(|_| 0).collect(),
            next: Some((self.start + first.sum::<usize>(), 0)),
            len: 1 + inner.map(|(&len, &step)| (len - 1) * step as usize).sum::<usize>(),
        }
    }

    /// The selection's shape in file order.
    pub(crate) fn file(&self) -> &Layout {
        &self.file
    }

    /// The memory's layout in file order.
    pub(crate) fn memory(&self) -> &Layout {
        &self.memory
    }
}

/// How a selection passes through a buffer: tile by tile, in file order.
#[derive(Debug)]
pub(crate) struct Tiling {
    /// The shape of a tile; those at the far edges are cut.
    pub(crate) shape: Dims<usize>,
    /// The strides of a tile's elements in the buffer.
    buffer: Dims<isize>,
    /// Elements that the buffer must hold.
    pub(crate) buffer_len: usize,
    /// How many inner axes of a tile are one run of the file.
    run_axes: usize,
}

impl Tiling {
    /// The layout of a tile of this shape in the buffer.
    pub(crate) fn layout(&self, shape: &[usize]) -> Layout {
        Layout::from_parts(shape.into(), self.buffer.clone())
    }
}

/// Runs of a file: start in the file, start in memory, length; all in elements.
#[derive(Debug)]
pub(crate) struct Runs<'a> {
    shape: &'a [usize],
    file: &'a [isize],
    memory: &'a [isize],
    index: Dims<usize>,
    next: Option<(usize, isize)>,
    len: usize,
}

impl Iterator for Runs<'_> {
    type Item = (usize, isize, usize);

    fn next(&mut self) -> Option<Self::Item> {
        let (file, memory) = self.next?;
        self.next = None;
        let (mut after_file, mut after_memory) = (file as isize, memory);
        for axis in (0..self.shape.len()).rev() {
            self.index[axis] += 1;
            if self.index[axis] < self.shape[axis] {
                after_file += self.file[axis];
                after_memory += self.memory[axis];
                self.next = Some((after_file as usize, after_memory));
                break;
            }
            let back = (self.shape[axis] - 1) as isize;
            after_file -= back * self.file[axis];
            after_memory -= back * self.memory[axis];
            self.index[axis] = 0;
        }
        Some((file, memory, self.len))
    }
}

/// The runs of a file, in elements and in file order, that hold the selection with this start and
/// layout. Gaps of at most `gap` elements are read through.
pub(crate) fn runs(start: isize, part: &Layout, gap: usize) -> impl Iterator<Item = Range<usize>> {
    let (moved, mut outer) = part.in_memory_order();
    let (start, count) = (start + moved, outer.len());
    let mut len = 1;
    while let Some(last) = outer.ndim().checked_sub(1)
        && (outer.shape()[last] <= 1 || (outer.strides()[last] as usize).saturating_sub(len) <= gap)
    {
        len += (outer.shape()[last].max(1) - 1) * outer.strides()[last] as usize;
        outer.remove_axis(last);
    }
    let count = if count == 0 { 0 } else { outer.len() };
    Positions::new(outer).take(count).map(move |position| {
        let first = (start + position) as usize;
        first..first + len
    })
}

/// The elements of a file from the first to the last one of a selection.
pub(crate) fn span(start: isize, part: &Layout) -> Range<usize> {
    if part.is_empty() {
        return 0..0;
    }
    let (moved, ordered) = part.in_memory_order();
    let first = (start + moved) as usize;
    let ends = ordered.shape().iter().zip(ordered.strides());
    first..first + 1 + ends.map(|(&len, &stride)| (len - 1) * stride as usize).sum::<usize>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::Order;
    use crate::slice::SliceItem;
    use crate::{s, window::Tiles};

    /// Plans reading a slice of a file into row-major memory.
    fn plan(shape: &[usize], order: Order, items: &[SliceItem]) -> Plan {
        let (start, part) = Layout::new(shape, order).unwrap().slice(items).unwrap();
        let memory = Layout::new(part.shape(), Order::C).unwrap();
        Plan::new(start, part, memory)
    }

    fn straight_reads(plan: &Plan, item_size: usize) -> usize {
        plan.straight(item_size, true).expect("straight").count()
    }

    fn tiled_reads(plan: &Plan, item_size: usize) -> usize {
        assert!(plan.straight(item_size, true).is_none());
        let tiling = plan.tiling(item_size, true);
        Tiles::over(plan.file(), &tiling.shape, Order::C)
            .unwrap()
            .map(|tile| plan.tile_runs(&tiling, tile.start(), tile.shape()).count())
            .sum()
    }

    #[test]
    fn adjacent_axes_are_one_run() {
        let c = Order::C;
        assert_eq!(straight_reads(&plan(&[100, 50, 40], c, &s![..]), 4), 1);
        assert_eq!(straight_reads(&plan(&[100, 50, 40], c, &s![3..9]), 4), 1);
        assert_eq!(straight_reads(&plan(&[100, 50, 40], c, &s![7, 3..9]), 4), 1);
        assert_eq!(straight_reads(&plan(&[9, 8192, 8192], c, &s![.., 0..64, 0..64]), 4), 9 * 64);
        assert_eq!(straight_reads(&plan(&[9, 8192, 64], c, &s![.., 0..64, ..]), 4), 9);
    }

    #[test]
    fn gaps_up_to_4_kib_are_read_through() {
        let c = Order::C;
        assert_eq!(tiled_reads(&plan(&[100, 1024], c, &s![.., 0..8]), 4), 1);
        assert_eq!(tiled_reads(&plan(&[100, 1032], c, &s![.., 0..8]), 4), 1);
        assert_eq!(straight_reads(&plan(&[100, 1033], c, &s![.., 0..8]), 4), 100);
        assert_eq!(tiled_reads(&plan(&[100], c, &s![..;2]), 8), 1);
        assert_eq!(tiled_reads(&plan(&[100], c, &s![..;-1]), 8), 1);
    }

    #[test]
    fn long_runs_are_read_straight_whatever_the_gap() {
        assert_eq!(straight_reads(&plan(&[10, 20_000], Order::C, &s![.., 1..]), 4), 10);
    }

    #[test]
    fn another_storage_order_costs_no_read_an_element() {
        // The whole file is one run, and fits the buffer.
        assert_eq!(tiled_reads(&plan(&[300, 200], Order::Fortran, &s![..]), 4), 1);
        // A box of it: one read a column.
        assert_eq!(tiled_reads(&plan(&[500, 2000], Order::Fortran, &s![0..100, ..100]), 8), 1);
        assert_eq!(tiled_reads(&plan(&[9000, 2000], Order::Fortran, &s![0..100, ..100]), 8), 100);
    }

    #[test]
    #[allow(clippy::single_range_in_vec_init, reason = "one run")]
    fn the_runs_of_a_selection_hold_its_elements_and_little_else() {
        let of = |order, items: &[SliceItem], gap| {
            let (start, part) = Layout::new(&[4, 6], order).unwrap().slice(items).unwrap();
            (runs(start, &part, gap).collect::<Vec<_>>(), span(start, &part))
        };
        assert_eq!(of(Order::C, &s![..], 0), (vec![0..24], 0..24));
        assert_eq!(of(Order::C, &s![1..3, 1..3], 0), (vec![7..9, 13..15], 7..15));
        assert_eq!(of(Order::C, &s![1..3, 1..3], 4), (vec![7..15], 7..15));
        assert_eq!(of(Order::Fortran, &s![1..3, 1..3], 0), (vec![5..7, 9..11], 5..11));
        assert_eq!(of(Order::C, &s![..;-2, -1], 0), (vec![11..12, 23..24], 11..24));
        assert_eq!(of(Order::C, &s![2..2], 9), (vec![], 0..0));
    }
}
