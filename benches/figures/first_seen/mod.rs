//! Tokens that the service sees for the first time, beside a bare Ed25519 verification and the look-up of what has to
//! be known of its user.

pub mod bare;

use std::time::Duration;

use crate::{
    pace::Pace,
    peer::Peer,
    population::Population,
    service::{self, Place},
    support::{
        Failure, latency,
        load::{self, Exchange, Until},
        spread::Spread,
    },
};

/// So many tokens are seen before: connections are open then, and statements prepared.
const WARM_UP: usize = 500;

/// In microseconds for a token.
#[derive(Clone, Copy)]
struct Round {
    /// What the first request with it takes longer than the next ones.
    service: Cost,
    bare: Cost,
}

#[derive(Clone, Copy)]
pub struct Cost {
    pub wall: f64,
    pub cpu: f64,
}

pub struct FirstSeen(Vec<Round>);

impl FirstSeen {
    /// The service's as a multiple of the bare one's.
    pub fn ratio(&self, cost: fn(&Cost) -> f64) -> Spread {
        self.spread(|round| cost(&round.service) / cost(&round.bare))
    }

    pub fn service(&self, cost: fn(&Cost) -> f64) -> Spread {
        self.spread(|round| cost(&round.service))
    }

    pub fn bare(&self, cost: fn(&Cost) -> f64) -> Spread {
        self.spread(|round| cost(&round.bare))
    }

    fn spread(&self, figure: impl Fn(&Round) -> f64) -> Spread {
        Spread::of(self.0.iter().map(figure).collect())
    }
}

/// The users of `population` are at `place`.
pub fn measure(
    population: &Population,
    place: &Place,
    core: Option<usize>,
    pace: &Pace,
) -> Result<FirstSeen, Failure> {
    eprintln!("{} rounds of tokens that were never seen …", pace.rounds);
    let tokens: Vec<_> =
        population.tokens(WARM_UP + pace.first_seen).map(|token| token.text.as_str()).collect();
    let round = |_| {
        let (service, key) = of_service(population, place, core, pace)?;
        let bare = bare::run(core.into(), place, &key, WARM_UP, &tokens)?;
        Ok(Round { service, bare })
    };
    (0..pace.rounds).map(round).collect::<Result<_, _>>().map(FirstSeen)
}

/// A new service, which has seen nothing yet: what a token costs it, and its public key.
fn of_service(
    population: &Population,
    place: &Place,
    core: Option<usize>,
    pace: &Pace,
) -> Result<(Cost, String), Failure> {
    let service = service::secure(core.into(), Some(1), place, &[])?;
    let exchange = population.exchange(WARM_UP + pace.first_seen);
    service.await_answer(&exchange)?;
    exchange.rewind();
    let run = |exchange: &Exchange, requests: usize| -> Result<Cost, Failure> {
        let cpu = service.process.cpu_time();
        // One at a time: a request waits for nothing but its own token. A load begins with one that it does not count.
        let run = exchange.run_on(1, service.address, Until::Answered(requests - 1))?;
        let cpu = service.process.cpu_time().saturating_sub(cpu);
        Ok(Cost { wall: latency::within(&run.latencies, 0.5) * 1e6, cpu: micros(cpu) / requests as f64 })
    };
    run(&exchange, WARM_UP)?;
    let first = run(&exchange, pace.first_seen)?;
    exchange.rewind();
    run(&exchange, WARM_UP)?;
    let again = run(&exchange, pace.first_seen)?;
    let cost = Cost { wall: first.wall - again.wall, cpu: first.cpu - again.cpu };
    Ok((cost, public_key(&service)?))
}

/// In base64url, as the service publishes it.
fn public_key(service: &Peer) -> Result<String, Failure> {
    let request = "GET /.well-known/jwks.json HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";
    let answer = load::ask(service.address, request.as_bytes()).map_err(|error| error.to_string())?;
    let text = String::from_utf8_lossy(&answer);
    let key = text.split_once("\"x\":\"").and_then(|(_, rest)| rest.split_once('"'));
    key.map(|(key, _)| key.to_owned()).ok_or_else(|| format!("no key: {text:?}"))
}

pub fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}
