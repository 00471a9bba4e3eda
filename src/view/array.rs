//! [`Array`]: a small owned result, in row-major order.

use std::ops::{Index, IndexMut};

use super::{Iter, View, ViewMut};
use crate::error::{Error, Result};
use crate::layout::Layout;
use crate::slice::SliceItem;

/// An N-dimensional array in memory, owned and row-major: what reading a window gives.
///
/// # Example
///
/// ```
/// use mmap_array::Array;
///
/// let mut array = Array::from_vec([2, 2], vec![1.0, 2.0, 3.0, 4.0])?;
/// array[[0, 1]] *= 10.0;
/// assert_eq!(array.as_slice(), [1.0, 20.0, 3.0, 4.0]);
/// assert_eq!(array.to_string(), "[[ 1.0 20.0]\n [ 3.0  4.0]]");
/// # Ok::<(), mmap_array::Error>(())
/// ```
#[derive(Clone)]
pub struct Array<T> {
    layout: Layout,
    elements: Vec<T>,
}

impl<T> Array<T> {
    /// An array of this shape from its elements in row-major order. Copies nothing.
    ///
    /// # Errors
    ///
    /// [`Error::LenMismatch`] where there are not as many elements as the shape has,
    /// [`Error::ShapeOverflow`], [`Error::TooManyAxes`].
    pub fn from_vec(shape: impl AsRef<[usize]>, elements: Vec<T>) -> Result<Array<T>> {
        let layout = Layout::of_memory::<T>(shape.as_ref())?;
        if layout.len() != elements.len() {
            return Err(Error::LenMismatch { expected: layout.len(), found: elements.len() });
        }
        Ok(Array { layout, elements })
    }

    /// The length of each axis.
    #[must_use]
    pub fn shape(&self) -> &[usize] {
        self.layout.shape()
    }

    /// The number of axes.
    #[must_use]
    pub fn ndim(&self) -> usize {
        self.layout.ndim()
    }

    /// The number of elements.
    #[must_use]
    pub fn len(&self) -> usize {
        self.elements.len()
    }

    /// Does the array hold no elements?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.elements.is_empty()
    }

    /// The whole array as a view.
    #[must_use]
    pub fn view(&self) -> View<'_, T> {
        let Some(view) = View::from_layout(&self.elements, 0, self.layout.clone()) else {
            unreachable!("an array has the elements of its layout")
        };
        view
    }

    /// The whole array as a view to change.
    #[must_use]
    pub fn view_mut(&mut self) -> ViewMut<'_, T> {
        let Some(view) = ViewMut::from_layout(&mut self.elements, 0, self.layout.clone()) else {
            unreachable!("an array has the elements of its layout")
        };
        view
    }

    /// The part of the array that [`s!`](crate::s) names.
    ///
    /// # Errors
    ///
    /// As [`View::slice`].
    pub fn slice(&self, items: impl AsRef<[SliceItem]>) -> Result<View<'_, T>> {
        self.view().slice(items)
    }

    /// The element at `index`, or `None` outside the array or with a wrong number of axes.
    #[must_use]
    pub fn get(&self, index: impl AsRef<[usize]>) -> Option<&T> {
        let position = self.layout.position(index.as_ref())?;
        self.elements.get(position as usize)
    }

    /// The element at `index` to change, or `None` likewise.
    #[must_use]
    pub fn get_mut(&mut self, index: impl AsRef<[usize]>) -> Option<&mut T> {
        let position = self.layout.position(index.as_ref())?;
        self.elements.get_mut(position as usize)
    }

    /// The elements in row-major order.
    #[must_use]
    pub fn iter(&self) -> Iter<'_, T> {
        self.view().iter()
    }

    /// The elements in row-major order, as a slice.
    #[must_use]
    pub fn as_slice(&self) -> &[T] {
        &self.elements
    }

    /// The elements in row-major order, as a slice to change.
    #[must_use]
    pub fn as_mut_slice(&mut self) -> &mut [T] {
        &mut self.elements
    }

    /// The elements in row-major order. Copies nothing.
    #[must_use]
    pub fn into_vec(self) -> Vec<T> {
        self.elements
    }
}

impl<T: PartialEq> PartialEq for Array<T> {
    fn eq(&self, other: &Array<T>) -> bool {
        self.shape() == other.shape() && self.elements == other.elements
    }
}

/// Panics where the index is outside the array or has a wrong number of axes; [`Array::get`] does
/// not.
impl<T, I: AsRef<[usize]>> Index<I> for Array<T> {
    type Output = T;

    #[track_caller]
    fn index(&self, index: I) -> &T {
        let index = index.as_ref();
        match self.get(index) {
            Some(element) => element,
            None => panic!("{}", self.layout.position_error(index)),
        }
    }
}

/// Panics as `Index` does; [`Array::get_mut`] does not.
impl<T, I: AsRef<[usize]>> IndexMut<I> for Array<T> {
    #[track_caller]
    fn index_mut(&mut self, index: I) -> &mut T {
        let index = index.as_ref();
        match self.layout.position(index) {
            Some(position) => &mut self.elements[position as usize],
            None => panic!("{}", self.layout.position_error(index)),
        }
    }
}

impl<T: PartialEq> PartialEq<View<'_, T>> for Array<T> {
    fn eq(&self, other: &View<'_, T>) -> bool {
        self.view() == *other
    }
}

impl<T: PartialEq> PartialEq<Array<T>> for View<'_, T> {
    fn eq(&self, other: &Array<T>) -> bool {
        *self == other.view()
    }
}

impl<'a, T> From<&'a Array<T>> for View<'a, T> {
    fn from(array: &'a Array<T>) -> Self {
        array.view()
    }
}

impl<'a, T> From<&'a mut Array<T>> for ViewMut<'a, T> {
    fn from(array: &'a mut Array<T>) -> Self {
        array.view_mut()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_number_of_elements_is_refused() {
        let error = Array::from_vec([2, 3], vec![0; 5]).unwrap_err();
        assert!(matches!(error, Error::LenMismatch { expected: 6, found: 5 }));
    }

    #[test]
    fn arrays_of_other_shapes_differ() {
        let array = |shape: &[usize]| Array::from_vec(shape, vec![1, 2, 3, 4]).unwrap();
        assert!(array(&[2, 2]) == array(&[2, 2]));
        assert!(array(&[2, 2]) != array(&[4]));
    }
}
