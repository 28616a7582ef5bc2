//! The measurement rounds: idle replicas, and each kind of request with one, two and four replicas.

use std::{
    net::SocketAddr,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use tempfile::TempDir;

use crate::{
    postgres,
    support::{
        On, Result, Spread,
        gatepass::{self, Data},
        machine,
    },
    usage::{self, Usage},
    work::{self, KINDS, Kind, USERS, password, username},
};

pub const REPLICAS: usize = 4;
pub const NUMBERS: [usize; 3] = [1, 2, REPLICAS];
const IDLE: Duration = Duration::from_secs(4);
/// The time to wait for the audit trail, which is written after the response and is part of the cost of a request.
const AUDIT: Duration = Duration::from_millis(500);
/// PostgreSQL's options. fsync stays on, as in production. Autovacuum is off, since it would disturb the measurement.
const OPTIONS: &str = "-c shared_preload_libraries=pg_stat_statements -c pg_stat_statements.track_planning=on \
                       -c autovacuum=off";
const ARGUMENTS: [&str; 5] = [
    // Hashing does not load PostgreSQL, and expensive hashes would slow down everything else.
    "--argon2-memory=64",
    "--argon2-iterations=1",
    // Throttling stays on, but with a high rate limit, since all clients have the same address.
    "--login-throttle-rate=1000000",
    // Connections are idle while clients wait for each other.
    "--idle-timeout=300",
    // Each user signs in 200 times in a round.
    "--max-sessions=1000",
];

pub struct Results {
    pub rounds: Vec<Round>,
    pub postgres: String,
    pub file_system: String,
}

pub struct Round {
    /// The usage while all replicas were idle, and the duration of this phase in seconds.
    pub idle: (Usage, f64),
    /// The number of replicas, the kind of request, the usage and the duration in seconds.
    cases: Vec<(usize, Kind, Usage, f64)>,
}

pub fn measure(rounds: usize) -> Result<Results> {
    let server = postgres::Server::create_with(OPTIONS)?;
    server.execute("CREATE EXTENSION pg_stat_statements");
    let directory = TempDir::new()?;
    let data = Data { database_url: server.url(), keys: directory.path().join("keys") };
    for user in 0..USERS {
        data.add_user(&username(user), &password(user))?;
    }
    let mut replicas = Vec::new();
    for _ in 0..REPLICAS {
        let replica = gatepass::secure(On::AnyCore, &data, &ARGUMENTS)?;
        replica.first_response(gatepass::PUBLIC_KEYS)?;
        replicas.push(replica);
    }
    let addresses: Vec<_> = replicas.iter().map(|replica| replica.address).collect();
    // The first round opens connections and prepares statements. It is not part of the results.
    round(&server, &addresses, Duration::ZERO)?;
    let round = |number| {
        eprintln!("round {number} of {rounds} …");
        round(&server, &addresses, IDLE)
    };
    let rounds = (1..=rounds).map(round).collect::<Result<_>>()?;
    // The report names the file system, because commits to a file system in memory do not wait for a disk.
    let file_system =
        machine::output_of(Path::new("df"), &["--output=fstype", &server.execute("SHOW data_directory")]);
    Ok(Results {
        rounds,
        postgres: server.execute("SHOW server_version"),
        file_system: file_system.lines().last().unwrap_or_default().to_owned(),
    })
}

fn round(server: &postgres::Server, replicas: &[SocketAddr], idle: Duration) -> Result<Round> {
    server.execute("VACUUM ANALYZE");
    server.execute("CHECKPOINT");
    let (start, before) = (Instant::now(), usage::read(server)?);
    thread::sleep(idle);
    let idle = (usage::since(&before, server)?, start.elapsed().as_secs_f64());
    let mut cases = Vec::new();
    for number in NUMBERS {
        let mut clients = work::clients(&replicas[..number])?;
        for kind in KINDS {
            let before = usage::read(server)?;
            let seconds = work::run(&mut clients, kind)?;
            thread::sleep(AUDIT);
            cases.push((number, kind, usage::since(&before, server)?, seconds));
        }
    }
    Ok(Round { idle, cases })
}

impl Results {
    pub fn spread(&self, value: impl Fn(&Round) -> f64) -> Spread {
        Spread::of(self.rounds.iter().map(value))
    }

    /// Returns the spread of `value(round, usage, seconds)` over the cases with this number of replicas and this kind
    /// of request.
    pub fn case(&self, replicas: usize, kind: Kind, value: impl Fn(&Round, &Usage, f64) -> f64) -> Spread {
        self.spread(|round| {
            let mut cases = round.cases.iter();
            let case = cases.find(|(number, of_kind, ..)| (*number, *of_kind) == (replicas, kind));
            case.map_or(f64::NAN, |(_, _, usage, seconds)| value(round, usage, *seconds))
        })
    }
}
