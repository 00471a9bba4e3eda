//! Arrays larger than memory, as plain NumPy `.npy` files.
//!
//! ```
//! use mmap_array::{MmapArray, s};
//! # let folder = tempfile::tempdir()?;
//! # let path = folder.path().join("t2m.npy");
//!
//! // SAFETY: nobody else changes or shortens the file while it is mapped.
//! let mut t2m = unsafe { MmapArray::<f32>::create(&path, [365, 73, 144])? };
//! t2m.slice_mut(s![..31])?.fill(288.15);
//! t2m.close()?;
//!
//! // SAFETY: as above.
//! let t2m = unsafe { MmapArray::<f32>::open(&path)? };
//! let series = t2m.slice(s![..;7, 36, -1])?;
//! assert_eq!((series.len(), series[[4]], t2m[[31, 0, 0]]), (53, 288.15, 0.0));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The same file by position, without `unsafe`:
//!
//! ```
//! use mmap_array::{NpyFile, s};
//! # let folder = tempfile::tempdir()?;
//! # let path = folder.path().join("t2m.npy");
//!
//! let file = NpyFile::<f32>::create(&path, [365, 73, 144])?;
//! for window in file.row_blocks(31)? {
//!     let elements = vec![288.15; window.len()];
//!     file.write_window(window, &elements)?;
//! }
//! file.close()?;
//!
//! let file = NpyFile::<f32>::open(&path)?;
//! let january = file.read_window([0..31, 10..20, 0..144])?;
//! let series = file.read_slice(s![..;7, 36, -1])?;
//! assert_eq!((january.shape(), series.len()), (&[31, 10, 144][..], 53));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Which type do I want?
//!
//! | to | take |
//! |---|---|
//! | slice a file without a copy, compute in place | [`MmapArray`], [`MmapArrayMut`], [`MmapArrayCow`] |
//! | read or write parts of any file, never meet a signal, and write no `unsafe` | [`NpyFile`] |
//! | read or write a small file as a whole | [`load`], [`save`] |
//! | read many files as one array along an axis, and Dask's npy-stacks | [`Stack`] |
//! | share a mapped array among threads | [`SharedMmapArray`], its guards and regions, or disjoint parts of a [`ViewMut`] |
//! | write to one file from several processes | [`Lock::Cooperative`], and regions: see [concurrency] |
//! | choose order, locks, sparse files, overwriting, the moment of publishing, advice | [`OpenOptions`] |
//! | open or create an array without a header, inside a file of any kind | [`Raw`] |
//! | know what a file holds before choosing a type | [`Header::read`], [`DType`] |
//! | open a file whose element type is known only then | [`AnyFile`], [`AnyArray`], [`with_any!`] |
//! | name a part of an array | [`s!`], or ranges as a [`Window`] |
//! | go through an array block by block | `row_blocks` and `tiles`: [windows of a file](Tiles); `outer_blocks` and `tiles`: [parts of a view](ViewTiles) |
//! | read shuffled rows, or many windows at once | [`NpyFile::take`], [`NpyFile::read_windows`] |
//! | append to an array, and follow one that grows | [`NpyFile::append`], [`NpyFile::refresh`], [`NpyFile::recover`] |
//! | look at elements in memory another way, or change them | [`View`], [`ViewMut`] |
//! | hold what was read | [`Array`] |
//! | compute, as with NumPy | a [`View`] as ndarray's, with the feature `ndarray-0_17` |
//! | read NumPy's booleans, byte strings and voids | [`Bool`], [`Bytes`], [`Void`] |
//!
//! `MmapArray` and `NpyFile` have the same words. Both are the same file, with the same checks, the
//! same locks and the same promises about what is on the disk; [`MmapArray::file`] and
//! [`MmapArray::into_file`] lead from the one to the other.
//!
//! # Recipes
//!
//! Bring a big-endian or Fortran-ordered file into native byte order and C order, in bounded
//! memory:
//!
//! ```
//! use mmap_array::{NpyFile, OpenOptions, Publish, Result};
//!
//! fn to_native(from: &str, to: &str) -> Result<()> {
//!     let source = NpyFile::<f64>::open(from)?;
//!     let options = OpenOptions::new().publish(Publish::OnClose);
//!     let target = options.create_file::<f64>(to, source.shape())?;
//!     for window in target.row_blocks(64)? {
//!         target.write_window(&window, source.read_window(&window)?.as_slice())?;
//!     }
//!     target.close()
//! }
//! # let folder = tempfile::tempdir()?;
//! # let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
//! # let array = mmap_array::Array::from_vec([2, 3], vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0])?;
//! # mmap_array::save(path("a.npy"), array.view().transpose())?;
//! # to_native(&path("a.npy"), &path("b.npy"))?;
//! # assert_eq!(mmap_array::load::<f64>(path("b.npy"))?.as_slice(), [1.0, 4.0, 2.0, 5.0, 3.0, 6.0]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The mean of each column of a table of any length, with one buffer:
//!
//! ```
//! use mmap_array::{NpyFile, Result};
//!
//! fn column_means(file: &NpyFile<f32>) -> Result<Vec<f64>> {
//!     let [rows, columns] = [file.shape()[0], file.shape()[1]];
//!     let mut sums = vec![0.0; columns];
//!     let mut buffer = vec![0.0; 4096 * columns];
//!     // Whole rows, whatever the file's order; `row_blocks` of one in Fortran order are columns.
//!     for window in file.tiles([4096, columns.max(1)])? {
//!         let block = &mut buffer[..window.len()];
//!         file.read_window_into(window, block)?;
//!         for row in block.chunks_exact(columns) {
//!             sums.iter_mut().zip(row).for_each(|(sum, &value)| *sum += f64::from(value));
//!         }
//!     }
//!     Ok(sums.iter().map(|sum| sum / rows as f64).collect())
//! }
//! # let folder = tempfile::tempdir()?;
//! # let path = folder.path().join("a.npy");
//! # let table = (0..15_000).map(|element| (element % 3) as f32).collect();
//! # let table = mmap_array::Array::from_vec([5000, 3], table)?;
//! # for order in [mmap_array::Order::C, mmap_array::Order::Fortran] {
//! #     mmap_array::OpenOptions::new().order(order).overwrite(true).save(&path, &table)?;
//! #     let file = NpyFile::open(&path)?;
//! #     assert_eq!((file.order(), column_means(&file)?), (order, vec![0.0, 1.0, 2.0]));
//! # }
//! # mmap_array::OpenOptions::new().overwrite(true).create_file::<f32>(&path, [7, 0])?;
//! # assert!(column_means(&NpyFile::open(&path)?)?.is_empty());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Change a mapped array in place, on four threads that share no element:
//!
//! ```
//! use mmap_array::{MmapArrayMut, Result};
//!
//! fn to_celsius(array: &mut MmapArrayMut<f32>) -> Result<()> {
//!     let rows = array.shape()[0].div_ceil(4).max(1);
//!     std::thread::scope(|scope| {
//!         for (_, mut block) in array.view_mut().outer_blocks(rows)? {
//!             scope.spawn(move || block.map_inplace(|kelvin| *kelvin -= 273.15));
//!         }
//!         Ok(())
//!     })
//! }
//! # let folder = tempfile::tempdir()?;
//! # // SAFETY: nobody else knows of this file.
//! # let mut array = unsafe { mmap_array::MmapArray::create(folder.path().join("a.npy"), [600, 2])? };
//! # to_celsius(&mut array)?;
//! # assert!(array.iter().all(|&celsius| celsius == -273.15));
//! # // SAFETY: as above.
//! # to_celsius(&mut unsafe { mmap_array::MmapArray::create(folder.path().join("b.npy"), [0, 2])? })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Stream through a mapped array larger than memory, in blocks of 64 MiB: bring the next one in on
//! another thread while this one is worked on, and let go of what is done. That needs no
//! [`Advice`]: each page is asked for before it is touched.
//!
//! ```
//! use mmap_array::{Access, MmapArray, Result, Tiles};
//!
//! /// Blocks of whole rows along the slowest axis, whose stride is the longest.
//! fn blocks<A: Access>(array: &MmapArray<f32, A>) -> Result<Tiles> {
//!     let row = array.strides().iter().copied().max().unwrap_or(1).max(1) as usize;
//!     array.row_blocks(((64 << 20) / size_of::<f32>() / row).max(1))
//! }
//!
//! fn total(array: &MmapArray<f32>) -> Result<f64> {
//!     let mut sum = 0.0;
//!     let mut windows = blocks(array)?;
//!     let mut next = windows.next();
//!     while let Some(window) = next {
//!         next = windows.next();
//!         std::thread::scope(|scope| {
//!             let ahead = next.as_ref().map(|next| scope.spawn(move || array.prefetch(next)));
//!             let block = array.window(&window)?;
//!             sum = block.fold(sum, |sum, &element| sum + f64::from(element));
//!             array.evict(&window)?;
//!             ahead.map_or(Ok(()), |ahead| ahead.join().expect("no panic"))
//!         })?;
//!     }
//!     Ok(sum)
//! }
//! # let folder = tempfile::tempdir()?;
//! # let path = folder.path().join("a.npy");
//! # // 96 MiB of holes, in two blocks.
//! # use mmap_array::Order;
//! # for (order, shape) in [(Order::C, [3, 8 << 20]), (Order::Fortran, [8 << 20, 3])] {
//! #     let options = mmap_array::OpenOptions::new().order(order).overwrite(true);
//! #     let options = options.allocation(mmap_array::Allocation::Sparse);
//! #     let file = options.create_file::<f32>(&path, shape)?;
//! #     file.write_window([0..1, 0..1], &[1.5])?;
//! #     file.write_window([shape[0] - 1..shape[0], shape[1] - 1..shape[1]], &[2.5])?;
//! #     file.close()?;
//! #     // SAFETY: nobody else knows of this file.
//! #     let array = unsafe { MmapArray::open(&path)? };
//! #     assert_eq!((blocks(&array)?.len(), total(&array)?), (2, 4.0));
//! # }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Fill one that is larger than memory the same way: what a block has is on stable storage before
//! its pages go, and the next one finds room.
//!
//! ```
//! use mmap_array::{MmapArrayMut, Result};
//! # use mmap_array::Tiles;
//! # fn blocks(array: &MmapArrayMut<f32>) -> Result<Tiles> { array.row_blocks(1024) }
//!
//! fn fill(array: &mut MmapArrayMut<f32>) -> Result<()> {
//!     for window in blocks(array)? { // as above
//!         array.window_mut(&window)?.fill(288.15);
//!         array.flush_window(&window)?;
//!         array.evict(&window)?;
//!     }
//!     Ok(())
//! }
//! # let folder = tempfile::tempdir()?;
//! # // SAFETY: nobody else knows of this file.
//! # let mut array = unsafe { mmap_array::MmapArray::create(folder.path().join("a.npy"), [3000, 2])? };
//! # fill(&mut array)?;
//! # assert!(array.iter().all(|&kelvin| kelvin == 288.15));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Append to an array, and follow it from elsewhere. Rows are there for others, and after a power
//! cut, when they are flushed. (The lock of a mapped reader keeps writers out, so followers read by
//! position, or ask for [`Lock::Off`]: growing breaks nothing of a mapping's contract.)
//!
//! ```
//! use mmap_array::NpyFile;
//! # let folder = tempfile::tempdir()?;
//! # let path = folder.path().join("log.npy");
//!
//! let mut log = NpyFile::<f32>::create(&path, [0, 3])?;
//! let mut reader = NpyFile::<f32>::open(&path)?; // in another process, say
//! for hour in 0..24 {
//!     log.append(&[hour as f32; 3])?;
//!     assert!(!reader.refresh()?); // nothing new so far
//!     log.flush()?;
//!     assert!(reader.refresh()?);
//!     let row = reader.read_slice(mmap_array::s![-1])?;
//!     assert_eq!((reader.shape()[0], row[[2]]), (hour + 1, hour as f32));
//! }
//! log.close()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Four threads fill one file, each its own rows:
//!
//! ```
//! use mmap_array::{NpyFile, Result};
//!
//! fn fill(file: &NpyFile<u32, mmap_array::ReadWrite>) -> Result<()> {
//!     let blocks: Vec<_> = file.row_blocks(file.shape()[0].div_ceil(4).max(1))?.collect();
//!     std::thread::scope(|scope| {
//!         let threads: Vec<_> = blocks
//!             .iter()
//!             .map(|block| {
//!                 let value = block.start()[0] as u32;
//!                 scope.spawn(move || file.write_window(block, &vec![value; block.len()]))
//!             })
//!             .collect();
//!         threads.into_iter().try_for_each(|thread| thread.join().expect("no panic"))
//!     })
//! }
//! # let folder = tempfile::tempdir()?;
//! # let file = NpyFile::<u32>::create(folder.path().join("a.npy"), [8, 2])?;
//! # fill(&file)?;
//! # assert_eq!(file.read()?.as_slice()[2..6], [0, 0, 2, 2]);
//! # fill(&NpyFile::<u32>::create(folder.path().join("b.npy"), [0, 2])?)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A file per year, as one array: read across the years, and go through all of them in bounded
//! memory and with few open files:
//!
//! ```
//! use mmap_array::{Result, Stack, s};
//!
//! fn hottest(paths: &[String]) -> Result<f32> {
//!     let days = Stack::<f32>::open(paths, 0)?;
//!     let mut hottest = f32::NEG_INFINITY;
//!     for window in days.row_blocks(31)? {
//!         hottest = days.read_window(window)?.iter().copied().fold(hottest, f32::max);
//!     }
//!     let once_a_year = days.read_slice(s![..;-365, 0])?; // from the last day back
//!     assert!(once_a_year.iter().all(|&day| day <= hottest));
//!     Ok(hottest)
//! }
//! # let folder = tempfile::tempdir()?;
//! # let path = |year| folder.path().join(format!("{year}.npy")).to_str().unwrap().to_owned();
//! # let paths = [path(1999), path(2000)];
//! # for path in &paths {
//! #     let year = mmap_array::Array::from_vec([366, 2], (0..732).map(|k| k as f32).collect())?;
//! #     mmap_array::save(path, &year)?;
//! # }
//! # assert_eq!(hottest(&paths)?, 731.0);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What is promised
//!
//! 1. No safe call causes undefined behaviour. The functions that map a file are `unsafe`, with
//!    [one contract](MmapArray#safety), which is the caller's whole part. No file makes opening
//!    panic, hang, or allocate by a number that the file claims.
//! 2. Through [`NpyFile`], a file that is cut short, a full disk and an I/O error are an [`Err`],
//!    never a signal (but for `SIGXFSZ`, where a process may not write files of that size and does
//!    not ignore it). Through a mapping they can be [a signal](MmapArray#signals).
//! 3. Creating reserves the space, and is all or nothing: after `Ok` no write and no store fails for
//!    lack of space; after `Err` nothing is there. [`Allocation::Sparse`] is for arrays larger than the
//!    disk.
//! 4. When [`flush`](NpyFile::flush) returns `Ok`, the data is on stable storage. A failed flush
//!    stays failed.
//! 5. NumPy opens every file made here, and every file of a supported element type that NumPy
//!    writes opens here. [`save`] writes the same bytes as `np.save`.
//! 6. Two writers of one file, or a writer and a mapped reader, are refused at once, unless the
//!    writers ask for [`Lock::Cooperative`].
//! 7. Memory stays bounded by the windows that are asked for, whatever the size of the array. What
//!    is mapped is the system's to keep or let go.
//! 8. An array that [grows](NpyFile::append) keeps the rows that a flush has committed: a crash at
//!    any instant leaves those, or those that were being committed as well, and never wrong ones.
//!    No reader of this crate sees a part of a header.
//!
//! # Quirks
//!
//! 1. Elements come and go in row-major order of the window, whatever the file's order.
//! 2. A negative step in [`s!`] runs through the same range backwards, as in ndarray, not from
//!    its start, as in NumPy. A range outside its axis is an error, where NumPy cuts it.
//! 3. Nothing is broadcast: what is written has the shape of where it goes.
//! 4. A zero length along one axis excuses no overflow in the others, as in NumPy.
//! 5. Bytes behind the data are accepted and left alone.
//! 6. A header may have up to 1 MiB here; NumPy itself stops at 10,000 characters.
//! 7. Locks order handles of this crate, and other programs that use `flock`; nothing keeps
//!    another program from writing to the file. [Concurrency](concurrency) has all of it in a table.
//! 8. A copy-on-write array is no snapshot: what it has not written shows the file.
//! 9. A store through a view dirties the whole page, or group of pages up to 2 MiB: write small pieces
//!    with `write_window`, which on Linux goes by position.
//! 10. `iter().sum::<f32>()` adds in `f32`, one after the other: 2^25 ones make 16777216, where NumPy,
//!     which adds in pairs, has all of them. Fold into an `f64`.
//! 11. A handle that appended rows and is dropped, not closed, leaves them behind the array as a
//!     [tail](NpyFile::uncommitted_tail): opening goes on without them, growing is refused until
//!     [`NpyFile::recover`] cuts them off or adopts them.

