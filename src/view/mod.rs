//! Strided memory: borrowed [`View`]s and [`ViewMut`]s, and small owned [`Array`]s. No files.
//!
//! `strided.rs` finds places, in integers; `mod.rs` and `view_mut.rs` say who may read and write
//! there and for how long; `copy.rs`, `iter.rs` and `parts.rs` walk; `array.rs` and `display.rs`
//! are on top.
//!
//! # Safety
//!
//! A `View<'a, T>` is a pointer and a layout. Its one invariant: **every index inside `shape`
//! leads to an initialised `T` that nobody changes during `'a`.** That of a `ViewMut<'a, T>`:
//! **every index leads to an initialised `T` of its own, which nobody else reads or changes during
//! `'a`.** Constructors prove them from a slice; every operation keeps them, because it only ever
//! reaches a part of the elements reached before. Where a view has no elements its pointer may lie
//! anywhere: it is moved with `wrapping_offset` and never read.
//!
//! A `ViewMut` is no `&mut [T]` over its whole span: interleaved tiles would be two of those over
//! the same bytes, which is undefined behaviour although no element is shared.

#![allow(unsafe_code)]

mod array;
mod copy;
mod display;
mod iter;
mod parts;
mod strided;
mod view_mut;

pub use array::Array;
pub(crate) use display::Picture;
pub use iter::{Iter, IterMut};
pub use parts::{Lanes, LanesMut, OuterIter, OuterIterMut, ViewTiles, ViewTilesMut};
pub use view_mut::ViewMut;

use std::marker::PhantomData;
use std::ops::{Index, Range};

use crate::error::{Error, Result};
use crate::layout::Layout;
use crate::slice::SliceItem;
use crate::window::Window;
use strided::Strided;

