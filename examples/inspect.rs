//! Says what is in `.npy` files, whatever their element type: a `file` command for arrays.
//!
//! ```text
//! cargo run --example inspect -- [--stats] FILE...
//! ```
//!
//! Only the header and the array's edges are read, so a file of a terabyte takes no longer than a
//! small one. The exit code is 1 if a file was broken, and 2 if none was named.
//!
//! `--stats` reads all elements, in windows of at most 8 MiB, and says the least, the greatest and
//! the mean. NaN are left out and counted, as `np.nanmin`, `np.nanmax` and `np.nanmean` do it
//! (`np.min` would be NaN). Integers are added up exactly; floats as `f64`, each window for itself.
//! The mean of booleans is the share that is true.

use std::fmt::{Debug, Write as _};
use std::fs;
use std::io::{self, Write as _};
use std::ops::AddAssign;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use mmap_array::{
    AnyFile, Bool, ByteOrder, DType, Element, Error, Header, Kind, NpyFile, Order, Result, with_any,
};

const USAGE: &str = "usage: inspect [--stats] FILE...";

fn main() -> ExitCode {
    let mut paths: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let given = paths.len();
    paths.retain(|path| path != Path::new("--stats"));
    let stats = paths.len() < given;
    if paths.is_empty() {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    }
    if ["-h", "--help"].map(Path::new).contains(&&*paths[0]) {
        println!("{USAGE}");
        return ExitCode::SUCCESS;
    }
    let mut any_broken = false;
    for (count, path) in paths.iter().enumerate() {
        let mut report = Report::default();
        if let Err(error) = inspect(path, stats, &mut report) {
            report.broken(error);
        }
        any_broken |= report.broken;
        let gap = if count > 0 { "\n" } else { "" };
        if let Err(error) = write!(io::stdout(), "{gap}{}\n{}", title(path), report.text) {
            // Who reads us may have seen enough, as in `inspect *.npy | head`.
            if error.kind() != io::ErrorKind::BrokenPipe {
                eprintln!("cannot write: {error}");
                return ExitCode::FAILURE;
            }
            break;
        }
    }
    ExitCode::from(u8::from(any_broken))
}

/// Lines of a label and what it stands for.
#[derive(Default)]
struct Report {
    text: String,
    broken: bool,
}

impl Report {
    /// A value of several lines keeps its columns.
    fn line(&mut self, label: &str, value: impl AsRef<str>) {
        let labels = std::iter::once(label).chain(std::iter::repeat(""));
        for (label, line) in labels.zip(value.as_ref().lines()) {
            let line = format!("  {label:<12}{line}");
            self.text.push_str(line.trim_end());
            self.text.push('\n');
        }
    }

    fn broken(&mut self, problem: impl ToString) {
        self.broken = true;
        self.line("broken", problem.to_string());
    }
}

fn inspect(
    path: &Path,
    stats: bool,
    report: &mut Report,
) -> Result<(), Box<dyn std::error::Error>> {
    let header = Header::read(path)?;
    let (dtype, len) = (header.dtype(), header.len());
    let (major, minor) = header.version();
    report.line("version", format!("{major}.{minor}"));
    report.line("dtype", format!("{} {dtype}, {}", dtype.name(), bytes(dtype.item_size() as u64)));
    report.line("", fields(dtype));
    let elements = if len == 1 { "element" } else { "elements" };
    report.line("shape", format!("{}, {len} {elements}", tuple(header.shape())));
    report.line("order", if header.order() == Order::C { "C" } else { "Fortran" });
    report.line("byte order", byte_order(dtype));
    report.line("data at", place(&header));

    let data = header.byte_len();
    // `Header` keeps both far from overflow.
    let end = header.data_start() + data;
    let metadata = fs::metadata(path)?;
    let file_len = metadata.len();
    report.line("data size", bytes(data));
    report.line("file size", bytes(file_len));
    report.line("on disk", on_disk(&metadata));
    let after = file_len.saturating_sub(end);
    report.line("after data", if after == 0 { "nothing".to_owned() } else { bytes(after) });

    let missing = end.saturating_sub(file_len);
    let rust_type = rust_type(dtype);
    report.line("mappable", mappable(&header, rust_type.as_deref(), missing));
    if missing > 0 {
        let verb = if missing == 1 { "is" } else { "are" };
        let (missing, end) = (bytes(missing), bytes(end));
        report.broken(format!("cut short: {missing} {verb} missing; header and data need {end}"));
        return Ok(());
    }
    let file = match AnyFile::open(path) {
        Err(Error::UnsupportedDType { .. }) => {
            report.line("peek", "no peek for this dtype");
            report.line("stats", if stats { "none for this dtype" } else { "" });
            return Ok(());
        }
        opened => opened?,
    };
    // The array laid out as NumPy's, all of it or its edges; no more than these are read.
    report.line("peek", with_any!(AnyFile, &file, |file| file.preview())?);
    if stats {
        with_any!(AnyFile, &file, |file| add_stats(file, report))?;
    }
    Ok(())
}

