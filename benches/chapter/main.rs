//! The chapter's two routes under load, beside what they are measured against: a bare Actix handler that
//! answers with the same bytes, and FastAPI's own application of the chapter. docs/BENCHMARKS.md says how.
//!
//! `cargo bench` prints the figures; `cargo bench -- --write` also puts them into that page.

mod bare;
mod peer;
mod report;
mod rounds;
mod start;
#[path = "../support/mod.rs"]
mod support;

use std::{env, process::ExitCode};

use support::{Failure, cores, machine, page};

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match arguments[..] {
        [bare::ARGUMENT, kind, address] => bare::serve(kind, address),
        _ if arguments.contains(&"--bench") => measure(arguments.contains(&"--write")),
        // `cargo test --all-targets` runs it too, without that argument.
        _ => {
            println!("nothing is measured; that is `cargo bench`");
            Ok(())
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("the benchmark failed: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn measure(write: bool) -> Result<(), Failure> {
    // Before anything is pinned to a core: a service that a user starts is not.
    let machine = machine::sentence();
    let starts = start::measure()?;
    let cores = cores::assign();
    let rounds = rounds::measure(&cores)?;
    let report = report::Report { starts, rounds, machine, cores };
    println!("{report}");
    if write { page::write("BENCHMARKS.md", "cargo bench -- --write", &report) } else { Ok(()) }
}
