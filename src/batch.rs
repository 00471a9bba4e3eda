//! The plan of a batch: many parts of an array, asked for in any order, as few reads in the order of
//! the file. Integers in, integers out, and elements that are picked from memory; no file is
//! touched.

use std::ops::Range;

use crate::dims::Dims;
use crate::error::{Error, Result};
use crate::layout::{Layout, Order};
use crate::transfer::{BUFFER, LONG_RUN, MAX_GAP};

/// Parts that are planned at once: a list of them takes some 50 MB at most.
pub(crate) const AT_ONCE: usize = 1 << 20;

/// A checked `take`: what is asked for is there, and as many elements as the result has.
#[derive(Debug)]
pub(crate) struct Take<'i> {
    pub(crate) axis: usize,
    pub(crate) indices: &'i [usize],
    /// The result, in row-major order.
    pub(crate) out: Layout,
}

impl<'i> Take<'i> {
    pub(crate) fn new<T>(
        layout: &Layout,
        axis: usize,
        indices: &'i [usize],
        out_len: usize,
    ) -> Result<Take<'i>> {
        let Some(&len) = layout.shape().get(axis) else {
            return Err(Error::InvalidAxis { axis, problem: "the array has no such axis" });
        };
        if let Some(&index) = indices.iter().find(|&&index| index >= len) {
            let index = isize::try_from(index).unwrap_or(isize::MAX);
            return Err(Error::OutOfBounds { axis, index, len });
        }
        let mut shape = layout.shape().to_vec();
        shape[axis] = indices.len();
        let out = Layout::of_memory::<T>(&shape)?;
        if out.len() != out_len {
            return Err(Error::LenMismatch { expected: out.len(), found: out_len });
        }
        Ok(Take { axis, indices, out })
    }
}

/// A file as rows of `len` items, each of `inner` elements side by side; a `take` asks for the same
/// items of each row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rows {
    pub(crate) count: usize,
    pub(crate) len: usize,
    pub(crate) inner: usize,
}

impl Rows {
    /// The rows of a file in C order, or one that could as well be.
    pub(crate) fn new(file: &Layout, axis: usize) -> Option<Rows> {
        file.is_contiguous(Order::C).then(|| Rows {
            count: file.shape()[..axis].iter().product(),
            len: file.shape()[axis],
            inner: file.shape()[axis + 1..].iter().product(),
        })
    }

    /// Elements of one row.
    pub(crate) fn row_len(&self) -> usize {
        self.len * self.inner
    }

    /// How many whole rows to read at once, where all that lies between the picks is worth reading
    /// through, from each row to the next one as well.
    pub(crate) fn whole_rows(&self, picks: &[Pick], item_size: usize) -> Option<usize> {
        let rows = (BUFFER / item_size).checked_div(self.row_len())?;
        let dense = self.count > 1
            && rows > 0
            && is_dense(picks, self.len, self.inner.saturating_mul(item_size));
        dense.then_some(rows)
    }

    /// Copies the items at `indices` of each row of `from` to `out`, one after the other.
    pub(crate) fn gather<T: Copy>(&self, from: &[T], indices: &[usize], out: &mut [T]) {
        let rows = from.chunks_exact(self.row_len());
        for (out, row) in out.chunks_exact_mut(indices.len() * self.inner).zip(rows) {
            if self.inner == 1 {
                out.iter_mut().zip(indices).for_each(|(out, &index)| *out = row[index]);
                continue;
            }
            for (out, &index) in out.chunks_exact_mut(self.inner).zip(indices) {
                out.copy_from_slice(&row[index * self.inner..][..self.inner]);
            }
        }
    }
}

/// An index that is asked for, and its place in the result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pick {
    pub(crate) index: usize,
    pub(crate) place: usize,
}

/// The picks in the order of the file; their places count from `first`.
pub(crate) fn in_file_order(indices: &[usize], first: usize) -> Vec<Pick> {
    let mut picks: Vec<_> =
        indices.iter().zip(first..).map(|(&index, place)| Pick { index, place }).collect();
    picks.sort_unstable_by_key(|pick| (pick.index, pick.place));
    picks
}

/// Sorted picks of items of `item_bytes`, in groups between which nothing is read.
pub(crate) fn groups(picks: &[Pick], item_bytes: usize) -> impl Iterator<Item = &[Pick]> {
    let step = widest_step(item_bytes);
    picks.chunk_by(move |pick, next| next.index - pick.index <= step)
}

