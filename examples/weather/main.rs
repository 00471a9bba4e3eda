//! 240 years of modelled air temperature over North America, from an `.npy` file to a map.
//!
//! ```text
//! cargo run --release --example weather [-- FOLDER]
//! ```
//!
//! Opens a real array, answers what a climate scientist asks of it, writes its anomalies to a new
//! `.npy` file, proves that they are right, and draws the trend of every cell as a PNG.
//!
//! The source is mapped, because it is read again and again, in every direction: its views copy
//! nothing. The anomalies are written and read by position, a decade at a time, which needs no
//! `unsafe`. The array is small, but nothing here relies on that: the same lines work on one that
//! is larger than memory.
//!
//! The results go to FOLDER, by default `target/weather`; what the data is and where it comes from
//! stands in `examples/data/README.md`.

// Mapping a file is unsafe: see the SAFETY note.
#![allow(unsafe_code)]

mod map;

use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;
use std::{env, fs};

use indicatif::{ProgressBar, ProgressStyle};
use mmap_array::{Array, MmapArray, NpyFile, OpenOptions, Publish, View, s};

const PROJECT: &str = env!("CARGO_MANIFEST_DIR");
const SOURCE: &str = "examples/data/a1b_air_temperature.npy";

// What the data's README says, and the file does not.
const SHAPE: [usize; 3] = [240, 37, 49];
const FIRST_YEAR: usize = 1860;
const SUM: f64 = 124_652_149.101_074_22;
const MIN: f32 = 257.318_82;
const MAX: f32 = 306.0733;

/// Anomalies are differences from the mean of the first 30 years, 1860 to 1889.
const BASE_YEARS: usize = 30;
/// How many years are written at a time.
const DECADE: usize = 10;
/// How many latitudes are gone through at a time, where each cell is taken as a series of all years:
/// no more than these need stay in memory.
const BAND: usize = 8;
/// The grid point whose series is shown.
const BOULDER: [usize; 2] = [20, 16];

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("weather: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let folder = output_folder()?;
    let anomalies_path = folder.join("anomalies.npy");
    let map_path = folder.join("trend.png");

    let air = open(&Path::new(PROJECT).join(SOURCE))?;
    show_decades(&annual_means(&air));
    show_point(&air, BOULDER)?;
    let trends = trends(&air)?;
    show_trends(&trends);

    let base = base(&air)?;
    write_anomalies(&air, &base, &anomalies_path)?;
    prove(&air, &base, &anomalies_path)?;
    map::draw(&map_path, &trends.view())?;

    println!("\nWritten");
    println!("  anomalies  {}", anomalies_path.display());
    println!("  trend map  {}", map_path.display());
    Ok(())
}

/// The folder that the command line names, or `target/weather`; made where it is missing.
fn output_folder() -> Result<PathBuf> {
    let mut arguments = env::args_os().skip(1).map(PathBuf::from);
    let folder = arguments.next().unwrap_or_else(|| Path::new(PROJECT).join("target/weather"));
    if arguments.next().is_some() || folder.to_string_lossy().starts_with('-') {
        return Err("usage: weather [FOLDER]".into());
    }
    fs::create_dir_all(&folder)
        .map_err(|error| format!("cannot make the folder {}: {error}", folder.display()))?;
    Ok(folder)
}

// ---- the array -------------------------------------------------------------------------------

/// Maps the array and says what it is.
fn open(path: &Path) -> Result<MmapArray<f32>> {
    let start = Instant::now();
    // SAFETY: the file is part of this repository, and nobody writes to it or shortens it in the
    // second that this program takes. The lock keeps out writers that ask for one.
    let air = unsafe { MmapArray::<f32>::open(path)? };
    let time = start.elapsed();

    if air.shape() != SHAPE {
        let (path, shape) = (path.display(), air.shape());
        return Err(format!("{path} has shape {shape:?}, where {SHAPE:?} was expected").into());
    }
    let [years, rows, columns] = SHAPE;
    println!("Modelled air temperature over North America, yearly means in K (Met Office, A1B)");
    println!("  file       {}", path.display());
    println!("  shape      {:?} = [year, latitude, longitude]", air.shape());
    println!("  years      {} to {}", year(0), year(years - 1));
    println!("  latitude   {} to {} N", latitude(0), latitude(rows - 1));
    println!("  longitude  {} to {} W", west(0), west(columns - 1));
    println!("  dtype      {} ({}), {:?} order", air.dtype(), air.dtype().name(), air.order());
    println!("  size       {:.2} MB", megabytes(&air));
    println!("  opened in  {time:.0?}");
    Ok(air)
}

