//! Growth that cannot be: each error leaves the file byte for byte and the handle as they were.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use mmap_array::{
    Element, Error, Header, Lock, NpyFile, OpenOptions, ReadWrite, Result, View, load, save,
};

use crate::common::folder;
use crate::map;
use crate::twin_file::open_unlocked;

/// A handle of a file; whatever fails must change neither.
struct Unchanged<T> {
    path: PathBuf,
    file: NpyFile<T, ReadWrite>,
}

impl<T: Element> Unchanged<T> {
    fn new(path: &Path) -> Unchanged<T> {
        Unchanged { path: path.to_path_buf(), file: open_unlocked(path) }
    }

    fn error(&mut self, call: impl FnOnce(&mut NpyFile<T, ReadWrite>) -> Result<()>) -> Error {
        let before = fs::read(&self.path).unwrap();
        let (header, debug) = (self.file.header().clone(), format!("{:?}", self.file));
        let error = call(&mut self.file).unwrap_err();
        assert_eq!((self.file.header(), self.file.shape()), (&header, header.shape()));
        assert_eq!(format!("{:?}", self.file), debug);
        assert!(fs::read(&self.path).unwrap() == before, "the file after {error}");
        self.file.flush().unwrap();
        assert!(fs::read(&self.path).unwrap() == before, "the file after {error} and a flush");
        error
    }
}

fn saved(folder: &Path) -> PathBuf {
    let path = folder.join("a.npy");
    save(&path, View::from_shape([2, 3], &[1_i32, 2, 3, 4, 5, 6]).unwrap()).unwrap();
    path
}

#[test]
fn elements_that_are_no_whole_rows_are_refused() {
    let folder = folder();
    let mut file = Unchanged::<i32>::new(&saved(folder.path()));
    let error = file.error(|file| file.append(&[7; 4]));
    assert!(matches!(error, Error::LenMismatch { expected: 6, found: 4 }), "{error:?}");
    let view = View::from_shape([2, 2], &[7; 4]).unwrap();
    let error = file.error(|file| file.append_view(&view));
    let Error::ShapeMismatch { expected, found } = error else { panic!("{error:?}") };
    assert_eq!((expected, found), (vec![2, 3], vec![2, 2]));
    for shape in [&[][..], &[3], &[1, 3, 1]] {
        let view = View::from_shape(shape, &[7; 3][..shape.iter().product()]).unwrap();
        let error = file.error(|file| file.append_view(&view));
        assert!(matches!(error, Error::ShapeMismatch { .. }), "{error:?}");
    }
    // Not even where nothing is to be appended.
    let view = View::from_shape([0, 2], &[]).unwrap();
    let error = file.error(|file| file.append_view(&view));
    assert!(matches!(error, Error::ShapeMismatch { .. }), "{error:?}");
}

#[test]
fn an_array_is_not_cut_after_more_rows_than_it_has() {
    let folder = folder();
    let path = saved(folder.path());
    let mut file = Unchanged::<i32>::new(&path);
    let wrong = |error: &Error| matches!(error, Error::OutOfBounds { axis: 0, len: 2, .. });
    for rows in [3, usize::MAX] {
        let error = file.error(|file| file.truncate(rows));
        assert!(wrong(&error), "{error:?}");
    }
    drop(file);
    // Nor are rows committed by a cut that cannot be.
    let mut array = map::open_unlocked::<i32>(&path).unwrap();
    array.append(&[7; 3]).unwrap();
    let error = array.truncate(4).unwrap_err();
    assert!(matches!(error, Error::OutOfBounds { axis: 0, index: 4, len: 3 }), "{error:?}");
    assert_eq!(load::<i32>(&path).unwrap().shape(), [2, 3]);
}

