//! What the benchmarks share: a load, a server's process, cores, figures, and the page and the pictures they are put into.
#![allow(dead_code, reason = "each benchmark uses its part")]

pub mod connection;
pub mod cores;
pub mod cpu_time;
pub mod gatepass;
pub mod latency;
pub mod load;
pub mod machine;
pub mod page;
pub mod plot;
pub mod process;
#[path = "../../tests/support/python.rs"]
pub mod python;
pub mod requests;
pub mod service;
pub mod spread;
pub mod start;
pub mod table;

/// Why there are no figures, in a sentence.
pub type Failure = String;
