//! A mapped file that is cut short: every call that looks says so, and nobody makes it long again.

use std::fs;
use std::path::Path;

use mmap_array::{Access, Advice, MmapArray, Publish, View, Writable, load, s, save};

use super::doors::{self, PLAIN};
use crate::shrink::{BYTES, CUTS, LEN, assert_shrunk, cut, unnamed};
use crate::tools::{names, no_spawns, word};

fn save_sevens(path: &Path) {
    let _ = fs::remove_file(path);
    let _calm = no_spawns();
    save(path, &[7_i32; LEN]).unwrap();
    assert_eq!(fs::metadata(path).unwrap().len(), BYTES);
}

fn assert_reads_say_so<A: Access>(array: &MmapArray<i32, A>, len: u64) {
    assert_shrunk(array.read_window([3000..LEN]), len);
    assert_shrunk(array.read_window([0..1]), len);
    assert_shrunk(array.read_window_into([3000..LEN], &mut [0; LEN - 3000]), len);
    assert_shrunk(array.read_slice(s![..;7]), len);
    assert_shrunk(array.prefetch([0..1]), len);
    assert_shrunk(array.prefetch([3000..LEN]), len);
    assert_shrunk(array.file().read_window([0..1]), len);
}

fn assert_writes_say_so<A: Writable>(array: &mut MmapArray<i32, A>, len: u64) {
    assert_shrunk(array.write_window([3000..LEN], &[8; LEN - 3000]), len);
    assert_shrunk(array.write_window([0..1], &[8]), len);
    assert_shrunk(array.write_slice(s![..;-1], &[8; LEN]), len);
    assert_shrunk(array.write_slice(s![0], View::from_shape([], &[8]).unwrap()), len);
}

#[test]
fn a_mapped_reader_of_a_file_that_was_cut_short_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.npy");
    for len in CUTS {
        save_sevens(&path);
        let array = doors::open::<i32>(&PLAIN, &path).unwrap();
        cut(&path, len);
        assert_reads_say_so(&array, len);
        assert_shrunk(array.evict([0..LEN]), len);
        drop(array);
        assert_eq!(fs::metadata(&path).unwrap().len(), len);
    }
}

#[test]
fn every_call_on_a_mapped_file_that_was_cut_short_says_so_and_leaves_it_so() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.npy");
    for len in CUTS {
        save_sevens(&path);
        let mut array = doors::open_mut::<i32>(&PLAIN, &path).unwrap();
        // A page that waits to be written, and is cut off.
        array[[LEN - 1]] = 8;
        cut(&path, len);
        assert_reads_say_so(&array, len);
        assert_writes_say_so(&mut array, len);
        assert_shrunk(array.evict([0..LEN]), len);
        assert_shrunk(array.flush_async(), len);
        assert_shrunk(array.flush_window([0..1]), len);
        assert_shrunk(array.flush_window([3000..LEN]), len);
        assert_shrunk(array.flush(), len);
        assert_shrunk(array.flush(), len);
        assert_shrunk(array.publish(), len);
        assert_shrunk(array.close(), len);
        assert_eq!(fs::metadata(&path).unwrap().len(), len);
    }
}

#[test]
fn a_copy_on_write_array_of_a_file_that_was_cut_short_says_so_and_leaves_it_so() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.npy");
    for len in CUTS {
        save_sevens(&path);
        let mut array = doors::open_cow::<i32>(&PLAIN, &path).unwrap();
        array[[0]] = 8;
        cut(&path, len);
        assert_reads_say_so(&array, len);
        assert_writes_say_so(&mut array, len);
        drop(array);
        assert_eq!(fs::metadata(&path).unwrap().len(), len);
    }
}

#[test]
fn a_shared_handle_and_a_handle_without_its_map_say_that_the_file_was_cut_short() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.npy");
    for len in CUTS {
        save_sevens(&path);
        let shared = doors::open_mut::<i32>(&PLAIN, &path).unwrap().into_shared();
        let other = shared.clone();
        cut(&path, len);
        assert_shrunk(shared.flush(), len);
        assert_shrunk(shared.read().read_window([0..1]), len);
        assert_shrunk(shared.write().write_window([0..1], &[8]), len);
        assert_shrunk(shared.close(), len);
        let file = other.try_into_inner().unwrap().into_file();
        assert_shrunk(file.write_window([0..1], &[8]), len);
        assert_shrunk(file.close(), len);
        assert_eq!(fs::metadata(&path).unwrap().len(), len);
    }
}

#[test]
fn a_new_mapped_file_that_was_cut_short_is_not_published() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.npy");
    let options = PLAIN.publish(Publish::OnClose);
    let array = doors::create::<i32>(&options, &path, &[LEN]).unwrap();
    let Some(descriptor) = unnamed(folder.path()) else { return };
    cut(&descriptor, 4196);
    assert_shrunk(array.publish(), 4196);
    assert!(names(folder.path()).is_empty());
    assert_shrunk(array.close(), 4196);
    assert!(names(folder.path()).is_empty());
}

#[test]
fn a_mapped_file_that_grows_is_as_good_as_before() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.npy");
    save_sevens(&path);
    let mut array = doors::open_mut::<i32>(&PLAIN, &path).unwrap();
    cut(&path, BYTES + 10_000);
    array[[LEN - 1]] = 8;
    array.write_window([0..1], &[9]).unwrap();
    array.flush_window([0..1]).unwrap();
    array.close().unwrap();
    assert_eq!(fs::metadata(&path).unwrap().len(), BYTES + 10_000);
    let found = load::<i32>(&path).unwrap();
    assert_eq!((found[[0]], found[[1]], found[[LEN - 1]]), (9, 7, 8));
}

#[test]
fn an_array_without_elements_can_do_everything_until_its_header_is_cut() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.npy");
    for align in [64, 4096] {
        let options = PLAIN.align_data(align).overwrite(true);
        let mut array = doors::create::<i32>(&options, &path, &[3, 0]).unwrap();
        array.advise(Advice::Sequential).unwrap();
        array.prefetch([1..3, 0..0]).unwrap();
        array.evict([1..3, 0..0]).unwrap();
        array.write_window([1..3, 0..0], &[]).unwrap();
        array.view_mut().fill(7);
        assert!(array.read_window([1..3, 0..0]).unwrap().is_empty());
        array.flush_window([1..3, 0..0]).unwrap();
        array.flush_async().unwrap();
        array.flush().unwrap();
        cut(&path, 50);
        let shrunk = [
            word(&array.read_window([0..3, 0..0])),
            word(&array.write_window([0..3, 0..0], &[])),
            word(&array.prefetch([0..3, 0..0])),
            word(&array.evict([0..3, 0..0])),
            word(&array.flush_window([0..3, 0..0])),
            word(&array.close()),
        ];
        assert_eq!(shrunk, ["Shrunk"; 6]);
        assert_eq!(fs::metadata(&path).unwrap().len(), 50);
        fs::remove_file(&path).unwrap();
    }
}
