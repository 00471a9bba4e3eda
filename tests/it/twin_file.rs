//! Files compared with the naive twin: reads and writes of random windows and slices in every
//! storage order, byte order and alignment; after a write, every byte of the file.

use std::fs;
use std::ops::Range;
use std::path::Path;

use mmap_array::{
    Bytes, DType, Element, Header, Lock, NpyFile, OpenOptions, Order, ReadWrite, SliceItem, View,
    Window, bytemuck, s,
};
use proptest::prelude::*;

use crate::common::{folder, for_each_index, number};
use crate::twin::{Raw, Twin, bytes, config, fitting, nth, order_of_axes, raws, shapes};

/// How a file holds its array.
#[derive(Debug, Clone, Copy)]
struct Form {
    order: Order,
    /// In the other byte order.
    foreign: bool,
    /// Bytes by which the data starts later than NumPy would have it.
    late: usize,
    /// Bytes behind the data.
    behind: usize,
}

fn forms() -> impl Strategy<Value = Form> {
    (any::<bool>(), any::<bool>(), 0..9_usize, 0..20_usize).prop_map(
        |(fortran, foreign, late, behind)| Form {
            order: if fortran { Order::Fortran } else { Order::C },
            foreign,
            late,
            behind,
        },
    )
}

impl Form {
    fn dtype<T: Element>(&self) -> DType {
        let descr = DType::of::<T>().to_string();
        let swapped = match descr.as_bytes()[0] {
            b'<' => descr.replace('<', ">"),
            b'>' => descr.replace('>', "<"),
            _ => descr.clone(),
        };
        if self.foreign { swapped.parse().unwrap() } else { descr.parse().unwrap() }
    }

    /// The whole file.
    fn bytes<T: Element>(&self, twin: &Twin<T>) -> Vec<u8> {
        let dtype = self.dtype::<T>();
        let mut file = Header::new(dtype.clone(), &twin.shape, self.order).unwrap().to_bytes();
        // More blanks before the line ends, and the length with them.
        file.pop();
        file.resize(file.len() + self.late, b' ');
        file.push(b'\n');
        let text_len = (file.len() - 10) as u16;
        file[8..10].copy_from_slice(&text_len.to_le_bytes());

        let mut elements = match self.order {
            Order::C => twin.elements.clone(),
            Order::Fortran => {
                let axes: Vec<usize> = (0..twin.shape.len()).rev().collect();
                twin.permute(&axes).elements
            }
        };
        if dtype.is_foreign() {
            for element in &mut elements {
                let mut swapped = bytes(&[*element]).to_vec();
                swapped.reverse();
                *element = bytemuck::pod_read_unaligned(&swapped);
            }
        }
        file.extend_from_slice(bytes(&elements));
        file.extend((0..self.behind).map(|i| 0xA0 | i as u8));
        file
    }
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

fn start_and_shape(ranges: &[Range<usize>]) -> (Vec<usize>, Vec<usize>) {
    (ranges.iter().map(|r| r.start).collect(), ranges.iter().map(|r| r.len()).collect())
}

fn as_items(ranges: &[Range<usize>]) -> Vec<SliceItem> {
    ranges.iter().cloned().map(SliceItem::from).collect()
}

fn check_reads<T: Element>(path: &Path, form: Form, twin: &Twin<T>, raw: [&Raw; 2]) {
    fs::write(path, form.bytes(twin)).unwrap();
    let file = NpyFile::<T>::open(path).unwrap();
    assert_eq!((file.shape(), file.order()), (&twin.shape[..], form.order));
    let whole = file.read().unwrap();
    assert_eq!(whole.shape(), twin.shape);
    assert_eq!(bytes(whole.as_slice()), bytes(&twin.elements));

    let ranges = fitting_window(&twin.shape, raw[0]);
    let (start, shape) = start_and_shape(&ranges);
    let expected = twin.slice(&as_items(&ranges)).expect("a window that fits");
    let found = file.read_window(&ranges[..]).unwrap();
    assert_eq!(found.shape(), expected.shape);
    assert_eq!(bytes(found.as_slice()), bytes(&expected.elements));
    let mut out: Vec<T> = (0..expected.elements.len()).map(|k| nth(9, k)).collect();
    file.read_window_into(Window::new(&start, &shape).unwrap(), &mut out).unwrap();
    assert_eq!(bytes(&out), bytes(&expected.elements));

    let items = fitting(&twin.shape, raw[1]);
    let expected = twin.slice(&items).expect("a slice that fits");
    let found = file.read_slice(&items).unwrap();
    assert_eq!(found.shape(), expected.shape);
    assert_eq!(bytes(found.as_slice()), bytes(&expected.elements));

    // Tiles cover everything once.
    let tile: Vec<usize> = shape.iter().map(|&len| len.max(1)).collect();
    let mut covered = vec![0; twin.elements.len()];
    for tile in file.tiles(&tile).unwrap() {
        let part = file.read_window(&tile).unwrap();
        let ranges: Vec<_> =
            tile.start().iter().zip(tile.shape()).map(|(&s, n)| s..s + n).collect();
        let expected = twin.slice(&as_items(&ranges)).expect("a tile inside");
        assert_eq!(bytes(part.as_slice()), bytes(&expected.elements));
        for_each_index(tile.shape(), |index| {
            let index: Vec<_> = index.iter().zip(tile.start()).map(|(i, s)| i + s).collect();
            covered[number(&twin.shape, &index)] += 1;
        });
    }
    assert!(covered.iter().all(|&times| times == 1));
}

/// Memory with gaps, turned around, whose view has this shape; and its twin.
struct Strided<T> {
    memory: Twin<T>,
    items: Vec<SliceItem>,
    axes: Vec<usize>,
}

impl<T: Element> Strided<T> {
    fn new(shape: &[usize], raw: &Raw) -> Strided<T> {
        let axes = order_of_axes(shape.len(), raw);
        let steps: Vec<isize> = (0..shape.len())
            .map(|axis| [1, -1, 2, -2][usize::from(raw.get(axis).map_or(0, |r| r[2])) % 4])
            .collect();
        let mut long = vec![0; shape.len()];
        let mut items = vec![SliceItem::NewAxis; shape.len()];
        for (i, &axis) in axes.iter().enumerate() {
            let step = steps[i];
            long[axis] = shape[i] * step.unsigned_abs();
            items[axis] = SliceItem::Range { start: 0, end: None, step };
        }
        Strided { memory: Twin::new(&long, 5), items, axes }
    }

