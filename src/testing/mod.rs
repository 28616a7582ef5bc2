//! Tests: of applications that use Gatepass, and of stores that they implement.
//!
//! Enable the feature `testing` for `dev-dependencies` only:
//!
//! ```toml
//! [dev-dependencies]
//! gatepass = { version = "0.1", default-features = false, features = ["testing"] }
//! ```
//!
//! - [`TestAuth`] is an [`Auth`](crate::Auth) with users in memory and a clock that the test sets.
//! - [`SignedIn::signed_in`] makes a test request one of a user, without a token.
//! - [`contract`] has a suite for each trait that stores implement.

mod auth;
pub mod contract;
mod request;

pub use self::{
    auth::{TestAuth, TestUsers},
    request::SignedIn,
};
