//! Any bytes are a header or an error, and what is a header survives being written out.

#![no_main]

use libfuzzer_sys::fuzz_target;
use mmap_array::Header;

fuzz_target!(|bytes: &[u8]| match Header::parse(bytes) {
    Ok(header) => check(&header, bytes),
    Err(error) => assert!(error.to_string().len() < 4096, "an error that goes on and on"),
});

fn check(header: &Header, bytes: &[u8]) {
    assert!(header.data_start() <= bytes.len() as u64);
    assert!(header.shape().len() <= 64);
    assert!(header.dtype().item_size() > 0 && !header.dtype().has_objects());
    assert_eq!(header.len() as u128, elements(header));
    assert_eq!(
        u128::from(header.byte_len()),
        elements(header) * header.dtype().item_size() as u128
    );
    assert!(!header.to_string().is_empty());

    // Only the bytes before the data count, and all of them do.
    let (text, _) = bytes.split_at(header.data_start() as usize);
    assert_eq!(&Header::parse(text).expect("nothing was cut"), header);
    let (_, cut) = text.split_last().expect("a header has bytes");
    assert!(Header::parse(cut).is_err());

    // Written out, escapes and abbreviations grow, perhaps beyond the limit.
    let written = header.to_bytes();
    if written.len() > Header::DEFAULT_MAX_LEN {
        return;
    }
    assert_eq!(written.len() % 64, 0);
    let again = Header::parse(&written).expect("what we write, we read");
    assert_eq!(again.dtype(), header.dtype());
    assert_eq!(again.shape(), header.shape());
    assert_eq!(again.order(), header.order());
    assert_eq!(again.byte_len(), header.byte_len());
    assert_eq!(again.data_start(), written.len() as u64);
    assert_eq!(again.to_bytes(), written);
}

fn elements(header: &Header) -> u128 {
    // A zero must not hide behind an overflow.
    if header.shape().contains(&0) {
        return 0;
    }
    header.shape().iter().fold(1_u128, |product, &len| {
        product.checked_mul(len as u128).expect("a shape that can be counted")
    })
}
