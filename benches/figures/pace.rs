//! How long everything takes: enough for figures, or just enough to see that it works.

use std::time::Duration;

#[derive(Clone, Copy)]
pub struct Pace {
    pub rounds: usize,
    /// Of one case.
    pub round: Duration,
    /// Before each measurement, uncounted: caches fill, the client's connections are made.
    pub warm_up: Duration,
    pub starts: usize,
    /// Users with a living token who are asked for in turn.
    pub tokens: usize,
    /// Tokens that are seen for the first time, in a round.
    pub first_seen: usize,
    /// Requests whose instructions are counted.
    pub counted: usize,
    /// A point of a curve.
    pub point: Duration,
}

impl Pace {
    pub const FULL: Self = Self {
        rounds: 9,
        round: Duration::from_millis(1500),
        warm_up: Duration::from_millis(300),
        starts: 20,
        tokens: 10_000,
        first_seen: 5_000,
        counted: 5_000,
        point: Duration::from_millis(500),
    };
    pub const QUICK: Self = Self {
        rounds: 3,
        round: Duration::from_millis(300),
        warm_up: Duration::from_millis(150),
        starts: 3,
        tokens: 10_000,
        first_seen: 1_000,
        counted: 500,
        point: Duration::from_millis(100),
    };
}