/// The indices of a group that are read. One that reaches from each row to the next takes in the
/// whole axis of `len` items: the rows are one run then.
pub(crate) fn extent(group: &[Pick], len: usize, item_bytes: usize) -> Range<usize> {
    let (first, last) = (group[0].index, group[group.len() - 1].index);
    if len - last + first <= widest_step(item_bytes) { 0..len } else { first..last + 1 }
}

/// Is all that lies between sorted picks read through, from each row of `len` items to the next?
fn is_dense(picks: &[Pick], len: usize, item_bytes: usize) -> bool {
    let mut groups = groups(picks, item_bytes);
    let first = groups.next().is_some_and(|group| extent(group, len, item_bytes) == (0..len));
    first && groups.next().is_none()
}

/// Indices this far apart have a gap between them that is read through.
fn widest_step(item_bytes: usize) -> usize {
    MAX_GAP / item_bytes.max(1) + 1
}

/// Of runs sorted by their start, how many are read at once, and the elements that takes.
///
/// Runs that overlap or are the same are read once, and so is a small gap between two of which one
/// is short; what is read passes through a buffer, unless it is one run for all.
pub(crate) fn coalesce(
    mut runs: impl Iterator<Item = Range<usize>>,
    item_size: usize,
) -> (usize, Range<usize>) {
    let Some(first) = runs.next() else { return (0, 0..0) };
    let (mut end, mut count, mut all_the_same) = (first.end, 1, true);
    for run in runs {
        let long = LONG_RUN / item_size;
        let both_long = end - first.start >= long && run.len() >= long;
        let most_apart = if both_long { 0 } else { MAX_GAP / item_size + 1 };
        let near = run.start < end + most_apart;
        all_the_same &= run == first;
        let new_end = end.max(run.end);
        let fits = new_end - first.start <= BUFFER / item_size;
        if !(all_the_same || near && fits) {
            break;
        }
        (end, count) = (new_end, count + 1);
    }
    (count, first.start..end)
}

