//! The run: every errand at its time, in a thread of its own, and samples of the service meanwhile.

use std::{
    sync::{
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use crate::{
    client::{ACCESS_TOKEN_TTL, Client},
    errands::{self, ERRANDS, Errand},
    purse::Purse,
    samples::{self, Sample},
    support::{Failure, machine, service::Service},
    tally::Tally,
};

/// How many tokens the service remembers; what the clients make fills it in a minute and a half.
pub const REMEMBERED: u32 = 1000;

pub struct Run {
    pub minutes: u32,
    pub samples: Vec<Sample>,
    pub tallies: [Tally; ERRANDS.len()],
    /// The processor time of the service.
    pub cpu: Duration,
    pub machine: String,
}

pub fn measure(minutes: u32) -> Result<Run, Failure> {
    let machine = machine::sentence();
    let service = start_service()?;
    let user = service.user()?;
    let (purse, tallies) = (Purse::default(), <[Tally; ERRANDS.len()]>::default());
    // The others need somebody's token from the first moment on.
    let mut first = Client::new(service.address, &user);
    for turn in 0..4 {
        errands::sign_in(&mut first, &purse, turn)?;
    }
    drop(first);

    let (start, cpu) = (Instant::now(), service.process.cpu_time());
    let end = start + Duration::from_secs(60) * minutes;
    let schedule = Schedule { start, end, is_over: AtomicBool::new(false) };
    let (failed, failures) = mpsc::channel();
    let samples = thread::scope(|scope| {
        for (errand, tally) in ERRANDS.iter().zip(&tallies) {
            let (failed, purse, schedule) = (failed.clone(), &purse, &schedule);
            let client = Client::new(service.address, &user);
            scope.spawn(move || {
                if let Err(failure) = schedule.repeat(errand, tally, client, purse) {
                    // It is heard until all are done.
                    let _ = failed.send(failure);
                }
            });
        }
        let samples = samples::take(&schedule, &service, &tallies[0], &failures);
        schedule.is_over.store(true, Ordering::Relaxed);
        samples
    })?;
    if let Ok(failure) = failures.try_recv() {
        return Err(format!("at the very end: {failure}"));
    }
    let cpu = service.process.cpu_time().saturating_sub(cpu);
    Ok(Run { minutes, samples, tallies, cpu, machine })
}

fn start_service() -> Result<Service, Failure> {
    let (ttl, remembered) = (ACCESS_TOKEN_TTL.to_string(), REMEMBERED.to_string());
    Service::start(
        &[
            // All of it ends within the run.
            &["--access-token-ttl", &ttl, "--refresh-idle-ttl", "60", "--refresh-ttl", "120"][..],
            &["--token-cache-size", &remembered],
            // Other programs may have the cores for a while: hashing threads yield to them, and clients are late.
            &["--hash-max-wait", "60000", "--idle-timeout", "60"],
        ]
        .concat(),
    )
}

/// From when to when everything is done at its time.
pub struct Schedule {
    pub start: Instant,
    pub end: Instant,
    is_over: AtomicBool,
}

impl Schedule {
    /// Whoever is late does at once what was due, and it counts as that late.
    fn repeat(
        &self,
        errand: &Errand,
        tally: &Tally,
        mut client: Client,
        purse: &Purse,
    ) -> Result<(), Failure> {
        let mut due = self.start;
        for turn in 0.. {
            thread::sleep(due.saturating_duration_since(Instant::now()));
            // Not at the end already: with the client its connections go, and the last sample would miss them.
            if self.is_over.load(Ordering::Relaxed) {
                break;
            }
            let outcome = (errand.run)(&mut client, purse, turn)?;
            tally.add(outcome, due.elapsed());
            due += errand.every;
        }
        Ok(())
    }
}
