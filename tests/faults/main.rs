//! Real faults: files cut short under us, full and failing disks, killed processes, rivals for one
//! file, paths that are no files. What `NpyFile` and `MmapArray` promise must hold on
//! a real Linux.
//!
//! Some tests need root (`mount`), `mkfs.ext4`, `strace`, `bindfs` or `python3`; where something is
//! missing they print `skipped:` with the reason. Mounts, files and processes go away with the value that made them.

#![cfg(target_os = "linux")]
// A window of one axis is `[0..3]`.
#![allow(clippy::single_range_in_vec_init)]

mod batch;
mod child;
mod create;
mod device;
mod full;
mod ground;
mod growth;
mod huge;
mod inject;
mod kill;
mod lab;
mod limits;
mod mapped;
mod regions;
mod shrink;
mod special;
mod tools;
mod writers;
