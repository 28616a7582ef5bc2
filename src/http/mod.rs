//! Actix and utoipa: what a client sees. Knows the ports, never an adapter.

pub(crate) mod access_log;
pub(crate) mod authorization;
pub(crate) mod bearer;
pub(crate) mod challenge;
pub(crate) mod client_credentials;
pub(crate) mod clock;
pub(crate) mod current_user;
pub(crate) mod endpoint;
pub(crate) mod error;
pub(crate) mod fallback;
pub(crate) mod form;
pub(crate) mod form_data;
pub mod jwks;
pub(crate) mod multipart;
pub(crate) mod openapi;
pub(crate) mod panic;
pub(crate) mod parameters;
pub(crate) mod token;
pub(crate) mod validation;

#[cfg(feature = "docs")]
pub(crate) mod asset;
#[cfg(feature = "docs")]
pub mod docs;
#[cfg(feature = "service")]
pub(crate) mod page;
#[cfg(feature = "service")]
pub(crate) mod users;
