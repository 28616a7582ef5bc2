//! Measures requests per second in both profiles, compared with bare Actix handlers, FastAPI's chapters and
//! hand-written services. Also measures the cost of new tokens, memory and start time. docs/benchmarks.md explains the
//! method.
//!
//! `cargo bench --bench requests` prints the results. `-- --write` also writes them into docs/benchmarks.md, and
//! `-- --quick` only checks that everything works.

mod bare;
mod cases;
mod fastapi;
mod first_seen;
mod footprint;
mod hand_written;
mod population;
#[path = "../../tests/support/postgres.rs"]
#[expect(dead_code, reason = "only the tests use all of it")]
mod postgres;
#[path = "../support/mod.rs"]
mod support;

use std::{env, fmt::Write, path::Path, process::ExitCode};

use cases::{Cases, SECONDS};
use footprint::STARTS;
use population::Population;
use support::{CONNECTIONS, On, Result, Table, check_wrk, exit_code, gatepass::Data, machine};

/// The size of a benchmark run.
pub struct Plan {
    pub rounds: usize,
    /// The number of users in the large database.
    pub users: usize,
    /// The number of valid tokens for the memory measurement.
    pub all_tokens: usize,
    /// The number of tokens that the requests use in turn.
    pub tokens: usize,
    /// The number of new tokens that are measured in a round.
    pub first_seen: usize,
}

const FULL: Plan =
    Plan { rounds: 9, users: 1_000_000, all_tokens: 100_000, tokens: 10_000, first_seen: 5_000 };
const QUICK: Plan = Plan { rounds: 2, users: 2_000, all_tokens: 2_000, tokens: 1_000, first_seen: 200 };
/// The number of users in the small database.
const FEW: usize = 1_000;
const CRATES: [&str; 4] = ["actix-web", "axum", "jsonwebtoken", "sqlx"];

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        [bare::ARGUMENT, address, headers, body] => exit_code(bare::serve(address, headers, body)),
        [hand_written::ARGUMENT, framework, users, url, address] => {
            exit_code(hand_written::serve(framework, users, url, address))
        }
        _ => support::run("benchmarks.md", |is_quick| measure(if is_quick { &QUICK } else { &FULL })),
    }
}

/// Measures everything and returns a report in Markdown.
fn measure(plan: &Plan) -> Result<String> {
    check_wrk()?;
    let machine = machine::description();
    let few = Population::sqlite(FEW, plan.tokens)?;
    let many = Population::sqlite(plan.users, plan.all_tokens)?;
    let server = postgres::Server::create();
    let server = server.inspect_err(|error| eprintln!("PostgreSQL is left out: {error}")).ok();
    let keys = Path::new(env!("CARGO_TARGET_TMPDIR")).join("benchmark-postgres-keys");
    let on_postgres = server.as_ref().map(|server| {
        let data = Data { database_url: server.url(), keys };
        let population = Population::create(data, plan.users, plan.tokens);
        server.execute("ANALYZE");
        population
    });
    let on_postgres = on_postgres.transpose()?;

    // The footprint is measured before the cores are separated, because these services run on all cores.
    let mut goals = Table::of_goals();
    footprint::measure(&many, &mut goals)?;

    let core = machine::separate_cores();
    let on = core.map_or(On::AnyCore, On::Core);
    let mut first_seen = Table::new([
        "µs per token",
        "seen for the first time",
        "bare",
        "CPU, seen for the first time",
        "CPU, bare",
    ]);
    first_seen::measure("SQLite", &many, on, plan, &mut first_seen, &mut goals)?;
    if let Some(population) = &on_postgres {
        first_seen::measure("PostgreSQL", population, on, plan, &mut first_seen, &mut goals)?;
    }
    let mut cases = Cases::start(on, plan, &few, &many, on_postgres.as_ref())?;
    cases.measure(plan)?;
    cases.add_goals(&mut goals);

    let mut report = format!("{goals}\n{}\n{}\n{first_seen}\n", cases.table(), cases.by_connections()?);
    let Plan { rounds, all_tokens, tokens, .. } = plan;
    writeln!(
        report,
        "Medians of {rounds} rounds of {SECONDS} s for each case, with {CONNECTIONS} connections, and of {STARTS} starts. \
         Ranges are in parentheses. The number after a CPU time is its ratio to that of the bare handler. Requests use \
         {tokens} tokens of different users in turn; the memory was measured with {all_tokens} tokens.\n",
    )?;
    let cores = if core.is_some() { "had different cores" } else { "shared all cores" };
    writeln!(report, "- Machine: {machine}. The server under load and the load generator {cores}.")?;
    writeln!(report, "- Versions: {}.", CRATES.map(|name| format!("{name} {}", version(name))).join(", "))?;
    let postgres = server.map(|server| server.execute("SHOW server_version"));
    writeln!(
        report,
        "- PostgreSQL: {}.",
        postgres.as_deref().unwrap_or("left out, since it is not installed")
    )?;
    writeln!(report, "- FastAPI: {}.", fastapi::versions())?;
    writeln!(report, "- Command: `cargo bench --bench requests -- --write`")?;
    Ok(report)
}

/// Returns the version of a crate in Cargo.lock.
fn version(name: &str) -> &'static str {
    let entry = format!("[[package]]\nname = \"{name}\"\nversion = \"");
    let found =
        include_str!("../../Cargo.lock").split_once(&entry).and_then(|(_, rest)| rest.split_once('"'));
    found.map_or("unknown", |(version, _)| version)
}
