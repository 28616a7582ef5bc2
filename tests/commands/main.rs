//! The commands for users and clients: the program on a new database.

mod check;
mod clients;
mod import;
mod program;
#[path = "../support/mod.rs"]
mod support;
mod terminal;
mod users;
