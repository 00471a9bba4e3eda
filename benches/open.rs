//! What opening costs: `NpyFile::open` and `open_mut` of a small file that is in the page cache.
//!
//! The limit is the system calls that the work needs, made bare: open, ask for type and length,
//! read the first bytes, close; for `open_mut` also lock, and ask the path which file it names.
//! `Header::parse` alone is shown beside them. The last column is our time divided by the limit's,
//! and should be at most 1.3.
//!
//! `cargo bench --bench open`

mod ratio;

use std::hint::black_box;

use mmap_array::{Header, NpyFile};
use ratio::Ratios;

fn main() {
    let mut ratios = Ratios::new();
    let folder = tempfile::tempdir().expect("a folder for files that go away");
    let path = folder.path().join("wind.npy");
    let shape = [365, 73, 144];
    NpyFile::<f32>::create(&path, shape).and_then(|file| file.close()).expect("a new file");
    assert_eq!(NpyFile::<f32>::open(&path).expect("an array").shape(), shape);
    let bytes = std::fs::read(&path).expect("a file")[..128].to_vec();

    ratios.compare(
        "open",
        "<= 1.3",
        &mut [
            ("NpyFile::open", &mut || drop(black_box(NpyFile::<f32>::open(&path).unwrap()))),
            ("openat fstat pread close", &mut || bare::open(&path)),
        ],
    );
    ratios.compare(
        "open_mut",
        "<= 1.3",
        &mut [
            ("NpyFile::open_mut", &mut || {
                drop(black_box(NpyFile::<f32>::open_mut(&path).unwrap()))
            }),
            ("the same, flock and stat", &mut || bare::open_mut(&path)),
        ],
    );
    ratios.compare(
        "parse",
        "a part of the open below",
        &mut [
            ("Header::parse", &mut || drop(black_box(Header::parse(black_box(&bytes)).unwrap()))),
            ("NpyFile::open whole", &mut || drop(black_box(NpyFile::<f32>::open(&path).unwrap()))),
        ],
    );
    ratios.finish();
}

#[cfg(unix)]
mod bare {
    use std::fs::File;
    use std::path::Path;

    use rustix::fs::{FlockOperation, Mode, OFlags};

    pub(crate) fn open(path: &Path) {
        look(&File::from(rustix::fs::open(path, FLAGS, Mode::empty()).unwrap()));
    }

    pub(crate) fn open_mut(path: &Path) {
        let flags = FLAGS | OFlags::RDWR;
        let file = File::from(rustix::fs::open(path, flags, Mode::empty()).unwrap());
        rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive).unwrap();
        std::hint::black_box(rustix::fs::stat(path).unwrap());
        look(&file);
    }

    const FLAGS: OFlags = OFlags::CLOEXEC.union(OFlags::NONBLOCK).union(OFlags::NOCTTY);

    fn look(file: &File) {
        let mut first = [0; 128];
        std::hint::black_box(rustix::fs::fstat(file).unwrap());
        assert_eq!(rustix::io::pread(file, &mut first, 0).unwrap(), first.len());
        std::hint::black_box(first);
    }
}

/// What std has for it.
#[cfg(not(unix))]
mod bare {
    use std::fs::File;
    use std::io::Read;
    use std::path::Path;

    pub(crate) fn open(path: &Path) {
        look(File::open(path).unwrap());
    }

    pub(crate) fn open_mut(path: &Path) {
        let file = File::options().read(true).write(true).open(path).unwrap();
        file.try_lock().unwrap();
        std::hint::black_box(std::fs::metadata(path).unwrap());
        look(file);
    }

    fn look(mut file: File) {
        let mut first = [0; 128];
        std::hint::black_box(file.metadata().unwrap());
        file.read_exact(&mut first).unwrap();
        std::hint::black_box(first);
    }
}
