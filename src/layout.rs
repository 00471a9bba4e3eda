//! Where an element lies: shape and strides, in checked integers. No data, no files.
//!
//! Every [`Layout`] keeps these conditions, and slicing keeps them too:
//!
//! 1. there are at most [`MAX_NDIM`] axes, and `shape` and `strides` have the same number;
//! 2. the product of the non-zero lengths fits `isize`, so no count of elements overflows;
//! 3. the distance between any two elements, in elements, fits `isize`.

use std::ops::{Deref, DerefMut};
use std::path::PathBuf;

use crate::error::{Error, Result};

/// The most axes an array may have; NumPy's own limit.
pub(crate) const MAX_NDIM: usize = 64;

/// In which order the elements of an array follow each other in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Order {
    /// Row-major: the last axis varies fastest. NumPy's and Rust's habit.
    #[default]
    C,
    /// Column-major: the first axis varies fastest. Fortran's, MATLAB's and Julia's habit.
    Fortran,
}

/// A short list of numbers, one for each axis: up to four stand in place, more on the heap.
///
/// A plain `Vec` doubles the cost of an indexing loop, and room for 64 axes costs 1 KiB a view.
#[derive(Clone)]
pub(crate) enum Dims<I> {
    Inline { len: u8, items: [I; 4] },
    Heap(Vec<I>),
}

impl<I: Copy + Default> Dims<I> {
    pub(crate) fn new() -> Self {
        Dims::Inline { len: 0, items: [I::default(); 4] }
    }

    pub(crate) fn push(&mut self, item: I) {
        match self {
            Dims::Inline { len, items } if usize::from(*len) < items.len() => {
                items[usize::from(*len)] = item;
                *len += 1;
            }
            Dims::Inline { items, .. } => {
                let mut heap = items.to_vec();
                heap.push(item);
                *self = Dims::Heap(heap);
            }
            Dims::Heap(heap) => heap.push(item),
        }
    }

    pub(crate) fn remove(&mut self, at: usize) {
        match self {
            Dims::Inline { len, items } => {
                items[..usize::from(*len)].copy_within(at + 1.., at);
                *len -= 1;
            }
            Dims::Heap(heap) => {
                heap.remove(at);
            }
        }
    }
}

impl<I: Copy + Default> FromIterator<I> for Dims<I> {
    #[inline]
    fn from_iter<It: IntoIterator<Item = I>>(items: It) -> Self {
        let mut rest = items.into_iter();
        let mut inline = [I::default(); 4];
        for (len, place) in inline.iter_mut().enumerate() {
            match rest.next() {
                Some(item) => *place = item,
                None => return Dims::Inline { len: len as u8, items: inline },
            }
        }
        match rest.next() {
            None => Dims::Inline { len: 4, items: inline },
            Some(fifth) => Dims::Heap(inline.into_iter().chain([fifth]).chain(rest).collect()),
        }
    }
}

impl<I: Copy + Default> From<&[I]> for Dims<I> {
    fn from(items: &[I]) -> Self {
        let mut inline = [I::default(); 4];
        match inline.get_mut(..items.len()) {
            Some(front) => {
                front.copy_from_slice(items);
                Dims::Inline { len: items.len() as u8, items: inline }
            }
            None => Dims::Heap(items.to_vec()),
        }
    }
}

impl<I> Deref for Dims<I> {
    type Target = [I];

    #[inline]
    fn deref(&self) -> &[I] {
        match self {
            Dims::Inline { len, items } => &items[..usize::from(*len)],
            Dims::Heap(heap) => heap,
        }
    }
}

impl<I> DerefMut for Dims<I> {
    #[inline]
    fn deref_mut(&mut self) -> &mut [I] {
        match self {
            Dims::Inline { len, items } => &mut items[..usize::from(*len)],
            Dims::Heap(heap) => heap,
        }
    }
}

impl<I: std::fmt::Debug> std::fmt::Debug for Dims<I> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        (**self).fmt(f)
    }
}

/// Shape and strides, both in elements.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    shape: Dims<usize>,
    strides: Dims<isize>,
}

