//! A mapping of a file, by memmap2.

#![allow(unsafe_code)]

use std::fs::File;
use std::io;
use std::ops::Range;
use std::slice;
use std::sync::{Mutex, PoisonError};

use bytemuck::Pod;
use memmap2::{MmapOptions, MmapRaw};

use super::{Advice, MapMode};

/// A file mapped from its first byte on, so that addresses and offsets in the file have the same
/// place in a page of any size; lent out are the elements of the array alone.
#[derive(Debug)]
pub(crate) struct Mapping<T> {
    /// # Invariants
    ///
    /// `len` elements from `first` on are the array's; they are aligned and lie inside `map`, from
    /// its byte `start` on; what the caller of [`map`](Self::map) promised holds.
    map: MmapRaw,
    first: *mut T,
    len: usize,
    start: usize,
    mode: MapMode,
    /// What a new map must be told, too.
    advice: Mutex<Advice>,
}

// SAFETY: a mapping owns its memory, and lends it as a `Vec<T>` would.
unsafe impl<T: Send> Send for Mapping<T> {}
// SAFETY: as above.
unsafe impl<T: Sync> Sync for Mapping<T> {}

impl<T: Pod> Mapping<T> {
    /// Maps the bytes `data` of a file, and those before them. `None` where the elements would not
    /// be aligned.
    ///
    /// # Safety
    ///
    /// As long as the mapping lives, nobody shortens the file below the end of `data`, and nobody
    /// changes bytes of `data`, but for the holder of the mapping: through it, or through the file
    /// while it is borrowed mutably.
    pub(crate) unsafe fn map(
        file: &File,
        data: Range<u64>,
        mode: MapMode,
    ) -> io::Result<Option<Mapping<T>>> {
        let too_large = |_| io::Error::from(io::ErrorKind::OutOfMemory);
        let start = usize::try_from(data.start).map_err(too_large)?;
        let end = isize::try_from(data.end).map_err(too_large)?.cast_unsigned();
        assert!(start <= end);
        let map = map_file(file, end, mode)?;
        let first = map.as_mut_ptr().wrapping_add(start).cast::<T>();
        let len = (end - start) / size_of::<T>();
        // Mappings start at pages, of which no system's are smaller.
        let aligned = start.is_multiple_of(align_of::<T>()) && align_of::<T>() <= 4096;
        let advice = Mutex::new(Advice::Normal);
        Ok(aligned.then_some(Mapping { map, first, len, start, mode, advice }))
    }

    /// The first element of the array. A mapping for reading must not be written.
    pub(crate) fn as_mut_ptr(&self) -> *mut T {
        self.first
    }

    /// The elements of the array, in the order of the file.
    #[inline]
    pub(crate) fn elements(&self) -> &[T] {
        // SAFETY: by the invariants these elements are aligned and lie inside the map, which is
        // readable as long as `self` lives, and nobody changes them while `self` is borrowed; any
        // bytes are a `T`, and the file's length fits `isize`.
        unsafe { slice::from_raw_parts(self.first, self.len) }
    }

    /// The elements of the array, to change.
    ///
    /// # Panics
    ///
    /// Where the mapping is for reading.
    #[inline]
    pub(crate) fn elements_mut(&mut self) -> &mut [T] {
        assert!(self.mode != MapMode::Read, "a mapping for reading cannot be written");
        // SAFETY: as for `elements`; the map is writable, and the elements are ours alone while
        // `self` is borrowed mutably.
        unsafe { slice::from_raw_parts_mut(self.first, self.len) }
    }

    /// Lends `byte_len` bytes from now on, which the file must have and which the promise of
    /// [`map`](Self::map) is for, too. Maps anew where what was mapped does not reach, with room for
    /// as much again where addresses behind the end of a file can be had.
    pub(crate) fn resize(&mut self, file: &File, byte_len: u64) -> io::Result<()> {
        let end =
            isize::try_from(byte_len).ok().and_then(|len| len.checked_add_unsigned(self.start));
        let end = end.ok_or(io::ErrorKind::OutOfMemory)?.cast_unsigned();
        // Without any bytes before, none of the file are mapped.
        if end > self.map.len() || self.start + self.len == 0 || cfg!(not(unix)) {
            let room = end.saturating_mul(2).max(MIN_ROOM);
            let roomy = if cfg!(unix) { map_file(file, room, self.mode).ok() } else { None };
            self.map = match roomy {
                Some(map) => map,
                None => map_file(file, end, self.mode)?,
            };
            self.first = self.map.as_mut_ptr().wrapping_add(self.start).cast();
            let _ =
                advise(&self.map, *self.advice.get_mut().unwrap_or_else(PoisonError::into_inner));
        }
        self.len = (end - self.start) / size_of::<T>();
        Ok(())
    }