    fn view(&self) -> View<'_, T> {
        let view = View::from_shape(&self.memory.shape, &self.memory.elements).unwrap();
        view.slice(&self.items).unwrap().permute(&self.axes).unwrap()
    }

    fn twin(&self) -> Twin<T> {
        self.memory.slice(&self.items).expect("a slice that fits").permute(&self.axes)
    }
}

/// On Windows nobody else reads a locked file, and these tests look at it while it is open.
fn open_unlocked<T: Element>(path: &Path) -> NpyFile<T, ReadWrite> {
    OpenOptions::new().lock(Lock::Off).open_file_mut(path).unwrap()
}

fn check_writes<T: Element>(path: &Path, form: Form, twin: &mut Twin<T>, raw: [&Raw; 3]) {
    fs::write(path, form.bytes(twin)).unwrap();
    let file = open_unlocked::<T>(path);

    let ranges = fitting_window(&twin.shape, raw[0]);
    let (_, shape) = start_and_shape(&ranges);
    let new = Twin::<T>::new(&shape, 3);
    file.write_window(&ranges[..], &new.elements).unwrap();
    let items = as_items(&ranges);
    twin.assign(&items, &new);
    assert!(fs::read(path).unwrap() == form.bytes(twin), "the window {items:?}");

    let items = fitting(&twin.shape, raw[1]);
    let shape = twin.slice(&items).expect("a slice that fits").shape;
    let new = Strided::<T>::new(&shape, raw[2]);
    file.write_slice(&items, new.view()).unwrap();
    twin.assign(&items, &new.twin());
    assert!(fs::read(path).unwrap() == form.bytes(twin), "the slice {items:?}");
    file.close().unwrap();
    assert!(fs::read(path).unwrap() == form.bytes(twin));
}

