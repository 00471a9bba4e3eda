//! Arrays that are opened without a type: the variant is the file's, whichever door it came
//! through, and the typed array in it is the one that a typed door would have given.

use std::fmt::Debug;
use std::fs;
use std::path::{Path, PathBuf};

use mmap_array::{
    AnyArray, AnyFile, Array, DType, Element, Error, LockState, NpyFile, OpenOptions, Order, Raw,
    ReadWrite, bytemuck, load, s, save, with_any,
};

use crate::common::folder;
use crate::golden::{Golden, Visitor, data, visit_golden};
use crate::map;

/// Maps a file of any type to read.
fn open_any(path: &Path) -> Result<AnyArray, Error> {
    map::open_any_with(&OpenOptions::new(), path)
}

/// The variant's name.
fn variant(value: &impl Debug) -> String {
    format!("{value:?}").split('(').next().unwrap().to_owned()
}

fn expected_variant(kind: &str) -> Option<&'static str> {
    Some(match kind {
        "b1" => "Bool",
        "i1" => "I8",
        "i2" => "I16",
        "i4" => "I32",
        "i8" => "I64",
        "u1" => "U8",
        "u2" => "U16",
        "u4" => "U32",
        "u8" => "U64",
        "f4" => "F32",
        "f8" => "F64",
        _ => return None,
    })
}

#[test]
fn every_golden_file_opens_as_the_variant_of_its_type_and_turns_back_into_it() {
    struct Check(usize, usize);
    impl Visitor for Check {
        fn visit<T: Element + PartialEq + Debug>(&mut self, golden: &Golden<T>) {
            let path = data().join("golden").join(golden.name());
            let Some(expected) = expected_variant(golden.kind) else {
                unsupported(&path);
                return self.1 += 1;
            };
            let file = AnyFile::open(&path).unwrap();
            assert_eq!(variant(&file), expected, "{path:?}");
            assert_eq!((file.shape(), file.order()), (golden.shape(), golden.order));
            assert_eq!((file.dtype().to_string(), file.path()), (golden.descr(), &*path));
            assert_eq!(file.header(), NpyFile::<T>::open(&path).unwrap().header());
            let typed = file.into_typed::<T>().unwrap();
            assert_eq!(typed.read().unwrap().as_slice(), golden.elements());

            let array = open_any(&path);
            if !golden.is_native() {
                assert!(matches!(array, Err(Error::ForeignByteOrder { .. })), "{array:?}");
                return self.0 += 1;
            }
            let array = array.unwrap();
            assert_eq!(variant(&array), expected, "{path:?}");
            assert_eq!((array.shape(), array.order()), (golden.shape(), golden.order));
            assert_eq!((array.dtype().to_string(), array.path()), (golden.descr(), &*path));
            assert_eq!(array.header(), typed.header());
            assert_eq!(array.into_typed::<T>().unwrap().view().to_vec(), golden.elements());
            self.0 += 1;
        }
    }
    let mut check = Check(0, 0);
    visit_golden(&mut check);
    assert_eq!((check.0, check.1), (19 * 12, 2 * 12));
}

/// No door opens the file, and the error names what it holds.
fn unsupported(path: &Path) {
    let copy = FileCopy::of(path);
    let error = AnyFile::open(&copy.path).unwrap_err();
    let Error::UnsupportedDType { path: named, found } = &error else { panic!("{error:?}") };
    let header = mmap_array::Header::read(&copy.path).unwrap();
    assert_eq!(*named, copy.path);
    assert!(found.starts_with(&header.dtype().name()), "{found}");
    for other in [
        AnyFile::open_mut(&copy.path).unwrap_err(),
        open_any(&copy.path).unwrap_err(),
        map::open_any_mut(&copy.path).unwrap_err(),
        map::open_any_cow(&copy.path).unwrap_err(),
    ] {
        assert_eq!(other.to_string(), error.to_string());
    }
    assert!(fs::read(&copy.path).unwrap() == fs::read(path).unwrap());
}

/// A copy of a file, so that nothing can happen to the data of the tests.
struct FileCopy {
    path: PathBuf,
    _folder: tempfile::TempDir,
}

impl FileCopy {
    fn of(path: &Path) -> FileCopy {
        let folder = folder();
        let copy = folder.path().join("copy.npy");
        fs::copy(path, &copy).unwrap();
        FileCopy { path: copy, _folder: folder }
    }
}

#[test]
fn types_without_a_variant_are_refused_by_name_and_broken_files_as_ever() {
    for form in ["complex64", "float16", "longdouble", "unicode_10", "datetime_ns", "struct_plain"]
    {
        unsupported(&data().join("forms").join(format!("{form}.npy")));
    }
    let objects = AnyFile::open(data().join("forms/object.npy"));
    assert!(matches!(objects, Err(Error::ObjectDType { .. })), "{objects:?}");
    let folder = folder();
    let path = folder.path().join("a.npy");
    save(&path, &[1_u16, 2]).unwrap();
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
    assert!(matches!(AnyFile::open(&path), Err(Error::Truncated { .. })));
    assert!(matches!(open_any(&path), Err(Error::Truncated { .. })));
}

