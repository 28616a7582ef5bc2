//! Which colour is which line: above the lines, where nothing is drawn over them.

use plotters::prelude::*;

use super::{Area, COLOURS, Line, TEXT, broken, font};
use crate::support::Failure;

const ROW: u32 = 20;
const SAMPLE: i32 = 22;
/// Between a line's sample and its name.
const GAP: i32 = 6;
/// After a name.
const PAUSE: i32 = 20;
/// Of one letter on average, generously: how wide the reader's are is not known.
const LETTER: f64 = 7.5;

pub struct Legend<'a> {
    /// Each with the row and how far to the right.
    names: Vec<(&'a str, i32, i32)>,
    rows: u32,
}

impl<'a> Legend<'a> {
    /// Nothing for a single line, which the title names.
    pub fn of(lines: &'a [Line], width: u32) -> Self {
        if lines.len() < 2 {
            return Self { names: Vec::new(), rows: 0 };
        }
        let (mut names, mut row, mut right) = (Vec::new(), 0, 0);
        for line in lines {
            let letters = line.name.chars().count() as f64;
            let length = SAMPLE + GAP + (letters * LETTER).ceil() as i32;
            if right > 0 && right + length > width as i32 {
                (row, right) = (row + 1, 0);
            }
            names.push((line.name.as_str(), row, right));
            right += length + PAUSE;
        }
        Self { names, rows: row as u32 + 1 }
    }

    pub fn height(&self) -> u32 {
        self.rows * ROW
    }

    pub fn draw(&self, area: &Area<'_>, left: u32) -> Result<(), Failure> {
        for ((name, row, right), colour) in self.names.iter().zip(COLOURS.iter().cycle()) {
            let (x, y) = (left as i32 + right, row * ROW as i32 + 7);
            let sample = PathElement::new([(x, y), (x + SAMPLE, y)], colour.stroke_width(3));
            area.draw(&sample).map_err(broken)?;
            let name = Text::new(*name, (x + SAMPLE + GAP, y - 6), font(13).color(&TEXT));
            area.draw(&name).map_err(broken)?;
        }
        Ok(())
    }
}
