//! The example `inspect`, run as a user runs it: odd files are described, broken ones are named.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use mmap_array::{Allocation, Array, Header, OpenOptions, Order};

fn inspect(paths: &[PathBuf]) -> Output {
    Command::new(env!("CARGO"))
        .args(["run", "--quiet", "--example", "inspect", "--manifest-path"])
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml"))
        .arg("--")
        .args(paths)
        .output()
        .expect("cargo runs")
}

/// What is said about each file, and the exit code.
fn reports(args: &[PathBuf]) -> (Vec<String>, Option<i32>) {
    let output = inspect(args);
    let text = String::from_utf8(output.stdout).expect("the output is UTF-8");
    let mut reports = Vec::<String>::new();
    for line in text.lines() {
        // A path begins a report; what is said about it is indented.
        if !line.is_empty() && !line.starts_with(' ') {
            reports.push(String::new());
        }
        reports.last_mut().expect("a path comes first").extend([line, "\n"]);
    }
    let errors = String::from_utf8_lossy(&output.stderr);
    let paths = args.iter().filter(|path| *path != Path::new("--stats")).count();
    assert_eq!(reports.len(), paths, "{text}\n{errors}");
    (reports, output.status.code())
}

fn report(path: impl Into<PathBuf>) -> (String, Option<i32>) {
    let (mut reports, code) = reports(&[path.into()]);
    (reports.remove(0), code)
}

fn data_files(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(folder);
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut paths: Vec<_> =
        entries.filter(|path| path.extension().is_some_and(|end| end == "npy")).collect();
    assert!(paths.len() > 40, "{} files", paths.len());
    paths.sort();
    paths
}

fn form(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/forms").join(name);
    let (report, code) = report(path);
    assert_eq!(code, Some(0), "{report}");
    report
}

#[track_caller]
fn assert_lines(report: &str, lines: &[&str]) {
    for line in lines {
        assert!(report.lines().any(|found| found.trim() == *line), "no line `{line}` in\n{report}");
    }
}

#[test]
fn every_odd_file_is_described_and_objects_are_named_as_broken() {
    let paths = data_files("forms");
    let (reports, code) = reports(&paths);
    assert_eq!(code, Some(1));
    for (path, report) in paths.iter().zip(&reports) {
        assert_eq!(report.lines().next(), path.to_str());
        let objects = path.ends_with("object.npy");
        assert_eq!(report.contains("\n  broken      "), objects, "{report}");
        assert_eq!(report.contains("\n  peek        "), !objects, "{report}");
    }
}

#[test]
fn every_golden_file_is_described() {
    let (reports, code) = reports(&data_files("golden"));
    assert_eq!(code, Some(0));
    assert!(reports.iter().all(|report| report.contains("\n  peek        ")));
}

#[test]
fn what_keeps_a_file_from_being_mapped_is_said() {
    assert_lines(
        &form("bare_unaligned.npy"),
        &[
            "dtype       float64 <f8, 8 bytes",
            "shape       (2, 3), 6 elements",
            "data at     byte 61, aligned to 1; the element type needs 8: not met",
            "peek        [[0.0 1.0 2.0]",
        ],
    );
    assert_lines(
        &form("struct_plain.npy"),
        &[
            "byte   4: float64 >f8  value",
            "byte order  mixed",
            "mappable    no: no Rust type in this crate for void120",
            "peek        no peek for this dtype",
        ],
    );
    assert_lines(&form("two_arrays.npy"), &["after data  176 bytes"]);
    assert_lines(&form("empty_3_0.npy"), &["shape       (3, 0), 0 elements", "peek        []"]);
}

