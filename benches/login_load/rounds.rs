//! The measurement rounds. Each round measures bare hashing, the service without load, and the service under load, so
//! that other work on the machine affects all three alike.

use std::{thread, time::Duration};

use crate::{
    hashing::{self, Hashing},
    probe,
    support::{
        Load, Outcome, Result, Server, Spread, check_wrk, cpu_time,
        gatepass::{PASSWORD, Service},
        requests,
    },
};

pub const CLIENTS: usize = 64;
/// The duration of bare hashing before the load, and again after it.
pub const HASHING: Duration = Duration::from_secs(1);
pub const QUIET: Duration = Duration::from_secs(2);
/// The duration of the load in seconds.
pub const LOAD: u64 = 5;
/// Latencies are not measured this close to the start or the end of the load, because the queue may not be full then.
const MARGIN: Duration = Duration::from_millis(500);

pub struct Results(pub Vec<Round>);

pub struct Round {
    pub hashing: [Hashing; 2],
    /// The latencies of GET /users/me without load.
    pub quiet: Vec<Duration>,
    /// The latencies of GET /users/me under load.
    pub loaded: Vec<Duration>,
    pub sign_ins: Outcome,
    /// The service's CPU time under load, in seconds.
    pub service_cpu: f64,
    pub clients_cpu: f64,
}

pub fn measure(rounds: usize) -> Result<Results> {
    check_wrk()?;
    let service = Service::start(&[])?;
    let server = &service.server;
    let sign_ins = [PASSWORD, "wrong"].map(|password| requests::sign_in("johndoe", password));
    // Sign-ins above the session limit end the user's older sessions, so the probe uses another user's token.
    service.data.add_user("alice", PASSWORD)?;
    let alice = requests::sign_in("alice", PASSWORD);
    let token = server.first_response(&alice)?.field("access_token")?;
    let (load, users_me) = (Load::new(sign_ins, None)?, requests::users_me(&token));
    let round = |number| {
        eprintln!("round {number} of {rounds} …");
        round(server, &load, &users_me, &alice)
    };
    (1..=rounds).map(round).collect::<Result<_>>().map(Results)
}

fn round(server: &Server, load: &Load, users_me: &str, sign_in: &str) -> Result<Round> {
    let quiet = probe::latencies(server.address, users_me, QUIET)?;
    let before = hashing::measure(HASHING)?;
    let (service_cpu, clients_cpu) = (server.cpu_time(), cpu_time("self"));
    let wrk = load.start(server.address, CLIENTS, LOAD)?;
    thread::sleep(MARGIN);
    let loaded = probe::latencies(server.address, users_me, Duration::from_secs(LOAD) - 2 * MARGIN)?;
    let sign_ins = load.finish(wrk)?;
    let service_cpu = server.cpu_time() - service_cpu;
    let clients_cpu = cpu_time("self") - clients_cpu + sign_ins.cpu;
    if sign_ins.statuses.iter().sum::<f64>() != sign_ins.responses {
        return Err("expected sign-ins to return 200, 400 or 503, but got another status".into());
    }
    // The service still has passwords of disconnected clients in its queue. It hashes them before this one.
    server.first_response(sign_in)?.field("access_token")?;
    let after = hashing::measure(HASHING)?;
    Ok(Round { hashing: [before, after], quiet, loaded, sign_ins, service_cpu, clients_cpu })
}

impl Round {
    /// Returns the sum of a value over both measurements of bare hashing.
    fn bare(&self, value: fn(&Hashing) -> f64) -> f64 {
        self.hashing.iter().map(value).sum()
    }

    /// Returns the number of hashes per second on all cores.
    pub fn hash_rate(&self) -> f64 {
        self.bare(|it| it.hashes) / self.bare(|it| it.seconds)
    }

    /// Returns the CPU time per hash in milliseconds.
    pub fn hash_cpu(&self) -> f64 {
        self.bare(|it| it.cpu) * 1e3 / self.bare(|it| it.hashes)
    }

    /// Returns the number of sign-ins for which a password was hashed.
    fn hashed(&self) -> f64 {
        self.sign_ins.statuses[0] + self.sign_ins.statuses[1]
    }

    pub fn sign_in_rate(&self) -> f64 {
        self.hashed() / self.sign_ins.seconds
    }

    /// Returns the CPU time per sign-in in milliseconds, including all other work of the service.
    pub fn sign_in_cpu(&self) -> f64 {
        self.service_cpu * 1e3 / self.hashed()
    }
}

impl Results {
    pub fn spread(&self, value: impl Fn(&Round) -> f64) -> Spread {
        Spread::of(self.0.iter().map(value))
    }
}
