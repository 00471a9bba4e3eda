//! [`Dims`]: a short list of numbers, one for each axis of an array.

use std::fmt;
use std::ops::{Deref, DerefMut};

/// A short list of numbers, one for each axis: up to four stand in place, more on the heap.
///
/// A plain `Vec` doubles the cost of an indexing loop, and room for 64 axes costs 1 KiB a view.
#[derive(Clone)]
pub(crate) enum Dims<I> {
    Inline { len: usize, items: [I; 4] },
    Heap(Vec<I>),
}

impl<I: Copy + Default> Dims<I> {
    pub(crate) fn new() -> Self {
        Dims::Inline { len: 0, items: [I::default(); 4] }
    }

    /// The number of axes, and the room for those that stand in place.
    #[inline]
    pub(crate) fn as_inline(&self) -> Option<(usize, &[I; 4])> {
        match self {
            Dims::Inline { len, items } => Some((*len, items)),
            Dims::Heap(_) => None,
        }
    }

    pub(crate) fn push(&mut self, item: I) {
        match self {
            Dims::Inline { len, items } if *len < items.len() => {
                items[*len] = item;
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
                items[..*len].copy_within(at + 1.., at);
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
                None => return Dims::Inline { len, items: inline },
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
                Dims::Inline { len: items.len(), items: inline }
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
            Dims::Inline { len, items } => &items[..*len],
            Dims::Heap(heap) => heap,
        }
    }
}

impl<I> DerefMut for Dims<I> {
    #[inline]
    fn deref_mut(&mut self) -> &mut [I] {
        match self {
            Dims::Inline { len, items } => &mut items[..*len],
            Dims::Heap(heap) => heap,
        }
    }
}

impl<I: fmt::Debug> fmt::Debug for Dims<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