#[test]
fn what_is_asked_of_one_type_and_found_as_another_is_named() {
    #[derive(Debug, Clone, Copy, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
    #[repr(transparent)]
    struct Kelvin(f32);
    impl Element for Kelvin {
        fn dtype() -> DType {
            f32::dtype()
        }
        fn swap_bytes(&mut self) {}
    }
    let folder = folder();
    let path = folder.path().join("a.npy");
    save(&path, &[1.5_f32]).unwrap();
    let error = AnyFile::open(&path).unwrap().into_typed::<i32>().unwrap_err();
    let other = open_any(&path).unwrap().into_typed::<i32>().unwrap_err();
    let typed = NpyFile::<i32>::open(&path).unwrap_err();
    assert_eq!(error.to_string(), typed.to_string());
    assert_eq!(other.to_string(), typed.to_string());
    assert!(matches!(error, Error::DTypeMismatch { .. }), "{error:?}");
    // One's own type has a door of its own.
    assert!(AnyFile::open(&path).unwrap().into_typed::<Kelvin>().is_err());
    assert_eq!(load::<Kelvin>(&path).unwrap().as_slice(), [Kelvin(1.5)]);
}

#[test]
fn every_access_is_kept_with_its_lock() {
    let folder = folder();
    let path = folder.path().join("a.npy");
    save(&path, &[1_i64, 2, 3]).unwrap();
    let refused = |error: Option<Error>| matches!(error, Some(Error::AlreadyOpen { .. }));

    let file = AnyFile::open_mut(&path).unwrap();
    assert!(refused(AnyFile::open_mut(&path).err()) && refused(open_any(&path).err()));
    let AnyFile::I64(file) = file else { panic!("{file:?}") };
    file.write_slice(s![..1], &[10]).unwrap();
    file.close().unwrap();

    let array = open_any(&path).unwrap();
    assert!(refused(map::open_any_mut(&path).err()));
    assert_eq!(array.into_typed::<i64>().unwrap()[[0]], 10);

    let mut array = map::open_any_mut(&path).unwrap().into_typed::<i64>().unwrap();
    assert_eq!(array.lock_state(), LockState::Exclusive);
    array[[1]] = 20;
    array.close().unwrap();

    let mut copy = map::open_any_cow(&path).unwrap();
    with_any!(AnyArray, &mut copy, |typed| typed.view_mut().iter_mut().for_each(|to| {
        *to = bytemuck::Zeroable::zeroed();
    }));
    let AnyArray::I64(copy) = copy else { panic!("{copy:?}") };
    assert_eq!(copy.as_slice(), Some(&[0, 0, 0][..]));
    assert_eq!(load::<i64>(&path).unwrap().as_slice(), [10, 20, 3]);
}

#[test]
fn raw_arrays_open_without_a_type_in_rust_too() {
    let folder = folder();
    let path = folder.path().join("a.bin");
    fs::write(&path, [0, 0, 0, 1, 2, 3, 4]).unwrap();
    let raw = Raw::new(">u2".parse().unwrap(), [0]).offset(3).infer_axis(0);
    let file = OpenOptions::new().raw(raw).open_any_file(&path).unwrap();
    assert_eq!((variant(&file).as_str(), file.shape()), ("U16", &[2][..]));
    assert_eq!(file.into_typed::<u16>().unwrap().read().unwrap().as_slice(), [0x0102, 0x0304]);
    let raw = Raw::of::<u8>([2]).offset(5);
    let array = map::open_any_with(&OpenOptions::new().raw(raw), &path).unwrap();
    assert_eq!(array.into_typed::<u8>().unwrap().as_slice(), Some(&[3, 4][..]));
}

/// A question mark in the body leaves the function around it, and the body may move the array out.
fn close_and_sum(file: AnyFile<ReadWrite>) -> Result<usize, Error> {
    let len = with_any!(AnyFile, file, |typed| {
        let len = typed.read()?.len();
        typed.close()?;
        len
    });
    Ok(len)
}

#[test]
fn the_same_is_done_with_every_type() {
    let folder = folder();
    let path = folder.path().join("a.npy");
    let array = Array::from_vec([2, 2], vec![1_u8, 2, 3, 4]).unwrap();
    OpenOptions::new().order(Order::Fortran).save(&path, &array).unwrap();
    assert_eq!(close_and_sum(AnyFile::open_mut(&path).unwrap()).unwrap(), 4);
    let file = AnyFile::open(&path).unwrap();
    assert_eq!(with_any!(AnyFile, &file, |typed| typed.preview()).unwrap(), "[[1 2]\n [3 4]]");
}
