//! What the service looks like from one moment to the next.

use std::{
    sync::mpsc::Receiver,
    time::{Duration, Instant},
};

use crate::{
    run::Schedule,
    support::{Failure, service::Service},
    tally::{Tally, milliseconds},
};

/// At the most; a longer run has longer windows.
const SAMPLES: u32 = 600;

/// The service at one moment, and its answers since the sample before.
pub struct Sample {
    pub minute: f64,
    pub resident_mib: f64,
    pub open_files: f64,
    pub threads: f64,
    pub database_mib: f64,
    /// Of GET /users/me in milliseconds; not a number where there was no answer.
    pub p50: f64,
    pub p99: f64,
}

/// Until the end, or the first failure that is heard of.
pub fn take(
    schedule: &Schedule,
    service: &Service,
    users_me: &Tally,
    failures: &Receiver<Failure>,
) -> Result<Vec<Sample>, Failure> {
    let length = schedule.end - schedule.start;
    let window = Duration::from_secs(1).max(length / SAMPLES);
    let (mut samples, mut seen, mut end) = (Vec::new(), 0, schedule.start + window);
    while end <= schedule.end {
        if let Ok(failure) = failures.recv_timeout(end.saturating_duration_since(Instant::now())) {
            let minutes = schedule.start.elapsed().as_secs_f64() / 60.0;
            return Err(format!("after {minutes:.1} minutes: {failure}"));
        }
        let (latencies, process) = (users_me.latencies_after(seen), &service.process);
        samples.push(Sample {
            minute: (end - schedule.start).as_secs_f64() / 60.0,
            resident_mib: process.resident_mib(),
            open_files: process.open_files(),
            threads: process.threads(),
            database_mib: service.database_mib(),
            p50: milliseconds(&latencies, 0.5),
            p99: milliseconds(&latencies, 0.99),
        });
        if samples.len().is_multiple_of(60) {
            eprintln!("{:.1} of {} minutes …", samples[samples.len() - 1].minute, length.as_secs() / 60);
        }
        (seen, end) = (seen + latencies.len(), end + window);
    }
    Ok(samples)
}
