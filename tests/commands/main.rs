//! The commands around users and clients, from outside: the real program on a database of its own.

mod check;
mod clients;
mod import;
mod program;
#[path = "../support/mod.rs"]
mod support;
mod terminal;
mod users;
