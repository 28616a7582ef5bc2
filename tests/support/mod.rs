//! Helpers that several test suites share.

pub mod disk;
pub mod doubles;
pub mod example;
pub mod folder;
pub mod forge;
pub mod http;
pub mod node;
pub mod pgbouncer;
pub mod postgres;
pub mod postgres_proxy;
pub mod program;
pub mod python;
pub mod secrets;
pub mod secure_profile;
pub mod service;
pub mod vectors;
pub mod wait;

use std::{env, fmt::Display, io::Write, thread};

/// The environment variable that turns skipped tests into failures; `.ci/run` sets it.
const REQUIRE_ALL: &str = "GATEPASS_REQUIRE_ALL_TESTS";

/// Reports that the current test is skipped. The test runner captures `eprintln!`, but not writes to `stderr()`.
///
/// # Panics
/// If all tests are required.
pub fn skip(why: impl Display) {
    let thread = thread::current();
    let test = thread.name().unwrap_or_default();
    assert!(env::var_os(REQUIRE_ALL).is_none(), "{test} would be skipped: {why}");
    let _ = writeln!(std::io::stderr(), "SKIPPED {test}: {why}");
}

/// Creates a PostgreSQL database. If PostgreSQL is missing, reports the test as skipped and returns `None`.
pub fn new_postgres() -> Option<postgres::Database> {
    postgres::Database::create().inspect_err(|why| skip(format!("on PostgreSQL: {why}"))).ok()
}
