//! The load that replicas put on one PostgreSQL, and how much of it PostgreSQL can bear. docs/SCALING.md explains the
//! method.
//!
//! `cargo bench --bench scaling` prints the results; `-- --write` also writes them into that page.

#[path = "../../tests/support/postgres.rs"]
#[expect(dead_code, reason = "tests use the rest")]
mod postgres;
mod report;
mod rounds;
#[path = "../support/mod.rs"]
mod support;
mod usage;
mod work;

use std::process::ExitCode;

fn main() -> ExitCode {
    support::run("SCALING.md", |is_quick| rounds::measure(if is_quick { 1 } else { 5 }))
}
