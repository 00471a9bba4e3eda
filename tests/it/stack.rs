//! Stacks: many files along one axis, beside a naive twin; odd files, which are named; and how many
//! of them are open.

use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

use mmap_array::{
    Array, Element, Error, Lock, OpenOptions, Order, ReadWrite, SliceItem, Stack, StackOptions,
    Tiles, View, Window, s, save,
};
use proptest::prelude::*;

use crate::common::{Random, folder};
use crate::twin::{Raw, Twin, config, fitting, raws, shapes};
use crate::twin_doors::{Door, Step, assert_is, programs, take};
use crate::twin_file::{Form, forms};

impl<T: Element> Door<T> for Stack<T, ReadWrite> {
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

/// A twin in several files.
struct Split {
    axis: usize,
    ranges: Vec<Range<usize>>,
    forms: Vec<Form>,
    paths: Vec<PathBuf>,
}

impl Split {
    /// Cuts an array of this shape, which has axes, along one of them; some files are empty.
    fn new(folder: &Path, shape: &[usize], raw: &Raw, forms: &[Form]) -> Split {
        let [a, b, ..] = raw.first().copied().unwrap_or([1, 3, 0, 0]).map(usize::from);
        let axis = a % shape.len();
        let mut random = Random::new(b as u64);
        let mut bounds: Vec<usize> =
            (0..b % 5).map(|_| random.below(shape[axis] + 1)).chain([0, shape[axis]]).collect();
        bounds.sort_unstable();
        let ranges: Vec<_> = bounds.windows(2).map(|pair| pair[0]..pair[1]).collect();
        let paths = (0..ranges.len()).map(|file| folder.join(format!("{file}.npy"))).collect();
        let forms = forms.iter().copied().cycle().take(ranges.len()).collect();
        Split { axis, ranges, forms, paths }
    }

    /// What is in each file.
    fn bytes<T: Element>(&self, twin: &Twin<T>) -> Vec<Vec<u8>> {
        let mut items = vec![SliceItem::from(..); twin.shape.len()];
        let file = |(range, form): (&Range<usize>, &Form)| {
            items[self.axis] = SliceItem::from(range.clone());
            form.bytes(&twin.slice(&items).expect("a range that fits"))
        };
        self.ranges.iter().zip(&self.forms).map(file).collect()
    }

    fn write<T: Element>(&self, twin: &Twin<T>) {
        for (path, bytes) in self.paths.iter().zip(self.bytes(twin)) {
            fs::write(path, bytes).unwrap();
        }
    }

