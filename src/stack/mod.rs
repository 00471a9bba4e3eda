//! [`Stack`]: many files along one axis as one array, read and written by position.
//!
//! `options.rs` opens and creates, `windows.rs` cuts windows and slices at the files' boundaries,
//! `cache.rs` keeps the number of open files in bounds, `parts.rs` says which file holds what.
//! Dask's npy-stack directories: `info.rs` says what their `info` means, `pickle.rs` reads its
//! opcodes, `create.rs` puts a new one in its place.

mod cache;
mod create;
mod info;
mod options;
mod parts;
mod pickle;
mod windows;

use std::fmt;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use crate::access::{Access, ReadOnly, ReadWrite};
use crate::element::Element;
#[cfg(doc)]
use crate::error::Error;
use crate::error::Result;
use crate::file::NpyFile;
use crate::layout::{Layout, Order};
use crate::npy::DType;
use crate::options::OpenOptions;
use crate::slice::SliceItem;
use crate::view::{Array, Picture, View};
use crate::window::{Tiles, Window};

use cache::{Borrowed, Cache};
use create::NewStack;
pub use info::StackInfo;
pub use options::{StackOptions, save_npy_stack};
use parts::Parts;
pub use parts::{StackBlocks, StackParts};

/// Many `.npy` files along one axis as one array, by position: a file for each year, say.
///
/// The files have the same element type, and the same length along all other axes; along the axis
/// of the stack each has its own length, which may be zero. Byte orders, storage orders and
/// alignments may differ from file to file. Elements come in row-major order of what is asked for,
/// whatever files they lie in.
///
/// The headers are read when the stack is opened, and data when it is asked for. Of a stack that
/// is only read, at most 64 files are open at once ([`StackOptions::max_open`]); the one not used
/// for longest is closed for the next. One that is opened again must have the element type and the
/// shape that it had.
///
/// A stack to be written has **all** its files open, each with its exclusive lock, from opening to
/// closing: a lock that comes and goes would keep nobody out. So it may have as many files as
/// `max_open` says, which the system's limit (`ulimit -n`) bounds; one that
/// [`create_npy_stack`](Self::create_npy_stack) makes has two descriptors for each file until it is
/// closed.
///
/// All methods but `close` take `&self`: threads may share one stack, and those that write see to
/// it that their windows do not overlap.
///
/// # Example
///
/// ```
/// use mmap_array::{Array, Stack, s};
/// # let folder = tempfile::tempdir()?;
/// # let path = |name: &str| folder.path().join(name);
///
/// mmap_array::save(path("1999.npy"), &Array::from_vec([365, 2], vec![1.5_f32; 730])?)?;
/// mmap_array::save(path("2000.npy"), &Array::from_vec([366, 2], vec![2.5_f32; 732])?)?;
///
/// let days = Stack::<f32>::open([path("1999.npy"), path("2000.npy")], 0)?;
/// assert_eq!(days.shape(), [731, 2]);
/// let turn_of_the_year = days.read_slice(s![364..366, 0])?;
/// assert_eq!(turn_of_the_year.as_slice(), [1.5, 2.5]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Stack<T, A = ReadOnly> {
    parts: Parts,
    /// The whole, as if it were one file in C order.
    layout: Layout,
    /// The same shape with a stride along the axis of the stack alone.
    along: Layout,
    files: Cache<NpyFile<T, A>>,
    options: OpenOptions,
    open: fn(&OpenOptions, &Path) -> Result<NpyFile<T, A>>,
    /// What is left to do for a new npy-stack to be one.
    new: Mutex<Option<NewStack>>,
}

impl<T: Element, A: Access> Stack<T, A> {
    /// The length of each axis of the whole.
    #[must_use]
    pub fn shape(&self) -> &[usize] {
        self.layout.shape()
    }

    /// The number of axes.
    #[must_use]
    pub fn ndim(&self) -> usize {
        self.layout.ndim()
    }

    /// The number of elements of all files together.
    #[must_use]
    pub fn len(&self) -> usize {
        self.layout.len()
    }

