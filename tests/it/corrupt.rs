//! One broken thing at a time, made from a good header by a small edit: each is refused with the
//! error that names it, whichever door is tried, and the file stays as it was.

use std::fs;
use std::path::PathBuf;

use mmap_array::{Error, Header, NpyFile, OpenOptions, load};

use crate::common::folder;
use crate::map;

const GOOD: &str = "{'descr': '<i4', 'fortran_order': False, 'shape': (2, 3), }";
const DATA: [u8; 24] = [7; 24];

const VALUE: &str = "a string, a plain number, True, False, None or an opening bracket";
const NUMBER: &str = "a number of decimal digits that fits 64 bits, without leading zero";
const NEXT: &str = "a comma or the closing bracket";
const SHAPE: &str = "a tuple of whole numbers";
const BEHIND: &str = "nothing but white space after the dictionary";

/// A file of this text, with 24 bytes of data.
fn file(version: u8, text: &[u8]) -> Vec<u8> {
    let len = text.len().to_le_bytes();
    let len = if version == 1 { &len[..2] } else { &len[..4] };
    [&b"\x93NUMPY"[..], &[version, 0], len, text, &DATA].concat()
}

/// The good header with one text in it replaced.
fn edited(from: &str, to: &str) -> String {
    assert_eq!(GOOD.matches(from).count(), 1, "{from}");
    GOOD.replace(from, to)
}

/// Why this file is refused, by every door alike.
fn refusal(bytes: &[u8]) -> Error {
    let folder = folder();
    let path = folder.path().join("broken.npy");
    fs::write(&path, bytes).unwrap();

    let error = NpyFile::<i32>::open_mut(&path).unwrap_err();
    let others = [
        NpyFile::<i32>::open(&path).unwrap_err(),
        load::<i32>(&path).unwrap_err(),
        map::open::<i32>(&path).unwrap_err(),
        map::open_cow::<i32>(&path).unwrap_err(),
        map::open_mut::<i32>(&path).unwrap_err(),
        // The locks of the other attempts are gone.
        NpyFile::<i32>::open_mut(&path).unwrap_err(),
    ];
    for other in others {
        assert_eq!(other.to_string(), error.to_string());
        assert_eq!(std::mem::discriminant(&other), std::mem::discriminant(&error));
    }
    assert!(error.to_string().contains("broken.npy") || path_of(&error).is_none(), "{error}");
    assert!(error.to_string().len() < 500, "{error}");
    assert!(fs::read(&path).unwrap() == bytes, "the file was changed");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);

    if !matches!(error, Error::Truncated { .. }) {
        let read = Header::read(&path).unwrap_err();
        assert_eq!(read.to_string(), error.to_string());
    }
    error
}

/// The path of the errors that carry none is not looked for.
fn path_of(error: &Error) -> Option<()> {
    match error {
        Error::TooManyAxes { .. } | Error::ShapeOverflow { .. } => None,
        _ => Some(()),
    }
}

/// This text of a header of version 1 is refused at `found` in it.
#[track_caller]
fn text_breaks(text: impl AsRef<[u8]>, broken_at: &str, wanted: &str) {
    version_breaks(1, text.as_ref(), broken_at, wanted);
}

#[track_caller]
fn version_breaks(version: u8, text: &[u8], broken_at: &str, wanted: &str) {
    match refusal(&file(version, text)) {
        Error::HeaderSyntax { path: _, at, found, expected } => {
            let start = if version == 1 { 10 } else { 12 };
            let rest = &text[at as usize - start..];
            assert!(rest.starts_with(broken_at.as_bytes()), "byte {at}: {found}");
            assert!(found.starts_with('`') || rest.is_empty(), "{found}");
            assert_eq!(expected, wanted, "{found}");
        }
        other => panic!("{other:?}"),
    }
}

/// The good header breaks at the text `broken_at` when `from` in it becomes `to`.
#[track_caller]
fn breaks(from: &str, to: &str, broken_at: &str, wanted: &str) {
    text_breaks(edited(from, to), broken_at, wanted);
}

#[track_caller]
fn wrong_key(from: &str, to: &str, wanted_key: &str, wanted: &str) {
    match refusal(&file(1, edited(from, to).as_bytes())) {
        Error::HeaderKey { key, problem, .. } => {
            assert_eq!((key.as_str(), problem), (wanted_key, wanted));
        }
        other => panic!("{other:?}"),
    }
}

