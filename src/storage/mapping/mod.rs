//! Files mapped into memory: the one room that turns an offset in a file into an address.
//!
//! `file.rs` maps with memmap2. Miri can map no file, so `heap.rs` stands in for it there: a copy
//! of the file, which a flush writes back.

#[cfg(not(miri))]
mod file;
#[cfg(miri)]
mod heap;

#[cfg(not(miri))]
pub(crate) use file::Mapping;
#[cfg(miri)]
pub(crate) use heap::Mapping;

/// What a mapping is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MapMode {
    /// Reading.
    Read,
    /// Reading and writing to the file.
    Write,
    /// Reading, and writing to copies of pages that the file never sees.
    Copy,
}

/// Whether what is written to a file by position shows in a mapping of it at once. Linux keeps both
/// in the same pages; POSIX promises nothing.
pub(crate) const WRITES_SHOW_IN_MAPPINGS: bool = cfg!(all(target_os = "linux", not(miri)));

/// How a mapping will be read, as a hint to the system; one that it does not know is ignored.
///
/// No word gives anything up: what was written stays. To bring pages in or to let them go, take
/// [`MmapArray::prefetch`](crate::MmapArray::prefetch) and
/// [`MmapArray::evict`](crate::MmapArray::evict).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Advice {
    /// No particular way; what a mapping starts with. Huge pages that were asked for stay.
    #[default]
    Normal,
    /// From the start to the end: read ahead more, and forget sooner.
    Sequential,
    /// Here and there: read single pages from the disk, and nothing around them. Without it one
    /// element may bring in megabytes; with it a scan from the disk is some thirty times slower. For
    /// arrays that are larger than memory and are not scanned meanwhile.
    Random,
    /// All of it: read and map pages of 2 MiB, where the file system has them (Linux). The fastest
    /// first scan of a file that is not in the cache; wasteful for a few reads here and there.
    HugePages,
}
