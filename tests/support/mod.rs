//! What the tests share: services to talk to, HTTP to the byte, and the word on what is left out.

pub mod disk;
pub mod example;
pub mod folder;
pub mod forge;
pub mod http;
pub mod ports;
pub mod postgres;
pub mod program;
pub mod python;
pub mod secrets;
pub mod secure;
pub mod service;
pub mod vectors;
pub mod way;

use std::io::Write;

/// The variable that makes a left-out test a failure; `.ci/run` sets it.
const REQUIRE_ALL: &str = "GATEPASS_REQUIRE_ALL_TESTS";

/// Says, past the test runner's capture, that a test is left out and why.
///
/// # Panics
/// Where every test is required.
pub fn left_out(test: &str, why: &str) {
    assert!(std::env::var_os(REQUIRE_ALL).is_none(), "{test} is required here, but {why}");
    let _ = writeln!(std::io::stderr(), "LEFT OUT: {test}: {why}");
}
