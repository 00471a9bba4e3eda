//! Draws a map of trends as a PNG, with plotters. Knows colours and pixels, and no files of arrays.

use std::ops::Range;
use std::path::Path;

use mmap_array::View;
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::register_font;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::{BOULDER, Result, SHAPE, latitude, longitude, year};

/// The font comes with the example, so that none need be installed.
const FONT: &[u8] = include_bytes!("../data/DejaVuSans-ASCII.ttf");

// In pixels. A cell is as wide, compared with its height, as it is on the ground in the middle.
const CELL: (u32, u32) = (24, 20);
const HEAD: u32 = 112;
const FOOT: u32 = 84;
const X_LABELS: u32 = 40;
const LEFT: u32 = 84;
const GAP: u32 = 36;
const BAR: u32 = 30;
const BAR_LABELS: u32 = 70;
const RIGHT: u32 = 20;

const INK: RGBColor = RGBColor(38, 38, 44);
const FAINT: RGBColor = RGBColor(110, 110, 118);

/// The colours from the smallest to the largest trend: from pale to dark, and from yellow to red.
const PALETTE: [[f64; 3]; 10] = [
    [255.0, 251.0, 224.0],
    [255.0, 240.0, 184.0],
    [255.0, 222.0, 138.0],
    [254.0, 198.0, 94.0],
    [252.0, 165.0, 62.0],
    [244.0, 125.0, 43.0],
    [226.0, 84.0, 36.0],
    [196.0, 46.0, 40.0],
    [152.0, 20.0, 46.0],
    [98.0, 8.0, 48.0],
];

type Area<'a> = DrawingArea<BitMapBackend<'a>, Shift>;

/// Draws `trends`, a map of K per century with axes (latitude, longitude).
pub(crate) fn draw(path: &Path, trends: &View<'_, f64>) -> Result<()> {
    register_font("sans-serif", FontStyle::Normal, FONT)
        .map_err(|_| "the font of the example cannot be read")?;
    let (map_width, map_height) = map_size();
    let size = (LEFT + map_width + GAP + BAR + BAR_LABELS + RIGHT, HEAD + map_height + FOOT);
    let root = BitMapBackend::new(path, size).into_drawing_area();
    root.fill(&WHITE)?;

    let scale = scale(trends);
    let (left, right) = root.split_horizontally(LEFT + map_width);
    draw_text(&root)?;
    draw_cells(&left, trends, &scale)?;
    draw_colour_bar(&right, &scale)?;
    root.present()?;
    Ok(())
}

fn map_size() -> (u32, u32) {
    let [_, rows, columns] = SHAPE;
    (CELL.0 * columns as u32, CELL.1 * rows as u32)
}

/// The range of the colours: half kelvins around the smallest and the largest trend.
fn scale(trends: &View<'_, f64>) -> Range<f64> {
    let smallest = trends.iter().copied().fold(f64::INFINITY, f64::min);
    let largest = trends.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    (2.0 * smallest).floor() / 2.0..(2.0 * largest).ceil() / 2.0
}

/// The colour of a value, mixed from its two neighbours in the palette.
fn colour(value: f64, scale: &Range<f64>) -> RGBColor {
    let last = (PALETTE.len() - 1) as f64;
    let place = (last * (value - scale.start) / (scale.end - scale.start)).clamp(0.0, last);
    let below = PALETTE[place.floor() as usize];
    let above = PALETTE[place.ceil() as usize];
    let mix = |channel: usize| {
        (below[channel] + place.fract() * (above[channel] - below[channel])).round() as u8
    };
    RGBColor(mix(0), mix(1), mix(2))
}

fn font(size: u32, colour: RGBColor) -> TextStyle<'static> {
    ("sans-serif", size).into_font().color(&colour)
}

