//! What the benchmarks share: a load, a server's process, cores, figures, and the page they are written into.
#![allow(dead_code, reason = "each benchmark uses its part")]

pub mod cores;
pub mod cpu_time;
pub mod load;
pub mod machine;
pub mod page;
pub mod process;
#[path = "../../tests/support/python.rs"]
pub mod python;
pub mod spread;
pub mod table;

/// Why there are no figures, in a sentence.
pub type Failure = String;
