//! Test support for applications that use Gatepass, and for the stores that they implement.
//!
//! Enable the feature `testing` for `dev-dependencies` only:
//!
//! ```toml
//! [dev-dependencies]
//! gatepass = { path = "../gatepass", default-features = false, features = ["testing"] }
//! ```
//!
//! The path points to a clone of the repository. After the first release, write `version = "0.1"` instead.
//!
//! The feature is in neither `default` nor `service`. Cargo unifies features, though: `cargo build --all-targets`,
//! `--all-features`, and a virtual workspace without `resolver` also enable it in the program. This is harmless: only
//! code can sign a request in with [`SignedIn`], and nothing that a client sends has this effect.
//!
//! - [`TestAuth`] is an [`Auth`](crate::Auth) with users in memory and a clock that the test sets.
//! - [`SignedIn::signed_in`] signs a test request in as a user, without a token.
//! - [`contract`] contains a test suite for each trait that stores implement.

mod auth;
pub mod contract;
mod request;

pub use self::{
    auth::{TestAuth, TestUsers},
    request::SignedIn,
};
