//! What the words mean: users, secrets, claims, and the three ports. Knows no HTTP, no SQL, no clock.

pub(crate) mod change;
pub(crate) mod claims;
pub(crate) mod client;
pub(crate) mod dialect;
pub(crate) mod event;
pub(crate) mod fault;
pub(crate) mod guessing;
pub(crate) mod name;
pub(crate) mod ports;
pub(crate) mod refresh;
pub(crate) mod scope;
pub(crate) mod secret;
pub(crate) mod session;
pub(crate) mod time;
pub(crate) mod user;
