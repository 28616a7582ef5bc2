//! The HTTP API: extractors, endpoints, middleware and the OpenAPI document, built with Actix and utoipa.

pub(crate) mod endpoints;
pub(crate) mod error;
mod error_log;
pub(crate) mod extract;
pub(crate) mod fallback;
pub(crate) mod middleware;
pub(crate) mod openapi;
#[cfg(feature = "service")]
pub(crate) mod request_id;
pub(crate) mod trusted_proxies;
pub(crate) mod validation;