impl Layout {
    /// The layout of an array whose elements follow each other without gaps.
    pub(crate) fn new(shape: &[usize], order: Order) -> Result<Layout> {
        if shape.len() > MAX_NDIM {
            return Err(Error::TooManyAxes { path: PathBuf::new(), found: shape.len() });
        }
        let mut strides = Dims::from_iter(shape.iter().map(|_| 0));
        let mut stride = 1_isize;
        for step in 0..shape.len() {
            let axis = match order {
                Order::C => shape.len() - 1 - step,
                Order::Fortran => step,
            };
            strides[axis] = stride;
            // Condition 2: zero lengths count as one, so that they excuse no overflow.
            stride = isize::try_from(shape[axis].max(1))
                .ok()
                .and_then(|len| stride.checked_mul(len))
                .ok_or_else(|| too_large(shape, 1))?;
        }
        Ok(Layout { shape: shape.into(), strides })
    }

    /// The row-major layout of elements of type `T` in memory.
    pub(crate) fn of_memory<T>(shape: &[usize]) -> Result<Layout> {
        Layout::new(shape, Order::C).map_err(|error| match error {
            Error::ShapeOverflow { path, shape, .. } => {
                Error::ShapeOverflow { path, shape, item_size: size_of::<T>() }
            }
            other => other,
        })
    }

    /// A layout from parts that keep the conditions above; slicing makes them.
    pub(crate) fn from_parts(shape: Dims<usize>, strides: Dims<isize>) -> Layout {
        debug_assert_eq!(shape.len(), strides.len());
        Layout { shape, strides }
    }

    #[inline]
    pub(crate) fn shape(&self) -> &[usize] {
        &self.shape
    }

    #[inline]
    pub(crate) fn strides(&self) -> &[isize] {
        &self.strides
    }

    #[inline]
    pub(crate) fn ndim(&self) -> usize {
        self.shape.len()
    }

    /// The number of elements. Condition 2 keeps the product from overflowing.
    pub(crate) fn len(&self) -> usize {
        self.shape.iter().product()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.shape.contains(&0)
    }

    /// Bytes of all elements together, as a file counts them.
    pub(crate) fn byte_len(&self, item_size: usize) -> Result<u64> {
        // Zero lengths count as one here too: NumPy refuses such shapes.
        let all: usize = self.shape.iter().map(|&len| len.max(1)).product();
        let bytes = (all as u64).checked_mul(item_size as u64).filter(|&b| b <= i64::MAX as u64);
        match bytes {
            Some(_) if self.is_empty() => Ok(0),
            Some(bytes) => Ok(bytes),
            None => Err(too_large(&self.shape, item_size)),
        }
    }

    /// How far the element at `index` lies from the first one, in elements; `None` outside.
    #[inline]
    pub(crate) fn position(&self, index: &[usize]) -> Option<isize> {
        let (shape, strides) = (self.shape(), self.strides());
        if index.len() != shape.len() || strides.len() != shape.len() {
            return None;
        }
        let mut position = 0;
        for axis in 0..shape.len() {
            if index[axis] >= shape[axis] {
                return None;
            }
            position += index[axis] as isize * strides[axis];
        }
        Some(position)
    }

    /// Why `index` has no position.
    #[cold]
    pub(crate) fn position_error(&self, index: &[usize]) -> Error {
        let outside = index.iter().zip(self.shape()).position(|(&index, &len)| index >= len);
        match outside {
            Some(axis) if index.len() == self.ndim() => Error::OutOfBounds {
                axis,
                index: isize::try_from(index[axis]).unwrap_or(isize::MAX),
                len: self.shape[axis],
            },
            _ => Error::RankMismatch { expected: self.ndim(), found: index.len() },
        }
    }

    /// Do the elements follow each other without gaps, in this order?
    ///
    /// Axes of length one have no say, and an array without elements is contiguous both ways, as
    /// in NumPy.
    pub(crate) fn is_contiguous(&self, order: Order) -> bool {
        if self.is_empty() {
            return true;
        }
        let mut expected = 1_isize;
        (0..self.ndim()).all(|step| {
            let axis = match order {
                Order::C => self.ndim() - 1 - step,
                Order::Fortran => step,
            };
            let len = self.shape[axis];
            let fits = len == 1 || self.strides[axis] == expected;
            expected *= len as isize;
            fits
        })
    }

