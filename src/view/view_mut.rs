//! [`ViewMut`]: elements in memory to change.

#![allow(unsafe_code)]

use std::marker::PhantomData;
use std::ops::{Index, IndexMut, Range};

use super::strided::Strided;
use super::{View, copy, is_inside};
use crate::error::{Error, Result};
use crate::layout::Layout;
use crate::slice::SliceItem;
use crate::window::Window;

/// A borrowed, strided, N-dimensional view of elements in memory, to change.
///
/// Methods that make another view of the same memory consume this one, so that an element is never
/// in two of them: [`reborrow`](Self::reborrow) first to keep it. [`split_at`](Self::split_at),
/// [`tiles`](Self::tiles), [`outer_iter`](Self::outer_iter) and [`lanes`](Self::lanes) give parts
/// that share no element, so threads can hold them at once.
///
/// # Example
///
/// Four threads, each with a tile of its own:
///
/// ```
/// use mmap_array::{Array, s};
///
/// let mut array = Array::from_vec([4, 4], vec![0; 16])?;
/// std::thread::scope(|scope| {
///     for (window, mut tile) in array.view_mut().tiles([2, 2]).unwrap() {
///         scope.spawn(move || tile.fill(10 * window.start()[0] + window.start()[1]));
///     }
/// });
/// assert_eq!(array.slice(s![1..3])?.to_vec(), [0, 0, 2, 2, 20, 20, 22, 22]);
/// # Ok::<(), mmap_array::Error>(())
/// ```
///
/// A view that was consumed is gone:
///
/// ```compile_fail,E0382
/// # fn f(view: mmap_array::ViewMut<'_, f32>) -> mmap_array::Result<()> {
/// let (top, bottom) = view.split_at(0, 1)?;
/// println!("{}", view.len());
/// # Ok(()) }
/// ```
pub struct ViewMut<'a, T> {
    /// # Invariants
    ///
    /// See the module: every index leads to a `T` of its own, which is ours alone for `'a`.
    strided: Strided<T>,
    memory: PhantomData<&'a mut [T]>,
}

// SAFETY: a mutable view gives out `&T` and `&mut T` of elements that are its alone, exactly as
// `&mut [T]` does.
unsafe impl<T: Send> Send for ViewMut<'_, T> {}
// SAFETY: a shared mutable view gives out `&T` only, exactly as `&&mut [T]` does.
unsafe impl<T: Sync> Sync for ViewMut<'_, T> {}

impl<'a, T> ViewMut<'a, T> {
    /// A view of a slice as an array of this shape, in row-major order.
    ///
    /// # Errors
    ///
    /// As [`View::from_shape`].
    pub fn from_shape(shape: impl AsRef<[usize]>, elements: &'a mut [T]) -> Result<Self> {
        let layout = Layout::of_memory::<T>(shape.as_ref())?;
        if layout.len() != elements.len() {
            return Err(Error::LenMismatch { expected: layout.len(), found: elements.len() });
        }
        // The invariant holds: contiguous in C order, the layout reaches each element of the
        // slice once, and nothing else.
        Ok(ViewMut::of(Strided::new(elements.as_mut_ptr(), layout)))
    }

    /// A view of the elements of a slice that `layout`, which must reach no place twice, reaches
    /// from `start`; `None` where it would reach outside.
    pub(crate) fn from_layout(elements: &'a mut [T], start: isize, layout: Layout) -> Option<Self> {
        // The invariant holds: all positions lie inside `elements`, which is ours for 'a.
        is_inside(elements.len(), start, &layout).then(|| {
            ViewMut::of(Strided::new(elements.as_mut_ptr().wrapping_offset(start), layout))
        })
    }

