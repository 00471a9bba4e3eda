//! Mutable views compared with the naive twin: every way to write through one, shaped before and
//! divided into parts. After each, the whole memory is compared, so that what lies between the
//! elements of the view has not changed.

use mmap_array::{Array, Bytes, Element, View, ViewMut, s};
use proptest::prelude::*;

use crate::common::for_each_index;
use crate::twin::{Shaping, Turns, Twin, any_shaping, bytes, config, nth, shapes, turns};
use crate::twin_view::{seen, shaped, some_tiles};

/// Memory, a way to see a part of it, and the twin of that view.
struct Trial<'t, T> {
    shape: &'t [usize],
    memory: Vec<T>,
    /// What is done to the view, and whether the twin refuses it.
    shapings: Vec<(Shaping, bool)>,
    twin: Twin<usize>,
}

/// The `k`-th value that is written.
fn value<T: Element>(k: usize) -> T {
    nth(5, k)
}

impl<'t, T: Element + PartialEq + Send> Trial<'t, T> {
    fn new(shape: &'t [usize], turns: &Turns) -> Self {
        let memory = Twin::new(shape, 1).elements;
        let mut trial = Trial { shape, memory, shapings: vec![], twin: Twin::places(shape) };
        for (kind, raw) in turns {
            trial.shape(Shaping::fitting(&trial.twin.shape, *kind, raw));
        }
        trial
    }

    fn shape(&mut self, shaping: Shaping) {
        let shaped = self.twin.shaped(&shaping);
        self.shapings.push((shaping, shaped.is_none()));
        self.twin = shaped.unwrap_or_else(|| self.twin.clone());
    }

    /// The shaped view of a copy of the memory. What the twin refuses, the view refuses, and stays
    /// as it was.
    fn view<'a>(&self, memory: &'a mut [T]) -> ViewMut<'a, T> {
        let mut view = ViewMut::from_shape(self.shape, memory).unwrap();
        for (shaping, refused) in &self.shapings {
            if *refused {
                assert!(shaped!(view.reborrow(), shaping).is_err());
            } else {
                view = shaped!(view, shaping).unwrap();
            }
        }
        view
    }

    /// Fails unless `write` leaves the first value in the first of `places`, and so on, and
    /// everything else as it was.
    fn check(&self, places: &[usize], write: impl FnOnce(ViewMut<'_, T>)) {
        let mut memory = self.memory.clone();
        write(self.view(&mut memory));
        let mut expected = self.memory.clone();
        for (k, &place) in places.iter().enumerate() {
            expected[place] = value(k);
        }
        assert_eq!(bytes(&memory), bytes(&expected));
    }

    /// Divides the view, and writes to the last part first, while all parts are held.
    fn check_parts(
        &self,
        mut parts: Vec<Twin<usize>>,
        divide: impl for<'a> FnOnce(ViewMut<'a, T>) -> Vec<ViewMut<'a, T>>,
    ) {
        let shapes: Vec<_> = parts.iter().map(|part| part.shape.clone()).collect();
        parts.reverse();
        self.check(&Twin::places_of(&parts), |view| {
            let mut held = divide(view);
            assert!(held.iter().map(|part| part.shape()).eq(&shapes));
            let mut k = 0;
            for (way, part) in held.iter_mut().rev().enumerate() {
                write_all(part, way, k);
                k += part.len();
            }
        });
    }

    /// Divides the view among two threads, each with every second part.
    fn check_threads(
        &self,
        parts: &[Twin<usize>],
        divide: impl for<'a> FnOnce(ViewMut<'a, T>) -> Vec<ViewMut<'a, T>>,
    ) {
        self.check(&Twin::places_of(parts), |view| {
            let (mut k, mut work) = (0, [vec![], vec![]]);
            for (way, part) in divide(view).into_iter().enumerate() {
                let len = part.len();
                work[way % 2].push((part, way, k));
                k += len;
            }
            std::thread::scope(|scope| {
                for parts in work {
                    scope.spawn(move || {
                        for (mut part, way, k) in parts {
                            write_all(&mut part, way / 2, k);
                        }
                    });
                }
            });
        });
    }
}

const WAYS: usize = 8;

