//! From paths to a [`Stack`]: opening many files, and creating an npy-stack.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use super::Stack;
use super::cache::Cache;
use super::create::{NewStack, path_of};
use super::info::StackInfo;
use super::parts::Parts;
use crate::access::{Access, ReadOnly, ReadWrite};
use crate::dims::Dims;
use crate::element::Element;
use crate::error::{Error, Result};
use crate::file::NpyFile;
use crate::layout::{Layout, Order};
use crate::npy::DType;
use crate::options::OpenOptions;
use crate::storage::Publish;
use crate::view::View;
use crate::window::Window;

/// How to open or create a [`Stack`], where the defaults do not fit.
///
/// # Example
///
/// ```
/// use mmap_array::{Allocation, OpenOptions, StackOptions};
/// # let folder = tempfile::tempdir()?;
/// # let dir = folder.path().join("stack");
///
/// let options = StackOptions::new()
///     .max_open(200)
///     .files(OpenOptions::new().allocation(Allocation::Sparse));
/// let stack = options.create_npy_stack::<f32>(&dir, [8760, 73, 144], 0, 100)?;
/// stack.write_window([99..101, 0..1, 0..1], &[1.0, 2.0])?;
/// stack.close()?;
///
/// let stack = options.open_npy_stack::<f32>(&dir)?;
/// assert_eq!((stack.shape(), stack.parts().len()), (&[8760, 73, 144][..], 88));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
#[must_use = "options do nothing until a stack is opened or created with them"]
pub struct StackOptions {
    max_open: usize,
    overwrite: bool,
    files: OpenOptions,
}

impl Default for StackOptions {
    fn default() -> Self {
        StackOptions::new()
    }
}

impl StackOptions {
    /// The defaults: those of [`Stack::open`] and its like.
    pub const fn new() -> StackOptions {
        StackOptions { max_open: 64, overwrite: false, files: OpenOptions::new() }
    }

    /// How many files may be open at once; 64 by default, and at least 1.
    ///
    /// A stack that is read closes the file not used for longest to open another. A stack to be
    /// written must not have more files than that, because all of them stay open with their locks.
    pub const fn max_open(mut self, files: usize) -> Self {
        self.max_open = files;
        self
    }

    /// Whether a new npy-stack may take the place of what is in its directory; it may not by
    /// default.
    ///
    /// Its `info` is removed first, then the files `0.npy`, `1.npy`, ... of the new stack replace what
    /// has their names, files that only the old one had (by its `info`) are removed, and the new
    /// `info` comes last: in between there is no stack. Where somebody holds a lock on one of those
    /// files, nothing is changed. All other files in the directory are left alone. With
    /// [`create_npy_stack`](Self::create_npy_stack) all that happens when the stack is published.
    pub const fn overwrite(mut self, overwrite: bool) -> Self {
        self.overwrite = overwrite;
        self
    }

    /// How each file is opened or created: its lock, order, allocation, alignment, longest header.
    /// The options `overwrite`, `publish` and `raw` of a single file have no say here.
    ///
    /// By default a file that is read takes no lock. With one, it is held while the file is open,
    /// so not by all files at once.
    pub fn files(mut self, files: OpenOptions) -> Self {
        self.files = files;
        self.files.raw = None;
        self
    }

    /// Opens files as one array to read; see [`Stack::open`].
    ///
    /// # Errors
    ///
    /// As [`Stack::open`], and [`Error::InvalidOption`].
    pub fn open<T: Element>(
        &self,
        paths: impl IntoIterator<Item = impl AsRef<Path>>,
        axis: usize,
    ) -> Result<Stack<T, ReadOnly>> {
        self.open_as(absolute(paths)?, axis, None, open_to_read)
    }

    /// Opens files as one array to read and write; see [`Stack::open_mut`].
    ///
    /// # Errors
    ///
    /// As [`Stack::open_mut`].
    pub fn open_mut<T: Element>(
        &self,
        paths: impl IntoIterator<Item = impl AsRef<Path>>,
        axis: usize,
    ) -> Result<Stack<T, ReadWrite>> {
        self.open_as(absolute(paths)?, axis, None, open_to_write)
    }

    /// Opens an npy-stack directory to read; see [`Stack::open_npy_stack`].
    ///
    /// # Errors
    ///
    /// As [`Stack::open_npy_stack`], and [`Error::InvalidOption`].
    pub fn open_npy_stack<T: Element>(&self, dir: impl AsRef<Path>) -> Result<Stack<T, ReadOnly>> {
        self.open_dir(dir.as_ref(), open_to_read)
    }

