//! A case: one route of one server under load, and what came of it, round by round.

use std::{
    rc::Rc,
    time::{Duration, Instant},
};

use crate::{
    pace::Pace,
    peer::Peer,
    support::{Failure, latency, load::Exchange, spread::Spread},
};

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Name {
    BareTutorial,
    BareSecure,
    Tutorial,
    TutorialToken,
    SecureFew,
    SecureSqlite,
    SecurePostgres,
    Chapter,
    ChapterToken,
    JwtChapter,
    AxumMemory,
    AxumSqlite,
    ActixMemory,
    ActixSqlite,
}

pub struct Case {
    pub name: Name,
    pub peer: Rc<Peer>,
    pub exchange: Exchange,
    /// Requests per second, round by round.
    rates: Vec<f64>,
    latencies: Vec<Duration>,
    cpu: Duration,
    wall: Duration,
}

impl Name {
    pub fn words(self) -> &'static str {
        match self {
            Self::BareTutorial => "a bare Actix handler, the tutorial's answer",
            Self::BareSecure => "a bare Actix handler, the secure profile's answer",
            Self::Tutorial => "GET /users/me, tutorial",
            Self::TutorialToken => "POST /token, tutorial",
            Self::SecureFew => "GET /users/me, secure, 1,000 users in SQLite",
            Self::SecureSqlite => "GET /users/me, secure, 1,000,000 users in SQLite",
            Self::SecurePostgres => "GET /users/me, secure, 1,000,000 users in PostgreSQL",
            Self::Chapter => "FastAPI's simple chapter: GET /users/me",
            Self::ChapterToken => "FastAPI's simple chapter: POST /token",
            Self::JwtChapter => "FastAPI's chapter with JWT: GET /users/me/",
            Self::AxumMemory => "axum by hand, 1,000,000 users in memory",
            Self::AxumSqlite => "axum by hand, 1,000,000 users in SQLite",
            Self::ActixMemory => "Actix by hand, 1,000,000 users in memory",
            Self::ActixSqlite => "Actix by hand, 1,000,000 users in SQLite",
        }
    }

    /// The bare handler with an answer of the same kind.
    pub fn bare(self) -> Self {
        match self {
            Self::BareTutorial | Self::Tutorial | Self::TutorialToken => Self::BareTutorial,
            Self::Chapter | Self::ChapterToken | Self::JwtChapter => Self::BareTutorial,
            _ => Self::BareSecure,
        }
    }
}

impl Case {
    pub fn new(name: Name, peer: &Rc<Peer>, exchange: Exchange) -> Self {
        Self {
            name,
            peer: Rc::clone(peer),
            exchange,
            rates: Vec::new(),
            latencies: Vec::new(),
            cpu: Duration::ZERO,
            wall: Duration::ZERO,
        }
    }

    pub fn round(&mut self, pace: &Pace) -> Result<(), Failure> {
        let Self { peer, exchange, .. } = self;
        let failed = |failure| format!("{}: {failure}", self.name.words());
        exchange.run(peer.address, pace.warm_up).map_err(failed)?;
        let (cpu, start) = (peer.process.cpu_time(), Instant::now());
        let run = exchange.run(peer.address, pace.round).map_err(failed)?;
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

    /// The latency that `share` of the requests stayed within, in milliseconds.
    pub fn latency(&self, share: f64) -> f64 {
        latency::within(&self.latencies, share) * 1e3
    }
}
