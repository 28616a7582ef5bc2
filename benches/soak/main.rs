//! An hour of the same modest load on the secure profile: whether memory, open files and latency stay as they are.
//! docs/BENCHMARKS.md says what is asked and how it is judged.
//!
//! `cargo bench --bench soak` runs for an hour and prints the figures; `-- --minutes 10` takes as long as it says, and
//! `-- --write` also puts figures and picture into docs/.

mod client;
mod errands;
mod flatness;
mod picture;
mod purse;
mod report;
mod run;
mod samples;
mod slow;
#[path = "../support/mod.rs"]
mod support;
mod tally;

use std::{env, process::ExitCode};

use support::{
    Failure, page, plot,
    start::{has, start},
};

const PICTURE: &str =
    "![Resident memory, open files and latency, from the first minute to the last](soak.svg)";

fn main() -> ExitCode {
    start(|| soak(minutes()?, has("--write")))
}

fn soak(minutes: u32, writes: bool) -> Result<(), Failure> {
    let run = run::measure(minutes)?;
    println!("{run}");
    if writes {
        plot::write("soak.svg", &picture::charts(&run))?;
        page::write(
            "BENCHMARKS.md",
            "cargo bench --bench soak -- --write",
            &format_args!("{PICTURE}\n\n{run}"),
        )?;
    }
    Ok(())
}

fn minutes() -> Result<u32, Failure> {
    let mut arguments = env::args().skip_while(|argument| argument != "--minutes").skip(1);
    let Some(minutes) = arguments.next() else {
        return if has("--minutes") { Err(wrong("nothing")) } else { Ok(60) };
    };
    minutes.parse().ok().filter(|minutes| (1..=24 * 60).contains(minutes)).ok_or_else(|| wrong(&minutes))
}

fn wrong(given: &str) -> Failure {
    format!("--minutes takes 1 to 1440, as in --minutes 10, and not {given}")
}
