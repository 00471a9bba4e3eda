//! Batches against naive indexing: `take` and `read_windows`, by position and mapped, in every
//! storage order, byte order and alignment, from a few elements to what threads share.

#[cfg(not(miri))]
use std::fs;
use std::ops::Range;
use std::path::Path;

use mmap_array::{
    Access, Bytes, Element, Error, MmapArray, NpyFile, OpenOptions, Order, Result, View, Window,
};

use crate::common::{Random, folder, for_each_index, number};
use crate::map;
use crate::twin::{Twin, bytes, nth};

/// What both doors can do.
trait Batches<T> {
    fn batch(&self, axis: usize, indices: &[usize], out: &mut [T]) -> Result<()>;
    fn windows(&self, windows: &[Window], out: &mut [T]) -> Result<()>;
}

impl<T: Element, A: Access> Batches<T> for NpyFile<T, A> {
    fn batch(&self, axis: usize, indices: &[usize], out: &mut [T]) -> Result<()> {
        self.take(axis, indices, out)
    }
    fn windows(&self, windows: &[Window], out: &mut [T]) -> Result<()> {
        self.read_windows(windows, out)
    }
}

impl<T: Element, A: Access> Batches<T> for MmapArray<T, A> {
    fn batch(&self, axis: usize, indices: &[usize], out: &mut [T]) -> Result<()> {
        self.take(axis, indices, out)
    }
    fn windows(&self, windows: &[Window], out: &mut [T]) -> Result<()> {
        self.read_windows(windows, out)
    }
}

fn taken<T: Element>(twin: &Twin<T>, axis: usize, indices: &[usize]) -> Vec<T> {
    let mut shape = twin.shape.clone();
    shape[axis] = indices.len();
    let (mut elements, mut place) = (Vec::new(), vec![0; shape.len()]);
    for_each_index(&shape, |index| {
        place.copy_from_slice(index);
        place[axis] = indices[index[axis]];
        elements.push(twin.elements[number(&twin.shape, &place)]);
    });
    elements
}

fn in_windows<T: Element>(twin: &Twin<T>, windows: &[Window]) -> Vec<T> {
    let mut elements = Vec::new();
    for window in windows {
        let mut place = vec![0; window.ndim()];
        for_each_index(window.shape(), |index| {
            for axis in 0..index.len() {
                place[axis] = window.start()[axis] + index[axis];
            }
            elements.push(twin.elements[number(&twin.shape, &place)]);
        });
    }
    elements
}

fn check_take<T: Element>(door: &impl Batches<T>, twin: &Twin<T>, axis: usize, indices: &[usize]) {
    assert_takes(door, &taken(twin, axis, indices), axis, indices);
}

fn assert_takes<T: Element>(
    door: &impl Batches<T>,
    expected: &[T],
    axis: usize,
    indices: &[usize],
) {
    let mut out = vec![nth(77, 3); expected.len()];
    door.batch(axis, indices, &mut out).unwrap();
    assert!(bytes(&out) == bytes(expected), "axis {axis} at {indices:?}");
}

fn check_windows<T: Element>(door: &impl Batches<T>, twin: &Twin<T>, windows: &[Window]) {
    assert_reads(door, &in_windows(twin, windows), windows);
}

fn assert_reads<T: Element>(door: &impl Batches<T>, expected: &[T], windows: &[Window]) {
    let mut out = vec![nth(77, 3); expected.len()];
    door.windows(windows, &mut out).unwrap();
    assert!(bytes(&out) == bytes(expected), "{windows:?}");
}

/// Indices that are few or many, near or far, in any order, some of them more than once.
fn indices(random: &mut Random, len: usize) -> Vec<usize> {
    if len == 0 {
        return Vec::new();
    }
    let most = [1, 4, 60, 2 * len][random.below(4)].min(if cfg!(miri) { 8 } else { 3000 });
    let (count, range) = (random.below(most + 1), 1 + random.below(len));
    let first = random.below(len - range + 1);
    let mut indices: Vec<_> = (0..count).map(|_| first + random.below(range)).collect();
    match random.below(4) {
        0 => indices.sort_unstable(),
        1 => indices = (first..first + range).rev().take(most).collect(),
        _ => {}
    }
    indices
}

fn window(random: &mut Random, shape: &[usize]) -> Window {
    let whole = random.below(2);
    let ranges: Vec<Range<usize>> = shape
        .iter()
        .enumerate()
        .map(|(axis, &len)| {
            if axis >= whole && random.below(3) > 0 {
                return 0..len;
            }
            let start = random.below(len + 1);
            start..start + random.below((len - start).min(9) + 1)
        })
        .collect();
    Window::from(&*ranges)
}

