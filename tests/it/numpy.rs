//! Files that NumPy wrote: every one opens and holds what `make_data.py` put in, and ours are the
//! same bytes.

use std::fmt::Debug;
use std::fs;
use std::ops::Range;
use std::path::Path;

use mmap_array::{
    Array, Bool, ByteOrder, Element, Error, Header, NpyFile, OpenOptions, Order, SliceItem, View,
    load, s, save,
};

use crate::common::{folder, for_each_index, number};
use crate::golden::{Golden, SHAPE, Visitor, data, visit_golden};
use crate::numpy_mapped::write_golden_mapped;

/// Fails unless the file at `path` is this one of the golden matrix, content included.
pub(crate) fn check_golden<T: Element + PartialEq + Debug>(path: &Path, golden: &Golden<T>) {
    let file = NpyFile::<T>::open(path).unwrap();
    let shape = golden.shape();
    assert_eq!((file.shape(), file.order()), (shape, golden.order), "{path:?}");
    assert_eq!(file.dtype().to_string(), golden.descr(), "{path:?}");
    let byte_order = match golden.end {
        "le" => ByteOrder::Little,
        "be" => ByteOrder::Big,
        _ => ByteOrder::NotApplicable,
    };
    assert_eq!(file.dtype().byte_order(), byte_order, "{path:?}");

    let elements = golden.elements();
    let whole = file.read().unwrap();
    assert_eq!((whole.shape(), whole.as_slice()), (shape, &elements[..]), "{path:?}");

    for (start, len) in [(0, 1), (1, 1), (1, 9), (0, 2)] {
        let ranges: Vec<Range<usize>> = shape
            .iter()
            .map(|&whole| start.min(whole - 1)..(start + len).clamp(1, whole))
            .collect();
        let window = file.read_window(&ranges[..]).unwrap();
        let mut expected = Vec::new();
        for_each_index(window.shape(), |index| {
            let moved: Vec<_> = index.iter().zip(&ranges).map(|(i, r)| i + r.start).collect();
            expected.push(elements[number(shape, &moved)]);
        });
        assert_eq!(window.as_slice(), expected, "{path:?} {ranges:?}");
    }

    let backwards: Vec<SliceItem> = shape.iter().flat_map(|_| s![..;-1]).collect();
    let reversed: Vec<T> = elements.iter().rev().copied().collect();
    assert_eq!(file.read_slice(&backwards).unwrap().as_slice(), reversed, "{path:?}");
    if golden.rank > 0 {
        let second = file.read_slice(s![-1]).unwrap();
        assert_eq!(second.shape(), &shape[1..], "{path:?}");
        assert_eq!(second.as_slice(), &elements[elements.len() / 2..], "{path:?}");
    }
}

#[test]
fn every_golden_file_opens_with_its_type_and_holds_its_elements() {
    struct Check(usize);
    impl Visitor for Check {
        fn visit<T: Element + PartialEq + Debug>(&mut self, golden: &Golden<T>) {
            check_golden(&data().join("golden").join(golden.name()), golden);
            self.0 += 1;
        }
    }
    let mut check = Check(0);
    visit_golden(&mut check);
    // Nothing in the folder was left out.
    assert_eq!(check.0, fs::read_dir(data().join("golden")).unwrap().count());
}

/// Writes a golden file with our writers: with `save`, with `create` and a window, and mapped.
pub(crate) fn write_golden<T: Element>(folder: &Path, golden: &Golden<T>) {
    let (shape, elements) = (golden.shape(), golden.elements());
    let saved = folder.join(golden.name());
    match golden.order {
        Order::C => save(saved, View::from_shape(shape, &elements).unwrap()).unwrap(),
        Order::Fortran => {
            // The transposed of a row-major array is column-major.
            let reversed: Vec<usize> = shape.iter().rev().copied().collect();
            let mut column_major = Vec::new();
            for_each_index(&reversed, |index| {
                let index: Vec<usize> = index.iter().rev().copied().collect();
                column_major.push(elements[number(shape, &index)]);
            });
            let view = View::from_shape(reversed, &column_major).unwrap();
            save(saved, view.transpose()).unwrap();
        }
    }

    write_golden_mapped(folder, golden);
    let folder = folder.join("create");
    fs::create_dir_all(&folder).unwrap();
    let created = OpenOptions::new()
        .order(golden.order)
        .create_file::<T>(folder.join(golden.name()), shape)
        .unwrap();
    let whole: Vec<Range<usize>> = shape.iter().map(|&len| 0..len).collect();
    created.write_window(&whole[..], &elements).unwrap();
    created.close().unwrap();
}

