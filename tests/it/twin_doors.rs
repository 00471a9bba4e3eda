//! One random program of reads and writes, done to a file by each door and to the naive twin:
//! by position, mapped, and mapped copy-on-write. After every step of it the array is the twin,
//! and every byte of the file is what it should be.

use std::fs;
use std::ops::Range;
use std::path::Path;

use mmap_array::{
    Array, Bytes, CopyOnWrite, Element, Error, Header, MmapArray, NpyFile, ReadWrite, SliceItem,
    Tiles, View, Window, Writable,
};
use proptest::prelude::*;

use crate::common::{folder, for_each_index, number};
use crate::map;
use crate::twin::{Raw, Twin, bytes, config, fitting, nth, raws, shapes};
use crate::twin_file::{Form, Strided, forms, open_unlocked};

/// What can be done to an array whichever way it was opened.
pub(crate) trait Door<T: Element> {
    fn whole(&self) -> Array<T>;
    fn window(&self, window: Window) -> Array<T>;
    fn window_into(&self, window: Window, out: &mut [T]);
    fn part(&self, items: &[SliceItem]) -> Array<T>;
    fn tiles(&self, tile: &[usize]) -> Tiles;
    fn put_window(&mut self, window: Window, elements: &[T]);
    fn put_slice(&mut self, items: &[SliceItem], view: View<'_, T>);
    /// The same in place, where there is a place.
    // By position there is one way to write; a map has others.
    fn copy_into(&mut self, items: &[SliceItem], view: View<'_, T>) {
        self.put_slice(items, view);
    }
    fn fill(&mut self, items: &[SliceItem], value: T) {
        let part = self.part(items);
        let filled = vec![value; part.len()];
        self.put_slice(items, View::from_shape(part.shape(), &filled).unwrap());
    }
    fn store(&mut self, index: &[usize], value: T) {
        self.put_window(Window::new(index, vec![1; index.len()]).unwrap(), &[value]);
    }
    /// Asks in all ways that only this door has.
    fn check(&self, _twin: &Twin<T>, _in_file: &Twin<T>) {}
}

impl<T: Element> Door<T> for NpyFile<T, ReadWrite> {
    fn whole(&self) -> Array<T> {
        self.read().unwrap()
    }
    fn window(&self, window: Window) -> Array<T> {
        self.read_window(window).unwrap()
    }
    fn window_into(&self, window: Window, out: &mut [T]) {
        self.read_window_into(window, out).unwrap();
    }
    fn part(&self, items: &[SliceItem]) -> Array<T> {
        self.read_slice(items).unwrap()
    }
    fn tiles(&self, tile: &[usize]) -> Tiles {
        self.tiles(tile).unwrap()
    }
    fn put_window(&mut self, window: Window, elements: &[T]) {
        self.write_window(window, elements).unwrap();
    }
    fn put_slice(&mut self, items: &[SliceItem], view: View<'_, T>) {
        self.write_slice(items, view).unwrap();
    }
}

impl<T: Element, A: Writable> Door<T> for MmapArray<T, A> {
    fn whole(&self) -> Array<T> {
        self.view().to_array().unwrap()
    }
    fn window(&self, window: Window) -> Array<T> {
        self.read_window(window).unwrap()
    }
    fn window_into(&self, window: Window, out: &mut [T]) {
        self.read_window_into(window, out).unwrap();
    }
    fn part(&self, items: &[SliceItem]) -> Array<T> {
        let part = self.read_slice(items).unwrap();
        let view = self.slice(items).unwrap();
        assert_eq!(view.shape(), part.shape());
        assert_eq!(bytes(&view.to_vec()), bytes(part.as_slice()));
        part
    }
    fn tiles(&self, tile: &[usize]) -> Tiles {
        self.tiles(tile).unwrap()
    }
    fn put_window(&mut self, window: Window, elements: &[T]) {
        self.write_window(window, elements).unwrap();
    }
    fn put_slice(&mut self, items: &[SliceItem], view: View<'_, T>) {
        self.write_slice(items, view).unwrap();
    }
    fn copy_into(&mut self, items: &[SliceItem], view: View<'_, T>) {
        self.slice_mut(items).unwrap().copy_from(view).unwrap();
    }
    fn fill(&mut self, items: &[SliceItem], value: T) {
        self.slice_mut(items).unwrap().fill(value);
    }
    fn store(&mut self, index: &[usize], value: T) {
        self[index] = value;
        let found = *self.get_mut(index).unwrap();
        assert_eq!(bytes(&[found]), bytes(&[value]));
    }
    fn check(&self, twin: &Twin<T>, in_file: &Twin<T>) {
        assert_eq!(bytes(self.file().read().unwrap().as_slice()), bytes(&in_file.elements));
        assert_eq!((self.shape(), self.len()), (&twin.shape[..], twin.elements.len()));
        let mut elements = twin.elements.iter();
        for_each_index(&twin.shape, |index| {
            let expected = bytes(std::slice::from_ref(elements.next().expect("as many")));
            assert_eq!(bytes(&[*self.get(index).unwrap()]), expected, "{index:?}");
            assert_eq!(bytes(&[self[index]]), expected, "{index:?}");
        });
        assert!(twin.shape.is_empty() || self.get(&twin.shape).is_none());
        assert_eq!(self.as_slice().is_some(), self.view().as_slice().is_some());
        if let Some(elements) = self.as_slice() {
            assert_eq!(bytes(elements), bytes(&twin.elements));
        }
    }
}

// ---- programs -----------------------------------------------------------------------------------

/// A step: what to do, and raw numbers that say where and with what.
pub(crate) type Step = (u8, Raw, Raw);

pub(crate) fn programs() -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec((0..8_u8, raws(), raws()), 1..7)
}

