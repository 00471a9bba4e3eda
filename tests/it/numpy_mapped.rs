//! Files that NumPy wrote, through the mapped doors: every one opens with the content that
//! `NpyFile` finds, or is refused because its elements cannot be borrowed.

use std::fmt::Debug;
use std::fs;
use std::path::Path;

use mmap_array::{Array, DType, Element, Error, Header, NpyFile, Order, View, bytemuck, s};

use crate::common::{folder, for_each_index};
use crate::golden::{Golden, Visitor, data, visit_golden};
use crate::map;
use crate::numpy::{form, rows};

/// What a map of the file shows, whichever door it came through; and that `check_mappable` said so.
fn mapped<T: Element + PartialEq + Debug>(path: &Path) -> Result<Array<T>, Error> {
    let checked = Header::read(path).unwrap().check_mappable();
    // On a copy, so that nothing can happen to the data of the tests.
    let folder = folder();
    let copy = folder.path().join("copy.npy");
    fs::copy(path, &copy).unwrap();
    let original = fs::read(path).unwrap();

    let array = match (map::open::<T>(&copy), checked) {
        (Ok(array), Ok(())) => array,
        (Err(error), Err(reason)) => {
            refused_alike::<T>(&copy, &error, &reason);
            return Err(error);
        }
        (found, expected) => panic!("{path:?}: {found:?} but {expected:?}"),
    };
    let whole = array.view().to_array().unwrap();
    let file = NpyFile::<T>::open(&copy).unwrap();
    assert_eq!(whole, file.read().unwrap(), "{path:?}");
    assert_eq!((array.order(), array.dtype()), (file.order(), file.dtype()), "{path:?}");
    assert_eq!((array.strides(), array.header()), (file.strides(), file.header()), "{path:?}");
    assert_eq!(array.view().strides(), file.strides(), "{path:?}");
    drop(array);
    assert_eq!(map::open_cow::<T>(&copy).unwrap().view(), whole);
    let array = map::open_mut::<T>(&copy).unwrap();
    assert_eq!(array.view(), whole);
    array.close().unwrap();
    assert!(fs::read(&copy).unwrap() == original, "{path:?}");
    Ok(whole)
}

/// By all doors with the words of the first one, which name the door that is open.
fn refused_alike<T: Element>(path: &Path, error: &Error, reason: &Error) {
    assert_eq!(std::mem::discriminant(error), std::mem::discriminant(reason), "{error}");
    let (Error::ForeignByteOrder { path: named, .. } | Error::Misaligned { path: named, .. }) =
        error
    else {
        panic!("{error:?}");
    };
    assert_eq!(named, path);
    assert!(error.to_string().contains("NpyFile"), "{error}");
    // The header alone does not know the path.
    let place = format!("{path:?}");
    assert_eq!(error.to_string().replace(&place, "this data"), reason.to_string());
    assert_eq!(map::open_mut::<T>(path).unwrap_err().to_string(), error.to_string());
    assert_eq!(map::open_cow::<T>(path).unwrap_err().to_string(), error.to_string());
    // No lock is left.
    NpyFile::<T>::open_mut(path).unwrap().close().unwrap();
}

/// Fails unless the file at `path` is this one of the golden matrix by the mapped doors too.
/// Returns whether it can be mapped.
pub(crate) fn check_golden_mapped<T: Element + PartialEq + Debug>(
    path: &Path,
    golden: &Golden<T>,
) -> bool {
    match mapped::<T>(path) {
        Ok(array) => {
            assert!(golden.is_native(), "{path:?}");
            assert_eq!(array.shape(), golden.shape(), "{path:?}");
            assert_eq!(array.as_slice(), golden.elements(), "{path:?}");
            true
        }
        Err(error) => {
            assert!(!golden.is_native(), "{path:?}");
            assert!(matches!(error, Error::ForeignByteOrder { .. }), "{path:?}: {error:?}");
            false
        }
    }
}

#[test]
fn every_golden_file_in_native_byte_order_is_mapped_and_every_other_one_refused() {
    struct Check(usize, usize);
    impl Visitor for Check {
        fn visit<T: Element + PartialEq + Debug>(&mut self, golden: &Golden<T>) {
            let path = data().join("golden").join(golden.name());
            match check_golden_mapped(&path, golden) {
                true => self.0 += 1,
                false => self.1 += 1,
            }
        }
    }
    let mut check = Check(0, 0);
    visit_golden(&mut check);
    // 13 types, 12 files each; 8 of them have a byte order.
    assert_eq!((check.0, check.1), (13 * 12, 8 * 12));
}

/// Elements of any type of this size, as bytes.
#[derive(Debug, Clone, Copy, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(transparent)]
struct Any<const N: usize>([u8; N]);

impl<const N: usize> Element for Any<N> {
    fn dtype() -> DType {
        DType::void(N)
    }
    fn accepts(_found: &DType) -> bool {
        true
    }
    fn swap_bytes(&mut self) {
        self.0.reverse();
    }
}

/// Maps the file as elements of its own size.
fn mapped_as_bytes(path: &Path, item_size: usize) -> Result<Vec<u8>, Error> {
    macro_rules! by_size {
        ($($size:literal)*) => {
            match item_size {
                $($size => mapped::<Any<$size>>(path)
                    .map(|array| bytemuck::cast_slice(array.as_slice()).to_vec()),)*
                other => panic!("elements of {other} bytes: add them to the list"),
            }
        };
    }
    by_size!(1 2 4 6 8 12 16 21 28 40)
}

