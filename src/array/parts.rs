//! What views have, on a mapped array: windows to borrow, and iterators.

use super::MmapArray;
use crate::access::{Access, Writable};
use crate::element::Element;
use crate::error::Result;
use crate::view::{Iter, Lanes, OuterIter, View, ViewMut};
use crate::window::Window;

impl<T: Element, A: Access> MmapArray<T, A> {
    /// The part of the array inside a window, as a view. Touches no page, copies nothing.
    ///
    /// # Errors
    ///
    /// As [`View::window`].
    pub fn window(&self, window: impl Into<Window>) -> Result<View<'_, T>> {
        let (start, part) = window.into().select(self.file.layout())?;
        Ok(self.part(start, part))
    }

    /// The elements in row-major order; [`View::fold`] is the fastest way through a whole array.
    #[must_use]
    pub fn iter(&self) -> Iter<'_, T> {
        self.view().iter()
    }

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

    /// The part of the array inside a window, as a view to change. Touches no page.
    ///
    /// # Errors
    ///
    /// As [`View::window`].
    pub fn window_mut(&mut self, window: impl Into<Window>) -> Result<ViewMut<'_, T>>
    where
        A: Writable,
    {
        let (start, part) = window.into().select(self.file.layout())?;
        Ok(self.part_mut(start, part))
    }
}

impl<'a, T: Element, A: Access> IntoIterator for &'a MmapArray<T, A> {
    type Item = &'a T;
    type IntoIter = Iter<'a, T>;

    fn into_iter(self) -> Iter<'a, T> {
        self.iter()
    }
}
