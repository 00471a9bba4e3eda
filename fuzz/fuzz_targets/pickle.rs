//! Any bytes are the info of an npy-stack or an error, and what is one survives being written out.

#![no_main]

use libfuzzer_sys::fuzz_target;
use mmap_array::{DType, StackInfo};

fuzz_target!(|bytes: &[u8]| match StackInfo::parse(bytes) {
    Ok(info) => check(&info),
    Err(error) => assert!(error.to_string().len() < 4096, "an error that goes on and on"),
});

fn check(info: &StackInfo) {
    assert!(info.shape().len() <= 64 && info.axis() < info.shape().len());
    assert!(!info.lens().is_empty());
    assert_eq!(info.lens().iter().sum::<usize>(), info.shape()[info.axis()]);
    let written = info.to_bytes(&DType::of::<u8>()).expect("a plain element type");
    assert_eq!(&StackInfo::parse(&written).expect("what we write, we read"), info);
}
