//! Windows: a box of an array as start and shape, and iterators that cover an array with boxes.
//! Integers in, integers out; no data is touched.

use std::fmt;
use std::iter::FusedIterator;
use std::ops::Range;

use crate::dims::Dims;
use crate::error::{Error, Result};
use crate::layout::{Layout, MAX_NDIM, Order};

/// A box of an array: where it starts and how long it is along each axis.
///
/// Usually written as an array of ranges, one for each axis, wherever a window is asked for. A
/// range that ends before it starts is kept and reported by the method that uses the window.
///
/// # Example
///
/// ```
/// use mmap_array::Window;
///
/// let window = Window::from([0..31, 10..20]);
/// assert_eq!((window.start(), window.shape()), (&[0, 10][..], &[31, 10][..]));
/// assert_eq!(window, Window::new([0, 10], [31, 10])?);
/// assert_eq!(format!("{window:?}"), "Window([0..31, 10..20])");
/// # Ok::<(), mmap_array::Error>(())
/// ```
#[derive(Clone)]
pub struct Window {
    start: Dims<usize>,
    shape: Dims<usize>,
    /// The first range that ends before it starts: axis, start, end.
    reversed: Option<(usize, usize, usize)>,
}

impl Window {
    /// The window that starts at `start` and spans `shape` elements.
    ///
    /// # Errors
    ///
    /// [`Error::RankMismatch`] where the two have different numbers of axes, and
    /// [`Error::InvalidAxis`] where start and length together overflow.
    pub fn new(start: impl AsRef<[usize]>, shape: impl AsRef<[usize]>) -> Result<Window> {
        let (start, shape) = (start.as_ref(), shape.as_ref());
        if start.len() != shape.len() {
            return Err(Error::RankMismatch { expected: start.len(), found: shape.len() });
        }
        for (axis, (&first, &len)) in start.iter().zip(shape).enumerate() {
            if first.checked_add(len).is_none() {
                let problem = "start and length together are too large to count";
                return Err(Error::InvalidAxis { axis, problem });
            }
        }
        Ok(Window { start: start.into(), shape: shape.into(), reversed: None })
    }

    /// The first index of each axis.
    #[must_use]
    pub fn start(&self) -> &[usize] {
        &self.start
    }

    /// The number of indices along each axis.
    #[must_use]
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The indices along each axis, as ranges.
    pub fn ranges(&self) -> impl ExactSizeIterator<Item = Range<usize>> {
        (0..self.ndim()).map(|axis| self.range(axis))
    }

    /// As it was given, also the first that ends before it starts.
    fn range(&self, axis: usize) -> Range<usize> {
        match self.reversed {
            Some((reversed, start, end)) if reversed == axis => start..end,
            _ => self.start[axis]..self.start[axis] + self.shape[axis],
        }
    }

    /// The number of axes.
    #[must_use]
    pub fn ndim(&self) -> usize {
        self.shape.len()
    }

    /// The number of elements; `usize::MAX` where it would overflow.
    #[must_use]
    pub fn len(&self) -> usize {
        if self.is_empty() { 0 } else { self.shape.iter().fold(1, |n, &len| n.saturating_mul(len)) }
    }

    /// Does the window hold no elements?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.shape.contains(&0)
    }

    /// Have the two an index in common? Windows of different numbers of axes are not of one array;
    /// they count as overlapping.
    pub(crate) fn overlaps(&self, other: &Window) -> bool {
        let mut axes = self.ranges().zip(other.ranges());
        !self.is_empty()
            && !other.is_empty()
            && (self.ndim() != other.ndim()
                || axes.all(|(ours, theirs)| ours.start < theirs.end && theirs.start < ours.end))
    }

    /// The part of `layout` inside the window, and how far its first element lies from the first
    /// of `layout`.
    pub(crate) fn select(&self, layout: &Layout) -> Result<(isize, Layout)> {
        if self.ndim() != layout.ndim() {
            return Err(Error::RankMismatch { expected: layout.ndim(), found: self.ndim() });
        }
        if let Some((axis, start, end)) = self.reversed {
            return Err(Error::ReversedRange { axis, start, end });
        }
        let mut position = 0;
        for axis in 0..self.ndim() {
            let (start, len, whole) = (self.start[axis], self.shape[axis], layout.shape()[axis]);
            if start > whole {
                return Err(out_of_bounds(axis, start, whole));
            }
            if len > whole - start {
                return Err(out_of_bounds(axis, start + len - 1, whole));
            }
            // An empty window may start at the end of an axis, where no element lies.
            if len > 0 {
                position += start as isize * layout.strides()[axis];
            }
        }
        Ok((position, layout.with_shape(&self.shape)))
    }
}

/// Shows the ranges: `Window([0..31, 10..20])`.
impl fmt::Debug for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ranges: Vec<_> = self.ranges().collect();
        // On one line, also where what it is in takes many.
        write!(f, "Window({ranges:?})")
    }
}

impl PartialEq for Window {
    fn eq(&self, other: &Window) -> bool {
        self.start() == other.start()
            && self.shape() == other.shape()
            && self.reversed == other.reversed
    }
}