    /// A view of elements that somebody else has lent us to change.
    ///
    /// # Safety
    ///
    /// Every index inside the shape of `layout` must lead from `first` to an initialised `T` of its
    /// own, which nobody else reads or changes during `'a`, all of them in one allocation.
    pub(crate) unsafe fn from_raw(first: *mut T, layout: Layout) -> ViewMut<'a, T> {
        // The invariant holds: it is what the caller vouches for.
        ViewMut::of(Strided::new(first, layout))
    }

    #[cfg(feature = "ndarray-0_17")]
    pub(crate) fn layout(&self) -> &Layout {
        self.strided.layout()
    }

    /// Where the first element lies; anywhere, where there is none.
    #[cfg(feature = "ndarray-0_17")]
    pub(crate) fn first(&mut self) -> *mut T {
        self.strided.first().cast_mut()
    }

    /// Callers vouch for the invariant.
    pub(super) fn of(strided: Strided<T>) -> ViewMut<'a, T> {
        ViewMut { strided, memory: PhantomData }
    }

    pub(super) fn strided(&self) -> &Strided<T> {
        &self.strided
    }

    /// The length of each axis.
    #[must_use]
    pub fn shape(&self) -> &[usize] {
        self.strided.shape()
    }

    /// How far one step along each axis leads, in elements; negative where the axis runs backwards.
    #[must_use]
    pub fn strides(&self) -> &[isize] {
        self.strided.layout().strides()
    }

    /// The number of axes.
    #[must_use]
    pub fn ndim(&self) -> usize {
        self.strided.ndim()
    }

    /// The number of elements.
    #[must_use]
    pub fn len(&self) -> usize {
        self.strided.layout().len()
    }

    /// Does the view hold no elements?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.strided.layout().is_empty()
    }

    /// The same elements to read.
    #[must_use]
    pub fn view(&self) -> View<'_, T> {
        // While the result lives, `self` is borrowed and changes nothing.
        View::of(self.strided.clone())
    }

    /// The same elements to read, for as long as the memory is borrowed.
    #[must_use]
    pub fn into_view(self) -> View<'a, T> {
        View::of(self.strided)
    }

    /// The same elements for a shorter time, after which this view can be used again.
    #[must_use]
    pub fn reborrow(&mut self) -> ViewMut<'_, T> {
        ViewMut::of(self.strided.clone())
    }

    /// The element at `index`, or `None` outside the view or with a wrong number of axes.
    #[must_use]
    #[inline]
    pub fn get(&self, index: impl AsRef<[usize]>) -> Option<&T> {
        let place = self.strided.place(index.as_ref())?;
        // SAFETY: `place` belongs to an index inside the shape, so by the invariant it is a `T`
        // that nobody changes while `self` is borrowed.
        Some(unsafe { &*place })
    }

    /// The element at `index` to change, or `None` likewise.
    #[must_use]
    #[inline]
    pub fn get_mut(&mut self, index: impl AsRef<[usize]>) -> Option<&mut T> {
        let place = self.strided.place(index.as_ref())?;
        // SAFETY: `place` belongs to an index inside the shape, so by the invariant it is a `T`
        // that is ours alone; hence nobody else has it while `self` is borrowed mutably.
        Some(unsafe { &mut *place.cast_mut() })
    }

    /// All elements as one slice to change, where they follow each other in row-major order.
    #[must_use]
    pub fn as_mut_slice(&mut self) -> Option<&mut [T]> {
        self.reborrow().into_slice()
    }

    /// The same, for as long as the memory is borrowed.
    #[must_use]
    pub fn into_slice(self) -> Option<&'a mut [T]> {
        let (first, len) = self.strided.contiguous()?;
        // SAFETY: contiguous in C order, so the `len` elements from `first` on are exactly the
        // ones the invariant speaks of; hence a slice of them is valid, and ours alone, for 'a.
        Some(unsafe { std::slice::from_raw_parts_mut(first.cast_mut(), len) })
    }

    /// The part of the view that [`s!`](crate::s) names. Copies nothing, allocates nothing up to
    /// four axes.
    ///
    /// # Errors
    ///
    /// As [`View::slice`].
    pub fn slice(self, items: impl AsRef<[SliceItem]>) -> Result<ViewMut<'a, T>> {
        self.strided.slice(items.as_ref()).map(ViewMut::of)
    }

    /// The part of the view inside a window; see [`View::window`].
    ///
    /// # Errors
    ///
    /// As [`View::window`].
    pub fn window(self, window: impl Into<Window>) -> Result<ViewMut<'a, T>> {
        let (start, layout) = window.into().select(self.strided.layout())?;
        Ok(ViewMut::of(self.strided.part(start, layout)))
    }

    /// The same elements with the axes in reverse order.
    #[must_use]
    pub fn transpose(self) -> ViewMut<'a, T> {
        ViewMut::of(self.strided.transpose())
    }

    /// The same elements with the axes in the order given; see [`View::permute`].
    ///
    /// # Errors
    ///
    /// As [`View::permute`].
    pub fn permute(self, axes: impl AsRef<[usize]>) -> Result<ViewMut<'a, T>> {
        self.strided.permute(axes.as_ref()).map(ViewMut::of)
    }

    /// The same elements with a range of adjacent axes as one; see [`View::merge_axes`].
    ///
    /// # Errors
    ///
    /// As [`View::merge_axes`].
    pub fn merge_axes(self, axes: Range<usize>) -> Result<ViewMut<'a, T>> {
        self.strided.merge_axes(axes).map(ViewMut::of)
    }

    /// The same elements with one axis as several; see [`View::split_axis`].
    ///
    /// # Errors
    ///
    /// As [`View::split_axis`].
    pub fn split_axis(self, axis: usize, lens: impl AsRef<[usize]>) -> Result<ViewMut<'a, T>> {
        self.strided.split_axis(axis, lens.as_ref()).map(ViewMut::of)
    }

    /// The two parts of the view before and from `index` of an axis on, which share no element.
    ///
    /// # Errors
    ///
    /// As [`View::split_at`].
    pub fn split_at(self, axis: usize, index: usize) -> Result<(ViewMut<'a, T>, ViewMut<'a, T>)> {
        let [before, after] = self.strided.split_at(axis, index)?;
        // No index is in both parts, so each has its elements alone.
        Ok((ViewMut::of(before), ViewMut::of(after)))
    }

    /// Changes every element, in the order in which they lie in memory.
    pub fn map_inplace(&mut self, f: impl FnMut(&mut T)) {
        self.in_memory_order().into_iter().for_each(f);
    }

    fn in_memory_order(&mut self) -> ViewMut<'_, T> {
        ViewMut::of(self.strided.in_memory_order())
    }
}

