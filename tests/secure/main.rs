//! The secure profile through the front door: the real program, its commands and its clients, on both databases.

#[path = "../commands/program.rs"]
#[expect(dead_code, reason = "this binary uses a part of it")]
mod program;
#[path = "../support/mod.rs"]
mod support;

mod changes;
mod clients;
mod document;
mod errors;
mod faults;
mod outdated;
mod replicas;
mod service;
mod settings;
mod sign_in;
#[path = "../hashing/vectors.rs"]
#[expect(dead_code, reason = "this binary uses a part of them")]
mod vectors;
