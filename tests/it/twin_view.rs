//! Views compared with the naive twin: every way to see a part of one or to turn it around, one
//! after the other, and every way to read what is seen.

use std::ptr;

use mmap_array::{Bytes, Element, NewAxis, View, s};
use proptest::prelude::*;

use crate::common::for_each_index;
use crate::twin::{
    Shaping, Turns, Twin, any_items, any_shaping, bytes, config, nth, shapes, turns,
};

/// Shapes views, shared or mutable: their methods have the same names.
macro_rules! shaped {
    ($view:expr, $shaping:expr) => {
        match $shaping {
            Shaping::Slice(items) => $view.slice(items),
            Shaping::Transpose => Ok($view.transpose()),
            Shaping::Permute(axes) => $view.permute(axes),
            Shaping::MergeAxes(axes) => $view.merge_axes(axes.clone()),
            Shaping::SplitAxis(axis, lens) => $view.split_axis(*axis, lens),
            Shaping::Before(axis, index) => $view.split_at(*axis, *index).map(|parts| parts.0),
            Shaping::After(axis, index) => $view.split_at(*axis, *index).map(|parts| parts.1),
        }
    };
}
pub(crate) use shaped;

/// The twin of a view of a part of some memory: where, counted from the memory's first element, the
/// view's elements are.
pub(crate) fn seen<T: Element>(view: &View<'_, T>, first: *const T) -> Twin<usize> {
    let elements = view.iter().map(|element| place(element, first)).collect();
    Twin { shape: view.shape().to_vec(), elements }
}

fn place<T>(element: &T, first: *const T) -> usize {
    (ptr::from_ref(element).addr() - first.addr()) / size_of::<T>()
}

/// Tiles of several shapes with this many axes.
pub(crate) fn some_tiles(ndim: usize) -> [Vec<usize>; 3] {
    [0, 1, 2].map(|shift| (0..ndim).map(|axis| [2, 1, 3, usize::MAX][(axis + shift) % 4]).collect())
}

/// Fails unless the view, asked in every way, is the twin.
fn assert_same<T: Element + PartialEq>(view: &View<'_, T>, memory: &[T], twin: &Twin<usize>) {
    assert_eq!(view.shape(), twin.shape);
    assert_eq!((view.ndim(), view.strides().len()), (twin.shape.len(), twin.shape.len()));
    assert_eq!((view.len(), view.is_empty()), (twin.elements.len(), twin.elements.is_empty()));
    assert_iterates(view, memory.as_ptr(), twin);
    assert_indexes(view, memory.as_ptr(), twin);
    let elements: Vec<T> = twin.elements.iter().map(|&place| memory[place]).collect();
    assert_copies(view, &elements);
    assert_parts(view, memory.as_ptr(), twin);
}

fn assert_iterates<T: Element>(view: &View<'_, T>, first: *const T, twin: &Twin<usize>) {
    assert_eq!(&seen(view, first), twin);
    let len = twin.elements.len();
    for taken in [0, 1, len / 2, len] {
        let taken = taken.min(len);
        let mut iter = view.iter();
        for &expected in &twin.elements[..taken] {
            assert_eq!(iter.next().map(|element| place(element, first)), Some(expected));
        }
        let left = len - taken;
        assert_eq!((iter.len(), iter.size_hint()), (left, (left, Some(left))));
        let mut rest = twin.elements[taken..].iter();
        let count = iter.clone().fold(0, |count, element| {
            assert_eq!(Some(&place(element, first)), rest.next());
            count + 1
        });
        assert_eq!(count, left);
        assert_eq!(iter.nth(left.saturating_sub(1)).is_some(), left > 0);
        assert!(iter.next().is_none() && iter.next().is_none() && iter.len() == 0);
    }
    let in_memory = view.fold(Vec::new(), |mut places, element| {
        places.push(place(element, first));
        places
    });
    let mut sorted = twin.elements.clone();
    sorted.sort_unstable();
    assert_eq!(in_memory, sorted);
}

fn assert_indexes<T: Element>(view: &View<'_, T>, first: *const T, twin: &Twin<usize>) {
    let mut places = twin.elements.iter();
    for_each_index(&twin.shape, |index| {
        let expected = *places.next().unwrap();
        assert_eq!(place(&view[index], first), expected, "{index:?}");
        assert_eq!(view.get(index).map(|element| place(element, first)), Some(expected));
    });
    for axis in 0..twin.shape.len() {
        for outside in [twin.shape[axis], usize::MAX] {
            let mut index = vec![0; twin.shape.len()];
            index[axis] = outside;
            assert!(view.get(&index).is_none());
        }
    }
    assert!(view.get(vec![0; twin.shape.len() + 1]).is_none());
    assert!(twin.shape.is_empty() || view.get(&twin.shape[1..]).is_none());
    match view.as_slice() {
        Some([]) => assert!(twin.elements.is_empty()),
        Some(elements) => {
            assert_eq!((elements.len(), twin.are_adjacent()), (twin.elements.len(), true));
            assert_eq!(place(&elements[0], first), twin.elements[0]);
        }
        None => assert!(!twin.are_adjacent()),
    }
}