    fn assert_holds<T: Element>(&self, twin: &Twin<T>) {
        for (path, bytes) in self.paths.iter().zip(self.bytes(twin)) {
            assert!(fs::read(path).unwrap() == bytes, "{path:?}");
        }
    }
}

fn check_program<T: Element>(shape: &[usize], raw: &Raw, forms: &[Form], program: &[Step]) {
    let folder = folder();
    let split = Split::new(folder.path(), shape, raw, forms);
    let mut twin = Twin::<T>::new(shape, 0);
    split.write(&twin);

    let unlocked = StackOptions::new().files(OpenOptions::new().lock(Lock::Off));
    let mut stack = unlocked.open_mut::<T>(&split.paths, split.axis).unwrap();
    assert_eq!((stack.shape(), stack.axis()), (shape, split.axis));
    assert_eq!(stack.byte_len(), (twin.elements.len() * size_of::<T>()) as u64);
    assert!(stack.parts().map(|part| part.1).eq(split.ranges.iter().cloned()));
    for (number, step) in program.iter().enumerate() {
        take(&mut stack, &mut twin, 20 + number, step);
        split.assert_holds(&twin);
    }
    stack.close().unwrap();
    split.assert_holds(&twin);

    // With few files open at once.
    for limit in 1..3 {
        let few = StackOptions::new().max_open(limit);
        let stack = few.open::<T>(&split.paths, split.axis).unwrap();
        assert_is(&stack.read().unwrap(), &twin);
        for (_, place, _) in program {
            let items = fitting(shape, place);
            assert_is(&stack.read_slice(&items).unwrap(), &twin.slice(&items).unwrap());
        }
        check_blocks(&stack, &split, &twin, limit);
    }
}

/// Blocks come in order, each in one file, and together are everything.
fn check_blocks<T: Element>(stack: &Stack<T>, split: &Split, twin: &Twin<T>, rows: usize) {
    let blocks = stack.row_blocks(rows).unwrap();
    let (left, mut count, mut next) = (blocks.len(), 0, 0);
    let mut items = vec![SliceItem::from(..); twin.shape.len()];
    for block in blocks {
        let (start, len) = (block.start()[split.axis], block.shape()[split.axis]);
        assert!(start == next && len <= rows);
        assert!(split.ranges.iter().any(|range| range.start <= start && start + len <= range.end));
        items[split.axis] = SliceItem::from(start..start + len);
        assert_is(&stack.read_window(block).unwrap(), &twin.slice(&items).unwrap());
        (next, count) = (start + len, count + 1);
    }
    assert_eq!(count, left);
    assert_eq!(next, if twin.elements.is_empty() { 0 } else { twin.shape[split.axis] });
}

macro_rules! stacks_agree {
    ($($name:ident: $type:ty;)*) => {
        proptest! {
            #![proptest_config(config())]
            $(
                #[test]
                fn $name(
                    shape in shapes().prop_filter("it needs an axis", |shape| !shape.is_empty()),
                    raw in raws(),
                    forms in prop::collection::vec(forms(), 1..4),
                    program in programs(),
                ) {
                    check_program::<$type>(&shape, &raw, &forms, &program);
                }
            )*
        }
    };
}

stacks_agree! {
    stacks_of_single_bytes_are_as_their_twin: u8;
    stacks_of_small_numbers_are_as_their_twin: i16;
    stacks_of_doubles_are_as_their_twin: f64;
}

#[test]
fn files_too_large_for_a_buffer_are_as_their_twin_across_their_boundaries() {
    let folder = folder();
    let (shape, mut random) = ([300, 500], Random::new(1));
    let forms: Vec<Form> = [(Order::C, true), (Order::Fortran, false), (Order::Fortran, true)]
        .map(|(order, foreign)| Form { order, foreign, late: 3, behind: 5 })
        .to_vec();
    for axis in [0, 1] {
        let twin = Twin::<f64>::new(&shape, axis);
        let split = Split::new(folder.path(), &shape, &vec![[axis as u8, 4, 0, 0]], &forms);
        split.write(&twin);
        let stack = Stack::<f64>::open(&split.paths, split.axis).unwrap();
        for items in [&s![..][..], &s![..;-1, ..], &s![.., ..;-3], &s![5..290;2, 3..;7], &s![7]] {
            assert_is(&stack.read_slice(items).unwrap(), &twin.slice(items).unwrap());
        }
        for _ in 0..20 {
            let [a, b] = [random.below(300), random.below(500)];
            let items = s![a.., ..b];
            let window = [a..300, 0..b];
            assert_is(&stack.read_window(window).unwrap(), &twin.slice(&items).unwrap());
        }
    }
}

#[test]
fn a_stack_is_shown_as_its_array_is() {
    let folder = folder();
    let paths: Vec<_> = (0..3).map(|file| folder.path().join(format!("{file}.npy"))).collect();
    for (path, start) in paths.iter().zip([0_u32, 1000, 2000]) {
        save(path, &(start..start + 1000).collect::<Vec<_>>()).unwrap();
    }
    let stack = Stack::<u32>::open(&paths, 0).unwrap();
    assert_eq!(stack.preview().unwrap(), "[   0    1    2 ... 2997 2998 2999]");
    let text = format!("{stack:?}");
    assert_eq!(text, "Stack { shape: [3000], axis: 0, dtype: <u4, files: 3, .. }");
}

// ---- odd files ----------------------------------------------------------------------------------

/// Three files of shape [2, 3].
fn three(folder: &Path) -> Vec<PathBuf> {
    let paths: Vec<_> = (0..3).map(|file| folder.join(format!("{file}.npy"))).collect();
    for (path, start) in paths.iter().zip([0, 6, 12]) {
        save(path, &Array::from_vec([2, 3], (start..start + 6).collect::<Vec<i32>>()).unwrap())
            .unwrap();
    }
    paths
}

fn replace<T: Element>(path: &Path, shape: &[usize]) {
    let array = Array::from_vec(shape, vec![T::zeroed(); shape.iter().product()]).unwrap();
    OpenOptions::new().overwrite(true).save(path, &array).unwrap();
}

#[test]
fn a_file_that_does_not_fit_is_named_with_what_it_has_and_what_it_should_have() {
    let folder = folder();
    let paths = three(folder.path());
    let refused = |says: &[&str]| {
        let error = Stack::<i32>::open(&paths, 0).unwrap_err();
        for says in ["1.npy"].iter().chain(says) {
            assert!(error.to_string().contains(says), "{error}");
        }
        error
    };
    let mismatch = |error| assert!(matches!(error, Error::StackMismatch { .. }), "{error:?}");

    replace::<i32>(&paths[1], &[2, 4]);
    mismatch(refused(&["shape [2, 4]", "shape [any, 3]", "0.npy\" has"]));
    replace::<i32>(&paths[1], &[6]);
    mismatch(refused(&["shape [6]"]));
    replace::<i32>(&paths[1], &[2, 3, 1]);
    mismatch(refused(&["shape [2, 3, 1]"]));
    replace::<f32>(&paths[1], &[2, 3]);
    assert!(matches!(refused(&["float32", "int32"]), Error::DTypeMismatch { .. }));
    let whole = fs::read(&paths[0]).unwrap();
    fs::write(&paths[1], &whole[..whole.len() - 1]).unwrap();
    assert!(matches!(refused(&["cut short"]), Error::Truncated { .. }));
    fs::write(&paths[1], "nothing").unwrap();
    assert!(matches!(refused(&[]), Error::HeaderMagic { .. } | Error::HeaderTruncated { .. }));
    fs::remove_file(&paths[1]).unwrap();
    assert_eq!(refused(&[]).io_kind(), Some(std::io::ErrorKind::NotFound));
}

#[test]
fn an_axis_that_is_not_there_and_no_file_at_all_are_refused() {
    let folder = folder();
    let paths = three(folder.path());
    let error = Stack::<i32>::open(&paths, 2).unwrap_err();
    assert!(matches!(error, Error::InvalidAxis { axis: 2, .. }), "{error}");
    let error = Stack::<i32>::open(&paths[..0], 0).unwrap_err();
    assert!(matches!(error, Error::InvalidOption { option: "paths", .. }), "{error}");
    let none = StackOptions::new().max_open(0).open::<i32>(&paths, 0).unwrap_err();
    assert!(matches!(none, Error::InvalidOption { option: "max_open", found: 0, .. }), "{none}");
}

#[test]
#[cfg(target_pointer_width = "64")]
fn files_that_together_are_more_than_can_be_counted_are_refused() {
    let folder = folder();
    let path = folder.path().join("a.npy");
    // No element, but a length that cannot be doubled.
    let header = mmap_array::Header::new(mmap_array::DType::of::<u8>(), [1 << 62, 0], Order::C);
    fs::write(&path, header.unwrap().to_bytes()).unwrap();
    assert_eq!(Stack::<u8>::open([&path], 0).unwrap().shape(), [1 << 62, 0]);
    for count in [2, 4] {
        let error = Stack::<u8>::open(vec![&path; count], 0).unwrap_err();
        assert!(matches!(error, Error::ShapeOverflow { .. }), "{error}");
    }
}

#[test]
fn a_file_replaced_while_it_was_closed_is_refused_and_named() {
    let folder = folder();
    let paths = three(folder.path());
    let stack = StackOptions::new().max_open(1).open::<i32>(&paths, 0).unwrap();
    assert_eq!(stack.read_slice(s![4.., 0]).unwrap().as_slice(), [12, 15]);
    let read_first = || stack.read_slice(s![0, 0]);

    replace::<i32>(&paths[0], &[3, 3]);
    let error = read_first().unwrap_err();
    assert!(matches!(error, Error::StackMismatch { .. }), "{error}");
    assert!(error.to_string().contains("0.npy") && error.to_string().contains("[3, 3]"), "{error}");
    replace::<i64>(&paths[0], &[2, 3]);
    assert!(matches!(read_first().unwrap_err(), Error::DTypeMismatch { .. }));
    fs::remove_file(&paths[0]).unwrap();
    let error = read_first().unwrap_err();
    assert!(matches!(&error, Error::Io { path, .. } if path.ends_with("0.npy")), "{error:?}");
    // The others are still read, and the first one again when it is back.
    assert_eq!(stack.read_slice(s![4.., 0]).unwrap().as_slice(), [12, 15]);
    replace::<i32>(&paths[0], &[2, 3]);
    assert_eq!(read_first().unwrap().as_slice(), [0]);
}

#[test]
fn a_file_cut_short_while_it_is_open_is_named() {
    let folder = folder();
    let paths = three(folder.path());
    let stack = Stack::<i32>::open(&paths, 0).unwrap();
    stack.read().unwrap();
    fs::OpenOptions::new().write(true).open(&paths[2]).unwrap().set_len(130).unwrap();
    let error = stack.read().unwrap_err();
    assert!(matches!(&error, Error::Shrunk { path, .. } if path.ends_with("2.npy")), "{error:?}");
    stack.read_window([0..4, 0..3]).unwrap();
}

#[test]
fn windows_that_do_not_fit_are_refused_as_those_of_one_file_are() {
    let folder = folder();
    let stack = Stack::<i32>::open(three(folder.path()), 0).unwrap();
    let error = stack.read_window([0..7, 0..3]).unwrap_err();
    assert!(matches!(error, Error::OutOfBounds { axis: 0, index: 6, len: 6 }), "{error}");
    let error = stack.read_slice(s![-7]).unwrap_err();
    assert!(matches!(error, Error::OutOfBounds { axis: 0, index: -7, len: 6 }), "{error}");
    let error = stack.read_window(0..1).unwrap_err();
    assert!(matches!(error, Error::RankMismatch { expected: 2, found: 1 }), "{error}");
    let error = stack.read_window_into([0..6, 0..3], &mut [0; 17]).unwrap_err();
    assert!(matches!(error, Error::LenMismatch { expected: 18, found: 17 }), "{error}");
    let error = stack.row_blocks(0).unwrap_err();
    assert!(matches!(error, Error::InvalidAxis { axis: 0, .. }), "{error}");
}

// ---- descriptors --------------------------------------------------------------------------------

/// How many files in this folder this process has open.
#[cfg(target_os = "linux")]
pub(crate) fn open_files(folder: &Path) -> usize {
    let folder = folder.canonicalize().unwrap();
    let entries = fs::read_dir("/proc/self/fd").unwrap().flatten();
    let names = entries.filter_map(|entry| fs::read_link(entry.path()).ok());
    names.filter(|name| name.starts_with(&folder) && *name != folder).count()
}

#[cfg(target_os = "linux")]
#[test]
fn of_hundreds_of_files_no_more_are_open_than_allowed_also_with_threads() {
    let folder = folder();
    let paths: Vec<_> = (0..300).map(|file| folder.path().join(format!("{file}.npy"))).collect();
    for (number, path) in paths.iter().enumerate() {
        let array = Array::from_vec([2, 4], vec![number as u16; 8]).unwrap();
        let fast = OpenOptions::new().lock(Lock::Off);
        let file = fast.create_file::<u16>(path, [2, 4]).unwrap();
        file.write_slice(s![], &array).unwrap();
    }
    let stack = Stack::<u16>::open(&paths, 0).unwrap();
    assert_eq!(open_files(folder.path()), 0, "headers are read, and that is all");
    let column = stack.read_slice(s![..;2, 1]).unwrap();
    assert!(column.iter().copied().eq(0..300));
    assert_eq!(open_files(folder.path()), 64);

    let stack = StackOptions::new().max_open(5).open::<u16>(&paths, 0).unwrap();
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|seed| {
                let stack = &stack;
                scope.spawn(move || {
                    let mut random = Random::new(seed);
                    for _ in 0..400 {
                        let row = random.below(600);
                        let window = [row..600.min(row + 5), 2..3];
                        let found = stack.read_window(window).unwrap();
                        assert!(found.iter().zip(row..).all(|(&n, row)| usize::from(n) == row / 2));
                    }
                })
            })
            .collect();
        // The first stack's 64 are open too.
        while threads.iter().any(|thread| !thread.is_finished()) {
            assert!(open_files(folder.path()) <= 64 + 5);
        }
    });
    drop(stack);
}
