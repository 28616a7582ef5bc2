//! The service and the library from outside, over real sockets.

#[path = "../support/mod.rs"]
mod support;

mod documents;
mod example;
mod library;
mod limits;
mod ports;
mod rfc;
mod routing;
mod token;
mod users_me;
