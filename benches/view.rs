//! What a mapped array costs once its pages are there: indexing, slicing, iterating, copying
//! windows out.
//!
//! The limit is the same work on raw pointers; the rival is ndarray over the same memory, with a
//! fixed number of axes and with any number (`IxDyn`), as ours. The last column is our time divided
//! by theirs. Each call indexes 4096 elements, so 1 us is 0.24 ns an element.
//!
//! `cargo bench --bench view`, or with files of 4 x side x side bytes
//! `MMAP_ARRAY_BENCH_SIDE=32768 cargo bench --bench view`

#![allow(unsafe_code)]

mod files;
mod ratio;

use std::cell::RefCell;
use std::hint::black_box;

use files::{places, turns, write_file};
use mmap_array::{MmapArray, Order, View, s};
use ndarray::{ArrayView2, ArrayView3};
use ndarray_0_17 as ndarray;
use ratio::Ratios;

/// 16 KiB of elements: what is measured is arithmetic, not memory.
const CUBE: [usize; 3] = [16, 16, 16];

fn main() {
    let mut ratios = Ratios::new();
    let side = std::env::var("MMAP_ARRAY_BENCH_SIDE").map(|side| side.parse().expect("a number"));
    let side = if ratios.test { 1024 } else { side.unwrap_or(8192) };
    let folder = tempfile::tempdir().expect("a folder for files that go away");
    let path = folder.path().join("a.npy");
    mmap_array::save(&path, &cube()).expect("a new file");
    // SAFETY: the folder is this program's own.
    let cube = unsafe { MmapArray::<i32>::open(&path) }.expect("an array");
    index(&mut ratios, &cube);
    slice(&mut ratios, &cube);

    std::fs::remove_file(&path).expect("a file to remove");
    write_file::<f32>(&path, "<f4", [side, side], Order::C);
    // SAFETY: the folder is this program's own.
    let array = unsafe { MmapArray::<f32>::open(&path) }.expect("an array");
    let plane = array.slice(s![..512, ..1024]).unwrap();
    walk(&mut ratios, "512 rows of 1024", &plane);
    walk(&mut ratios, "512 rows of 512, steps of 2", &plane.slice(s![.., ..;2]).unwrap());
    walk(&mut ratios, "transposed", &plane.transpose());
    windows(&mut ratios, &array);
    ratios.finish();
}

fn cube() -> mmap_array::Array<i32> {
    mmap_array::Array::from_vec(CUBE, (0..4096).collect()).unwrap()
}

/// Elements of a small cube, by indices in no order.
fn index(ratios: &mut Ratios, array: &MmapArray<i32>) {
    let view = array.view();
    let elements = array.as_slice().unwrap();
    let fixed = ArrayView3::from_shape(CUBE, elements).unwrap();
    let dynamic = fixed.view().into_dyn();
    let first = elements.as_ptr();
    // Few enough for the fastest cache, eight times over.
    let indices: Vec<[usize; 3]> =
        (0..512).map(|n: usize| [n * 7 % 16, n * 5 / 16 % 16, n * 11 / 32 % 16]).collect();
    assert!(indices.iter().all(|&index| array[index] == dynamic[index]));
    ratios.compare(
        "index 4096 elements",
        "<= 8.2 us, 2 ns each",
        &mut [
            ("array[[i, j, k]]", &mut || each(&indices, |index| array[index])),
            ("view[[i, j, k]]", &mut || each(&indices, |index| view[index])),
            ("ndarray, 3 axes", &mut || each(&indices, |index| fixed[index])),
            ("ndarray, any axes", &mut || each(&indices, |index| dynamic[index])),
            ("raw pointer, unchecked", &mut || {
                // SAFETY: the indices keep to the cube.
                each(&indices, |[i, j, k]| unsafe { *first.add(i * 256 + j * 16 + k) });
            }),
        ],
    );
}

fn each(indices: &[[usize; 3]], element: impl Fn([usize; 3]) -> i32) {
    for _ in 0..8 {
        black_box(indices.iter().fold(0_i32, |sum, &index| sum.wrapping_add(element(index))));
    }
}

fn slice(ratios: &mut Ratios, array: &MmapArray<i32>) {
    let view = array.view();
    let fixed = ArrayView3::from_shape(CUBE, array.as_slice().unwrap()).unwrap();
    let dynamic = fixed.view().into_dyn();
    ratios.compare(
        "slice three axes",
        "<= 0.050 us",
        &mut [
            ("view.slice", &mut || {
                black_box(black_box(&view).slice(s![1..9, 3, ..;2]).unwrap());
            }),
            ("array.slice", &mut || {
                black_box(black_box(array).slice(s![1..9, 3, ..;2]).unwrap());
            }),
            ("ndarray, 3 axes", &mut || {
                black_box(black_box(&fixed).slice(ndarray::s![1..9, 3, ..;2]));
            }),
            ("ndarray, any axes", &mut || {
                black_box(black_box(&dynamic).slice(ndarray::s![1..9, 3, ..;2]));
            }),
        ],
    );
}

