//! The two profiles under load beside bare Actix handlers, FastAPI's chapters and what a
//! user would write by hand; what a token costs that was never seen; memory, starts, documentation, instructions.
//! docs/BENCHMARKS.md says how.
//!
//! `cargo bench --bench figures` prints them; `-- --write` also puts them into that page, and `-- --quick` only tries
//! whether everything works.

mod answer;
mod bare;
mod case;
mod cases;
mod curve;
mod documentation;
mod fastapi;
mod first_seen;
mod goal;
mod goals;
mod hand_written;
mod instructions;
mod measured;
mod memory;
mod offered;
mod pace;
mod peer;
mod population;
#[path = "../../tests/support/postgres.rs"]
#[expect(dead_code, reason = "tests use all of it")]
mod postgres;
mod postgres_copy;
mod report;
mod service;
mod sign_ins;
mod start;
#[path = "../support/mod.rs"]
mod support;
mod versions;

use std::{env, process::ExitCode};

use measured::Measured;
use pace::Pace;
use report::Report;
use support::{
    Failure, page,
    start::{finish, has, start},
};

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        [bare::ARGUMENT, address, headers, body] => finish(bare::serve(address, headers, body)),
        [hand_written::ARGUMENT, framework, users, url, address] => {
            finish(hand_written::serve(framework, users, url, address))
        }
        [first_seen::bare::ARGUMENT, url, key, uncounted] => {
            finish(first_seen::bare::measure(url, key, uncounted))
        }
        _ => start(|| measure(has("--write"), has("--quick"))),
    }
}

fn measure(write: bool, quick: bool) -> Result<(), Failure> {
    let measured = Measured::measure(if quick { Pace::QUICK } else { Pace::FULL })?;
    let report = Report(&measured);
    println!("{report}");
    if write {
        measured.curves.write()?;
        page::write("BENCHMARKS.md", "cargo bench --bench figures -- --write", &report)?;
    }
    Ok(())
}
