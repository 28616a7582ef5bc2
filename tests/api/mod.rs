//! The service and the library from outside, over real sockets.

mod documents;
mod example;
mod library;
mod limits;
mod rfc;
mod routing;
mod token;
mod users_me;
