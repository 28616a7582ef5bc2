//! The commands for users and clients: the program on a new database.

mod check;
mod clients;
mod import;
mod terminal;
mod users;
