//! Summaries of many measurements.

use std::{fmt, time::Duration};

/// The median and the range of several values.
#[derive(Clone, Copy)]
pub struct Spread {
    pub least: f64,
    pub median: f64,
    pub most: f64,
}

impl Spread {
    /// Computes the spread of `values`, which must not be empty.
    pub fn of(values: impl IntoIterator<Item = f64>) -> Self {
        let mut values: Vec<_> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        let median = f64::midpoint(values[(values.len() - 1) / 2], values[values.len() / 2]);
        Self { least: values[0], median, most: values[values.len() - 1] }
    }
}

/// Formats a spread as `0.97 (0.95–0.98)`, with the formatter's precision.
impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let decimals = f.precision().unwrap_or(0);
        let Self { least, median, most } = self;
        write!(f, "{median:.decimals$} ({least:.decimals$}–{most:.decimals$})")
    }
}

/// Returns a percentile of the latencies in milliseconds, or NaN if `latencies` is empty.
pub fn percentile(latencies: &[Duration], share: f64) -> f64 {
    let mut latencies = latencies.to_vec();
    latencies.sort();
    let index = (latencies.len() as f64 * share) as usize;
    let latency = latencies.get(index).or(latencies.last());
    latency.map_or(f64::NAN, |latency| latency.as_secs_f64() * 1e3)
}
