//! What came of an errand.

use std::{
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use crate::{errands::Outcome, support::latency};

#[derive(Default)]
pub struct Tally {
    /// From when it was due until it was done.
    latencies: Mutex<Vec<Duration>>,
    busy: AtomicU32,
    runs: AtomicU32,
}

impl Tally {
    pub fn add(&self, outcome: Outcome, latency: Duration) {
        self.runs.fetch_add(1, Ordering::Relaxed);
        match outcome {
            Outcome::Answered => self.lock().push(latency),
            Outcome::Busy => drop(self.busy.fetch_add(1, Ordering::Relaxed)),
            Outcome::NothingToDo => {}
        }
    }

    pub fn latencies(&self) -> Vec<Duration> {
        self.latencies_after(0)
    }

    /// Those but the first `seen`.
    pub fn latencies_after(&self, seen: usize) -> Vec<Duration> {
        self.lock()[seen..].to_vec()
    }

    pub fn busy(&self) -> u32 {
        self.busy.load(Ordering::Relaxed)
    }

    /// How often it was run, whatever came of it.
    pub fn runs(&self) -> u32 {
        self.runs.load(Ordering::Relaxed)
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Duration>> {
        self.latencies.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// In milliseconds; not a number where there was no answer.
pub fn milliseconds(latencies: &[Duration], share: f64) -> f64 {
    if latencies.is_empty() { f64::NAN } else { latency::within(latencies, share) * 1e3 }
}
