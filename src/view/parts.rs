//! Iterators over parts of a view, which together hold each element once: lanes, sub-views along
//! the first axis, tiles.

use std::fmt;
use std::iter::FusedIterator;
use std::ops::Range;

use super::strided::Strided;
use super::{Array, View, ViewMut};
use crate::error::Result;
use crate::layout::{Layout, Order, Positions};
use crate::window::{Tiles, Window};

impl<'a, T> View<'a, T> {
    /// The lanes along `axis`: one-dimensional views that together hold each element once, in
    /// row-major order of the other axes.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidAxis`](crate::Error::InvalidAxis) where the view has no such axis.
    pub fn lanes(&self, axis: usize) -> Result<Lanes<'a, T>> {
        let (lane, starts) = lanes(&self.strided, axis)?;
        Ok(Lanes { lane: View::of(lane), starts })
    }

    /// The sub-views along the first axis: for a matrix, its rows. Empty without axes.
    #[must_use]
    pub fn outer_iter(&self) -> OuterIter<'a, T> {
        OuterIter { view: self.clone(), indices: rows(self.shape()) }
    }

    /// Blocks of `rows` indices along the first axis, whole along all others, each with its place;
    /// the last one is cut. As [`outer_iter`](Self::outer_iter), always along the first axis;
    /// [`row_blocks`](crate::MmapArray::row_blocks) of a file go along its slowest, which is the
    /// last one in Fortran order.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidAxis`](crate::Error::InvalidAxis) where `rows` is 0.
    pub fn outer_blocks(&self, rows: usize) -> Result<ViewTiles<'a, T>> {
        Ok(ViewTiles {
            view: self.clone(),
            windows: Tiles::row_blocks(self.layout(), rows, Order::C)?,
        })
    }

    /// Boxes of shape `tile` that cover the view, each with its place, in row-major order; those
    /// at the far edges are cut.
    ///
    /// # Errors
    ///
    /// [`Error::RankMismatch`](crate::Error::RankMismatch), and
    /// [`Error::InvalidAxis`](crate::Error::InvalidAxis) where a tile has no extent.
    pub fn tiles(&self, tile: impl AsRef<[usize]>) -> Result<ViewTiles<'a, T>> {
        Ok(ViewTiles {
            view: self.clone(),
            windows: Tiles::over(self.layout(), tile.as_ref(), Order::C)?,
        })
    }
}

impl<'a, T> ViewMut<'a, T> {
    /// The lanes along `axis`, to change; see [`View::lanes`].
    ///
    /// # Errors
    ///
    /// As [`View::lanes`].
    pub fn lanes(self, axis: usize) -> Result<LanesMut<'a, T>> {
        let (lane, starts) = lanes(self.strided(), axis)?;
        Ok(LanesMut { lane: ViewMut::of(lane), starts })
    }

    /// The sub-views along the first axis, to change; see [`View::outer_iter`].
    #[must_use]
    pub fn outer_iter(self) -> OuterIterMut<'a, T> {
        OuterIterMut { indices: rows(self.shape()), view: self }
    }

    /// Blocks of `rows` indices along the first axis, to change; see [`View::outer_blocks`].
    ///
    /// # Errors
    ///
    /// As [`View::outer_blocks`].
    pub fn outer_blocks(self, rows: usize) -> Result<ViewTilesMut<'a, T>> {
        let windows = Tiles::row_blocks(self.strided().layout(), rows, Order::C)?;
        Ok(ViewTilesMut { view: self, windows })
    }

    /// Boxes of shape `tile` that cover the view, to change; see [`View::tiles`].
    ///
    /// # Errors
    ///
    /// As [`View::tiles`].
    pub fn tiles(self, tile: impl AsRef<[usize]>) -> Result<ViewTilesMut<'a, T>> {
        let windows = Tiles::over(self.strided().layout(), tile.as_ref(), Order::C)?;
        Ok(ViewTilesMut { view: self, windows })
    }
}

