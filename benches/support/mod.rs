//! Code that the benchmarks share.
#![allow(dead_code, unused_imports, reason = "each benchmark uses only a part")]

mod connection;
pub mod gatepass;
mod load;
pub mod machine;
mod page;
#[path = "../../tests/support/python.rs"]
pub mod python;
pub mod requests;
mod server;
mod statistics;
mod table;

use std::{env, fmt::Display, process::ExitCode};

pub use connection::{Connection, Response, for_each};
pub use load::{CONNECTIONS, Load, Outcome, check_wrk};
pub use server::{On, Server, cpu_time, thread_cpu_time};
pub use statistics::{Spread, percentile};
pub use table::Table;

pub type Error = Box<dyn std::error::Error + Send + Sync>;
pub type Result<T> = std::result::Result<T, Error>;

/// Runs a benchmark, prints its results, and writes them into a page of docs/ if `--write` is set.
///
/// The argument of `benchmark` is true for a quick run, which only checks that everything works.
pub fn run<R: Display>(page: &str, benchmark: impl FnOnce(bool) -> Result<R>) -> ExitCode {
    // `cargo test --all-targets` starts benchmarks too.
    if !has_argument("--bench") {
        println!("Nothing was measured: run the benchmark with `cargo bench`.");
        return ExitCode::SUCCESS;
    }
    let is_quick = has_argument("--quick");
    exit_code(benchmark(is_quick).and_then(|results| {
        println!("{results}");
        if is_quick {
            println!("This was a quick run: the results mean nothing.");
        } else if has_argument("--write") {
            page::write(page, &results)?;
        }
        Ok(())
    }))
}

pub fn exit_code(result: Result<()>) -> ExitCode {
    let Err(error) = result else { return ExitCode::SUCCESS };
    eprintln!("the benchmark failed: {error}");
    ExitCode::FAILURE
}

pub fn has_argument(name: &str) -> bool {
    env::args().any(|argument| argument == name)
}