#[test]
fn more_than_can_be_counted_is_refused() {
    let folder = folder();
    let mut file = Unchanged::<i32>::new(&saved(folder.path()));
    let error = file.error(|file| file.reserve(usize::MAX));
    assert!(matches!(error, Error::ShapeOverflow { .. }), "{error:?}");
    let path = folder.path().join("b.npy");
    save(&path, View::<i32>::from_shape([2, 0], &[]).unwrap()).unwrap();
    let mut file = Unchanged::<i32>::new(&path);
    let many = View::from_shape([isize::MAX as usize, 0], &[]).unwrap();
    let error = file.error(|file| file.append_view(&many));
    assert!(matches!(error, Error::ShapeOverflow { .. }), "{error:?}");
}

#[cfg(target_os = "linux")]
#[test]
fn more_than_any_disk_has_is_not_reserved() {
    let folder = folder();
    let mut file = Unchanged::<i32>::new(&saved(folder.path()));
    let error = file.error(|file| file.reserve(1 << 58));
    assert!(matches!(error, Error::StorageFull { .. } | Error::FileTooLarge { .. }), "{error:?}");
}

#[test]
fn bytes_of_somebody_else_behind_the_array_are_not_overwritten() {
    let folder = folder();
    let path = saved(folder.path());
    File::options().append(true).open(&path).unwrap().write_all(b"theirs").unwrap();
    let mut file = Unchanged::<i32>::new(&path);
    let tail = |error: &Error| matches!(error, Error::UncommittedTail { byte_len: 6, .. });
    let view = View::from_shape([1, 3], &[7; 3]).unwrap();
    for error in [
        file.error(|file| file.append(&[7; 3])),
        file.error(|file| file.append(&[])),
        file.error(|file| file.append_view(&view)),
        file.error(|file| file.truncate(1)),
    ] {
        assert!(tail(&error), "{error:?}");
        assert!(error.to_string().contains("NpyFile::recover"), "{error}");
    }
    let mut array = map::open_unlocked::<i32>(&path).unwrap();
    assert!(tail(&array.append(&[7; 3]).unwrap_err()));
    assert!(tail(&array.truncate(1).unwrap_err()));
    assert_eq!(array.as_slice(), Some(&[1, 2, 3, 4, 5, 6][..]));
}

#[test]
fn who_lets_other_writers_in_changes_no_length() {
    let folder = folder();
    let path = saved(folder.path());
    let before = fs::read(&path).unwrap();
    let options = OpenOptions::new().lock(Lock::Cooperative);
    let mut file = options.open_file_mut::<i32>(&path).unwrap();
    let alone = |error: Error| matches!(error, Error::NotAlone { .. });
    assert!(alone(file.append(&[7; 3]).unwrap_err()));
    assert!(alone(file.reserve(1).unwrap_err()));
    assert!(alone(file.truncate(1).unwrap_err()));
    assert_eq!(file.shape(), [2, 3]);
    file.close().unwrap();
    assert_eq!(fs::read(&path).unwrap(), before);
    // To recover, it is alone.
    let first = options.open_file_mut::<i32>(&path).unwrap();
    let error = options.recover_file::<i32>(&path, mmap_array::Tail::Discard).unwrap_err();
    assert!(matches!(error, Error::AlreadyOpen { .. }), "{error:?}");
    drop(first);
}

