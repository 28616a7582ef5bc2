//! The rounds: every case in turn, again and again, so that a disturbance of the machine meets all of them.

use std::time::{Duration, Instant};

use crate::{
    bare,
    peer::{self, Peer},
    support::{Failure, cores::Cores, load::Exchange, spread::Spread},
};

pub const ROUNDS: usize = 9;
pub const ROUND: Duration = Duration::from_millis(1500);
/// Before each measurement, uncounted: caches fill, the client's connections are made.
const WARM_UP: Duration = Duration::from_millis(200);

pub struct Rounds {
    pub bare: Case,
    pub bare_json: Case,
    pub users_me: Case,
    pub token: Case,
    /// Both routes of FastAPI's application, or why they are left out.
    pub fastapi: Result<[Case; 2], Failure>,
    /// The service's resident memory after all of it.
    pub resident_mib: f64,
    pub fastapi_resident_mib: f64,
}

/// One route of one server.
pub struct Case {
    /// Requests per second, round by round.
    rates: Vec<f64>,
    latencies: Vec<Duration>,
    cpu: Duration,
    wall: Duration,
}

pub fn measure(cores: &Cores) -> Result<Rounds, Failure> {
    let core = cores.server;
    let (bare_peer, bare_json_peer) = (peer::bare(core, bare::READY)?, peer::bare(core, bare::JSON)?);
    let gatepass_peer = peer::gatepass(core, Some(1))?;
    let fastapi_peer = peer::fastapi(core);
    if let Err(why) = &fastapi_peer {
        eprintln!("FastAPI is left out: {why}");
    }
    let (read_users_me, sign_in) = (peer::read_users_me(), peer::sign_in());

    let [mut bare, mut bare_json, mut users_me, mut token] = [const { Case::new() }; 4];
    let mut fastapi = [const { Case::new() }; 2];
    let mut cases = vec![
        (&mut bare, &bare_peer, &read_users_me),
        (&mut bare_json, &bare_json_peer, &read_users_me),
        (&mut users_me, &gatepass_peer, &read_users_me),
        (&mut token, &gatepass_peer, &sign_in),
    ];
    if let (Ok(peer), [users_me, token]) = (&fastapi_peer, &mut fastapi) {
        cases.extend([(users_me, peer, &read_users_me), (token, peer, &sign_in)]);
    }
    for (_, peer, exchange) in &cases {
        peer.await_answer(exchange)?;
    }
    for round in 1..=ROUNDS {
        eprintln!("round {round} of {ROUNDS} …");
        for (case, peer, exchange) in &mut cases {
            case.round(peer, exchange)?;
        }
        // There and back: whatever grows with time grows for all cases alike.
        cases.reverse();
    }

    Ok(Rounds {
        bare,
        bare_json,
        users_me,
        token,
        resident_mib: gatepass_peer.process.resident_mib(),
        fastapi_resident_mib: fastapi_peer.as_ref().map_or(f64::NAN, |peer| peer.process.resident_mib()),
        fastapi: fastapi_peer.map(|_| fastapi),
    })
}

impl Case {
    const fn new() -> Self {
        Self { rates: Vec::new(), latencies: Vec::new(), cpu: Duration::ZERO, wall: Duration::ZERO }
    }

    fn round(&mut self, peer: &Peer, exchange: &Exchange) -> Result<(), Failure> {
        exchange.run(peer.address, WARM_UP)?;
        let (cpu, start) = (peer.process.cpu_time(), Instant::now());
        let run = exchange.run(peer.address, ROUND)?;
        self.wall += start.elapsed();
        self.cpu += peer.process.cpu_time().saturating_sub(cpu);
        self.rates.push(run.latencies.len() as f64 / run.elapsed.as_secs_f64());
        self.latencies.extend(run.latencies);
        Ok(())
    }

    pub fn rate(&self) -> Spread {
        Spread::of(self.rates.clone())
    }

    /// The rate as a multiple of another case's, round by round.
    pub fn rate_over(&self, other: &Self) -> Spread {
        Spread::of(self.rates.iter().zip(&other.rates).map(|(this, other)| this / other).collect())
    }

    /// The server's processor time for a request, in microseconds.
    pub fn cpu_per_request(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e6 / self.latencies.len() as f64
    }

    /// How many requests the server answers with the processor time that the other one takes for one.
    pub fn thrift_over(&self, other: &Self) -> f64 {
        other.cpu_per_request() / self.cpu_per_request()
    }

    /// How much of one core the server used.
    pub fn busy(&self) -> f64 {
        self.cpu.as_secs_f64() / self.wall.as_secs_f64()
    }

    /// The latency that `share` of the requests stayed within.
    pub fn latency(&self, share: f64) -> Duration {
        let mut latencies = self.latencies.clone();
        let at = ((latencies.len() as f64 * share) as usize).min(latencies.len() - 1);
        *latencies.select_nth_unstable(at).1
    }
}
