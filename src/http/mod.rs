//! Actix and utoipa: what a client sees. Never imports an adapter.

pub(crate) mod challenge;
pub(crate) mod endpoints;
pub(crate) mod error;
mod error_log;
pub(crate) mod extract;
pub(crate) mod fallback;
pub(crate) mod middleware;
pub(crate) mod openapi;
pub(crate) mod trusted_proxies;
pub(crate) mod validation;