fn windows(random: &mut Random, shape: &[usize]) -> Vec<Window> {
    let count = [0, 1, 2, 9, 60][random.below(if cfg!(miri) { 3 } else { 5 })];
    let mut windows: Vec<Window> = (0..count).map(|_| window(random, shape)).collect();
    // Bounded, and some of them twice.
    windows.extend_from_within(..windows.len() / 3);
    let mut room = 400_000;
    windows.retain(|window| {
        let fits = window.len() <= room;
        room -= if fits { window.len() } else { 0 };
        fits
    });
    windows
}

fn shape(random: &mut Random) -> Vec<usize> {
    let small = |random: &mut Random, ndim: usize| (0..ndim).map(|_| random.below(5)).collect();
    // Gaps that are not worth reading through, and rows longer than those that are.
    let large: [&[usize]; 9] = [
        &[30_000],
        &[3, 7000],
        &[6000, 3],
        &[2, 3000, 5],
        &[40, 3, 200],
        &[300, 1, 70],
        &[4, 3, 2000],
        &[6, 17_000],
        &[1, 5000, 2],
    ];
    match random.below(if cfg!(miri) { 2 } else { 4 }) {
        0 => small(random, 2),
        1 => {
            let ndim = random.below(6);
            small(random, ndim)
        }
        _ => large[random.below(large.len())].to_vec(),
    }
}

fn check_all<T: Element>(door: &impl Batches<T>, twin: &Twin<T>, random: &mut Random) {
    for axis in 0..twin.shape.len() {
        for _ in 0..2 {
            check_take(door, twin, axis, &indices(random, twin.shape[axis]));
        }
    }
    check_windows(door, twin, &windows(random, &twin.shape));
}

fn order(random: &mut Random) -> Order {
    [Order::C, Order::Fortran][random.below(2)]
}

/// Writes the twin to a new file in this order.
fn save<T: Element>(path: &Path, twin: &Twin<T>, order: Order) {
    let view = View::from_shape(&twin.shape, &twin.elements).unwrap();
    OpenOptions::new().order(order).overwrite(true).save(path, view).unwrap();
}

fn check_mapped<T: Element>(seed: u64, cases: usize) {
    let (folder, mut random) = (folder(), Random::new(seed));
    let path = folder.path().join("a.npy");
    for _ in 0..if cfg!(miri) { 4 } else { cases } {
        let mut twin = Twin::<T>::new(&shape(&mut random), 0);
        save(&path, &twin, order(&mut random));
        check_all(&map::open::<T>(&path).unwrap(), &twin, &mut random);

        let mut array = map::open_cow::<T>(&path).unwrap();
        for _ in 0..20.min(twin.elements.len()) {
            let index: Vec<_> = twin.shape.iter().map(|&len| random.below(len)).collect();
            array[&index] = nth(9, 1);
            twin.elements[number(&twin.shape, &index)] = nth(9, 1);
        }
        check_all(&array, &twin, &mut random);
    }
}

#[test]
fn batches_of_mapped_bytes_are_as_indexed_one_by_one() {
    check_mapped::<u8>(1, 60);
}

#[test]
fn batches_of_mapped_numbers_are_as_indexed_one_by_one() {
    check_mapped::<i32>(2, 60);
}

#[test]
fn batches_of_mapped_strings_are_as_indexed_one_by_one() {
    check_mapped::<Bytes<3>>(3, 60);
}

#[cfg(not(miri))]
fn check_by_position<T: Element>(seed: u64) {
    use crate::twin_file::Form;
    let (folder, mut random) = (folder(), Random::new(seed));
    let path = folder.path().join("a.npy");
    for _ in 0..100 {
        let form = Form {
            order: order(&mut random),
            foreign: random.below(2) == 0,
            late: random.below(9),
            behind: random.below(9),
        };
        let twin = Twin::<T>::new(&shape(&mut random), 0);
        fs::write(&path, form.bytes(&twin)).unwrap();
        check_all(&NpyFile::<T>::open(&path).unwrap(), &twin, &mut random);
    }
}

#[cfg(not(miri))]
#[test]
fn batches_of_bytes_by_position_are_as_indexed_one_by_one() {
    check_by_position::<u8>(4);
}

#[cfg(not(miri))]
#[test]
fn batches_of_doubles_by_position_are_as_indexed_one_by_one() {
    check_by_position::<f64>(5);
}

