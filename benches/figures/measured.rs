//! Everything that is measured, one after another.

use crate::{
    cases::{Cases, Ground},
    curve::Curves,
    documentation::{self, Documentation},
    first_seen::{self, FirstSeen},
    instructions::{self, Instructions},
    memory::{self, Memory},
    pace::Pace,
    population::Population,
    postgres_copy,
    start::{self, Starts},
    support::{
        Failure,
        cores::{self, Cores},
        machine,
    },
};

const FEW: usize = 1_000;
const MANY: usize = 1_000_000;
/// Of the million.
const LIVING_TOKENS: usize = 100_000;

pub struct Measured {
    pub pace: Pace,
    pub machine: String,
    pub cores: Cores,
    pub tutorial_starts: Starts,
    pub secure_starts: Starts,
    pub documentation: Documentation,
    pub memory: Memory,
    pub cases: Cases,
    pub first_seen_sqlite: FirstSeen,
    pub first_seen_postgres: Option<FirstSeen>,
    pub instructions: Option<Instructions>,
    pub postgres_version: Option<String>,
    pub curves: Curves,
}

impl Measured {
    pub fn measure(pace: Pace) -> Result<Self, Failure> {
        let pace = &pace;
        let machine = machine::sentence();
        let few = Population::of(FEW, pace.tokens)?;
        let many = Population::of(MANY, LIVING_TOKENS)?;
        let postgres = postgres_copy::of(&many)?;

        // Before anything is pinned to a core: a service that a user starts is not.
        let tutorial_starts = start::of_tutorial(pace)?;
        let secure_starts = start::of_secure(&many, pace)?;
        let documentation = documentation::measure()?;
        let memory = memory::measure(&many)?;
        let instructions = instructions::measure(&many, pace)?;

        let cores = cores::assign();
        let first_seen = |place| first_seen::measure(&many, place, cores.server, pace);
        let first_seen_sqlite = first_seen(&many.place)?;
        let first_seen_postgres = postgres.as_ref().map(|copy| first_seen(&copy.place)).transpose()?;
        let ground = Ground { few: &few, many: &many, postgres: postgres.as_ref(), core: cores.server };
        let mut cases = Cases::start(&ground, pace)?;
        cases.measure(pace)?;
        let curves = Curves::measure(&cases, pace)?;
        Ok(Self {
            pace: *pace,
            machine,
            cores,
            tutorial_starts,
            secure_starts,
            documentation,
            memory,
            cases,
            first_seen_sqlite,
            first_seen_postgres,
            instructions,
            postgres_version: postgres.map(|copy| copy.version.clone()),
            curves,
        })
    }
}
