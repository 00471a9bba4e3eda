//! Files made to waste memory, stack or time: refused at the price of the bytes they have, not of
//! those they claim.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use mmap_array::{DType, Element, Error, Header, NpyFile, Order};

use crate::allocator::peak_growth;
use crate::common::folder;
use crate::map;

fn file(text: &[u8]) -> Vec<u8> {
    [b"\x93NUMPY\x02\x00", &(text.len() as u32).to_le_bytes()[..], text].concat()
}

fn open_growth(path: &Path) -> (Error, isize) {
    let (error, growth) = peak_growth(|| NpyFile::<u8>::open(path).unwrap_err());
    let (_, mut_growth) = peak_growth(|| NpyFile::<u8>::open_mut(path).unwrap_err());
    let (_, read_growth) = peak_growth(|| mmap_array::load::<u8>(path).unwrap_err());
    let (mapped, map_growth) = peak_growth(|| map::open::<u8>(path).unwrap_err());
    let (_, map_mut_growth) = peak_growth(|| map::open_mut::<u8>(path).unwrap_err());
    let (cow, cow_growth) = peak_growth(|| map::open_cow::<u8>(path).unwrap_err());
    assert_eq!([mapped.to_string(), cow.to_string()], [error.to_string(), error.to_string()]);
    let growths = [mut_growth, read_growth, map_growth, map_mut_growth, cow_growth];
    (error, growths.into_iter().fold(growth, isize::max))
}

#[test]
fn a_header_that_claims_4_gib_in_14_bytes_allocates_next_to_nothing() {
    let folder = folder();
    let path = folder.path().join("a.npy");
    fs::write(&path, b"\x93NUMPY\x02\x00\xFF\xFF\xFF\xFF{}").unwrap();
    let (error, growth) = open_growth(&path);
    assert!(matches!(error, Error::HeaderTooLong { len: 0xFFFF_FFFF, .. }), "{error:?}");
    assert!(growth < 64 << 10, "{growth} bytes");
}

#[test]
fn a_header_that_claims_all_that_is_allowed_allocates_next_to_nothing() {
    let folder = folder();
    let path = folder.path().join("a.npy");
    fs::write(&path, b"\x93NUMPY\x02\x00\x00\x00\x10\x00{}").unwrap();
    let (error, growth) = open_growth(&path);
    let expected = 12 + (1 << 20);
    assert!(
        matches!(error, Error::HeaderTruncated { expected: e, found: 14, .. } if e == expected)
    );
    assert!(growth < 64 << 10, "{growth} bytes");
}

#[test]
#[cfg(target_pointer_width = "64")]
fn a_shape_of_terabytes_without_data_allocates_next_to_nothing() {
    let folder = folder();
    let path = folder.path().join("a.npy");
    let text = b"{'descr': '|u1', 'fortran_order': True, 'shape': (1000000, 10000000), }";
    fs::write(&path, file(text)).unwrap();
    let (error, growth) = open_growth(&path);
    assert!(matches!(error, Error::Truncated { .. }), "{error:?}");
    assert!(growth < 64 << 10, "{growth} bytes");
}

/// The array is there, in a sparse file, but larger than memory.
#[test]
#[cfg(target_pointer_width = "64")]
fn a_read_that_memory_cannot_hold_is_an_error_and_a_window_of_it_is_none() {
    let folder = folder();
    let path = folder.path().join("a.npy");
    let text = b"{'descr': '|u1', 'fortran_order': False, 'shape': (4194304, 2097152), }";
    fs::write(&path, file(text)).unwrap();
    let sparse = fs::File::options().write(true).open(&path).unwrap();
    let has_memory = Vec::<u8>::new().try_reserve_exact(1 << 43).is_ok();
    if has_memory || sparse.set_len((1 << 43) + 128).is_err() {
        println!("nothing to do: here 8 TiB fit into memory, or into no file");
        return;
    }
    let array = NpyFile::<u8>::open(&path).unwrap();
    assert_eq!(array.read_window([4194303..4194304, 0..5]).unwrap().as_slice(), [0; 5]);
    let error = array.read().unwrap_err();
    assert!(matches!(error, Error::OutOfMemory { byte_len: 0x800_0000_0000 }), "{error:?}");

    // A map of it has all elements, at the price of those that are touched.
    let (mapped, growth) = peak_growth(|| map::open::<u8>(&path).unwrap());
    assert!(growth < 64 << 10, "{growth} bytes");
    assert_eq!((mapped.len(), mapped[[4194303, 2097151]]), (1 << 43, 0));
    let error = mapped.view().to_array().unwrap_err();
    assert!(matches!(error, Error::OutOfMemory { byte_len: 0x800_0000_0000 }), "{error:?}");
    // Where Linux counts every page that might be written, it sets aside memory for copies anyway.
    let counted = fs::read_to_string("/proc/sys/vm/overcommit_memory");
    if counted.is_ok_and(|mode| mode.trim() != "2") {
        let mut cow = map::open_cow::<u8>(&path).unwrap();
        cow[[4194303, 2097151]] = 7;
        assert_eq!((mapped[[4194303, 2097151]], cow[[4194303, 2097151]]), (0, 7));
    }
}

