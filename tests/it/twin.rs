//! The naive twin: an array so simple that it is unlikely to be wrong, and views compared with it.
//!
//! A twin is a shape and its elements in row-major order. Whatever is done to it goes through all
//! indices one by one.

use mmap_array::{Bytes, Element, SliceItem, View, bytemuck};
use proptest::prelude::*;

use crate::common::{for_each_index, number};

#[derive(Debug, Clone)]
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
    let len = prop_oneof![1 => Just(0_usize), 4 => Just(1), 14 => 2..5_usize];
    // Miri is some hundred times slower.
    prop::collection::vec(len, 0..=if cfg!(miri) { 3 } else { 6 })
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
fn any_items() -> impl Strategy<Value = Vec<SliceItem>> {
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

// ---- views --------------------------------------------------------------------------------------

/// Fails unless the view, asked in every way, is the twin.
fn assert_same<T: Element>(view: &View<'_, T>, twin: &Twin<T>) {
    assert_eq!(view.shape(), twin.shape);
    assert_eq!((view.ndim(), view.len()), (twin.shape.len(), twin.elements.len()));
    assert_eq!(view.is_empty(), twin.elements.is_empty());
    assert_eq!(bytes(&view.to_vec()), bytes(&twin.elements));

    let mut iter = view.iter();
    assert_eq!(iter.len(), twin.elements.len());
    let copied: Vec<T> = iter.by_ref().copied().collect();
    assert_eq!(bytes(&copied), bytes(&twin.elements));
    assert!(iter.next().is_none() && iter.len() == 0);

    let mut elements = twin.elements.iter();
    for_each_index(&twin.shape, |index| {
        let found = view.get(index).expect("an index inside");
        assert_eq!(bytes(&[*found]), bytes(&[*elements.next().unwrap()]), "{index:?}");
    });
    assert!(view.get(&twin.shape).is_none() || twin.shape.is_empty());
    if let Some(elements) = view.as_slice() {
        assert_eq!(bytes(elements), bytes(&twin.elements));
    }

    for axis in 0..twin.shape.len() {
        // A twin with the axis last has the lanes one after the other.
        let mut axes: Vec<usize> = (0..twin.shape.len()).filter(|&other| other != axis).collect();
        axes.push(axis);
        let lanes = view.lanes(axis).unwrap();
        assert!(view.is_empty() || lanes.len() * twin.shape[axis] == view.len());
        let elements: Vec<T> = lanes.flat_map(|lane| lane.to_vec()).collect();
        assert_eq!(bytes(&elements), bytes(&twin.permute(&axes).elements), "axis {axis}");
    }
    assert!(view.lanes(twin.shape.len()).is_err());

    let rows = view.outer_iter();
    assert_eq!(rows.len(), twin.shape.first().copied().unwrap_or(0));
    let elements: Vec<T> = rows.flat_map(|row| row.to_vec()).collect();
    assert!(twin.shape.is_empty() || bytes(&elements) == bytes(&twin.elements));
}

/// Slices, turns and slices again.
fn check_view<T: Element>(shape: &[usize], first: &Raw, turn: &Raw, second: &Raw) {
    let twin = Twin::<T>::new(shape, 1);
    let view = View::from_shape(shape, &twin.elements).unwrap();
    assert_same(&view, &twin);

    let items = fitting(shape, first);
    let twin = twin.slice(&items).expect("a slice that fits");
    let view = view.slice(&items).unwrap();
    assert_same(&view, &twin);

    let reversed: Vec<usize> = (0..twin.shape.len()).rev().collect();
    assert_same(&view.transpose(), &twin.permute(&reversed));
    let axes = order_of_axes(twin.shape.len(), turn);
    let (view, twin) = (view.permute(&axes).unwrap(), twin.permute(&axes));
    assert_same(&view, &twin);

    let items = fitting(&twin.shape, second);
    assert_same(&view.slice(&items).unwrap(), &twin.slice(&items).expect("a slice that fits"));
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn slices_and_turns_of_views_are_those_of_the_twin(
        shape in shapes(), first in raws(), turn in raws(), second in raws(),
    ) {
        check_view::<u8>(&shape, &first, &turn, &second);
        check_view::<Bytes<3>>(&shape, &first, &turn, &second);
        check_view::<f64>(&shape, &first, &turn, &second);
    }

    #[test]
    fn a_slice_is_taken_or_refused_exactly_as_the_twins(
        shape in prop::collection::vec(0..5_usize, 0..=3), items in any_items(),
    ) {
        let twin = Twin::<i16>::new(&shape, 2);
        let view = View::from_shape(&shape, &twin.elements).unwrap();
        match (view.slice(&items), twin.slice(&items)) {
            (Ok(view), Some(twin)) => assert_same(&view, &twin),
            (Err(_), None) => {}
            (found, expected) => panic!("{found:?} for {expected:?}"),
        }
    }
}
