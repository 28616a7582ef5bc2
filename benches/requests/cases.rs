//! The benchmark cases, each with a running server, and the rounds that measure them in turn.

use std::rc::Rc;

use crate::{
    Plan, bare, fastapi, hand_written,
    population::{Exchange, Population, sign_in},
    support::{
        CONNECTIONS, Load, On, Outcome, Result, Server, Spread, Table, for_each, gatepass, python, requests,
    },
};

const BARE_TUTORIAL: &str = "a bare Actix handler with the tutorial's response";
const BARE_SECURE: &str = "a bare Actix handler with the secure profile's response";
const TUTORIAL: &str = "GET /users/me, tutorial";
const TUTORIAL_TOKEN: &str = "POST /token, tutorial";
const SECURE_FEW: &str = "GET /users/me, secure, 1,000 users in SQLite";
const SECURE_SQLITE: &str = "GET /users/me, secure, 1,000,000 users in SQLite";
const SECURE_POSTGRES: &str = "GET /users/me, secure, 1,000,000 users in PostgreSQL";
const FASTAPI: &str = "FastAPI's simple chapter: GET /users/me";
const FASTAPI_TOKEN: &str = "FastAPI's simple chapter: POST /token";
const FASTAPI_JWT: &str = "FastAPI's JWT chapter: GET /users/me/";
const AXUM_MEMORY: &str = "hand-written axum, 1,000,000 users in memory";
const AXUM_SQLITE: &str = "hand-written axum, 1,000,000 users in SQLite";
const ACTIX_MEMORY: &str = "hand-written Actix, 1,000,000 users in memory";
const ACTIX_SQLITE: &str = "hand-written Actix, 1,000,000 users in SQLite";

/// Pairs of cases, and the minimum ratio of their request rates.
const GOALS: [(Name, Name, f64); 5] = [
    (TUTORIAL, BARE_TUTORIAL, 0.92),
    (SECURE_SQLITE, BARE_SECURE, 0.85),
    (SECURE_POSTGRES, BARE_SECURE, 0.85),
    (SECURE_SQLITE, FASTAPI_JWT, 20.0),
    (SECURE_SQLITE, SECURE_FEW, 0.95),
];

/// The cases that are also measured with other numbers of connections.
const VARIED: [&str; 6] = [BARE_TUTORIAL, TUTORIAL, SECURE_SQLITE, AXUM_MEMORY, AXUM_SQLITE, FASTAPI_JWT];
/// The duration of one case in a round, in seconds.
pub const SECONDS: u64 = 2;
const NUMBERS: [usize; 4] = [1, 8, 64, 256];

type Name = &'static str;

struct Case {
    name: Name,
    /// The name of the bare handler that the case is compared with.
    bare: Name,
    server: Rc<Server>,
    load: Load,
    rounds: Vec<Round>,
}

struct Round {
    outcome: Outcome,
    /// The server's CPU time in seconds.
    cpu: f64,
}

impl Case {
    fn run(&self, connections: usize) -> Result<Outcome> {
        let outcome = self.load.run(self.server.address, connections, SECONDS);
        outcome.map_err(|error| format!("{}: {error}", self.name).into())
    }

    fn measure(&mut self) -> Result<()> {
        let cpu = self.server.cpu_time();
        let outcome = self.run(CONNECTIONS)?;
        let cpu = self.server.cpu_time() - cpu;
        self.rounds.push(Round { outcome, cpu });
        Ok(())
    }

    fn spread(&self, value: impl Fn(&Round) -> f64) -> Spread {
        Spread::of(self.rounds.iter().map(value))
    }

    /// Returns the ratio of this case's request rate to that of another case, calculated round by round.
    fn rate_over(&self, other: &Self) -> Spread {
        let pairs = self.rounds.iter().zip(&other.rounds);
        Spread::of(pairs.map(|(this, other)| this.outcome.rate() / other.outcome.rate()))
    }

    /// Returns the server's CPU time per request in microseconds.
    fn cpu_per_request(&self) -> f64 {
        self.spread(|round| round.cpu * 1e6 / round.outcome.responses).median
    }
}

pub struct Cases(Vec<Case>);

