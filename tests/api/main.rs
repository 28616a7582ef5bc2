//! The service from outside, over real sockets.

#[path = "../support/mod.rs"]
mod support;

mod token;
