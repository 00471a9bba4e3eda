//! Strided memory: borrowed [`View`]s and small owned [`Array`]s. No files.
//!
//! `mod.rs` holds `View` and the only `unsafe` of these rooms; `iter.rs`, `array.rs` and
//! `display.rs` are safe code on top.
//!
//! # Safety
//!
//! A `View<'a, T>` is a pointer and a layout. Its one invariant: **every index inside `shape`
//! leads to an initialised `T` that nobody changes during `'a`.** Constructors prove it from a
//! slice; every operation keeps it, because it only ever reaches a part of the elements reached
//! before. Where a view has no elements its pointer may lie anywhere: it is moved with
//! `wrapping_offset` and never read.

#![allow(unsafe_code)]

mod array;
mod display;
mod iter;

pub use array::Array;
pub(crate) use display::Picture;
pub use iter::{Iter, Lanes, OuterIter};

use std::marker::PhantomData;
use std::ops::Index;

use crate::error::{Error, Result};
use crate::layout::{Layout, Order};
use crate::slice::SliceItem;

/// A borrowed, strided, N-dimensional view of elements in memory.
///
/// Slicing and turning a view around makes another view and copies nothing. Methods return views
/// and references that live as long as the memory, `'a`, not as long as the view.
///
/// There is no arithmetic here on purpose: iterate, copy out, or hand the slice on.
///
/// # Example
///
/// ```
/// use mmap_array::{View, s};
///
/// let numbers = [0, 1, 2, 3, 4, 5];
/// let view = View::from_shape([2, 3], &numbers)?;
/// assert_eq!(view[[1, 0]], 3);
/// assert_eq!(view.slice(s![.., ..;-1])?.to_vec(), [2, 1, 0, 5, 4, 3]);
/// assert_eq!(view.transpose().to_vec(), [0, 3, 1, 4, 2, 5]);
/// # Ok::<(), mmap_array::Error>(())
/// ```
pub struct View<'a, T> {
    /// # Invariants
    ///
    /// See the module: with `layout`, every index leads to a `T` that is frozen for `'a`.
    first: *const T,
    layout: Layout,
    memory: PhantomData<&'a [T]>,
}

// SAFETY: a view gives out `&T` and nothing else, exactly as `&[T]` does.
unsafe impl<T: Sync> Send for View<'_, T> {}
// SAFETY: as above.
unsafe impl<T: Sync> Sync for View<'_, T> {}

impl<'a, T> View<'a, T> {
    /// A view of a slice as an array of this shape, in row-major order.
    ///
    /// # Errors
    ///
    /// [`Error::LenMismatch`] where the slice has not as many elements as the shape,
    /// [`Error::ShapeOverflow`], [`Error::TooManyAxes`].
    pub fn from_shape(shape: impl AsRef<[usize]>, elements: &'a [T]) -> Result<View<'a, T>> {
        let layout = Layout::of_memory::<T>(shape.as_ref())?;
        if layout.len() != elements.len() {
            return Err(Error::LenMismatch { expected: layout.len(), found: elements.len() });
        }
        // The invariant holds: contiguous in C order, the layout reaches each element of the
        // slice once, and nothing else.
        Ok(View { first: elements.as_ptr(), layout, memory: PhantomData })
    }

    /// A view of the elements of a slice that `layout` reaches from `start`; `None` where it
    /// would reach outside.
    pub(crate) fn from_layout(elements: &'a [T], start: isize, layout: Layout) -> Option<Self> {
        if !layout.is_empty() {
            let (below, above) = reach(&layout);
            let lowest = start.checked_add(below)?;
            let highest = start.checked_add(above)?;
            if lowest < 0 || highest as usize >= elements.len() {
                return None;
            }
        }
        // The invariant holds: all positions lie between the lowest and the highest, both inside
        // `elements`, which is initialised and borrowed for 'a.
        Some(View { first: elements.as_ptr().wrapping_offset(start), layout, memory: PhantomData })
    }

    /// The length of each axis.
    #[must_use]
    pub fn shape(&self) -> &[usize] {
        self.layout.shape()
    }

    /// How far one step along each axis leads, in elements; negative where the axis runs backwards.
    #[must_use]
    pub fn strides(&self) -> &[isize] {
        self.layout.strides()
    }

    /// The number of axes.
    #[must_use]
    pub fn ndim(&self) -> usize {
        self.layout.ndim()
    }

    /// The number of elements.
    #[must_use]
    pub fn len(&self) -> usize {
        self.layout.len()
    }

    /// Does the view hold no elements?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.layout.is_empty()
    }

