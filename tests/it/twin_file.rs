//! Files that hold a naive twin, in every storage order, byte order and alignment; and those too
//! large for a buffer compared with it.

use std::fs;
use std::path::Path;

use mmap_array::{
    Bytes, DType, Element, Header, Lock, NpyFile, OpenOptions, Order, ReadWrite, SliceItem, View,
    bytemuck, s,
};
use proptest::prelude::*;

use crate::common::folder;
use crate::twin::{Raw, Twin, bytes, order_of_axes};

/// How a file holds its array.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Form {
    pub(crate) order: Order,
    /// In the other byte order.
    pub(crate) foreign: bool,
    /// Bytes by which the data starts later than NumPy would have it.
    pub(crate) late: usize,
    /// Bytes behind the data.
    pub(crate) behind: usize,
}

pub(crate) fn forms() -> impl Strategy<Value = Form> {
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
    pub(crate) fn dtype<T: Element>(&self) -> DType {
        let descr = DType::of::<T>().to_string();
        let swapped = match descr.as_bytes()[0] {
            b'<' => descr.replace('<', ">"),
            b'>' => descr.replace('>', "<"),
            _ => descr.clone(),
        };
        if self.foreign { swapped.parse().unwrap() } else { descr.parse().unwrap() }
    }

    /// The whole file.
    pub(crate) fn bytes<T: Element>(&self, twin: &Twin<T>) -> Vec<u8> {
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

/// Memory with gaps, turned around, whose view has this shape; and its twin.
pub(crate) struct Strided<T> {
    memory: Twin<T>,
    items: Vec<SliceItem>,
    axes: Vec<usize>,
}

impl<T: Element> Strided<T> {
    pub(crate) fn new(shape: &[usize], raw: &Raw) -> Strided<T> {
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

    pub(crate) fn view(&self) -> View<'_, T> {
        let view = View::from_shape(&self.memory.shape, &self.memory.elements).unwrap();
        view.slice(&self.items).unwrap().permute(&self.axes).unwrap()
    }

    pub(crate) fn twin(&self) -> Twin<T> {
        self.memory.slice(&self.items).expect("a slice that fits").permute(&self.axes)
    }
}

/// On Windows nobody else reads a locked file, and these tests look at it while it is open.
pub(crate) fn open_unlocked<T: Element>(path: &Path) -> NpyFile<T, ReadWrite> {
    OpenOptions::new().lock(Lock::Off).open_file_mut(path).unwrap()
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
