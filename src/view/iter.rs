//! Iterators over a view: elements, lanes and outermost sub-views, always in row-major order.

use std::iter::FusedIterator;

use super::View;
use crate::error::{Error, Result};
use crate::layout::Dims;

impl<'a, T> View<'a, T> {
    /// The elements in row-major order.
    #[must_use]
    pub fn iter(&self) -> Iter<'a, T> {
        let lanes = match self.ndim().checked_sub(1) {
            Some(last) => Lanes::new(self.clone(), last),
            // Without axes there is one lane of one element.
            None => Lanes::new(self.as_row(), 0),
        };
        Iter { remaining: self.len(), lanes, lane: None, next: 0 }
    }

    /// The lanes along `axis`: one-dimensional views that together hold each element once, in
    /// row-major order of the other axes.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidAxis`] where the view has no such axis.
    pub fn lanes(&self, axis: usize) -> Result<Lanes<'a, T>> {
        if axis >= self.ndim() {
            return Err(Error::InvalidAxis { axis, problem: "the array has no such axis" });
        }
        Ok(Lanes::new(self.clone(), axis))
    }

    /// The sub-views along the first axis: for a matrix, its rows. Empty without axes.
    #[must_use]
    pub fn outer_iter(&self) -> OuterIter<'a, T> {
        OuterIter { remaining: self.shape().first().copied().unwrap_or(0), view: self.clone() }
    }
}

impl<'a, T> IntoIterator for &View<'a, T> {
    type Item = &'a T;
    type IntoIter = Iter<'a, T>;

    fn into_iter(self) -> Iter<'a, T> {
        self.iter()
    }
}

/// The elements of a view, in row-major order; made by [`View::iter`].
#[derive(Debug, Clone)]
pub struct Iter<'a, T> {
    lanes: Lanes<'a, T>,
    lane: Option<View<'a, T>>,
    /// Where in `lane` the next element lies.
    next: usize,
    remaining: usize,
}

impl<'a, T> Iterator for Iter<'a, T> {
    type Item = &'a T;

    #[inline]
    fn next(&mut self) -> Option<&'a T> {
        loop {
            if let Some(element) = self.lane.as_ref().and_then(|lane| lane.get([self.next])) {
                self.next += 1;
                self.remaining -= 1;
                return Some(element);
            }
            self.next = 0;
            self.lane = self.lanes.next();
            self.lane.as_ref()?;
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.remaining, Some(self.remaining))
    }
}

impl<T> ExactSizeIterator for Iter<'_, T> {}
impl<T> FusedIterator for Iter<'_, T> {}

/// The lanes of a view along one axis; made by [`View::lanes`].
#[derive(Debug, Clone)]
pub struct Lanes<'a, T> {
    view: View<'a, T>,
    axis: usize,
    /// The index of the next lane; its entry for `axis` stays 0.
    index: Dims<usize>,
    remaining: usize,
}

impl<'a, T> Lanes<'a, T> {
    fn new(view: View<'a, T>, axis: usize) -> Lanes<'a, T> {
        let index = view.shape().iter().map(|_| 0).collect();
        let remaining = if view.is_empty() { 0 } else { view.len() / view.shape()[axis] };
        Lanes { view, axis, index, remaining }
    }
}

impl<'a, T> Iterator for Lanes<'a, T> {
    type Item = View<'a, T>;

    fn next(&mut self) -> Option<View<'a, T>> {
        self.remaining = self.remaining.checked_sub(1)?;
        let lane = self.view.lane(&self.index, self.axis);
        for axis in (0..self.index.len()).rev().filter(|&axis| axis != self.axis) {
            self.index[axis] += 1;
            if self.index[axis] < self.view.shape()[axis] {
                break;
            }
            self.index[axis] = 0;
        }
        Some(lane)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.remaining, Some(self.remaining))
    }
}

impl<T> ExactSizeIterator for Lanes<'_, T> {}
impl<T> FusedIterator for Lanes<'_, T> {}

/// The sub-views of a view along its first axis; made by [`View::outer_iter`].
#[derive(Debug, Clone)]
pub struct OuterIter<'a, T> {
    view: View<'a, T>,
    remaining: usize,
}

impl<'a, T> Iterator for OuterIter<'a, T> {
    type Item = View<'a, T>;

    fn next(&mut self) -> Option<View<'a, T>> {
        let index = self.view.shape().first().copied().unwrap_or(0) - self.remaining;
        self.remaining = self.remaining.checked_sub(1)?;
        Some(self.view.row(index))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.remaining, Some(self.remaining))
    }
}

impl<T> ExactSizeIterator for OuterIter<'_, T> {}
impl<T> FusedIterator for OuterIter<'_, T> {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::s;

    #[test]
    fn elements_come_in_row_major_order_whatever_the_strides() {
        let numbers: Vec<u32> = (0..24).collect();
        let view = View::from_shape([2, 3, 4], &numbers).unwrap();
        assert!(view.iter().eq(&numbers));
        let turned = view.transpose();
        let expected: Vec<u32> = (0..4)
            .flat_map(|k| (0..3).flat_map(move |j| (0..2).map(move |i| i * 12 + j * 4 + k)))
            .collect();
        assert!(turned.iter().eq(&expected));
        assert_eq!(turned.iter().len(), 24);
        assert_eq!(View::from_shape([], &[7]).unwrap().iter().collect::<Vec<_>>(), [&7]);
    }

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
        assert_eq!(view.slice(s![0, 0]).unwrap().outer_iter().count(), 0);
    }
}
