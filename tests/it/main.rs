//! The crate from outside: files of NumPy, broken files, a naive twin, and the cost in system
//! calls. One program, because each one more would be linked on its own.
//!
//! Under Miri only what touches few files runs: Miri knows few system calls, and is slow.

#[cfg(not(miri))]
mod agree;
#[cfg(not(miri))]
mod allocator;
#[cfg(not(miri))]
mod any;
mod batch;
mod common;
#[cfg(not(miri))]
mod corrupt;
#[cfg(not(miri))]
mod cow;
#[cfg(all(target_os = "linux", target_pointer_width = "64", not(miri)))]
mod file_regions;
#[cfg(not(miri))]
mod golden;
#[cfg(not(miri))]
mod growth;
#[cfg(not(miri))]
mod growth_refused;
#[cfg(not(miri))]
mod hostile;
#[cfg_attr(miri, allow(dead_code, reason = "some of it is for files that Miri does not see"))]
mod map;
mod mapped;
mod mapped_growth;
#[cfg(not(miri))]
mod numpy;
#[cfg(not(miri))]
mod numpy_mapped;
#[cfg(not(miri))]
mod raw;
#[cfg(not(miri))]
mod raw_growth;
#[cfg(all(target_os = "linux", not(miri)))]
mod reads;
mod regions;
#[cfg(not(miri))]
mod roundtrip;
mod shared;
#[cfg(not(miri))]
mod stack;
#[cfg(not(miri))]
mod stack_dask;
#[cfg(not(miri))]
mod stack_info;
#[cfg(not(miri))]
mod stack_write;
#[cfg_attr(miri, allow(dead_code, reason = "some of it is for files"))]
mod twin;
#[cfg(not(miri))]
mod twin_doors;
#[cfg(not(miri))]
mod twin_file;
mod twin_view;
mod twin_view_mut;
