//! The rounds: what the cores hash, a quiet service, and a storm, in turn, so that a disturbance meets all of them.

use std::{
    thread,
    time::{Duration, Instant},
};

use crate::{
    hashing::{self, Hashed},
    probe,
    sign_ins::{Answers, Storm},
    support::{
        Failure, cpu_time, latency, machine,
        service::{PASSWORD, Service},
        spread::Spread,
    },
};

pub const ROUNDS: usize = 7;
pub const HASHING: Duration = Duration::from_millis(1000);
pub const QUIET: Duration = Duration::from_millis(2000);
pub const STORM: Duration = Duration::from_millis(4000);
/// Until every client has its connection and the queue is full.
const RISE: Duration = Duration::from_millis(500);

pub struct Rounds {
    pub rounds: Vec<Round>,
    pub machine: String,
    pub cores: usize,
}

pub struct Round {
    /// Before the storm and after it.
    pub bare: [Hashed; 2],
    pub quiet: Vec<Duration>,
    pub stormy: Vec<Duration>,
    pub answers: Answers,
    pub wall: Duration,
    /// What the service took in the storm.
    pub cpu: Duration,
    /// What this program took meanwhile: 64 clients and the probe.
    pub client_cpu: Duration,
}

pub fn measure() -> Result<Rounds, Failure> {
    let (machine, cores) = (machine::sentence(), thread::available_parallelism().map_or(1, usize::from));
    let service = Service::start(&[])?;
    let mut rounds = Vec::new();
    for number in 1..=ROUNDS {
        eprintln!("round {number} of {ROUNDS} …");
        rounds.push(round(&service)?);
    }
    Ok(Rounds { rounds, machine, cores })
}

fn round(service: &Service) -> Result<Round, Failure> {
    let quiet = probe::latencies(service, QUIET)?;
    let before = hashing::measure(HASHING)?;

    let storm = Storm::begin(service.address, PASSWORD);
    thread::sleep(RISE);
    let (start, cpu, client_cpu) = (Instant::now(), service.process.cpu_time(), cpu_time::of_all_threads());
    storm.count();
    let stormy = probe::latencies(service, STORM)?;
    let wall = start.elapsed();
    let cpu = service.process.cpu_time().saturating_sub(cpu);
    let client_cpu = cpu_time::of_all_threads().saturating_sub(client_cpu);
    let answers = storm.end()?;

    let after = hashing::measure(HASHING)?;
    Ok(Round { bare: [before, after], quiet, stormy, answers, wall, cpu, client_cpu })
}

impl Round {
    /// Hashes a second of all cores.
    pub fn bare_rate(&self) -> f64 {
        let rate = |hashed: &Hashed| f64::from(hashed.hashes) / hashed.wall.as_secs_f64();
        f64::midpoint(rate(&self.bare[0]), rate(&self.bare[1]))
    }

    /// Milliseconds of a core for a hash alone.
    pub fn cpu_of_hash(&self) -> f64 {
        let [before, after] = &self.bare;
        (before.cpu + after.cpu).as_secs_f64() * 1e3 / f64::from(before.hashes + after.hashes)
    }

    /// Milliseconds of a core for a sign-in, and for what else the service did meanwhile.
    pub fn cpu_of_sign_in(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e3 / f64::from(self.answers.hashed())
    }

    pub fn sign_in_rate(&self) -> f64 {
        f64::from(self.answers.hashed()) / self.wall.as_secs_f64()
    }

    /// Seconds.
    pub fn p99_quiet(&self) -> f64 {
        latency::within(&self.quiet, 0.99)
    }

    /// Seconds.
    pub fn p99_stormy(&self) -> f64 {
        latency::within(&self.stormy, 0.99)
    }
}

impl Rounds {
    pub fn spread(&self, figure: impl Fn(&Round) -> f64) -> Spread {
        Spread::of(self.rounds.iter().map(figure).collect())
    }
}
