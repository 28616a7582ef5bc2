//! What the words mean: users, secrets, claims, and the three ports. Knows no HTTP, no SQL, no clock.

pub mod claims;
pub mod fault;
pub mod ports;
pub mod secret;
pub mod user;