#[test]
fn what_we_write_is_byte_for_byte_what_numpy_writes() {
    struct Write(tempfile::TempDir);
    impl Visitor for Write {
        fn visit<T: Element + PartialEq + Debug>(&mut self, golden: &Golden<T>) {
            if !golden.is_native() {
                return;
            }
            write_golden(self.0.path(), golden);
            let expected = fs::read(data().join("golden").join(golden.name())).unwrap();
            for how in ["", "create", "mapped_view", "mapped_elements", "mapped_windows"] {
                let found = fs::read(self.0.path().join(how).join(golden.name())).unwrap();
                assert!(found == expected, "{golden:?} {how}");
            }
        }
    }
    visit_golden(&mut Write(folder()));
}

#[test]
fn the_header_of_every_golden_file_is_written_again_as_it_was() {
    for entry in fs::read_dir(data().join("golden")).unwrap() {
        let path = entry.unwrap().path();
        let bytes = fs::read(&path).unwrap();
        let header = Header::parse(&bytes).unwrap();
        let start = header.data_start() as usize;
        assert_eq!(start as u64 + header.byte_len(), bytes.len() as u64, "{path:?}");
        assert!(header.to_bytes() == bytes[..start], "{path:?}");
    }
}

// ---- forms --------------------------------------------------------------------------------------

/// A line of `forms/EXPECTED.txt`: what NumPy found in a file.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) name: String,
    version: String,
    pub(crate) descr: String,
    order: String,
    pub(crate) shape: String,
    data_start: u64,
    file_len: u64,
}

pub(crate) fn rows() -> Vec<Row> {
    let text = fs::read_to_string(data().join("forms/EXPECTED.txt")).unwrap();
    let row = |line: &str| {
        let fields: Vec<&str> = line.split('\t').collect();
        let [name, version, descr, order, shape, data_start, file_len] = fields[..] else {
            panic!("{line}");
        };
        let [name, version, descr, order, shape] =
            [name, version, descr, order, shape].map(str::to_owned);
        let [data_start, file_len] = [data_start, file_len].map(|text| text.parse().unwrap());
        Row { name, version, descr, order, shape, data_start, file_len }
    };
    text.lines().filter(|line| !line.starts_with('#')).map(row).collect()
}

pub(crate) fn form(name: &str) -> std::path::PathBuf {
    data().join("forms").join(name)
}

#[test]
fn every_form_has_the_header_that_numpy_finds() {
    let rows = rows();
    assert_eq!(rows.len() + 1, fs::read_dir(data().join("forms")).unwrap().count());
    for row in rows {
        let path = form(&row.name);
        assert_eq!(fs::metadata(&path).unwrap().len(), row.file_len, "{row:?}");
        if row.descr == "|O" {
            let error = Header::read(&path).unwrap_err();
            assert!(matches!(&error, Error::ObjectDType { descr, .. } if descr == "'|O'"));
            continue;
        }
        let header = Header::read(&path).unwrap();
        let (major, minor) = header.version();
        assert_eq!(format!("{major}.{minor}"), row.version, "{row:?}");
        assert_eq!(header.dtype().to_string(), row.descr, "{row:?}");
        assert_eq!(if header.order() == Order::C { "C" } else { "F" }, row.order, "{row:?}");
        let shape = format!("{:?}", header.shape()).replace('[', "(").replace(']', ")");
        let shape = if header.shape().len() == 1 { shape.replace(')', ",)") } else { shape };
        assert_eq!(shape, row.shape);
        assert_eq!(header.data_start(), row.data_start, "{row:?}");
        let end = header.data_start() + header.byte_len();
        assert!(end == row.file_len || row.name == "two_arrays.npy", "{row:?}");

        // Writing it again changes no meaning.
        let again = Header::parse(&header.to_bytes()).unwrap();
        assert_eq!(
            (again.dtype(), again.shape(), again.order()),
            (header.dtype(), header.shape(), header.order())
        );
    }
}

