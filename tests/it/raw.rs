//! Arrays without a header, inside files of any kind: both doors find the elements that NumPy's
//! memmap finds there, and touch no other byte.

use std::fmt::Debug;
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

use mmap_array::{
    Allocation, Array, DType, Element, Error, Header, LockState, NpyFile, OpenOptions, Order,
    Publish, Raw, bytemuck, load, s,
};

use crate::common::folder;
use crate::golden::{Golden, Visitor, data, visit_golden};
use crate::map;

/// Where golden arrays are put: wherever it hurts most, and where each type can be mapped.
pub(crate) const ODD: u64 = 13;
pub(crate) const EVEN: u64 = 24;

fn dtype(text: &str) -> DType {
    text.parse().unwrap()
}

/// A golden array as raw elements at this byte.
pub(crate) fn golden_at<T: Element>(golden: &Golden<T>, offset: u64) -> OpenOptions {
    let raw = Raw::new(dtype(&golden.descr()), golden.shape()).order(golden.order).offset(offset);
    OpenOptions::new().raw(raw)
}

fn whole(shape: &[usize]) -> Vec<Range<usize>> {
    shape.iter().map(|&len| 0..len).collect()
}

/// The bytes of the elements as NumPy wrote them.
fn golden_bytes<T: Element>(golden: &Golden<T>) -> Vec<u8> {
    let path = data().join("golden").join(golden.name());
    let start = Header::read(&path).unwrap().data_start() as usize;
    fs::read(path).unwrap().split_off(start)
}

/// Fails unless the file holds this golden array at this byte, by every door.
pub(crate) fn check_raw<T: Element + PartialEq + Debug>(
    path: &Path,
    golden: &Golden<T>,
    offset: u64,
) {
    let options = golden_at(golden, offset);
    let expected = golden.elements();
    let file = options.open_file::<T>(path).unwrap();
    assert_eq!((file.shape(), file.order()), (golden.shape(), golden.order), "{path:?}");
    assert_eq!(file.dtype().to_string(), golden.descr());
    assert_eq!(file.header().data_start(), offset);
    assert_eq!(file.read().unwrap().as_slice(), expected, "{path:?}");

    let misaligned = !offset.is_multiple_of(file.dtype().alignment() as u64);
    let mapped = map::open_with::<T>(&options, path);
    if golden.is_native() && !misaligned {
        assert_eq!(mapped.unwrap().view().to_vec(), expected, "{path:?}");
        let copy = map::open_cow_with::<T>(&options, path).unwrap();
        assert_eq!(copy.view().to_vec(), expected);
        drop(copy);
        let array = map::open_mut_with::<T>(&options, path).unwrap();
        assert_eq!(array.view().to_vec(), expected);
        array.close().unwrap();
        return;
    }
    let error = mapped.unwrap_err();
    assert_eq!(matches!(error, Error::ForeignByteOrder { .. }), !golden.is_native(), "{error}");
    assert_eq!(matches!(error, Error::Misaligned { .. }), golden.is_native(), "{error}");
    assert!(error.to_string().contains("NpyFile"), "{error}");
    let other = map::open_mut_with::<T>(&options, path).unwrap_err();
    assert_eq!(other.to_string(), error.to_string());
}

/// Creates a golden array as raw elements, by position anywhere and mapped where that can be, and
/// says where.
pub(crate) fn write_raw<T: Element>(folder: &Path, golden: &Golden<T>) -> Vec<(PathBuf, u64)> {
    let (shape, elements) = (golden.shape(), golden.elements());
    let place =
        |offset: u64| folder.join(golden.name().replace(".npy", &format!("_at{offset}.raw")));
    let file = golden_at(golden, ODD).create_file::<T>(place(ODD), shape).unwrap();
    file.write_window(&whole(shape)[..], &elements).unwrap();
    file.close().unwrap();
    let mut paths = vec![(place(ODD), ODD)];

    let mapped = map::create_with::<T>(&golden_at(golden, EVEN), place(EVEN), shape);
    if golden.is_native() {
        let mut array = mapped.unwrap();
        array.view_mut().iter_mut().zip(&elements).for_each(|(to, &from)| *to = from);
        array.close().unwrap();
        paths.push((place(EVEN), EVEN));
    } else {
        assert!(matches!(mapped, Err(Error::ForeignByteOrder { .. })), "{mapped:?}");
        assert!(!place(EVEN).exists(), "a file was left behind");
    }
    paths
}

