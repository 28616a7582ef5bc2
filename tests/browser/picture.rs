//! Reads, writes and compares pictures.

use std::collections::HashMap;

/// The side length of a field, in pixels of a stored picture. The comparison divides pictures into square fields.
const FIELD: usize = 24;

/// A field has content if two of its pixels differ by more than this in one channel.
const CONTENT: u8 = 48;

/// A field is empty if its pixels differ by at most this in each channel.
const EMPTY: u8 = 16;

/// A picture with three bytes per pixel.
#[derive(Clone, PartialEq)]
pub struct Picture {
    width: usize,
    height: usize,
    pixels: Vec<[u8; 3]>,
}

impl Picture {
    pub fn read(png: &[u8]) -> Self {
        let mut decoder = png::Decoder::new(std::io::Cursor::new(png));
        decoder.set_transformations(png::Transformations::normalize_to_color8());
        let mut reader = decoder.read_info().expect("a PNG file");
        let mut bytes = vec![0; reader.output_buffer_size().expect("a size")];
        let info = reader.next_frame(&mut bytes).expect("a PNG file");
        let pixels = bytes[..info.buffer_size()]
            .chunks_exact(info.color_type.samples())
            .map(|pixel| [pixel[0], pixel[1], pixel[2]])
            .collect();
        Self { width: info.width as usize, height: info.height as usize, pixels }
    }

    /// Encodes the picture as PNG with at most 256 colors.
    pub fn write(&self) -> Vec<u8> {
        // Five bits per channel are enough to compare colors, and compress well.
        let reduced = |pixel: &[u8; 3]| pixel.map(|value| (value >> 3) * 8 + (value >> 5));
        let mut counts = HashMap::<[u8; 3], usize>::new();
        for pixel in &self.pixels {
            *counts.entry(reduced(pixel)).or_default() += 1;
        }
        let mut palette: Vec<_> = counts.into_iter().collect();
        palette.sort_unstable_by_key(|(color, count)| (std::cmp::Reverse(*count), *color));
        let palette: Vec<_> = palette.into_iter().map(|(color, _)| color).take(256).collect();
        let mut known: HashMap<_, _> = palette.iter().copied().zip(0..=u8::MAX).collect();
        let mut index = |pixel: &[u8; 3]| {
            let color = reduced(pixel);
            *known.entry(color).or_insert_with(|| {
                let nearest = (0..=u8::MAX).zip(&palette).min_by_key(|(_, other)| distance(&color, other));
                nearest.expect("a color").0
            })
        };
        let indices: Vec<u8> = self.pixels.iter().map(&mut index).collect();
        let mut png = Vec::new();
        let mut encoder = png::Encoder::new(&mut png, self.width as u32, self.height as u32);
        encoder.set_color(png::ColorType::Indexed);
        encoder.set_palette(palette.as_flattened());
        encoder.set_filter(png::Filter::NoFilter);
        encoder.set_compression(png::Compression::High);
        encoder.write_header().and_then(|mut writer| writer.write_image_data(&indices)).expect("a PNG file");
        png
    }

    /// Returns the difference from another picture.
    pub fn difference(&self, actual: &Self) -> Difference {
        let moved = self.moved(actual);
        Difference {
            recolored: self.recolored(actual, |_| true),
            retinted: self.recolored(actual, is_colorful),
            moved: moved.iter().filter(|moved| **moved).count() as f64 / moved.len() as f64,
            height: actual.height as f64 / self.height as f64,
        }
    }

    /// Returns a copy of `actual` in which the fields that differ are marked.
    pub fn marked(&self, actual: &Self) -> Self {
        let (moved, mut marked) = (self.moved(actual), actual.clone());
        let (columns, rows) = self.fields();
        for (position, pixel) in marked.pixels.iter_mut().enumerate() {
            let (y, x) = (position / actual.width, position % actual.width);
            if moved[y * rows / actual.height * columns + x * columns / actual.width] {
                *pixel = [u8::MAX, pixel[1] / 2, u8::MAX];
            }
        }
        marked
    }

