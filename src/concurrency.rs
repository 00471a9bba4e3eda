//! Many readers, many writers: which of lock, guard, region and refresh is for which case.
//!
//! This page has no items; it says in one place what the documentation of [`Lock`], [`SharedMmapArray`],
//! [`NpyFile`] and [`ViewMut`] says in many.
//!
//! # Which do I want?
//!
//! | who | does what | take | waits |
//! |---|---|---|---|
//! | threads | only read | one [`MmapArray`] or [`NpyFile`], by reference or in an [`Arc`] | never |
//! | threads | write parts that are known beforehand | [`view_mut().tiles(..)`][tiles], `split_at`, `outer_blocks`, `lanes`: parts that share no element | never |
//! | threads | read or write parts that nobody knows beforehand | [regions](#threads) of a [`SharedMmapArray`] | for boxes that overlap |
//! | threads | need the whole array as it was at one instant | the guards [`read`] and [`write`] | for each other, and for regions in the way |
//! | threads | write windows from buffers, without a mapping | one `NpyFile` by reference: windows that do not overlap, or its [regions](#processes) | never, or for boxes that overlap |
//! | processes | one writes, others read when it has closed the file | nothing: [`Lock::Exclusive`] is the default | never; who comes too early is refused |
//! | processes | one appends rows, others follow | [`append`] and [`flush`] there, [`refresh`] here | never |
//! | processes | write windows that are agreed on beforehand | [`Lock::Cooperative`] and [`NpyFile`] | never |
//! | processes | read and write windows that nobody knows beforehand | [`Lock::Cooperative`] and [regions](#processes), of an `NpyFile` or a `SharedMmapArray` | for boxes that overlap |
//! | processes | only read, while others write in regions | [`NpyFile::open`](crate::NpyFile::open) and [`read_region`](crate::NpyFile::read_region): no permission to write is needed | for boxes that overlap |
//! | machines | write | a file for each, read as one by a [`Stack`](crate::Stack) | never |
//!
//! # What is promised
//!
//! | between | by | promise | and not |
//! |---|---|---|---|
//! | handles of one file | [`Lock::Exclusive`] | a second writer, and a mapped reader beside a writer, is refused at once: [`AlreadyOpen`](crate::Error::AlreadyOpen) | readers by position take no lock, and may see half of a window that is being written |
//! | handles of one file | [`Lock::Cooperative`] | several writers come in, and keep out who wants to be alone; the length stays | it keeps no windows apart: that is what regions are for; nor does it refuse a mapped reader, whose contract they would break |
//! | threads | guards of the whole | a reader sees all of what a writer did under one guard, or nothing | nothing is rolled back after a panic; other processes are not kept out |
//! | threads | regions | as guards, for the elements of the box; boxes that share no element never wait for each other; first come, first served | two regions are not taken as one: who holds one and waits for another may wait for ever |
//! | processes | regions | no two processes have a box that overlaps, unless both read; nobody starves; a process that ends, however it ends, has none any more | who came first need not go first; of a box of [more than 256 runs](#large-boxes) more is locked than the box; what a process that ended left half done stays; nothing keeps out a program that does not ask |
//! | a writer and its followers | [`flush`] and [`refresh`] | a follower sees all rows of a flush, or none; so does whoever opens the file after a power cut | rows that are not flushed, and elements that are overwritten |
//! | this machine and others | | | nothing: over a network file system a mapping may show what is long gone, so regions between processes are refused there by name |
//!
//! A thread that holds a guard or a region and *waits* for another of the same array, with `flush` or
//! `close` of the whole as well, may wait for ever, and nothing notices. For two places: take the
//! first, try the second (`try_write_region`), and where that is `None` give the first back and begin
//! again.
//!
//! Nothing here makes data durable but a flush, and no lock is a flush: who is given a region after
//! somebody else sees what that one wrote, and a power cut may take it away from both.
//!
//! # Threads
//!
//! Regions lock boxes of one array, of any shape: tiles that lie side by side in each row of the file
//! are as far apart as blocks of rows.
//!
//! ```
//! use mmap_array::{MmapArray, Result, SharedMmapArray};
//!
//! /// Adds what a radar saw to the map, wherever that was.
//! fn add(map: &SharedMmapArray<f32>, [row, column]: [usize; 2], seen: &[[f32; 8]; 8]) -> Result<()> {
//!     let mut region = map.write_region([row..row + 8, column..column + 8])?;
//!     for (mut line, seen) in region.view_mut().outer_iter().zip(seen) {
//!         line.iter_mut().zip(seen).for_each(|(cell, seen)| *cell += seen);
//!     }
//!     Ok(())
//! }
//! # let folder = tempfile::tempdir()?;
//! # let path = folder.path().join("map.npy");
//!
//! // SAFETY: nobody else knows of this file.
//! let map = unsafe { MmapArray::<f32>::create(&path, [64, 64])? }.into_shared();
//! std::thread::scope(|scope| {
//!     for antenna in 0..4 {
//!         let map = map.clone();
//!         scope.spawn(move || add(&map, [4 * antenna, 10], &[[1.0; 8]; 8]).unwrap());
//!     }
//! });
//! let total = map.read().view().fold(0.0, |sum, cell| sum + cell);
//! assert_eq!((total, map.read()[[4, 10]]), (256.0, 2.0));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Processes
//!
//! Each process opens the file with [`Lock::Cooperative`] and touches its elements in regions alone;
//! the regions of its threads and those of other processes then exclude each other. By position
//! ([`NpyFile::write_region`](crate::NpyFile::write_region)) that takes no `unsafe`, and who only
//! reads needs no permission to write; a mapped array lends its regions as views. Any one of them
//! creates the file, with `Lock::Cooperative` too; the others find it
//! [there](crate::Error::AlreadyExists) and open it.
//!
//! The kernel gives the locks of a process back when it ends, however it ends. What it left half done
//! stays, and nobody is told: mark what is done, as the example `workers` does.
//!
//! ```
//! use mmap_array::{Lock, NpyFile, OpenOptions, Result, SharedMmapArray};
//! # let folder = tempfile::tempdir()?;
//! # let path = folder.path().join("field.npy");
//!
//! fn open(path: &std::path::Path) -> Result<SharedMmapArray<f64>> {
//!     let options = OpenOptions::new().lock(Lock::Cooperative);
//!     // SAFETY: nobody shortens the file, and all who open it touch its elements in regions alone.
//!     Ok(unsafe { options.open_mut(path)? }.into_shared())
//! }
//!
//! NpyFile::<f64>::create(&path, [100, 100])?.close()?;
//! // In one process, and in another.
//! let (ours, theirs) = (open(&path)?, open(&path)?);
//! let reader = NpyFile::<f64>::open(&path)?; // and in a third
//! # if cfg!(all(target_os = "linux", target_pointer_width = "64")) {
//! let mut tile = ours.write_region([0..50, 0..50])?;
//! assert!(theirs.try_write_region([0..50, 50..100])?.is_some()); // beside it
//! assert!(theirs.try_read_region([49..51, 49..51])?.is_none()); // a corner of it
//! tile.view_mut().fill(1.5);
//! drop(tile);
//! assert_eq!(theirs.read_region([49..51, 49..51])?.view().to_vec(), [1.5, 0.0, 0.0, 0.0]);
//! assert_eq!(reader.read_region([49..51, 49..50])?.read()?.as_slice(), [1.5, 0.0]);
//! # }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Large boxes
//!
//! Under the hood the bytes of a box are locked in the file, one range for each of its runs. The kernel
//! is slow with many of them, so a box of more than 256 runs locks what lies between as well: of a
//! matrix in C order, a tile of more than 256 rows that are not whole locks everything from its first
//! to its last element, for other handles and for other threads. Tiles of up to 256 rows, and whole
//! rows in any number, never wait for their neighbours.
//!
//! # Programs in other languages
//!
//! They take part where they lock the bytes that they touch, for each row of a window one range from
//! the header's end on, with locks of open file descriptions. In Python:
//!
//! ```python
//! import fcntl, os, struct
//! import numpy as np
//!
//! array = np.load(path, mmap_mode="r+")
//! file = os.open(path, os.O_RDWR)
//! start, length = array.offset + i * array.strides[0], array.strides[0]  # row i
//! lock = lambda kind: struct.pack("hhqqi4x", kind, os.SEEK_SET, start, length, 0)
//! fcntl.fcntl(file, fcntl.F_OFD_SETLKW, lock(fcntl.F_WRLCK))
//! array[i] += 1
//! fcntl.fcntl(file, fcntl.F_OFD_SETLK, lock(fcntl.F_UNLCK))
//! ```
//!
//! Not with `fcntl.lockf`: all those locks of a process are gone as soon as it closes any descriptor of
//! the file, which `np.load` does.
//!
//! # Where it works
//!
//! Regions between processes need 64-bit Linux and a local file system. NFS, SMB, FUSE and the like,
//! Windows and other systems are refused by name, with
//! [`NoRegionLocks`](crate::Error::NoRegionLocks): there, let one process write, or give each process a
//! file of its own.
//!
//! `cargo run --release --example workers` shows four processes at work, one of which dies.
//!
//! [`Lock`]: crate::Lock
//! [`Lock::Exclusive`]: crate::Lock::Exclusive
//! [`Lock::Cooperative`]: crate::Lock::Cooperative
//! [`SharedMmapArray`]: crate::SharedMmapArray
//! [`MmapArray`]: crate::MmapArray
//! [`NpyFile`]: crate::NpyFile
//! [`ViewMut`]: crate::ViewMut
//! [`Arc`]: std::sync::Arc
//! [tiles]: crate::ViewMut::tiles
//! [`read`]: crate::SharedMmapArray::read
//! [`write`]: crate::SharedMmapArray::write
//! [`append`]: crate::NpyFile::append
//! [`flush`]: crate::NpyFile::flush
//! [`refresh`]: crate::NpyFile::refresh
