//! Headers read and written, one broken thing at a time.

use super::*;

/// A file's first bytes around `text`.
fn file(major: u8, text: &[u8]) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    bytes.extend([major, 0]);
    let len = (text.len() as u32).to_le_bytes();
    bytes.extend(&len[..if major == 1 { 2 } else { 4 }]);
    bytes.extend(text);
    bytes
}

fn dict(descr: &str, order: &str, shape: &str) -> Vec<u8> {
    format!("{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}").into()
}

fn parse(text: impl AsRef<[u8]>) -> Result<Header> {
    Header::parse(&file(1, text.as_ref()))
}

#[test]
fn the_bytes_are_numpys() {
    type Case = (&'static str, Order, &'static [usize], usize, &'static [u8], &'static [u8]);
    let cases: [Case; 8] = [
        (
            "<f4",
            Order::C,
            &[240, 37, 49],
            128,
            b"\x01\0v\0",
            b"{'descr': '<f4', 'fortran_order': False, 'shape': (240, 37, 49), }",
        ),
        (
            ">f8",
            Order::Fortran,
            &[2, 3],
            128,
            b"\x01\0v\0",
            b"{'descr': '>f8', 'fortran_order': True, 'shape': (2, 3), }",
        ),
        (
            "|b1",
            Order::C,
            &[],
            128,
            b"\x01\0v\0",
            b"{'descr': '|b1', 'fortran_order': False, 'shape': (), }",
        ),
        (
            "<M8[25s]",
            Order::C,
            &[0],
            128,
            b"\x01\0v\0",
            b"{'descr': '<M8[25s]', 'fortran_order': False, 'shape': (0,), }",
        ),
        (
            "|S3",
            Order::C,
            &[12_345_678],
            128,
            b"\x01\0v\0",
            b"{'descr': '|S3', 'fortran_order': False, 'shape': (12345678,), }",
        ),
        (
            "[('é', '<f4')]",
            Order::C,
            &[3],
            128,
            b"\x01\0v\0",
            b"{'descr': [('\xe9', '<f4')], 'fortran_order': False, 'shape': (3,), }",
        ),
        (
            "[('中', '<f4')]",
            Order::C,
            &[3],
            128,
            b"\x03\0t\0\0\0",
            b"{'descr': [('\xe4\xb8\xad', '<f4')], 'fortran_order': False, 'shape': (3,), }",
        ),
        (
            "[(\"it's\\n\", '<i4', (2,)), (('t', 'b'), [('x', '>u2')]), ('', '|V4')]",
            Order::C,
            &[3],
            192,
            b"\x01\0\xb6\0",
            b"{'descr': [(\"it's\\n\", '<i4', (2,)), (('t', 'b'), [('x', '>u2')]), ('', '|V4')], \
              'fortran_order': False, 'shape': (3,), }",
        ),
    ];
    for (descr, order, shape, len, prefix, text) in cases {
        let mut expected = [MAGIC, prefix, text].concat();
        expected.resize(len - 1, b' ');
        expected.push(b'\n');
        let header = Header::new(descr.parse().unwrap(), shape, order).unwrap();
        assert!(header.to_bytes() == expected, "{}", header.to_bytes().escape_ascii());
        assert_eq!(Header::parse(&expected).unwrap(), header);
        assert_eq!((header.data_start(), header.version().0), (len as u64, expected[6]));
    }
}

#[cfg(not(miri))] // thousands of fields take Miri minutes
#[test]
fn the_version_is_the_oldest_that_can_hold_the_text() {
    let many = |name: &str| -> DType {
        let fields = (0..2500).map(|at| format!("('{name}{at:04}', '<f4'), "));
        format!("[{}]", fields.collect::<String>()).parse().unwrap()
    };
    for (name, major) in
        [("field_", 1), ("a_longer_name_", 2), ("\u{e9}_longer_name_", 2), ("中_longer_name_", 3)]
    {
        let header = Header::new(many(name), [7], Order::C).unwrap();
        let bytes = header.to_bytes();
        assert_eq!((header.version(), bytes.len() % 64), ((major, 0), 0), "{name}");
        assert_eq!(Header::parse(&bytes).unwrap(), header);
    }
}

