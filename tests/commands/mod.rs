//! The commands `users`, `clients`, `config`, `check`, `completions` and `man`. Tests that use a database have their
//! own.

mod check;
mod clients;
mod config;
mod environment;
mod generated;
mod import;
mod terminal;
mod users;
