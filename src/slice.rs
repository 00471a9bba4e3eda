//! Slices: `s![]` and what it does to a layout. Integers in, integers out; no data is touched.

use std::ops::{Range, RangeFrom, RangeFull, RangeInclusive, RangeTo, RangeToInclusive};
use std::path::PathBuf;

use crate::dims::Dims;
use crate::error::{Error, Result};
use crate::layout::{Layout, MAX_NDIM};

/// What [`s!`](crate::s) does to one axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SliceItem {
    /// Choose one index, counted from the end if negative, and drop the axis.
    Index(isize),
    /// Keep every `step`-th index of `start..end`; negative bounds count from the end, no `end`
    /// means the axis's own. A negative step takes them from the end of the range backwards.
    Range {
        /// The first index.
        start: isize,
        /// The index after the last.
        end: Option<isize>,
        /// The distance between two indices; not zero.
        step: isize,
    },
    /// Insert an axis of length one.
    NewAxis,
    /// Keep as many axes whole as are needed; once at most.
    Ellipsis,
}

/// Inserts an axis of length one where it stands in [`s!`](crate::s).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct NewAxis;

impl From<NewAxis> for SliceItem {
    fn from(_: NewAxis) -> Self {
        SliceItem::NewAxis
    }
}

impl From<RangeFull> for SliceItem {
    fn from(_: RangeFull) -> Self {
        SliceItem::Range { start: 0, end: None, step: 1 }
    }
}

impl SliceItem {
    /// The same range with every `step`-th index; other items have no step to change.
    #[doc(hidden)]
    #[must_use]
    pub fn step_by(self, step: isize) -> Self {
        match self {
            SliceItem::Range { start, end, .. } => SliceItem::Range { start, end, step },
            other => other,
        }
    }
}

/// The bound after an inclusive one: after -1, the last index, comes the axis's end.
fn after(end: isize) -> Option<isize> {
    if end == -1 { None } else { Some(end.saturating_add(1)) }
}

// Integer literals in `s![]` are i32, lengths are usize, negative numbers may be isize, and numbers
// that were read from somewhere any of the others. A number too large for isize is out of bounds
// anyway, so it may saturate.
macro_rules! impl_from_integers {
    ($($int:ty),*) => {$(
        impl From<$int> for SliceItem {
            fn from(index: $int) -> Self {
                SliceItem::Index(isize::try_from(index).unwrap_or(isize::MAX))
            }
        }
        impl From<Range<$int>> for SliceItem {
            fn from(range: Range<$int>) -> Self {
                let [start, end] = [range.start, range.end]
                    .map(|bound| isize::try_from(bound).unwrap_or(isize::MAX));
                SliceItem::Range { start, end: Some(end), step: 1 }
            }
        }
        impl From<RangeInclusive<$int>> for SliceItem {
            fn from(range: RangeInclusive<$int>) -> Self {
                let [start, end] = [*range.start(), *range.end()]
                    .map(|bound| isize::try_from(bound).unwrap_or(isize::MAX));
                SliceItem::Range { start, end: after(end), step: 1 }
            }
        }
        impl From<RangeFrom<$int>> for SliceItem {
            fn from(range: RangeFrom<$int>) -> Self {
                let start = isize::try_from(range.start).unwrap_or(isize::MAX);
                SliceItem::Range { start, end: None, step: 1 }
            }
        }
        impl From<RangeTo<$int>> for SliceItem {
            fn from(range: RangeTo<$int>) -> Self {
                SliceItem::from(0..range.end)
            }
        }
        impl From<RangeToInclusive<$int>> for SliceItem {
            fn from(range: RangeToInclusive<$int>) -> Self {
                SliceItem::from(0..=range.end)
            }
        }
    )*};
}
impl_from_integers!(i32, i64, isize, u32, u64, usize);