fn assert_copies<T: Element + PartialEq>(view: &View<'_, T>, elements: &[T]) {
    assert_eq!(bytes(&view.to_vec()), bytes(elements));
    let array = view.to_array().unwrap();
    assert_eq!((array.shape(), bytes(array.as_slice())), (view.shape(), bytes(elements)));

    let mut out = vec![nth(9, 0); elements.len()];
    view.copy_to_slice(&mut out).unwrap();
    assert_eq!(bytes(&out), bytes(elements));
    let mut long = vec![nth(9, 0); elements.len() + 1];
    assert!(view.copy_to_slice(&mut long).is_err());
    assert_eq!(bytes(&long), bytes(&vec![nth::<T>(9, 0); elements.len() + 1]));

    // A not-a-number is equal to nothing, and elements of one byte are soon equal by chance.
    let equal = out == elements;
    assert_eq!((*view == array, array == *view), (equal, equal));
    assert_eq!(*view == view.clone(), equal);
    if let Some(last) = out.last_mut() {
        *last = nth(9, 1);
        let equal = out == elements;
        let other = View::from_shape(view.shape(), &out).unwrap();
        assert_eq!(*view == other, equal);
    }
    if let Ok(longer) = view.slice(s![NewAxis]) {
        assert!(*view != longer);
    }
}

fn assert_parts<T: Element>(view: &View<'_, T>, first: *const T, twin: &Twin<usize>) {
    let seen = |part: View<'_, T>| seen(&part, first);
    let ndim = twin.shape.len();
    for axis in 0..ndim {
        let (lanes, expected) = (view.lanes(axis).unwrap(), twin.lanes(axis));
        assert_eq!(lanes.len(), expected.len());
        assert_eq!(lanes.map(seen).collect::<Vec<_>>(), expected, "axis {axis}");
        for index in 0..=twin.shape[axis] {
            let (before, after) = view.split_at(axis, index).unwrap();
            assert_eq!([seen(before), seen(after)], twin.split_at(axis, index).unwrap());
        }
        assert!(view.split_at(axis, twin.shape[axis] + 1).is_err());
    }
    assert!(view.lanes(ndim).is_err() && view.split_at(ndim, 0).is_err());

    let (mut rows, expected) = (view.outer_iter(), twin.rows());
    assert_eq!(rows.clone().map(seen).collect::<Vec<_>>(), expected);
    let (mut front, mut back) = (Vec::new(), Vec::new());
    while let Some(row) = rows.next() {
        front.push(seen(row));
        back.extend(rows.next_back().map(seen));
        assert_eq!(rows.len(), expected.len() - front.len() - back.len());
    }
    front.extend(back.into_iter().rev());
    assert_eq!(front, expected);

    for rows in [1, 2, 3, usize::MAX] {
        let blocks = view.outer_blocks(rows).unwrap();
        let expected = twin.outer_blocks(rows);
        assert_eq!(blocks.len(), expected.len());
        assert!(blocks.map(|(at, block)| (at.start().to_vec(), seen(block))).eq(expected));
    }
    for tile in some_tiles(ndim) {
        let (tiles, expected) = (view.tiles(&tile).unwrap(), twin.tiles(&tile));
        assert_eq!(tiles.len(), expected.len());
        for ((at, tile), (start, expected)) in tiles.zip(expected) {
            assert_eq!((at.start(), at.shape()), (&start[..], tile.shape()));
            assert_eq!(seen(tile), expected);
        }
    }
    assert!(view.outer_blocks(0).is_err() && view.tiles(vec![1; ndim + 1]).is_err());
    assert!(ndim == 0 || view.tiles(vec![0; ndim]).is_err());
}

