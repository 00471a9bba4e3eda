//! The `info` of npy-stacks: the bytes that we write, those that CPython writes in each protocol,
//! and those that nobody should run.

use std::fs;

use mmap_array::{DType, Error, Stack, StackInfo};

use crate::allocator::peak_growth;
use crate::common::folder;

#[test]
fn an_info_is_written_as_python_reads_it() {
    let info = StackInfo::new([240, 37, 49], 0, [100, 100, 40]).unwrap();
    let bytes = info.to_bytes(&DType::of::<f32>()).unwrap();
    let text = "(Vchunks\n((I100\nI100\nI40\nt(I37\nt(I49\nttVdtype\nV<f4\nVaxis\nI0\nd.";
    if cfg!(target_endian = "little") {
        assert_eq!(String::from_utf8(bytes.clone()).unwrap(), text);
    }
    assert_eq!(StackInfo::parse(&bytes).unwrap(), info);
    assert_eq!(
        (info.shape(), info.axis(), info.lens()),
        (&[240, 37, 49][..], 0, &[100, 100, 40][..])
    );
}

/// What `pickle.dumps` of CPython 3.11 makes of `{"chunks": ((100, 300, 70000), c, c, (1 << 33,)), "dtype":
/// np.dtype("<f4"), "axis": 0}` with `c = (37,)`, in protocols 0 to 5.
const PICKLES: [&[u8]; 6] = include!("stack_pickles.in");

#[test]
#[cfg(target_pointer_width = "64")]
fn what_python_writes_is_read_in_every_protocol() {
    let expected = StackInfo::new([70400, 37, 37, 1 << 33], 0, [100, 300, 70000]).unwrap();
    for (protocol, bytes) in PICKLES.iter().enumerate() {
        assert_eq!(StackInfo::parse(bytes).unwrap(), expected, "protocol {protocol}");
    }
    // Lists, a dtype as a string, and an axis from the end.
    let lists =
        b"\x80\x04\x953\x00\x00\x00\x00\x00\x00\x00}\x94(\x8c\x06chunks\x94]\x94]\x94(K\x01K\
                  \x02ea\x8c\x05dtype\x94\x8c\x03<f4\x94\x8c\x04axis\x94J\xff\xff\xff\xffu.";
    assert_eq!(StackInfo::parse(lists).unwrap(), StackInfo::new([3], 0, [1, 2]).unwrap());
}

#[test]
fn every_cut_and_every_changed_byte_is_an_info_or_an_error() {
    for bytes in PICKLES {
        for end in 0..bytes.len() {
            StackInfo::parse(&bytes[..end]).unwrap_err();
        }
        for at in 0..bytes.len() {
            for byte in 0..=255 {
                let mut changed = bytes.to_vec();
                changed[at] = byte;
                if let Err(error) = StackInfo::parse(&changed) {
                    assert!(error.to_string().len() < 600, "{error}");
                }
            }
        }
    }
}

#[track_caller]
fn refused(bytes: &[u8], says_at: u64, says: &str) {
    match StackInfo::parse(bytes).unwrap_err() {
        Error::StackInfo { at, found, .. } => assert_eq!((at, &found[..]), (says_at, says)),
        other => panic!("{other:?}"),
    }
}

#[test]
fn nothing_is_imported_called_or_built_but_a_dtype() {
    refused(b"cos\nsystem\n(S'rm -rf ~'\ntR.", 0, "the global os.system");
    refused(b"\x80\x04\x8c\x05posix\x8c\x06system\x93.", 17, "the global posix.system");
    refused(b"cnumpy\nload\n.", 0, "the global numpy.load");
    refused(b"(S'ls'\nios\nsystem\n.", 1, "STRING 'S'");
    refused(b"(ios\nsystem\n.", 1, "INST 'i'");
    refused(b"(o.", 1, "OBJ 'o'");
    refused(b"cnumpy\ndtype\n)\x81.", 14, "NEWOBJ '\\x81'");
    refused(b"Pid\n.", 0, "PERSID 'P'");
    refused(b"\x82\x01.", 0, "EXT '\\x82'");
    refused(b"N)R.", 2, "REDUCE 'R'");
    refused(b"N)b.", 2, "BUILD 'b'");
    // A dtype's state is a tuple, and a dtype is called once.
    refused(b"cnumpy\ndtype\n)R}b.", 16, "BUILD 'b'");
    refused(b"cnumpy\ndtype\n)R)R.", 16, "REDUCE 'R'");
    refused(b"\x80\x06.", 0, "protocol 6");
}

