//! Actix and utoipa: what a client sees. Knows the ports, never an adapter.

pub(crate) mod access_log;
pub(crate) mod authorization;
pub(crate) mod bearer;
pub(crate) mod body;
pub(crate) mod challenge;
pub(crate) mod client_credentials;
pub(crate) mod clock;
pub(crate) mod current_user;
pub(crate) mod endpoint;
pub(crate) mod error;
pub(crate) mod fallback;
pub(crate) mod fault_log;
mod field_reader;
pub(crate) mod form;
pub(crate) mod form_data;
pub(crate) mod introspection;
pub mod jwks;
pub mod metadata;
pub(crate) mod moment;
pub(crate) mod multipart;
pub(crate) mod oauth_endpoint;
pub(crate) mod openapi;
pub(crate) mod origin;
pub(crate) mod panic;
pub(crate) mod parameters;
pub(crate) mod password;
pub(crate) mod random;
pub(crate) mod revocation;
pub(crate) mod sessions;
pub(crate) mod token;
pub(crate) mod token_request;
pub(crate) mod trusted_proxies;
pub(crate) mod validation;

#[cfg(feature = "docs")]
pub(crate) mod asset;
#[cfg(feature = "docs")]
pub mod docs;
#[cfg(feature = "service")]
pub(crate) mod edge;
#[cfg(feature = "service")]
pub(crate) mod metrics;
#[cfg(feature = "service")]
pub(crate) mod page;
#[cfg(feature = "service")]
pub(crate) mod users;
