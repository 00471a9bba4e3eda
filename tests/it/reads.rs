//! What windows cost: reads, writes and bytes, as the kernel counts them for this thread.

use std::cell::RefCell;
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::FileExt;

use mmap_array::{Allocation, NpyFile, OpenOptions, Order, ReadWrite, View, s};

use crate::common::folder;

/// System calls that read and that write, and the bytes that each moved.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Cost {
    reads: u64,
    bytes_read: u64,
    writes: u64,
    bytes_written: u64,
}

/// The counters so far, with what looking at them costs from now on.
fn counters() -> Option<(Cost, Cost)> {
    let mut text = [0; 512];
    let mut file = File::open("/proc/thread-self/io").ok()?;
    let len = file.read(&mut text).ok()?;
    let text = str::from_utf8(&text[..len]).ok()?;
    let number = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim().parse().ok()
    };
    let cost = Cost {
        reads: number("syscr:")?,
        bytes_read: number("rchar:")?,
        writes: number("syscw:")?,
        bytes_written: number("wchar:")?,
    };
    Some((cost, Cost { reads: 1, bytes_read: len as u64, ..Cost::default() }))
}

/// What `call` costs, or `None` where the kernel does not count. The least of three times: glibc's
/// allocator reads a setting of the system when it first gives memory back.
fn cost(mut call: impl FnMut()) -> Option<Cost> {
    let once = |_| {
        let (before, looking) = counters()?;
        call();
        let (after, _) = counters()?;
        Some(Cost {
            reads: after.reads - before.reads - looking.reads,
            bytes_read: after.bytes_read - before.bytes_read - looking.bytes_read,
            writes: after.writes - before.writes - looking.writes,
            bytes_written: after.bytes_written - before.bytes_written - looking.bytes_written,
        })
    };
    let costs: Option<Vec<Cost>> = (0..3).map(once).collect();
    costs?.into_iter().min_by_key(|cost| (cost.reads, cost.writes))
}

/// Does the kernel count, and rightly? Two known calls say so.
fn counts() -> bool {
    let folder = folder();
    let path = folder.path().join("a");
    let file = File::options().read(true).write(true).create_new(true).open(path).unwrap();
    let known = cost(|| {
        file.write_all_at(&[1; 10], 0).unwrap();
        file.read_exact_at(&mut [0; 7], 0).unwrap();
    });
    let expected = Cost { reads: 1, bytes_read: 7, writes: 1, bytes_written: 10 };
    if known != Some(expected) {
        println!("nothing to do: this kernel does not count system calls ({known:?})");
    }
    known == Some(expected)
}

/// A new sparse array of doubles, and how many reads and bytes a call on it costs.
struct Counted {
    _folder: tempfile::TempDir,
    file: NpyFile<f64, ReadWrite>,
}

impl Counted {
    fn new(shape: &[usize], order: Order) -> Counted {
        let folder = folder();
        let options = OpenOptions::new().order(order).allocation(Allocation::Sparse);
        let file = options.create_file(folder.path().join("a.npy"), shape).unwrap();
        Counted { _folder: folder, file }
    }

    /// Calls `call`, which must only read, `reads` times, and at most `len` elements.
    #[track_caller]
    fn reads(&self, reads: u64, len: usize, call: impl Fn(&NpyFile<f64, ReadWrite>)) {
        let cost = cost(|| call(&self.file)).unwrap();
        assert_eq!((cost.reads, cost.writes), (reads, 0), "{cost:?}");
        assert!(cost.bytes_read <= 8 * len as u64, "{cost:?}, {} expected", 8 * len);
    }

    /// Calls `call`, which must only write, `writes` times, and exactly `len` elements.
    #[track_caller]
    fn writes(&self, writes: u64, len: usize, call: impl Fn(&NpyFile<f64, ReadWrite>)) {
        let cost = cost(|| call(&self.file)).unwrap();
        assert_eq!((cost.writes, cost.reads), (writes, 0), "{cost:?}");
        assert_eq!(cost.bytes_written, 8 * len as u64, "{cost:?}");
    }
}