/// Writes the values from the `k`-th on to all elements, in row-major order.
fn write_all<T: Element>(view: &mut ViewMut<'_, T>, way: usize, k: usize) {
    let shape = view.shape().to_vec();
    let values: Vec<T> = (k..k + view.len()).map(value).collect();
    let mut next = values.iter().copied();
    let mut write = |element: &mut T| *element = next.next().expect("as many");
    match way % WAYS {
        0 => {
            for element in view.iter_mut() {
                write(element);
            }
        }
        1 => view.iter_mut().for_each(write),
        2 => {
            let mut iter = view.iter_mut();
            let half = iter.len() / 2 + 1;
            iter.by_ref().take(half).for_each(&mut write);
            let left = values.len().saturating_sub(half);
            assert_eq!((iter.len(), iter.size_hint()), (left, (left, Some(left))));
            iter.for_each(write);
        }
        3 => for_each_index(&shape, |index| write(&mut view[index])),
        4 => for_each_index(&shape, |index| write(view.get_mut(index).expect("inside"))),
        5 => view.copy_from(View::from_shape(&shape, &values).unwrap()).unwrap(),
        6 => {
            // From an array in the other order.
            let turned = Twin { shape, elements: values }.transpose();
            let array = Array::from_vec(&turned.shape, turned.elements).unwrap();
            view.copy_from(array.view().transpose()).unwrap();
        }
        _ => {
            // From every second element of a longer array, backwards.
            let mut longer: Vec<T> = (0..2 * values.len()).map(|k| nth(8, k)).collect();
            for (i, &value) in values.iter().rev().enumerate() {
                longer[2 * i + 1] = value;
            }
            let every = View::from(&longer).slice(s![..;-2]).unwrap();
            view.copy_from(every.split_axis(0, &shape).unwrap()).unwrap();
        }
    }
}

/// Every way to write to the whole view.
fn check_whole<T: Element + PartialEq + Send>(trial: &Trial<'_, T>) {
    let places = &trial.twin.elements;
    for way in 0..WAYS {
        trial.check(places, |mut view| write_all(&mut view, way, 0));
    }
    trial.check(places, |view| {
        for (k, element) in view.into_iter().enumerate() {
            *element = value(k);
        }
    });
    let mut sorted = places.clone();
    sorted.sort_unstable();
    trial.check(&sorted, |mut view| {
        let mut k = 0;
        view.map_inplace(|element| {
            *element = value(k);
            k += 1;
        });
    });
    // A value each, or one for all.
    let mut memory = trial.memory.clone();
    trial.view(&mut memory).fill(value(3));
    let mut expected = trial.memory.clone();
    places.iter().for_each(|&place| expected[place] = value(3));
    assert_eq!(bytes(&memory), bytes(&expected));

    let adjacent = trial.twin.are_adjacent();
    trial.check(if adjacent { places } else { &[] }, |mut view| {
        assert_eq!(view.as_mut_slice().is_some(), adjacent);
        let slice = view.into_slice().into_iter().flatten();
        slice.enumerate().for_each(|(k, element)| *element = value(k));
    });
}

/// Every way to divide the view.
fn check_divided<T: Element + PartialEq + Send>(trial: &Trial<'_, T>) {
    let twin = &trial.twin;
    let parts = |tiles: Vec<(Vec<usize>, Twin<usize>)>| -> Vec<_> {
        tiles.into_iter().map(|(_, tile)| tile).collect()
    };
    for axis in 0..twin.shape.len() {
        trial.check_parts(twin.lanes(axis), |view| view.lanes(axis).unwrap().collect());
        for index in [0, twin.shape[axis] / 2, twin.shape[axis]] {
            let halves = twin.split_at(axis, index).unwrap();
            trial.check_parts(halves.to_vec(), |view| {
                let (before, after) = view.split_at(axis, index).unwrap();
                vec![before, after]
            });
        }
    }
    trial.check_parts(twin.rows(), |view| view.outer_iter().collect());
    trial.check_parts(twin.rows(), |view| {
        let mut rows: Vec<_> = view.outer_iter().rev().collect();
        rows.reverse();
        rows
    });
    for rows in [1, 2, usize::MAX] {
        trial.check_parts(parts(twin.outer_blocks(rows)), |view| {
            view.outer_blocks(rows).unwrap().map(|(_, block)| block).collect()
        });
    }
    for tile in some_tiles(twin.shape.len()) {
        trial.check_parts(parts(twin.tiles(&tile)), |view| {
            let tiles = view.tiles(&tile).unwrap();
            tiles.inspect(|(at, tile)| assert_eq!(at.shape(), tile.shape())).map(|t| t.1).collect()
        });
    }
}

/// A mutable view shows what a shared one would.
fn check_reading<T: Element + PartialEq + Send>(trial: &Trial<'_, T>) {
    let twin = &trial.twin;
    let mut memory = trial.memory.clone();
    let first = memory.as_ptr();
    let view = trial.view(&mut memory);
    assert_eq!((view.ndim(), view.len()), (twin.shape.len(), twin.elements.len()));
    assert_eq!((view.shape(), view.strides().len()), (&twin.shape[..], twin.shape.len()));
    assert_eq!(view.is_empty(), twin.elements.is_empty());
    let elements: Vec<T> = twin.elements.iter().map(|&place| trial.memory[place]).collect();
    let mut next = elements.iter();
    for_each_index(&twin.shape, |index| {
        let expected = *next.next().unwrap();
        assert_eq!(bytes(&[view[index], *view.get(index).unwrap()]), bytes(&[expected; 2]));
    });
    assert!(view.get(vec![0; twin.shape.len() + 1]).is_none());
    assert_eq!(&seen(&view.view(), first), twin);
    let (mut copy, mut other) = (elements.clone(), elements.clone());
    other.reverse();
    for elements in [&mut copy, &mut other] {
        let equal = twin.elements.iter().map(|&place| &trial.memory[place]).eq(elements.iter());
        assert_eq!(view == ViewMut::from_shape(&twin.shape, elements).unwrap(), equal);
    }
    assert_eq!(bytes(&View::from(&view).to_vec()), bytes(&elements));
    assert_eq!(&seen(&view.into_view(), first), twin);
}