    /// The number of bytes of the array.
    pub(crate) fn byte_len(&self) -> usize {
        self.len * size_of::<T>()
    }

    /// The place of a range of the array's bytes in the map. The only range check there is.
    fn place(&self, range: &Range<usize>) -> (usize, usize) {
        assert!(range.start <= range.end && range.end <= self.byte_len(), "a range outside");
        (self.start + range.start, range.len())
    }

    /// Waits until a range of the array's bytes was handed to the disk. Elsewhere than on Linux, a
    /// sync of the file must follow.
    pub(crate) fn flush(&self, _file: &File, range: Range<usize>) -> io::Result<()> {
        let (offset, len) = self.place(&range);
        // Of nothing, macOS says that it cannot be flushed.
        if len == 0 {
            return Ok(());
        }
        loop {
            match self.map.flush_range(offset, len) {
                // A signal is no failure of the disk; std asks again too, for `fdatasync`.
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => return result,
            }
        }
    }

    /// Starts to write a range of the array's bytes to the disk. A hint: errors show at the next
    /// flush.
    pub(crate) fn flush_async(&self, file: &File, range: Range<usize>) {
        let (offset, len) = self.place(&range);
        start_writing(&self.map, file, offset, len);
    }

    /// Passes a hint on; one that the system does not know is ignored.
    pub(crate) fn advise(&self, advice: Advice) -> io::Result<()> {
        *self.advice.lock().unwrap_or_else(PoisonError::into_inner) = advice;
        let advised = advise(&self.map, advice);
        advised.or_else(|error| {
            let unknown =
                matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported);
            if unknown { Ok(()) } else { Err(error) }
        })
    }

    /// Brings a range of the array's bytes into memory, and waits for it where the system can.
    pub(crate) fn populate(&self, range: Range<usize>) -> io::Result<()> {
        let (offset, len) = self.place(&range);
        populate(&self.map, offset, len)
    }

    /// Are the pages of a range of the array's bytes in memory, so that touching them waits for no
    /// disk? Linux tells only the file's owner, and who may write to it; to anybody else, and
    /// elsewhere, all are.
    pub(crate) fn is_resident(&self, range: Range<usize>) -> bool {
        let (offset, len) = self.place(&range);
        is_resident(&self.map, offset, len)
    }

    /// Does the mapping show what was written to it alone, and not to the file?
    pub(crate) fn is_private(&self) -> bool {
        self.mode == MapMode::Copy
    }

    /// Lets the pages of a range of the array's bytes go, where they are clean. Reading brings
    /// them back.
    ///
    /// # Panics
    ///
    /// Where the mapping is of copies, which would be lost.
    pub(crate) fn evict(&self, file: &File, range: Range<usize>) -> io::Result<()> {
        assert!(self.mode != MapMode::Copy, "copied pages are nowhere else");
        let (offset, len) = self.place(&range);
        evict(&self.map, file, offset, len)
    }
}

/// The least that a growing array maps, so that a small one is not mapped anew again and again.
const MIN_ROOM: usize = if cfg!(target_pointer_width = "64") { 1 << 30 } else { 1 << 24 };

/// Maps the first `len` bytes of a file, whether or not it has them.
fn map_file(file: &File, len: usize, mode: MapMode) -> io::Result<MmapRaw> {
    let mut options = MmapOptions::new();
    if len == 0 {
        // No system maps no bytes, and none are needed.
        return Ok(options.len(1).map_anon()?.into());
    }
    options.len(len);
    match mode {
        MapMode::Read => options.map_raw_read_only(file),
        MapMode::Write => options.map_raw(file),
        // Reserving swap for all of it would refuse what is larger than memory.
        // SAFETY: no reference is made here; who lends the bytes vouches for those.
        MapMode::Copy => Ok(unsafe { options.no_reserve_swap().map_copy(file)? }.into()),
    }
}

