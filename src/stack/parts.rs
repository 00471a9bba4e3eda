//! Which file of a stack holds what, and iterators over that.

use std::iter::FusedIterator;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::access::Access;
use crate::element::Element;
use crate::error::{Error, Result};
use crate::file::NpyFile;
use crate::npy::DType;
use crate::window::Window;

/// The files of a stack, at least one, in their order.
#[derive(Debug)]
pub(super) struct Parts {
    pub(super) axis: usize,
    pub(super) paths: Vec<PathBuf>,
    /// The element type of each, in its own byte order.
    pub(super) dtypes: Vec<DType>,
    /// The index along the axis at which each starts, and where the last one ends.
    bounds: Arc<[usize]>,
}

impl Parts {
    pub(super) fn new(
        axis: usize,
        paths: Vec<PathBuf>,
        dtypes: Vec<DType>,
        bounds: Vec<usize>,
    ) -> Parts {
        debug_assert!(paths.len() == dtypes.len() && paths.len() + 1 == bounds.len());
        Parts { axis, paths, dtypes, bounds: bounds.into() }
    }

    pub(super) fn count(&self) -> usize {
        self.paths.len()
    }

    /// The indices along the axis that a file holds.
    pub(super) fn range(&self, number: usize) -> Range<usize> {
        self.bounds[number]..self.bounds[number + 1]
    }

    /// The file that holds an index along the axis.
    pub(super) fn holding(&self, index: usize) -> usize {
        // Of files that start at the same index, all but the last are empty.
        self.bounds.partition_point(|&start| start <= index) - 1
    }

    pub(super) fn blocks(&self, shape: &[usize], rows: usize) -> Result<StackBlocks> {
        let axis = self.axis;
        if rows == 0 {
            return Err(Error::InvalidAxis { axis, problem: "a block needs at least one row" });
        }
        let whole = shape.iter().all(|&len| len > 0);
        let bounds = if whole { self.bounds.clone() } else { Arc::from([0]) };
        let len = |pair: &[usize]| (pair[1] - pair[0]).div_ceil(rows);
        let left = bounds.windows(2).map(len).sum();
        Ok(StackBlocks { bounds, shape: shape.into(), axis, rows, file: 0, start: 0, left })
    }

    /// Has a file that was opened again the element type and the shape that it had?
    pub(super) fn check_unchanged<T: Element, A: Access>(
        &self,
        number: usize,
        file: &NpyFile<T, A>,
        whole: &[usize],
    ) -> Result<()> {
        let (dtype, mut shape) = (&self.dtypes[number], whole.to_vec());
        shape[self.axis] = self.range(number).len();
        if file.dtype() == dtype && file.shape() == shape {
            return Ok(());
        }
        let found = format!("{} and shape {:?}", file.dtype().repr(), file.shape());
        let expected =
            format!("{} and shape {shape:?}, as when the stack was opened", dtype.repr());
        Err(Error::StackMismatch { path: self.paths[number].clone(), found, expected })
    }
}

/// The files of a [`Stack`](crate::Stack): the path of each, and which indices along the axis of
/// the stack it holds. Made by [`Stack::parts`](crate::Stack::parts).
#[derive(Debug, Clone)]
pub struct StackParts<'a> {
    parts: &'a Parts,
    numbers: Range<usize>,
}

impl<'a> StackParts<'a> {
    pub(super) fn new(parts: &'a Parts) -> StackParts<'a> {
        StackParts { parts, numbers: 0..parts.count() }
    }

    fn part(&self, number: usize) -> (&'a Path, Range<usize>) {
        (&self.parts.paths[number], self.parts.range(number))
    }
}

impl<'a> Iterator for StackParts<'a> {
    type Item = (&'a Path, Range<usize>);

    fn next(&mut self) -> Option<Self::Item> {
        self.numbers.next().map(|number| self.part(number))
    }

    fn nth(&mut self, n: usize) -> Option<Self::Item> {
        self.numbers.nth(n).map(|number| self.part(number))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.numbers.size_hint()
    }
}

impl DoubleEndedIterator for StackParts<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        self.numbers.next_back().map(|number| self.part(number))
    }
}

impl ExactSizeIterator for StackParts<'_> {}
impl FusedIterator for StackParts<'_> {}

/// [`Window`]s along the axis of a [`Stack`](crate::Stack), each in one file. Made by
/// [`Stack::row_blocks`](crate::Stack::row_blocks).
#[derive(Debug, Clone)]
pub struct StackBlocks {
    bounds: Arc<[usize]>,
    shape: Vec<usize>,
    axis: usize,
    rows: usize,
    /// The file that the next block is in, or one before it.
    file: usize,
    /// Where the next block starts along the axis.
    start: usize,
    /// Blocks still to come.
    left: usize,
}

impl Iterator for StackBlocks {
    type Item = Window;

    fn next(&mut self) -> Option<Window> {
        self.left = self.left.checked_sub(1)?;
        while self.bounds[self.file + 1] <= self.start {
            self.file += 1;
        }
        let (mut start, mut shape) = (vec![0; self.shape.len()], self.shape.clone());
        start[self.axis] = self.start;
        shape[self.axis] = self.rows.min(self.bounds[self.file + 1] - self.start);
        self.start += shape[self.axis];
        Some(Window::new(start, shape).expect("a block lies inside its array"))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for StackBlocks {}
impl FusedIterator for StackBlocks {}
