//! How windows and slices travel between an array's file and memory: as runs of the file, planned by
//! `transfer.rs`, in native byte order.

use super::NpyFile;
use crate::access::Access;
use crate::element::Element;
use crate::error::{Error, Result};
use crate::layout::{Layout, Order};
use crate::storage;
use crate::transfer::Plan;
use crate::view::{Array, View, ViewMut};
use crate::window::Tiles;

/// Bytes of a file in the other byte order that are read before they are swapped.
const SWAPPED_AT_ONCE: usize = 256 << 10;

impl<T: Element, A: Access> NpyFile<T, A> {
    pub(super) fn read_selection(&self, start: isize, part: Layout) -> Result<Array<T>> {
        let shape = part.shape().to_vec();
        let mut elements = zeroed(part.len())?;
        self.read_into(start, part, &mut elements)?;
        Array::from_vec(shape, elements)
    }

    pub(crate) fn read_into(&self, start: isize, part: Layout, out: &mut [T]) -> Result<()> {
        if out.len() != part.len() {
            return Err(Error::LenMismatch { expected: part.len(), found: out.len() });
        }
        // Where something was cut off, the rest is no longer what was opened either.
        self.check_len()?;
        if part.is_empty() {
            return Ok(());
        }
        // One run needs no plan; planning would take half as long as reading an element.
        if part.is_contiguous(Order::C) {
            return self.read_native(start as usize, out);
        }
        let memory = Layout::new(part.shape(), Order::C)?;
        self.read_to(start, part, out, 0, memory)
    }

    /// Reads a selection, which has elements, to the places of `out` that `memory`, of the same
    /// shape and without negative strides, reaches from `first`. Leaves the file's length to the
    /// caller to check.
    pub(crate) fn read_to(
        &self,
        start: isize,
        part: Layout,
        out: &mut [T],
        first: isize,
        memory: Layout,
    ) -> Result<()> {
        let plan = Plan::new(start, part, memory);
        let Some(mut runs) = plan.straight(size_of::<T>(), true) else {
            return self.read_tiles(&plan, out, first);
        };
        runs.try_for_each(|(from, to, len)| {
            self.read_native(from, &mut out[(first + to) as usize..][..len])
        })
    }

    /// Reads a run of elements, in native byte order.
    pub(crate) fn read_native(&self, start: usize, out: &mut [T]) -> Result<()> {
        if !self.header.dtype().is_foreign() {
            return self.read_run(start, out);
        }
        // In pieces that are still in the processor's cache when their bytes are swapped.
        let len = (SWAPPED_AT_ONCE / size_of::<T>()).max(1);
        for (number, piece) in out.chunks_mut(len).enumerate() {
            self.read_run(start + number * len, piece)?;
            piece.iter_mut().for_each(T::swap_bytes);
        }
        Ok(())
    }

    fn read_tiles(&self, plan: &Plan, out: &mut [T], first: isize) -> Result<()> {
        let tiling = plan.tiling(size_of::<T>(), true);
        let mut buffer = zeroed(tiling.buffer_len)?;
        for tile in Tiles::over(plan.file(), &tiling.shape, Order::C)? {
            for (from, to, len) in plan.tile_runs(&tiling, tile.start(), tile.shape()) {
                self.read_run(from, &mut buffer[to as usize..][..len])?;
            }
            let elements = View::from_layout(&buffer, 0, tiling.layout(tile.shape()))
                .expect("a tile fits its buffer");
            let (start, place) = tile.select(plan.memory())?;
            elements.copy_to(out, first + plan.memory_start + start, &place);
        }
        if self.header.dtype().is_foreign() {
            // Only what was read: the plan's memory, and nothing between its elements.
            let (moved, memory) = plan.memory().in_memory_order();
            let first = first + plan.memory_start + moved;
            let read =
                ViewMut::from_layout(out, first, memory).expect("a layout inside its memory");
            read.into_iter().for_each(T::swap_bytes);
        }
        Ok(())
    }