    /// The same elements with the axes in another order; `axes` must be a permutation.
    pub(crate) fn permute(&self, axes: &[usize]) -> Layout {
        Layout {
            shape: axes.iter().map(|&axis| self.shape[axis]).collect(),
            strides: axes.iter().map(|&axis| self.strides[axis]).collect(),
        }
    }

    /// The layout without `axis`: what is left when one index of it is chosen.
    pub(crate) fn remove_axis(&mut self, axis: usize) {
        self.shape.remove(axis);
        self.strides.remove(axis);
    }

    /// Reverses `axis` and says how far the first element moves, in elements.
    pub(crate) fn invert_axis(&mut self, axis: usize) -> isize {
        let moved = (self.shape[axis].max(1) - 1) as isize * self.strides[axis];
        self.strides[axis] = -self.strides[axis];
        moved
    }

    /// The part of this layout that starts at its first element and has the given shape.
    pub(crate) fn with_shape(&self, shape: &[usize]) -> Layout {
        debug_assert!(shape.iter().zip(self.shape()).all(|(part, whole)| part <= whole));
        Layout { shape: shape.into(), strides: self.strides.clone() }
    }
}

#[cold]
fn too_large(shape: &[usize], item_size: usize) -> Error {
    let shape = shape.iter().map(|&len| len as u64).collect();
    Error::ShapeOverflow { path: PathBuf::new(), shape, item_size }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strides_follow_the_order() {
        let layout = Layout::new(&[2, 3, 4], Order::C).unwrap();
        assert_eq!(layout.strides(), [12, 4, 1]);
        let layout = Layout::new(&[2, 3, 4], Order::Fortran).unwrap();
        assert_eq!(layout.strides(), [1, 2, 6]);
    }

    #[test]
    fn an_array_without_axes_has_one_element() {
        let layout = Layout::new(&[], Order::C).unwrap();
        assert_eq!((layout.len(), layout.position(&[])), (1, Some(0)));
    }

    #[test]
    fn a_zero_length_excuses_no_overflow() {
        for shape in [&[usize::MAX, 0][..], &[0, 1 << (usize::BITS / 2), 1 << (usize::BITS / 2)]] {
            let error = Layout::new(shape, Order::C).unwrap_err();
            assert!(matches!(error, Error::ShapeOverflow { .. }), "{error}");
        }
    }

    #[test]
    fn a_byte_length_that_no_file_can_have_is_refused() {
        let layout = Layout::new(&[isize::MAX as usize], Order::C).unwrap();
        assert!(cfg!(target_pointer_width = "32") || layout.byte_len(2).is_err());
        let layout = Layout::new(&[0, isize::MAX as usize], Order::C).unwrap();
        assert!(cfg!(target_pointer_width = "32") || layout.byte_len(2).is_err());
        assert_eq!(layout.byte_len(1).unwrap(), 0);
    }

    #[test]
    fn sixty_four_axes_are_the_limit() {
        assert!(Layout::new(&[1; 64], Order::C).is_ok());
        assert!(matches!(
            Layout::new(&[1; 65], Order::C),
            Err(Error::TooManyAxes { found: 65, .. })
        ));
    }

    #[test]
    fn contiguity_ignores_axes_of_length_one() {
        let layout = Layout::new(&[1, 5], Order::Fortran).unwrap();
        assert!(layout.is_contiguous(Order::C) && layout.is_contiguous(Order::Fortran));
        let layout = Layout::new(&[2, 5], Order::Fortran).unwrap();
        assert!(!layout.is_contiguous(Order::C) && layout.is_contiguous(Order::Fortran));
    }

    #[test]
    fn many_axes_move_to_the_heap_and_stay_equal() {
        let mut dims = Dims::new();
        for axis in 0..9_usize {
            assert_eq!(*dims, (0..axis).collect::<Vec<_>>());
            dims.push(axis);
        }
        dims.remove(3);
        assert_eq!(*dims, [0, 1, 2, 4, 5, 6, 7, 8]);
        let mut dims: Dims<usize> = [7, 8, 9].as_slice().into();
        dims.remove(0);
        assert_eq!(*dims, [8, 9]);
    }
}
