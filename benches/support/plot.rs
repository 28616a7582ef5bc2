//! The pictures of docs/BENCHMARKS.md: lines over an axis, one chart or several one above the other, as SVG.

mod axis;
mod legend;

use std::fs;

use plotters::{coord::Shift, prelude::*};

pub use self::axis::Axis;
use self::{axis::Span, legend::Legend};
use super::Failure;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs");

const WIDTH: u32 = 900;
const MARGIN: u32 = 12;
const TITLE: u32 = 30;
/// Beside the lines: what the marks of each axis say, and its name.
const LEFT: u32 = 90;
const BELOW: u32 = 44;
/// Half of what the last mark of x says.
const RIGHT: u32 = 30;

const TEXT: RGBColor = RGBColor(0x33, 0x33, 0x33);
const GRID: RGBColor = RGBColor(0xdd, 0xdd, 0xdd);
/// Those of Okabe and Ito that show on white: whoever does not see all colours tells them apart too.
const COLOURS: [RGBColor; 7] = [
    RGBColor(0x00, 0x72, 0xb2),
    RGBColor(0xd5, 0x5e, 0x00),
    RGBColor(0x00, 0x9e, 0x73),
    RGBColor(0xcc, 0x79, 0xa7),
    RGBColor(0x00, 0x00, 0x00),
    RGBColor(0x56, 0xb4, 0xe9),
    RGBColor(0xe6, 0x9f, 0x00),
];
/// Of so few points each is marked.
const FEW: usize = 30;

pub struct Chart {
    pub title: String,
    pub x: Axis,
    pub y: Axis,
    pub lines: Vec<Line>,
}

pub struct Line {
    pub name: String,
    /// In the order of x. Where a value is not finite, the line is broken.
    pub points: Vec<(f64, f64)>,
}

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// Puts the charts into docs/ as `file`.
pub fn write(file: &str, charts: &[Chart]) -> Result<(), Failure> {
    let path = format!("{FOLDER}/{file}");
    fs::write(&path, svg(charts)?).map_err(|error| format!("{path}: {error}"))
}

/// The charts one above the other; x is that of the last.
pub fn svg(charts: &[Chart]) -> Result<String, Failure> {
    let last = charts.last().ok_or("there is nothing to draw")?;
    let x = last.x.span(charts.iter().flat_map(|chart| chart.values(|&(x, _)| x)), 10)?;
    let legends: Vec<_> = charts.iter().map(|chart| Legend::of(&chart.lines, WIDTH - LEFT - RIGHT)).collect();
    let plot = if charts.len() == 1 { 340 } else { 150 };
    let below = |number: usize| if number + 1 == charts.len() { BELOW } else { MARGIN };
    let heights: Vec<_> =
        (0..).zip(&legends).map(|(number, legend)| TITLE + legend.height() + plot + below(number)).collect();

    let mut text = String::new();
    let size = (WIDTH, heights.iter().sum::<u32>() + 2 * MARGIN);
    let root = SVGBackend::with_string(&mut text, size).into_drawing_area();
    // GitHub's page may be dark.
    root.fill(&WHITE).map_err(broken)?;
    let (_, mut rest) = root.split_vertically(MARGIN);
    for (number, chart) in charts.iter().enumerate() {
        let (area, under) = rest.split_vertically(heights[number]);
        chart.draw(&area, &legends[number], x.clone(), below(number))?;
        rest = under;
    }
    root.present().map_err(broken)?;
    drop((root, rest));
    Ok(text)
}

impl Chart {
    fn values(&self, which: fn(&(f64, f64)) -> f64) -> impl Iterator<Item = f64> {
        self.lines.iter().flat_map(move |line| line.points.iter().map(which))
    }

    fn draw(&self, area: &Area<'_>, legend: &Legend<'_>, x: Span, below: u32) -> Result<(), Failure> {
        let (title, area) = area.split_vertically(TITLE);
        let at = (i32::try_from(LEFT).unwrap_or_default(), 6);
        title.draw_text(&self.title, &font(15).color(&TEXT), at).map_err(broken)?;
        let (names, area) = area.split_vertically(legend.height());
        legend.draw(&names, LEFT)?;

        let y = self.y.span(self.values(|&(_, y)| y), 5)?;
        let names_x = below > MARGIN;
        let mut chart = ChartBuilder::on(&area)
            .margin_bottom(if names_x { 0 } else { below })
            .margin_left(MARGIN)
            .margin_right(RIGHT)
            .y_label_area_size(LEFT - MARGIN)
            .x_label_area_size(if names_x { below } else { 0 })
            .build_cartesian_2d(x, y)
            .map_err(broken)?;
        chart
            .configure_mesh()
            .bold_line_style(GRID)
            .max_light_lines(0)
            .axis_style(TEXT)
            .set_all_tick_mark_size(4)
            .label_style(font(12).color(&TEXT))
            .axis_desc_style(font(13).color(&TEXT))
            .x_label_formatter(&|value| self.x.mark(*value))
            .y_label_formatter(&|value| self.y.mark(*value))
            .x_desc(&self.x.label)
            .y_desc(&self.y.label)
            .draw()
            .map_err(broken)?;
        for (line, colour) in self.lines.iter().zip(COLOURS.iter().cycle()) {
            let radius = if line.points.len() <= FEW { 3 } else { 0 };
            for part in line.points.split(|(x, y)| !(x.is_finite() && y.is_finite())) {
                let style = ShapeStyle { color: colour.to_rgba(), filled: true, stroke_width: 2 };
                let series = LineSeries::new(part.iter().copied(), style).point_size(radius);
                chart.draw_series(series).map_err(broken)?;
            }
        }
        Ok(())
    }
}

/// In pixels, and whatever sans-serif the reader has. The crate divides by this number.
fn font(pixels: u32) -> TextStyle<'static> {
    ("sans-serif", f64::from(pixels) * 1.24).into_font().into()
}

fn broken(error: impl std::fmt::Display) -> Failure {
    format!("the picture cannot be drawn: {error}")
}