/// What a mutable view refuses changes nothing.
fn check_refusals<T: Element + PartialEq + Send>(trial: &Trial<'_, T>) {
    let shape = &trial.twin.shape;
    let ndim = shape.len();
    trial.check(&[], |mut view| {
        assert!(view.get_mut(vec![0; ndim + 1]).is_none());
        assert!(ndim == 0 || view.get_mut(shape).is_none());
        assert!(view.reborrow().lanes(ndim).is_err());
        assert!(view.reborrow().outer_blocks(0).is_err());
        assert!(view.reborrow().tiles(vec![1; ndim + 1]).is_err());
        assert!(ndim == 0 || view.reborrow().tiles(vec![0; ndim]).is_err());
        assert!(view.reborrow().split_at(ndim, 0).is_err());
        let mut others = vec![[&[1], &shape[..]].concat()];
        for axis in 0..ndim {
            assert!(view.reborrow().split_at(axis, shape[axis] + 1).is_err());
            others.push(shape.clone());
            others[axis + 1][axis] += 1;
        }
        for other in others {
            let source = Twin::<T>::new(&other, 6);
            let source = View::from_shape(&other, &source.elements).unwrap();
            assert!(view.copy_from(source).is_err());
        }
    });
}

fn check_all<T: Element + PartialEq + Send>(shape: &[usize], turns: &Turns) {
    let trial = Trial::<T>::new(shape, turns);
    check_reading(&trial);
    check_refusals(&trial);
    check_whole(&trial);
    check_divided(&trial);
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn writes_through_shaped_views_and_their_parts_change_what_the_twin_says(
        shape in shapes(), turns in turns(), size in 0..3,
    ) {
        match size {
            0 => check_all::<u8>(&shape, &turns),
            1 => check_all::<Bytes<3>>(&shape, &turns),
            _ => check_all::<f64>(&shape, &turns),
        }
    }

    #[test]
    fn threads_that_hold_every_second_part_change_what_the_twin_says(
        shape in shapes(), turns in turns(),
    ) {
        let trial = Trial::<u8>::new(&shape, &turns);
        let tile: Vec<usize> = (0..trial.twin.shape.len()).map(|axis| 1 + axis % 2).collect();
        let tiles: Vec<_> = trial.twin.tiles(&tile).into_iter().map(|(_, tile)| tile).collect();
        trial.check_threads(&tiles, |view| {
            view.tiles(&tile).unwrap().map(|(_, tile)| tile).collect()
        });
        if let Some(last) = trial.twin.shape.len().checked_sub(1) {
            // Lanes along the first axis interleave, element by element.
            for axis in [0, last] {
                let lanes = trial.twin.lanes(axis);
                trial.check_threads(&lanes, |view| view.lanes(axis).unwrap().collect());
            }
        }
    }

    #[test]
    fn a_shaping_of_a_mutable_view_is_done_or_refused_exactly_as_the_twins(
        shape in prop::collection::vec(0..5_usize, 0..=4), shaping in any_shaping(),
    ) {
        let mut trial = Trial::<i16>::new(&shape, &vec![]);
        trial.shape(shaping);
        check_reading(&trial);
        trial.check(&trial.twin.elements, |mut view| write_all(&mut view, 1, 0));
    }
}

#[test]
fn many_axes_are_written_as_the_twins() {
    let turns = |kinds: &[u8]| -> Turns {
        let raw = |&kind| (kind, vec![[kind, 3, 1, 7], [3, 1, 2, 9], [4, 0, 1, 16], [0, 5, 5, 1]]);
        kinds.iter().map(raw).collect()
    };
    check_all::<Bytes<3>>(&[2, 1, 1, 1, 2], &turns(&[4, 7]));
    if cfg!(not(miri)) {
        check_all::<u8>(&[2, 1, 2, 1, 3], &turns(&[3, 7, 0, 5]));
        check_all::<f64>(&[1, 2, 1, 2, 2, 1], &turns(&[4, 5, 7, 1]));
        check_all::<Bytes<3>>(&[2, 0, 3, 1, 2, 2], &turns(&[4, 8, 5, 7]));
    }
}

#[test]
fn a_copy_in_blocks_changes_what_the_twin_says() {
    // More than a block along both axes, and no whole number of blocks.
    let shape = [17, if cfg!(miri) { 2 } else { 4 }, 19];
    let mut trial = Trial::<Bytes<3>>::new(&shape, &vec![]);
    let shapings = [Shaping::Slice(s![..;-1, 1..;2, ..18].to_vec()), Shaping::Transpose];
    for shaping in shapings {
        trial.shape(shaping);
        trial.check(&trial.twin.elements, |mut view| write_all(&mut view, 6, 0));
    }
}