/// The path, in quotes and escaped where it would garble the page.
fn title(path: &Path) -> String {
    match path.to_str() {
        Some(text) if !text.is_empty() && !text.contains(char::is_control) => text.to_owned(),
        _ => format!("{path:?}"),
    }
}

/// A name from a file, without what could move the cursor or colour the page.
fn printable(name: &str) -> String {
    let escaped = |c: char| {
        if matches!(c, '\'' | '"' | '\\') { c.into() } else { c.escape_debug().to_string() }
    };
    name.chars().map(escaped).collect()
}

/// `3904 bytes (3.8 KiB)`
fn bytes(count: u64) -> String {
    let plural = if count == 1 { "" } else { "s" };
    let exact = format!("{count} byte{plural}");
    let units = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    let Some(power) = (count.max(1).ilog2() / 10).checked_sub(1) else { return exact };
    let size = count as f64 / 1024_f64.powi(power as i32 + 1);
    format!("{exact} ({size:.1} {})", units[power as usize])
}

/// A shape as Python writes it.
fn tuple(shape: &[usize]) -> String {
    match shape {
        [len] => format!("({len},)"),
        _ => format!("({})", shape.iter().map(usize::to_string).collect::<Vec<_>>().join(", ")),
    }
}

/// The fields of a struct: offset, type and name, nested ones below the one that holds them.
fn fields(dtype: &DType) -> String {
    let mut rows = Vec::new();
    add_fields(dtype, 0, "", &mut rows);
    let width = rows.iter().map(|(_, kind, _)| kind.chars().count()).max().unwrap_or(0);
    rows.iter().fold(String::new(), |mut text, (offset, kind, name)| {
        // Writing to a `String` cannot fail.
        let _ = writeln!(text, "byte {offset:>3}: {kind:<width$}  {name}");
        text
    })
}

fn add_fields(dtype: &DType, start: usize, prefix: &str, rows: &mut Vec<(usize, String, String)>) {
    for field in dtype.fields() {
        let offset = start + field.offset();
        let mut name = format!("{prefix}{}", printable(field.name()));
        let title = field.title().map(|title| format!(" ({})", printable(title)));
        let (element, shape) = field.dtype().sub_array().unwrap_or((field.dtype(), &[]));
        let mut kind = element.name();
        match element.kind() {
            Kind::Struct => kind.push_str(" struct"),
            _ => kind.extend([" ", &element.to_string()]),
        }
        if !shape.is_empty() {
            kind.extend([" ", &tuple(shape)]);
        }
        rows.push((offset, kind, format!("{name}{}", title.unwrap_or_default())));
        name.push_str(if shape.is_empty() { "." } else { "[0]." });
        add_fields(element, offset, &name, rows);
    }
}

fn byte_order(dtype: &DType) -> &'static str {
    match dtype.byte_order() {
        ByteOrder::NotApplicable => "not applicable",
        ByteOrder::Mixed => "mixed",
        ByteOrder::Little if dtype.is_native() => "little-endian, native",
        ByteOrder::Little => "little-endian, foreign",
        ByteOrder::Big if dtype.is_native() => "big-endian, native",
        ByteOrder::Big => "big-endian, foreign",
    }
}

/// Where the data starts, and whether that is well aligned.
fn place(header: &Header) -> String {
    let (start, needed) = (header.data_start(), header.dtype().alignment());
    let found = 1_u64 << start.trailing_zeros();
    let verdict = if is_aligned(header) { "met" } else { "not met" };
    format!("byte {start}, aligned to {found}; the element type needs {needed}: {verdict}")
}

fn is_aligned(header: &Header) -> bool {
    header.data_start().is_multiple_of(header.dtype().alignment() as u64)
}

/// What the file takes on disk, which is less than its length where it has holes.
#[cfg(unix)]
fn on_disk(metadata: &fs::Metadata) -> String {
    use std::os::unix::fs::MetadataExt;
    // `stat` counts in 512 bytes, whatever the file system's blocks are.
    let allocated = metadata.blocks().saturating_mul(512);
    if allocated >= metadata.len() {
        return format!("{}, not sparse", bytes(allocated));
    }
    let percent = 100.0 * allocated as f64 / metadata.len() as f64;
    format!("{}, sparse or compressed: {percent:.1} % of the file size", bytes(allocated))
}