impl Cases {
    pub fn start(
        on: On,
        plan: &Plan,
        few: &Population,
        many: &Population,
        postgres: Option<&Population>,
    ) -> Result<Self> {
        let mut this = Self(Vec::new());
        let users_me = [Exchange::new(requests::users_me("johndoe"), r#""username":"johndoe""#)];
        let token = [Exchange::new(sign_in("johndoe"), "access_token")];

        let tutorial = Rc::new(gatepass::tutorial(on, &["--workers", "1"])?);
        this.add_bare(BARE_TUTORIAL, on, &tutorial, &users_me)?;
        this.add(TUTORIAL, BARE_TUTORIAL, &tutorial, &users_me)?;
        this.add(TUTORIAL_TOKEN, BARE_TUTORIAL, &tutorial, &token)?;
        for (name, population) in
            [(SECURE_SQLITE, Some(many)), (SECURE_FEW, Some(few)), (SECURE_POSTGRES, postgres)]
        {
            let Some(population) = population else { continue };
            let secure = Rc::new(gatepass::secure(on, &population.data, &["--workers", "1"])?);
            let exchanges = population.exchanges(plan.tokens);
            if name == SECURE_SQLITE {
                this.add_bare(BARE_SECURE, on, &secure, &exchanges)?;
            }
            this.add(name, BARE_SECURE, &secure, &exchanges)?;
        }

        if let Err(error) = python::program("uvicorn") {
            eprintln!("FastAPI is left out: {error}");
        } else {
            let simple = Rc::new(fastapi::start(on, fastapi::SIMPLE)?);
            this.add(FASTAPI, BARE_TUTORIAL, &simple, &users_me)?;
            this.add(FASTAPI_TOKEN, BARE_TUTORIAL, &simple, &token)?;
            let jwt = Rc::new(fastapi::start(on, fastapi::JWT)?);
            let token = jwt.first_response(&token[0].request)?.field("access_token")?;
            let request = requests::users_me(&token).replace("/users/me ", "/users/me/ ");
            this.add(FASTAPI_JWT, BARE_TUTORIAL, &jwt, &[Exchange::new(request, "johndoe")])?;
        }

        let exchanges = hand_written::exchanges(many, plan.tokens)?;
        for (name, framework, users) in [
            (AXUM_MEMORY, "axum", "memory"),
            (AXUM_SQLITE, "axum", "sqlite"),
            (ACTIX_MEMORY, "actix", "memory"),
            (ACTIX_SQLITE, "actix", "sqlite"),
        ] {
            let server = Rc::new(hand_written::start(on, framework, users, many)?);
            this.add(name, BARE_SECURE, &server, &exchanges)?;
        }
        Ok(this)
    }

    /// Adds a bare handler that returns Gatepass's response to the first request.
    fn add_bare(&mut self, name: Name, on: On, gatepass: &Server, exchanges: &[Exchange]) -> Result<()> {
        let response = gatepass.first_response(&exchanges[0].request)?;
        let server = bare::start(on, &response)?;
        let of_bare = server.first_response(&exchanges[0].request)?;
        if of_bare.length() != response.length() || of_bare.body != response.body {
            return Err(format!("expected the bare handler to return {response:?}, got {of_bare:?}").into());
        }
        // The bare handler returns the same response to all requests, so its body is not checked.
        let exchanges: Vec<_> = exchanges.iter().map(|it| Exchange::new(it.request.clone(), "")).collect();
        self.add(name, name, &Rc::new(server), &exchanges)
    }

    fn add(&mut self, name: Name, bare: Name, server: &Rc<Server>, exchanges: &[Exchange]) -> Result<()> {
        let first = server.first_response(&exchanges[0].request)?;
        // Each request is sent once beforehand, so that no measured request is the first one with its token.
        for_each(server.address, exchanges, |connection, exchange| exchange.check(connection))?;
        let load = Load::new(exchanges.iter().map(|exchange| &exchange.request), Some(first.length()))?;
        self.0.push(Case { name, bare, server: Rc::clone(server), load, rounds: Vec::new() });
        Ok(())
    }

    /// Measures all cases in turn several times, so that other work on the machine affects all of them alike.
    pub fn measure(&mut self, plan: &Plan) -> Result<()> {
        for round in 1..=plan.rounds {
            eprintln!("round {round} of {} …", plan.rounds);
            let mut cases: Vec<_> = self.0.iter_mut().collect();
            // Every other round runs backward, so that changes over time affect all cases alike.
            if round % 2 == 0 {
                cases.reverse();
            }
            cases.into_iter().try_for_each(|case| case.measure())?;
        }
        Ok(())
    }

    pub fn table(&self) -> Table {
        let heads =
            ["one worker each", "requests/s", "÷ bare handler", "CPU per request", "p50", "p99", "CPU usage"];
        let mut table = Table::new(heads);
        for case in &self.0 {
            let (bare, cpu) = (self.get(case.bare).unwrap_or(case), case.cpu_per_request());
            let median = |value: fn(&Round) -> f64| case.spread(value).median;
            table.row([
                case.name.to_owned(),
                format!("{:.0}", median(|round| round.outcome.rate())),
                format!("{:.3}", case.rate_over(bare)),
                format!("{cpu:.2} µs ({:.2})", cpu / bare.cpu_per_request()),
                format!("{:.2} ms", median(|round| round.outcome.p50)),
                format!("{:.2} ms", median(|round| round.outcome.p99)),
                format!("{:.0} %", median(|round| round.cpu / round.outcome.seconds) * 100.0),
            ]);
        }
        table
    }

    pub fn add_goals(&self, goals: &mut Table) {
        for (name, other, bound) in GOALS {
            let Some((case, other)) = self.get(name).zip(self.get(other)) else { continue };
            let (rate, cpu) = (case.rate_over(other), other.cpu_per_request() / case.cpu_per_request());
            let what = format!("requests/s: {name} ÷ {}", other.name);
            goals.at_least(&what, bound, rate.median, format!("{rate:.3}; by CPU per request {cpu:.3}"));
        }
    }

    /// Measures requests per second and p99 with several numbers of connections.
    pub fn by_connections(&self) -> Result<Table> {
        let mut table = Table::new(["requests/s and p99 with", "1 connection", "8", "64", "256 connections"]);
        for case in VARIED.into_iter().filter_map(|name| self.get(name)) {
            let mut row = vec![case.name.to_owned()];
            for number in NUMBERS {
                let outcome = case.run(number)?;
                row.push(format!("{:.0}, {:.2} ms", outcome.rate(), outcome.p99));
            }
            table.row(row);
        }
        Ok(table)
    }

    /// Returns the case with this name, or `None` if it was left out.
    fn get(&self, name: &str) -> Option<&Case> {
        self.0.iter().find(|case| case.name == name)
    }
}