    pub(crate) fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The element at `index`, or `None` outside the view or with a wrong number of axes.
    #[must_use]
    #[inline]
    pub fn get(&self, index: impl AsRef<[usize]>) -> Option<&'a T> {
        let position = self.layout.position(index.as_ref())?;
        // SAFETY: `position` belongs to an index inside the shape, so by the invariant it leads
        // to a frozen `T`; hence the reference is valid for 'a.
        Some(unsafe { &*self.first.offset(position) })
    }

    /// All elements as one slice, where they follow each other in row-major order.
    #[must_use]
    pub fn as_slice(&self) -> Option<&'a [T]> {
        if self.is_empty() {
            return Some(&[]);
        }
        // SAFETY: contiguous in C order, so the `len` elements from `first` on are exactly the
        // ones the invariant speaks of; hence a slice of them is valid for 'a.
        self.layout
            .is_contiguous(Order::C)
            .then(|| unsafe { std::slice::from_raw_parts(self.first, self.len()) })
    }

    /// The part of the view that [`s!`](crate::s) names. Copies nothing, allocates nothing up to
    /// four axes.
    ///
    /// # Errors
    ///
    /// [`Error::OutOfBounds`], [`Error::ReversedRange`], [`Error::RankMismatch`],
    /// [`Error::InvalidAxis`], [`Error::TooManyAxes`].
    pub fn slice(&self, items: impl AsRef<[SliceItem]>) -> Result<View<'a, T>> {
        let (start, layout) = self.layout.slice(items.as_ref())?;
        Ok(self.part(start, layout))
    }

    /// The same elements with the axes in reverse order.
    #[must_use]
    pub fn transpose(&self) -> View<'a, T> {
        let reversed: Vec<usize> = (0..self.ndim()).rev().collect();
        self.part(0, self.layout.permute(&reversed))
    }

    /// The same elements with the axes in the order given: axis `i` of the result is axis
    /// `axes[i]` of this view.
    ///
    /// # Errors
    ///
    /// [`Error::RankMismatch`], and [`Error::InvalidAxis`] where an axis is unknown or named
    /// twice.
    pub fn permute(&self, axes: impl AsRef<[usize]>) -> Result<View<'a, T>> {
        let axes = axes.as_ref();
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

    /// The same elements with one axis backwards.
    pub(crate) fn invert_axis(&mut self, axis: usize) {
        // An inverted axis reaches the same elements, so the invariant is kept.
        self.first = self.first.wrapping_offset(self.layout.invert_axis(axis));
    }

    /// A view of some of this view's elements. Callers pass what `Layout` made of ours, which
    /// reaches a part of our elements, so the invariant is kept.
    fn part(&self, start: isize, layout: Layout) -> View<'a, T> {
        View { first: self.first.wrapping_offset(start), layout, memory: PhantomData }
    }

    /// The box of the view with this start and shape, which must lie inside.
    pub(crate) fn window(&self, start: &[usize], shape: &[usize]) -> View<'a, T> {
        let mut position = 0;
        for axis in 0..self.ndim() {
            assert!(shape[axis] <= self.shape()[axis] - start[axis], "a window leaves its view");
            position += start[axis] as isize * self.strides()[axis];
        }
        self.part(position, self.layout.with_shape(shape))
    }
}

impl<'a, T> View<'a, T> {
    /// The lane along `axis` through `index`, which must lie inside the view.
    fn lane(&self, index: &[usize], axis: usize) -> View<'a, T> {
        let position = self.layout.position(index).expect("a lane goes through an element");
        self.part(position, self.layout.permute(&[axis]))
    }

    /// The only element of a view without axes, as a row.
    fn as_row(&self) -> View<'a, T> {
        debug_assert_eq!(self.ndim(), 0);
        self.part(0, Layout::from_parts([1].as_slice().into(), [0].as_slice().into()))
    }

    /// The sub-view at `index` of the first axis, which must lie inside the view.
    fn row(&self, index: usize) -> View<'a, T> {
        assert!(index < self.shape()[0]);
        let mut layout = self.layout.clone();
        layout.remove_axis(0);
        self.part(index as isize * self.strides()[0], layout)
    }
}

