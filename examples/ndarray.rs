//! Computes with ndarray on a mapped array: the mean, the spread and the trend of the air
//! temperature over North America.
//!
//! ```text
//! cargo run --release --features ndarray-0_17 --example ndarray
//! ```
//!
//! Nothing of the array is copied: ndarray's operations run over the mapped file. What they make,
//! maps of one number for each cell, is small.

#![allow(unsafe_code)]

use std::path::Path;
use std::process::ExitCode;

use mmap_array::ndarray_0_17::{Array1, Array2, ArrayView3, Axis, s};
use mmap_array::{MmapArray, View, save};

/// Yearly means from 1860 to 2099, in K: [year, latitude, longitude].
const SOURCE: &str = "examples/data/a1b_air_temperature.npy";
const FIRST_YEAR: usize = 1860;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("ndarray: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(SOURCE);
    // SAFETY: the file is part of this project's sources, and nobody changes it while this runs.
    let array = unsafe { MmapArray::<f32>::open(path)? };
    let air = ArrayView3::try_from(array.view())?;
    let (years, rows, columns) = air.dim();
    println!("{years} years of {rows} x {columns} cells, mapped; ndarray sees them where they are");

    let mean = air.mean_axis(Axis(0)).ok_or("no years")?;
    let spread = air.std_axis(Axis(0), 1.0);
    show("mean of all years, K", &mean);
    show("spread between years, K", &spread);

    let century = air.slice(s![-100.., .., ..]);
    let warming = &century.mean_axis(Axis(0)).ok_or("no years")? - &mean;
    let name = format!("{} to {} less all, K", FIRST_YEAR + years - 100, FIRST_YEAR + years - 1);
    show(&name, &warming);

    let trend = trend(&air)?;
    show("trend, K per century", &trend);
    let rising = trend.iter().filter(|&&slope| slope > 0.0).count();
    println!("It became warmer in {rising} of {} cells.", trend.len());

    let folder = tempfile::tempdir()?;
    let path = folder.path().join("trend.npy");
    save(&path, View::try_from(&trend)?)?;
    println!("The trend went to an .npy file of {} bytes.", path.metadata()?.len());
    Ok(())
}

/// The slope of the line of least squares through each cell's series, in K per century: one product
/// of a vector and a matrix, whose rows are the years.
fn trend(air: &ArrayView3<'_, f32>) -> Result<Array2<f32>> {
    let (years, rows, columns) = air.dim();
    let middle = (years - 1) as f32 / 2.0;
    let time = Array1::from_iter((0..years).map(|year| year as f32 - middle));
    let cells = air.to_shape((years, rows * columns))?;
    let slopes = time.dot(&cells) * (100.0 / time.dot(&time));
    Ok(slopes.into_shape_with_order((rows, columns))?)
}

/// The smallest, the middle and the largest number of a map.
fn show(name: &str, map: &Array2<f32>) {
    let mut numbers: Vec<f32> = map.iter().copied().collect();
    numbers.sort_by(f32::total_cmp);
    let [smallest, middle, largest] = [0, numbers.len() / 2, numbers.len() - 1].map(|n| numbers[n]);
    println!("  {name:<28} {smallest:8.2} .. {middle:8.2} .. {largest:8.2}");
}