/// 1 MiB, the default limit, of each: on a thread of 256 KiB of stack, in less than a second.
#[test]
fn a_mebibyte_of_anything_is_refused_at_once_on_a_small_stack() {
    let small = std::thread::Builder::new().stack_size(256 << 10);
    let thread = small.spawn(|| {
        let len = 1 << 20;
        for piece in [
            "[", "(", "{", "((", "[(", "{'a':", "('", "'", "\"", "'''", "\\", "'\\", ",", "0", "9",
            " ", "\n", "\t", "\0", "#", "L", "3 ", "3L,", "i4,", "é", "u'", "r'\\", "-", "(),",
        ] {
            for start in ["", "{'descr': ", "{'descr': '", "{'descr': [('a', '", "{'shape': ("] {
                let text = start.to_owned() + &piece.repeat(len / piece.len() + 1);
                let bytes = file(&text.as_bytes()[..len]);
                let begin = Instant::now();
                let error = Header::parse(&bytes).unwrap_err();
                let time = begin.elapsed();
                assert!(time < Duration::from_secs(1), "{start}{piece}: {time:?}");
                assert!(error.to_string().len() < 500, "{error}");
            }
        }
    });
    thread.unwrap().join().unwrap();
}

#[test]
fn brackets_nest_32_deep_and_no_deeper() {
    let nested = |depth: usize| {
        let (open, close) = ("[('a', ".repeat(depth), ")]".repeat(depth));
        let text =
            format!("{{'descr': {open}'<i4'{close}, 'fortran_order': False, 'shape': (), }}");
        Header::parse(&file(text.as_bytes()))
    };
    let deep = nested(15).unwrap();
    assert_eq!(deep.dtype().item_size(), 4);
    assert_eq!(Header::parse(&deep.to_bytes()).unwrap().dtype(), deep.dtype());
    let error = nested(16).unwrap_err();
    assert!(
        matches!(error, Error::HeaderSyntax { expected: "at most 32 nested brackets", .. }),
        "{error:?}"
    );
}

/// What a header of 1 MiB can hold costs memory and time in proportion.
#[test]
fn a_struct_of_very_many_fields_is_read_in_bounded_time_and_memory() {
    let fields: String = (0..40_000).map(|i| format!("('f{i}','<i4'),")).collect();
    let text = format!("{{'descr': [{fields}], 'fortran_order': False, 'shape': (), }}");
    assert!(text.len() < 1 << 20);
    let begin = Instant::now();
    let (header, growth) = peak_growth(|| Header::parse(&file(text.as_bytes())).unwrap());
    assert!(begin.elapsed() < Duration::from_secs(2), "{:?}", begin.elapsed());
    assert!(growth < 100 << 20, "{growth} bytes");
    assert_eq!(header.dtype().fields().len(), 40_000);
}

/// Says by turns that its elements have 1000 bytes and one.
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(transparent)]
struct Liar([u8; 1000]);

impl Element for Liar {
    fn dtype() -> DType {
        static CALLS: AtomicUsize = AtomicUsize::new(0);
        let honest = CALLS.fetch_add(1, Ordering::Relaxed).is_multiple_of(2);
        DType::void(if honest { 1000 } else { 1 })
    }
    fn accepts(_found: &DType) -> bool {
        true
    }
    fn swap_bytes(&mut self) {}
}

#[test]
fn an_element_type_that_lies_about_its_size_gets_no_file_of_another_size() {
    let folder = tempfile::tempdir().unwrap();
    let results = [0, 1, 2, 3]
        .map(|number| NpyFile::<Liar>::create(folder.path().join(format!("{number}.npy")), [4]));
    for result in &results {
        match result {
            Ok(file) => assert_eq!(file.header().byte_len(), 4000),
            Err(error) => assert!(matches!(error, Error::DTypeMismatch { .. }), "{error}"),
        }
    }
    for number in 4..8 {
        match map::create::<Liar>(folder.path().join(format!("{number}.npy")), [4]) {
            Ok(mut array) => {
                array.view_mut().fill(Liar([7; 1000]));
                assert_eq!((array.byte_len(), array[[3]].0[999]), (4000, 7));
            }
            Err(error) => assert!(matches!(error, Error::DTypeMismatch { .. }), "{error}"),
        }
    }
}

#[test]
fn a_message_about_a_long_element_type_is_short() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.npy");
    let dtype: DType = vec!["i4"; 10_000].join(",").parse().unwrap();
    std::fs::write(&path, Header::new(dtype, [0], Order::C).unwrap().to_bytes()).unwrap();
    let error = NpyFile::<u8>::open(&path).unwrap_err();
    assert!(matches!(error, Error::DTypeMismatch { .. }) && error.to_string().len() < 1000);
}
