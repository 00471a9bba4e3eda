//! The unsafe ways to open, behind safe ones for the tests here.
//!
//! Their contract: nobody else shortens the file, or changes the array's bytes, as long as the
//! array lives. The tests keep it, but where it is the breach that they look at: then they touch no
//! element afterwards, or do so in a child that the signal may end.

#![allow(unsafe_code)]

use std::path::Path;

use mmap_array::{Access, Element, MmapArray, MmapArrayCow, MmapArrayMut, OpenOptions, Result};

/// The default options.
pub(crate) const PLAIN: OpenOptions = OpenOptions::new();

pub(crate) fn open<T: Element>(options: &OpenOptions, path: &Path) -> Result<MmapArray<T>> {
    // SAFETY: see above.
    unsafe { options.open(path) }
}

pub(crate) fn open_mut<T: Element>(options: &OpenOptions, path: &Path) -> Result<MmapArrayMut<T>> {
    // SAFETY: see above.
    unsafe { options.open_mut(path) }
}

pub(crate) fn open_cow<T: Element>(options: &OpenOptions, path: &Path) -> Result<MmapArrayCow<T>> {
    // SAFETY: see above.
    unsafe { options.open_cow(path) }
}

pub(crate) fn create<T: Element>(
    options: &OpenOptions,
    path: &Path,
    shape: &[usize],
) -> Result<MmapArrayMut<T>> {
    // SAFETY: see above.
    unsafe { options.create(path, shape) }
}

/// How many of the pages of an array in C order the system's cache holds, and how many there are.
pub(crate) fn cached_pages<T: Element, A: Access>(array: &MmapArray<T, A>) -> (usize, usize) {
    let data = array.as_slice().unwrap();
    let data_start = usize::try_from(array.header().data_start()).unwrap();
    let len = data_start + size_of_val(data);
    // SAFETY: asks for a number.
    let page = usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap();
    let mut pages = vec![0_u8; len.div_ceil(page)];
    let start = data.as_ptr().cast::<u8>().wrapping_sub(data_start).cast_mut();
    // SAFETY: the mapping starts where the file does and has these pages, none of which is read;
    // `pages` has a byte for each.
    let result = unsafe { libc::mincore(start.cast(), len, pages.as_mut_ptr()) };
    assert_eq!(result, 0);
    (pages.iter().filter(|&&page| page & 1 == 1).count(), pages.len())
}
