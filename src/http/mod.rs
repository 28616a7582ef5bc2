//! Actix and utoipa: what a client sees. Knows the ports, never an adapter.

pub mod access_log;
pub mod bearer;
pub mod challenge;
pub mod client_credentials;
pub mod current_user;
pub mod endpoint;
pub mod error;
pub mod fallback;
pub mod form;
mod form_data;
mod multipart;
pub mod openapi;
pub mod panic;
mod parameters;
pub mod token;
pub mod users;
pub mod validation;

#[cfg(feature = "docs")]
mod asset;
#[cfg(feature = "docs")]
pub mod docs;
#[cfg(feature = "docs")]
pub mod page;