/// The shape of the tiles that a box of a file passes through a buffer in.
pub(crate) fn tile(shape: &[usize], order: Order, item_size: usize) -> Dims<usize> {
    let mut tile: Dims<usize> = shape.into();
    let mut room = (BUFFER / item_size).max(1);
    for step in 0..shape.len() {
        let axis = match order {
            Order::C => shape.len() - 1 - step,
            Order::Fortran => step,
        };
        tile[axis] = shape[axis].clamp(1, room);
        room = (room / tile[axis]).max(1);
    }
    tile
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picks(indices: &[usize]) -> Vec<Pick> {
        in_file_order(indices, 0)
    }

    fn group_sizes(indices: &[usize], item_bytes: usize) -> Vec<usize> {
        groups(&picks(indices), item_bytes).map(<[Pick]>::len).collect()
    }

    fn read_at_once(runs: &[Range<usize>], item_size: usize) -> (usize, Range<usize>) {
        coalesce(runs.iter().cloned(), item_size)
    }

    #[test]
    fn picks_come_in_the_order_of_the_file_and_know_their_places() {
        let places: Vec<_> =
            in_file_order(&[5, 2, 5, 0], 10).iter().map(|pick| (pick.index, pick.place)).collect();
        assert_eq!(places, [(0, 13), (2, 11), (5, 10), (5, 12)]);
    }

    #[test]
    fn picks_with_gaps_of_up_to_4_kib_are_a_group() {
        assert_eq!(group_sizes(&[0, 1025, 2051], 4), [2, 1]);
        assert_eq!(group_sizes(&[3, 3, 4, 2, 9000], 8192), [4, 1]);
        assert_eq!(group_sizes(&[3, 5], 8192), [1, 1]);
        assert_eq!(group_sizes(&[], 4), [0; 0]);
    }

    #[test]
    fn a_group_that_reaches_into_the_next_row_takes_in_the_whole_axis() {
        assert_eq!(extent(&picks(&[100, 900]), 1000, 4), 0..1000);
        assert_eq!(extent(&picks(&[100, 900]), 5000, 4), 100..901);
        assert_eq!(extent(&picks(&[7]), 20, 4), 0..20);
        assert_eq!(extent(&picks(&[7]), 20, 8192), 7..8);
    }

    #[test]
    fn rows_are_read_whole_where_little_lies_between_the_picks() {
        let rows = |count, len, inner| Rows { count, len, inner };
        let dense = |rows: Rows, indices: &[usize]| rows.whole_rows(&picks(indices), 4);
        assert_eq!(dense(rows(100, 1024, 1), &[3, 900, 500]), Some(256));
        assert_eq!(dense(rows(100, 4000, 1), &[3, 900]), None);
        assert_eq!(dense(rows(1, 1024, 1), &[3, 900]), None);
        assert_eq!(dense(rows(9, 3, 100), &[2, 0]), Some(873));
        assert_eq!(dense(rows(9, 2, 300_000), &[0, 1]), None);
    }

    #[test]
    #[allow(clippy::single_range_in_vec_init, reason = "one run")]
    fn neighbours_and_small_gaps_are_one_read() {
        assert_eq!(read_at_once(&[0..10, 10..20, 21..30], 4), (3, 0..30));
        assert_eq!(read_at_once(&[0..10, 1034..1044, 3000..3001], 4), (2, 0..1044));
        assert_eq!(read_at_once(&[0..10, 1035..1045], 4), (1, 0..10));
        assert_eq!(read_at_once(&[5..9], 4), (1, 5..9));
        assert_eq!(read_at_once(&[], 4), (0, 0..0));
    }

    #[test]
    fn what_overlaps_or_comes_twice_is_read_once() {
        assert_eq!(read_at_once(&[0..10, 0..20, 5..9, 19..30], 4), (4, 0..30));
        let long = 0..(2 * BUFFER);
        assert_eq!(read_at_once(&[long.clone(), long.clone(), 9..10], 1), (2, long));
    }

    #[test]
    fn long_neighbours_are_read_each_into_its_place() {
        let row = |number: usize| number * LONG_RUN..(number + 1) * LONG_RUN;
        assert_eq!(read_at_once(&[row(0), row(1)], 1), (1, row(0)));
        assert_eq!(read_at_once(&[row(0), row(0), row(1)], 1), (2, row(0)));
        // No more than a buffer at once.
        let short = |number: usize| number * 60_000..(number + 1) * 60_000;
        let runs: Vec<_> = (0..40).map(short).collect();
        assert_eq!(read_at_once(&runs, 1).0, BUFFER / 60_000);
    }

    #[test]
    fn tiles_fit_the_buffer_and_follow_the_file() {
        assert_eq!(*tile(&[300, 1000, 10], Order::C, 4), [26, 1000, 10]);
        assert_eq!(*tile(&[300_000, 10, 2], Order::Fortran, 4), [262_144, 1, 1]);
        assert_eq!(*tile(&[7], Order::Fortran, 2 * BUFFER), [1]);
    }

    #[test]
    fn items_are_gathered_from_each_row_in_the_order_asked() {
        let from: Vec<u16> = (0..12).collect();
        let mut out = [0; 4];
        Rows { count: 2, len: 6, inner: 1 }.gather(&from, &[5, 0], &mut out);
        assert_eq!(out, [5, 0, 11, 6]);
        let mut out = [0; 8];
        Rows { count: 2, len: 3, inner: 2 }.gather(&from, &[2, 2], &mut out);
        assert_eq!(out, [4, 5, 4, 5, 10, 11, 10, 11]);
    }

    #[test]
    fn what_a_take_asks_for_is_checked() {
        let layout = Layout::new(&[4, 3], Order::C).unwrap();
        let take = |axis, indices: &[usize], len| {
            Take::new::<u8>(&layout, axis, indices, len).map(|take| take.out.shape().to_vec())
        };
        assert_eq!(take(1, &[2, 2, 0, 1], 16).unwrap(), [4, 4]);
        assert!(matches!(take(1, &[3], 4), Err(Error::OutOfBounds { axis: 1, index: 3, len: 3 })));
        assert!(matches!(take(2, &[], 0), Err(Error::InvalidAxis { axis: 2, .. })));
        assert!(matches!(take(0, &[1], 4), Err(Error::LenMismatch { expected: 3, found: 4 })));
        // An axis without elements excuses no overflow.
        let large = Layout::new(&[0, 1 << (isize::BITS - 3)], Order::C).unwrap();
        let result = Take::new::<u8>(&large, 1, &[0; 9], 0).map(|take| take.out.len());
        assert_eq!(result.unwrap(), 0);
    }
}
