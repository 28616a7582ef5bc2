//! The start of a benchmark, and its end.

use std::{env, process::ExitCode};

use super::Failure;

/// Measures, where `cargo bench` runs it; `cargo test --all-targets` runs it too, without the argument `--bench`.
pub fn start(measure: impl FnOnce() -> Result<(), Failure>) -> ExitCode {
    if !has("--bench") {
        println!("nothing is measured; that is `cargo bench`");
        return ExitCode::SUCCESS;
    }
    finish(measure())
}

/// The exit code of what was done.
pub fn finish(done: Result<(), Failure>) -> ExitCode {
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("the benchmark failed: {failure}");
            ExitCode::FAILURE
        }
    }
}

/// Whether it was started with this argument.
pub fn has(argument: &str) -> bool {
    env::args().any(|given| given == argument)
}