#[test]
fn there_is_always_a_blank_before_the_line_end() {
    // Shapes of every length, so that the text ends at every place.
    for axes in 0..if cfg!(miri) { 8 } else { 40 } {
        let bytes = Header::new(DType::bool(), vec![1; axes], Order::C).unwrap().to_bytes();
        assert!(bytes.ends_with(b" \n") && bytes.len().is_multiple_of(64), "{axes} axes");
    }
}

#[test]
fn other_alignments_are_read_back() {
    let header = Header::new(DType::float(4), [3, 4], Order::Fortran).unwrap();
    for align in [1, 16, 64, 4096, 1 << 14] {
        let bytes = header.to_bytes_aligned(align);
        assert_eq!(bytes.len() % align, 0);
        let back = Header::parse(&bytes).unwrap();
        assert_eq!((back.data_start(), back.shape()), (bytes.len() as u64, &[3, 4][..]));
    }
}

#[test]
fn room_is_left_for_the_axis_that_grows() {
    let len =
        |shape: [usize; 2], order| Header::new(DType::float(8), shape, order).unwrap().text().len();
    assert_eq!(len([1, 5], Order::C), len([1_000_000, 5], Order::C));
    assert_eq!(len([5, 1], Order::Fortran), len([5, 1_000_000], Order::Fortran));
    assert_ne!(len([1, 5], Order::C), len([1, 50], Order::C));
}

#[test]
fn every_text_that_numpy_takes_is_taken() {
    for text in [
        "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4)}\n",
        "{'shape':(3,4,),'descr':'<f4','fortran_order':False}",
        " \t\x0c\n{'descr': '<f4',\r\n'fortran_order': False,\n\t'shape': ( 3 , 4 )}\r\n \n",
        "({\"descr\": u'<f4', '''fortran_order''': (False), r'shape': ((3), (4))})",
        "{'\\x64escr': '\\u003cf4', 'fortran_order': False, 'shape': (3L, 4 L)}",
    ] {
        let header = parse(text).unwrap();
        assert_eq!(header.shape(), [3, 4], "{text}");
        assert_eq!((header.dtype().to_string().as_str(), header.order()), ("<f4", Order::C));
        assert_eq!(header.data_start(), 10 + text.len() as u64);
        assert_eq!(Header::parse(&file(2, text.as_bytes())).unwrap().version(), (2, 0));
        let with_data = [file(1, text.as_bytes()), b"data".to_vec()].concat();
        assert_eq!(Header::parse(&with_data).unwrap(), header);
    }
    let header = parse(dict("'>f8'", "True", "()")).unwrap();
    assert_eq!((header.len(), header.byte_len(), header.order()), (1, 8, Order::Fortran));
    let header = parse(dict("'|S3'", "False", "(0, 7)")).unwrap();
    assert_eq!((header.len(), header.byte_len()), (0, 0));
}

#[test]
fn version_3_takes_no_mark_of_python_2_and_only_utf_8() {
    assert!(Header::parse(&file(3, &dict("'<f4'", "False", "(3L,)"))).is_err());
    let text =
        [b"{'descr': [('\xe9', '<f4')],".as_slice(), b"'fortran_order':False,'shape':()}"].concat();
    assert_eq!(parse(&text).unwrap().dtype().fields()[0].name(), "é");
    let error = Header::parse(&file(3, &text)).unwrap_err();
    assert!(matches!(error, Error::HeaderSyntax { at: 25, expected: "UTF-8", .. }), "{error}");
    let bom = [b"\xef\xbb\xbf".as_slice(), &dict("'<f4'", "False", "()")].concat();
    assert!(matches!(Header::parse(&file(3, &bom)), Err(Error::HeaderSyntax { at: 12, .. })));
}

