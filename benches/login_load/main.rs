//! Measures the response times of other requests while many clients sign in, and how many sign-ins the cores can
//! handle. The service runs in the secure profile. docs/benchmarks.md explains the method.
//!
//! `cargo bench --bench login_load` prints the results; `-- --write` also writes them into docs/benchmarks.md.

mod hashing;
mod probe;
mod report;
mod rounds;
#[path = "../support/mod.rs"]
mod support;

use std::process::ExitCode;

fn main() -> ExitCode {
    support::run("benchmarks.md", |is_quick| rounds::measure(if is_quick { 1 } else { 7 }))
}