#[cfg(not(miri))]
#[test]
fn batches_of_strings_by_position_are_as_indexed_one_by_one() {
    check_by_position::<Bytes<5>>(6);
}

#[cfg(not(miri))]
#[test]
fn batches_that_threads_share_are_as_indexed_one_by_one() {
    // A disk: files in memory are always in memory.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.npy");
    let mut random = Random::new(7);
    let shapes = [&[700, 130][..], &[2, 250, 190], &[110_000], &[3, 37_000]];
    for (number, shape) in shapes.into_iter().enumerate() {
        for order in [Order::C, Order::Fortran].into_iter().take(2 - number.min(1)) {
            let twin = Twin::<i64>::new(shape, 0);
            save(&path, &twin, order);
            let file = NpyFile::<i64>::open(&path).unwrap();
            let array = map::open::<i64>(&path).unwrap();
            let mut private = map::open_cow::<i64>(&path).unwrap();
            let mut changed = twin.clone();
            for place in (0..changed.elements.len()).step_by(50_001) {
                changed.elements[place] = -7;
                let mut index = vec![0; shape.len()];
                let mut rest = place;
                for axis in (0..shape.len()).rev() {
                    index[axis] = rest % shape[axis];
                    rest /= shape[axis];
                }
                private[&index] = -7;
            }
            for (axis, &len) in shape.iter().enumerate() {
                let rest = twin.elements.len() / len;
                let indices: Vec<_> =
                    (0..530_000_usize.div_ceil(rest)).map(|_| random.below(len)).collect();
                let (expected, ours) =
                    (taken(&twin, axis, &indices), taken(&changed, axis, &indices));
                for cold in [true, false] {
                    forget(&path, cold);
                    assert_takes(&file, &expected, axis, &indices);
                    forget(&path, cold);
                    assert_takes(&array, &expected, axis, &indices);
                    forget(&path, cold);
                    assert_takes(&private, &ours, axis, &indices);
                }
            }
            let mut whole: Vec<_> = shape.iter().map(|&len| 0..len).collect();
            let mut windows = vec![Window::from(&*whole); 5];
            whole[shape.len() - 1].start = 17;
            windows.push(Window::from(&*whole));
            whole[0] = 1..2;
            windows.push(Window::from(&*whole));
            let (expected, ours) = (in_windows(&twin, &windows), in_windows(&changed, &windows));
            for cold in [true, false] {
                forget(&path, cold);
                assert_reads(&file, &expected, &windows);
                forget(&path, cold);
                assert_reads(&array, &expected, &windows);
                forget(&path, cold);
                assert_reads(&private, &ours, &windows);
            }
        }
    }
}

/// Lets the system forget a file that is on disk.
#[cfg(not(miri))]
fn forget(path: &Path, cold: bool) {
    #[cfg(target_os = "linux")]
    if cold {
        let file = fs::File::open(path).unwrap();
        rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed).unwrap();
    }
    let _ = (path, cold);
}

#[test]
fn a_batch_that_is_refused_leaves_the_buffer_as_it_was() {
    let folder = folder();
    let path = folder.path().join("a.npy");
    save(&path, &Twin::<i32>::new(&[4, 3], 0), Order::C);
    let refused = |door: &dyn Batches<i32>| {
        let take = |axis, indices: &[usize], len: usize| {
            let mut out = vec![-1; len];
            let error = door.batch(axis, indices, &mut out).unwrap_err();
            assert_eq!(out, vec![-1; len]);
            error
        };
        assert!(matches!(take(2, &[0], 3), Error::InvalidAxis { axis: 2, .. }));
        assert!(matches!(
            take(1, &[0, 3, 4], 12),
            Error::OutOfBounds { axis: 1, index: 3, len: 3 }
        ));
        assert!(matches!(
            take(0, &[usize::MAX], 3),
            Error::OutOfBounds { axis: 0, index: isize::MAX, len: 4 }
        ));
        assert!(matches!(take(0, &[1, 2], 5), Error::LenMismatch { expected: 6, found: 5 }));
        assert!(matches!(take(0, &[], 5), Error::LenMismatch { expected: 0, found: 5 }));

        let windows = |windows: &[Window], len: usize| {
            let mut out = vec![-1; len];
            let error = door.windows(windows, &mut out).unwrap_err();
            assert_eq!(out, vec![-1; len]);
            error
        };
        let [inside, outside] = [Window::from([0..2, 0..3]), Window::from([3..5, 0..3])];
        let error = windows(&[inside.clone(), outside], 12);
        assert!(matches!(error, Error::OutOfBounds { axis: 0, index: 4, len: 4 }));
        let error = windows(&[inside.clone(), Window::from(0..3)], 9);
        assert!(matches!(error, Error::RankMismatch { expected: 2, found: 1 }));
        #[allow(clippy::reversed_empty_ranges)]
        let error = windows(&[inside.clone(), Window::from([3..2, 0..3])], 6);
        assert!(matches!(error, Error::ReversedRange { axis: 0, start: 3, end: 2 }));
        let error = windows(&[inside.clone(), inside.clone()], 11);
        assert!(matches!(error, Error::LenMismatch { expected: 12, found: 11 }));
        let error = windows(&[], 1);
        assert!(matches!(error, Error::LenMismatch { expected: 0, found: 1 }));
        let error = windows(&[inside], 5);
        assert!(matches!(error, Error::LenMismatch { expected: 6, found: 5 }));
    };
    refused(&NpyFile::<i32>::open(&path).unwrap());
    refused(&map::open::<i32>(&path).unwrap());
}