/// A window that fits, from raw numbers.
fn fitting_window(shape: &[usize], raw: &Raw) -> Vec<Range<usize>> {
    let numbers = raw.iter().copied().chain(std::iter::repeat([3, 0, 255, 0]));
    let range = |(&len, [_, a, b, _]): (&usize, [u8; 4])| {
        let (a, b) = (usize::from(a) % (len + 1), usize::from(b) % (len + 1));
        a.min(b)..a.max(b)
    };
    shape.iter().zip(numbers).map(range).collect()
}

fn as_items(ranges: &[Range<usize>]) -> Vec<SliceItem> {
    ranges.iter().cloned().map(SliceItem::from).collect()
}

fn shape_of(ranges: &[Range<usize>]) -> Vec<usize> {
    ranges.iter().map(Range::len).collect()
}

pub(crate) fn assert_is<T: Element>(found: &Array<T>, expected: &Twin<T>) {
    assert_eq!(found.shape(), expected.shape);
    assert_eq!(bytes(found.as_slice()), bytes(&expected.elements));
}

/// Does one step to the array and to its twin. `number` makes the elements new.
pub(crate) fn take<T: Element>(
    door: &mut impl Door<T>,
    twin: &mut Twin<T>,
    number: usize,
    step: &Step,
) {
    let (kind, place, source) = step;
    let ranges = fitting_window(&twin.shape, place);
    let items = fitting(&twin.shape, place);
    let part = || twin.slice(&items).expect("a slice that fits");
    match kind {
        0 => {
            let expected = twin.slice(&as_items(&ranges)).expect("a window that fits");
            assert_is(&door.window(Window::from(&ranges[..])), &expected);
            let mut out: Vec<T> = (0..expected.elements.len()).map(|k| nth(9, k)).collect();
            let start: Vec<usize> = ranges.iter().map(|range| range.start).collect();
            door.window_into(Window::new(&start, &expected.shape).unwrap(), &mut out);
            assert_eq!(bytes(&out), bytes(&expected.elements));
        }
        1 => assert_is(&door.part(&items), &part()),
        2 => check_tiles(door, twin, &shape_of(&ranges)),
        3 => {
            let new = Twin::<T>::new(&shape_of(&ranges), number);
            door.put_window(Window::from(&ranges[..]), &new.elements);
            twin.assign(&as_items(&ranges), &new);
        }
        4 | 5 => {
            // From memory with gaps, turned around.
            let new = Strided::<T>::new(&part().shape, source);
            let new_twin = new.twin();
            match kind {
                4 => door.put_slice(&items, new.view()),
                _ => door.copy_into(&items, new.view()),
            }
            twin.assign(&items, &new_twin);
        }
        6 => {
            let mut filled = part();
            filled.elements.fill(nth(number, 3));
            door.fill(&items, nth(number, 3));
            twin.assign(&items, &filled);
        }
        _ if twin.elements.is_empty() => {}
        _ => {
            let numbers = source.iter().map(|raw| usize::from(raw[1])).chain(std::iter::repeat(7));
            let index: Vec<usize> =
                twin.shape.iter().zip(numbers).map(|(len, any)| any % len).collect();
            door.store(&index, nth(number, 5));
            let place = crate::common::number(&twin.shape, &index);
            twin.elements[place] = nth(number, 5);
        }
    }
}

/// Tiles cover everything once.
fn check_tiles<T: Element>(door: &impl Door<T>, twin: &Twin<T>, tile: &[usize]) {
    let tile: Vec<usize> = tile.iter().map(|&len| len.max(1)).collect();
    let mut covered = vec![0; twin.elements.len()];
    for tile in door.tiles(&tile) {
        let ranges: Vec<_> =
            tile.start().iter().zip(tile.shape()).map(|(&s, n)| s..s + n).collect();
        assert_is(
            &door.window(tile.clone()),
            &twin.slice(&as_items(&ranges)).expect("a tile inside"),
        );
        for_each_index(tile.shape(), |index| {
            let index: Vec<_> = index.iter().zip(tile.start()).map(|(i, s)| i + s).collect();
            covered[number(&twin.shape, &index)] += 1;
        });
    }
    assert!(covered.iter().all(|&times| times == 1));
}

