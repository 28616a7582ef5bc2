//! The secure profile through the front door: the real program, its commands and its clients, on both databases.

#[path = "../commands/program.rs"]
mod program;
#[path = "../support/mod.rs"]
mod support;

mod audit;
mod changes;
mod clients;
mod database_faults;
mod deaths;
mod disk_faults;
mod document;
mod errors;
mod faults;
#[path = "../tokens/forge.rs"]
#[expect(dead_code, reason = "this binary uses a part of it")]
mod forge;
mod guessing;
mod introspection;
mod key_faults;
mod kills;
mod memory;
mod metadata;
mod ops;
mod outage;
mod outdated;
mod refresh;
mod replicas;
mod resource_server;
mod revocation;
mod rotation;
mod service;
mod settings;
mod sign_in;
#[path = "../hashing/vectors.rs"]
#[expect(dead_code, reason = "this binary uses a part of them")]
mod vectors;