impl<T> Array<T> {
    /// The lanes along `axis`; see [`View::lanes`].
    ///
    /// # Errors
    ///
    /// As [`View::lanes`].
    pub fn lanes(&self, axis: usize) -> Result<Lanes<'_, T>> {
        self.view().lanes(axis)
    }

    /// The sub-views along the first axis: for a matrix, its rows. Empty without axes.
    #[must_use]
    pub fn outer_iter(&self) -> OuterIter<'_, T> {
        self.view().outer_iter()
    }
}

/// The first lane along an axis, and where all of them start from there. Without elements there are
/// no lanes, and the first one has no element either.
fn lanes<T>(strided: &Strided<T>, axis: usize) -> Result<(Strided<T>, Positions)> {
    strided.check_axis(axis)?;
    let layout = strided.layout();
    if layout.is_empty() {
        let none = Layout::from_parts([0].as_slice().into(), [1].as_slice().into());
        return Ok((strided.part(0, none.clone()), Positions::new(none)));
    }
    let mut others = layout.clone();
    others.remove_axis(axis);
    Ok((strided.part(0, layout.permute(&[axis])), Positions::new(others)))
}

fn rows(shape: &[usize]) -> Range<usize> {
    0..shape.first().copied().unwrap_or(0)
}

/// The lanes of a view along one axis; made by [`View::lanes`].
#[derive(Debug, Clone)]
pub struct Lanes<'a, T> {
    lane: View<'a, T>,
    starts: Positions,
}

impl<'a, T> Iterator for Lanes<'a, T> {
    type Item = View<'a, T>;

    #[inline]
    fn next(&mut self) -> Option<View<'a, T>> {
        let start = self.starts.next()?;
        Some(self.lane.part(start, self.lane.layout().clone()))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.starts.size_hint()
    }
}

/// The lanes of a view along one axis, to change; made by [`ViewMut::lanes`].
pub struct LanesMut<'a, T> {
    lane: ViewMut<'a, T>,
    starts: Positions,
}

impl<'a, T> Iterator for LanesMut<'a, T> {
    type Item = ViewMut<'a, T>;

    #[inline]
    fn next(&mut self) -> Option<ViewMut<'a, T>> {
        let (start, lane) = (self.starts.next()?, self.lane.strided());
        // Lanes share no element, and each is handed out once.
        Some(ViewMut::of(lane.part(start, lane.layout().clone())))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.starts.size_hint()
    }
}

/// The sub-views of a view along its first axis; made by [`View::outer_iter`].
#[derive(Debug, Clone)]
pub struct OuterIter<'a, T> {
    view: View<'a, T>,
    indices: Range<usize>,
}

impl<'a, T> Iterator for OuterIter<'a, T> {
    type Item = View<'a, T>;

    #[inline]
    fn next(&mut self) -> Option<View<'a, T>> {
        Some(View::of(self.view.strided.row(self.indices.next()?)))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.indices.size_hint()
    }
}

impl<T> DoubleEndedIterator for OuterIter<'_, T> {
    fn next_back(&mut self) -> Option<Self::Item> {
        Some(View::of(self.view.strided.row(self.indices.next_back()?)))
    }
}

/// The sub-views of a view along its first axis, to change; made by [`ViewMut::outer_iter`].
pub struct OuterIterMut<'a, T> {
    view: ViewMut<'a, T>,
    indices: Range<usize>,
}

impl<'a, T> Iterator for OuterIterMut<'a, T> {
    type Item = ViewMut<'a, T>;

    #[inline]
    fn next(&mut self) -> Option<ViewMut<'a, T>> {
        // Rows share no element, and each is handed out once.
        Some(ViewMut::of(self.view.strided().row(self.indices.next()?)))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.indices.size_hint()
    }
}

impl<T> DoubleEndedIterator for OuterIterMut<'_, T> {
    fn next_back(&mut self) -> Option<Self::Item> {
        Some(ViewMut::of(self.view.strided().row(self.indices.next_back()?)))
    }
}

/// Boxes of a view, each with its place; made by [`View::tiles`] and [`View::outer_blocks`].
#[derive(Debug, Clone)]
pub struct ViewTiles<'a, T> {
    view: View<'a, T>,
    windows: Tiles,
}