impl<T: Copy> ViewMut<'_, T> {
    /// Sets every element to `value`.
    pub fn fill(&mut self, value: T) {
        let mut all = self.in_memory_order();
        match all.as_mut_slice() {
            Some(elements) => elements.fill(value),
            None => all.into_iter().for_each(|element| *element = value),
        }
    }

    /// Copies all elements of a view of the same shape, of any strides.
    ///
    /// # Errors
    ///
    /// [`Error::ShapeMismatch`]: then nothing was copied.
    pub fn copy_from<'v>(&mut self, view: impl Into<View<'v, T>>) -> Result<()>
    where
        T: 'v,
    {
        let view = view.into();
        if view.shape() != self.shape() {
            let (expected, found) = (self.shape().to_vec(), view.shape().to_vec());
            return Err(Error::ShapeMismatch { expected, found });
        }
        self.copy_all(&view);
        Ok(())
    }

    /// Copies all elements of a view.
    ///
    /// # Panics
    ///
    /// Where it has another shape.
    pub(super) fn copy_all(&mut self, view: &View<'_, T>) {
        let target = self.strided.first().cast_mut();
        // SAFETY: by the invariants the view's elements are readable, and ours are writable and
        // one place each; ours are ours alone, so none of the view's is among them.
        unsafe { copy::copy(&view.strided, target, self.strided.layout()) };
    }
}

/// As for [`View`].
impl<T: PartialEq<U>, U> PartialEq<ViewMut<'_, U>> for ViewMut<'_, T> {
    fn eq(&self, other: &ViewMut<'_, U>) -> bool {
        self.view() == other.view()
    }
}

/// Panics where the index is outside the view or has a wrong number of axes; [`ViewMut::get`] does
/// not.
impl<T, I: AsRef<[usize]>> Index<I> for ViewMut<'_, T> {
    type Output = T;

    #[inline]
    #[track_caller]
    fn index(&self, index: I) -> &T {
        let index = index.as_ref();
        match self.get(index) {
            Some(element) => element,
            None => panic!("{}", self.strided.layout().position_error(index)),
        }
    }
}