/// Title, units and origin.
fn draw_text(root: &Area<'_>) -> Result<()> {
    let left = LEFT as i32;
    let bottom = (HEAD + map_size().1 + FOOT) as i32;
    let title = format!("Trend of air temperature, {} to {}", year(0), year(SHAPE[0] - 1));
    root.draw_text(&title, &font(40, INK), (left, 24))?;
    let units = "K per century, least squares over yearly means at 1.5 m; model, scenario A1B";
    root.draw_text(units, &font(23, FAINT), (left, 72))?;
    let origin = "Data: Met Office, UK Open Government Licence, British Crown copyright 2018";
    root.draw_text(origin, &font(18, FAINT), (left, bottom - 32))?;
    Ok(())
}

/// The map: each cell reaches half a step beyond its centre, so that it lies true to the axes.
fn draw_cells(area: &Area<'_>, trends: &View<'_, f64>, scale: &Range<f64>) -> Result<()> {
    let [_, rows, columns] = SHAPE;
    let (half_lon, half_lat) =
        ((longitude(1) - longitude(0)) / 2.0, (latitude(1) - latitude(0)) / 2.0);
    let mut chart = ChartBuilder::on(area)
        .margin_top(HEAD)
        .margin_bottom(FOOT - X_LABELS)
        .x_label_area_size(X_LABELS)
        .y_label_area_size(LEFT)
        .build_cartesian_2d(
            longitude(0) - half_lon..longitude(columns - 1) + half_lon,
            latitude(0) - half_lat..latitude(rows - 1) + half_lat,
        )?;
    chart.draw_series((0..rows * columns).map(|cell| {
        let (row, column) = (cell / columns, cell % columns);
        let (x, y) = (longitude(column), latitude(row));
        let corners = [(x - half_lon, y - half_lat), (x + half_lon, y + half_lat)];
        Rectangle::new(corners, colour(trends[[row, column]], scale).filled())
    }))?;
    chart
        .configure_mesh()
        .x_labels(10)
        .y_labels(10)
        .light_line_style(TRANSPARENT)
        .bold_line_style(WHITE.mix(0.45))
        .axis_style(INK)
        .label_style(font(22, INK))
        .x_label_formatter(&|x| format!("{}\u{b0}W", 360.0 - x))
        .y_label_formatter(&|y| format!("{y}\u{b0}N"))
        .draw()?;

    let [row, column] = BOULDER;
    let point = (longitude(column), latitude(row));
    let name = Text::new("Boulder", (12, -10), font(22, INK));
    chart.draw_series([EmptyElement::at(point)
        + Circle::new((0, 0), 6, INK.stroke_width(2))
        + name])?;
    Ok(())
}

fn draw_colour_bar(area: &Area<'_>, scale: &Range<f64>) -> Result<()> {
    const STEPS: u32 = 256;
    let mut chart = ChartBuilder::on(area)
        .margin_top(HEAD)
        .margin_bottom(FOOT)
        .margin_left(GAP)
        .margin_right(RIGHT)
        .right_y_label_area_size(BAR_LABELS)
        .build_cartesian_2d(0.0..1.0, scale.clone())?;
    let height = (scale.end - scale.start) / f64::from(STEPS);
    chart.draw_series((0..STEPS).map(|step| {
        let bottom = scale.start + height * f64::from(step);
        let corners = [(0.0, bottom), (1.0, bottom + height)];
        Rectangle::new(corners, colour(bottom + height / 2.0, scale).filled())
    }))?;
    chart
        .configure_mesh()
        .disable_mesh()
        .disable_x_axis()
        .y_labels(10)
        .axis_style(INK)
        .label_style(font(22, INK))
        .y_label_formatter(&|kelvin| format!(" {kelvin:.1}"))
        .draw()?;
    let units = font(22, INK).pos(Pos::new(HPos::Center, VPos::Bottom));
    area.draw_text("K/century", &units, ((GAP + BAR / 2 + 12) as i32, HEAD as i32 - 18))?;
    Ok(())
}
