//! Iterators over the elements of a view, in row-major order.

#![allow(unsafe_code)]

use std::iter::FusedIterator;
use std::marker::PhantomData;
use std::slice;

use super::strided::Strided;
use super::{Array, View, ViewMut};
use crate::layout::Positions;

impl<'a, T> View<'a, T> {
    /// The elements in row-major order. `for_each`, `fold`, `sum` and the like run through them
    /// faster than a `for` loop.
    #[must_use]
    pub fn iter(&self) -> Iter<'a, T> {
        Iter { places: Places::new(&self.strided), memory: PhantomData }
    }
}

impl<'a, T> ViewMut<'a, T> {
    /// The elements in row-major order, to change.
    #[must_use]
    pub fn iter_mut(&mut self) -> IterMut<'_, T> {
        self.reborrow().into_iter()
    }
}

/// The places of a view's elements in row-major order: lane by lane along the innermost axis, of
/// as few axes as possible.
#[derive(Clone)]
struct Places<T> {
    /// The place that comes next, where `left` is not 0.
    next: *const T,
    /// Places still to come in this lane.
    left: usize,
    stride: isize,
    first: *const T,
    /// Where the lanes to come start, from `first`; none where there is one lane only. In a box, so
    /// that the fields above stay in registers.
    lanes: Option<Box<Positions>>,
    lane_len: usize,
}

/// Places one after the other, at one distance.
struct Run<T> {
    first: *const T,
    len: usize,
    stride: isize,
}

impl<T> Places<T> {
    #[inline]
    fn new(strided: &Strided<T>) -> Places<T> {
        match (strided.shape(), strided.layout().strides()) {
            (&[len], &[stride]) => Places::lane(strided.first(), len, stride),
            _ => Places::lanes(strided),
        }
    }

    #[inline]
    fn lane(first: *const T, len: usize, stride: isize) -> Places<T> {
        Places { next: first, left: len, stride, first, lanes: None, lane_len: len }
    }

    fn lanes(strided: &Strided<T>) -> Places<T> {
        let (first, mut outer) = (strided.first(), strided.layout().merged());
        let Some(last) = outer.ndim().checked_sub(1) else {
            return Places::lane(first, 1, 0);
        };
        let (lane_len, stride) = (outer.shape()[last], outer.strides()[last]);
        if last == 0 {
            return Places::lane(first, lane_len, stride);
        }
        outer.remove_axis(last);
        let lanes = Some(Box::new(Positions::new(outer)));
        Places { next: first, left: 0, stride, first, lanes, lane_len }
    }

    #[inline]
    fn next(&mut self) -> Option<*const T> {
        if self.left == 0 {
            self.next_lane()?;
        }
        let place = self.next;
        self.left -= 1;
        self.next = place.wrapping_offset(self.stride);
        Some(place)
    }

    /// Inlined wherever it is called, or the loop around it keeps its sum on the stack, and takes four
    /// times as long.
    #[inline(always)]
    fn next_lane(&mut self) -> Option<()> {
        self.next = self.first.wrapping_offset(self.lanes.as_mut()?.next()?);
        self.left = self.lane_len;
        Some(())
    }

    /// What is left of the lane, or else the next one.
    #[inline]
    fn next_run(&mut self) -> Option<Run<T>> {
        if self.left == 0 {
            self.next_lane()?;
        }
        let run = Run { first: self.next, len: self.left, stride: self.stride };
        self.left = 0;
        Some(run)
    }

    fn len(&self) -> usize {
        self.left + self.lanes.as_ref().map_or(0, |lanes| lanes.len() * self.lane_len)
    }
}

/// The elements of a view, in row-major order; made by [`View::iter`].
pub struct Iter<'a, T> {
    /// # Invariants
    ///
    /// The places are those of a [`View`], so each is a `T` that is frozen for `'a`.
    places: Places<T>,
    memory: PhantomData<&'a [T]>,
}

// SAFETY: an iterator gives out what its view would.
unsafe impl<T: Sync> Send for Iter<'_, T> {}
// SAFETY: as above.
unsafe impl<T: Sync> Sync for Iter<'_, T> {}

impl<'a, T> Iterator for Iter<'a, T> {
    type Item = &'a T;

    #[inline]
    fn next(&mut self) -> Option<&'a T> {
        // SAFETY: by the invariant, a reference to any of the places is valid for 'a.
        self.places.next().map(|place| unsafe { &*place })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.places.len(), Some(self.places.len()))
    }

    #[inline]
    fn fold<B, F: FnMut(B, &'a T) -> B>(mut self, init: B, mut f: F) -> B {
        let mut folded = init;
        while let Some(run) = self.places.next_run() {
            if run.stride == 1 {
                // SAFETY: by the invariant, all of the run's places, which lie side by side, are
                // frozen for 'a.
                let elements = unsafe { slice::from_raw_parts(run.first, run.len) };
                folded = elements.iter().fold(folded, &mut f);
            } else {
                for i in 0..run.len as isize {
                    // SAFETY: by the invariant, as in `next`; the place lies inside the view's
                    // memory, so its distance from the run's first fits.
                    folded = f(folded, unsafe { &*run.first.offset(i * run.stride) });
                }
            }
        }
        folded
    }
}

