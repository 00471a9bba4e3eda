//! A copy of a file in memory, in place of a mapping where Miri runs the program: it finds wrong
//! accesses to the array's bytes there as it does anywhere. What is not flushed is lost.

use std::fs::File;
use std::io;
use std::marker::PhantomData;
use std::ops::Range;
use std::path::Path;

use bytemuck::{Pod, Zeroable};

use super::{Advice, MapMode};
use crate::storage::{read_at, write_at};

/// Memory that starts where a page does, as a mapping.
#[derive(Debug, Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C, align(4096))]
struct Page([u8; 4096]);

#[derive(Debug)]
pub(crate) struct Mapping<T> {
    pages: Vec<Page>,
    /// Where they start, as the vector itself knows it: boxes of a shared array are written by it.
    first: *mut Page,
    data: Range<usize>,
    mode: MapMode,
    element: PhantomData<T>,
}

#[allow(unsafe_code, reason = "as what it stands for")]
// SAFETY: it owns the memory that it points to.
unsafe impl<T: Send> Send for Mapping<T> {}
#[allow(unsafe_code, reason = "as what it stands for")]
// SAFETY: as above.
unsafe impl<T: Sync> Sync for Mapping<T> {}

impl<T: Pod> Mapping<T> {
    /// Copies the file.
    ///
    /// # Safety
    ///
    /// None is needed; it is that of the mapping that this stands for.
    #[allow(unsafe_code, reason = "the signature of what it stands for")]
    pub(crate) unsafe fn map(
        file: &File,
        data: Range<u64>,
        mode: MapMode,
    ) -> io::Result<Option<Mapping<T>>> {
        let data = data.start as usize..data.end as usize;
        let mut pages = vec![Page::zeroed(); data.end.div_ceil(4096)];
        let bytes = &mut bytemuck::cast_slice_mut(&mut pages)[..data.end];
        read_at(file, Path::new(""), bytes, 0).map_err(io::Error::other)?;
        let first = pages.as_mut_ptr();
        let mapping = Mapping { pages, first, data, mode, element: PhantomData };
        let aligned = bytemuck::try_cast_slice::<u8, T>(mapping.bytes()).is_ok();
        Ok(aligned.then_some(mapping))
    }

    fn bytes(&self) -> &[u8] {
        &bytemuck::cast_slice(&self.pages)[self.data.clone()]
    }

    pub(crate) fn as_mut_ptr(&self) -> *mut T {
        self.first.cast::<u8>().wrapping_add(self.data.start).cast()
    }

    pub(crate) fn elements(&self) -> &[T] {
        bytemuck::cast_slice(self.bytes())
    }

    pub(crate) fn elements_mut(&mut self) -> &mut [T] {
        assert!(self.mode != MapMode::Read, "a mapping for reading cannot be written");
        let bytes: &mut [u8] = bytemuck::cast_slice_mut(&mut self.pages);
        bytemuck::cast_slice_mut(&mut bytes[self.data.clone()])
    }

    pub(crate) fn byte_len(&self) -> usize {
        self.data.len()
    }

    pub(crate) fn resize(&mut self, file: &File, byte_len: u64) -> io::Result<()> {
        let (old_end, end) = (self.data.end, self.data.start + byte_len as usize);
        self.pages.resize(end.div_ceil(4096), Page::zeroed());
        self.first = self.pages.as_mut_ptr();
        self.data.end = end;
        if end > old_end {
            let bytes: &mut [u8] = bytemuck::cast_slice_mut(&mut self.pages);
            let added = &mut bytes[old_end..end];
            read_at(file, Path::new(""), added, old_end as u64).map_err(io::Error::other)?;
        }
        Ok(())
    }

    pub(crate) fn flush(&self, file: &File, range: Range<usize>) -> io::Result<()> {
        let offset = self.data.start + range.start;
        assert!(range.end <= self.data.len(), "a range outside");
        let first = self.first.cast::<u8>().wrapping_add(offset);
        // Nothing beside the range: others may have it to write.
        // SAFETY: the range lies inside the pages, which are initialised; whoever flushes has it.
        #[allow(unsafe_code, reason = "as what it stands for")]
        let bytes = unsafe { std::slice::from_raw_parts(first, range.len()) };
        write_at(file, Path::new(""), bytes, offset as u64).map_err(io::Error::other)
    }

    pub(crate) fn flush_async(&self, file: &File, range: Range<usize>) {
        let _ = self.flush(file, range);
    }

    pub(crate) fn advise(&self, _advice: Advice) -> io::Result<()> {
        Ok(())
    }

    pub(crate) fn populate(&self, _range: Range<usize>) -> io::Result<()> {
        Ok(())
    }

    pub(crate) fn is_resident(&self, _range: Range<usize>) -> bool {
        true
    }

    pub(crate) fn is_private(&self) -> bool {
        self.mode == MapMode::Copy
    }

    pub(crate) fn evict(&self, _file: &File, _range: Range<usize>) -> io::Result<()> {
        assert!(self.mode != MapMode::Copy, "copied pages are nowhere else");
        Ok(())
    }
}
