//! Copying strided elements from one place to another, by the longest runs and in blocks.

#![allow(unsafe_code)]

use super::strided::Strided;
use crate::dims::Dims;
use crate::layout::Layout;

/// One axis of a copy: its length, and the strides in the source and the target.
#[derive(Clone, Copy, Default)]
struct CopyAxis {
    len: usize,
    from: isize,
    to: isize,
}

impl CopyAxis {
    /// Takes the next inner axis in, where both together are one axis on both sides.
    fn merge(&mut self, inner: CopyAxis) -> bool {
        let len = inner.len as isize;
        let one = Some(self.from) == inner.from.checked_mul(len)
            && Some(self.to) == inner.to.checked_mul(len);
        if one {
            *self = CopyAxis { len: self.len * inner.len, ..inner };
        }
        one
    }
}

/// Copies all elements of `from` to the places that `layout`, of the same shape, reaches from
/// `to`.
///
/// # Panics
///
/// Where the shapes differ.
///
/// # Safety
///
/// All elements of `from` must be readable, all places that `layout` reaches from `to` must be
/// writable, no two of them the same, and no place may be both.
pub(super) unsafe fn copy<T: Copy>(from: &Strided<T>, to: *mut T, layout: &Layout) {
    assert_eq!(from.shape(), layout.shape());
    if layout.is_empty() {
        return;
    }
    // Walk in the target's order: scattered loads are cheaper than scattered stores.
    let (from_strides, to_strides) = (from.layout().strides(), layout.strides());
    let place = |&axis: &usize| std::cmp::Reverse(to_strides[axis].unsigned_abs());
    let mut order: Dims<usize> = (0..layout.ndim()).collect();
    if !order.is_sorted_by_key(place) {
        order.sort_by_key(place);
    }
    let mut axes = Dims::new();
    for &axis in order.iter().filter(|&&axis| layout.shape()[axis] > 1) {
        let (len, from, to) = (layout.shape()[axis], from_strides[axis], to_strides[axis]);
        let axis = CopyAxis { len, from, to };
        if !axes.last_mut().is_some_and(|outer: &mut CopyAxis| outer.merge(axis)) {
            axes.push(axis);
        }
    }
    // The axis along which the source lies close together goes beside the innermost one, where
    // both are walked in blocks.
    let close = (0..axes.len()).min_by_key(|&axis| axes[axis].from.unsigned_abs());
    if let Some(close) = close.filter(|&close| close + 1 < axes.len()) {
        let last = axes.len() - 1;
        axes[close..last].rotate_left(1);
    }
    // SAFETY: every index of `axes` is an index of `from` and of `layout`, for which the caller
    // vouches.
    unsafe { copy_axes(from.first(), to, &axes) }
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
        [outer, CopyAxis { len, from: 1, to: 1 }] => {
            for i in 0..outer.len as isize {
                // SAFETY: the caller vouches for all indices, which lie side by side in each run.
                unsafe {
                    let from = from.offset(i * outer.from);
                    to.offset(i * outer.to).copy_from_nonoverlapping(from, *len);
                }
            }
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
