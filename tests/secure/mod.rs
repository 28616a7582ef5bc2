//! The secure profile through the front door: the real program, its commands and its clients, on both databases.

mod audit;
mod changes;
mod clients;
mod database_faults;
mod deaths;
mod disk_faults;
mod document;
mod errors;
mod faults;
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
mod settings;
mod sign_in;
