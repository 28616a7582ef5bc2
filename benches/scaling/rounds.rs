//! The rounds: idle replicas, and each kind of request at one, two and four replicas in turn.

use std::{
    process::Command,
    thread,
    time::{Duration, Instant},
};

use crate::{
    ledger::Ledger,
    replicas::{REPLICAS, Replicas},
    support::{Failure, machine, spread::Spread},
    work::{self, KINDS, Kind},
};

pub const ROUNDS: usize = 5;
pub const COUNTS: [usize; 3] = [1, 2, REPLICAS];
const IDLE: Duration = Duration::from_secs(4);
/// By then the audit trail is written, which is part of what a request costs.
const AUDIT: Duration = Duration::from_millis(500);

pub struct Rounds {
    pub rounds: Vec<Round>,
    pub machine: String,
    pub postgres: String,
    pub disk: String,
}

pub struct Round {
    /// While all replicas do nothing, for how long.
    pub idle: (Ledger, Duration),
    cases: Vec<Case>,
}

/// So many requests of a kind, by so many replicas.
pub struct Case {
    kind: Kind,
    replicas: usize,
    pub ledger: Ledger,
    pub took: Duration,
}

pub fn measure() -> Result<Rounds, Failure> {
    let replicas = Replicas::start()?;
    let (version, folder) = ("SHOW server_version", "SHOW data_directory");
    let postgres = replicas.postgres.execute(version);
    let disk = file_system(&replicas.postgres.execute(folder));
    let mut rounds = Vec::new();
    // The first one opens connections and prepares statements: it does not count.
    for number in 0..=ROUNDS {
        eprintln!("round {number} of {ROUNDS} …");
        rounds.push(round(&replicas, if number == 0 { Duration::ZERO } else { IDLE })?);
    }
    rounds.remove(0);
    Ok(Rounds { rounds, machine: machine::sentence(), postgres, disk })
}

fn round(replicas: &Replicas, idle: Duration) -> Result<Round, Failure> {
    let server = &replicas.postgres;
    server.execute("VACUUM ANALYZE");
    server.execute("CHECKPOINT");
    let (start, before) = (Instant::now(), Ledger::read(server)?);
    thread::sleep(idle);
    let idle = (Ledger::read(server)? - before, start.elapsed());
    let mut cases = Vec::new();
    for count in COUNTS {
        let mut callers = work::callers(&replicas.addresses[..count])?;
        for kind in KINDS {
            let before = Ledger::read(server)?;
            let took = work::run(&mut callers, kind)?;
            thread::sleep(AUDIT);
            cases.push(Case { kind, replicas: count, ledger: Ledger::read(server)? - before, took });
        }
    }
    Ok(Round { idle, cases })
}

impl Rounds {
    pub fn spread(&self, figure: impl Fn(&Round) -> f64) -> Spread {
        Spread::of(self.rounds.iter().map(figure).collect())
    }
}

impl Round {
    pub fn case(&self, kind: Kind, replicas: usize) -> &Case {
        let is_it = |case: &&Case| case.kind == kind && case.replicas == replicas;
        self.cases.iter().find(is_it).unwrap_or_else(|| unreachable!("every case is measured"))
    }
}

/// The kind of file system that the tables are on: one in memory waits for no disk.
fn file_system(folder: &str) -> String {
    let said = Command::new("df").args(["--output=fstype", folder]).output();
    let said = said.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    said.map_or_else(|error| error.to_string(), |said| said.lines().last().unwrap_or_default().to_owned())
}