impl<T> ExactSizeIterator for Iter<'_, T> {}
impl<T> FusedIterator for Iter<'_, T> {}

impl<T> Clone for Iter<'_, T> {
    fn clone(&self) -> Self {
        let Places { next, left, stride, first, ref lanes, lane_len } = self.places;
        let places = Places { next, left, stride, first, lanes: lanes.clone(), lane_len };
        Iter { places, memory: PhantomData }
    }
}

/// The elements of a view, in row-major order, to change; made by [`ViewMut::iter_mut`].
pub struct IterMut<'a, T> {
    /// # Invariants
    ///
    /// The places are those of a [`ViewMut`], so each is a `T` that is ours alone for `'a`, and
    /// each comes once.
    places: Places<T>,
    memory: PhantomData<&'a mut [T]>,
}

// SAFETY: an iterator gives out what its view would.
unsafe impl<T: Send> Send for IterMut<'_, T> {}
// SAFETY: as above; a shared one gives out nothing at all.
unsafe impl<T: Sync> Sync for IterMut<'_, T> {}

impl<'a, T> Iterator for IterMut<'a, T> {
    type Item = &'a mut T;

    #[inline]
    fn next(&mut self) -> Option<&'a mut T> {
        // SAFETY: by the invariant, each place is ours alone for 'a and is handed out once.
        self.places.next().map(|place| unsafe { &mut *place.cast_mut() })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.places.len(), Some(self.places.len()))
    }

    #[inline]
    fn fold<B, F: FnMut(B, &'a mut T) -> B>(mut self, init: B, mut f: F) -> B {
        let mut folded = init;
        while let Some(run) = self.places.next_run() {
            let first = run.first.cast_mut();
            if run.stride == 1 {
                // SAFETY: by the invariant, all of the run's places, which lie side by side, are
                // ours alone for 'a, and are handed out here only.
                let elements = unsafe { slice::from_raw_parts_mut(first, run.len) };
                folded = elements.iter_mut().fold(folded, &mut f);
            } else {
                for i in 0..run.len as isize {
                    // SAFETY: by the invariant, as in `next`; the place lies inside the view's
                    // memory, so its distance from the run's first fits.
                    folded = f(folded, unsafe { &mut *first.offset(i * run.stride) });
                }
            }
        }
        folded
    }
}

impl<T> ExactSizeIterator for IterMut<'_, T> {}
impl<T> FusedIterator for IterMut<'_, T> {}

impl<'a, T> IntoIterator for &View<'a, T> {
    type Item = &'a T;
    type IntoIter = Iter<'a, T>;

    fn into_iter(self) -> Iter<'a, T> {
        self.iter()
    }
}

impl<'a, T> IntoIterator for View<'a, T> {
    type Item = &'a T;
    type IntoIter = Iter<'a, T>;

    fn into_iter(self) -> Iter<'a, T> {
        self.iter()
    }
}

impl<'a, T> IntoIterator for ViewMut<'a, T> {
    type Item = &'a mut T;
    type IntoIter = IterMut<'a, T>;

    fn into_iter(self) -> IterMut<'a, T> {
        IterMut { places: Places::new(self.strided()), memory: PhantomData }
    }
}

impl<'a, T> IntoIterator for &'a Array<T> {
    type Item = &'a T;
    type IntoIter = Iter<'a, T>;

    fn into_iter(self) -> Iter<'a, T> {
        self.iter()
    }
}

impl<T> std::fmt::Debug for Iter<'_, T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Iter").field("len", &self.len()).finish_non_exhaustive()
    }
}

impl<T> std::fmt::Debug for IterMut<'_, T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("IterMut").field("len", &self.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn folding_goes_on_where_next_stopped() {
        let mut numbers: Vec<u32> = (0..24).collect();
        let view = View::from_shape([4, 6], &numbers).unwrap().transpose();
        let all: Vec<u32> = view.iter().copied().collect();
        for taken in 0..=24 {
            let mut iter = view.iter();
            assert!(iter.by_ref().take(taken).eq(&all[..taken]));
            assert_eq!(iter.len(), 24 - taken);
            let mut rest = Vec::new();
            iter.clone().for_each(|&element| rest.push(element));
            assert_eq!(rest, all[taken..]);
        }
        let mut view = ViewMut::from_shape([4, 6], &mut numbers).unwrap().transpose();
        let mut iter = view.iter_mut();
        *iter.nth(4).unwrap() = 100;
        iter.for_each(|element| *element += 1);
        assert_eq!(view.view().iter().take(6).collect::<Vec<_>>(), [&0, &6, &12, &18, &100, &8]);
    }
}