#[cfg(target_os = "linux")]
fn start_writing(_map: &MmapRaw, file: &File, offset: usize, len: usize) {
    use std::os::fd::AsRawFd;
    // `MS_ASYNC` does nothing on Linux.
    // SAFETY: the descriptor is open as long as `file` is borrowed, and no memory is touched.
    unsafe {
        libc::sync_file_range(
            file.as_raw_fd(),
            offset as libc::off64_t,
            len as libc::off64_t,
            libc::SYNC_FILE_RANGE_WRITE,
        );
    }
}

#[cfg(not(target_os = "linux"))]
fn start_writing(map: &MmapRaw, _file: &File, offset: usize, len: usize) {
    let _ = map.flush_async_range(offset, len);
}

#[cfg(unix)]
fn advise(map: &MmapRaw, advice: Advice) -> io::Result<()> {
    map.advise(match advice {
        Advice::Normal => memmap2::Advice::Normal,
        Advice::Sequential => memmap2::Advice::Sequential,
        Advice::Random => memmap2::Advice::Random,
        #[cfg(target_os = "linux")]
        Advice::HugePages => memmap2::Advice::HugePage,
        #[cfg(not(target_os = "linux"))]
        Advice::HugePages => return Ok(()),
    })
}

#[cfg(not(unix))]
fn advise(_map: &MmapRaw, _advice: Advice) -> io::Result<()> {
    Ok(())
}

#[cfg(target_os = "linux")]
fn populate(map: &MmapRaw, offset: usize, len: usize) -> io::Result<()> {
    match map.advise_range(memmap2::Advice::PopulateRead, offset, len) {
        // Before Linux 5.14. This only asks for the pages, and is cut short where they are many.
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
            map.advise_range(memmap2::Advice::WillNeed, offset, len)
        }
        result => result,
    }
}

#[cfg(all(unix, not(target_os = "linux")))]
fn populate(map: &MmapRaw, offset: usize, len: usize) -> io::Result<()> {
    map.advise_range(memmap2::Advice::WillNeed, offset, len)
}

#[cfg(not(unix))]
fn populate(_map: &MmapRaw, _offset: usize, _len: usize) -> io::Result<()> {
    Ok(())
}

#[cfg(target_os = "linux")]
fn is_resident(map: &MmapRaw, offset: usize, len: usize) -> bool {
    const PAGES: usize = 1024;
    // `mincore` wants the address of a page, and counts up to the end of one. No system's pages are
    // smaller, so there are never more of them than this has room for.
    let mut pages = [0; PAGES];
    // SAFETY: this asks for a number, and touches no memory.
    let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) } as usize;
    let (mut at, end) = (offset / page * page, offset + len);
    while at < end {
        let len = (end - at).min(PAGES * 4096);
        // SAFETY: the map has these bytes, and `pages` has an element for each page of them; the
        // mapped memory itself is not touched.
        let done =
            unsafe { libc::mincore(map.as_mut_ptr().add(at).cast(), len, pages.as_mut_ptr()) };
        // Where the system cannot tell, touching them is what is left.
        if done == 0 && pages[..len.div_ceil(page)].iter().any(|page| page & 1 == 0) {
            return false;
        }
        at += len;
    }
    true
}

#[cfg(not(target_os = "linux"))]
fn is_resident(_map: &MmapRaw, _offset: usize, _len: usize) -> bool {
    true
}

/// Both steps are needed: the cache keeps what is mapped.
#[cfg(target_os = "linux")]
fn evict(map: &MmapRaw, file: &File, offset: usize, len: usize) -> io::Result<()> {
    use memmap2::UncheckedAdvice;
    // SAFETY: the map shares its pages with the file (`Mapping::evict` made sure), so what was
    // stored stays in the cache, and the next access finds the same bytes there.
    unsafe { map.unchecked_advise_range(UncheckedAdvice::DontNeed, offset, len)? };
    let len = std::num::NonZeroU64::new(len as u64);
    Ok(rustix::fs::fadvise(file, offset as u64, len, rustix::fs::Advice::DontNeed)?)
}

#[cfg(not(target_os = "linux"))]
fn evict(_map: &MmapRaw, _file: &File, _offset: usize, _len: usize) -> io::Result<()> {
    Ok(())
}