/// `descr` with this value is refused; `wanted` is a part of the reason.
#[track_caller]
fn wrong_descr(value: &str, wanted: &str) {
    match refusal(&file(1, edited("'<i4'", value).as_bytes())) {
        Error::InvalidDType { problem, .. } => assert!(problem.contains(wanted), "{problem}"),
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn overflows(shape: &str, wanted: &[u64]) {
    match refusal(&file(1, edited("(2, 3)", shape).as_bytes())) {
        Error::ShapeOverflow { shape, item_size: 4, .. } => assert_eq!(shape, wanted),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_good_header_is_good() {
    let folder = folder();
    let path = folder.path().join("good.npy");
    for version in [1, 2, 3] {
        fs::write(&path, file(version, GOOD.as_bytes())).unwrap();
        assert_eq!(load::<i32>(&path).unwrap().as_slice(), [0x0707_0707; 6]);
    }
}

// ---- before the text ----------------------------------------------------------------------------

#[test]
fn an_empty_file_is_no_array() {
    let error = refusal(b"");
    assert!(matches!(&error, Error::HeaderMagic { found, .. } if found.is_empty()));
    assert!(error.to_string().contains(".npy\" is empty, and an"), "{error}");
}

#[test]
fn each_byte_of_the_magic_counts() {
    for at in 0..6 {
        let mut bytes = file(1, GOOD.as_bytes());
        bytes[at] ^= 0x20;
        assert!(matches!(refusal(&bytes), Error::HeaderMagic { .. }), "byte {at}");
    }
}

#[test]
fn other_kinds_of_files_are_named() {
    for (bytes, name) in [
        (&b"PK\x03\x04 and so on"[..], "zip"),
        (b"\x89HDF\r\n\x1a\n and so on", "HDF5"),
        (b"\x80\x04\x95 and so on", "pickle"),
        (b"\x1f\x8b\x08 and so on", "gzip"),
    ] {
        let error = refusal(bytes);
        assert!(matches!(&error, Error::HeaderMagic { found, .. } if found.contains(name)));
    }
}

#[test]
fn unknown_versions_are_refused_with_their_numbers() {
    for (major, minor) in [(0, 0), (1, 1), (2, 7), (3, 1), (4, 0), (255, 255)] {
        let mut bytes = file(1, GOOD.as_bytes());
        bytes[6..8].copy_from_slice(&[major, minor]);
        let error = refusal(&bytes);
        let Error::HeaderVersion { major: a, minor: b, .. } = error else { panic!("{error:?}") };
        assert_eq!((a, b), (major, minor));
    }
}

#[test]
fn a_file_that_ends_inside_its_header_says_how_much_is_missing() {
    let bytes = file(1, GOOD.as_bytes());
    let header = 10 + GOOD.len();
    for len in 1..header {
        let error = refusal(&bytes[..len]);
        let Error::HeaderTruncated { expected, found, .. } = error else { panic!("{error:?}") };
        assert_eq!((expected, found), (if len < 10 { 10 } else { header } as u64, len as u64));
    }
    let bytes = file(2, GOOD.as_bytes());
    let error = refusal(&bytes[..11]);
    assert!(matches!(error, Error::HeaderTruncated { expected: 12, found: 11, .. }));
}

#[test]
fn a_length_beyond_the_end_of_the_file_is_refused() {
    let mut bytes = file(1, GOOD.as_bytes());
    bytes[8..10].copy_from_slice(&[0xFF, 0xFF]);
    let error = refusal(&bytes);
    let Error::HeaderTruncated { expected, found, .. } = error else { panic!("{error:?}") };
    assert_eq!((expected, found), (10 + 65535, bytes.len() as u64));
}

#[test]
fn a_length_over_the_limit_is_refused_even_where_the_file_has_the_bytes() {
    let padded = |len: usize| GOOD.to_owned() + &" ".repeat(len - GOOD.len());
    let text = padded(1 << 20);
    let folder = folder();
    let path = folder.path().join("long.npy");
    fs::write(&path, file(2, text.as_bytes())).unwrap();
    assert_eq!(load::<i32>(&path).unwrap().len(), 6);

    let text = padded((1 << 20) + 1);
    let error = refusal(&file(2, text.as_bytes()));
    let Error::HeaderTooLong { len, limit, .. } = error else { panic!("{error:?}") };
    assert_eq!((len, limit), ((1 << 20) + 1, 1 << 20));

    fs::write(&path, file(2, text.as_bytes())).unwrap();
    let options = OpenOptions::new().max_header_len(2 << 20);
    assert_eq!(options.open_file::<i32>(&path).unwrap().len(), 6);
    let options = OpenOptions::new().max_header_len(10);
    let error = options.open_file::<i32>(&path).unwrap_err();
    assert!(matches!(error, Error::HeaderTooLong { limit: 10, .. }), "{error:?}");
}

#[test]
fn a_length_that_ends_inside_the_dictionary_is_refused() {
    for cut in 1..GOOD.len() {
        let mut bytes = file(1, GOOD.as_bytes());
        bytes[8] = (GOOD.len() - cut) as u8;
        let error = refusal(&bytes);
        assert!(matches!(error, Error::HeaderSyntax { .. }), "{error:?}");
    }
}

#[test]
fn a_length_that_reaches_into_the_data_is_refused() {
    let mut bytes = file(1, GOOD.as_bytes());
    bytes[8] += 4;
    let error = refusal(&bytes);
    let Error::HeaderSyntax { at, expected, .. } = error else { panic!("{error:?}") };
    assert_eq!((at, expected), (10 + GOOD.len() as u64, BEHIND));
}

// ---- keys ---------------------------------------------------------------------------------------

#[test]
fn each_key_is_needed() {
    wrong_key("'descr': '<i4', ", "", "descr", "lacks the");
    wrong_key("'fortran_order': False, ", "", "fortran_order", "lacks the");
    wrong_key("'shape': (2, 3), ", "", "shape", "lacks the");
    wrong_key(GOOD, "{}", "descr", "lacks the");
}

#[test]
fn no_key_may_stand_twice_even_with_the_same_value() {
    wrong_key("{", "{'descr': '<i4', ", "descr", "repeats the");
    wrong_key("{", "{'fortran_order': True, ", "fortran_order", "repeats the");
    wrong_key("(2, 3), ", "(2, 3), 'shape': (3, 2), ", "shape", "repeats the");
    wrong_key("{", "{'d\\x65scr': '<i4', ", "descr", "repeats the");
}

#[test]
fn no_other_key_is_taken() {
    wrong_key("{", "{'title': None, ", "title", "has the unknown");
    wrong_key("descr", "Descr", "Descr", "has the unknown");
    wrong_key("descr", "descr ", "descr ", "has the unknown");
    wrong_key("{", "{'': 0, ", "", "has the unknown");
}

#[test]
fn a_key_is_a_string() {
    breaks("{", "{3: 4, ", "3: 4", "'descr', 'fortran_order' or 'shape'");
    breaks("'descr'", "('descr',)", "('descr',)", "'descr', 'fortran_order' or 'shape'");
    breaks("'descr'", "b'descr'", "b'descr'", VALUE);
    breaks("'descr'", "descr", "descr", VALUE);
    breaks("{", "{**{}, ", "**", VALUE);
}

#[test]
fn the_text_is_a_dictionary() {
    text_breaks("('<i4', False, (2, 3))", "(", "a dictionary");
    text_breaks("[1, 2]", "[", "a dictionary");
    text_breaks("'descr'", "'descr'", "a dictionary");
    text_breaks("None", "None", "a dictionary");
    text_breaks("", "", VALUE);
    text_breaks("   \n", "", VALUE);
    text_breaks("dict(descr='<i4')", "dict", VALUE);
}

#[test]
fn the_signs_of_the_dictionary_are_needed() {
    breaks("'descr':", "'descr'", " '<i4'".trim(), "a colon");
    breaks("'<i4', ", "'<i4' ", "'fortran_order'", NEXT);
    breaks("(2, 3), }", "(2, 3), ", "", VALUE);
    breaks("(2, 3), }", "(2, 3), )", ")", VALUE);
    breaks("{", "", ":", BEHIND);
    breaks("{", "{,", ",", VALUE);
    breaks("'<i4', ", "'<i4',, ", ",", VALUE);
}

// ---- values -------------------------------------------------------------------------------------

#[test]
fn a_descr_that_numpy_does_not_know_is_refused() {
    wrong_descr("'<i3'", "1, 2, 4 or 8 bytes");
    wrong_descr("'<f1'", "2, 4, 8, 12 or 16 bytes");
    wrong_descr("'<c4'", "8, 16, 24 or 32 bytes");
    wrong_descr("'<x4'", "knows no such type");
    wrong_descr("'<i4 '", "knows no such type");
    wrong_descr("'!i4'", "knows no such type");
    wrong_descr("'Int32'", "knows no such type");
    wrong_descr("''", "no type in it");
    wrong_descr("'<'", "no type in it");
    wrong_descr("'<M8[xx]'", "unit of time");
    wrong_descr("'|S99999999999999999999'", "at most 2147483647 bytes");
    wrong_descr("'<U536870912'", "at most 2147483647 bytes");
}

#[test]
fn a_descr_is_a_string_or_a_list_of_fields() {
    for value in ["4", "None", "True", "{}"] {
        wrong_descr(value, "a string, a list of fields, or (type, shape)");
    }
    wrong_descr("()", "a tuple is (type, shape)");
    wrong_descr("['<i4']", "a field is (name, type)");
    wrong_descr("[('a',)]", "a field is (name, type)");
    wrong_descr("[(1, '<i4')]", "a field's name is a string");
    wrong_descr("[('a', '<i4'), ('a', '<i4')]", "only once");
    wrong_descr("[('a', '<i4', (-1,))]".replace("-1", "None").as_str(), "whole number");
    wrong_descr("[('a', '<i4', (70000, 70000))]", "at most 2147483647 bytes");
}

#[test]
fn elements_of_no_size_are_refused_by_name() {
    for descr in ["'|S0'", "'|V0'", "'<U0'", "[]", "('<i4', (0,))"] {
        wrong_descr(descr, "no size");
    }
}

#[test]
fn objects_are_refused_inside_structs_too() {
    for descr in ["'|O'", "'O'", "[('a', '<i4'), ('b', [('c', '|O')])]", "('|O', (2,))"] {
        let error = refusal(&file(1, edited("'<i4'", descr).as_bytes()));
        assert!(matches!(error, Error::ObjectDType { .. }), "{error:?}");
    }
}

#[test]
fn another_element_type_is_refused_with_both_names() {
    for (descr, name) in [("'<f4'", "float32 ('<f4')"), ("'>u4'", "uint32 ('>u4')")] {
        let folder = folder();
        let path = folder.path().join("a.npy");
        let bytes = file(1, edited("'<i4'", descr).as_bytes());
        fs::write(&path, &bytes).unwrap();
        for error in [
            NpyFile::<i32>::open_mut(&path).unwrap_err(),
            map::open::<i32>(&path).unwrap_err(),
            map::open_cow::<i32>(&path).unwrap_err(),
            map::open_mut::<i32>(&path).unwrap_err(),
        ] {
            let Error::DTypeMismatch { path: found_path, found, expected, .. } = error else {
                panic!("{error:?}");
            };
            assert_eq!(found_path, path);
            assert_eq!((found.as_str(), &expected[..7]), (name, "int32 ("));
        }
        assert_eq!(fs::read(&path).unwrap(), bytes);
    }
}

#[test]
fn an_order_is_true_or_false() {
    for value in ["0", "1", "None", "'True'", "(False,)", "[]"] {
        breaks("False", value, value, "True or False");
    }
    for value in ["true", "FALSE", "Falsehood"] {
        breaks("False", value, value, VALUE);
    }
}

#[test]
fn a_shape_is_a_tuple() {
    breaks("(2, 3)", "[2, 3]", "[2, 3]", SHAPE);
    breaks("(2, 3)", "{2: 3}", "{2: 3}", SHAPE);
    breaks("(2, 3)", "6", "6", SHAPE);
    breaks("(2, 3)", "(6)", "6", SHAPE);
    breaks("(2, 3)", "None", "None", SHAPE);
    breaks("(2, 3)", "'(2, 3)'", "'(2, 3)'", SHAPE);
}

#[test]
fn a_length_of_an_axis_is_a_plain_whole_number() {
    breaks("2, ", "True, ", "True", SHAPE);
    breaks("2, ", "None, ", "None", SHAPE);
    breaks("2, ", "'2', ", "'2'", SHAPE);
    breaks("2, ", "(2,), ", "(2,)", SHAPE);
    breaks("2, ", "-2, ", "-2", VALUE);
    breaks("2, ", "+2, ", "+2", VALUE);
    for length in ["2.0", "2.", "2e0", "0x2", "0b10", "0o2", "02", "1_0", "2j", "2l", "2LL"] {
        breaks("2, ", &format!("{length}, "), length, NUMBER);
    }
    breaks("2, ", ".5, ", ".5", VALUE);
    breaks("2, ", "1+1, ", "+1", NEXT);
    breaks("2, ", "2 3, ", "3", NEXT);
}

#[test]
fn python_2_longs_are_refused_in_version_3_only() {
    let text = edited("2, ", "2L, ");
    assert_eq!(Header::parse(&file(1, text.as_bytes())).unwrap().shape(), [2, 3]);
    assert_eq!(Header::parse(&file(2, text.as_bytes())).unwrap().shape(), [2, 3]);
    version_breaks(3, text.as_bytes(), "2L", NUMBER);
}

#[test]
fn a_number_of_more_than_64_bits_is_refused() {
    breaks("2, ", "18446744073709551616, ", "18446744073709551616", NUMBER);
    let digits = "9".repeat(5000);
    breaks("2, ", &format!("{digits}, "), &digits, NUMBER);
}

#[test]
#[cfg(target_pointer_width = "64")]
fn a_shape_that_cannot_be_counted_is_refused() {
    overflows("(18446744073709551615,)", &[u64::MAX]);
    overflows("(9223372036854775808,)", &[1 << 63]);
    overflows("(4294967296, 4294967296)", &[1 << 32, 1 << 32]);
    // The elements can be counted, their bytes cannot.
    overflows("(2305843009213693952,)", &[1 << 61]);
}

#[test]
#[cfg(target_pointer_width = "64")]
fn a_zero_length_excuses_no_overflow() {
    overflows("(4294967296, 4294967296, 0)", &[1 << 32, 1 << 32, 0]);
    overflows("(0, 9223372036854775807)", &[0, i64::MAX as u64]);
    overflows("(0, 18446744073709551615)", &[0, u64::MAX]);
}

#[test]
#[cfg(target_pointer_width = "64")]
fn header_and_data_together_must_be_countable() {
    // The data's bytes alone can be counted, so there is a header; but no such file.
    let bytes = file(1, edited("(2, 3)", "(2305843009213693951,)").as_bytes());
    assert_eq!(Header::parse(&bytes).unwrap().byte_len(), i64::MAX as u64 - 3);
    let folder = folder();
    let path = folder.path().join("a.npy");
    fs::write(&path, &bytes).unwrap();
    let error = NpyFile::<i32>::open_mut(&path).unwrap_err();
    assert!(matches!(error, Error::ShapeOverflow { item_size: 4, .. }), "{error:?}");
    assert_eq!(fs::read(&path).unwrap(), bytes);
}

#[test]
fn sixty_five_axes_are_one_too_many() {
    let ones = |count: usize| edited("(2, 3)", &format!("({}2, 3)", "1, ".repeat(count)));
    assert_eq!(Header::parse(&file(1, ones(62).as_bytes())).unwrap().shape().len(), 64);
    let error = refusal(&file(1, ones(63).as_bytes()));
    assert!(matches!(error, Error::TooManyAxes { found: 65, .. }), "{error:?}");
}

// ---- the text as such ---------------------------------------------------------------------------

#[test]
fn nothing_but_white_space_may_follow() {
    for behind in ["#", "x", ";", ",", "}", "\0", "{}"] {
        text_breaks(format!("{GOOD} {behind}"), behind, BEHIND);
    }
    assert!(Header::parse(&file(1, format!("{GOOD} \t\r\n\x0c").as_bytes())).is_ok());
}

#[test]
fn comments_are_refused_everywhere() {
    text_breaks(format!("# all of it\n{GOOD}"), "#", VALUE);
    breaks("{", "{ # comment\n", "#", VALUE);
    breaks("(2, 3), ", "(2, 3), # comment\n", "#", VALUE);
    breaks("2, ", "2 # comment\n, ", "#", NEXT);
}

#[test]
fn strings_are_not_joined_and_lines_not_continued() {
    breaks("'<i4'", "'<' 'i4'", "'i4'", NEXT);
    breaks("'descr'", "'des' 'cr'", "'cr'", "a colon");
    breaks("2, ", "2, \\\n", "\\", VALUE);
    breaks("'<i4'", "f'<i4'", "f'", VALUE);
    breaks("'<i4'", "b'<i4'", "b'", VALUE);
}

#[test]
fn a_string_is_closed_on_its_line_and_its_escapes_are_known() {
    breaks("3), }", "3), '", "'", "a string that is closed");
    breaks("'<i4'", "'<i\n4'", "'<i\n4'", "a string that is closed on its line");
    breaks("'<i4'", "'''<i4'", "'''<i4'", "a string that is closed");
    const ESCAPE: &str = "one of the escapes \\\\ \\' \\\" \\n \\r \\t \\a \\b \\f \\v \\ooo \\xhh \
                          \\uhhhh \\Uhhhhhhhh";
    for escape in ["\\q", "\\x4", "\\u12", "\\ud800", "\\U00110000", "\\N{DIGIT FOUR}", "\\777"] {
        breaks("'<i4'", &format!("'<i4{escape}'"), escape, ESCAPE);
    }
}

#[test]
fn nul_is_refused_everywhere() {
    breaks("{", "{\0", "\0", VALUE);
    breaks("2, ", "2\0, ", "\0", NEXT);
    breaks("<i4", "<i4\0", "\0", "no NUL byte");
    text_breaks(format!("\0{GOOD}"), "\0", VALUE);
}

#[test]
fn a_byte_order_mark_is_refused_in_every_version() {
    for version in [1, 2, 3] {
        let text = format!("\u{FEFF}{GOOD}");
        version_breaks(version, text.as_bytes(), "\u{FEFF}", VALUE);
    }
}

#[test]
fn text_that_is_no_utf_8_is_refused_in_version_3() {
    let text = b"{'descr': [('gr\xF6\xDFe', '<i4')], 'fortran_order': False, 'shape': (6,), }";
    let header = Header::parse(&file(1, text)).unwrap();
    assert_eq!(header.dtype().fields()[0].name(), "größe");
    match refusal(&file(3, text)) {
        Error::HeaderSyntax { at: 27, expected: "UTF-8", .. } => {}
        other => panic!("{other:?}"),
    }
}

// ---- the data -----------------------------------------------------------------------------------

#[test]
fn data_cut_short_is_refused_with_both_lengths() {
    let bytes = file(1, GOOD.as_bytes());
    for missing in [1, 4, 23, 24] {
        let error = refusal(&bytes[..bytes.len() - missing]);
        let Error::Truncated { expected, found, path } = error else { panic!("{error:?}") };
        assert_eq!(path.file_name(), Some("broken.npy".as_ref()));
        assert_eq!((expected, found), (bytes.len() as u64, (bytes.len() - missing) as u64));
    }
}

#[test]
#[cfg(target_pointer_width = "64")]
fn a_shape_beyond_the_end_of_the_file_does_not_make_the_file_longer() {
    let error = refusal(&file(1, edited("(2, 3)", "(1000000000000,)").as_bytes()));
    assert!(matches!(error, Error::Truncated { expected: 4_000_000_000_000.., .. }), "{error:?}");
}

#[test]
fn what_is_no_file_is_refused_without_waiting() {
    let folder = folder();
    let missing: PathBuf = folder.path().join("missing.npy");
    for (error, none) in [
        (NpyFile::<i32>::open_mut(folder.path()).err(), NpyFile::<i32>::open_mut(&missing).err()),
        (map::open::<i32>(folder.path()).err(), map::open::<i32>(&missing).err()),
        (map::open_cow::<i32>(folder.path()).err(), map::open_cow::<i32>(&missing).err()),
        (map::open_mut::<i32>(folder.path()).err(), map::open_mut::<i32>(&missing).err()),
    ] {
        let error = error.expect("an error");
        assert!(matches!(&error, Error::NotRegular { found: "a directory", .. }), "{error:?}");
        assert_eq!(none.expect("an error").io_kind(), Some(std::io::ErrorKind::NotFound));
    }
    assert!(!missing.exists());
}