#[test]
fn broken_files_are_named_and_the_others_are_still_described() {
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str| folder.path().join(name);
    mmap_array::save(place("good.npy"), &Array::from_vec([2], vec![1_u8, 2]).unwrap()).unwrap();
    let good = fs::read(place("good.npy")).unwrap();
    fs::write(place("empty.npy"), b"").unwrap();
    fs::write(place("text.npy"), b"1,2,3\n").unwrap();
    fs::write(place("header.npy"), &good[..50]).unwrap();
    fs::write(place("data.npy"), &good[..good.len() - 1]).unwrap();
    let syntax = good.iter().map(|&byte| if byte == b'{' { b'[' } else { byte });
    fs::write(place("syntax.npy"), syntax.collect::<Vec<u8>>()).unwrap();
    let cases = [
        ("no such.npy", "cannot open"),
        ("", "is a directory, not a regular file"),
        ("empty.npy", "is empty, and an .npy file begins with"),
        ("text.npy", "is not an .npy file"),
        ("header.npy", "ends inside its header: it has 50 bytes of 128"),
        ("data.npy", "cut short: 1 byte is missing; header and data need 130 bytes"),
        ("syntax.npy", "is broken at byte"),
        ("good.npy", "peek        [1 2]"),
    ];
    let (reports, code) = reports(&cases.map(|(name, _)| place(name)));
    assert_eq!(code, Some(1));
    for ((name, problem), report) in cases.iter().zip(&reports) {
        assert!(report.contains(problem), "{report}");
        assert_eq!(report.contains("\n  broken      "), *name != "good.npy", "{report}");
    }
    assert_lines(&reports[5], &["shape       (2,), 2 elements", "mappable    no: cut short"]);
}

#[test]
fn without_a_file_the_usage_is_shown() {
    let output = inspect(&[]);
    assert_eq!(output.status.code(), Some(2));
    assert!(output.stdout.is_empty());
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(errors.ends_with("usage: inspect [--stats] FILE...\n"), "{errors}");
    assert_eq!(inspect(&["--stats".into()]).status.code(), Some(2));
}

#[test]
fn of_a_large_array_the_edges_are_shown() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.npy");
    let array = Array::from_vec([20, 30, 40], (0..24_000).collect::<Vec<i32>>()).unwrap();
    mmap_array::save(&path, &array).unwrap();
    let (report, code) = report(path);
    assert_eq!(code, Some(0));
    let lines = [
        "peek        [[[    0     1     2 ...    37    38    39]",
        "[[22800 22801 22802 ... 22837 22838 22839]",
        "[23960 23961 23962 ... 23997 23998 23999]]]",
    ];
    assert_lines(&report, &lines);
    assert_eq!(report.lines().filter(|line| line.trim() == "...").count(), 7, "{report}");
}

/// What `--stats` adds about each file.
fn stats(paths: &[PathBuf]) -> Vec<String> {
    let (reports, code) = reports(&[&["--stats".into()], paths].concat());
    assert_eq!(code, Some(0));
    let label = |line: &&str| {
        ["min", "max", "mean", "stats", "NaN"].iter().any(|word| line.trim().starts_with(word))
    };
    let lines = |report: &str| {
        let lines = report.lines().skip(1).filter(label);
        lines.map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect::<Vec<_>>()
    };
    reports.iter().map(|report| lines(report).join("; ")).collect()
}

// The numbers are NumPy's: `np.nanmin`, `np.nanmax` and `np.nanmean`, the latter of
// `a.astype(object)` for integers.
#[test]
fn least_greatest_and_mean_are_those_of_numpy() {
    let folder = tempfile::tempdir().unwrap();
    let golden = |name: &str| Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name);
    let mut cases = vec![
        (golden("golden/f8_be_f_r3.npy"), "min -3.25; max -0.75; mean -2.0"),
        (golden("golden/i1_na_c_r6.npy"), "min -116; max 115; mean -1.0"),
        (
            golden("golden/u8_le_f_r4.npy"),
            "min 1156875391504614402; max 17353130872569216030; mean 8.466424326363803e18",
        ),
        (golden("golden/b1_na_c_r1.npy"), "min false; max true; mean 0.5"),
        (golden("golden/f4_le_c_r0.npy"), "min -3.25; max -3.25; mean -3.25"),
        (golden("golden/S3_na_c_r2.npy"), "stats none for this dtype"),
        (golden("forms/complex64.npy"), "stats none for this dtype"),
        (golden("forms/bool_raw_bytes.npy"), "min false; max true; mean 0.75"),
        (golden("forms/empty_3_0.npy"), "stats none: there are no numbers"),
        (golden("raw/air.nc.air.npy"), "min -12345; max 21039; mean 4347.0"),
    ];
    let place = |name: &str| folder.path().join(name);
    mmap_array::save(place("nan"), &[f32::NAN, 0.1, -0.0, f32::NAN, 7.5]).unwrap();
    cases.push((place("nan"), "min -0.0; max 7.5; mean 2.5333333338300386; NaN 2, left out"));
    mmap_array::save(place("all_nan"), &[f64::NAN; 3]).unwrap();
    cases.push((place("all_nan"), "stats none: there are no numbers; NaN 3, left out"));
    mmap_array::save(place("infinite"), &[f64::NEG_INFINITY, 1.0, f64::INFINITY]).unwrap();
    cases.push((place("infinite"), "min -inf; max inf; mean NaN"));
    mmap_array::save(place("exact"), &[i64::MAX, i64::MAX, i64::MIN, 5]).unwrap();
    let exact = "min -9223372036854775808; max 9223372036854775807; mean 2.305843009213694e18";
    cases.push((place("exact"), exact));
    let (paths, expected): (Vec<PathBuf>, Vec<&str>) = cases.into_iter().unzip();
    assert_eq!(stats(&paths), expected);
}