    /// Opens an npy-stack directory to read and write; see [`Stack::open_npy_stack_mut`].
    ///
    /// # Errors
    ///
    /// As [`Stack::open_npy_stack_mut`].
    pub fn open_npy_stack_mut<T: Element>(
        &self,
        dir: impl AsRef<Path>,
    ) -> Result<Stack<T, ReadWrite>> {
        self.open_dir(dir.as_ref(), open_to_write)
    }

    /// Creates an npy-stack of zeros; see [`Stack::create_npy_stack`].
    ///
    /// # Errors
    ///
    /// As [`Stack::create_npy_stack`].
    pub fn create_npy_stack<T: Element>(
        &self,
        dir: impl AsRef<Path>,
        shape: impl AsRef<[usize]>,
        axis: usize,
        rows_per_file: usize,
    ) -> Result<Stack<T, ReadWrite>> {
        let info = StackInfo::of_rows(shape.as_ref(), axis, rows_per_file)?;
        self.check_max_open::<ReadWrite>(info.lens().len())?;
        let new = NewStack::begin(dir.as_ref(), &info, &T::dtype(), self.overwrite)?;
        let options = self.files.clone().overwrite(self.overwrite).publish(Publish::OnClose);
        let mut opened = Opened::new(axis);
        for number in 0..info.lens().len() {
            let shape = info.shape_of(number);
            opened.add(options.create_file::<T>(new.path(number), &shape)?, Some(&shape), true)?;
        }
        self.assemble(opened, open_to_write, Some(new))
    }

    /// Writes a whole array as an npy-stack; see [`save_npy_stack`].
    ///
    /// # Errors
    ///
    /// As [`save_npy_stack`].
    pub fn save_npy_stack<'v, T: Element>(
        &self,
        dir: impl AsRef<Path>,
        view: impl Into<View<'v, T>>,
        axis: usize,
        rows_per_file: usize,
    ) -> Result<()> {
        let view = view.into();
        let info = StackInfo::of_rows(view.shape(), axis, rows_per_file)?;
        // What no file could be made with must not cost an old stack.
        self.files.new_header::<T>(dir.as_ref(), view.shape())?;
        let mut new = NewStack::begin(dir.as_ref(), &info, &T::dtype(), self.overwrite)?;
        new.remove_old_info()?;
        let options = self.files.clone().overwrite(self.overwrite);
        let mut start = vec![0; view.ndim()];
        let mut result = Ok(());
        let mut written = 0;
        while written < info.lens().len() && result.is_ok() {
            let window = Window::new(&start, info.shape_of(written))?;
            result = options.save(new.path(written), view.window(window)?);
            start[axis] += info.lens()[written];
            written += usize::from(result.is_ok());
        }
        let result = result.and_then(|()| new.finish());
        if result.is_err() && !self.overwrite && !new.is_whole() {
            // Best effort: without `info` they are no stack.
            (0..written).for_each(|number| drop(fs::remove_file(new.path(number))));
        }
        result
    }

    fn open_dir<T: Element, A: Access>(&self, dir: &Path, open: Open<T, A>) -> Result<Stack<T, A>> {
        let dir = absolute([dir])?.remove(0);
        let info = StackInfo::read(&dir)?;
        let paths = (0..info.lens().len()).map(|number| path_of(&dir, number)).collect();
        self.open_as(paths, info.axis(), Some(&info), open)
    }

    /// Opens each file once, and compares it with the first one, or with what `info` says. Those
    /// of a stack to be written stay open.
    fn open_as<T: Element, A: Access>(
        &self,
        paths: Vec<PathBuf>,
        axis: usize,
        info: Option<&StackInfo>,
        open: Open<T, A>,
    ) -> Result<Stack<T, A>> {
        self.check_max_open::<A>(paths.len())?;
        let mut opened = Opened::new(axis);
        for (number, path) in paths.iter().enumerate() {
            let shape = info.map(|info| info.shape_of(number));
            opened.add(open(&self.files, path)?, shape.as_deref(), A::WRITES)?;
        }
        self.assemble(opened, open, None)
    }

    fn check_max_open<A: Access>(&self, files: usize) -> Result<()> {
        let (option, found) = ("max_open", self.max_open);
        if found == 0 {
            return Err(Error::InvalidOption { option, found, expected: "at least 1" });
        }
        if A::WRITES && files > found {
            let expected = "as many files as a stack to be written has, which all stay open with \
                            their locks";
            return Err(Error::InvalidOption { option, found, expected });
        }
        Ok(())
    }

    fn assemble<T: Element, A: Access>(
        &self,
        opened: Opened<T, A>,
        open: Open<T, A>,
        new: Option<NewStack>,
    ) -> Result<Stack<T, A>> {
        let Opened { axis, mut shape, paths, dtypes, bounds, files } = opened;
        if paths.is_empty() {
            let (option, expected) = ("paths", "at least one");
            return Err(Error::InvalidOption { option, found: 0, expected });
        }
        shape[axis] = bounds[paths.len()];
        let layout = Layout::new(&shape, Order::C)?;
        layout.byte_len(size_of::<T>())?;
        let strides: Dims<isize> =
            (0..shape.len()).map(|other| isize::from(other == axis)).collect();
        let along = Layout::from_parts(shape.as_slice().into(), strides);
        let parts = Parts::new(axis, paths, dtypes, bounds);
        let (files, options) = (Cache::new(self.max_open, files), self.files.clone());
        Ok(Stack { parts, layout, along, files, options, open, new: Mutex::new(new) })
    }
}