    /// Returns the numbers of columns and rows of fields.
    fn fields(&self) -> (usize, usize) {
        (self.width.div_ceil(FIELD), self.height.div_ceil(FIELD))
    }

    /// Returns the difference between the color histograms of both pictures, from 0 to 1. Only pixels for which
    /// `is_counted` returns `true` are counted.
    fn recolored(&self, actual: &Self, is_counted: impl Fn(&[u8; 3]) -> bool) -> f64 {
        let [expected, found] = [self, actual].map(|picture| {
            let mut counts = [0_u32; 64];
            // Test builds are not optimized. Most pixels have the color of the previous one, so counting runs of equal
            // pixels saves most of the time.
            for run in picture.pixels.chunk_by(|one, next| one == next).filter(|run| is_counted(&run[0])) {
                let [red, green, blue] = run[0];
                counts[usize::from(red >> 6 << 4 | green >> 6 << 2 | blue >> 6)] += run.len() as u32;
            }
            let all = f64::from(counts.iter().sum::<u32>().max(1));
            counts.map(|count| f64::from(count) / all)
        });
        expected.iter().zip(&found).map(|(one, other)| (one - other).abs() / 2.0).sum()
    }

    /// Returns for each field whether it has content in one picture while it and its neighbors are empty in the other.
    fn moved(&self, actual: &Self) -> Vec<bool> {
        let (columns, rows) = self.fields();
        let [expected, found] = [self, actual].map(|picture| picture.contrasts(columns, rows));
        let is_empty = |contrasts: &[u8], row: usize, column: usize| {
            (row.saturating_sub(1)..=(row + 1).min(rows - 1)).all(|row| {
                (column.saturating_sub(1)..=(column + 1).min(columns - 1))
                    .all(|column| contrasts[row * columns + column] <= EMPTY)
            })
        };
        let moved = (0..rows * columns).map(|field| {
            let (row, column) = (field / columns, field % columns);
            expected[field] > CONTENT && is_empty(&found, row, column)
                || found[field] > CONTENT && is_empty(&expected, row, column)
        });
        moved.collect()
    }

    /// Returns for each field the largest difference between two pixels in one channel.
    fn contrasts(&self, columns: usize, rows: usize) -> Vec<u8> {
        let (mut least, mut most) = (vec![[u8::MAX; 3]; columns * rows], vec![[0; 3]; columns * rows]);
        for (y, line) in self.pixels.chunks_exact(self.width).enumerate() {
            let (first, mut x) = (y * rows / self.height * columns, 0);
            for run in line.chunk_by(|one, next| one == next) {
                let last = x + run.len() - 1;
                for field in first + x * columns / self.width..=first + last * columns / self.width {
                    for (channel, value) in run[0].into_iter().enumerate() {
                        least[field][channel] = least[field][channel].min(value);
                        most[field][channel] = most[field][channel].max(value);
                    }
                }
                x += run.len();
            }
        }
        least.iter().zip(&most).map(|(least, most)| distance(least, most)).collect()
    }
}

/// Returns the largest difference between two colors in one channel.
fn distance(one: &[u8; 3], other: &[u8; 3]) -> u8 {
    one.iter().zip(other).map(|(one, other)| one.abs_diff(*other)).max().unwrap_or(0)
}

/// Returns whether a pixel is neither black, gray nor white.
fn is_colorful(pixel: &[u8; 3]) -> bool {
    pixel.iter().max().zip(pixel.iter().min()).is_some_and(|(most, least)| most - least > 48)
}

/// The differences between two pictures.
#[derive(Clone, Copy, Debug)]
pub struct Difference {
    /// The fraction of the pixels that have a different color.
    pub recolored: f64,
    /// The fraction of the colorful pixels that have a different color.
    pub retinted: f64,
    /// The fraction of the fields with content in only one of the pictures.
    pub moved: f64,
    /// The height of the second picture divided by that of the first.
    pub height: f64,
}