#[test]
fn every_window_of_an_array_of_many_counts_and_a_row_larger_than_a_window_too() {
    let folder = tempfile::tempdir().unwrap();
    let sparse = OpenOptions::new().allocation(Allocation::Sparse);
    let mut paths = Vec::new();
    for order in [Order::C, Order::Fortran] {
        let path = folder.path().join(format!("{order:?}"));
        let options = sparse.clone().order(order);
        let file = options.create_file::<i32>(&path, [2, 2_500_000]).unwrap();
        file.write_window([1..2, 2_499_999..2_500_000], &[40]).unwrap();
        file.write_window([0..1, 2_200_000..2_200_001], &[-20]).unwrap();
        file.close().unwrap();
        paths.push(path);
    }
    assert_eq!(stats(&paths), ["min -20; max 40; mean 4e-6"; 2]);
}

#[test]
fn an_array_without_elements_may_have_any_number_of_rows() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.npy");
    let shape = [isize::MAX as usize / 16, 0];
    let header = Header::new(mmap_array::DType::float(8), shape, mmap_array::Order::C).unwrap();
    fs::write(&path, header.to_bytes()).unwrap();
    let (report, code) = report(path);
    assert_eq!(code, Some(0));
    assert_lines(&report, &["peek        []"]);
}

// Elsewhere a file of this length may take its space at once.
#[cfg(target_os = "linux")]
#[test]
fn a_sparse_terabyte_is_described_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.npy");
    let sparse = OpenOptions::new().allocation(Allocation::Sparse);
    sparse.create_file::<f64>(&path, [1_000_000, 125_000]).unwrap().close().unwrap();
    let (report, code) = report(path);
    assert_eq!(code, Some(0));
    assert_lines(&report, &["data size   1000000000000 bytes (931.3 GiB)"]);
    assert!(report.contains("sparse or compressed: 0.0 % of the file size"), "{report}");
    assert!(report.contains("peek        [[0.0 0.0 0.0 ... 0.0 0.0 0.0]\n"), "{report}");
}

#[cfg(target_os = "linux")]
#[test]
fn names_that_are_no_text_and_fifos_are_taken() {
    use rustix::fs::{CWD, FileType, Mode, mknodat};
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    let folder = tempfile::tempdir().unwrap();
    let odd = folder.path().join(OsStr::from_bytes(b"\xFF\n.npy"));
    let fifo = folder.path().join("fifo");
    mmap_array::save(&odd, &[7_u8]).unwrap();
    mknodat(CWD, &fifo, FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
    let (reports, code) = reports(&[odd, fifo]);
    assert_eq!(code, Some(1));
    assert!(reports[0].lines().next().unwrap().ends_with(r#"/\xFF\n.npy""#), "{}", reports[0]);
    assert_lines(&reports[0], &["peek        [7]"]);
    assert!(reports[1].contains("is a FIFO, not a regular file"), "{}", reports[1]);
}