/// Does all steps; returns the twin at the end. With `writes` they reach the file.
fn run<T: Element>(
    door: &mut impl Door<T>,
    path: &Path,
    form: Form,
    shape: &[usize],
    program: &[Step],
    writes: bool,
) -> Twin<T> {
    let original = Twin::<T>::new(shape, 0);
    let mut twin = original.clone();
    assert_is(&door.whole(), &twin);
    for (number, step) in program.iter().enumerate() {
        take(door, &mut twin, 20 + number, step);
        let in_file = if writes { &twin } else { &original };
        assert_is(&door.whole(), &twin);
        door.check(&twin, in_file);
        assert!(fs::read(path).unwrap() == form.bytes(in_file), "after {step:?}");
    }
    twin
}

fn check_by_position<T: Element>(form: Form, shape: &[usize], program: &[Step]) {
    let folder = folder();
    let path = folder.path().join("a.npy");
    fs::write(&path, form.bytes(&Twin::<T>::new(shape, 0))).unwrap();
    let mut file = open_unlocked::<T>(&path);
    assert_eq!((file.shape(), file.order()), (shape, form.order));
    let twin = run(&mut file, &path, form, shape, program, true);
    file.close().unwrap();
    assert!(fs::read(&path).unwrap() == form.bytes(&twin));
    assert_is(&NpyFile::<T>::open(&path).unwrap().read().unwrap(), &twin);
}

/// The form as it is where it can be mapped; otherwise it is refused, and the next one that can be
/// mapped is taken.
fn mappable<T: Element>(path: &Path, form: Form, twin: &Twin<T>) -> Form {
    fs::write(path, form.bytes(twin)).unwrap();
    let checked = Header::read(path).unwrap().check_mappable();
    let foreign = form.dtype::<T>().is_foreign();
    let aligned = form.late.is_multiple_of(align_of::<T>());
    let Err(reason) = checked else {
        assert!(!foreign && aligned);
        return form;
    };
    for error in [
        map::open::<T>(path).unwrap_err(),
        map::open_mut::<T>(path).unwrap_err(),
        map::open_cow::<T>(path).unwrap_err(),
    ] {
        match (&reason, &error) {
            (Error::ForeignByteOrder { .. }, Error::ForeignByteOrder { .. }) => assert!(foreign),
            (Error::Misaligned { .. }, Error::Misaligned { align, .. }) => {
                assert!(!foreign && !aligned && *align == align_of::<T>());
            }
            _ => panic!("{reason:?} and {error:?}"),
        }
        assert!(error.to_string().contains("NpyFile"), "{error}");
    }
    let form = Form { foreign: false, late: form.late * 8, ..form };
    fs::write(path, form.bytes(twin)).unwrap();
    form
}

fn check_mapped<T: Element>(form: Form, shape: &[usize], program: &[Step]) {
    let folder = folder();
    let path = folder.path().join("a.npy");
    let form = mappable(&path, form, &Twin::<T>::new(shape, 0));
    let before = fs::read(&path).unwrap();

    let mut cow: MmapArray<T, CopyOnWrite> = map::open_cow(&path).unwrap();
    let kept = run(&mut cow, &path, form, shape, program, false);
    drop(cow);
    assert!(fs::read(&path).unwrap() == before);

    let mut array: MmapArray<T, ReadWrite> = map::open_unlocked(&path).unwrap();
    let twin = run(&mut array, &path, form, shape, program, true);
    assert_eq!(bytes(&kept.elements), bytes(&twin.elements));
    array.close().unwrap();
    assert!(fs::read(&path).unwrap() == form.bytes(&twin));
    assert_is(&NpyFile::<T>::open(&path).unwrap().read().unwrap(), &twin);
    let again = map::open::<T>(&path).unwrap();
    assert_is(&again.view().to_array().unwrap(), &twin);
    assert_eq!((again.shape(), again.order()), (shape, form.order));
}

macro_rules! programs_agree {
    ($($name:ident, $mapped:ident: $type:ty;)*) => {
        proptest! {
            #![proptest_config(config())]
            $(
                #[test]
                fn $name(form in forms(), shape in shapes(), program in programs()) {
                    check_by_position::<$type>(form, &shape, &program);
                }

                #[test]
                fn $mapped(form in forms(), shape in shapes(), program in programs()) {
                    check_mapped::<$type>(form, &shape, &program);
                }
            )*
        }
    };
}

programs_agree! {
    files_of_single_bytes_are_as_their_twin, mapped_bytes_are_as_their_twin: u8;
    files_of_small_numbers_are_as_their_twin, mapped_small_numbers_are_as_their_twin: i16;
    files_of_strings_are_as_their_twin, mapped_strings_are_as_their_twin: Bytes<3>;
    files_of_doubles_are_as_their_twin, mapped_doubles_are_as_their_twin: f64;
}