/// Panics as `Index` does; [`ViewMut::get_mut`] does not.
impl<T, I: AsRef<[usize]>> IndexMut<I> for ViewMut<'_, T> {
    #[inline]
    #[track_caller]
    fn index_mut(&mut self, index: I) -> &mut T {
        let index = index.as_ref();
        match self.strided.place(index) {
            // SAFETY: as in `get_mut`.
            Some(place) => unsafe { &mut *place.cast_mut() },
            None => panic!("{}", self.strided.layout().position_error(index)),
        }
    }
}

/// A slice is a view with one axis; panics as for [`View`].
impl<'a, T> From<&'a mut [T]> for ViewMut<'a, T> {
    fn from(elements: &'a mut [T]) -> Self {
        ViewMut::from_shape([elements.len()], elements).expect("a slice's length is a shape")
    }
}

impl<'a, T> From<&'a ViewMut<'_, T>> for View<'a, T> {
    fn from(view: &'a ViewMut<'_, T>) -> Self {
        view.view()
    }
}

impl<'a, T> From<ViewMut<'a, T>> for View<'a, T> {
    fn from(view: ViewMut<'a, T>) -> Self {
        view.into_view()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::s;

    #[test]
    fn threads_hold_disjoint_parts_at_once() {
        let mut numbers = vec![0_u16; 6 * 7];
        let view = ViewMut::from_shape([6, 7], &mut numbers).unwrap();
        // Column tiles interleave: as `&mut [T]` over their spans they would overlap.
        let (left, right) = view.split_at(1, 3).unwrap();
        std::thread::scope(|scope| {
            for (mut part, value) in [(left, 1), (right, 2)] {
                scope.spawn(move || {
                    part[[5, 0]] = 9;
                    part.map_inplace(|element| *element += value);
                });
            }
        });
        let view = View::from_shape([6, 7], &numbers).unwrap();
        assert_eq!(view.slice(s![5]).unwrap().to_vec(), [10, 1, 1, 11, 2, 2, 2]);
        assert_eq!(view.fold(0, |sum, &element| sum + element), 6 * (3 + 8) + 18);
    }

    #[test]
    fn tiles_lanes_and_rows_are_held_together() {
        let mut numbers = vec![0_u16; 24];
        let mut view = ViewMut::from_shape([4, 6], &mut numbers).unwrap();
        let mut tiles: Vec<_> = view.reborrow().transpose().tiles([2, 3]).unwrap().collect();
        tiles.reverse();
        for (number, (window, tile)) in tiles.iter_mut().enumerate() {
            tile.fill(number as u16);
            assert_eq!(tile.shape(), window.shape());
        }
        assert_eq!(view[[0, 0]], 5);
        let mut lanes: Vec<_> = view.reborrow().lanes(0).unwrap().collect();
        lanes.iter_mut().rev().for_each(|lane| lane[[3]] = 7);
        let mut rows: Vec<_> = view.reborrow().outer_iter().collect();
        rows.iter_mut().rev().for_each(|row| row.as_mut_slice().unwrap()[5] += 1);
        let mut blocks: Vec<_> = view.reborrow().outer_blocks(3).unwrap().collect();
        blocks[1].1.copy_from(View::from_shape([1, 6], &[1, 2, 3, 4, 5, 6]).unwrap()).unwrap();
        assert_eq!(view.view().slice(s![2..]).unwrap().to_vec()[5..8], [2, 1, 2]);
    }

    #[test]
    fn a_copy_between_views_follows_both_layouts_and_checks_the_shape() {
        let source: Vec<u8> = (0..12).collect();
        let mut target = vec![0; 24];
        let mut view = ViewMut::from_shape([4, 6], &mut target).unwrap();
        let mut part = view.reborrow().slice(s![..;-1, ..;2]).unwrap();
        let source = View::from_shape([3, 4], &source).unwrap();
        assert!(matches!(part.copy_from(&source), Err(Error::ShapeMismatch { .. })));
        part.copy_from(source.transpose()).unwrap();
        assert_eq!(part.view(), source.transpose());
        assert_eq!(part.into_view().to_array().unwrap(), source.transpose());
        assert_eq!(target[18..], [0, 0, 4, 0, 8, 0]);
    }
}