#[test]
fn a_reader_is_told_of_a_cut_and_goes_on_after_a_refresh() {
    let folder = folder();
    let path = saved(folder.path());
    let mut writer = open_unlocked::<i32>(&path);
    let mut reader = NpyFile::<i32>::open(&path).unwrap();
    assert!(!reader.refresh().unwrap());
    writer.truncate(1).unwrap();
    let shrunk = |error: Error| matches!(error, Error::Shrunk { .. });
    assert!(shrunk(reader.read_window([0..1, 0..3]).unwrap_err()));
    assert!(shrunk(reader.uncommitted_tail().unwrap_err()));
    assert!(reader.refresh().unwrap());
    assert_eq!(reader.read().unwrap().as_slice(), [1, 2, 3]);
    // Appended rows show once they are committed.
    writer.append(&[7; 30]).unwrap();
    assert!(!reader.refresh().unwrap());
    assert_eq!((reader.shape(), reader.uncommitted_tail().unwrap()), (&[1, 3][..], 120));
    writer.flush().unwrap();
    assert!(reader.refresh().unwrap() && !reader.refresh().unwrap());
    assert_eq!(reader.shape(), [11, 3]);
    // A file that is written anew in place is another one.
    drop(writer);
    let many = [vec![33], vec![1; 60]].concat();
    for shape in [&[33][..], &many] {
        let dtype = mmap_array::DType::of::<i64>();
        let header = Header::new(dtype, shape, reader.order()).unwrap().to_bytes();
        fs::write(&path, [header, vec![0; 33 * 8]].concat()).unwrap();
        let error = reader.refresh().unwrap_err();
        assert!(matches!(error, Error::ArrayChanged { .. }), "{error:?}");
        assert_eq!(reader.shape(), [11, 3]);
    }
}

// ---- headers that others wrote --------------------------------------------------------------------

fn form(folder: &Path, name: &str) -> PathBuf {
    let path = folder.join(name);
    fs::copy(Path::new("tests/data/forms").join(name), &path).unwrap();
    path
}

#[test]
fn headers_of_every_form_that_have_room_are_rewritten_where_they_are() {
    let folder = folder();
    let forms = [
        "blanks.npy",
        "double_quotes.npy",
        "growth_padding.npy",
        "key_order.npy",
        "many_lines.npy",
        "many_lines_crlf.npy",
        "no_growth_padding.npy",
        "old_align_16.npy",
        "old_v2_offset_82.npy",
        "ones_f.npy",
        "ones_only_f.npy",
        "python2_long.npy",
        "python2_long_v2.npy",
        "vector_f.npy",
        "version_2.npy",
        "version_3.npy",
    ];
    for name in forms {
        let path = form(folder.path(), name);
        let before = Header::read(&path).unwrap();
        let mut file = NpyFile::<i32>::open_mut(&path).unwrap();
        let axis = if file.order() == mmap_array::Order::C { 0 } else { file.ndim() - 1 };
        let (old, rows) = (file.read().unwrap(), file.shape()[axis]);
        let row_len = file.len() / rows;
        file.append(&vec![-7; 100 * row_len]).unwrap();
        file.close().unwrap();
        let file = NpyFile::<i32>::open(&path).unwrap();
        let header = file.header();
        assert_eq!(header.shape()[axis], rows + 100, "{name}");
        assert_eq!(
            (header.data_start(), header.version(), header.dtype(), header.order()),
            (before.data_start(), before.version(), before.dtype(), before.order()),
            "{name}"
        );
        let mut ranges: Vec<_> = file.shape().iter().map(|&len| 0..len).collect();
        ranges[axis] = 0..rows;
        let kept = file.read_window(&ranges[..]).unwrap();
        assert_eq!(kept, old, "{name}");
        ranges[axis] = rows..rows + 100;
        let added = file.read_window(&ranges[..]).unwrap();
        assert!(added.iter().all(|&element| element == -7), "{name}");
        let mut file = NpyFile::<i32>::open_mut(&path).unwrap();
        file.truncate(rows).unwrap();
        file.close().unwrap();
        assert_eq!(Header::read(&path).unwrap(), before, "{name}");
        assert_eq!(load::<i32>(&path).unwrap(), old, "{name}");
    }
}