/// How a file of a stack is opened.
type Open<T, A> = fn(&OpenOptions, &Path) -> Result<NpyFile<T, A>>;

fn open_to_read<T: Element>(options: &OpenOptions, path: &Path) -> Result<NpyFile<T>> {
    options.open_file(path)
}

fn open_to_write<T: Element>(options: &OpenOptions, path: &Path) -> Result<NpyFile<T, ReadWrite>> {
    options.open_file_mut(path)
}

/// Files that were opened in turn, and fit each other.
struct Opened<T, A> {
    axis: usize,
    /// That of the first file.
    shape: Vec<usize>,
    paths: Vec<PathBuf>,
    dtypes: Vec<DType>,
    bounds: Vec<usize>,
    /// Those that stay open.
    files: Vec<NpyFile<T, A>>,
}

impl<T: Element, A: Access> Opened<T, A> {
    fn new(axis: usize) -> Opened<T, A> {
        let (shape, paths, dtypes, files) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Opened { axis, shape, paths, dtypes, bounds: vec![0], files }
    }

    /// Adds the next file, which must have the shape that `info` says, or fit the first one.
    fn add(&mut self, file: NpyFile<T, A>, says: Option<&[usize]>, stays: bool) -> Result<()> {
        let axis = self.axis;
        if self.paths.is_empty() {
            self.shape = says.unwrap_or(file.shape()).to_vec();
            if axis >= self.shape.len() {
                return Err(Error::InvalidAxis { axis, problem: "the files have no such axis" });
            }
        }
        let dtype = self.dtypes.first().unwrap_or(file.dtype());
        let same_but_axis = file.shape().len() == self.shape.len()
            && (0..self.shape.len()).all(|i| i == axis || file.shape()[i] == self.shape[i]);
        let as_said = says.is_none_or(|shape| file.shape() == shape);
        if !same_but_axis || !as_said || !file.dtype().same_but_order(dtype) {
            return Err(self.mismatch(&file, dtype, says));
        }
        let end = self.bounds[self.paths.len()].checked_add(file.shape()[axis]);
        let end = end.ok_or_else(|| Error::ShapeOverflow {
            path: file.path().to_path_buf(),
            shape: file.shape().iter().map(|&len| len as u64).collect(),
            item_size: size_of::<T>(),
        })?;
        self.bounds.push(end);
        self.dtypes.push(file.dtype().clone());
        self.paths.push(file.path().to_path_buf());
        if stays {
            self.files.push(file);
        }
        Ok(())
    }

    /// What the file has, and what it should.
    #[cold]
    fn mismatch(&self, file: &NpyFile<T, A>, dtype: &DType, says: Option<&[usize]>) -> Error {
        let path = file.path().to_path_buf();
        let found = format!("{} and shape {:?}", file.dtype().repr(), file.shape());
        let expected = match (says, self.paths.first()) {
            (None, Some(first)) => {
                let mut lens: Vec<String> = self.shape.iter().map(usize::to_string).collect();
                lens[self.axis] = "any".to_owned();
                format!("{} and shape [{}], as {first:?} has", dtype.repr(), lens.join(", "))
            }
            _ => format!("{} and shape {says:?}, as `info` says", dtype.repr()),
        };
        Error::StackMismatch { path, found, expected }
    }
}

/// Absolute paths: a file that is opened again is then the same, whatever the working directory.
fn absolute(paths: impl IntoIterator<Item = impl AsRef<Path>>) -> Result<Vec<PathBuf>> {
    let absolute =
        |path: &Path| std::path::absolute(path).map_err(|error| Error::io(path, "open", 0, error));
    paths.into_iter().map(|path| absolute(path.as_ref())).collect()
}

impl<T: Element> Stack<T> {
    /// Opens files, in this order, as one array along `axis`, to read. Reads the header of each, and
    /// no data.
    ///
    /// # Errors
    ///
    /// As [`NpyFile::open`], of the first file that cannot be opened. [`Error::StackMismatch`] where
    /// a file does not fit the first one: it says which file, what it has and what it should have.
    /// [`Error::InvalidAxis`] where the files have no such axis; [`Error::ShapeOverflow`] where all of
    /// them together are too large; [`Error::InvalidOption`] where there is no file.
    pub fn open(
        paths: impl IntoIterator<Item = impl AsRef<Path>>,
        axis: usize,
    ) -> Result<Stack<T, ReadOnly>> {
        StackOptions::new().open(paths, axis)
    }