/// The year at this index of the first axis.
fn year(index: usize) -> usize {
    FIRST_YEAR + index
}

/// Degrees north of the centre of a cell: the second axis runs from south to north.
fn latitude(row: usize) -> f64 {
    15.0 + 1.25 * row as f64
}

/// Degrees east of the centre of a cell: the third axis runs from west to east, from 225 to 315.
fn longitude(column: usize) -> f64 {
    225.0 + 1.875 * column as f64
}

/// The same as degrees west.
fn west(column: usize) -> f64 {
    360.0 - longitude(column)
}

fn megabytes(air: &MmapArray<f32>) -> f64 {
    air.byte_len() as f64 / 1e6
}

// ---- the questions ---------------------------------------------------------------------------

/// The mean over the whole area, for each year.
fn annual_means(air: &MmapArray<f32>) -> Vec<f64> {
    air.view().outer_iter().map(|year| area_mean(&year)).collect()
}

fn show_decades(annual: &[f64]) {
    let base = mean(&annual[..BASE_YEARS]);
    println!("\nMean of each decade (cells weighted by the cosine of their latitude)");
    println!("  decade      mean   against {} to {}", year(0), year(BASE_YEARS - 1));
    for (number, decade) in annual.chunks(DECADE).enumerate() {
        let (decade, mean) = (year(number * DECADE), mean(decade));
        let bar = "#".repeat((8.0 * (mean - base)).round().max(0.0) as usize);
        let line = format!("  {decade}s  {mean:.2} K  {:+.2} K  {bar}", mean - base);
        println!("{}", line.trim_end());
    }
    let (coldest, warmest) = extremes(annual);
    println!("  The warmest year is {} with {:.2} K,", year(warmest), annual[warmest]);
    println!("  the coldest is {} with {:.2} K.", year(coldest), annual[coldest]);
}

/// One number from every year, far apart in the file: only the pages that hold them are read.
fn show_point(air: &MmapArray<f32>, [row, column]: [usize; 2]) -> Result<()> {
    let series = air.slice(s![.., row, column])?;
    let (north, west) = (latitude(row), west(column));
    println!("\nSeries at {north} N, {west} W (Boulder, Colorado), every tenth year in K");
    for line in format!("{:.1}", series.slice(s![..;10])?).lines() {
        println!("  {line}");
    }
    let trend = trend(&series);
    println!("  Its mean is {:.2} K, its trend {trend:+.2} K per century.", mean(&series));
    Ok(())
}

/// The trend of each cell, in K per century.
fn trends(air: &MmapArray<f32>) -> Result<Array<f64>> {
    let [years, rows, columns] = SHAPE;
    let mut trends = Vec::new();
    for (_, band) in air.view().tiles([years, BAND, columns])? {
        trends.extend(band.lanes(0)?.map(|series| trend(&series)));
    }
    Ok(Array::from_vec([rows, columns], trends)?)
}

fn show_trends(trends: &Array<f64>) {
    let columns = trends.shape()[1];
    let (slowest, fastest) = extremes(trends.as_slice());
    println!("\nTrend of every cell (least squares over all years)");
    for (name, cell) in [("fastest", fastest), ("slowest", slowest)] {
        let (row, column) = (cell / columns, cell % columns);
        let (trend, north, west) = (trends[[row, column]], latitude(row), west(column));
        println!("  {name}    {trend:+.2} K per century at {north} N, {west} W");
    }
    println!("  area mean  {:+.2} K per century", area_mean(&trends.view()));
}

// ---- the anomalies ---------------------------------------------------------------------------

/// The mean of the first 30 years, for each cell.
fn base(air: &MmapArray<f32>) -> Result<Vec<f64>> {
    let first_years = air.slice(s![..BASE_YEARS])?;
    Ok(first_years.lanes(0)?.map(|series| mean(&series)).collect())
}

