//! The commands for users, clients and settings, completions and man pages. Each test has its own database.

mod check;
mod clients;
mod config;
mod environment;
mod generated;
mod import;
mod terminal;
mod users;