#[test]
fn elements_of_every_type_and_order_are_found_at_any_byte_of_any_file() {
    struct Check;
    impl Visitor for Check {
        fn visit<T: Element + PartialEq + Debug>(&mut self, golden: &Golden<T>) {
            let folder = folder();
            let path = folder.path().join("other.format");
            for offset in [0, 1, 2, 4, ODD, EVEN, 4096] {
                let before = vec![0xA5; offset as usize];
                let bytes = [before, golden_bytes(golden), b"and more".to_vec()].concat();
                fs::write(&path, &bytes).unwrap();
                check_raw(&path, golden, offset);
                assert!(fs::read(&path).unwrap() == bytes, "{golden:?} at {offset}");
            }
        }
    }
    visit_golden(&mut Check);
}

#[test]
fn a_new_raw_file_is_zeros_and_then_the_bytes_of_numpy() {
    struct Check;
    impl Visitor for Check {
        fn visit<T: Element + PartialEq + Debug>(&mut self, golden: &Golden<T>) {
            let folder = folder();
            for (path, offset) in write_raw(folder.path(), golden) {
                let expected = [vec![0; offset as usize], golden_bytes(golden)].concat();
                assert!(fs::read(&path).unwrap() == expected, "{golden:?} at {offset}");
            }
        }
    }
    visit_golden(&mut Check);
}

// ---- real files of other formats ---------------------------------------------------------------

/// A variable of a file in `tests/data/raw`: where it is, and what NumPy's memmap sees there.
struct Variable {
    file: PathBuf,
    raw: Raw,
    foreign: bool,
    seen: PathBuf,
}

fn variable(file: &str, name: &str) -> Variable {
    let folder = data().join("raw");
    let list = fs::read_to_string(folder.join("ARRAYS.txt")).unwrap();
    let line = list.lines().find(|line| line.starts_with(&format!("{file}\t{name}\t"))).unwrap();
    let fields: Vec<&str> = line.split('\t').collect();
    let shape: Vec<usize> = fields[4]
        .trim_matches(['(', ')'])
        .split(',')
        .filter(|len| !len.is_empty())
        .map(|len| len.trim().parse().unwrap())
        .collect();
    let dtype = dtype(fields[2]);
    let foreign = dtype.is_foreign();
    let raw = Raw::new(dtype, shape).offset(fields[3].parse().unwrap());
    let seen = folder.join(format!("{file}.{name}.npy"));
    Variable { file: folder.join(file), raw, foreign, seen }
}

fn check_variable<T: Element + PartialEq + Debug>(file: &str, name: &str) {
    let Variable { file, raw, foreign, seen } = variable(file, name);
    let options = OpenOptions::new().raw(raw);
    let expected = NpyFile::<T>::open(seen).unwrap().read().unwrap();
    assert_eq!(options.open_file::<T>(&file).unwrap().read().unwrap(), expected);
    // On a copy, so that nothing can happen to the data of the tests.
    let folder = folder();
    let copy = folder.path().join("copy");
    fs::copy(&file, &copy).unwrap();
    match map::open_with::<T>(&options, &copy) {
        Ok(array) => assert!(!foreign && array.view() == expected),
        Err(Error::ForeignByteOrder { .. }) => assert!(foreign),
        Err(other) => panic!("{other:?}"),
    }
}

#[test]
fn the_variables_of_a_netcdf_file_are_what_numpy_sees_there() {
    check_variable::<f32>("air.nc", "lat");
    check_variable::<f32>("air.nc", "lon");
    check_variable::<f64>("air.nc", "weight");
    check_variable::<i16>("air.nc", "air");
}

#[test]
fn the_samples_of_a_sound_file_are_what_numpy_sees_there() {
    check_variable::<i16>("tone.wav", "samples");
}

#[test]
fn the_number_of_records_of_a_netcdf_file_follows_from_its_length() {
    let Variable { file, raw, seen, .. } = variable("air.nc", "air");
    let expected = load::<i16>(&seen).unwrap();
    let options = OpenOptions::new().raw(raw.infer_axis(0));
    let air = options.open_file::<i16>(&file).unwrap();
    assert_eq!(air.shape(), [5, 3, 7]);
    let point = air.read_slice(s![..;-1, 1, -1]).unwrap();
    assert_eq!(point, expected.view().slice(s![..;-1, 1, -1]).unwrap());

    // Two records more, as a simulation that goes on would write them.
    let folder = folder();
    let longer = folder.path().join("longer.nc");
    fs::write(&longer, [fs::read(&file).unwrap(), vec![1; 2 * 42]].concat()).unwrap();
    let air = options.open_file::<i16>(&longer).unwrap();
    assert_eq!(air.shape(), [7, 3, 7]);
    assert_eq!(air.read_window([6..7, 2..3, 6..7]).unwrap().as_slice(), [0x0101]);
}

