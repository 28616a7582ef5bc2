//! An hour of constant moderate load on the secure profile: memory, open files and response times must not grow.
//! docs/benchmarks.md explains the load and the criteria.
//!
//! `cargo bench --bench soak_test` runs for an hour and prints the results; `-- --minutes 10` sets the length, and
//! `-- --write` also writes the results into docs/benchmarks.md.

mod report;
mod run;
mod sessions;
#[path = "../support/mod.rs"]
mod support;
mod tasks;

use std::{env, process::ExitCode};

use support::{Result, has_argument};

fn main() -> ExitCode {
    support::run("benchmarks.md", |is_quick| run::measure(if is_quick { 1 } else { minutes()? }))
}

fn minutes() -> Result<u32> {
    if !has_argument("--minutes") {
        return Ok(60);
    }
    let minutes = env::args().skip_while(|argument| argument != "--minutes").nth(1);
    let minutes =
        minutes.and_then(|minutes| minutes.parse().ok()).filter(|minutes| (1..=24 * 60).contains(minutes));
    minutes.ok_or_else(|| "--minutes must be a number from 1 to 1440".into())
}