#[test]
fn every_form_is_mapped_or_refused_because_of_its_byte_order_or_its_place() {
    let (mut mapped, mut foreign, mut misaligned, mut neither) = (0, vec![], vec![], vec![]);
    let rows = rows();
    for row in rows.iter().filter(|row| row.descr != "|O") {
        let path = form(&row.name);
        let header = Header::read(&path).unwrap();
        let dtype = header.dtype();
        if !dtype.is_native() && !dtype.is_foreign() {
            // Fields of both byte orders: no door reads such a thing.
            let error = map::open::<Any<15>>(&path).unwrap_err();
            assert!(matches!(error, Error::DTypeMismatch { .. }), "{error:?}");
            let other = NpyFile::<Any<15>>::open(&path).unwrap_err();
            assert_eq!(error.to_string(), other.to_string());
            neither.push(row.name.as_str());
            continue;
        }
        match mapped_as_bytes(&path, dtype.item_size()) {
            Ok(elements) => {
                let start = header.data_start() as usize;
                let raw = &fs::read(&path).unwrap()[start..][..elements.len()];
                assert!(raw == elements || header.order() == Order::Fortran, "{row:?}");
                mapped += 1;
            }
            Err(Error::ForeignByteOrder { .. }) => foreign.push(row.name.as_str()),
            Err(Error::Misaligned { .. }) => misaligned.push(row.name.as_str()),
            Err(other) => panic!("{row:?}: {other:?}"),
        }
    }
    if cfg!(target_endian = "little") {
        assert_eq!(neither, ["struct_plain.npy"]);
        assert_eq!(foreign, ["complex128_be.npy"]);
        let unaligned = ["bare_unaligned.npy", "many_lines.npy", "many_lines_crlf.npy"];
        assert_eq!(misaligned, [&unaligned[..], &["old_v2_offset_82.npy"]].concat());
        assert_eq!(mapped + 1 + 4 + 2, rows.len());
    }
}

#[test]
fn forms_of_plain_numbers_are_mapped_as_numbers() {
    let mut count = 0;
    for row in rows() {
        let path = form(&row.name);
        let numbers: Result<Vec<f64>, Error> = match row.descr.as_str() {
            "<i4" => mapped::<i32>(&path).map(|all| all.iter().map(|&n| n.into()).collect()),
            "<f8" => mapped::<f64>(&path).map(Array::into_vec),
            _ => continue,
        };
        let Ok(numbers) = numbers else { continue };
        let len = if row.shape.contains('0') { 0 } else { 6 };
        assert_eq!(numbers, (0..len).map(f64::from).collect::<Vec<_>>(), "{row:?}");
        count += 1;
    }
    assert!(cfg!(target_endian = "big") || count == 22 - 4, "{count}");
}

/// Needs more than its element type does, which a header cannot know.
#[derive(Debug, Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C, align(256))]
struct Aligned([u8; 256]);

impl Element for Aligned {
    fn dtype() -> DType {
        DType::void(256)
    }
    fn swap_bytes(&mut self) {}
}

#[test]
fn a_type_that_needs_more_alignment_than_its_file_has_is_refused_and_leaves_no_file() {
    let folder = folder();
    let path = folder.path().join("a.npy");
    let error = map::create::<Aligned>(&path, [3]).unwrap_err();
    assert!(matches!(error, Error::Misaligned { data_start: 128, align: 256, .. }), "{error:?}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);

    mmap_array::save(&path, &[Aligned([7; 256])]).unwrap();
    let error = map::open_cow::<Aligned>(&path).unwrap_err();
    assert!(matches!(&error, Error::Misaligned { path: named, .. } if *named == path));

    let options = mmap_array::OpenOptions::new().align_data(256).overwrite(true);
    let mut array = map::create_with::<Aligned>(&options, &path, [3]).unwrap();
    array.slice_mut(s![1..]).unwrap().fill(Aligned([9; 256]));
    array.close().unwrap();
    let array = map::open::<Aligned>(&path).unwrap();
    assert_eq!((array[[0]].0[0], array[[2]].0[255]), (0, 9));
}

// ---- for `roundtrip.rs` -------------------------------------------------------------------------

/// Writes a golden file through a map: with a view, with single elements, and with windows.
pub(crate) fn write_golden_mapped<T: Element>(folder: &Path, golden: &Golden<T>) {
    let (shape, elements) = (golden.shape(), golden.elements());
    let create = |name: &str| {
        let folder = folder.join(name);
        fs::create_dir_all(&folder).unwrap();
        map::create_in::<T>(folder.join(golden.name()), shape, golden.order).unwrap()
    };

    let mut array = create("mapped_view");
    let all = View::from_shape(shape, &elements).unwrap();
    array.view_mut().copy_from(&all).unwrap();
    array.close().unwrap();

    let mut array = create("mapped_elements");
    let mut numbers = elements.iter();
    for_each_index(shape, |index| array[index] = *numbers.next().expect("as many"));
    array.close().unwrap();

    let mut array = create("mapped_windows");
    for window in array.tiles(vec![2; shape.len()]).unwrap() {
        let items = window.start().iter().zip(window.shape());
        let items: Vec<mmap_array::SliceItem> =
            items.map(|(&start, &len)| (start..start + len).into()).collect();
        array.write_window(window, &all.slice(items).unwrap().to_vec()).unwrap();
    }
    array.close().unwrap();
}
