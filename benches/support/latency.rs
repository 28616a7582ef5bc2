//! How long answers took.

use std::time::Duration;

/// The latency that `share` of the requests stayed within, in seconds.
pub fn within(latencies: &[Duration], share: f64) -> f64 {
    let mut latencies = latencies.to_vec();
    let at = ((latencies.len() as f64 * share) as usize).min(latencies.len() - 1);
    latencies.select_nth_unstable(at).1.as_secs_f64()
}
