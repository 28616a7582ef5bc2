//! What replicas ask of one PostgreSQL, and how much of that it does. docs/SCALING.md says how it is measured.
//!
//! `cargo bench --bench scaling` prints the figures; `-- --write` also puts them into that page.

mod client;
mod ledger;
#[path = "../../tests/support/postgres.rs"]
#[expect(dead_code, reason = "tests use the rest")]
mod postgres;
mod replicas;
mod report;
mod rounds;
#[path = "../support/mod.rs"]
mod support;
mod work;

use std::process::ExitCode;

use support::{
    page,
    start::{has, start},
};

fn main() -> ExitCode {
    start(|| {
        let rounds = rounds::measure()?;
        println!("{rounds}");
        let command = "cargo bench --bench scaling -- --write";
        if has("--write") { page::write("SCALING.md", command, &rounds) } else { Ok(()) }
    })
}