/// Writes year minus base to a new file, which appears under its name when it is complete.
fn write_anomalies(air: &MmapArray<f32>, base: &[f64], path: &Path) -> Result<()> {
    println!("\nAnomalies from the mean of {} to {}", year(0), year(BASE_YEARS - 1));
    let start = Instant::now();
    let anomalies = OpenOptions::new()
        .overwrite(true)
        .publish(Publish::OnClose)
        .create_file::<f32>(path, air.shape())?;
    // Hides itself where there is no terminal.
    let style = ProgressStyle::with_template("  {bar:40} {pos} of {len} years")?;
    let progress = ProgressBar::new(air.shape()[0] as u64).with_style(style);
    for (window, decade) in air.view().outer_blocks(DECADE)? {
        let pairs = decade.iter().zip(base.iter().cycle());
        let differences = pairs.map(|(&kelvin, base)| (f64::from(kelvin) - base) as f32);
        anomalies.write_window(&window, &differences.collect::<Vec<_>>())?;
        progress.inc(window.shape()[0] as u64);
    }
    anomalies.close()?;
    progress.finish_and_clear();
    let (size, time) = (megabytes(air), start.elapsed());
    println!("  {} years, {size:.2} MB, on stable storage in {time:.0?}", air.shape()[0]);
    Ok(())
}

/// Reopens the anomalies and checks them and the source, or fails.
fn prove(air: &MmapArray<f32>, base: &[f64], path: &Path) -> Result<()> {
    let anomalies = NpyFile::<f32>::open(path)?;
    println!("\nProof, after reopening");

    // The values are multiples of 2^-15 K, so their sum is exact in f64, in whatever order.
    let (mut sum, mut min, mut max, mut restored) = (0.0, f32::INFINITY, f32::NEG_INFINITY, 0);
    for (window, source) in air.view().outer_blocks(DECADE)? {
        let anomalies = anomalies.read_window(&window)?;
        let base = base.iter().cycle();
        for ((&kelvin, &anomaly), base) in source.iter().zip(&anomalies).zip(base) {
            sum += f64::from(kelvin);
            (min, max) = (min.min(kelvin), max.max(kelvin));
            restored += usize::from((base + f64::from(anomaly)) as f32 == kelvin);
        }
    }
    check(sum == SUM, format!("the source sums to {SUM} K"), sum)?;
    check(min == MIN, format!("its smallest value is {MIN} K"), min)?;
    check(max == MAX, format!("its largest value is {MAX} K"), max)?;
    let claim = format!("base + anomaly gives back all {} values exactly", air.len());
    check(restored == air.len(), claim, restored)?;

    let first_years = anomalies.read_slice(s![..BASE_YEARS])?;
    let means = first_years.lanes(0)?.map(|series| mean(&series).abs());
    let largest = means.fold(0.0, f64::max);
    let claim = format!("the first {BASE_YEARS} years average to 0 within 1e-6 K in every cell");
    check(largest < 1e-6, claim, largest)
}

/// Says that a claim holds, or fails with what was found instead.
fn check(holds: bool, claim: String, found: impl Display) -> Result<()> {
    if !holds {
        return Err(format!("proof failed: {claim}; found {found}").into());
    }
    println!("  ok  {claim}");
    Ok(())
}

// ---- statistics, in f64 ----------------------------------------------------------------------

fn mean<'a, T: Copy + Into<f64> + 'a>(values: impl IntoIterator<Item = &'a T>) -> f64 {
    let (mut sum, mut count) = (0.0, 0.0);
    for &value in values {
        sum += value.into();
        count += 1.0;
    }
    sum / count
}

/// The mean of a map. Cells become narrower towards the pole, so each is weighted by the cosine
/// of its latitude.
fn area_mean<T: Copy + Into<f64>>(map: &View<'_, T>) -> f64 {
    let (mut sum, mut weights) = (0.0, 0.0);
    for (row, cells) in map.outer_iter().enumerate() {
        let weight = latitude(row).to_radians().cos();
        sum += weight * mean(&cells);
        weights += weight;
    }
    sum / weights
}

/// The slope of the line of least squares through a series of years, in K per century.
fn trend(series: &View<'_, f32>) -> f64 {
    let middle = (series.len() - 1) as f64 / 2.0;
    let (mut product, mut square) = (0.0, 0.0);
    for (year, &kelvin) in series.iter().enumerate() {
        let time = year as f64 - middle;
        product += time * f64::from(kelvin);
        square += time * time;
    }
    100.0 * product / square
}

/// Where the smallest and the largest value stand.
fn extremes(values: &[f64]) -> (usize, usize) {
    let (mut smallest, mut largest) = (0, 0);
    for (index, &value) in values.iter().enumerate() {
        if value < values[smallest] {
            smallest = index;
        }
        if value > values[largest] {
            largest = index;
        }
    }
    (smallest, largest)
}
