//! The domain vocabulary, and the traits that adapters implement. Nothing here depends on HTTP or SQL.

pub(crate) mod backend_error;
pub(crate) mod claims;
pub(crate) mod client;
pub(crate) mod error_format;
pub(crate) mod event;
pub(crate) mod invalidation;
pub(crate) mod name;
pub(crate) mod ports;
pub(crate) mod scope;
pub(crate) mod secret;
pub(crate) mod session;
pub(crate) mod throttle;
pub(crate) mod time;
pub(crate) mod user;
