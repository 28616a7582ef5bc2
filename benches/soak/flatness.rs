//! Whether something stays as it is: a third of the run is for warming up, and of the rest the last quarter is held
//! against the first.

use crate::{run::Run, samples::Sample, support::spread::Spread};

#[derive(Clone, Copy)]
pub struct Flatness {
    /// Medians of the first quarter and of the last.
    pub first: f64,
    pub last: f64,
    /// By least squares through all quarters.
    pub per_hour: f64,
}

impl Flatness {
    pub fn of(run: &Run, figure: fn(&Sample) -> f64) -> Self {
        let points: Vec<_> = run.samples[run.samples.len() / 3..]
            .iter()
            .map(|sample| (sample.minute / 60.0, figure(sample)))
            .filter(|(_, figure)| figure.is_finite())
            .collect();
        let quarter = points.len() / 4;
        let median = |points: &[(f64, f64)]| {
            if points.is_empty() {
                return f64::NAN;
            }
            Spread::of(points.iter().map(|(_, figure)| *figure).collect()).median
        };
        Self {
            first: median(&points[..quarter]),
            last: median(&points[points.len() - quarter..]),
            per_hour: slope(&points),
        }
    }

    pub fn growth(&self) -> f64 {
        self.last - self.first
    }

    pub fn ratio(&self) -> f64 {
        self.last / self.first
    }
}

fn slope(points: &[(f64, f64)]) -> f64 {
    let count = points.len() as f64;
    let mean_x = points.iter().map(|(x, _)| x).sum::<f64>() / count;
    let mean_y = points.iter().map(|(_, y)| y).sum::<f64>() / count;
    let above: f64 = points.iter().map(|(x, y)| (x - mean_x) * (y - mean_y)).sum();
    let below: f64 = points.iter().map(|(x, _)| (x - mean_x).powi(2)).sum();
    above / below
}