#[test]
fn a_record_of_a_netcdf_file_is_replaced_and_no_other_byte_changes() {
    let Variable { file, raw, .. } = variable("air.nc", "air");
    let folder = folder();
    let copy = folder.path().join("air.nc");
    fs::copy(&file, &copy).unwrap();
    let options = OpenOptions::new().raw(raw);
    let air = options.open_file_mut::<i16>(&copy).unwrap();
    assert_eq!(air.lock_state(), LockState::Exclusive);
    let values: Vec<i16> = (0..21).map(|k| k * 300 - 7).collect();
    air.write_window([2..3, 0..3, 0..7], &values).unwrap();
    air.close().unwrap();

    let mut expected = fs::read(&file).unwrap();
    let record = 604 + 2 * 42;
    expected[record..record + 42]
        .copy_from_slice(&values.iter().flat_map(|value| value.to_be_bytes()).collect::<Vec<u8>>());
    assert!(fs::read(&copy).unwrap() == expected);
}

#[cfg(target_endian = "little")]
#[test]
fn a_sound_is_changed_in_place_through_a_map_and_copied_on_write() {
    let Variable { file, raw, .. } = variable("tone.wav", "samples");
    let folder = folder();
    let copy = folder.path().join("tone.wav");
    fs::copy(&file, &copy).unwrap();
    let original = fs::read(&file).unwrap();
    let options = OpenOptions::new().raw(raw);

    let mut quiet = map::open_cow_with::<i16>(&options, &copy).unwrap();
    quiet.view_mut().fill(0);
    assert!(quiet.view().iter().all(|&sample| sample == 0));
    drop(quiet);
    assert!(fs::read(&copy).unwrap() == original);

    let mut sound = map::open_mut_with::<i16>(&options, &copy).unwrap();
    sound.slice_mut(s![.., 1]).unwrap().map_inplace(|sample| *sample /= 2);
    sound.write_window([99..100, 0..2], &[7, 8]).unwrap();
    sound.flush_window([99..100, 0..2]).unwrap();
    sound.close().unwrap();
    let mut expected = original;
    for frame in 0..100 {
        let place = 44 + 4 * frame;
        let right = i16::from_le_bytes([expected[place + 2], expected[place + 3]]) / 2;
        expected[place + 2..place + 4].copy_from_slice(&right.to_le_bytes());
    }
    expected[44 + 396..44 + 400].copy_from_slice(&[7, 0, 8, 0]);
    assert!(fs::read(&copy).unwrap() == expected);
}

// ---- what is asked of a raw array --------------------------------------------------------------

#[test]
fn a_raw_array_says_what_was_asked_for_and_that_it_has_no_header() {
    let folder = folder();
    let path = folder.path().join("a.bin");
    let options = OpenOptions::new().raw(Raw::of::<u8>([2, 3]).order(Order::Fortran).offset(5));
    let file = options.create_file::<u8>(&path, [2, 3]).unwrap();
    let header = file.header();
    assert_eq!((header.data_start(), header.byte_len(), header.version()), (5, 6, (0, 0)));
    assert_eq!(
        (header.shape(), header.order(), header.is_raw()),
        (&[2, 3][..], Order::Fortran, true)
    );
    let line = "uint8 ('|u1'), shape (2, 3), Fortran order, data at byte 5, no header";
    assert_eq!(header.to_string(), line);
    assert!(format!("{file:?}").contains(line), "{file:?}");
    // Its header, were it an `.npy` file.
    let written = Header::parse(&header.to_bytes()).unwrap();
    assert!(!written.is_raw() && written.data_start() == 128);
    assert_eq!((written.dtype(), written.shape()), (header.dtype(), header.shape()));
}

#[test]
fn an_array_without_elements_needs_no_bytes_by_either_door() {
    let folder = folder();
    for (number, offset) in [0, 8].into_iter().enumerate() {
        let path = folder.path().join(format!("{number}.bin"));
        let options = OpenOptions::new().raw(Raw::of::<f64>([0, 3]).offset(offset));
        let mut array = map::create_with::<f64>(&options, &path, [0, 3]).unwrap();
        array.view_mut().fill(1.0);
        array.advise(mmap_array::Advice::Random).unwrap();
        array.evict([0..0, 0..3]).unwrap();
        array.flush().unwrap();
        array.flush_async().unwrap();
        array.close().unwrap();
        assert_eq!(fs::metadata(&path).unwrap().len(), offset);
        assert_eq!(map::open_with::<f64>(&options, &path).unwrap().as_slice(), Some(&[][..]));
        assert!(map::open_cow_with::<f64>(&options, &path).unwrap().is_empty());
        assert!(options.open_file::<f64>(&path).unwrap().read().unwrap().is_empty());
        let inferred = OpenOptions::new().raw(Raw::of::<f64>([9, 3]).offset(offset).infer_axis(0));
        assert_eq!(inferred.open_file::<f64>(&path).unwrap().shape(), [0, 3]);
    }
}