/// A borrowed, strided, N-dimensional view of elements in memory.
///
/// Slicing and turning a view around makes another view and copies nothing. Methods return views
/// and references that live as long as the memory, `'a`, not as long as the view.
///
/// There is no arithmetic here on purpose: iterate, copy out, or hand the view to a library that
/// computes, as the `ndarray-0_17` feature does.
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
    /// See the module: every index leads to a `T` that is frozen for `'a`.
    strided: Strided<T>,
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
        Ok(View::of(Strided::new(elements.as_ptr(), layout)))
    }

    /// A view of the elements of a slice that `layout` reaches from `start`; `None` where it
    /// would reach outside.
    pub(crate) fn from_layout(elements: &'a [T], start: isize, layout: Layout) -> Option<Self> {
        // The invariant holds: all positions lie inside `elements`, which is initialised and
        // borrowed for 'a.
        is_inside(elements.len(), start, &layout)
            .then(|| View::of(Strided::new(elements.as_ptr().wrapping_offset(start), layout)))
    }

    /// A view of elements that somebody else has lent us.
    ///
    /// # Safety
    ///
    /// Every index inside the shape of `layout` must lead from `first` to an initialised `T` that
    /// nobody changes during `'a`, all of them in one allocation.
    pub(crate) unsafe fn from_raw(first: *const T, layout: Layout) -> View<'a, T> {
        // The invariant holds: it is what the caller vouches for.
        View::of(Strided::new(first, layout))
    }

    /// Where the first element lies; anywhere, where there is none.
    #[cfg(feature = "ndarray-0_17")]
    pub(crate) fn first(&self) -> *const T {
        self.strided.first()
    }

    /// Callers vouch for the invariant.
    fn of(strided: Strided<T>) -> View<'a, T> {
        View { strided, memory: PhantomData }
    }

    /// The length of each axis.
    #[must_use]
    pub fn shape(&self) -> &[usize] {
        self.strided.shape()
    }

    /// How far one step along each axis leads, in elements; negative where the axis runs backwards.
    #[must_use]
    pub fn strides(&self) -> &[isize] {
        self.layout().strides()
    }

    /// The number of axes.
    #[must_use]
    pub fn ndim(&self) -> usize {
        self.strided.ndim()
    }

    /// The number of elements.
    #[must_use]
    pub fn len(&self) -> usize {
        self.layout().len()
    }

    /// Does the view hold no elements?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.layout().is_empty()
    }

    pub(crate) fn layout(&self) -> &Layout {
        self.strided.layout()
    }

    /// The element at `index`, or `None` outside the view or with a wrong number of axes.
    #[must_use]
    #[inline]
    pub fn get(&self, index: impl AsRef<[usize]>) -> Option<&'a T> {
        let place = self.strided.place(index.as_ref())?;
        // SAFETY: `place` belongs to an index inside the shape, so by the invariant it is a frozen
        // `T`; hence the reference is valid for 'a.
        Some(unsafe { &*place })
    }

    /// All elements as one slice, where they follow each other in row-major order.
    #[must_use]
    pub fn as_slice(&self) -> Option<&'a [T]> {
        let (first, len) = self.strided.contiguous()?;
        // SAFETY: contiguous in C order, so the `len` elements from `first` on are exactly the
        // ones the invariant speaks of; hence a slice of them is valid for 'a.
        Some(unsafe { std::slice::from_raw_parts(first, len) })
    }

    /// The part of the view that [`s!`](crate::s) names. Copies nothing, allocates nothing up to
    /// four axes.
    ///
    /// # Errors
    ///
    /// [`Error::OutOfBounds`], [`Error::ReversedRange`], [`Error::RankMismatch`],
    /// [`Error::InvalidAxis`], [`Error::TooManyAxes`].
    pub fn slice(&self, items: impl AsRef<[SliceItem]>) -> Result<View<'a, T>> {
        self.strided.slice(items.as_ref()).map(View::of)
    }

    /// The part of the view inside a window: all axes are kept. Copies nothing.
    ///
    /// # Errors
    ///
    /// [`Error::OutOfBounds`], [`Error::ReversedRange`], [`Error::RankMismatch`].
    pub fn window(&self, window: impl Into<Window>) -> Result<View<'a, T>> {
        let (start, layout) = window.into().select(self.layout())?;
        Ok(self.part(start, layout))
    }

    /// The same elements with the axes in reverse order.
    #[must_use]
    pub fn transpose(&self) -> View<'a, T> {
        View::of(self.strided.transpose())
    }

    /// The same elements with the axes in the order given: axis `i` of the result is axis
    /// `axes[i]` of this view.
    ///
    /// # Errors
    ///
    /// [`Error::RankMismatch`], and [`Error::InvalidAxis`] where an axis is unknown or named
    /// twice.
    pub fn permute(&self, axes: impl AsRef<[usize]>) -> Result<View<'a, T>> {
        self.strided.permute(axes.as_ref()).map(View::of)
    }

    /// The same elements with a range of adjacent axes as one: `1..3` makes of shape
    /// `[2, 3, 4, 5]` the shape `[2, 12, 5]`. Copies nothing.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidAxis`] where the range names no axis or one that is not there, and where
    /// the axes do not follow each other in memory, as after a transposition.
    pub fn merge_axes(&self, axes: Range<usize>) -> Result<View<'a, T>> {
        self.strided.merge_axes(axes).map(View::of)
    }

    /// The same elements with one axis as several, in row-major order: axis 1 of shape `[2, 12]`
    /// split into `[3, 4]` makes `[2, 3, 4]`. Copies nothing.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidAxis`] where the view has no such axis, where the lengths do not multiply
    /// to its length, and where there are more than 64 axes then.
    pub fn split_axis(&self, axis: usize, lens: impl AsRef<[usize]>) -> Result<View<'a, T>> {
        self.strided.split_axis(axis, lens.as_ref()).map(View::of)
    }

    /// The two parts of the view before and from `index` of an axis on.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidAxis`] where the view has no such axis, [`Error::OutOfBounds`] where
    /// `index` is larger than its length.
    pub fn split_at(&self, axis: usize, index: usize) -> Result<(View<'a, T>, View<'a, T>)> {
        let [before, after] = self.strided.split_at(axis, index)?;
        Ok((View::of(before), View::of(after)))
    }

    /// Folds all elements into one value, in the order in which they lie in memory, which is the
    /// fastest; [`iter`](Self::iter) goes in row-major order.
    ///
    /// # Example
    ///
    /// ```
    /// let view = mmap_array::View::from_shape([2, 2], &[1, 2, 3, 4])?;
    /// assert_eq!(view.transpose().fold(0, |sum, element| sum + element), 10);
    /// # Ok::<(), mmap_array::Error>(())
    /// ```
    pub fn fold<B>(&self, init: B, f: impl FnMut(B, &'a T) -> B) -> B {
        View::of(self.strided.in_memory_order()).iter().fold(init, f)
    }

    /// The same elements with one axis backwards.
    pub(crate) fn invert_axis(&mut self, axis: usize) {
        self.strided.invert_axis(axis);
    }

    /// The part of the view that `start` and `layout`, made of its own layout, say.
    pub(crate) fn part(&self, start: isize, layout: Layout) -> View<'a, T> {
        View::of(self.strided.part(start, layout))
    }
}