#[test]
fn a_broken_value_is_refused_at_its_place() {
    for (text, place, what) in [
        (dict("'<f4'", "0", "()"), 44, "True or False"),
        (dict("'<f4'", "'True'", "()"), 44, "True or False"),
        (dict("'<f4'", "None", "()"), 44, "True or False"),
        (dict("'<f4'", "True", "3"), 59, SHAPE),
        (dict("'<f4'", "True", "(3)"), 60, SHAPE),
        (dict("'<f4'", "True", "[3]"), 59, SHAPE),
        (dict("'<f4'", "True", "(True,)"), 60, SHAPE),
        (dict("'<f4'", "True", "(3, 'a')"), 63, SHAPE),
        (b"('descr',)".to_vec(), 10, "a dictionary"),
        (b"{1: 2}".to_vec(), 11, "'descr', 'fortran_order' or 'shape'"),
    ] {
        match parse(&text) {
            Err(Error::HeaderSyntax { at, expected, .. }) => {
                assert_eq!((at, expected), (place, what), "{}", text.escape_ascii());
            }
            other => panic!("{}: {other:?}", text.escape_ascii()),
        }
    }
    assert!(matches!(
        parse(dict("'<f4'", "True", "(-1,)")),
        Err(Error::HeaderSyntax { at: 60, .. })
    ));
}

#[test]
fn each_key_is_needed_once_and_no_other() {
    for (text, key, what) in [
        ("{}", "descr", "lacks the"),
        ("{'descr': '<f4', 'shape': ()}", "fortran_order", "lacks the"),
        ("{'descr': '<f4', 'fortran_order': True}", "shape", "lacks the"),
        ("{'shape': (), 'shape': ()}", "shape", "repeats the"),
        ("{'Shape': ()}", "Shape", "has the unknown"),
        ("{'shape\\n': ()}", "shape\\n", "has the unknown"),
    ] {
        match parse(text) {
            Err(Error::HeaderKey { key: found, problem, .. }) => {
                assert_eq!((found.as_str(), problem), (key, what), "{text}");
            }
            other => panic!("{text}: {other:?}"),
        }
    }
}

#[test]
fn elements_that_cannot_be_stored_are_refused() {
    for descr in ["'|O'", "[('a', [('b', '|O', (2,))])]", "'T'", "('O', (0,))"] {
        let error = parse(dict(descr, "False", "()")).unwrap_err();
        assert!(matches!(error, Error::ObjectDType { .. }), "{descr}: {error}");
    }
    for descr in ["'|S0'", "'V'", "[]", "[('', '|V0')]", "('<i4', (0,))", "'<i3'", "3", "None"] {
        let error = parse(dict(descr, "False", "()")).unwrap_err();
        assert!(matches!(error, Error::InvalidDType { .. }), "{descr}: {error}");
    }
    let sub_array = "('<i2', (2,))";
    assert_eq!(parse(dict(sub_array, "False", "(3,)")).unwrap().byte_len(), 12);
    let error = Header::new(sub_array.parse().unwrap(), [3], Order::C).unwrap_err();
    assert!(matches!(error, Error::InvalidDType { .. }), "{error}");
}

#[test]
fn a_shape_beyond_counting_is_refused() {
    for shape in [
        "(9223372036854775808,)",
        "(18446744073709551615,)",
        "(4294967296, 4294967296, 0)",
        "(0, 9223372036854775807)",
        "(2305843009213693952,)",
    ] {
        let error = parse(dict("'<f4'", "False", shape)).unwrap_err();
        assert!(matches!(error, Error::ShapeOverflow { item_size: 4, .. }), "{shape}: {error}");
    }
    let axes = |count| parse(dict("'<f4'", "False", &format!("({})", "1,".repeat(count))));
    assert!(axes(64).is_ok());
    assert!(matches!(axes(65), Err(Error::TooManyAxes { found: 65, .. })));
    assert!(matches!(
        Header::new(DType::bool(), [1; 65], Order::C),
        Err(Error::TooManyAxes { .. })
    ));
}

#[test]
fn a_header_cut_anywhere_is_refused() {
    for major in [1, 2, 3] {
        let bytes = file(major, &dict("'<f4'", "False", "(3,)"));
        for len in 1..bytes.len() {
            match Header::parse(&bytes[..len]) {
                Err(Error::HeaderTruncated { expected, found, .. }) => {
                    assert!(found == len as u64 && found < expected, "{len} bytes");
                }
                other => panic!("{len} bytes: {other:?}"),
            }
        }
    }
}

