//! Any text is an element type or an error, and what is a type survives being written out.

#![no_main]

use libfuzzer_sys::fuzz_target;
use mmap_array::{DType, Header, Kind, Order};

fuzz_target!(|text: &str| match text.parse::<DType>() {
    Ok(dtype) => check(&dtype),
    Err(error) => assert!(error.to_string().len() < 4096, "an error that goes on and on"),
});

fn check(dtype: &DType) {
    check_size(dtype);
    assert!(!dtype.name().is_empty());
    assert!(dtype.same_but_order(dtype));
    assert!(!(dtype.is_native() && dtype.is_foreign()));

    let written = dtype.to_string();
    let again: DType = written.parse().expect("what we write, we read");
    assert_eq!(&again, dtype);
    assert_eq!(again.to_string(), written);

    match Header::new(dtype.clone(), [3, 0, 7], Order::Fortran) {
        Ok(header) => assert_eq!(Header::parse(&header.to_bytes()).expect("our own"), header),
        Err(_) => assert!(
            dtype.has_objects()
                || dtype.item_size() == 0
                || dtype.kind() == Kind::SubArray
                || written.len() > 1_000_000,
            "{written} should have a header"
        ),
    }
}

/// Parts lie one behind the other, and fill no more than the whole.
fn check_size(dtype: &DType) {
    assert!(dtype.item_size() <= i32::MAX as usize);
    assert!(dtype.alignment().is_power_of_two());
    let mut end = 0;
    for field in dtype.fields() {
        assert!(field.offset() >= end);
        end = field.offset() + field.dtype().item_size();
        check_size(field.dtype());
    }
    assert!(end <= dtype.item_size());
    if let Some((base, shape)) = dtype.sub_array() {
        assert!((1..=64).contains(&shape.len()));
        assert_eq!(dtype.item_size(), shape.iter().fold(base.item_size(), |size, len| size * len));
        check_size(base);
    }
}