impl<'a, T> Iterator for ViewTiles<'a, T> {
    type Item = (Window, View<'a, T>);

    fn next(&mut self) -> Option<Self::Item> {
        let window = self.windows.next()?;
        let tile = View::of(self.view.strided.window(window.start(), window.shape()));
        Some((window, tile))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.windows.size_hint()
    }
}

/// Boxes of a view, each with its place, to change; made by [`ViewMut::tiles`] and
/// [`ViewMut::outer_blocks`].
pub struct ViewTilesMut<'a, T> {
    view: ViewMut<'a, T>,
    windows: Tiles,
}

impl<'a, T> Iterator for ViewTilesMut<'a, T> {
    type Item = (Window, ViewMut<'a, T>);

    fn next(&mut self) -> Option<Self::Item> {
        let window = self.windows.next()?;
        // Tiles share no element, and each is handed out once.
        let tile = ViewMut::of(self.view.strided().window(window.start(), window.shape()));
        Some((window, tile))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.windows.size_hint()
    }
}

// These print no element: parts that were handed out may be changing.
impl<T> fmt::Debug for LanesMut<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LanesMut").field("len", &self.len()).finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for OuterIterMut<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OuterIterMut").field("len", &self.len()).finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for ViewTilesMut<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ViewTilesMut").field("len", &self.len()).finish_non_exhaustive()
    }
}

impl<T> ExactSizeIterator for Lanes<'_, T> {}
impl<T> ExactSizeIterator for LanesMut<'_, T> {}
impl<T> ExactSizeIterator for OuterIter<'_, T> {}
impl<T> ExactSizeIterator for OuterIterMut<'_, T> {}
impl<T> ExactSizeIterator for ViewTiles<'_, T> {}
impl<T> ExactSizeIterator for ViewTilesMut<'_, T> {}
impl<T> FusedIterator for Lanes<'_, T> {}
impl<T> FusedIterator for LanesMut<'_, T> {}
impl<T> FusedIterator for OuterIter<'_, T> {}
impl<T> FusedIterator for OuterIterMut<'_, T> {}
impl<T> FusedIterator for ViewTiles<'_, T> {}
impl<T> FusedIterator for ViewTilesMut<'_, T> {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;
    use crate::{NewAxis, s};

    #[test]
    fn lanes_run_along_their_axis() {
        let numbers: Vec<u32> = (0..6).collect();
        let view = View::from_shape([2, 3], &numbers).unwrap();
        let lanes = |axis| view.lanes(axis).unwrap().map(|lane| lane.to_vec()).collect::<Vec<_>>();
        assert_eq!(lanes(0), [[0, 3], [1, 4], [2, 5]]);
        assert_eq!(lanes(1), [[0, 1, 2], [3, 4, 5]]);
        assert!(matches!(view.lanes(2), Err(Error::InvalidAxis { axis: 2, .. })));
    }

    #[test]
    fn rows_are_the_sub_views_of_the_first_axis() {
        let view = View::from_shape([2, 3], &[0, 1, 2, 3, 4, 5]).unwrap();
        let rows: Vec<_> = view.outer_iter().map(|row| row.to_vec()).collect();
        assert_eq!(rows, [[0, 1, 2], [3, 4, 5]]);
        assert_eq!(view.outer_iter().next_back().unwrap().to_vec(), [3, 4, 5]);
        assert_eq!(view.slice(s![0, 0]).unwrap().outer_iter().count(), 0);
    }

    #[test]
    fn the_lanes_of_a_view_without_elements_show_no_element_either() {
        let none = View::<u64>::from_shape([0, 5], &[]).unwrap();
        let text = format!("{:?}", none.lanes(1).unwrap());
        assert!(text.contains("shape=[0]"), "{text}");
        let numbers = [1, 2, 3, 0xDEAD_u64];
        let end = View::from(&numbers).slice(s![4.., NewAxis]).unwrap();
        assert!(!format!("{:?}", end.lanes(1).unwrap()).contains("57005"));
    }
}