fn check<T: Element>(form: Form, shape: &[usize], raw: [&Raw; 3]) {
    let folder = folder();
    let path = folder.path().join("a.npy");
    let mut twin = Twin::<T>::new(shape, 0);
    check_reads(&path, form, &twin, [raw[0], raw[1]]);
    check_writes(&path, form, &mut twin, raw);
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn files_of_single_bytes_are_as_their_twin(
        form in forms(), shape in shapes(), a in raws(), b in raws(), c in raws(),
    ) {
        check::<u8>(form, &shape, [&a, &b, &c]);
    }

    #[test]
    fn files_of_small_numbers_are_as_their_twin(
        form in forms(), shape in shapes(), a in raws(), b in raws(), c in raws(),
    ) {
        check::<i16>(form, &shape, [&a, &b, &c]);
    }

    #[test]
    fn files_of_strings_are_as_their_twin(
        form in forms(), shape in shapes(), a in raws(), b in raws(), c in raws(),
    ) {
        check::<Bytes<3>>(form, &shape, [&a, &b, &c]);
    }

    #[test]
    fn files_of_doubles_are_as_their_twin(
        form in forms(), shape in shapes(), a in raws(), b in raws(), c in raws(),
    ) {
        check::<f64>(form, &shape, [&a, &b, &c]);
    }
}

// ---- arrays that do not fit a buffer ------------------------------------------------------------

/// Reads each slice, then writes it from memory that is turned around and backwards.
fn check_large<T: Element>(shape: &[usize], order: Order, foreign: bool, slices: &[&[SliceItem]]) {
    let folder = folder();
    let path = folder.path().join("a.npy");
    let form = Form { order, foreign, late: 3, behind: 5 };
    let mut twin = Twin::<T>::new(shape, 0);
    fs::write(&path, form.bytes(&twin)).unwrap();
    let file = open_unlocked::<T>(&path);
    for (place, &items) in slices.iter().enumerate() {
        let expected = twin.slice(items).expect("a slice that fits");
        let found = file.read_slice(items).unwrap();
        assert_eq!(found.shape(), expected.shape);
        assert!(bytes(found.as_slice()) == bytes(&expected.elements), "read {items:?}");

        // Numbers that give reversed axes, and a step back and forth in turn.
        let turn: Raw = (0..shape.len()).map(|i| [0, 255, (place + i) as u8, 0]).collect();
        let new = Strided::<T>::new(&expected.shape, &turn);
        file.write_slice(items, new.view()).unwrap();
        twin.assign(items, &new.twin());
        assert!(fs::read(&path).unwrap() == form.bytes(&twin), "write {items:?}");
    }
}

#[test]
fn a_large_fortran_matrix_is_cut_into_tiles() {
    let slices: [&[SliceItem]; 5] =
        [&s![], &s![10..690, 5..895], &s![..;-1, ..], &s![.., 3..;2], &s![13, ..]];
    check_large::<f64>(&[700, 900], Order::Fortran, false, &slices);
}

#[test]
fn a_large_matrix_of_the_other_byte_order_is_cut_into_tiles() {
    let slices: [&[SliceItem]; 4] = [&s![], &s![1.., 1..], &s![..;3, ..;-2], &s![.., 77]];
    check_large::<i16>(&[700, 900], Order::C, true, &slices);
    check_large::<f64>(&[300, 500], Order::Fortran, true, &slices);
}

#[test]
fn a_large_cube_with_steps_is_cut_into_tiles() {
    let slices: [&[SliceItem]; 5] = [
        &s![],
        &s![..;2, ..;-3, 1..;4],
        &s![5..45, 10..50, 20..50],
        &s![-1, .., ..;-1],
        &s![..., 69],
    ];
    check_large::<f64>(&[50, 60, 70], Order::Fortran, false, &slices);
    check_large::<f64>(&[50, 60, 70], Order::C, false, &slices);
}

#[test]
fn gaps_of_every_size_are_left_alone() {
    // Gaps of 4 KiB less one element, of 4 KiB, and of one element more.
    for columns in [519, 520, 521] {
        let slices: [&[SliceItem]; 3] = [&s![.., ..8], &s![..;2, ..8], &s![..;-1, 511..]];
        check_large::<f64>(&[400, columns], Order::C, false, &slices);
        check_large::<f64>(&[columns, 400], Order::Fortran, false, &[&s![..8], &s![511.., ..;-1]]);
    }
}

#[test]
fn long_runs_and_runs_longer_than_a_buffer_are_whole() {
    check_large::<u8>(&[3, 70_000], Order::C, false, &[&s![.., 1..], &s![..;-1, 100..66_000]]);
    check_large::<u8>(&[1_200_000], Order::C, false, &[&s![..;2], &s![..;-1], &s![5..;7]]);
    check_large::<Bytes<3>>(&[2, 100_000, 2], Order::Fortran, false, &[&s![], &s![.., ..;-1, 1]]);
}
