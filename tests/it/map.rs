//! The mapped doors without `unsafe`, for tests: the one place that vouches for them.

#![allow(unsafe_code, reason = "mapping a file asks for a promise")]

use std::path::Path;

use mmap_array::{
    AnyArray, CopyOnWrite, Element, Lock, MmapArray, MmapArrayCow, MmapArrayMut, OpenOptions,
    Order, ReadWrite, Result,
};

/// Maps a file to read, with the lock that is the default.
pub(crate) fn open<T: Element>(path: impl AsRef<Path>) -> Result<MmapArray<T>> {
    // SAFETY: every test keeps its files to itself, and writes to one that it holds mapped only
    // through the array that it holds, as the contract has it.
    unsafe { MmapArray::open(path) }
}

/// Maps a file to read and write.
pub(crate) fn open_mut<T: Element>(path: impl AsRef<Path>) -> Result<MmapArrayMut<T>> {
    // SAFETY: as above.
    unsafe { MmapArray::open_mut(path) }
}

/// Maps a file to read, and to write in memory.
pub(crate) fn open_cow<T: Element>(path: impl AsRef<Path>) -> Result<MmapArrayCow<T>> {
    // SAFETY: as above.
    unsafe { MmapArray::open_cow(path) }
}

/// Creates a file and maps it.
pub(crate) fn create<T: Element>(
    path: impl AsRef<Path>,
    shape: impl AsRef<[usize]>,
) -> Result<MmapArrayMut<T>> {
    // SAFETY: as above.
    unsafe { MmapArray::create(path, shape) }
}

/// The same in this storage order.
pub(crate) fn create_in<T: Element>(
    path: impl AsRef<Path>,
    shape: impl AsRef<[usize]>,
    order: Order,
) -> Result<MmapArrayMut<T>> {
    create_with(&OpenOptions::new().order(order), path, shape)
}

/// The same with any options.
pub(crate) fn create_with<T: Element>(
    options: &OpenOptions,
    path: impl AsRef<Path>,
    shape: impl AsRef<[usize]>,
) -> Result<MmapArrayMut<T>> {
    // SAFETY: as above.
    unsafe { options.create(path, shape) }
}

/// Maps a file to read and write, and takes no lock: on Windows nobody else reads a locked file,
/// and these tests look at it while it is open.
pub(crate) fn open_unlocked<T: Element>(path: impl AsRef<Path>) -> Result<MmapArrayMut<T>> {
    // SAFETY: as above.
    unsafe { OpenOptions::new().lock(Lock::Off).open_mut(path) }
}

/// Maps a file to read, and to write in memory, with any options.
pub(crate) fn open_cow_with<T: Element>(
    options: &OpenOptions,
    path: impl AsRef<Path>,
) -> Result<MmapArrayCow<T>> {
    // SAFETY: as above.
    unsafe { options.open_cow(path) }
}

/// Maps a file to read, with any options.
pub(crate) fn open_with<T: Element>(
    options: &OpenOptions,
    path: impl AsRef<Path>,
) -> Result<MmapArray<T>> {
    // SAFETY: as above.
    unsafe { options.open(path) }
}

/// Maps a file to read and write, with any options.
pub(crate) fn open_mut_with<T: Element>(
    options: &OpenOptions,
    path: impl AsRef<Path>,
) -> Result<MmapArrayMut<T>> {
    // SAFETY: as above.
    unsafe { options.open_mut(path) }
}

/// Maps a file of any element type to read, with any options.
pub(crate) fn open_any_with(options: &OpenOptions, path: impl AsRef<Path>) -> Result<AnyArray> {
    // SAFETY: as above.
    unsafe { options.open_any(path) }
}

/// Maps a file of any element type to read and write.
pub(crate) fn open_any_mut(path: impl AsRef<Path>) -> Result<AnyArray<ReadWrite>> {
    // SAFETY: as above.
    unsafe { AnyArray::open_mut(path) }
}

/// Maps a file of any element type to read, and to write in memory.
pub(crate) fn open_any_cow(path: impl AsRef<Path>) -> Result<AnyArray<CopyOnWrite>> {
    // SAFETY: as above.
    unsafe { AnyArray::open_cow(path) }
}
