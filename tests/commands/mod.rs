//! The commands for users and clients, with a new database for each test.

mod check;
mod clients;
mod config;
mod environment;
mod generated;
mod import;
mod terminal;
mod users;