#[test]
fn a_claimed_length_is_compared_with_limit_and_file_first() {
    let first = [MAGIC, b"\x02\0\xff\xff\xff\xff"].concat();
    let error = prefix(&first, 1 << 40, 1 << 20).unwrap_err();
    assert!(matches!(error, Error::HeaderTooLong { len: 0xFFFF_FFFF, limit: 0x10_0000, .. }));
    let error = prefix(&first, 1 << 40, u64::MAX).unwrap_err();
    assert!(matches!(error, Error::HeaderTooLong { limit: MAX_LEN, .. }));
    let first = [MAGIC, b"\x03\0\0\0\x10\0"].concat();
    let error = prefix(&first, 12, 1 << 20).unwrap_err();
    assert!(matches!(error, Error::HeaderTruncated { expected: 0x10_000C, found: 12, .. }));
    let found = prefix(&first, 0x10_000C, 1 << 20).unwrap();
    assert_eq!((found.version, found.data_start, found.text_start), ((3, 0), 0x10_000C, 12));
}

#[test]
fn other_versions_are_refused() {
    for (major, minor) in [(0, 0), (1, 1), (2, 1), (4, 0), (9, 0), (255, 255)] {
        let first = [MAGIC, &[major, minor, 0, 0, 0, 0]].concat();
        match prefix(&first, 100, 100) {
            Err(Error::HeaderVersion { major: a, minor: b, .. }) => {
                assert_eq!((a, b), (major, minor))
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn what_is_no_npy_file_is_guessed() {
    let cases: [(&[u8], &str); 8] = [
        (b"", ""),
        (b"PK\x03\x04\x14\0\0\0\x08\0", ".npz"),
        (b"\x89HDF\r\n\x1a\n", "HDF5"),
        (b"\x80\x04\x95\x10", "pickle"),
        (b"\x1f\x8b\x08", "gzip"),
        (b"\x93NUMPX\x01\0", "\"\\x93NUMPX\\x01\\x00\""),
        (b"hello, world", "\"hello, w\""),
        (b"x", "\"x\""),
    ];
    for (bytes, words) in cases {
        match Header::parse(bytes) {
            Err(Error::HeaderMagic { found, .. }) => {
                assert!(found.contains(words) && found.is_empty() == bytes.is_empty(), "{found}");
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_header_is_shown_in_one_line() {
    let header = Header::new("<f4".parse().unwrap(), [240, 37, 49], Order::C).unwrap();
    let line = "float32 ('<f4'), shape (240, 37, 49), C order, data at byte 128, version 1.0";
    assert_eq!(header.to_string(), line);
}

#[cfg(not(miri))] // likewise
#[test]
fn a_description_too_long_for_a_header_is_refused() {
    let name = "n".repeat(Header::DEFAULT_MAX_LEN);
    let dtype = format!("[('{name}', '<f4')]").parse().unwrap();
    assert!(matches!(Header::new(dtype, [1], Order::C), Err(Error::InvalidDType { .. })));
}

#[cfg(not(miri))] // likewise
#[test]
fn a_megabyte_of_anything_is_quick() {
    for unit in ["(", "[", "{", "'", "\\", "1,", " ", "'a',", "('a','b'),"] {
        let text = unit.repeat((1 << 20) / unit.len());
        for text in
            [text.clone(), dict(&format!("[{text}]"), "False", "()").escape_ascii().to_string()]
        {
            assert!(Header::parse(&file(2, text.as_bytes())).is_err(), "{unit}");
        }
    }
    let fields = format!("'{}'", "b,".repeat(400_000));
    let header = Header::parse(&file(2, &dict(&fields, "False", "()"))).unwrap();
    assert_eq!(header.dtype().fields().len(), 400_000);
}

#[cfg(not(miri))] // likewise
#[test]
fn the_usual_text_means_what_the_parser_of_python_says() {
    let by_python = |text: &[u8]| {
        let source = Source { bytes: text, start: 10, version_3: false };
        let [descr, order, shape] = values(&source).ok()?;
        let dtype = descr::from_node(&descr, &source).ok()?;
        let order = match order.value {
            Value::Bool(true) => Order::Fortran,
            Value::Bool(false) => Order::C,
            _ => return None,
        };
        let shape = lengths(&shape, &source, dtype.item_size()).ok()?;
        Some((dtype, order, shape))
    };
    let shapes = [
        "()",
        "(3,)",
        "(0,)",
        "(3, 4)",
        "(3, 0, 5, 7, 11)",
        "(18446744073709551615,)",
        "(3)",
        "(3,4)",
        "(3, 4,)",
        "(3, )",
        "(03,)",
        "(+3,)",
        "(3L,)",
        "(,)",
        "(3,, 4)",
        "( 3,)",
        "[3]",
        "(-1,)",
    ];
    let (mut usual_ones, mut all) = (0, 0);
    for descr in
        ["'<f4'", "'>i8'", "'|b1'", "'|S3'", "'2i4'", "'i,f'", "'<f'", "'<f16'", "'|O'", "'...'"]
    {
        for order in ["True", "False", "0", "false"] {
            for shape in shapes {
                for end in [" \n", "\n", "", "      \n", "x\n", " \n ", "\t\n"] {
                    let text = format!(
                        "{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}{end}"
                    );
                    all += 1;
                    if let Some(found) = usual(text.as_bytes()) {
                        usual_ones += 1;
                        assert_eq!(Some(found), by_python(text.as_bytes()), "{text:?}");
                    }
                }
            }
        }
    }
    // What NumPy writes is taken; most of the others are not.
    assert!(usual_ones > 100 && usual_ones < all / 2, "{usual_ones} of {all}");
    for bytes in [[3, 4].as_slice(), &[], &[7], &[0, 5, 1_000_000]] {
        let header = Header::new(DType::float(8), bytes, Order::Fortran).unwrap();
        assert!(usual(header.to_bytes().get(10..).unwrap()).is_some());
    }
}

#[test]
fn foreign_or_unaligned_elements_cannot_be_mapped() {
    let header = |descr: &str, blanks: usize| {
        let text = [dict(descr, "False", "(2,)"), vec![b' '; blanks]].concat();
        Header::parse(&file(1, &text)).unwrap()
    };
    let (native, foreign) = if cfg!(target_endian = "big") { (">", "<") } else { ("<", ">") };
    let start = header(&format!("'{native}f8'"), 0).data_start() as usize;
    let blanks = start.next_multiple_of(8) - start;
    assert!(header(&format!("'{native}f8'"), blanks).check_mappable().is_ok());
    let error = header(&format!("'{native}f8'"), blanks + 4).check_mappable().unwrap_err();
    assert!(matches!(error, Error::Misaligned { align: 8, .. }), "{error}");
    assert!(header(&format!("'{native}f4'"), blanks + 4).check_mappable().is_ok());
    let error = header(&format!("'{foreign}f8'"), blanks).check_mappable().unwrap_err();
    assert!(matches!(error, Error::ForeignByteOrder { .. }), "{error}");
}

#[cfg(not(miri))]
#[test]
fn a_header_of_any_form_says_the_same_when_it_is_written_where_it_was() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/forms");
    let mut written = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let Ok(header) = Header::read(&path) else { continue };
        for rows in [0, 1, 10, 1 << 30, usize::MAX >> 12] {
            let Ok(grown) = header.with_rows(rows) else { continue };
            assert_eq!(grown.data_start(), header.data_start());
            match grown.to_bytes_in_place() {
                Ok(bytes) => {
                    assert_eq!(bytes.len() as u64, header.data_start(), "{path:?}");
                    assert_eq!(Header::parse(&bytes).unwrap(), grown, "{path:?}");
                    written += 1;
                }
                Err(needed) => assert!(needed > header.data_start(), "{path:?}"),
            }
        }
        // As NumPy itself wrote it, it comes out byte for byte.
        if header.to_bytes().len() as u64 == header.data_start() && header.version() == (1, 0) {
            assert_eq!(header.to_bytes_in_place().unwrap(), header.to_bytes(), "{path:?}");
        }
    }
    assert!(written > 100, "{written}");
}
