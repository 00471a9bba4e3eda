//! How windows and slices of a stack are cut where its files meet.
//!
//! A window or slice is a function from a layout to a part of it. Applied to a layout with a stride
//! along the axis of the stack alone, it says which indices of that axis are wanted, and which axis
//! of the result they run along. Applied to the layout that a file would have if it held the whole
//! axis, it says where its elements lie; those of the file itself are cut out of that.

use std::ops::Range;

use super::Stack;
use crate::access::{Access, ReadWrite};
use crate::element::Element;
use crate::error::{Error, Result};
use crate::file::NpyFile;
use crate::layout::{Layout, Order};
use crate::view::{Array, View};

/// Where a part of an array starts, and its layout.
type Cut<'a> = &'a dyn Fn(&Layout) -> Result<(isize, Layout)>;

/// What one file has of a window or slice.
struct Piece {
    /// In the file.
    start: isize,
    layout: Layout,
    /// The axis of the result that the stack's axis became, and the indices of it; none where one
    /// index was chosen and the axis is gone.
    place: Option<(usize, Range<usize>)>,
}

impl Piece {
    /// Where the piece lies in the result, and how.
    fn within(&self, result: &Layout) -> (isize, Layout) {
        let first = self
            .place
            .as_ref()
            .map_or(0, |(axis, range)| result.strides()[*axis] * range.start as isize);
        (first, result.with_shape(self.layout.shape()))
    }
}

impl<T: Element, A: Access> Stack<T, A> {
    pub(super) fn read_cut(&self, cut: Cut<'_>) -> Result<Array<T>> {
        let (_, part) = cut(&self.layout)?;
        let mut elements = crate::file::zeroed(part.len())?;
        self.read_cut_into(cut, &mut elements)?;
        Array::from_vec(part.shape(), elements)
    }

    pub(super) fn read_cut_into(&self, cut: Cut<'_>, out: &mut [T]) -> Result<()> {
        let (_, part) = cut(&self.layout)?;
        if out.len() != part.len() {
            return Err(Error::LenMismatch { expected: part.len(), found: out.len() });
        }
        let result = Layout::new(part.shape(), Order::C)?;
        self.for_each_piece(cut, |file, piece| {
            let (first, memory) = piece.within(&result);
            if memory.is_contiguous(Order::C) {
                let out = &mut out[first as usize..][..memory.len()];
                return file.read_into(piece.start, piece.layout, out);
            }
            file.check_len()?;
            file.read_to(piece.start, piece.layout, out, first, memory)
        })
    }

    /// Calls `work` with each file that has elements of the window or slice, in the order in which
    /// they stand in the result.
    fn for_each_piece(
        &self,
        cut: Cut<'_>,
        mut work: impl FnMut(&NpyFile<T, A>, Piece) -> Result<()>,
    ) -> Result<()> {
        let (first, along) = cut(&self.along)?;
        if along.is_empty() {
            return Ok(());
        }
        let kept = along.strides().iter().position(|&stride| stride != 0);
        let (count, step) =
            kept.map_or((1, 1), |axis| (along.shape()[axis], along.strides()[axis]));
        let mut done = 0;
        while done < count {
            let index = (first + done as isize * step) as usize;
            let number = self.parts.holding(index);
            let range = self.parts.range(number);
            let here = match step > 0 {
                true => (range.end - index).div_ceil(step.unsigned_abs()),
                false => (index - range.start) / step.unsigned_abs() + 1,
            };
            let indices = done..count.min(done + here);
            done = indices.end;
            let file = self.file(number)?;
            let place = kept.map(|axis| (axis, indices));
            work(&file, self.piece(cut, file.strides(), range.start, place)?)?;
        }
        Ok(())
    }

    /// What a file with these strides, which starts at this index along the axis, has of a window
    /// or slice.
    fn piece(
        &self,
        cut: Cut<'_>,
        strides: &[isize],
        start_of_file: usize,
        place: Option<(usize, Range<usize>)>,
    ) -> Result<Piece> {
        // Condition 3 of layouts holds: these strides are not larger than those of the whole stack
        // as one file.
        let whole = Layout::from_parts(self.shape().into(), strides.into());
        let (mut start, mut layout) = cut(&whole)?;
        start -= start_of_file as isize * strides[self.axis()];
        if let Some((axis, indices)) = &place {
            start += indices.start as isize * layout.strides()[*axis];
            let mut shape = layout.shape().to_vec();
            shape[*axis] = indices.len();
            layout = layout.with_shape(&shape);
        }
        Ok(Piece { start, layout, place })
    }
}

impl<T: Element> Stack<T, ReadWrite> {
    pub(super) fn write_cut(&self, cut: Cut<'_>, view: &View<'_, T>) -> Result<()> {
        let (_, part) = cut(&self.layout)?;
        if view.shape() != part.shape() {
            let (expected, found) = (part.shape().to_vec(), view.shape().to_vec());
            return Err(Error::ShapeMismatch { expected, found });
        }
        self.for_each_piece(cut, |file, piece| {
            let (first, layout) = piece.within(view.layout());
            file.write_from(piece.start, piece.layout, &view.part(first, layout))
        })
    }
}
