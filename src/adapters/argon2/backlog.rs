//! How much there is to hash, and how long that takes.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

/// The jobs that wait and those at work.
pub(super) struct Backlog {
    threads: usize,
    jobs: AtomicUsize,
    /// How long a job took lately, in nanoseconds; zero until the first one is done.
    average: AtomicU64,
}

/// One of the jobs, until it is dropped.
pub(super) struct Ticket(Arc<Backlog>);

impl Backlog {
    pub(super) fn new(threads: usize) -> Self {
        Self { threads, jobs: AtomicUsize::new(0), average: AtomicU64::new(0) }
    }

    /// One more job, and about how long it will wait for a thread.
    pub(super) fn enter(self: &Arc<Self>) -> (Ticket, Duration) {
        let ahead = self.jobs.fetch_add(1, Ordering::Relaxed);
        (Ticket(Arc::clone(self)), self.wait_behind(ahead))
    }

    fn wait_behind(&self, jobs: usize) -> Duration {
        let turns = (jobs + 1).saturating_sub(self.threads);
        let average = Duration::from_nanos(self.average.load(Ordering::Relaxed));
        let threads = u32::try_from(self.threads).unwrap_or(u32::MAX);
        average.saturating_mul(u32::try_from(turns).unwrap_or(u32::MAX)) / threads
    }
}

impl Ticket {
    /// The job was worked at for so long: what will be waited is by the clock, so is this.
    pub(super) fn took(&self, time: Duration) {
        let time = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let average = &self.0.average;
        // What two threads say at once may be lost: the next ones say it too.
        let new = match average.load(Ordering::Relaxed) {
            0 => time,
            old => old - old / 8 + time / 8,
        };
        average.store(new, Ordering::Relaxed);
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.0.jobs.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_waits_for_those_before_it_on_all_threads() {
        let backlog = Arc::new(Backlog::new(2));
        let (first, wait) = backlog.enter();
        assert_eq!(wait, Duration::ZERO);
        first.took(Duration::from_millis(40));
        let waits: Vec<_> = (0..4).map(|_| backlog.enter()).collect();
        let waits: Vec<_> = waits.iter().map(|(_, wait)| wait.as_millis()).collect();
        assert_eq!(waits, [0, 20, 40, 60]);
        assert_eq!(backlog.wait_behind(0), Duration::ZERO);
    }

    #[test]
    fn the_average_follows_what_jobs_take() {
        let backlog = Arc::new(Backlog::new(1));
        let (ticket, _) = backlog.enter();
        for time in [[10; 50], [100; 50]].concat() {
            ticket.took(Duration::from_millis(time));
        }
        let (_, wait) = backlog.enter();
        assert!((99..=100).contains(&wait.as_millis()), "{wait:?}");
    }
}