/// Names a part of an array, as ndarray's macro of the same name does.
///
/// One item for each axis, separated by commas; trailing axes that are not named are whole. Indices
/// and bounds are `usize`, `isize`, `i32` (as literals are), `u32`, `i64` or `u64`; those of one range
/// have one type:
///
/// | item | keeps |
/// |---|---|
/// | `3`, `-1` | one index, and drops the axis; negative ones count from the end |
/// | `a..b`, `a..=b`, `a..`, `..b`, `..` | the range; negative bounds count from the end |
/// | `a..b;2` | every second index of the range |
/// | `..;-1` | the range from its end backwards |
/// | `NewAxis` | nothing of the array: a new axis of length one |
/// | `...` | as many whole axes as are needed; once at most |
///
/// A negative step runs through the *same* range backwards, as in ndarray: `2..5;-1` gives the
/// indices 4, 3, 2. (NumPy writes that as `4:1:-1`.) Bounds outside the axis, a range that ends
/// before it starts and a step of zero are errors of the method that takes the slice.
///
/// The result is an array of [`SliceItem`]; it allocates nothing.
///
/// # Example
///
/// ```
/// use mmap_array::{Array, NewAxis, s};
///
/// let array = Array::from_vec([2, 3, 4], (0..24).collect())?;
/// let view = array.view();
/// assert_eq!(view.slice(s![1, 0..2, ..;2])?.to_vec(), [12, 14, 16, 18]);
/// assert_eq!(view.slice(s![.., -1, 0])?.to_vec(), [8, 20]);
/// assert_eq!(view.slice(s![..., 3])?.shape(), [2, 3]);
/// assert_eq!(view.slice(s![0, NewAxis])?.shape(), [1, 3, 4]);
/// assert!(view.slice(s![2]).is_err());
/// # Ok::<(), mmap_array::Error>(())
/// ```
#[macro_export]
macro_rules! s {
    ($($items:tt)*) => { $crate::__slice!([] $($items)*) };
}

/// Turns the items of `s![]` into [`SliceItem`]s, one by one: those that are done stand in front,
/// in brackets.
#[doc(hidden)]
#[macro_export]
macro_rules! __slice {
    ([$($done:tt)*]) => {{
        // `1..-1` is not empty here.
        #[allow(clippy::reversed_empty_ranges)]
        let items = $crate::slice_items([$($done)*]);
        items
    }};
    ([$($done:tt)*] ...) => { $crate::__slice!([$($done)* $crate::SliceItem::Ellipsis,]) };
    ([$($done:tt)*] ..., $($rest:tt)*) => {
        $crate::__slice!([$($done)* $crate::SliceItem::Ellipsis,] $($rest)*)
    };
    ([$($done:tt)*] $range:expr; $step:expr) => {
        $crate::__slice!([$($done)* $crate::SliceItem::from($range).step_by($step),])
    };
    ([$($done:tt)*] $range:expr; $step:expr, $($rest:tt)*) => {
        $crate::__slice!([$($done)* $crate::SliceItem::from($range).step_by($step),] $($rest)*)
    };
    ([$($done:tt)*] $item:expr) => {
        $crate::__slice!([$($done)* $crate::SliceItem::from($item),])
    };
    ([$($done:tt)*] $item:expr, $($rest:tt)*) => {
        $crate::__slice!([$($done)* $crate::SliceItem::from($item),] $($rest)*)
    };
}

/// Gives `s![]`, without items, its type.
#[doc(hidden)]
#[must_use]
pub const fn slice_items<const N: usize>(items: [SliceItem; N]) -> [SliceItem; N] {
    items
}