#[test]
fn a_header_without_room_for_another_spelling_does_not_grow() {
    let folder = folder();
    let mut file = Unchanged::<f64>::new(&form(folder.path(), "bare_unaligned.npy"));
    let no_room = |error: &Error| matches!(error, Error::NoGrowthRoom { needed: 70, room: 61, .. });
    for error in [
        file.error(|file| file.append(&[7.0; 3])),
        file.error(|file| file.reserve(1)),
        file.error(|file| file.truncate(1)),
    ] {
        assert!(no_room(&error), "{error:?}");
        assert!(error.to_string().contains("copy the array to a new file"), "{error}");
    }
    file.file.append(&[]).unwrap();
    // What a crash left behind it needs no new header to be cut off.
    let Unchanged { path, file } = file;
    drop(file);
    let before = fs::read(&path).unwrap();
    File::options().append(true).open(&path).unwrap().write_all(&[1; 100]).unwrap();
    NpyFile::<f64>::recover(&path).unwrap().close().unwrap();
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[test]
#[cfg(target_pointer_width = "64")]
fn an_old_header_has_room_for_some_digits_and_a_new_one_for_all() {
    let folder = folder();
    let grow = |path: &Path, rows: usize| {
        let mut file = open_unlocked::<i32>(path);
        file.append_view(View::from_shape([rows, 0], &[]).unwrap())?;
        file.close()
    };
    // Of no width, so that the file stays small: 80 bytes, of which 70 are taken.
    let old = folder.path().join("old.npy");
    let text = "{'descr': '<i4', 'fortran_order': False, 'shape': (2, 0), }";
    let header =
        [b"\x93NUMPY\x01\0\x46\0".as_slice(), text.as_bytes(), &[b' '; 10], b"\n"].concat();
    assert_eq!(header.len(), 80);
    fs::write(&old, header).unwrap();
    grow(&old, 99_999_999_997).unwrap();
    let found = Header::read(&old).unwrap();
    assert_eq!((found.shape(), found.data_start()), (&[99_999_999_999, 0][..], 80));
    let mut file = Unchanged::<i32>::new(&old);
    let one = View::from_shape([1, 0], &[]).unwrap();
    let error = file.error(|file| file.append_view(&one));
    assert!(matches!(error, Error::NoGrowthRoom { needed: 81, room: 80, .. }), "{error:?}");

    let new = folder.path().join("new.npy");
    save(&new, View::<i32>::from_shape([2, 0], &[]).unwrap()).unwrap();
    grow(&new, (1 << 60) - 2).unwrap();
    assert_eq!(Header::read(&new).unwrap().shape(), [1 << 60, 0]);
}

#[test]
fn space_is_not_reserved_where_bytes_are_in_the_way_of_growing() {
    let folder = folder();
    let path = folder.path().join("a.npy");
    mmap_array::save(&path, &[1_u8, 2]).unwrap();
    let len = std::fs::metadata(&path).unwrap().len();
    std::fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(len + 5).unwrap();
    let mut file = NpyFile::<u8>::open_mut(&path).unwrap();
    let in_the_way = |result| matches!(result, Err(Error::UncommittedTail { byte_len: 5, .. }));
    assert!(in_the_way(file.reserve(1000)) && in_the_way(file.append(&[3])));
}

#[test]
fn a_reader_beside_a_writer_that_appends_and_cuts_is_never_told_of_a_short_file() {
    let folder = folder();
    let path = folder.path().join("a.npy");
    mmap_array::save(&path, &[7_u8; 99]).unwrap();
    let done = std::sync::atomic::AtomicBool::new(false);
    let relaxed = std::sync::atomic::Ordering::Relaxed;
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let mut file = NpyFile::<u8>::open_mut(&path).unwrap();
            for _ in 0..2000 {
                file.append(&[7]).unwrap();
                file.flush().unwrap();
                file.truncate(99).unwrap();
            }
            done.store(true, relaxed);
        });
        let mut reader = NpyFile::<u8>::open(&path).unwrap();
        while !done.load(relaxed) {
            reader.refresh().unwrap();
            assert!([99, 100].contains(&reader.len()));
            assert!([99, 100].contains(&NpyFile::<u8>::open(&path).unwrap().len()));
        }
        writer.join().unwrap();
    });
}