#[test]
fn an_empty_batch_and_an_array_without_elements_read_nothing() {
    let folder = folder();
    let path = folder.path().join("a.npy");
    for shape in [&[0, 3][..], &[3, 0], &[4, 0, 2], &[0]] {
        for order in [Order::C, Order::Fortran] {
            let twin = Twin::<i16>::new(shape, 0);
            save(&path, &twin, order);
            let (file, array) = (NpyFile::open(&path).unwrap(), map::open(&path).unwrap());
            for (axis, len) in shape.iter().enumerate() {
                let last = len.checked_sub(1);
                for indices in [vec![], last.into_iter().chain(last).collect()] {
                    check_take(&file, &twin, axis, &indices);
                    check_take(&array, &twin, axis, &indices);
                }
            }
            file.read_windows(&[], &mut []).unwrap();
            array.read_windows(&[], &mut []).unwrap();
        }
    }
    save(&path, &Twin::<i16>::new(&[], 4), Order::C);
    let (file, array) = (NpyFile::<i16>::open(&path).unwrap(), map::open::<i16>(&path).unwrap());
    assert!(matches!(file.take(0, &[], &mut []), Err(Error::InvalidAxis { axis: 0, .. })));
    let scalar = Window::new([], []).unwrap();
    check_windows(&file, &Twin::new(&[], 4), &[scalar.clone(), scalar.clone()]);
    check_windows(&array, &Twin::new(&[], 4), &[scalar.clone(), scalar]);
}

#[cfg(not(miri))]
#[test]
fn a_file_that_was_cut_short_is_shrunk_and_no_batch_is_read() {
    let folder = folder();
    let path = folder.path().join("a.npy");
    save(&path, &Twin::<i32>::new(&[4000, 3], 0), Order::C);
    let file = NpyFile::<i32>::open(&path).unwrap();
    let array = map::open::<i32>(&path).unwrap();
    fs::File::options().write(true).open(&path).unwrap().set_len(9000).unwrap();
    let windows = [Window::from([0..1, 0..3]), Window::from([3000..3001, 0..3])];
    for door in [&file as &dyn Batches<i32>, &array] {
        let mut out = [-1; 6];
        let result = door.batch(0, &[1, 3999], &mut out);
        assert!(matches!(result, Err(Error::Shrunk { found: 9000, .. })), "{result:?}");
        let result = door.windows(&windows, &mut out);
        assert!(matches!(result, Err(Error::Shrunk { found: 9000, .. })), "{result:?}");
        assert_eq!(out, [-1; 6]);
    }
}

#[test]
fn one_item_of_a_file_of_long_rows_is_taken_whatever_the_size_of_addresses() {
    let folder = folder();
    let path = folder.path().join("a.npy");
    let twin = Twin::<u8>::new(&[3, 5000], 0);
    save(&path, &twin, Order::C);
    for axis in 0..2 {
        check_take(&NpyFile::<u8>::open(&path).unwrap(), &twin, axis, &[2]);
        check_take(&map::open::<u8>(&path).unwrap(), &twin, axis, &[2]);
    }
    // Many items of short rows.
    let twin = Twin::<u8>::new(&[4, 2], 0);
    save(&path, &twin, Order::C);
    let indices: Vec<_> = (0..8193).map(|number| number % 2).collect();
    check_take(&NpyFile::<u8>::open(&path).unwrap(), &twin, 1, &indices);
}
