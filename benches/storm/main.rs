//! A storm of sign-ins on the secure profile: what it does to everybody else, and how much of the cores it can use.
//! docs/BENCHMARKS.md says how it is measured.
//!
//! `cargo bench --bench storm` prints the figures; `-- --write` also puts them into that page.

mod hashing;
mod probe;
mod report;
mod rounds;
mod sign_ins;
#[path = "../support/mod.rs"]
mod support;

use std::{env, process::ExitCode};

use support::page;

fn main() -> ExitCode {
    let has = |argument: &str| env::args().any(|given| given == argument);
    if !has("--bench") {
        println!("nothing is measured; that is `cargo bench`");
        return ExitCode::SUCCESS;
    }
    let done = rounds::measure().and_then(|rounds| {
        println!("{rounds}");
        if has("--write") {
            page::write("BENCHMARKS.md", "cargo bench --bench storm -- --write", &rounds)
        } else {
            Ok(())
        }
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("the benchmark failed: {failure}");
            ExitCode::FAILURE
        }
    }
}
