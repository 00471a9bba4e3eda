//! [`Strided`]: a pointer and a layout, and every way to look at a part of it or turn it around.
//! Written once for [`View`](super::View) and [`ViewMut`](super::ViewMut), which say who may do
//! what, and for how long. Integers only: nothing is read or written here.

use std::ops::Range;

use crate::error::{Error, Result};
use crate::layout::{Layout, Order};
use crate::slice::SliceItem;

/// A pointer to the first element, and where the others lie from there.
///
/// Every method gives a `Strided` that reaches a part of the elements that its own reaches, and no
/// others. The pointer moves with `wrapping_offset`: where there are no elements it may lie
/// anywhere.
pub(super) struct Strided<T> {
    first: *const T,
    layout: Layout,
}

impl<T> Clone for Strided<T> {
    fn clone(&self) -> Self {
        self.part(0, self.layout.clone())
    }
}

impl<T> Strided<T> {
    pub(super) fn new(first: *const T, layout: Layout) -> Self {
        Strided { first, layout }
    }

    #[inline]
    pub(super) fn first(&self) -> *const T {
        self.first
    }

    #[inline]
    pub(super) fn layout(&self) -> &Layout {
        &self.layout
    }

    pub(super) fn shape(&self) -> &[usize] {
        self.layout.shape()
    }

    pub(super) fn ndim(&self) -> usize {
        self.layout.ndim()
    }

    /// Where the element at `index` lies; `None` outside.
    #[inline]
    pub(super) fn place(&self, index: &[usize]) -> Option<*const T> {
        Some(self.first.wrapping_offset(self.layout.position(index)?))
    }

    /// Where the elements start, where they follow each other in row-major order.
    pub(super) fn contiguous(&self) -> Option<(*const T, usize)> {
        if self.layout.is_empty() {
            return Some((std::ptr::dangling(), 0));
        }
        self.layout.is_contiguous(Order::C).then(|| (self.first, self.layout.len()))
    }

    /// Callers pass what `Layout` made of ours, which reaches a part of our elements.
    pub(super) fn part(&self, start: isize, layout: Layout) -> Self {
        Strided { first: self.first.wrapping_offset(start), layout }
    }

    pub(super) fn slice(&self, items: &[SliceItem]) -> Result<Self> {
        let (start, layout) = self.layout.slice(items)?;
        Ok(self.part(start, layout))
    }

    pub(super) fn transpose(&self) -> Self {
        let reversed: Vec<usize> = (0..self.ndim()).rev().collect();
        self.part(0, self.layout.permute(&reversed))
    }

    pub(super) fn permute(&self, axes: &[usize]) -> Result<Self> {
        if axes.len() != self.ndim() {
            return Err(Error::RankMismatch { expected: self.ndim(), found: axes.len() });
        }
        for (place, &axis) in axes.iter().enumerate() {
            if axis >= self.ndim() || axes[..place].contains(&axis) {
                let problem = "each axis of the array is needed once in a permutation";
                return Err(Error::InvalidAxis { axis: place, problem });
            }
        }
        Ok(self.part(0, self.layout.permute(axes)))
    }

    pub(super) fn merge_axes(&self, axes: Range<usize>) -> Result<Self> {
        let problem = if axes.is_empty() || axes.end > self.ndim() {
            "only a range of one or more of the array's axes can be merged"
        } else if let Some(layout) = self.layout.merge_axes(axes.clone()) {
            return Ok(self.part(0, layout));
        } else {
            "these axes do not follow each other in memory: copy the view, and merge the copy's"
        };
        Err(Error::InvalidAxis { axis: axes.start, problem })
    }

    pub(super) fn split_axis(&self, axis: usize, lens: &[usize]) -> Result<Self> {
        self.check_axis(axis)?;
        let problem = "an axis splits into at most 64 in all, whose lengths multiply to its own";
        let split = self.layout.split_axis(axis, lens);
        Ok(self.part(0, split.ok_or(Error::InvalidAxis { axis, problem })?))
    }

    /// The parts before and from `index` on.
    pub(super) fn split_at(&self, axis: usize, index: usize) -> Result<[Self; 2]> {
        self.check_axis(axis)?;
        let len = self.shape()[axis];
        if index > len {
            let index = isize::try_from(index).unwrap_or(isize::MAX);
            return Err(Error::OutOfBounds { axis, index, len });
        }
        let (mut start, mut shape) = (vec![0; self.ndim()], self.shape().to_vec());
        shape[axis] = index;
        let before = self.window(&start, &shape);
        (start[axis], shape[axis]) = (index, len - index);
        Ok([before, self.window(&start, &shape)])
    }

    pub(super) fn invert_axis(&mut self, axis: usize) {
        self.first = self.first.wrapping_offset(self.layout.invert_axis(axis));
    }

    /// The same elements as they follow each other in memory.
    pub(super) fn in_memory_order(&self) -> Self {
        let (moved, layout) = self.layout.in_memory_order();
        self.part(moved, layout)
    }

    /// The box with this start and shape, which must lie inside.
    pub(super) fn window(&self, start: &[usize], shape: &[usize]) -> Self {
        let mut position = 0_isize;
        for axis in 0..self.ndim() {
            let whole = self.shape()[axis];
            assert!(start[axis] <= whole && shape[axis] <= whole - start[axis], "a box outside");
            // A part without elements may start behind the last one.
            if start[axis] < whole {
                position += start[axis] as isize * self.layout.strides()[axis];
            }
        }
        self.part(position, self.layout.with_shape(shape))
    }

    /// The part at `index` of the first axis, which must lie inside.
    #[inline]
    pub(super) fn row(&self, index: usize) -> Self {
        assert!(index < self.shape()[0], "a row outside");
        let mut layout = self.layout.clone();
        layout.remove_axis(0);
        self.part(index as isize * self.layout.strides()[0], layout)
    }

    pub(super) fn check_axis(&self, axis: usize) -> Result<()> {
        if axis < self.ndim() {
            return Ok(());
        }
        Err(Error::InvalidAxis { axis, problem: "the array has no such axis" })
    }
}
