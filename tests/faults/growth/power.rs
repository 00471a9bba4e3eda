//! Power cuts. An image of a disk lies in a file system that copies files in an instant; a program
//! appends to an array on that disk, and at any moment a copy of the image is what a power cut would
//! have left. That disk is mounted, which replays its journal, and has the rows that were flushed.
//!
//! A thread writes pages of the file to the disk in a random order, so that a wrong order of the
//! program would show: that of one that writes the header first does.
//!
//! What this does not show is a drive that tears sectors or lies about its cache.

#![allow(unsafe_code)]

use std::fs::{self, File};
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use mmap_array::{DType, Header, MmapArrayMut, NpyFile, Order, ReadWrite, Result};

use super::all_cases;
use crate::child::start;
use crate::ground::Disk;
use crate::mapped::doors::{self, PLAIN};
use crate::tools::{run, skip};

/// Elements in a row: a page.
const ROW: usize = 512;
/// Rows that are never cut off, and those from which on the array is cut.
const KEPT: usize = 40;
const MOST: usize = 400;

// ---- the programs that are cut off ----------------------------------------------------------------

/// Where a child has its array: on the second disk of the folder in which it acknowledges.
fn array_path(acknowledged: &Path) -> PathBuf {
    acknowledged.with_file_name("mount1").join("a.npy")
}

/// What a child has flushed: a number of rows, which is set back before the array is cut, and how
/// often that was.
struct Acknowledged(File);

impl Acknowledged {
    fn say(&self, rows: usize, cuts: usize) {
        // In one write, which the parent sees as a whole.
        self.0.write_all_at(&((cuts as u64) << 32 | rows as u64).to_le_bytes(), 0).unwrap();
    }
}

/// The rows and the cuts that a child acknowledged.
fn acknowledged(path: &Path) -> Option<(usize, u64)> {
    let said = u64::from_le_bytes(fs::read(path).ok()?.try_into().ok()?);
    Some(((said & 0xffff_ffff) as usize, said >> 32))
}

fn begin(path: &Path) -> (PathBuf, Acknowledged) {
    let array = array_path(path);
    let _ = fs::remove_file(&array);
    (array, Acknowledged(File::create(path).unwrap()))
}

/// Writes random pages of a file to the disk, for ever.
fn write_out(path: &Path) {
    let file = File::options().write(true).open(path).unwrap();
    let mut random = 1_u64;
    thread::spawn(move || {
        loop {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let page = (random >> 33) % (MOST as u64 + 2);
            // Every other time the one with the header.
            let offset = if random >> 63 == 0 { 0 } else { page << 12 };
            // SAFETY: the descriptor is open, and no memory is touched.
            unsafe {
                libc::sync_file_range(
                    file.as_raw_fd(),
                    offset as libc::off64_t,
                    4096,
                    libc::SYNC_FILE_RANGE_WRITE,
                );
            }
        }
    });
}

/// The elements of a row, as written after so many cuts.
fn row(index: usize, cuts: usize) -> Vec<u64> {
    vec![((cuts as u64) << 32) + index as u64 + 1; ROW]
}

fn rows_from(at: usize, count: usize, cuts: usize) -> Vec<u64> {
    (at..at + count).flat_map(|index| row(index, cuts)).collect()
}

/// What grows, in one way or the other.
trait Growing {
    fn rows(&self) -> usize;
    fn append(&mut self, elements: &[u64]) -> Result<()>;
    fn flush(&mut self) -> Result<()>;
    fn truncate(&mut self, rows: usize) -> Result<()>;
}

fn grow_on(mut array: impl Growing, acknowledged: &Acknowledged) {
    let mut cuts = 0;
    for step in 0.. {
        let at = array.rows();
        if at > MOST {
            cuts += 1;
            acknowledged.say(KEPT, cuts);
            array.truncate(KEPT).unwrap();
            continue;
        }
        array.append(&rows_from(at, 1 + step * 5 % 7, cuts)).unwrap();
        // Some appends are committed together.
        if step % 3 > 0 {
            array.flush().unwrap();
            acknowledged.say(array.rows(), cuts);
        }
    }
}