#[test]
fn a_whole_c_order_file_is_one_read_and_one_write() {
    if !counts() {
        return;
    }
    let array = Counted::new(&[500, 40, 30], Order::C);
    array.reads(1, 600_000, |file| drop(file.read().unwrap()));
    let elements = vec![0.0; 600_000];
    let out = RefCell::new(vec![0.0; 600_000]);
    array.reads(1, 600_000, |file| {
        file.read_window_into([0..500, 0..40, 0..30], &mut out.borrow_mut()).unwrap();
    });
    array.writes(1, 600_000, |file| {
        file.write_window([0..500, 0..40, 0..30], &elements).unwrap();
    });
    // Rows that follow each other are one run, and so is a part of one row.
    array.reads(1, 30 * 1200, |file| drop(file.read_window([7..37, 0..40, 0..30]).unwrap()));
    array.reads(1, 300, |file| drop(file.read_slice(s![7, 20..30]).unwrap()));
    array.writes(1, 300, |file| file.write_window([7..8, 20..30, 0..30], &[1.0; 300]).unwrap());
}

#[test]
fn an_empty_window_costs_nothing() {
    if !counts() {
        return;
    }
    let array = Counted::new(&[50, 40], Order::C);
    array.reads(0, 0, |file| drop(file.read_window([3..3, 0..40]).unwrap()));
    array.writes(0, 0, |file| file.write_window([3..40, 5..5], &[]).unwrap());
}

#[test]
fn opening_reads_the_header_and_no_data() {
    if !counts() {
        return;
    }
    let folder = folder();
    let path = folder.path().join("a.npy");
    NpyFile::<f64>::create(&path, [1000, 1000]).unwrap().close().unwrap();
    let small = folder.path().join("small.npy");
    NpyFile::<f64>::create(&small, [5]).unwrap().close().unwrap();
    for path in [path, small] {
        let cost = cost(|| drop(NpyFile::<f64>::open(&path).unwrap())).unwrap();
        assert_eq!((cost.reads, cost.writes), (1, 0), "{path:?} {cost:?}");
        assert!(cost.bytes_read <= 1024, "{cost:?}");
    }
}

#[test]
fn sixty_four_rows_of_a_wide_array_are_sixty_four_reads_or_writes() {
    if !counts() {
        return;
    }
    let array = Counted::new(&[100, 8192], Order::C);
    array.reads(64, 64 * 100, |file| drop(file.read_window([10..74, 50..150]).unwrap()));
    array.reads(64, 64 * 100, |file| drop(file.read_slice(s![10..74;-1, 50..150]).unwrap()));
    array.writes(64, 64 * 100, |file| {
        file.write_window([10..74, 50..150], &[1.0; 6400]).unwrap();
    });
    // Long runs are read one by one, however small the gap is between them.
    let array = Counted::new(&[20, 10_000], Order::C);
    array.reads(20, 20 * 9_999, |file| drop(file.read_slice(s![.., 1..]).unwrap()));
}

#[test]
fn gaps_of_up_to_4_kib_are_read_through_and_never_written() {
    if !counts() {
        return;
    }
    // 8 of 520 columns: gaps of 512 elements of 8 bytes.
    let array = Counted::new(&[100, 520], Order::C);
    array.reads(1, 99 * 520 + 8, |file| drop(file.read_slice(s![.., ..8]).unwrap()));
    array.writes(100, 800, |file| file.write_window([0..100, 0..8], &[1.0; 800]).unwrap());
    let array = Counted::new(&[100, 521], Order::C);
    array.reads(100, 800, |file| drop(file.read_slice(s![.., ..8]).unwrap()));
}

#[test]
fn a_fortran_window_is_one_read_or_write_a_column() {
    if !counts() {
        return;
    }
    let array = Counted::new(&[9000, 200], Order::Fortran);
    array.reads(100, 100 * 100, |file| drop(file.read_window([50..150, 20..120]).unwrap()));
    array.writes(100, 100 * 100, |file| {
        file.write_window([50..150, 20..120], &[1.0; 10_000]).unwrap();
    });
    array.reads(1, 9000, |file| drop(file.read_slice(s![.., 7]).unwrap()));
    // A row of it: single elements, far apart.
    array.reads(200, 200, |file| drop(file.read_slice(s![7]).unwrap()));
}

