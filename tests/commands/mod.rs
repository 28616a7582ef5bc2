//! The commands `users`, `clients`, `config`, `check`, `completions` and `man`. Each test that uses a database creates
//! its own.

mod check;
mod clients;
mod config;
mod environment;
mod generated;
mod import;
mod terminal;
mod users;