    /// Does the array hold no elements?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.layout.is_empty()
    }

    /// The number of bytes that the elements of all files take together.
    #[must_use]
    pub fn byte_len(&self) -> u64 {
        self.len() as u64 * size_of::<T>() as u64
    }

    /// The axis along which the files follow each other.
    #[must_use]
    pub fn axis(&self) -> usize {
        self.parts.axis
    }

    /// The element type as the first file has it; others may have it in the other byte order.
    #[must_use]
    pub fn dtype(&self) -> &DType {
        &self.parts.dtypes[0]
    }

    /// The files in their order: the path of each, and which indices along the
    /// [`axis`](Self::axis) it holds.
    ///
    /// # Example
    ///
    /// ```
    /// # let folder = tempfile::tempdir()?;
    /// let dir = folder.path().join("stack");
    /// mmap_array::save_npy_stack(&dir, &vec![1, 2, 3, 4, 5], 0, 2)?;
    /// let stack = mmap_array::Stack::<i32>::open_npy_stack(&dir)?;
    /// let (path, rows) = stack.parts().last().expect("at least one file");
    /// assert_eq!((path, rows), (dir.join("2.npy").as_path(), 4..5));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn parts(&self) -> StackParts<'_> {
        StackParts::new(&self.parts)
    }

    /// Windows of `rows` indices along the [`axis`](Self::axis) of the stack, whole along all
    /// others. They are cut where a file ends, so each lies in one file, and is one contiguous piece
    /// of it where that axis is the file's slowest. The last one of every file may be shorter.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidAxis`] where `rows` is 0.
    ///
    /// # Example
    ///
    /// ```
    /// # let folder = tempfile::tempdir()?;
    /// # let dir = folder.path().join("stack");
    /// mmap_array::save_npy_stack(&dir, &vec![1, 2, 3, 4, 5], 0, 3)?;
    /// let stack = mmap_array::Stack::<i32>::open_npy_stack(&dir)?;
    /// let blocks: Vec<_> = stack.row_blocks(2)?.map(|block| block.shape()[0]).collect();
    /// assert_eq!(blocks, [2, 1, 2]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn row_blocks(&self, rows: usize) -> Result<StackBlocks> {
        self.parts.blocks(self.shape(), rows)
    }

    /// Windows of shape `tile` that cover the whole, in row-major order; those at the far edges are
    /// cut. They keep to one grid, so a tile may lie in several files.
    ///
    /// # Errors
    ///
    /// [`Error::RankMismatch`], and [`Error::InvalidAxis`] where a tile has no extent.
    pub fn tiles(&self, tile: impl AsRef<[usize]>) -> Result<Tiles> {
        Tiles::over(&self.layout, tile.as_ref(), Order::C)
    }

    /// Reads the whole array into memory.
    ///
    /// # Errors
    ///
    /// As [`read_window`](Self::read_window).
    pub fn read(&self) -> Result<Array<T>> {
        self.read_cut(&|layout| Ok((0, layout.clone())))
    }

    /// Reads a window into new memory, in row-major order.
    ///
    /// # Errors
    ///
    /// As [`NpyFile::read_window`]. Where a file must be opened also as [`NpyFile::open`], and
    /// [`Error::StackMismatch`] where it has not the element type and shape that it had. What
    /// concerns a file names it.
    ///
    /// # Cost
    ///
    /// As [`NpyFile::read_window`] for each file that holds a part of the window, and opening those
    /// that are not open. Elements go straight to their place in the result.
    pub fn read_window(&self, window: impl Into<Window>) -> Result<Array<T>> {
        let window = window.into();
        self.read_cut(&|layout| window.select(layout))
    }

    /// Reads a window into `out`, in row-major order. Allocates nothing the size of the window.
    ///
    /// # Errors
    ///
    /// As [`read_window`](Self::read_window), and [`Error::LenMismatch`] where `out` has not as
    /// many elements as the window; after an error `out` may be half filled.
    pub fn read_window_into(&self, window: impl Into<Window>, out: &mut [T]) -> Result<()> {
        let window = window.into();
        self.read_cut_into(&|layout| window.select(layout), out)
    }

    /// Reads the part of the array that [`s!`](crate::s) names into new memory, in row-major order.
    ///
    /// # Errors
    ///
    /// As [`View::slice`] and [`read_window`](Self::read_window).
    pub fn read_slice(&self, items: impl AsRef<[SliceItem]>) -> Result<Array<T>> {
        self.read_cut(&|layout| layout.slice(items.as_ref()))
    }

    /// The array as text, laid out as NumPy's: all of a small one, the edges of a large one.
    ///
    /// # Errors
    ///
    /// As [`read_window`](Self::read_window).
    ///
    /// # Cost
    ///
    /// One read of a small array, one for each element shown of a large one, at most some 200.
    pub fn preview(&self) -> Result<String>
    where
        T: fmt::Debug,
    {
        let picture = Picture::new(self.shape(), false);
        if picture.whole {
            return Ok(self.read()?.to_string());
        }
        let one = vec![1; self.ndim()];
        let cells = picture.cells(|index| {
            let element = self.read_window(Window::new(index, &one)?)?;
            Ok::<_, crate::Error>(format!("{:?}", element.as_slice()[0]))
        })?;
        Ok(picture.draw(cells, " ", 0))
    }

    /// The file with this number, opened again where it was closed.
    fn file(&self, number: usize) -> Result<Borrowed<'_, NpyFile<T, A>>> {
        self.files.borrow(number, || {
            let file = (self.open)(&self.options, &self.parts.paths[number])?;
            self.parts.check_unchanged(number, &file, self.shape())?;
            Ok(file)
        })
    }
}