#[cfg(not(unix))]
fn on_disk(_metadata: &fs::Metadata) -> String {
    "unknown".to_owned()
}

/// The type of this crate that has the dtype's values.
fn rust_type(dtype: &DType) -> Option<String> {
    let size = dtype.item_size();
    match dtype.kind() {
        Kind::Bool => Some("Bool".to_owned()),
        Kind::Int => Some(format!("i{}", 8 * size)),
        Kind::UInt => Some(format!("u{}", 8 * size)),
        Kind::Float if matches!(size, 4 | 8) => Some(format!("f{}", 8 * size)),
        Kind::Bytes => Some(format!("Bytes<{size}>")),
        Kind::Void => Some(format!("Void<{size}>")),
        _ => None,
    }
}

/// Can slices of elements be borrowed from a mapping of the file?
fn mappable(header: &Header, rust_type: Option<&str>, missing: u64) -> String {
    let Some(name) = rust_type else {
        return format!("no: no Rust type in this crate for {}", header.dtype().name());
    };
    match header.check_mappable() {
        _ if missing > 0 => "no: cut short".to_owned(),
        Ok(()) => format!("yes, as {name}"),
        Err(Error::ForeignByteOrder { .. }) => {
            format!("no: foreign byte order; `NpyFile::<{name}>` reads it all the same")
        }
        Err(Error::Misaligned { .. }) => {
            format!("no: misaligned; `NpyFile::<{name}>` reads it all the same")
        }
        Err(error) => format!("no: {error}"),
    }
}

/// A number that can be compared and added up without loss, or nearly so, as a wider one.
trait Number: Element + Debug {
    type Wide: PartialOrd + AddAssign + Default + Copy;

    fn wide(self) -> Self::Wide;

    fn mean(sum: Self::Wide, count: usize) -> f64;
}

macro_rules! impl_number {
    ($wide:ty: $($number:ty, $widen:expr;)*) => {$(
        impl Number for $number {
            type Wide = $wide;

            fn wide(self) -> $wide {
                $widen(self)
            }

            fn mean(sum: $wide, count: usize) -> f64 {
                sum as f64 / count as f64
            }
        }
    )*};
}
impl_number!(i128: i8, i128::from; i16, i128::from; i32, i128::from; i64, i128::from;);
impl_number!(i128: u8, i128::from; u16, i128::from; u32, i128::from; u64, i128::from;);
impl_number!(i128: Bool, |truth: Bool| i128::from(truth.get()););
impl_number!(f64: f32, f64::from; f64, f64::from;);

/// The least, the greatest and the mean of all elements that are no NaN, from windows of bounded
/// size.
fn add_stats<T: Number>(file: &NpyFile<T>, report: &mut Report) -> Result<()> {
    let mut buffer = Vec::new();
    let (mut range, mut sum): (Option<(T, T)>, _) = (None, T::Wide::default());
    let (mut count, mut nans) = (0, 0);
    for window in file.tiles(tile(file))? {
        buffer.resize(window.len(), T::zeroed());
        file.read_window_into(window, &mut buffer)?;
        let mut part = T::Wide::default();
        for &element in &buffer {
            let wide = element.wide();
            if wide.partial_cmp(&wide).is_none() {
                nans += 1;
                continue;
            }
            let (least, greatest) = range.get_or_insert((element, element));
            if wide < least.wide() {
                *least = element;
            }
            if wide > greatest.wide() {
                *greatest = element;
            }
            part += wide;
            count += 1;
        }
        sum += part;
    }
    match range {
        Some((least, greatest)) => {
            report.line("min", format!("{least:?}"));
            report.line("max", format!("{greatest:?}"));
            report.line("mean", format!("{:?}", T::mean(sum, count)));
        }
        None => report.line("stats", "none: there are no numbers"),
    }
    if nans > 0 {
        report.line("NaN", format!("{nans}, left out"));
    }
    Ok(())
}

/// The shape of windows of at most 8 MiB that are one piece of the file each.
fn tile<T: Element>(file: &NpyFile<T>) -> Vec<usize> {
    let mut room = (8 << 20) / size_of::<T>();
    let mut tile = file.shape().to_vec();
    let mut axes: Vec<usize> = (0..tile.len()).collect();
    // The fastest axis first.
    if file.order() == Order::C {
        axes.reverse();
    }
    for axis in axes {
        tile[axis] = tile[axis].clamp(1, room);
        room = (room / tile[axis]).max(1);
    }
    tile
}
