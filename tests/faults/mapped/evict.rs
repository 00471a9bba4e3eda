//! Letting pages go: from this process and from the system's cache, and never what was stored.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use mmap_array::{Access, Evictable, MmapArray, NpyFile, View, load, save};
use tempfile::TempDir;

use super::doors::{self, PLAIN, cached_pages};
use crate::tools::{no_spawns, skip};

const ROWS: usize = 256;
/// Columns of uint64 that take 64 KiB; all rows take 16 MiB.
const COLUMNS: usize = 8192;
const BYTES: u64 = (ROWS * COLUMNS * 8) as u64;

fn saved() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.npy");
    let elements: Vec<_> = (0..ROWS * COLUMNS).map(|index| index as u64).collect();
    let _calm = no_spawns();
    save(&path, View::from_shape([ROWS, COLUMNS], &elements).unwrap()).unwrap();
    (folder, path)
}

/// Bytes of the mapping of a file that are in this process's memory.
fn resident(path: &Path) -> u64 {
    let maps = fs::read_to_string("/proc/self/smaps").unwrap();
    let path = fs::canonicalize(path).unwrap();
    let mut lines = maps.lines().skip_while(|line| !line.ends_with(path.to_str().unwrap()));
    let rss = lines.find_map(|line| line.strip_prefix("Rss:")).unwrap();
    rss.trim().strip_suffix(" kB").unwrap().parse::<u64>().unwrap() * 1024
}

fn sum<A: Access>(array: &MmapArray<u64, A>) -> u64 {
    array.as_slice().unwrap().iter().sum()
}

const SUM: u64 = (ROWS * COLUMNS) as u64 * ((ROWS * COLUMNS) as u64 - 1) / 2;

/// Does the system's cache let go of an unmapped file's pages when it is asked to?
fn cache_lets_go(path: &Path) -> bool {
    let array = doors::open::<u64>(&PLAIN, path).unwrap();
    assert_eq!(array.file().read().unwrap().len(), ROWS * COLUMNS);
    let file = File::open(path).unwrap();
    rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed).unwrap();
    let (cached, all) = cached_pages(&array);
    if cached > all / 8 {
        skip(format!("the system keeps {cached} of {all} pages in its cache"));
    }
    cached <= all / 8
}

/// Looks that all pages go and can be had again.
fn assert_all_goes<A: Evictable>(array: &MmapArray<u64, A>, lets_go: bool) {
    assert_eq!(sum(array), SUM);
    assert!(resident(array.path()) >= BYTES);
    let (cached, all) = cached_pages(array);
    assert_eq!(cached, all);
    array.evict([0..ROWS, 0..COLUMNS]).unwrap();
    assert!(resident(array.path()) < 1 << 20, "{} bytes", resident(array.path()));
    let (cached, _) = cached_pages(array);
    assert!(cached <= all / 8 || !lets_go, "{cached} of {all} pages");
    assert_eq!(sum(array), SUM);
}

#[test]
fn evicted_pages_leave_the_process_and_the_cache_and_come_back_when_touched() {
    let (_folder, path) = saved();
    let _calm = no_spawns();
    let lets_go = cache_lets_go(&path);
    assert_all_goes(&doors::open(&PLAIN, &path).unwrap(), lets_go);
    assert_all_goes(&doors::open_mut(&PLAIN, &path).unwrap(), lets_go);
}

#[test]
fn a_window_is_brought_in_and_let_go_and_the_rest_stays() {
    let (_folder, path) = saved();
    let array = doors::open::<u64>(&PLAIN, &path).unwrap();
    assert_eq!(resident(&path), 0);
    array.prefetch([0..ROWS / 2, 0..COLUMNS]).unwrap();
    let half = resident(&path);
    assert!((BYTES / 2..BYTES / 4 * 3).contains(&half), "{half} bytes");
    array.prefetch([ROWS / 2..ROWS, 0..COLUMNS]).unwrap();
    assert!(resident(&path) >= BYTES);
    array.evict([ROWS / 2..ROWS, 0..COLUMNS]).unwrap();
    let half = resident(&path);
    assert!((BYTES / 4..BYTES / 4 * 3).contains(&half), "{half} bytes");
    // Parts of rows, each some pages long, and single elements, which are no whole page. What the
    // process has as one huge page goes as one, but it stays in the cache but for those parts.
    array.evict([0..ROWS / 2, 0..COLUMNS / 2]).unwrap();
    assert!(resident(&path) < half, "{} bytes", resident(&path));
    let (cached, all) = cached_pages(&array);
    assert!(cached >= all / 4, "{cached} of {all} pages");
    array.evict([0..ROWS, 7..8]).unwrap();
    array.evict([0..0, 0..COLUMNS]).unwrap();
    assert_eq!(sum(&array), SUM);
}

#[test]
fn stores_that_were_not_flushed_are_kept_when_their_pages_are_let_go() {
    let (_folder, path) = saved();
    let calm = no_spawns();
    let lets_go = cache_lets_go(&path);
    let mut array = doors::open_mut::<u64>(&PLAIN, &path).unwrap();
    drop(calm);
    for round in 1..=3 {
        array.as_mut_slice().unwrap().iter_mut().for_each(|element| *element += 1);
        array.write_window([5..6, 0..3], &[1, 2, 3]).unwrap();
        array[[6, 0]] = 4;
        array.evict([0..ROWS, 0..COLUMNS]).unwrap();
        assert!(resident(&path) < 1 << 20, "{} bytes", resident(&path));
        // By position first, which brings nothing into the map.
        let read = NpyFile::<u64>::open(&path).unwrap().read().unwrap();
        assert_eq!(read.as_slice(), array.as_slice().unwrap());
        assert_eq!(read.as_slice()[5 * COLUMNS..][..4], [1, 2, 3, 5 * COLUMNS as u64 + 3 + round]);
        assert_eq!(array[[6, 0]], 4);
        assert_eq!(array[[ROWS - 1, COLUMNS - 1]], (ROWS * COLUMNS) as u64 - 1 + round);
    }
    array.flush().unwrap();
    array.evict([0..ROWS, 0..COLUMNS]).unwrap();
    let (cached, all) = cached_pages(&array);
    assert!(cached <= all / 8 || !lets_go, "{cached} of {all} pages");
    array.close().unwrap();
    assert_eq!(load::<u64>(&path).unwrap()[[0, 1]], 4);
}
