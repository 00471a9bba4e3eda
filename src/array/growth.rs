//! Growing and cutting a mapped array at its end: what [`NpyFile`] does, and a mapping that follows.
//!
//! No view outlives a change of length, because all of these methods take `&mut self`.

use super::MmapArray;
use crate::access::{Access, ReadWrite};
use crate::element::Element;
use crate::error::{Error, Result};
use crate::file::NpyFile;
use crate::view::View;

impl<T: Element, A: Access> MmapArray<T, A> {
    /// Lets the mapping have the length of the array.
    pub(crate) fn follow_file(&mut self) -> Result<()> {
        let data = self.file.data();
        let resized = self.mapping.resize(self.file.raw_file(), data.end - data.start);
        resized.map_err(|error| {
            let path = self.path().to_path_buf();
            Error::CannotMap { path, byte_len: data.end, error }
        })
    }
}

impl<T: Element> MmapArray<T> {
    /// Takes what `refresh` finds in the file, and maps it.
    pub(crate) fn refresh_by(
        &mut self,
        refresh: impl FnOnce(&mut NpyFile<T>) -> Result<bool>,
    ) -> Result<bool> {
        let before = self.file.before_append();
        let changed = refresh(&mut self.file)?;
        self.follow_file().inspect_err(|_| self.file.restore(before))?;
        Ok(changed)
    }
}

impl<T: Element> MmapArray<T, ReadWrite> {
    /// Appends rows to the array; see [`NpyFile::append`]. They can be borrowed at once, and are
    /// committed by [`flush`](Self::flush) or [`close`](Self::close).
    ///
    /// # Errors
    ///
    /// As [`NpyFile::append`], and [`Error::CannotMap`]. The file and the handle are as before then.
    ///
    /// # Cost
    ///
    /// As [`NpyFile::append`]. The array is mapped anew only when it has doubled: on Unix addresses
    /// are reserved for what may come.
    ///
    /// # Example
    ///
    /// ```
    /// use mmap_array::MmapArray;
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("log.npy");
    ///
    /// // SAFETY: nobody else knows of this file.
    /// let mut log = unsafe { MmapArray::<f32>::create(&path, [0, 3])? };
    /// log.append(&[1.0, 2.0, 3.0])?;
    /// log[[0, 2]] = 30.0;
    /// log.close()?;
    /// assert_eq!(mmap_array::load::<f32>(&path)?.as_slice(), [1.0, 2.0, 30.0]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn append(&mut self, elements: &[T]) -> Result<()> {
        let before = self.file.before_append();
        self.file.append_elements(elements)?;
        self.follow_file().inspect_err(|_| self.file.undo_append(before))
    }

    /// Appends a view, of any strides; see [`NpyFile::append_view`].
    ///
    /// # Errors
    ///
    /// As [`NpyFile::append_view`], and [`Error::CannotMap`].
    pub fn append_view<'v>(&mut self, view: impl Into<View<'v, T>>) -> Result<()> {
        let before = self.file.before_append();
        self.file.append_array(&view.into())?;
        self.follow_file().inspect_err(|_| self.file.undo_append(before))
    }

    /// Reserves the space for `rows` more rows; see [`NpyFile::reserve`].
    ///
    /// # Errors
    ///
    /// As [`NpyFile::reserve`].
    pub fn reserve(&mut self, rows: usize) -> Result<()> {
        self.file.reserve_rows(rows)
    }

    /// Cuts the array after its first `rows` rows, and commits that; see [`NpyFile::truncate`].
    /// Windows cuts no file that is mapped: there this is an error that leaves the rows behind as a
    /// tail, so cut [the file](Self::into_file) instead.
    ///
    /// # Errors
    ///
    /// As [`NpyFile::truncate`].
    pub fn truncate(&mut self, rows: usize) -> Result<()> {
        self.file.check_truncate(rows)?;
        let all = 0..self.mapping.byte_len();
        self.file.sync(|| self.mapping.flush(self.file.raw_file(), all))?;
        let cut = self.file.truncate_rows(rows);
        // Whatever became of it: the mapping must not lend more than the file has.
        self.follow_file().and(cut)
    }
}