#[test]
fn broken_pickles_and_those_of_something_else_are_refused_where_they_break() {
    refused(b"", 0, "the end");
    refused(b"(Vchunks", 1, "opcode 'V'");
    refused(b"\x8c\xffabc", 0, "opcode '\\x8c'");
    refused(b"X\xff\xff\xff\xffabc", 0, "opcode 'X'");
    refused(b"t.", 0, "opcode 't'");
    refused(b"(q\x00.", 1, "opcode 'q'");
    refused(b"h\x00.", 0, "opcode 'h'");
    refused(b"I99999999999999999999\n.", 0, "opcode 'I'");
    refused(b"L12\n.", 0, "opcode 'L'");
    refused(b"G\x00\x00\x00\x00\x00\x00\x00\x00.", 0, "FLOAT 'G'");
    refused(b"(.", 1, "STOP '.'");
    refused(b"NN.", 2, "STOP '.'");
    refused(b"}Na.", 2, "opcode 'a'");
    refused(b"}.", 1, "STOP '.'");
    refused(b"(Vother\nNd.", 10, "'other'");
    refused(b"(Vaxis\nI0\nVaxis\nI0\nd.", 20, "'axis' twice");
}

#[test]
fn an_info_that_means_no_array_is_refused() {
    let with = |chunks: &str, dtype: &str, axis: &str| {
        let text = format!("(Vchunks\n{chunks}Vdtype\n{dtype}Vaxis\n{axis}d.");
        StackInfo::parse(text.as_bytes())
    };
    let good = "((I2\nI3\nt(I4\ntt";
    assert_eq!(with(good, "V<f4\n", "I0\n").unwrap().shape(), [5, 4]);
    for (chunks, dtype, axis) in [
        (good, "V<f4\n", "I1\n"),
        (good, "V<f4\n", "I2\n"),
        (good, "V<f4\n", "I-3\n"),
        (good, "V<f4\n", "V0\n"),
        (good, "V<f4\n", "I00\n"),
        (good, "N", "I0\n"),
        ("((I2\nI-3\nt(I4\ntt", "V<f4\n", "I0\n"),
        ("((I2\nV3\nt(I4\ntt", "V<f4\n", "I0\n"),
        ("((t(I4\ntt", "V<f4\n", "I0\n"),
        ("(I2\nI3\nt", "V<f4\n", "I0\n"),
        ("I5\n", "V<f4\n", "I0\n"),
        ("(t", "V<f4\n", "I0\n"),
    ] {
        let error = with(chunks, dtype, axis).unwrap_err();
        assert!(matches!(error, Error::StackInfo { .. }), "{error:?}");
    }
    let huge = "((I9223372036854775807\nI9223372036854775807\nt(I4\ntt";
    assert!(matches!(with(huge, "V<f4\n", "I0\n"), Err(Error::ShapeOverflow { .. })));
    let many = format!("({}t", "(I1\nt".repeat(65));
    assert!(matches!(with(&many, "V<f4\n", "I0\n"), Err(Error::TooManyAxes { found: 65, .. })));
}

#[test]
fn memory_and_time_are_bounded_by_the_bytes_there_are() {
    // Tuples of themselves, again and again: what they stand for is huge, what they are is not.
    let mut doubled = b"(I1\nt".to_vec();
    for _ in 0..100_000 {
        doubled.extend(b"\x94h\x00\x86");
    }
    doubled.push(b'.');
    let marks = vec![b'('; 1 << 20];
    let nones = vec![b'N'; 1 << 20];
    let nested = [b")".to_vec(), vec![0x85; (1 << 20) - 2], b".".to_vec()].concat();
    for bytes in [doubled, marks, nones, nested] {
        let (error, growth) = peak_growth(|| StackInfo::parse(&bytes).unwrap_err());
        assert!(matches!(error, Error::StackInfo { .. }));
        assert!(growth < 128 << 20, "{growth} bytes");
    }
    let (error, growth) = peak_growth(|| StackInfo::parse(&vec![b'('; (1 << 20) + 1]).unwrap_err());
    assert!(error.to_string().contains("at most 1 MiB") && growth < 2 << 20, "{error}");
}

#[test]
fn an_info_names_its_path_when_it_is_refused() {
    let folder = folder();
    fs::write(folder.path().join("info"), b"cos\nsystem\n.").unwrap();
    let error = Stack::<f32>::open_npy_stack(folder.path()).unwrap_err().to_string();
    assert!(error.contains("info\"") && error.contains("found the global os.system"), "{error}");
    assert!(error.contains("byte 0"), "{error}");
}

#[test]
fn an_info_names_no_element_type_with_fields_and_no_files_that_do_not_sum_up() {
    let info = StackInfo::new([2], 0, [2]).unwrap();
    let record: DType = "[('a', '<f4')]".parse().unwrap();
    assert!(matches!(info.to_bytes(&record), Err(Error::InvalidDType { .. })));
    for (axis, lens) in [(1, &[2][..]), (0, &[1]), (0, &[]), (0, &[usize::MAX, 3])] {
        let error = StackInfo::new([2], axis, lens).unwrap_err();
        assert!(matches!(error, Error::InvalidAxis { .. }), "{error}");
    }
}
