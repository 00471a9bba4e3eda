//! Small disks of our own, to fill, to break and to cut short.

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::tools::{run, skip};

/// File systems mounted in a scratch folder; unmounted, last one first, when dropped. A loop
/// device goes with its mount.
pub(crate) struct Disk {
    mounts: Vec<PathBuf>,
    scratch: TempDir,
}

impl Disk {
    /// A scratch folder with nothing mounted yet.
    pub(crate) fn new() -> Disk {
        Disk { mounts: Vec::new(), scratch: tempfile::tempdir().unwrap() }
    }

    /// The scratch folder, which is on no disk of ours.
    pub(crate) fn scratch(&self) -> &Path {
        self.scratch.path()
    }

    /// A path on the disk that was mounted last.
    pub(crate) fn join(&self, name: &str) -> PathBuf {
        self.mounts.last().unwrap().join(name)
    }

    /// Mounts something; says why where that is not possible here.
    pub(crate) fn mount(&mut self, args: &[&str]) -> Option<()> {
        self.mount_by("mount", args)
    }

    /// The same by another program, which is told the place last, too.
    pub(crate) fn mount_by(&mut self, program: &str, args: &[&str]) -> Option<()> {
        let at = self.scratch.path().join(format!("mount{}", self.mounts.len()));
        fs::create_dir_all(&at).unwrap();
        let mut all = args.to_vec();
        all.push(at.to_str().unwrap());
        run(program, &all).map_err(skip).ok()?;
        self.mounts.push(at);
        Some(())
    }

    /// Makes an ext4 file system in a file and mounts it.
    pub(crate) fn mount_ext4(
        &mut self,
        image: &Path,
        mib: u64,
        features: &str,
        options: &str,
    ) -> Option<()> {
        File::create(image).unwrap().set_len(mib << 20).unwrap();
        let image = image.to_str().unwrap();
        run("mkfs.ext4", &["-q", "-F", "-b", "4096", "-m", "0", "-O", features, image])
            .map_err(skip)
            .ok()?;
        self.mount(&["-t", "ext4", "-o", options, image])
    }

    /// Unmounts what was mounted last.
    pub(crate) fn unmount(&mut self) {
        let Some(at) = self.mounts.pop() else { return };
        let at = at.to_str().unwrap();
        if run("umount", &[at]).is_err() {
            let _ = run("umount", &["-l", at]);
        }
    }

    /// Bytes that are free on the disk that was mounted last.
    pub(crate) fn free(&self) -> u64 {
        let disk = rustix::fs::statvfs(self.mounts.last().unwrap()).unwrap();
        disk.f_bfree * disk.f_frsize
    }

    /// Writes a file until nothing more fits on the disk that was mounted last.
    pub(crate) fn fill(&self) {
        fill(&self.join("fill"));
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        while !self.mounts.is_empty() {
            self.unmount();
        }
    }
}

/// A disk in memory.
pub(crate) fn tmpfs(options: &str) -> Option<Disk> {
    let mut disk = Disk::new();
    disk.mount(&["-t", "tmpfs", "-o", options, "tmpfs"])?;
    Some(disk)
}

/// A disk of its own in a file, without a journal so that small ones have room.
pub(crate) fn ext4(mib: u64) -> Option<Disk> {
    let mut disk = Disk::new();
    let image = disk.scratch().join("image");
    disk.mount_ext4(&image, mib, "^has_journal", "loop")?;
    Some(disk)
}

/// Writes `path` until its disk is full, down to the last block.
pub(crate) fn fill(path: &Path) {
    let mut file = File::create(path).unwrap();
    for len in [1 << 20, 64 << 10, 4 << 10, 512] {
        let block = vec![0xee; len];
        let error = std::iter::from_fn(|| Some(file.write_all(&block))).find_map(Result::err);
        assert_eq!(error.unwrap().kind(), ErrorKind::StorageFull);
    }
    file.sync_all().unwrap();
}