impl<T: Copy> View<'_, T> {
    /// Copies all elements out, in row-major order. Aborts where memory runs out, as
    /// `slice::to_vec` does.
    #[must_use]
    pub fn to_vec(&self) -> Vec<T> {
        match self.as_slice() {
            Some(elements) => elements.to_vec(),
            None => {
                let mut copy = Vec::with_capacity(self.len());
                copy.extend(self.iter());
                copy
            }
        }
    }

    /// Copies all elements to the places of `target` that `layout`, of the same shape, reaches
    /// from `start`.
    ///
    /// # Panics
    ///
    /// Where `layout` has another shape or reaches outside `target`.
    pub(crate) fn copy_to(&self, target: &mut [T], start: isize, layout: &Layout) {
        assert_eq!(self.shape(), layout.shape());
        if self.is_empty() {
            return;
        }
        let (below, above) = reach(layout);
        assert!(start + below >= 0 && ((start + above) as usize) < target.len());

        // Walk in the target's order: scattered loads are cheaper than scattered stores.
        let mut axes: Vec<CopyAxis> = (0..self.ndim())
            .map(|axis| CopyAxis {
                len: self.shape()[axis],
                from: self.strides()[axis],
                to: layout.strides()[axis],
            })
            .filter(|axis| axis.len > 1)
            .collect();
        axes.sort_by_key(|axis| std::cmp::Reverse(axis.to.unsigned_abs()));
        axes.dedup_by(|inner, outer| outer.merge(inner));
        // The axis along which the source lies close together goes beside the innermost one, where
        // both are walked in blocks.
        let close = (0..axes.len()).min_by_key(|&axis| axes[axis].from.unsigned_abs());
        if let Some(close) = close.filter(|&close| close + 1 < axes.len()) {
            let last = axes.len() - 1;
            axes[close..last].rotate_left(1);
        }
        // SAFETY: every index of `axes` is an index of our shape, so by the invariant it leads
        // from `first` to a `T`; the same index leads to a place of `target`, because all places
        // lie between the lowest and the highest, both checked above; and `target` is borrowed
        // mutably, so it overlaps none of our elements.
        unsafe { copy_axes(self.first, target.as_mut_ptr().offset(start), &axes) }
    }
}

/// One axis of a copy: its length, and the strides in the source and the target.
struct CopyAxis {
    len: usize,
    from: isize,
    to: isize,
}

impl CopyAxis {
    /// Takes the next inner axis in, where both together are one axis on both sides.
    fn merge(&mut self, inner: &CopyAxis) -> bool {
        let len = inner.len as isize;
        let one = Some(self.from) == inner.from.checked_mul(len)
            && Some(self.to) == inner.to.checked_mul(len);
        if one {
            *self = CopyAxis { len: self.len * inner.len, ..*inner };
        }
        one
    }
}

/// Indices of a block along each of its two axes.
const BLOCK: usize = 16;

/// Copies element by element along `axes`, outermost first.
///
/// # Safety
///
/// For every index along `axes`, `from` moved by its strides must be readable, `to` moved by its
/// strides must be writable, and no element may be both.
unsafe fn copy_axes<T: Copy>(from: *const T, to: *mut T, axes: &[CopyAxis]) {
    match axes {
        // SAFETY: the caller vouches for the only index there is.
        [] => unsafe { *to = *from },
        [CopyAxis { len, from: 1, to: 1 }] => {
            // SAFETY: the caller vouches for all `len` indices, which lie side by side.
            unsafe { to.copy_from_nonoverlapping(from, *len) }
        }
        [axis] => {
            for i in 0..axis.len as isize {
                // SAFETY: the caller vouches for index `i`.
                unsafe { *to.offset(i * axis.to) = *from.offset(i * axis.from) };
            }
        }
        [outer, inner]
            if outer.from.unsigned_abs() < inner.from.unsigned_abs()
                && (outer.len > BLOCK || inner.len > BLOCK) =>
        {
            // Transposing: in blocks, every cache line is used up while it is there.
            for i in (0..outer.len).step_by(BLOCK) {
                for j in (0..inner.len).step_by(BLOCK) {
                    let block = [
                        CopyAxis { len: BLOCK.min(outer.len - i), ..*outer },
                        CopyAxis { len: BLOCK.min(inner.len - j), ..*inner },
                    ];
                    let (i, j) = (i as isize, j as isize);
                    // SAFETY: the caller vouches for every index, and so for those of a block.
                    unsafe {
                        let from = from.offset(i * outer.from + j * inner.from);
                        copy_axes(from, to.offset(i * outer.to + j * inner.to), &block);
                    }
                }
            }
        }
        [axis, inner @ ..] => {
            for i in 0..axis.len as isize {
                // SAFETY: the caller vouches for every index along `inner` from index `i` on.
                unsafe { copy_axes(from.offset(i * axis.from), to.offset(i * axis.to), inner) };
            }
        }
    }
}

/// The lowest and the highest position that a layout with elements reaches from its first one.
fn reach(layout: &Layout) -> (isize, isize) {
    let mut reach = (0, 0);
    for (&len, &stride) in layout.shape().iter().zip(layout.strides()) {
        let last = (len - 1) as isize * stride;
        if last < 0 { reach.0 += last } else { reach.1 += last }
    }
    reach
}