#[test]
fn creating_keeps_the_rules_of_overwriting_publishing_and_space() {
    let folder = folder();
    let path = folder.path().join("a.bin");
    let options = OpenOptions::new().raw(Raw::of::<u16>([4]).offset(6));
    fs::write(&path, b"old").unwrap();
    let error = options.create_file::<u16>(&path, [4]).unwrap_err();
    assert!(matches!(error, Error::AlreadyExists { .. }), "{error}");
    assert_eq!(fs::read(&path).unwrap(), b"old");

    let options = options.overwrite(true).publish(Publish::OnClose);
    drop(options.create_file::<u16>(&path, [4]).unwrap());
    assert_eq!(fs::read(&path).unwrap(), b"old");
    let mut array = map::create_with::<u16>(&options, &path, [4]).unwrap();
    array.as_mut_slice().unwrap().fill(0x0707);
    array.close().unwrap();
    assert_eq!(fs::read(&path).unwrap(), [0, 0, 0, 0, 0, 0, 7, 7, 7, 7, 7, 7, 7, 7]);

    let sparse = folder.path().join("sparse.bin");
    let raw = Raw::of::<u8>([0, 1 << 20]).offset(1 << 40).infer_axis(0);
    let options = OpenOptions::new().raw(raw).allocation(Allocation::Sparse);
    let file = options.create_file::<u8>(&sparse, [3, 1 << 20]).unwrap();
    file.close().unwrap();
    assert_eq!(fs::metadata(&sparse).unwrap().len(), (1 << 40) + (3 << 20));
    assert_eq!(options.open_file::<u8>(&sparse).unwrap().shape(), [3, 1 << 20]);
}

#[test]
fn a_view_of_any_strides_is_saved_as_raw_elements_in_the_order_asked_for() {
    let folder = folder();
    let array = Array::from_vec([2, 3], vec![1_u8, 2, 3, 4, 5, 6]).unwrap();
    for (order, expected) in [(Order::C, [3, 6, 1, 4]), (Order::Fortran, [3, 1, 6, 4])] {
        let path = folder.path().join(format!("{order:?}.bin"));
        let raw = Raw::of::<u8>([2, 2]).order(order);
        let view = array.view().slice(s![.., ..;-2]).unwrap().transpose();
        OpenOptions::new().raw(raw).save(&path, view).unwrap();
        assert_eq!(fs::read(&path).unwrap(), expected);
    }
}

// ---- what is refused ---------------------------------------------------------------------------

/// Why every door refuses this, which leaves the file as it is.
fn refusal<T: Element>(raw: &Raw, bytes: &[u8]) -> Error {
    let folder = folder();
    let path = folder.path().join("a.bin");
    fs::write(&path, bytes).unwrap();
    let options = OpenOptions::new().raw(raw.clone());
    let error = options.open_file_mut::<T>(&path).unwrap_err();
    for other in [
        options.open_file::<T>(&path).unwrap_err(),
        map::open_with::<T>(&options, &path).unwrap_err(),
        map::open_cow_with::<T>(&options, &path).unwrap_err(),
        map::open_mut_with::<T>(&options, &path).unwrap_err(),
    ] {
        assert_eq!(other.to_string(), error.to_string());
    }
    assert!(fs::read(&path).unwrap() == bytes, "the file was changed");
    let text = error.to_string();
    assert!(text.contains("a.bin") || matches!(error, Error::InvalidAxis { .. }), "{text}");
    error
}