impl Eq for Window {}

impl From<&[Range<usize>]> for Window {
    fn from(ranges: &[Range<usize>]) -> Window {
        let reversed = ranges.iter().enumerate().find(|(_, range)| range.start > range.end);
        Window {
            start: ranges.iter().map(|range| range.start).collect(),
            shape: ranges.iter().map(|range| range.end.saturating_sub(range.start)).collect(),
            reversed: reversed.map(|(axis, range)| (axis, range.start, range.end)),
        }
    }
}

/// A range is a window with one axis.
impl From<Range<usize>> for Window {
    fn from(range: Range<usize>) -> Window {
        std::slice::from_ref(&range).into()
    }
}

impl<const N: usize> From<[Range<usize>; N]> for Window {
    fn from(ranges: [Range<usize>; N]) -> Window {
        ranges.as_slice().into()
    }
}

impl<const N: usize> From<&[Range<usize>; N]> for Window {
    fn from(ranges: &[Range<usize>; N]) -> Window {
        ranges.as_slice().into()
    }
}

impl From<&Window> for Window {
    fn from(window: &Window) -> Window {
        window.clone()
    }
}

#[cold]
fn out_of_bounds(axis: usize, index: usize, len: usize) -> Error {
    Error::OutOfBounds { axis, index: isize::try_from(index).unwrap_or(isize::MAX), len }
}

/// An iterator of [`Window`]s that cover an array, each element once.
///
/// All tiles have the same shape, but those at the far edges are cut where the array ends. They
/// come in the order of the file. Made by `row_blocks` and `tiles` of
/// [`NpyFile`](crate::NpyFile).
///
/// # Example
///
/// ```
/// use mmap_array::Tiles;
///
/// let tiles: Vec<_> = Tiles::new([3, 5], [2, 4])?.collect();
/// assert_eq!(tiles.len(), 4);
/// assert_eq!(tiles[3].start(), [2, 4]);
/// assert_eq!(tiles[3].shape(), [1, 1]);
/// # Ok::<(), mmap_array::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Tiles {
    shape: Dims<usize>,
    tile: Dims<usize>,
    order: Order,
    /// Numbers of the tiles still to come, in the order of the file.
    numbers: Range<usize>,
}

impl Tiles {
    /// Tiles of shape `tile` over an array of shape `shape`, in row-major order.
    ///
    /// # Errors
    ///
    /// [`Error::RankMismatch`] where the two have different numbers of axes,
    /// [`Error::InvalidAxis`] where a tile has no extent, [`Error::ShapeOverflow`] where the
    /// shape's elements cannot be counted, [`Error::TooManyAxes`].
    pub fn new(shape: impl AsRef<[usize]>, tile: impl AsRef<[usize]>) -> Result<Tiles> {
        Tiles::over(&Layout::new(shape.as_ref(), Order::C)?, tile.as_ref(), Order::C)
    }

    pub(crate) fn over(layout: &Layout, tile: &[usize], order: Order) -> Result<Tiles> {
        if tile.len() != layout.ndim() {
            return Err(Error::RankMismatch { expected: layout.ndim(), found: tile.len() });
        }
        if let Some(axis) = tile.iter().position(|&len| len == 0) {
            let problem = "a block or tile needs at least one element along each axis";
            return Err(Error::InvalidAxis { axis, problem });
        }
        // No more tiles than elements, so the product cannot overflow.
        let counts = layout.shape().iter().zip(tile).map(|(len, tile)| len.div_ceil(*tile));
        let count = if layout.is_empty() { 0 } else { counts.product() };
        Ok(Tiles { shape: layout.shape().into(), tile: tile.into(), order, numbers: 0..count })
    }

    /// Blocks of `rows` indices along the slowest axis, whole along all others.
    pub(crate) fn row_blocks(layout: &Layout, rows: usize, order: Order) -> Result<Tiles> {
        if rows == 0 {
            let problem = "a block needs at least one row";
            return Err(Error::InvalidAxis { axis: 0, problem });
        }
        let mut tile: Dims<usize> = layout.shape().iter().map(|&len| len.max(1)).collect();
        let slowest = match order {
            Order::C => tile.first_mut(),
            Order::Fortran => tile.last_mut(),
        };
        if let Some(slowest) = slowest {
            *slowest = rows;
        }
        Tiles::over(layout, &tile, order)
    }

    /// The tile with this number, counted in the order of the file.
    fn tile(&self, mut number: usize) -> Window {
        let ndim = self.shape.len();
        let (mut start, mut shape) = (self.shape.clone(), self.shape.clone());
        for step in 0..ndim {
            let axis = match self.order {
                Order::C => ndim - 1 - step,
                Order::Fortran => step,
            };
            let count = self.shape[axis].div_ceil(self.tile[axis]);
            start[axis] = number % count * self.tile[axis];
            shape[axis] = self.tile[axis].min(self.shape[axis] - start[axis]);
            number /= count;
        }
        debug_assert!(ndim <= MAX_NDIM && number == 0);
        Window { start, shape, reversed: None }
    }
}