impl Growing for NpyFile<u64, ReadWrite> {
    fn rows(&self) -> usize {
        self.shape()[0]
    }
    fn append(&mut self, elements: &[u64]) -> Result<()> {
        NpyFile::append(self, elements)
    }
    fn flush(&mut self) -> Result<()> {
        NpyFile::flush(self)
    }
    fn truncate(&mut self, rows: usize) -> Result<()> {
        NpyFile::truncate(self, rows)
    }
}

impl Growing for MmapArrayMut<u64> {
    fn rows(&self) -> usize {
        self.shape()[0]
    }
    /// Rows of zeros, which are stored to.
    fn append(&mut self, elements: &[u64]) -> Result<()> {
        let old = self.len();
        MmapArrayMut::append(self, &vec![0; elements.len()])?;
        self.as_mut_slice().unwrap()[old..].copy_from_slice(elements);
        Ok(())
    }
    fn flush(&mut self) -> Result<()> {
        MmapArrayMut::flush(self)
    }
    fn truncate(&mut self, rows: usize) -> Result<()> {
        MmapArrayMut::truncate(self, rows)
    }
}

/// Child: appends, flushes and cuts, for ever.
pub(crate) fn grow_and_cut(path: &Path) {
    let (path, acknowledged) = begin(path);
    let file = NpyFile::<u64>::create(&path, [0, ROW]).unwrap();
    write_out(&path);
    grow_on(file, &acknowledged);
}

/// Child: the same through a map.
pub(crate) fn grow_and_cut_mapped(path: &Path) {
    let (path, acknowledged) = begin(path);
    let array = doors::create::<u64>(&PLAIN, &path, &[0, ROW]).unwrap();
    write_out(&path);
    grow_on(array, &acknowledged);
}

/// A program in the wrong order: the header, the rows, and one sync for both.
struct HeaderFirst {
    file: File,
    rows: usize,
    header: Vec<u8>,
}

impl HeaderFirst {
    fn write_header(&mut self) {
        let dtype = DType::of::<u64>();
        self.header = Header::new(dtype, [self.rows, ROW], Order::C).unwrap().to_bytes();
        self.file.write_all_at(&self.header, 0).unwrap();
    }
}

impl Growing for HeaderFirst {
    fn rows(&self) -> usize {
        self.rows
    }
    fn append(&mut self, elements: &[u64]) -> Result<()> {
        let end = self.header.len() + self.rows * ROW * 8;
        self.rows += elements.len() / ROW;
        self.write_header();
        let bytes: Vec<u8> = elements.iter().flat_map(|element| element.to_le_bytes()).collect();
        for (place, page) in bytes.chunks(4096).enumerate() {
            self.file.write_all_at(page, (end + place * 4096) as u64).unwrap();
        }
        Ok(())
    }
    fn flush(&mut self) -> Result<()> {
        self.file.sync_data().unwrap();
        Ok(())
    }
    fn truncate(&mut self, rows: usize) -> Result<()> {
        self.rows = rows;
        self.write_header();
        self.file.set_len((self.header.len() + rows * ROW * 8) as u64).unwrap();
        Ok(())
    }
}

/// Child: grows in the wrong order.
pub(crate) fn header_first(path: &Path) {
    let (path, acknowledged) = begin(path);
    let file = File::create(&path).unwrap();
    let mut array = HeaderFirst { file, rows: 0, header: Vec::new() };
    array.write_header();
    array.file.sync_all().unwrap();
    File::open(path.parent().unwrap()).unwrap().sync_all().unwrap();
    write_out(&path);
    grow_on(array, &acknowledged);
}

// ---- the cuts -------------------------------------------------------------------------------------

/// A disk for images, with the image of a disk mounted from it.
fn disks() -> Option<(Disk, PathBuf)> {
    let mut disk = Disk::new();
    let outer = disk.scratch().join("outer");
    File::create(&outer).unwrap().set_len(512 << 20).unwrap();
    let outer = outer.to_str().unwrap();
    run("mkfs.xfs", &["-q", "-f", "-m", "reflink=1", outer]).map_err(skip).ok()?;
    disk.mount(&["-t", "xfs", "-o", "loop", outer])?;
    let images = disk.join("");
    disk.mount_ext4(&images.join("disk"), 64, "has_journal", "loop")?;
    Some((disk, images))
}