impl Layout {
    /// What `items` keep of this layout, and how far its first element lies from ours.
    pub(crate) fn slice(&self, items: &[SliceItem]) -> Result<(isize, Layout)> {
        let named = items
            .iter()
            .filter(|item| matches!(item, SliceItem::Index(_) | SliceItem::Range { .. }))
            .count();
        let whole = self.ndim().checked_sub(named);
        let too_many = || Error::RankMismatch { expected: self.ndim(), found: named };
        let whole = whole.ok_or_else(too_many)?;

        let (mut shape, mut strides) = (Dims::new(), Dims::new());
        let (mut start, mut axis, mut ellipsis) = (0, 0, false);
        for (place, &item) in items.iter().enumerate() {
            match item {
                SliceItem::Index(index) => {
                    let len = self.shape()[axis];
                    let chosen = from_end(index, len).filter(|&chosen| chosen < len);
                    let outside = || Error::OutOfBounds { axis, index, len };
                    let chosen = chosen.ok_or_else(outside)?;
                    start += chosen as isize * self.strides()[axis];
                    axis += 1;
                }
                SliceItem::Range { start: from, end, step } => {
                    let (first, len, stride) = self.slice_axis(axis, from, end, step)?;
                    start += first as isize * self.strides()[axis];
                    shape.push(len);
                    strides.push(stride);
                    axis += 1;
                }
                SliceItem::NewAxis => {
                    shape.push(1);
                    strides.push(0);
                }
                SliceItem::Ellipsis if ellipsis => {
                    let problem = "`...` may stand once in a slice";
                    return Err(Error::InvalidAxis { axis: place, problem });
                }
                SliceItem::Ellipsis => {
                    ellipsis = true;
                    for _ in 0..whole {
                        shape.push(self.shape()[axis]);
                        strides.push(self.strides()[axis]);
                        axis += 1;
                    }
                }
            }
        }
        for axis in axis..self.ndim() {
            shape.push(self.shape()[axis]);
            strides.push(self.strides()[axis]);
        }
        if shape.len() > MAX_NDIM {
            return Err(Error::TooManyAxes { path: PathBuf::new(), found: shape.len() });
        }
        Ok((start, Layout::from_parts(shape, strides)))
    }

    /// First index, length and stride of a range of one axis.
    fn slice_axis(
        &self,
        axis: usize,
        start: isize,
        end: Option<isize>,
        step: isize,
    ) -> Result<(usize, usize, isize)> {
        let len = self.shape()[axis];
        if step == 0 {
            return Err(Error::InvalidAxis { axis, problem: "a step of 0 leads nowhere" });
        }
        let outside = |index| Error::OutOfBounds { axis, index, len };
        let from = from_end(start, len).ok_or_else(|| outside(start))?;
        let to = match end {
            None => len,
            Some(end) if end > 0 => from_end(end, len).ok_or_else(|| outside(end - 1))?,
            Some(end) => from_end(end, len).ok_or_else(|| outside(end))?,
        };
        if from > to {
            return Err(Error::ReversedRange { axis, start: from, end: to });
        }
        let count = (to - from).div_ceil(step.unsigned_abs());
        let first = match count {
            0 => 0, // nothing is kept, so nothing moves
            _ if step > 0 => from,
            _ => to - 1,
        };
        // With two or more kept, |step| is below the axis's length and condition 3 holds. With
        // fewer the stride is never used.
        let stride = if count > 1 { self.strides()[axis] * step } else { self.strides()[axis] };
        Ok((first, count, stride))
    }
}