impl<T> Clone for View<'_, T> {
    fn clone(&self) -> Self {
        self.part(0, self.layout.clone())
    }
}

/// Panics where the index is outside the view or has a wrong number of axes; [`View::get`] does
/// not.
impl<T, I: AsRef<[usize]>> Index<I> for View<'_, T> {
    type Output = T;

    #[inline]
    fn index(&self, index: I) -> &T {
        let index = index.as_ref();
        match self.get(index) {
            Some(element) => element,
            None => panic!("{}", self.layout.position_error(index)),
        }
    }
}

/// A slice is a view with one axis. Panics where it has more than `isize::MAX` elements, which only
/// elements of no size can have.
impl<'a, T> From<&'a [T]> for View<'a, T> {
    fn from(elements: &'a [T]) -> Self {
        View::from_shape([elements.len()], elements).expect("a slice's length is a shape")
    }
}

impl<'a, T, const N: usize> From<&'a [T; N]> for View<'a, T> {
    fn from(elements: &'a [T; N]) -> Self {
        elements.as_slice().into()
    }
}

impl<'a, T> From<&'a Vec<T>> for View<'a, T> {
    fn from(elements: &'a Vec<T>) -> Self {
        elements.as_slice().into()
    }
}

impl<'a, T> From<&View<'a, T>> for View<'a, T> {
    fn from(view: &View<'a, T>) -> Self {
        view.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::s;

    #[test]
    fn a_view_is_at_most_112_bytes_and_crosses_threads() {
        fn crosses_threads<T: Send + Sync>() {}
        crosses_threads::<View<'static, f64>>();
        assert!(size_of::<View<'static, f64>>() <= 112, "{}", size_of::<View<'static, f64>>());
    }

    #[test]
    fn parts_of_a_view_outlive_it() {
        let numbers = [1, 2, 3, 4];
        let (element, slice) = {
            let view = View::from_shape([2, 2], &numbers).unwrap();
            let row = view.slice(s![1]).unwrap();
            (view.get([1, 1]).unwrap(), row.as_slice().unwrap())
        };
        assert_eq!((*element, slice), (4, &[3, 4][..]));
    }

    #[test]
    fn a_layout_that_leaves_its_slice_is_refused() {
        let numbers = [0; 6];
        let layout = Layout::new(&[2, 3], Order::C).unwrap();
        assert!(View::from_layout(&numbers, 0, layout.clone()).is_some());
        assert!(View::from_layout(&numbers, 1, layout.clone()).is_none());
        assert!(View::from_layout(&numbers, -1, layout.clone()).is_none());
        assert!(View::from_layout(&numbers[..5], 0, layout.clone()).is_none());
        assert!(View::from_layout(&numbers, isize::MAX, layout).is_none());
    }

    #[test]
    fn a_view_without_elements_may_be_moved_anywhere() {
        let view = View::<u64>::from_shape([3, 0, 5], &[]).unwrap();
        let mut part = view.slice(s![2, .., 4]).unwrap().transpose();
        part.invert_axis(0);
        assert_eq!((part.to_vec(), part.as_slice()), (vec![], Some(&[][..])));
        assert_eq!(view.slice(s![..;-1, .., ..;-2]).unwrap().iter().count(), 0);
        assert_eq!(view.lanes(2).unwrap().count(), 0);
    }

    #[test]
    fn a_copy_follows_both_layouts() {
        let numbers: Vec<u16> = (0..24).collect();
        let view = View::from_shape([2, 3, 4], &numbers).unwrap();
        let layout = Layout::new(&[2, 3, 4], Order::Fortran).unwrap();
        let mut target = vec![0; 24];
        view.copy_to(&mut target, 0, &layout);
        let copy = View::from_layout(&target, 0, layout).unwrap();
        assert_eq!(copy.to_vec(), numbers);
        assert_eq!(copy.transpose().as_slice(), Some(target.as_slice()));
    }

    #[test]
    #[should_panic(expected = "index 2 is out of bounds for axis 0, which has length 2")]
    fn indexing_outside_panics_with_the_numbers() {
        let _ = View::from_shape([2, 2], &[0; 4]).unwrap()[[2, 0]];
    }

    #[test]
    fn a_permutation_names_each_axis_once() {
        let view = View::from_shape([1, 2, 3], &[0; 6]).unwrap();
        assert_eq!(view.permute([2, 0, 1]).unwrap().shape(), [3, 1, 2]);
        assert!(matches!(view.permute([0, 0, 1]), Err(Error::InvalidAxis { axis: 1, .. })));
        assert!(matches!(view.permute([0, 1, 3]), Err(Error::InvalidAxis { axis: 2, .. })));
        assert!(matches!(view.permute([0]), Err(Error::RankMismatch { .. })));
    }
}
