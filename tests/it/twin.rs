//! The naive twin: an array so simple that it is unlikely to be wrong; and what to try on it.
//!
//! A twin is a shape and its elements in row-major order. Whatever is done to it goes through all
//! indices one by one. The twin of a view holds, in place of each element, where in the view's
//! memory it is: such a twin says what the view must read, and what it may change.

use std::ops::Range;

use mmap_array::{Element, SliceItem, bytemuck};
use proptest::prelude::*;

use crate::common::{for_each_index, number};

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Twin<T> {
    pub(crate) shape: Vec<usize>,
    pub(crate) elements: Vec<T>,
}

/// The `k`-th element of a type of at most 8 bytes; `seed` makes other ones.
pub(crate) fn nth<T: Element>(seed: usize, k: usize) -> T {
    let mut element = T::zeroed();
    let number = (1 + k as u64 + ((seed as u64) << 40)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let size = size_of::<T>();
    bytemuck::bytes_of_mut(&mut element).copy_from_slice(&number.to_be_bytes()[..size]);
    element
}

/// Elements as bytes: two not-a-numbers are the same if their bytes are.
pub(crate) fn bytes<T: Element>(elements: &[T]) -> &[u8] {
    bytemuck::cast_slice(elements)
}

impl<T: Element> Twin<T> {
    pub(crate) fn new(shape: &[usize], seed: usize) -> Twin<T> {
        let len = shape.iter().product();
        Twin { shape: shape.to_vec(), elements: (0..len).map(|k| nth(seed, k)).collect() }
    }
}

impl<T: Copy> Twin<T> {
    /// The array of this shape whose element at an index is ours at the place that `place` finds.
    fn gather(&self, shape: &[usize], mut place: impl FnMut(&[usize], &mut [usize])) -> Twin<T> {
        let mut elements = Vec::new();
        let mut from = vec![0; self.shape.len()];
        for_each_index(shape, |index| {
            place(index, &mut from);
            elements.push(self.elements[number(&self.shape, &from)]);
        });
        Twin { shape: shape.to_vec(), elements }
    }

    pub(crate) fn slice(&self, items: &[SliceItem]) -> Option<Twin<T>> {
        let kept = Kept::new(&self.shape, items)?;
        Some(self.gather(&kept.shape(), |index, from| kept.place(index, from)))
    }

    pub(crate) fn permute(&self, axes: &[usize]) -> Twin<T> {
        let shape: Vec<usize> = axes.iter().map(|&axis| self.shape[axis]).collect();
        self.gather(&shape, |index, from| {
            for i in 0..axes.len() {
                from[axes[i]] = index[i];
            }
        })
    }

    /// Puts the elements of `other` where `items` lead.
    pub(crate) fn assign(&mut self, items: &[SliceItem], other: &Twin<T>) {
        let kept = Kept::new(&self.shape, items).expect("a slice that fits");
        assert_eq!(kept.shape(), other.shape);
        let mut place = vec![0; self.shape.len()];
        let mut elements = other.elements.iter();
        for_each_index(&other.shape, |index| {
            kept.place(index, &mut place);
            self.elements[number(&self.shape, &place)] = *elements.next().expect("as many");
        });
    }

    pub(crate) fn transpose(&self) -> Twin<T> {
        self.permute(&(0..self.shape.len()).rev().collect::<Vec<_>>())
    }

    /// The indices in these ranges, one range for each axis.
    fn window(&self, ranges: &[Range<usize>]) -> Twin<T> {
        let shape: Vec<usize> = ranges.iter().map(ExactSizeIterator::len).collect();
        self.gather(&shape, |index, from| {
            for axis in 0..index.len() {
                from[axis] = ranges[axis].start + index[axis];
            }
        })
    }

    /// The indices before and from `index` of an axis on.
    pub(crate) fn split_at(&self, axis: usize, index: usize) -> Option<[Twin<T>; 2]> {
        let len = *self.shape.get(axis).filter(|&&len| index <= len)?;
        let mut ranges: Vec<_> = self.shape.iter().map(|&len| 0..len).collect();
        Some([0..index, index..len].map(|range| {
            ranges[axis] = range;
            self.window(&ranges)
        }))
    }

    /// The lanes along an axis; an empty lane is none.
    pub(crate) fn lanes(&self, axis: usize) -> Vec<Twin<T>> {
        let mut axes: Vec<usize> = (0..self.shape.len()).filter(|&other| other != axis).collect();
        axes.push(axis);
        // With the axis last the lanes stand one after the other.
        let turned = self.permute(&axes).elements;
        let lanes = turned.chunks(self.shape[axis].max(1));
        lanes.map(|lane| Twin { shape: vec![lane.len()], elements: lane.to_vec() }).collect()
    }

    /// The parts at each index of the first axis.
    pub(crate) fn rows(&self) -> Vec<Twin<T>> {
        let rows = 0..self.shape.first().copied().unwrap_or(0);
        rows.map(|row| self.slice(&[SliceItem::Index(row as isize)]).expect("a row")).collect()
    }

    /// Boxes that cover all, each with its start.
    pub(crate) fn tiles(&self, tile: &[usize]) -> Vec<(Vec<usize>, Twin<T>)> {
        let counts: Vec<usize> =
            self.shape.iter().zip(tile).map(|(len, tile)| len.div_ceil(*tile)).collect();
        let mut tiles = Vec::new();
        for_each_index(&counts, |index| {
            let start: Vec<usize> = index.iter().zip(tile).map(|(i, tile)| i * tile).collect();
            let end = |axis: usize| self.shape[axis].min(start[axis].saturating_add(tile[axis]));
            let ranges: Vec<_> = (0..start.len()).map(|axis| start[axis]..end(axis)).collect();
            tiles.push((start, self.window(&ranges)));
        });
        tiles
    }

    /// Tiles that are whole along all axes but the first.
    pub(crate) fn outer_blocks(&self, rows: usize) -> Vec<(Vec<usize>, Twin<T>)> {
        let mut tile: Vec<usize> = self.shape.iter().map(|&len| len.max(1)).collect();
        tile.iter_mut().take(1).for_each(|len| *len = rows);
        self.tiles(&tile)
    }
}

impl Twin<usize> {
    /// The twin of a view of a whole array of this shape.
    pub(crate) fn places(shape: &[usize]) -> Twin<usize> {
        Twin { shape: shape.to_vec(), elements: (0..shape.iter().product()).collect() }
    }

    /// The places of some parts, one part after the other.
    pub(crate) fn places_of(parts: &[Twin<usize>]) -> Vec<usize> {
        parts.iter().flat_map(|part| part.elements.iter().copied()).collect()
    }

    pub(crate) fn are_adjacent(&self) -> bool {
        self.elements.windows(2).all(|pair| pair[0] + 1 == pair[1])
    }

    /// What is seen now, or `None` where that is no way to see it.
    pub(crate) fn shaped(&self, shaping: &Shaping) -> Option<Twin<usize>> {
        let shaped = match shaping {
            Shaping::Slice(items) => self.slice(items)?,
            Shaping::Transpose => self.transpose(),
            Shaping::Permute(axes) => {
                let mut sorted = axes.clone();
                sorted.sort_unstable();
                let all = sorted.into_iter().eq(0..self.shape.len());
                all.then(|| self.permute(axes))?
            }
            Shaping::MergeAxes(axes) => self.merge_axes(axes.clone())?,
            Shaping::SplitAxis(axis, lens) => self.split_axis(*axis, lens)?,
            Shaping::Before(axis, index) => self.split_at(*axis, *index)?[0].clone(),
            Shaping::After(axis, index) => self.split_at(*axis, *index)?[1].clone(),
        };
        (shaped.shape.len() <= 64).then_some(shaped)
    }

    fn merge_axes(&self, axes: Range<usize>) -> Option<Twin<usize>> {
        if axes.is_empty() || axes.end > self.shape.len() {
            return None;
        }
        let len = self.shape[axes.clone()].iter().product::<usize>();
        let mut order: Vec<usize> = (0..self.shape.len()).filter(|i| !axes.contains(i)).collect();
        order.extend(axes.clone());
        // With these axes last, the places along them stand one after the other: at one distance,
        // or there is no stride for them.
        let even = |places: &[usize]| places.windows(3).all(|p| p[0] + p[2] == 2 * p[1]);
        let one_stride = self.permute(&order).elements.chunks(len.max(1)).all(even);
        let mut shape = self.shape.clone();
        shape.splice(axes, [len]);
        one_stride.then(|| Twin { shape, elements: self.elements.clone() })
    }

    fn split_axis(&self, axis: usize, lens: &[usize]) -> Option<Twin<usize>> {
        let product = lens.iter().try_fold(1, |product: usize, &len| product.checked_mul(len))?;
        if Some(&product) != self.shape.get(axis) {
            return None;
        }
        let mut shape = self.shape.clone();
        shape.splice(axis..axis + 1, lens.iter().copied());
        // A length of zero excuses no overflow.
        let mut counted = shape.iter().filter(|&&len| len > 0);
        counted.try_fold(1, |product: isize, &len| product.checked_mul(len.try_into().ok()?))?;
        Some(Twin { shape, elements: self.elements.clone() })
    }
}

/// A way to see the elements, or a part of them, differently.
#[derive(Debug, Clone)]
pub(crate) enum Shaping {
    Slice(Vec<SliceItem>),
    Transpose,
    Permute(Vec<usize>),
    MergeAxes(Range<usize>),
    SplitAxis(usize, Vec<usize>),
    /// What is before an index of an axis.
    Before(usize, usize),
    /// What is from an index of an axis on.
    After(usize, usize),
}

/// What a slice keeps: for each axis of the array the indices, and whether the axis is kept; for
/// each axis of the result, the axis that it comes from.
struct Kept {
    chosen: Vec<Vec<usize>>,
    from: Vec<Option<usize>>,
}

impl Kept {
    /// `None` where the slice does not fit.
    fn new(shape: &[usize], items: &[SliceItem]) -> Option<Kept> {
        let named = |item: &&SliceItem| !matches!(item, SliceItem::NewAxis | SliceItem::Ellipsis);
        let whole = shape.len().checked_sub(items.iter().filter(named).count())?;
        let dots = items.iter().filter(|&&item| item == SliceItem::Ellipsis).count();
        if dots > 1 {
            return None;
        }
        let all = SliceItem::Range { start: 0, end: None, step: 1 };
        let mut plain: Vec<SliceItem> = Vec::new();
        for &item in items {
            match item {
                SliceItem::Ellipsis => plain.extend(vec![all; whole]),
                other => plain.push(other),
            }
        }
        if dots == 0 {
            plain.extend(vec![all; whole]);
        }
        let mut kept = Kept { chosen: vec![], from: vec![] };
        for item in plain {
            if item == SliceItem::NewAxis {
                kept.from.push(None);
                continue;
            }
            let axis = kept.chosen.len();
            if !matches!(item, SliceItem::Index(_)) {
                kept.from.push(Some(axis));
            }
            kept.chosen.push(chosen(shape[axis] as i128, item)?);
        }
        Some(kept)
    }

    fn shape(&self) -> Vec<usize> {
        self.from.iter().map(|axis| axis.map_or(1, |axis| self.chosen[axis].len())).collect()
    }

    /// Where the element at `index` of the result comes from.
    fn place(&self, index: &[usize], from: &mut [usize]) {
        // An axis that is not kept has one index.
        for (place, chosen) in from.iter_mut().zip(&self.chosen) {
            *place = chosen[0];
        }
        for (&axis, &i) in self.from.iter().zip(index) {
            if let Some(axis) = axis {
                from[axis] = self.chosen[axis][i];
            }
        }
    }
}

/// The indices of one axis that an item keeps, in the order in which it keeps them.
fn chosen(len: i128, item: SliceItem) -> Option<Vec<usize>> {
    let from_end = |bound: isize| if bound < 0 { len + bound as i128 } else { bound as i128 };
    match item {
        SliceItem::Index(index) => {
            let index = from_end(index);
            (0..len).contains(&index).then(|| vec![index as usize])
        }
        SliceItem::Range { start, end, step } => {
            let (start, end) = (from_end(start), end.map_or(len, from_end));
            if step == 0 || start < 0 || end > len || start > end {
                return None;
            }
            let mut range: Vec<usize> = (start as usize..end as usize).collect();
            if step < 0 {
                range.reverse();
            }
            let every = step.unsigned_abs();
            Some(
                range
                    .into_iter()
                    .enumerate()
                    .filter(|(i, _)| i % every == 0)
                    .map(|p| p.1)
                    .collect(),
            )
        }
        SliceItem::NewAxis | SliceItem::Ellipsis => unreachable!("they choose nothing"),
    }
}

// ---- what to try --------------------------------------------------------------------------------

pub(crate) fn config() -> ProptestConfig {
    let cases = if cfg!(miri) { 4 } else { ProptestConfig::default().cases };
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

/// Shapes of up to six axes and some thousand elements; some lengths are zero.
pub(crate) fn shapes() -> impl Strategy<Value = Vec<usize>> {
    // Miri is some hundred times slower.
    let (longest, most) = if cfg!(miri) { (3_usize, 3) } else { (4, 6) };
    let len = prop_oneof![1 => Just(0_usize), 4 => Just(1), 14 => 2..=longest];
    prop::collection::vec(len, 0..=most)
}

/// Raw numbers that [`fitting`] makes a slice of.
pub(crate) type Raw = Vec<[u8; 4]>;

pub(crate) fn raws() -> impl Strategy<Value = Raw> {
    prop::collection::vec(any::<[u8; 4]>(), 0..=8)
}

/// A slice that fits an array of this shape.
pub(crate) fn fitting(shape: &[usize], raw: &Raw) -> Vec<SliceItem> {
    let mut items = Vec::new();
    let mut axes = shape.iter();
    let mut dots = false;
    for &[kind, a, b, c] in raw {
        let (a, b) = (usize::from(a), usize::from(b));
        if kind % 8 == 0 {
            items.push(SliceItem::NewAxis);
            continue;
        }
        if kind % 8 == 1 && !dots {
            // As many axes as the dots swallow must stay for them.
            dots = true;
            items.push(SliceItem::Ellipsis);
            axes = axes.as_slice()[(a % 3).min(axes.len())..].iter();
            continue;
        }
        let Some(&len) = axes.next() else { break };
        let sign = |bound: usize, negative: bool| {
            if negative && bound < len { bound as isize - len as isize } else { bound as isize }
        };
        if kind % 8 == 2 && len > 0 {
            items.push(SliceItem::Index(sign(a % len, c % 2 == 1)));
            continue;
        }
        let (start, end) = (a % (len + 1), b % (len + 1));
        let (start, end) = if kind % 8 > 5 { (0, len) } else { (start.min(end), start.max(end)) };
        let end = if end == len { None } else { Some(sign(end, c % 4 > 1)) };
        let step = [1, 1, 2, 3, -1, -1, -2, -3][usize::from(c >> 2) % 8];
        items.push(SliceItem::Range { start: sign(start, c % 2 == 1), end, step });
    }
    if dots { with_all_axes(shape, items) } else { items }
}

/// Dots take exactly the axes that nothing else names, so what is said behind them must fit those
/// axes: here it is said of whole axes only where it might not.
fn with_all_axes(shape: &[usize], mut items: Vec<SliceItem>) -> Vec<SliceItem> {
    if Kept::new(shape, &items).is_none() {
        for item in &mut items {
            if let SliceItem::Index(_) | SliceItem::Range { .. } = item {
                *item = SliceItem::Range { start: 0, end: None, step: -1 };
            }
        }
    }
    items
}

/// An order of the axes, from raw numbers.
pub(crate) fn order_of_axes(ndim: usize, raw: &Raw) -> Vec<usize> {
    let mut left: Vec<usize> = (0..ndim).collect();
    let numbers =
        raw.iter().map(|&[_, number, ..]| usize::from(number)).chain(std::iter::repeat(0));
    numbers.take(ndim).map(|number| left.remove(number % left.len())).collect()
}

/// Any items at all: most of them fit nothing.
pub(crate) fn any_items() -> impl Strategy<Value = Vec<SliceItem>> {
    let bound = || prop_oneof![12 => -5..6_isize, 1 => Just(isize::MIN), 1 => Just(isize::MAX)];
    let end = prop_oneof![1 => Just(None), 3 => bound().prop_map(Some)];
    let item = prop_oneof![
        4 => bound().prop_map(SliceItem::Index),
        8 => (bound(), end, bound())
            .prop_map(|(start, end, step)| SliceItem::Range { start, end, step }),
        1 => Just(SliceItem::NewAxis),
        1 => Just(SliceItem::Ellipsis),
    ];
    prop::collection::vec(item, 0..=4)
}

/// Raw numbers that [`Shaping::fitting`] makes a shaping of, several times.
pub(crate) type Turns = Vec<(u8, Raw)>;

pub(crate) fn turns() -> impl Strategy<Value = Turns> {
    prop::collection::vec((any::<u8>(), raws()), 0..=if cfg!(miri) { 3 } else { 5 })
}

impl Shaping {
    /// One that fits an array of this shape, but for strides that do not allow a merge.
    pub(crate) fn fitting(shape: &[usize], kind: u8, raw: &Raw) -> Shaping {
        let [a, b, c, _] = raw.first().copied().unwrap_or_default().map(usize::from);
        let axis = a % shape.len().max(1);
        let len = shape.get(axis).copied().unwrap_or(0);
        match kind % 10 {
            0..=2 => Shaping::Slice(fitting(shape, raw)),
            3 => Shaping::Transpose,
            4 => Shaping::Permute(order_of_axes(shape.len(), raw)),
            5 | 6 => Shaping::MergeAxes(axis..axis + 1 + b % (shape.len() - axis).max(1)),
            7 => Shaping::SplitAxis(axis, factors(len, b, c)),
            8 => Shaping::Before(axis, b % (len + 1)),
            _ => Shaping::After(axis, b % (len + 1)),
        }
    }
}

/// Lengths that multiply to `len`, chosen by two numbers.
fn factors(len: usize, b: usize, c: usize) -> Vec<usize> {
    if len == 0 {
        return vec![b % 3, 0, c % 4];
    }
    let divisors: Vec<usize> = (1..=len).filter(|&divisor| len.is_multiple_of(divisor)).collect();
    let divisor = divisors[b % divisors.len()];
    match c % 4 {
        0 if len == 1 => vec![],
        1 => vec![divisor, 1, len / divisor],
        _ => vec![divisor, len / divisor],
    }
}

/// Any shaping at all: most of them fit nothing.
pub(crate) fn any_shaping() -> impl Strategy<Value = Shaping> {
    let number = || prop_oneof![12 => 0..5_usize, 1 => Just(usize::MAX)];
    let numbers = || prop::collection::vec(number(), 0..=4);
    prop_oneof![
        2 => any_items().prop_map(Shaping::Slice),
        1 => numbers().prop_map(Shaping::Permute),
        2 => (number(), number()).prop_map(|(start, end)| Shaping::MergeAxes(start..end)),
        2 => (number(), numbers()).prop_map(|(axis, lens)| Shaping::SplitAxis(axis, lens)),
        1 => number().prop_map(|axis| Shaping::SplitAxis(axis, vec![1; 64])),
        1 => (number(), number()).prop_map(|(axis, index)| Shaping::Before(axis, index)),
        1 => (number(), number()).prop_map(|(axis, index)| Shaping::After(axis, index)),
    ]
}