/// Shapes a view step by step, and reads after each.
fn check_shapings<T: Element + PartialEq>(shape: &[usize], turns: &Turns) {
    let memory = Twin::<T>::new(shape, 1).elements;
    let mut twin = Twin::places(shape);
    let mut view = View::from_shape(shape, &memory).unwrap();
    assert_same(&view, &memory, &twin);
    for (kind, raw) in turns {
        let shaping = Shaping::fitting(&twin.shape, *kind, raw);
        match (shaped!(view, &shaping), twin.shaped(&shaping)) {
            (Ok(next), Some(next_twin)) => (view, twin) = (next, next_twin),
            (Err(_), None) => continue,
            (found, expected) => {
                let found = found.map(|view| view.shape().to_vec());
                panic!("{shaping:?} made {found:?}, not {expected:?}")
            }
        }
        assert_same(&view, &memory, &twin);
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn shapings_of_views_one_after_the_other_are_those_of_the_twin(
        shape in shapes(), turns in turns(), size in 0..3,
    ) {
        match size {
            0 => check_shapings::<u8>(&shape, &turns),
            1 => check_shapings::<Bytes<3>>(&shape, &turns),
            _ => check_shapings::<f64>(&shape, &turns),
        }
    }

    #[test]
    fn a_slice_is_taken_or_refused_exactly_as_the_twins(
        shape in prop::collection::vec(0..5_usize, 0..=3), items in any_items(),
    ) {
        check_any(&shape, &Shaping::Slice(items));
    }

    #[test]
    fn a_shaping_is_done_or_refused_exactly_as_the_twins(
        shape in prop::collection::vec(0..5_usize, 0..=4), shaping in any_shaping(),
    ) {
        check_any(&shape, &shaping);
    }
}

fn check_any(shape: &[usize], shaping: &Shaping) {
    let memory = Twin::<i16>::new(shape, 2).elements;
    let view = View::from_shape(shape, &memory).unwrap();
    match (shaped!(view, shaping), Twin::places(shape).shaped(shaping)) {
        (Ok(view), Some(twin)) => assert_same(&view, &memory, &twin),
        (Err(_), None) => {}
        (found, expected) => panic!("{shaping:?} made {found:?}, not {expected:?}"),
    }
}

#[test]
fn every_form_of_a_slice_keeps_what_the_twin_keeps() {
    let shape = [4, 1, 3, 5, 2];
    let memory = Twin::<u16>::new(&shape, 3).elements;
    let view = View::from_shape(shape, &memory).unwrap();
    let (n, last) = (2_usize, -1_isize);
    macro_rules! assert_kept {
        ($($items:tt)*) => {
            let items = s![$($items)*];
            let twin = Twin::places(&shape).slice(&items).expect("a slice that fits");
            assert_eq!(seen(&view.slice(items).unwrap(), memory.as_ptr()), twin);
        };
    }
    assert_kept![];
    assert_kept![1];
    assert_kept![-1, 0, n, last, 1];
    assert_kept![.., .., 1.., ..n, ..=0];
    assert_kept![1..3, 0..0, ..=-1, -3..-1, -2..];
    assert_kept![1..=2, ..0, n..n, ..=-2];
    assert_kept![..;2, ..;-1, 1..;-1, ..4;3, ..=1;-1];
    assert_kept![0..4;-3, .., -3..=-1;n as isize];
    assert_kept![...];
    assert_kept![..., 1];
    assert_kept![1, ..., 1..2];
    assert_kept![1, 0, 2, 4, 1, ...];
    assert_kept![NewAxis, 1, NewAxis, ..., NewAxis, ..;-1, NewAxis];
    assert_kept![.., 0, NewAxis, ..;-2];
    assert_kept![..;isize::MIN, .., ..;isize::MAX];
}

#[test]
fn many_axes_are_read_and_shaped_as_the_twins() {
    let turns = |kinds: &[u8]| -> Turns {
        let raw = |&kind| (kind, vec![[kind, 3, 1, 7], [3, 1, 2, 9], [4, 0, 1, 16], [0, 5, 5, 1]]);
        kinds.iter().map(raw).collect()
    };
    check_shapings::<Bytes<3>>(&[2, 0, 3, 1, 2, 2], &turns(&[4, 5]));
    if cfg!(not(miri)) {
        check_shapings::<u8>(&[2, 1, 2, 1, 3], &turns(&[3, 7, 0, 5]));
        check_shapings::<f64>(&[1, 2, 1, 2, 2, 1], &turns(&[4, 5, 7, 1]));
    }
    let ones = [1; 64];
    let view = View::from_shape(ones, &[7_u8]).unwrap();
    assert_eq!(view.transpose().merge_axes(0..64).unwrap().to_vec(), [7]);
    assert!(view.slice(s![NewAxis]).is_err() && view.split_axis(0, [1, 1]).is_err());
}

#[test]
fn a_copy_in_blocks_is_that_of_the_twin() {
    // More than a block along both axes, and no whole number of blocks.
    let shapes = [&[17, 18][..], &[33, 2, 18], &[2, 18, 1, 17]];
    for shape in shapes.into_iter().take(if cfg!(miri) { 1 } else { 3 }) {
        let memory = Twin::<Bytes<3>>::new(shape, 4).elements;
        let view = View::from_shape(shape, &memory).unwrap();
        let (turned, twin) = (view.transpose(), Twin::places(shape).transpose());
        let backwards = s![..;-1, ..., ..;-1];
        let mirrored = (turned.slice(backwards).unwrap(), twin.slice(&backwards).unwrap());
        for (view, twin) in [(turned, twin), mirrored] {
            let elements: Vec<_> = twin.elements.iter().map(|&place| memory[place]).collect();
            assert_eq!(bytes(&view.to_vec()), bytes(&elements));
        }
    }
}