    /// Opens files as one array to read and write, and locks them all. Changes nothing.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open); [`Error::AlreadyOpen`] where somebody holds a lock on a file, or where
    /// one is named twice; [`Error::InvalidOption`] where there are more than 64, which
    /// [`StackOptions::max_open`] changes.
    pub fn open_mut(
        paths: impl IntoIterator<Item = impl AsRef<Path>>,
        axis: usize,
    ) -> Result<Stack<T, ReadWrite>> {
        StackOptions::new().open_mut(paths, axis)
    }

    /// Opens an npy-stack, the directory that Dask's `da.to_npy_stack` and
    /// [`save_npy_stack`] write, to read. The axis and the lengths of the files are those that its
    /// `info` says, the element type is that of the files.
    ///
    /// # Errors
    ///
    /// As [`StackInfo::read`] and [`open`](Self::open); [`Error::StackMismatch`] also where a file is
    /// not what `info` says.
    pub fn open_npy_stack(dir: impl AsRef<Path>) -> Result<Stack<T, ReadOnly>> {
        StackOptions::new().open_npy_stack(dir)
    }

    /// Opens an npy-stack to read and write, and locks its files. Changes nothing.
    ///
    /// # Errors
    ///
    /// As [`open_npy_stack`](Self::open_npy_stack) and [`open_mut`](Self::open_mut).
    pub fn open_npy_stack_mut(dir: impl AsRef<Path>) -> Result<Stack<T, ReadWrite>> {
        StackOptions::new().open_npy_stack_mut(dir)
    }

    /// Creates an npy-stack of zeros, which Dask opens with `da.from_npy_stack`: a directory with a
    /// file for every `rows_per_file` indices of `axis`, the last one shorter.
    ///
    /// The space is reserved: after `Ok` no write fails for lack of it. Nobody sees the files until
    /// [`close`](Stack::close) or [`publish`](Stack::publish), when they get their names one after
    /// the other, and `info` comes last. The directory is made where there is none, its parent is
    /// not.
    ///
    /// # Errors
    ///
    /// As [`NpyFile::create`]; [`Error::AlreadyExists`] where there is a directory with anything in
    /// it; [`Error::InvalidAxis`] where there is no such axis, or `rows_per_file` is 0;
    /// [`Error::InvalidOption`] where there would be more than 64 files, which
    /// [`StackOptions::max_open`] changes; [`Error::InvalidDType`] where the element type has fields.
    /// Nothing is left behind then.
    ///
    /// # Example
    ///
    /// ```
    /// use mmap_array::{Stack, s};
    /// # let folder = tempfile::tempdir()?;
    /// let dir = folder.path().join("stack");
    ///
    /// let stack = Stack::<f64>::create_npy_stack(&dir, [2, 10], 1, 4)?;
    /// stack.write_slice(s![0, 2..6], &[1.0, 2.0, 3.0, 4.0])?;
    /// stack.close()?;
    /// assert_eq!(mmap_array::load::<f64>(dir.join("1.npy"))?.as_slice()[..2], [3.0, 4.0]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn create_npy_stack(
        dir: impl AsRef<Path>,
        shape: impl AsRef<[usize]>,
        axis: usize,
        rows_per_file: usize,
    ) -> Result<Stack<T, ReadWrite>> {
        StackOptions::new().create_npy_stack(dir, shape, axis, rows_per_file)
    }
}

/// Writes a whole array as an npy-stack, which Dask opens with `da.from_npy_stack`: a directory with
/// a file for every `rows_per_file` indices of `axis`, the last one shorter.
///
/// The files are written one after the other, each as [`save`](crate::save) does, and `info` comes
/// last. So there may be any number of them, up to some 200,000.
///
/// # Errors
///
/// As [`save`](crate::save) and [`Stack::create_npy_stack`]. After an error there is no stack, and
/// what was written is removed again.
///
/// # Example
///
/// ```
/// # let folder = tempfile::tempdir()?;
/// let dir = folder.path().join("stack");
/// mmap_array::save_npy_stack(&dir, &vec![1, 2, 3, 4, 5], 0, 2)?;
/// assert_eq!(mmap_array::Stack::<i32>::open_npy_stack(&dir)?.read()?.as_slice(), [1, 2, 3, 4, 5]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn save_npy_stack<'v, T: Element>(
    dir: impl AsRef<Path>,
    view: impl Into<View<'v, T>>,
    axis: usize,
    rows_per_file: usize,
) -> Result<()> {
    StackOptions::new().save_npy_stack(dir, view, axis, rows_per_file)
}
