//! The load that replicas put on one PostgreSQL server, and the maximum load that the server can handle. See
//! docs/scaling.md for the method.
//!
//! `cargo bench --bench scaling` prints the results; `-- --write` also writes them into docs/scaling.md.

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
    support::run("scaling.md", |is_quick| rounds::measure(if is_quick { 1 } else { 5 }))
}
