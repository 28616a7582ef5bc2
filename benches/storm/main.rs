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

use std::process::ExitCode;

use support::{
    page,
    start::{has, start},
};

fn main() -> ExitCode {
    start(|| {
        let rounds = rounds::measure()?;
        println!("{rounds}");
        let command = "cargo bench --bench storm -- --write";
        if has("--write") { page::write("BENCHMARKS.md", command, &rounds) } else { Ok(()) }
    })
}
