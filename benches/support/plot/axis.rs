//! An axis: its name, its marks, and how far it reaches.

use std::ops::Range;

use plotters::coord::ranged1d::{KeyPointHint, NoDefaultFormatting, Ranged, ValueFormatter};

use crate::support::Failure;

pub struct Axis {
    /// With its unit.
    pub label: String,
    scale: Scale,
    marks: Option<Vec<f64>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Scale {
    /// From zero: a small difference looks small.
    Linear,
    Logarithmic,
}

/// What an axis reaches from and to, with its marks.
#[derive(Clone)]
pub struct Span {
    scale: Scale,
    marks: Vec<f64>,
    reach: Range<f64>,
}

impl Axis {
    pub fn linear(label: &str) -> Self {
        Self { label: label.to_owned(), scale: Scale::Linear, marks: None }
    }

    pub fn logarithmic(label: &str) -> Self {
        Self { scale: Scale::Logarithmic, ..Self::linear(label) }
    }

    /// Marked at these values, in their order, and not where it chooses.
    pub fn marked(self, marks: Vec<f64>) -> Self {
        Self { marks: Some(marks), ..self }
    }

    /// What is written at a mark.
    pub fn mark(&self, value: f64) -> String {
        let text = format!("{value:.6}");
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    }

    /// Far enough for these values, with about so many marks.
    pub(super) fn span(&self, values: impl Iterator<Item = f64>, about: usize) -> Result<Span, Failure> {
        let finite: Vec<_> = values.filter(|value| value.is_finite()).collect();
        let least = finite.iter().copied().reduce(f64::min);
        let most = finite.iter().copied().reduce(f64::max);
        let (Some(least), Some(most)) = (least, most) else {
            return Err(format!("the axis {:?} has no values", self.label));
        };
        let marks = match self.scale {
            Scale::Linear if least < 0.0 => Err(format!("the axis {:?} begins at 0", self.label)),
            Scale::Linear => Ok(linear_marks(most, about)),
            Scale::Logarithmic if least <= 0.0 => {
                Err(format!("the axis {:?} is logarithmic and has no 0", self.label))
            }
            Scale::Logarithmic => Ok(logarithmic_marks(least, most, about)),
        }?;
        let marks = self.marks.clone().unwrap_or(marks);
        let first = marks.first().copied().unwrap_or(least).min(least);
        let last = marks.last().copied().unwrap_or(most).max(most);
        Ok(Span { scale: self.scale, marks, reach: first..last })
    }
}

/// From 0 to the first mark that is not below `most`, in steps of 1, 2 or 5 and zeros.
fn linear_marks(most: f64, about: usize) -> Vec<f64> {
    let most = if most > 0.0 { most } else { 1.0 };
    let step = round_values(most / about as f64).find(|step| *step * about as f64 >= most * 0.999_999);
    let step = step.unwrap_or(most);
    let steps = (most / step - 1e-6).ceil() as u32;
    (0..=steps).map(|number| f64::from(number) * step).collect()
}

/// 1, 2 and 5 and zeros, or powers of ten where these are too many.
fn logarithmic_marks(least: f64, most: f64, about: usize) -> Vec<f64> {
    let around = |marks: &[f64]| {
        let first = marks.iter().rposition(|mark| *mark <= least * 1.000_001).unwrap_or(0);
        let last = marks.iter().position(|mark| *mark >= most * 0.999_999).unwrap_or(marks.len() - 1);
        marks[first..=last.max(first + 1)].to_vec()
    };
    let decades = (most / least).log10().ceil() as usize + 2;
    let all: Vec<_> = round_values(least).take(3 * decades).collect();
    let marks = around(&all);
    if marks.len() <= about.max(7) {
        return marks;
    }
    around(&all.into_iter().step_by(3).collect::<Vec<_>>())
}

/// 1, 2, 5, 10, 20 … from the power of ten below `from` on.
fn round_values(from: f64) -> impl Iterator<Item = f64> {
    let exponent = (from.log10() + 1e-9).floor() as i32;
    // One power is rounded once: 10^-1 times 3 would not be 0.3 in its last digit.
    let power =
        |exponent: i32| if exponent < 0 { 1.0 / 10_f64.powi(-exponent) } else { 10_f64.powi(exponent) };
    (exponent..).flat_map(move |exponent| [1.0, 2.0, 5.0].map(|digit| digit * power(exponent)))
}

impl Ranged for Span {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, (from, to): (i32, i32)) -> i32 {
        let Range { start, end } = self.reach;
        let share = match self.scale {
            Scale::Linear => (value - start) / (end - start),
            Scale::Logarithmic => (value / start).ln() / (end / start).ln(),
        };
        from + (f64::from(to - from) * share).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, hint: Hint) -> Vec<f64> {
        // Asked for finer lines too, of which there are none.
        if hint.weight().allow_light_points() { Vec::new() } else { self.marks.clone() }
    }

    fn range(&self) -> Range<f64> {
        self.reach.clone()
    }
}

/// The axis writes them.
impl ValueFormatter<f64> for Span {
    fn format(value: &f64) -> String {
        value.to_string()
    }
}