    /// Reads a run of elements, as they are in the file.
    fn read_run(&self, start: usize, out: &mut [T]) -> Result<()> {
        let bytes = bytemuck::cast_slice_mut::<T, u8>(out);
        let count = storage::read_at(&self.file, &self.path, bytes, self.offset(start))?;
        if count == bytes.len() {
            return Ok(());
        }
        // Where it is long again by now, it ended here.
        let end = self.offset(start) + count as u64;
        self.check_len().and(Err(self.shrunk(end)))
    }

    /// Writes elements to the part of the file that starts at `start` and has `part` as layout.
    pub(crate) fn write_from(&self, start: isize, part: Layout, from: &View<'_, T>) -> Result<()> {
        if from.shape() != part.shape() {
            let (expected, found) = (part.shape().to_vec(), from.shape().to_vec());
            return Err(Error::ShapeMismatch { expected, found });
        }
        self.check_len()?;
        if part.is_empty() {
            return Ok(());
        }
        let foreign = self.header.dtype().is_foreign();
        if let Some(elements) = from.as_slice().filter(|_| !foreign)
            && part.is_contiguous(Order::C)
        {
            return self.write_run(start as usize, elements);
        }
        let plan = Plan::new(start, part, from.layout().clone());
        let mut ordered = from.clone();
        plan.inverted.iter().for_each(|&axis| ordered.invert_axis(axis));
        let ordered = ordered.permute(&*plan.axes)?;
        if let Some(elements) = ordered.as_slice().filter(|_| !foreign)
            && let Some(mut runs) = plan.straight(size_of::<T>(), false)
        {
            return runs.try_for_each(|(to, from, len)| {
                let first = (from - plan.memory_start) as usize;
                self.write_run(to, &elements[first..][..len])
            });
        }
        self.write_tiles(&plan, &ordered)
    }

    /// Writes elements, in file order, by way of a buffer.
    fn write_tiles(&self, plan: &Plan, ordered: &View<'_, T>) -> Result<()> {
        let tiling = plan.tiling(size_of::<T>(), false);
        let mut buffer = zeroed::<T>(tiling.buffer_len)?;
        for tile in Tiles::over(plan.file(), &tiling.shape, Order::C)? {
            let elements = ordered.window(&tile)?;
            elements.copy_to(&mut buffer, 0, &tiling.layout(tile.shape()));
            for (to, from, len) in plan.tile_runs(&tiling, tile.start(), tile.shape()) {
                let run = &mut buffer[from as usize..][..len];
                if self.header.dtype().is_foreign() {
                    run.iter_mut().for_each(T::swap_bytes);
                }
                self.write_run(to, run)?;
            }
        }
        Ok(())
    }

    /// Writes a run of elements, as they shall be in the file.
    fn write_run(&self, start: usize, elements: &[T]) -> Result<()> {
        let bytes = bytemuck::cast_slice(elements);
        // A write past the end would make the file longer again, with zeros where data was. So
        // each run looks: a large window takes long enough for somebody to come in between.
        self.check_len()?;
        storage::write_at(&self.file, &self.path, bytes, self.offset(start))
    }

    /// Where an element lies in the file, in bytes; `Header` has checked that the end fits.
    pub(super) fn offset(&self, element: usize) -> u64 {
        self.header.data_start() + element as u64 * size_of::<T>() as u64
    }

    /// Has the file all the bytes that its header promises?
    pub(crate) fn check_len(&self) -> Result<()> {
        let found = self.file_len()?;
        if found < self.offset(self.len()) { Err(self.shrunk(found)) } else { Ok(()) }
    }

    pub(super) fn file_len(&self) -> Result<u64> {
        storage::file_len(&self.file)
            .map_err(|error| Error::io(&self.path, "look up the length of", 0, error))
    }

    #[cold]
    pub(super) fn shrunk(&self, found: u64) -> Error {
        Error::Shrunk { path: self.path.clone(), expected: self.offset(self.len()), found }
    }
}

/// Memory for `len` elements, or an error where it cannot be had.
pub(crate) fn zeroed<T: Element>(len: usize) -> Result<Vec<T>> {
    bytemuck::allocation::try_zeroed_vec(len).map_err(|()| Error::OutOfMemory {
        byte_len: (len as u64).saturating_mul(size_of::<T>() as u64),
    })
}
