//! Runs the tasks: each one repeats at fixed times in its own thread, while the service is sampled.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use crate::{
    sessions::{ACCESS_TOKEN_TTL, Sessions, lock},
    support::{Result, gatepass::Service, machine, percentile},
    tasks::{Client, Outcome, TASKS, Task},
};

/// The size of the token cache, which is full after a minute and a half.
pub const CACHED: u32 = 1000;
/// The maximum number of samples. A run of more than ten minutes takes fewer than one sample per second.
const SAMPLES: u32 = 600;

pub struct Results {
    pub minutes: u32,
    pub samples: Vec<Sample>,
    pub tallies: [Tally; TASKS.len()],
    /// The service's share of all cores.
    pub cpu_share: f64,
}

/// The service at one moment, and its latencies since the last sample.
pub struct Sample {
    pub hour: f64,
    pub resident_mib: f64,
    pub open_files: f64,
    pub threads: f64,
    pub database_mib: f64,
    /// Percentiles of the latency of the first task in milliseconds; NaN if it was not run.
    pub p50: f64,
    pub p99: f64,
}

/// The results of a task.
#[derive(Default)]
pub struct Tally {
    pub runs: usize,
    pub busy: usize,
    /// For each run with the outcome `Done`, the time from when it was due until it ended.
    pub latencies: Vec<Duration>,
}

pub fn measure(minutes: u32) -> Result<Results> {
    let (ttl, cached) = (ACCESS_TOKEN_TTL.to_string(), CACHED.to_string());
    let arguments = [
        // All tokens and sessions expire during the run.
        &["--access-token-ttl", &ttl, "--refresh-idle-ttl", "60", "--refresh-ttl", "120"][..],
        &["--token-cache-size", &cached],
        // High limits, since clients are late and hashing is slow on a busy machine.
        &["--hash-max-wait", "60000", "--idle-timeout", "60"],
    ];
    let Service { server, data, .. } = &Service::start(&arguments.concat())?;
    let sessions = Mutex::new(Sessions::default());
    // The tasks need tokens from the start.
    let mut first = Client::new(server.address, &sessions);
    for turn in 0..4 {
        first.sign_in(turn)?;
    }
    drop(first);

    let tallies: [Mutex<Tally>; TASKS.len()] = Default::default();
    let (start, cpu) = (Instant::now(), server.cpu_time());
    let length = Duration::from_secs(60) * minutes;
    let samples = SAMPLES.min(60 * minutes);
    let window = length / samples;
    let run = Run { start, is_over: AtomicBool::new(false) };
    let (failed, failures) = mpsc::channel();
    let samples = thread::scope(|scope| {
        for (task, tally) in TASKS.iter().zip(&tallies) {
            let (failed, client, run) = (failed.clone(), Client::new(server.address, &sessions), &run);
            scope.spawn(move || run.repeat(task, client, tally).or_else(|error| failed.send(error)));
        }
        let mut seen = 0;
        let sample = |end: Duration| -> Result<Sample> {
            if let Ok(error) = failures.recv_timeout(end.saturating_sub(start.elapsed())) {
                return Err(error);
            }
            let latencies = lock(&tallies[0]).latencies[seen..].to_vec();
            seen += latencies.len();
            Ok(Sample {
                hour: end.as_secs_f64() / 3600.0,
                resident_mib: server.resident_mib(),
                open_files: server.open_files(),
                threads: server.threads(),
                database_mib: data.mib(),
                p50: percentile(&latencies, 0.5),
                p99: percentile(&latencies, 0.99),
            })
        };
        let result: Result<Vec<_>> = (1..=samples).map(|number| number * window).map(sample).collect();
        run.is_over.store(true, Ordering::Relaxed);
        result
    });
    let samples = samples.map_err(|error| format!("after {} s: {error}", start.elapsed().as_secs()))?;
    let cpu = server.cpu_time() - cpu;
    Ok(Results {
        minutes,
        samples,
        tallies: tallies.map(|tally| tally.into_inner().unwrap_or_else(PoisonError::into_inner)),
        cpu_share: cpu / length.as_secs_f64() / machine::cores() as f64,
    })
}

struct Run {
    start: Instant,
    is_over: AtomicBool,
}

impl Run {
    /// Repeats a task at fixed times. A late task runs immediately, and its latency includes the delay.
    fn repeat(&self, task: &Task, mut client: Client<'_>, tally: &Mutex<Tally>) -> Result<()> {
        let mut due = self.start;
        for turn in 0.. {
            thread::sleep(due.saturating_duration_since(Instant::now()));
            // Clients keep their connections open until the last sample has counted the open files.
            if self.is_over.load(Ordering::Relaxed) {
                break;
            }
            let outcome = task.run(&mut client, turn)?;
            let mut tally = lock(tally);
            tally.runs += 1;
            match outcome {
                Outcome::Done => tally.latencies.push(due.elapsed()),
                Outcome::Busy => tally.busy += 1,
                Outcome::NothingToDo => {}
            }
            due += task.every;
        }
        Ok(())
    }
}