impl<T: Element> Stack<T, ReadWrite> {
    /// Writes a window from `elements`, which are in row-major order. Others see it at once, where
    /// the stack is not a new one; [`flush`](Self::flush) makes it durable.
    ///
    /// # Errors
    ///
    /// As [`NpyFile::write_window`]: nothing was written where window or elements do not fit;
    /// where a file fails, parts of the window may have been, in the files before it too.
    ///
    /// # Cost
    ///
    /// As [`NpyFile::write_window`] for each file that holds a part of the window.
    pub fn write_window(&self, window: impl Into<Window>, elements: &[T]) -> Result<()> {
        let window = window.into();
        let (_, part) = window.select(&self.layout)?;
        if elements.len() != part.len() {
            return Err(crate::Error::LenMismatch { expected: part.len(), found: elements.len() });
        }
        let view = View::from_shape(part.shape(), elements)?;
        self.write_cut(&|layout| window.select(layout), &view)
    }

    /// Writes a view, of any strides, to the part of the array that [`s!`](crate::s) names.
    ///
    /// # Errors
    ///
    /// As [`View::slice`] and [`write_window`](Self::write_window), and [`Error::ShapeMismatch`]
    /// where view and slice differ in shape.
    pub fn write_slice<'v>(
        &self,
        items: impl AsRef<[SliceItem]>,
        view: impl Into<View<'v, T>>,
    ) -> Result<()> {
        self.write_cut(&|layout| layout.slice(items.as_ref()), &view.into())
    }

    /// Waits until everything written so far is on stable storage. The files of a new stack have no
    /// names yet.
    ///
    /// # Errors
    ///
    /// As [`NpyFile::flush`], of the first file that fails; the others are flushed all the same.
    pub fn flush(&self) -> Result<()> {
        let flush = |number| self.file(number)?.flush();
        (0..self.parts.count()).map(flush).fold(Ok(()), Result::and)
    }

    /// Flushes all files, and makes a new stack seen: its files get their names, and then comes
    /// `info`, without which there is no stack. Does nothing more for one that was opened.
    ///
    /// # Errors
    ///
    /// As [`flush`](Self::flush) and [`NpyFile::publish`]. Where a name cannot be had, the stack
    /// stays as it is and nothing is lost: it may be tried again.
    pub fn publish(&self) -> Result<()> {
        self.flush()?;
        let mut new = self.new.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(stack) = new.as_mut() {
            stack.remove_old_info()?;
            for number in 0..self.parts.count() {
                self.file(number)?.publish()?;
            }
            stack.finish()?;
        }
        *new = None;
        Ok(())
    }

    /// Flushes and closes all files, and publishes a new stack.
    ///
    /// Dropping a stack instead flushes nothing and tells of no error; of a new one nothing but its
    /// directory is left then.
    ///
    /// # Errors
    ///
    /// As [`publish`](Self::publish). A new stack that could not be published is lost, so call
    /// `publish` first where that may happen.
    pub fn close(self) -> Result<()> {
        self.publish()
    }
}

/// Shows shape, axis, element type and the number of files; touches no data.
impl<T, A> fmt::Debug for Stack<T, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stack")
            .field("shape", &self.layout.shape())
            .field("axis", &self.parts.axis)
            .field("dtype", &format_args!("{}", self.parts.dtypes[0]))
            .field("files", &self.parts.count())
            .finish_non_exhaustive()
    }
}