/// Cuts the power; says what is wrong with the disk that is left.
fn cut(disk: &mut Disk, images: &Path, told: &Path) -> Result<(), String> {
    let (rows, cuts) = acknowledged(told).unwrap();
    let (image, copy) = (images.join("disk"), images.join("copy"));
    let (image, copy) = (image.to_str().unwrap(), copy.to_str().unwrap());
    run("cp", &["--reflink=always", image, copy]).unwrap();
    // The array may have been cut meanwhile.
    let least = if acknowledged(told).unwrap().1 == cuts { rows } else { KEPT };
    disk.mount(&["-t", "ext4", "-o", "loop", copy]).expect("it was mounted before");
    let checked = check(&disk.join("a.npy"), least);
    disk.unmount();
    fs::remove_file(copy).unwrap();
    checked
}

fn check(path: &Path, acknowledged: usize) -> Result<(), String> {
    let said = |error: mmap_array::Error| error.to_string();
    let file = NpyFile::<u64>::open(path).map_err(said)?;
    check_rows(file.read().map_err(said)?.as_slice(), acknowledged)?;
    let mut recovered = NpyFile::<u64>::recover(path).map_err(said)?;
    let count = recovered.shape()[0];
    if recovered.shape() != file.shape() || recovered.uncommitted_tail().map_err(said)? > 0 {
        return Err(format!("{:?} recovered to {:?}", file.shape(), recovered.shape()));
    }
    recovered.append(&row(count, 7)).map_err(said)?;
    recovered.flush().map_err(said)?;
    let whole = mmap_array::load::<u64>(path).map_err(said)?;
    check_rows(&whole.as_slice()[..count * ROW], acknowledged)?;
    recovered.close().map_err(said)
}

/// All that is there is right: rows that are kept for ever, and behind them rows of one time.
fn check_rows(found: &[u64], acknowledged: usize) -> Result<(), String> {
    let count = found.len() / ROW;
    if count < acknowledged {
        return Err(format!("{count} rows, and {acknowledged} were acknowledged"));
    }
    let cuts = found.get(KEPT * ROW).map_or(0, |element| (element >> 32) as usize);
    for (index, found) in found.chunks_exact(ROW).enumerate() {
        let expected = row(index, if index < KEPT { 0 } else { cuts });
        if found != expected {
            return Err(format!("row {index} of {count} has {:x} and {:x}", found[0], found[511]));
        }
    }
    Ok(())
}

/// Cuts the power again and again while a child plays `role`, until `enough` is found wrong;
/// returns that.
fn cut_on_and_on(role: &str, cuts: usize, enough: usize) -> Option<Vec<String>> {
    let (mut disk, images) = disks()?;
    let told = disk.scratch().join("acknowledged");
    let mut wrong = Vec::new();
    let mut random = 7_u64;
    // A child does not live longer than some seconds.
    for first in (0..cuts).step_by(10) {
        let _ = fs::remove_file(&told);
        let child = start(role, &told);
        while acknowledged(&told).is_none() {
            thread::sleep(Duration::from_millis(1));
        }
        for _ in first..(first + 10).min(cuts) {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            if wrong.len() >= enough {
                return Some(wrong);
            }
            thread::sleep(Duration::from_micros((random >> 33) % 40_000));
            wrong.extend(cut(&mut disk, &images, &told).err());
        }
        child.kill();
    }
    Some(wrong)
}

fn cuts() -> usize {
    if all_cases() { 40 } else { 8 }
}

#[test]
fn after_a_power_cut_every_flushed_row_is_there_and_none_is_wrong() {
    let Some(wrong) = cut_on_and_on("grow_and_cut", cuts(), 1) else { return };
    assert_eq!(wrong, [""; 0]);
}

#[test]
fn after_a_power_cut_every_flushed_row_of_a_map_is_there_and_none_is_wrong() {
    let Some(wrong) = cut_on_and_on("grow_and_cut_mapped", cuts(), 1) else { return };
    assert_eq!(wrong, [""; 0]);
}

#[test]
fn a_writer_that_writes_the_header_first_is_found_out_by_a_power_cut() {
    let enough = if all_cases() { usize::MAX } else { 1 };
    let Some(wrong) = cut_on_and_on("header_first", 40, enough) else { return };
    println!("{} cuts showed it, as {:?}", wrong.len(), wrong.first());
    assert!(!wrong.is_empty(), "this harness finds nothing");
}
