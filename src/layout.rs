//! Where an element lies: shape and strides, in checked integers. No data, no files.
//!
//! Every [`Layout`] keeps these conditions, and slicing keeps them too:
//!
//! 1. there are at most [`MAX_NDIM`] axes, and `shape` and `strides` have the same number;
//! 2. the product of the non-zero lengths fits `isize`, so no count of elements overflows;
//! 3. the distance between any two elements, in elements, fits `isize`.

use std::ops::Range;
use std::path::PathBuf;

use crate::dims::Dims;
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

impl Order {
    /// The axis that varies slowest, along which an array grows at its end; none without axes.
    pub(crate) fn slowest_axis(self, ndim: usize) -> Option<usize> {
        match self {
            Order::C => (ndim > 0).then_some(0),
            Order::Fortran => ndim.checked_sub(1),
        }
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

    /// A layout from anybody's strides: checks the conditions above.
    #[cfg(feature = "ndarray-0_17")]
    pub(crate) fn from_strides<T>(shape: &[usize], strides: &[isize]) -> Result<Layout> {
        // Conditions 1 and 2. Without elements strides are free, so its own will do.
        let packed = Layout::of_memory::<T>(shape)?;
        if strides.len() != shape.len() {
            return Err(Error::RankMismatch { expected: shape.len(), found: strides.len() });
        }
        if packed.is_empty() {
            return Ok(packed);
        }
        // Condition 3: a way along all axes at once is the longest.
        let longest = shape.iter().zip(strides).try_fold(0_usize, |sum, (&len, stride)| {
            sum.checked_add((len - 1).checked_mul(stride.unsigned_abs())?)
        });
        if longest.is_none_or(|longest| isize::try_from(longest).is_err()) {
            return Err(too_large(shape, size_of::<T>()));
        }
        Ok(Layout::from_parts(packed.shape, strides.into()))
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
        match (self.shape.as_inline(), self.strides.as_inline()) {
            // What nearly every loop over indices does: the compiler knows the length of `index`,
            // and that of the arrays, and leaves nothing but the comparisons.
            (Some((ndim, shape)), Some((_, strides))) => {
                if index.len() == ndim {
                    position(index, shape, strides)
                } else {
                    None
                }
            }
            _ if index.len() == self.ndim() => position(index, &self.shape, &self.strides),
            _ => None,
        }
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

    /// The same elements with the adjacent `axes` as one, or `None` where no single stride leads
    /// through them in row-major order. `axes` must be a non-empty range of our axes.
    pub(crate) fn merge_axes(&self, axes: Range<usize>) -> Option<Layout> {
        let mut merged = Layout { shape: Dims::new(), strides: Dims::new() };
        for axis in 0..axes.start {
            merged.push(self.shape[axis], self.strides[axis]);
        }
        let (mut len, mut stride) = (self.shape[axes.end - 1], self.strides[axes.end - 1]);
        for axis in axes.clone().rev().skip(1) {
            (len, stride) = match (self.shape[axis], self.strides[axis]) {
                // Without elements, any stride will do.
                (outer, _) if self.is_empty() => (outer * len, stride),
                (1, _) => (len, stride),
                (outer, outer_stride) if len == 1 => (outer, outer_stride),
                (outer, outer_stride) if stride.checked_mul(len as isize) == Some(outer_stride) => {
                    (outer * len, stride)
                }
                _ => return None,
            };
        }
        merged.push(len, stride);
        for axis in axes.end..self.ndim() {
            merged.push(self.shape[axis], self.strides[axis]);
        }
        merged.keep_conditions_without_elements()
    }

    /// The same elements with `axis` as several axes of these lengths, in row-major order; `None`
    /// where their product is not the length of `axis`, or there are too many.
    pub(crate) fn split_axis(&self, axis: usize, lens: &[usize]) -> Option<Layout> {
        let product = lens.iter().try_fold(1_usize, |product, &len| product.checked_mul(len))?;
        if product != self.shape[axis] || self.ndim() - 1 + lens.len() > MAX_NDIM {
            return None;
        }
        let mut split = Layout { shape: Dims::new(), strides: Dims::new() };
        for before in 0..axis {
            split.push(self.shape[before], self.strides[before]);
        }
        let mut inner = product;
        for &len in lens {
            inner = inner.checked_div(len).unwrap_or(0);
            // Only that of an axis of length one, which is not used, can fail to fit.
            split.push(len, self.strides[axis].checked_mul(inner as isize).unwrap_or(0));
        }
        for after in axis + 1..self.ndim() {
            split.push(self.shape[after], self.strides[after]);
        }
        split.keep_conditions_without_elements()
    }

    /// Without elements strides are free, so they become those that keep condition 3; `None` where
    /// condition 2 does not hold.
    fn keep_conditions_without_elements(self) -> Option<Layout> {
        if self.is_empty() { Layout::new(&self.shape, Order::C).ok() } else { Some(self) }
    }

    fn push(&mut self, len: usize, stride: isize) {
        self.shape.push(len);
        self.strides.push(stride);
    }

    /// The same elements in the same row-major order with as few axes as possible.
    pub(crate) fn merged(&self) -> Layout {
        let mut merged = Layout { shape: Dims::new(), strides: Dims::new() };
        if self.is_empty() {
            merged.push(0, 1);
            return merged;
        }
        for (&len, &stride) in self.shape.iter().zip(self.strides()) {
            match (merged.shape.last_mut(), merged.strides.last_mut()) {
                _ if len == 1 => {}
                (Some(outer_len), Some(outer_stride))
                    if stride.checked_mul(len as isize) == Some(*outer_stride) =>
                {
                    (*outer_len, *outer_stride) = (*outer_len * len, stride);
                }
                _ => merged.push(len, stride),
            }
        }
        merged
    }

    /// The same elements in the order in which they lie in memory, and how far the first of them
    /// lies from ours: no negative strides, the largest first.
    pub(crate) fn in_memory_order(&self) -> (isize, Layout) {
        let (mut layout, mut moved) = (self.clone(), 0);
        for axis in 0..layout.ndim() {
            if layout.strides[axis] < 0 {
                moved += layout.invert_axis(axis);
            }
        }
        let place = |axis: &usize| std::cmp::Reverse(layout.strides[*axis]);
        let mut axes: Dims<usize> = (0..layout.ndim()).collect();
        if !axes.is_sorted_by_key(place) {
            axes.sort_by_key(place);
            layout = layout.permute(&axes);
        }
        (moved, layout)
    }

    /// The layout without `axis`: what is left when one index of it is chosen.
    pub(crate) fn remove_axis(&mut self, axis: usize) {
        self.shape.remove(axis);
        self.strides.remove(axis);
    }

    /// Reverses `axis` and says how far the first element moves, in elements.
    pub(crate) fn invert_axis(&mut self, axis: usize) -> isize {
        let moved = (self.shape[axis].max(1) - 1) as isize * self.strides[axis];
        // An axis of length one may have any stride, also one that has no opposite.
        self.strides[axis] = self.strides[axis].wrapping_neg();
        moved
    }

    /// The part of this layout that starts at its first element and has the given shape.
    pub(crate) fn with_shape(&self, shape: &[usize]) -> Layout {
        debug_assert!(shape.iter().zip(self.shape()).all(|(part, whole)| part <= whole));
        Layout { shape: shape.into(), strides: self.strides.clone() }
    }
}

/// Where the elements of a layout lie, in row-major order: distances from the first, in elements.
#[derive(Debug, Clone)]
pub(crate) struct Positions {
    layout: Layout,
    index: Dims<usize>,
    next: isize,
    remaining: usize,
}

impl Positions {
    pub(crate) fn new(layout: Layout) -> Positions {
        let (index, remaining) = (layout.shape().iter().map(|_| 0).collect(), layout.len());
        Positions { layout, index, next: 0, remaining }
    }
}

impl Iterator for Positions {
    type Item = isize;

    #[inline(always)] // See `Places::next_lane`.
    fn next(&mut self) -> Option<isize> {
        self.remaining = self.remaining.checked_sub(1)?;
        let position = self.next;
        for axis in (0..self.index.len()).rev() {
            self.index[axis] += 1;
            if self.index[axis] < self.layout.shape[axis] {
                self.next += self.layout.strides[axis];
                break;
            }
            self.index[axis] = 0;
            self.next -= (self.layout.shape[axis] - 1) as isize * self.layout.strides[axis];
        }
        Some(position)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.remaining, Some(self.remaining))
    }
}

impl ExactSizeIterator for Positions {}

#[inline]
fn position(index: &[usize], shape: &[usize], strides: &[isize]) -> Option<isize> {
    let mut position = 0;
    for ((&index, &len), &stride) in index.iter().zip(shape).zip(strides) {
        if index >= len {
            return None;
        }
        position += index as isize * stride;
    }
    Some(position)
}

#[cold]
fn too_large(shape: &[usize], item_size: usize) -> Error {
    let shape = shape.iter().map(|&len| len as u64).collect();
    Error::ShapeOverflow { path: PathBuf::new(), shape, item_size }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::slice::SliceItem;

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

    #[cfg(feature = "ndarray-0_17")]
    #[test]
    fn foreign_strides_keep_every_distance_countable() {
        const MAX: isize = isize::MAX;
        let layout = Layout::from_strides::<u8>(&[2, 1, 3], &[-7, isize::MIN, 0]).unwrap();
        assert_eq!(layout.strides(), [-7, isize::MIN, 0]);
        assert!(Layout::from_strides::<u8>(&[2, 2], &[MAX - 5, -5]).is_ok());
        for (shape, strides) in [
            (&[2, 2][..], &[MAX, -1][..]),
            (&[3], &[isize::MIN]),
            (&[2], &[isize::MIN]),
            (&[MAX as usize, 2], &[0, 0]),
        ] {
            let error = Layout::from_strides::<u8>(shape, strides).unwrap_err();
            assert!(matches!(error, Error::ShapeOverflow { .. }), "{shape:?}: {error}");
        }
        let none = Layout::from_strides::<u8>(&[0, 3], &[MAX, MAX]).unwrap();
        assert_eq!(none.strides(), [3, 1]);
        let error = Layout::from_strides::<u8>(&[0], &[]).unwrap_err();
        assert!(matches!(error, Error::RankMismatch { expected: 1, found: 0 }));
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
    fn axes_merge_where_one_stride_leads_through_them() {
        let layout = Layout::new(&[2, 3, 4], Order::C).unwrap();
        let merged = layout.merge_axes(0..3).unwrap();
        assert_eq!((merged.shape(), merged.strides()), (&[24][..], &[1][..]));
        let merged = layout.merge_axes(1..3).unwrap();
        assert_eq!((merged.shape(), merged.strides()), (&[2, 12][..], &[12, 1][..]));
        let turned = layout.permute(&[0, 2, 1]);
        assert!(turned.merge_axes(1..3).is_none());
        assert_eq!(turned.merge_axes(1..2).unwrap().shape(), [2, 4, 3]);
        let ones = Layout::new(&[1, 5, 1], Order::Fortran).unwrap().merge_axes(0..3).unwrap();
        assert_eq!((ones.shape(), ones.strides()), (&[5][..], &[1][..]));
    }

    #[test]
    fn an_axis_splits_into_lengths_whose_product_it_has() {
        let layout = Layout::new(&[6, 2], Order::Fortran).unwrap();
        let split = layout.split_axis(0, &[2, 3]).unwrap();
        assert_eq!((split.shape(), split.strides()), (&[2, 3, 2][..], &[3, 1, 6][..]));
        assert!(layout.split_axis(0, &[4, 2]).is_none());
        assert!(layout.split_axis(0, &[1; 64]).is_none());
        assert!(layout.split_axis(0, &[usize::MAX, 2]).is_none());
        let none = Layout::new(&[0, 2], Order::C).unwrap();
        assert_eq!(none.split_axis(0, &[5, 0, 3]).unwrap().shape(), [5, 0, 3, 2]);
        assert!(none.split_axis(0, &[0, isize::MAX as usize]).is_none(), "cannot be counted");
    }

    #[test]
    fn an_axis_of_length_one_has_a_stride_that_can_be_reversed() {
        // Two elements half the address space apart, which only elements of no size can be: no
        // stride leads past both.
        let step = isize::MAX / 2 + 1;
        let axis = SliceItem::Range { start: 0, end: None, step };
        let whole = Layout::new(&[isize::MAX as usize], Order::C).unwrap();
        let (_, two) = whole.slice(&[axis]).unwrap();
        let mut split = two.split_axis(0, &[1, 2]).unwrap();
        assert_eq!((split.shape(), split.strides()[1]), (&[1, 2][..], step));
        assert_eq!(split.in_memory_order().1.len(), 2);
        assert_eq!(split.invert_axis(0), 0);
    }

    #[test]
    fn positions_follow_the_strides_in_row_major_order() {
        let layout = Layout::new(&[2, 3], Order::Fortran).unwrap();
        let (moved, memory) = layout.in_memory_order();
        assert_eq!((moved, memory.merged().shape()), (0, &[6][..]));
        assert_eq!(Positions::new(layout).collect::<Vec<_>>(), [0, 2, 4, 1, 3, 5]);
        let none = Layout::new(&[2, 0], Order::C).unwrap();
        assert_eq!(Positions::new(none).count(), 0);
        let one = Layout::new(&[], Order::C).unwrap();
        assert_eq!(Positions::new(one).collect::<Vec<_>>(), [0]);
    }
}