impl<T: Copy> View<'_, T> {
    /// Copies all elements out, in row-major order. Aborts where memory runs out, as
    /// `slice::to_vec` does; [`to_array`](Self::to_array) does not.
    #[must_use]
    pub fn to_vec(&self) -> Vec<T> {
        let mut copy = Vec::with_capacity(self.len());
        self.append_to(&mut copy);
        copy
    }

    /// Copies all elements out, in row-major order, with their shape.
    ///
    /// # Errors
    ///
    /// [`Error::OutOfMemory`].
    pub fn to_array(&self) -> Result<Array<T>> {
        let mut copy = Vec::new();
        copy.try_reserve_exact(self.len()).map_err(|_| Error::OutOfMemory {
            byte_len: (self.len() as u64).saturating_mul(size_of::<T>() as u64),
        })?;
        self.append_to(&mut copy);
        Array::from_vec(self.shape(), copy)
    }

    /// Appends all elements to an empty vector that has room for them.
    fn append_to(&self, copy: &mut Vec<T>) {
        let len = self.len();
        assert!(copy.is_empty() && copy.capacity() >= len);
        let layout = Layout::of_memory::<T>(self.shape()).expect("a view's shape is a shape");
        // SAFETY: by the invariant our elements are readable; `layout` reaches the first `len`
        // places of `copy`, each once, and it has room for them; its memory is its own, so none of
        // our elements lies there.
        unsafe { copy::copy(&self.strided, copy.as_mut_ptr(), &layout) };
        // SAFETY: the copy initialised the first `len` elements.
        unsafe { copy.set_len(len) };
    }

    /// Copies all elements to a slice, in row-major order. Allocates nothing.
    ///
    /// # Errors
    ///
    /// [`Error::LenMismatch`] where `out` has not as many elements as the view.
    pub fn copy_to_slice(&self, out: &mut [T]) -> Result<()> {
        ViewMut::from_shape(self.shape(), out)?.copy_from(self)
    }

    /// Copies all elements to the places of `target` that `layout`, of the same shape and reaching
    /// no place twice, reaches from `start`.
    ///
    /// # Panics
    ///
    /// Where `layout` has another shape or reaches outside `target`.
    pub(crate) fn copy_to(&self, target: &mut [T], start: isize, layout: &Layout) {
        let target = ViewMut::from_layout(target, start, layout.clone());
        target.expect("a layout inside its memory").copy_all(self);
    }
}

/// Whether all elements of a layout, reached from `start`, lie inside a slice of `len`.
fn is_inside(len: usize, start: isize, layout: &Layout) -> bool {
    if layout.is_empty() {
        return true;
    }
    let (mut lowest, mut highest) = (Some(start), Some(start));
    for (&len, &stride) in layout.shape().iter().zip(layout.strides()) {
        let last = (len - 1) as isize * stride;
        let end = if last < 0 { &mut lowest } else { &mut highest };
        *end = end.and_then(|end| end.checked_add(last));
    }
    lowest.is_some_and(|lowest| lowest >= 0)
        && highest.is_some_and(|highest| (highest as usize) < len)
}

impl<T> Clone for View<'_, T> {
    fn clone(&self) -> Self {
        View::of(self.strided.clone())
    }
}

/// Views are equal where they have the same shape and equal elements.
impl<T: PartialEq<U>, U> PartialEq<View<'_, U>> for View<'_, T> {
    fn eq(&self, other: &View<'_, U>) -> bool {
        if self.shape() != other.shape() {
            return false;
        }
        match (self.as_slice(), other.as_slice()) {
            (Some(ours), Some(theirs)) => ours == theirs,
            _ => self.iter().eq(other.iter()),
        }
    }
}

impl<T: Eq> Eq for View<'_, T> {}

/// Panics where the index is outside the view or has a wrong number of axes; [`View::get`] does
/// not.
impl<T, I: AsRef<[usize]>> Index<I> for View<'_, T> {
    type Output = T;

    #[inline]
    #[track_caller]
    fn index(&self, index: I) -> &T {
        let index = index.as_ref();
        match self.get(index) {
            Some(element) => element,
            None => panic!("{}", self.layout().position_error(index)),
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
    use crate::layout::Order;
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