/// The sum of all elements, by every way to walk.
fn walk(ratios: &mut Ratios, name: &str, view: &View<'_, f32>) {
    let fixed = plane(view);
    let expected: f32 = view.iter().sum();
    assert!(raw(view, 1) == expected && view.fold(0.0, |sum, element| sum + element) > 0.0);
    ratios.compare(
        &format!("sum of {name}, iterators"),
        "<= 1.1 of raw",
        &mut [
            ("iter().sum()", &mut || keep(view.iter().sum::<f32>())),
            ("for x in view", &mut || {
                let mut sum = 0.0;
                for element in view {
                    sum += element;
                }
                black_box(sum);
            }),
            ("raw strided loop", &mut || keep(raw(view, 1))),
            ("ndarray iter().sum()", &mut || keep(fixed.iter().sum::<f32>())),
        ],
    );
    ratios.compare(
        &format!("sum of {name}, lanes"),
        "<= 1.1 of raw",
        &mut [
            ("lanes, iter().sum()", &mut || {
                let lanes = view.lanes(1).unwrap();
                keep(lanes.map(|lane| lane.iter().sum::<f32>()).sum::<f32>());
            }),
            ("raw strided loop", &mut || keep(raw(view, 1))),
            ("ndarray lanes", &mut || {
                let lanes = fixed.lanes(ndarray::Axis(1)).into_iter();
                keep(lanes.map(|lane| lane.iter().sum::<f32>()).sum::<f32>());
            }),
        ],
    );
    ratios.compare(
        &format!("sum of {name}, fold"),
        "<= 1.1 of raw",
        &mut [
            ("fold", &mut || keep(view.fold(0.0, |sum, element| sum + element))),
            ("raw, in memory order", &mut || {
                let inner = usize::from(view.strides()[1] <= view.strides()[0]);
                keep(raw(view, inner));
            }),
        ],
    );
}

fn keep<T>(result: T) {
    black_box(result);
}

fn plane<'a>(view: &View<'a, f32>) -> ArrayView2<'a, f32> {
    use ndarray::ShapeBuilder;
    let [rows, columns] = [view.shape()[0], view.shape()[1]];
    let strides = [view.strides()[0] as usize, view.strides()[1] as usize];
    let shape = (rows, columns).strides((strides[0], strides[1]));
    // SAFETY: the view reaches just these elements.
    unsafe { ArrayView2::from_shape_ptr(shape, std::ptr::from_ref(view.get([0, 0]).unwrap())) }
}

/// Two loops over a pointer, `inner` the axis of the inner one.
fn raw(view: &View<'_, f32>, inner: usize) -> f32 {
    let first = std::ptr::from_ref(view.get([0, 0]).unwrap());
    let (shape, strides, outer) = (view.shape(), view.strides(), 1 - inner);
    let mut sum = 0.0;
    for i in 0..shape[outer] as isize {
        for j in 0..shape[inner] as isize {
            // SAFETY: the indices keep to the shape.
            sum += unsafe { *first.offset(i * strides[outer] + j * strides[inner]) };
        }
    }
    sum
}

/// Windows of 64 x 64 elements at random places.
fn windows(ratios: &mut Ratios, array: &MmapArray<f32>) {
    let columns = array.shape()[1];
    let places = places(array.shape(), [64, 64]);
    let elements = array.as_slice().unwrap();
    let fixed = ArrayView2::from_shape((array.shape()[0], columns), elements).unwrap();
    let buffer = RefCell::new(vec![0.0; 64 * 64]);
    let ours = |[i, j]: [usize; 2], out: &mut [f32]| {
        array.slice(s![i..i + 64, j..j + 64]).unwrap().copy_to_slice(out).unwrap();
    };
    let copies = |[i, j]: [usize; 2], out: &mut [f32]| {
        // As a `memcpy` whose length only the caller knows.
        let len = black_box(64);
        for (row, out) in out.chunks_exact_mut(len).enumerate() {
            out.copy_from_slice(&elements[(i + row) * columns + j..][..len]);
        }
    };
    let mut expected = vec![0.0; 64 * 64];
    copies(places[7], &mut expected);
    ours(places[7], &mut buffer.borrow_mut());
    assert_eq!(*buffer.borrow(), expected);

    let [mut place, mut other_place, mut window_place, mut ndarray_place] = turns(&places);
    ratios.compare(
        "64 x 64 window",
        "<= 1.15 of memcpy",
        &mut [
            ("copy_to_slice", &mut || ours(*place.next().unwrap(), &mut buffer.borrow_mut())),
            ("memcpy of each row", &mut || {
                copies(*other_place.next().unwrap(), &mut buffer.borrow_mut());
            }),
            ("read_window_into", &mut || {
                let [i, j] = *window_place.next().unwrap();
                array.read_window_into([i..i + 64, j..j + 64], &mut buffer.borrow_mut()).unwrap();
            }),
            ("ndarray slice, assign", &mut || {
                let [i, j] = *ndarray_place.next().unwrap();
                let mut buffer = buffer.borrow_mut();
                let target = ndarray::ArrayViewMut2::from_shape((64, 64), &mut buffer[..]);
                target.unwrap().assign(&fixed.slice(ndarray::s![i..i + 64, j..j + 64]));
            }),
        ],
    );
}