#![cfg_attr(docsrs, feature(doc_cfg))]
#![doc(test(attr(deny(warnings))))]

mod access;
mod any;
mod array;
mod batch;
pub mod concurrency;
mod dims;
mod doors;
mod element;
mod error;
mod file;
mod interop;
mod layout;
mod npy;
mod options;
mod raw;
mod shared;
mod slice;
mod stack;
mod storage;
mod transfer;
mod view;
mod window;

pub use bytemuck;

pub use access::{Access, CopyOnWrite, Evictable, ReadOnly, ReadWrite, Writable};
pub use any::{AnyArray, AnyFile};
pub use array::{MmapArray, MmapArrayCow, MmapArrayMut};
pub use doors::{load, save};
pub use element::{Bool, Bytes, Element, Void};
pub use error::{Error, Result};
pub use file::{FileRegion, FileRegionMut, NpyFile, Tail};
#[cfg(feature = "ndarray-0_17")]
#[cfg_attr(docsrs, doc(cfg(feature = "ndarray-0_17")))]
pub use interop::ndarray_0_17;
pub use layout::Order;
pub use npy::{ByteOrder, DType, Field, Header, Kind, TimeUnit};
pub use options::OpenOptions;
pub use raw::Raw;
pub use shared::{ReadGuard, RegionReadGuard, RegionWriteGuard, SharedMmapArray, WriteGuard};
#[doc(hidden)]
pub use slice::slice_items;
pub use slice::{NewAxis, SliceItem};
pub use stack::{Stack, StackBlocks, StackInfo, StackOptions, StackParts, save_npy_stack};
pub use storage::{Advice, Allocation, Lock, LockState, Publish};
pub use view::{
    Array, Iter, IterMut, Lanes, LanesMut, OuterIter, OuterIterMut, View, ViewMut, ViewTiles,
    ViewTilesMut,
};
pub use window::{Tiles, Window};

// The README's programs are tests too.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