/// A bound that counts from the end if negative; `None` outside `0..=len`.
fn from_end(bound: isize, len: usize) -> Option<usize> {
    let bound =
        if bound < 0 { len.checked_sub(bound.unsigned_abs())? } else { bound.unsigned_abs() };
    (bound <= len).then_some(bound)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::Order;

    fn layout(shape: &[usize]) -> Layout {
        Layout::new(shape, Order::C).unwrap()
    }

    fn indices(len: usize, item: SliceItem) -> Vec<isize> {
        let (start, kept) = layout(&[len]).slice(&[item]).unwrap();
        (0..kept.len()).map(|i| start + kept.position(&[i]).unwrap()).collect()
    }

    #[test]
    fn a_negative_step_takes_the_same_range_backwards() {
        let [item] = s![2..5;-1];
        assert_eq!(indices(7, item), [4, 3, 2]);
        let [item] = s![..;-2];
        assert_eq!(indices(6, item), [5, 3, 1]);
        let [item] = s![1..=-1;3];
        assert_eq!(indices(8, item), [1, 4, 7]);
    }

    #[test]
    fn every_form_of_the_grammar_is_understood() {
        let n = 2_usize;
        assert_eq!(s![], [] as [SliceItem; 0]);
        let items = s![1, -1, n, .., 1.., ..n, ..=2, 0..n, 0..=-2;2, ..;-1, NewAxis, ...];
        let range = |start, end, step| SliceItem::Range { start, end, step };
        assert_eq!(
            items,
            [
                SliceItem::Index(1),
                SliceItem::Index(-1),
                SliceItem::Index(2),
                range(0, None, 1),
                range(1, None, 1),
                range(0, Some(2), 1),
                range(0, Some(3), 1),
                range(0, Some(2), 1),
                range(0, Some(-1), 2),
                range(0, None, -1),
                SliceItem::NewAxis,
                SliceItem::Ellipsis,
            ]
        );
    }

    #[test]
    fn indices_may_be_any_of_the_usual_integers() {
        let (a, b, c, d, e) = (1_u32, -2_i64, 3_u64, 4_usize, 5_isize);
        let range = |start, end| SliceItem::Range { start, end: Some(end), step: 1 };
        assert_eq!(
            s![a, b, c, d, e, ..a, 0..=c, b..-1, 0..d],
            [
                SliceItem::Index(1),
                SliceItem::Index(-2),
                SliceItem::Index(3),
                SliceItem::Index(4),
                SliceItem::Index(5),
                range(0, 1),
                range(0, 4),
                range(-2, -1),
                range(0, 4),
            ]
        );
        let far = s![u64::MAX, i64::MIN..];
        assert!(matches!(
            layout(&[2, 3]).slice(&far[..1]),
            Err(Error::OutOfBounds { axis: 0, .. })
        ));
        assert!(matches!(
            layout(&[2, 3]).slice(&far[1..]),
            Err(Error::OutOfBounds { axis: 0, .. })
        ));
    }

    #[test]
    fn axes_that_are_not_named_are_whole() {
        let (_, kept) = layout(&[2, 3, 4]).slice(&s![1]).unwrap();
        assert_eq!(kept.shape(), [3, 4]);
        let (start, kept) = layout(&[2, 3, 4]).slice(&s![..., 2]).unwrap();
        assert_eq!((start, kept.shape()), (2, &[2, 3][..]));
        let (_, kept) = layout(&[2]).slice(&s![..., NewAxis, 0]).unwrap();
        assert_eq!(kept.shape(), [1]);
    }

    #[test]
    fn what_does_not_fit_is_an_error_with_its_numbers() {
        let layout = layout(&[2, 3]);
        let error = |items: &[SliceItem]| layout.slice(items).unwrap_err();
        assert!(matches!(error(&s![0, 3]), Error::OutOfBounds { axis: 1, index: 3, len: 3 }));
        assert!(matches!(error(&s![-3]), Error::OutOfBounds { axis: 0, index: -3, len: 2 }));
        assert!(matches!(error(&s![.., 1..4]), Error::OutOfBounds { axis: 1, index: 3, len: 3 }));
        assert!(matches!(error(&s![2..1]), Error::ReversedRange { start: 2, end: 1, .. }));
        assert!(matches!(error(&s![..;0]), Error::InvalidAxis { axis: 0, .. }));
        assert!(matches!(error(&s![..., ...]), Error::InvalidAxis { axis: 1, .. }));
        assert!(matches!(error(&s![0, 0, 0]), Error::RankMismatch { expected: 2, found: 3 }));
        assert!(matches!(error(&s![isize::MIN..]), Error::OutOfBounds { index: isize::MIN, .. }));
        assert!(matches!(error(&s![usize::MAX]), Error::OutOfBounds { .. }));
        assert!(matches!(error(&[SliceItem::NewAxis; 65]), Error::TooManyAxes { found: 67, .. }));
    }

    #[test]
    fn extreme_steps_keep_one_index() {
        let [item] = s![..;isize::MIN];
        assert_eq!(indices(5, item), [4]);
        let [item] = s![..;isize::MAX];
        assert_eq!(indices(5, item), [0]);
    }
}