#[test]
fn a_file_that_is_too_short_is_refused_with_its_numbers() {
    let raw = Raw::of::<u32>([3]).offset(9);
    let error = refusal::<u32>(&raw, &[7; 20]);
    let expected = "has 20 bytes, too few for 12 bytes of elements from byte 9 on: check";
    assert!(error.to_string().contains(expected), "{error}");
    for offset in [21, 1 << 40, i64::MAX as u64, u64::MAX - 11, u64::MAX] {
        let error = refusal::<u32>(&raw.clone().offset(offset), &[7; 20]);
        let Error::RawTooShort { offset: at, byte_len: 12, found: 20, .. } = error else {
            panic!("{error:?}");
        };
        assert_eq!(at, offset);
        let error = refusal::<u32>(&raw.clone().offset(offset).infer_axis(0), &[7; 20]);
        assert!(matches!(error, Error::RawTooShort { found: 20, .. }), "{error:?}");
    }
    // No more than its header, for an array of none.
    let error = refusal::<u32>(&Raw::of::<u32>([0]).offset(21), &[7; 20]);
    assert!(matches!(error, Error::RawTooShort { byte_len: 0, .. }), "{error:?}");
}

#[test]
fn a_remainder_behind_the_last_whole_record_is_refused_with_its_numbers() {
    let raw = Raw::of::<u16>([0, 5]).offset(3).infer_axis(0);
    let error = refusal::<u16>(&raw, &[7; 3 + 24]);
    let Error::RawRemainder { offset: 3, rest: 24, unit: 10, axis: 0, .. } = error else {
        panic!("{error:?}");
    };
    assert!(error.to_string().contains("4 are left over"), "{error}");
}

#[test]
fn shapes_types_and_axes_that_cannot_be_are_refused() {
    let bytes = [7; 64];
    let error = refusal::<f32>(&Raw::of::<i32>([2]), &bytes);
    assert!(matches!(error, Error::DTypeMismatch { .. }), "{error}");
    let error = refusal::<f32>(&Raw::of::<f32>([usize::MAX, 2]), &bytes);
    assert!(matches!(error, Error::ShapeOverflow { .. }), "{error}");
    let error = refusal::<f32>(&Raw::of::<f32>([2]).infer_axis(1), &bytes);
    assert!(matches!(error, Error::InvalidAxis { axis: 1, .. }), "{error}");
    let error = refusal::<f32>(&Raw::of::<f32>([2, 0]).infer_axis(0), &bytes);
    assert!(matches!(error, Error::InvalidAxis { axis: 0, .. }), "{error}");
    let error = refusal::<f32>(&Raw::new(dtype("|O"), [2]), &bytes);
    assert!(matches!(error, Error::ObjectDType { .. }), "{error}");
    let error = refusal::<f32>(&Raw::of::<f32>([1; 65]), &bytes);
    assert!(matches!(error, Error::TooManyAxes { found: 65, .. }), "{error}");
}

#[test]
fn what_cannot_be_created_leaves_no_file() {
    let folder = folder();
    let path = folder.path().join("a.bin");
    let create = |raw: &Raw, shape: &[usize]| {
        let options = OpenOptions::new().raw(raw.clone()).allocation(Allocation::Sparse);
        let error = options.create_file::<f32>(&path, shape).unwrap_err();
        let other = map::create_with::<f32>(&options, &path, shape).unwrap_err();
        assert_eq!(other.to_string(), error.to_string());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        error
    };
    let raw = Raw::of::<f32>([2, 3]);
    for shape in [&[2, 4][..], &[2], &[]] {
        for raw in [&raw, &raw.clone().infer_axis(0)] {
            let error = create(raw, shape);
            assert!(matches!(error, Error::ShapeMismatch { .. }), "{error}");
        }
    }
    let error = create(&raw.clone().infer_axis(2), &[2, 3]);
    assert!(matches!(error, Error::InvalidAxis { axis: 2, .. }), "{error}");
    for offset in [u64::MAX, i64::MAX as u64 - 23] {
        let error = create(&raw.clone().offset(offset), &[2, 3]);
        assert!(matches!(error, Error::FileTooLarge { .. }), "{error}");
    }
    let error = create(&Raw::of::<i32>([2, 3]), &[2, 3]);
    assert!(matches!(error, Error::DTypeMismatch { .. }), "{error}");
}

#[test]
fn a_file_that_is_cut_while_it_is_open_is_an_error_by_position() {
    let folder = folder();
    let path = folder.path().join("a.bin");
    fs::write(&path, bytemuck::cast_slice(&[1_u32, 2, 3])).unwrap();
    let file =
        OpenOptions::new().raw(Raw::of::<u32>([2]).offset(4)).open_file::<u32>(&path).unwrap();
    assert_eq!(file.read().unwrap().as_slice(), [2, 3]);
    fs::File::options().write(true).open(&path).unwrap().set_len(11).unwrap();
    assert!(matches!(file.read(), Err(Error::Shrunk { expected: 12, found: 11, .. })));
}