/// They hold 0, 1, 2, .. in row-major order: unaligned, aligned to 16, with another array behind
/// it, with lines and blanks inside the header, without elements, ..
#[test]
fn every_form_of_plain_numbers_is_read_right() {
    let mut count = 0;
    for row in rows() {
        let numbers: Vec<f64> = match row.descr.as_str() {
            "<i4" => load::<i32>(form(&row.name)).unwrap().iter().map(|&n| n.into()).collect(),
            "<f8" => load::<f64>(form(&row.name)).unwrap().into_vec(),
            _ => continue,
        };
        let len = if row.shape.contains('0') { 0 } else { 6 };
        assert_eq!(numbers, (0..len).map(f64::from).collect::<Vec<_>>(), "{row:?}");
        count += 1;
    }
    assert_eq!(count, 22);
}

#[test]
fn booleans_may_be_any_byte() {
    let truths = load::<Bool>(form("bool_raw_bytes.npy")).unwrap();
    assert_eq!(truths.as_slice(), [false, true, true, true].map(Bool::from));
}

#[test]
fn a_file_opens_as_its_own_type_only() {
    fn refused<T: Element>(name: &str) -> (String, String) {
        match NpyFile::<T>::open(form(name)).unwrap_err() {
            Error::DTypeMismatch { path, found, expected, .. } if path == form(name) => {
                (found, expected)
            }
            other => panic!("{other:?}"),
        }
    }
    let pair = |found: &str, expected: &str| (found.to_owned(), expected.to_owned());
    if cfg!(target_endian = "little") {
        assert_eq!(
            refused::<i64>("datetime_25s.npy"),
            pair("datetime64[25s] ('<M8[25s]')", "int64 ('<i8')")
        );
        assert_eq!(refused::<u32>("version_2.npy"), pair("int32 ('<i4')", "uint32 ('<u4')"));
    }
    refused::<f32>("complex64.npy");
    refused::<u16>("float16.npy");
    refused::<mmap_array::Void<12>>("struct_title.npy");
    refused::<mmap_array::Bytes<4>>("struct_latin1.npy");
}

#[test]
fn objects_are_refused_whatever_they_are_opened_as() {
    for error in [
        NpyFile::<i64>::open(form("object.npy")).unwrap_err(),
        load::<mmap_array::Void<8>>(form("object.npy")).unwrap_err(),
    ] {
        let Error::ObjectDType { path, descr } = error else { panic!("{error:?}") };
        assert_eq!((path, descr.as_str()), (form("object.npy"), "'|O'"));
    }
}

#[test]
fn the_shape_of_the_matrix_is_the_scripts() {
    let script = fs::read_to_string(data().join("make_data.py")).unwrap();
    let line = format!("SHAPE = {SHAPE:?}").replace('[', "(").replace(']', ")");
    assert!(script.contains(&line));
}

#[test]
fn a_view_is_saved_in_the_order_it_lies_in_unless_another_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let array = Array::from_vec([2, 3], (0..6).collect::<Vec<i32>>()).unwrap();
    let turned = array.view().transpose();
    let path = |name: &str| folder.path().join(name);
    let asked = |order| OpenOptions::new().order(order);
    mmap_array::save(path("a.npy"), &array).unwrap();
    mmap_array::save(path("b.npy"), &turned).unwrap();
    asked(Order::Fortran).save(path("c.npy"), &array).unwrap();
    asked(Order::C).save(path("d.npy"), &turned).unwrap();
    let order = |name| Header::read(path(name)).unwrap().order();
    let orders = ["a.npy", "b.npy", "c.npy", "d.npy"].map(order);
    assert_eq!(orders, [Order::C, Order::Fortran, Order::Fortran, Order::C]);
    for (name, view) in [("b.npy", &turned), ("c.npy", &array.view()), ("d.npy", &turned)] {
        assert_eq!(mmap_array::load::<i32>(path(name)).unwrap().as_slice(), view.to_vec());
    }
}
