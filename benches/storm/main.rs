//! A storm of sign-ins on the secure profile: what it does to everybody else, and how much of the cores it can use.
//! docs/BENCHMARKS.md says how it is measured.
//!
//! `cargo bench --bench storm` prints the figures; `-- --write` also puts them into that page.

mod cpu_time;
mod hashing;
#[path = "../chapter/machine.rs"]
#[expect(dead_code, reason = "FastAPI has no part in it")]
mod machine;
mod probe;
#[path = "../chapter/process.rs"]
#[expect(dead_code, reason = "memory is not measured here")]
mod process;
#[path = "../../tests/support/python.rs"]
mod python;
mod report;
mod rounds;
mod service;
mod sign_ins;
#[path = "../chapter/spread.rs"]
mod spread;
#[path = "../chapter/table.rs"]
mod table;

use std::{env, process::ExitCode};

/// Why there are no figures, in a sentence.
type Failure = String;

fn main() -> ExitCode {
    let has = |argument: &str| env::args().any(|given| given == argument);
    if !has("--bench") {
        println!("nothing is measured; that is `cargo bench`");
        return ExitCode::SUCCESS;
    }
    let done = rounds::measure().and_then(|rounds| {
        println!("{rounds}");
        if has("--write") { report::write(&rounds) } else { Ok(()) }
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("the benchmark failed: {failure}");
            ExitCode::FAILURE
        }
    }
}