impl Iterator for Tiles {
    type Item = Window;

    fn next(&mut self) -> Option<Window> {
        self.numbers.next().map(|number| self.tile(number))
    }

    fn nth(&mut self, n: usize) -> Option<Window> {
        self.numbers.nth(n).map(|number| self.tile(number))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.numbers.size_hint()
    }
}

impl DoubleEndedIterator for Tiles {
    fn next_back(&mut self) -> Option<Window> {
        self.numbers.next_back().map(|number| self.tile(number))
    }
}

impl ExactSizeIterator for Tiles {}
impl FusedIterator for Tiles {}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(shape: &[usize]) -> Layout {
        Layout::new(shape, Order::C).unwrap()
    }

    #[test]
    fn a_window_selects_start_and_strides() {
        let (start, part) = Window::from([1..3, 2..4]).select(&layout(&[3, 5])).unwrap();
        assert_eq!((start, part.shape(), part.strides()), (7, &[2, 2][..], &[5, 1][..]));
    }

    #[test]
    fn an_empty_window_at_the_end_is_fine_and_moves_nowhere() {
        let (start, part) = Window::from([3..3, 0..5]).select(&layout(&[3, 5])).unwrap();
        assert_eq!((start, part.len()), (0, 0));
    }

    #[test]
    #[allow(clippy::reversed_empty_ranges)]
    fn a_bad_range_is_reported_on_use() {
        let array = layout(&[3, 5]);
        let error = |window: Window| window.select(&array).unwrap_err();
        assert!(matches!(
            error(Window::from([0..1, 4..2])),
            Error::ReversedRange { axis: 1, start: 4, end: 2 }
        ));
        assert!(matches!(
            error(Window::from([0..4, 0..1])),
            Error::OutOfBounds { axis: 0, index: 3, len: 3 }
        ));
        assert!(matches!(
            error(Window::from([usize::MAX..usize::MAX, 0..1])),
            Error::OutOfBounds { axis: 0, index: isize::MAX, len: 3 }
        ));
        assert!(matches!(
            error(Window::from([0..1; 1])),
            Error::RankMismatch { expected: 2, found: 1 }
        ));
        assert!(Window::new([1], [usize::MAX]).is_err());
        assert!(Window::new([1], [1, 1]).is_err());
    }

    #[test]
    #[allow(clippy::reversed_empty_ranges)]
    fn a_window_shows_the_ranges_it_was_made_of() {
        let ranges = [0..3, 4..2, 5..5];
        let window = Window::from(&ranges);
        assert!(window.ranges().eq(ranges));
        assert_eq!(format!("{window:?}"), "Window([0..3, 4..2, 5..5])");
        assert_eq!(format!("{:#?}", Window::new([2], [3]).unwrap()), "Window([2..5])");
    }

    #[test]
    fn tiles_cover_each_element_once_in_file_order() {
        for order in [Order::C, Order::Fortran] {
            let layout = Layout::new(&[5, 4, 3], order).unwrap();
            let mut seen = vec![0; layout.len()];
            let mut last = -1;
            for tile in Tiles::over(&layout, &[2, 3, 2], order).unwrap() {
                let (start, part) = tile.select(&layout).unwrap();
                assert!(start > last, "{order:?}");
                last = start;
                for i in 0..part.shape()[0] {
                    for j in 0..part.shape()[1] {
                        for k in 0..part.shape()[2] {
                            seen[(start + part.position(&[i, j, k]).unwrap()) as usize] += 1;
                        }
                    }
                }
            }
            assert!(seen.iter().all(|&times| times == 1), "{order:?}");
        }
    }

    #[test]
    fn blocks_without_rows_are_refused_without_axes_too() {
        for shape in [&[][..], &[3], &[0, 3]] {
            let blocks = Tiles::row_blocks(&layout(shape), 0, Order::C);
            assert!(matches!(blocks, Err(Error::InvalidAxis { .. })), "{shape:?}");
        }
    }

    #[test]
    fn row_blocks_cut_the_slowest_axis() {
        let starts = |order| {
            let layout = Layout::new(&[5, 4], order).unwrap();
            let blocks = Tiles::row_blocks(&layout, 3, order).unwrap();
            blocks.map(|block| block.start().to_vec()).collect::<Vec<_>>()
        };
        assert_eq!(starts(Order::C), [[0, 0], [3, 0]]);
        assert_eq!(starts(Order::Fortran), [[0, 0], [0, 3]]);
    }

    #[test]
    fn odd_shapes_have_their_tiles() {
        assert_eq!(Tiles::new([], []).unwrap().count(), 1);
        assert_eq!(Tiles::new([0, 4], [1, 1]).unwrap().count(), 0);
        assert!(matches!(Tiles::new([4], [0]), Err(Error::InvalidAxis { axis: 0, .. })));
        let mut tiles = Tiles::new([10], [3]).unwrap();
        assert_eq!(tiles.len(), 4);
        assert_eq!(tiles.next_back().unwrap().shape(), [1]);
        assert_eq!(tiles.nth(1).unwrap().start(), [3]);
        assert_eq!(tiles.len(), 1);
    }
}