#[test]
fn a_whole_fortran_file_passes_through_buffers_of_1_mib() {
    if !counts() {
        return;
    }
    let array = Counted::new(&[300, 200], Order::Fortran);
    let elements = vec![1.0; 630_000];
    array.reads(1, 60_000, |file| drop(file.read().unwrap()));
    array.writes(1, 60_000, |file| {
        file.write_window([0..300, 0..200], &elements[..60_000]).unwrap();
    });
    // 5.04 MB.
    let array = Counted::new(&[700, 900], Order::Fortran);
    array.reads(5, 630_000, |file| drop(file.read().unwrap()));
    array.writes(5, 630_000, |file| file.write_window([0..700, 0..900], &elements).unwrap());
    // Columns longer than 64 KiB are cut, so that the buffer holds several of them.
    let array = Counted::new(&[10_000, 63], Order::Fortran);
    array.reads(63 * 2, 630_000, |file| drop(file.read().unwrap()));
    let array = Counted::new(&[8400, 20], Order::Fortran);
    array.reads(20 * 2, 168_000, |file| drop(file.read().unwrap()));
}

#[test]
fn a_transposed_view_of_a_fortran_file_is_one_write() {
    if !counts() {
        return;
    }
    let array = Counted::new(&[700, 900], Order::Fortran);
    let elements = vec![1.0; 630_000];
    let view = View::from_shape([900, 700], &elements).unwrap().transpose();
    let cost = cost(|| array.file.write_slice(s![], &view).unwrap()).unwrap();
    assert_eq!(cost.bytes_written, 8 * 630_000);
    // Through buffers, as the view is no slice in row-major order.
    assert!((1..=5).contains(&cost.writes), "{cost:?}");
}

#[test]
fn a_step_is_read_through_where_it_is_small_and_element_by_element_where_it_is_large() {
    if !counts() {
        return;
    }
    let array = Counted::new(&[120_000], Order::C);
    array.reads(1, 120_000, |file| drop(file.read_slice(s![..;2]).unwrap()));
    array.reads(1, 120_000, |file| drop(file.read_slice(s![..;-1]).unwrap()));
    array.reads(1, 120_000, |file| drop(file.read_slice(s![..;500]).unwrap()));
    array.reads(120, 120, |file| drop(file.read_slice(s![..;1000]).unwrap()));
    array.writes(1200, 1200, |file| file.write_slice(s![..;100], &vec![1.0; 1200]).unwrap());
    array.writes(1, 120_000, |file| file.write_slice(s![..;-1], &vec![1.0; 120_000]).unwrap());
    // 2 MB: two buffers and a bit, and no element is read twice.
    let array = Counted::new(&[270_000], Order::C);
    array.reads(3, 270_000, |file| drop(file.read_slice(s![..;2]).unwrap()));
}

#[test]
fn a_transposed_window_of_a_c_file_is_written_row_by_row() {
    if !counts() {
        return;
    }
    let array = Counted::new(&[300, 4000], Order::C);
    let elements = vec![1.0; 5000];
    let view = View::from_shape([100, 50], &elements).unwrap().transpose();
    array.writes(50, 5000, |file| file.write_slice(s![..50, 30..130], &view).unwrap());
}

#[test]
fn what_is_refused_writes_nothing() {
    if !counts() {
        return;
    }
    let array = Counted::new(&[30, 40], Order::C);
    let before = fs::read(array.file.path()).unwrap();
    array.writes(0, 0, |file| {
        assert!(file.write_window([0..31, 0..40], &[1.0; 1240]).is_err());
        assert!(file.write_window([0..30, 0..40], &[1.0; 1199]).is_err());
        assert!(file.write_slice(s![0], &[1.0; 39]).is_err());
        assert!(file.write_slice(s![.., 40], &[1.0; 30]).is_err());
    });
    assert!(fs::read(array.file.path()).unwrap() == before);
}
