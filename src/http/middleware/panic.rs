//! Error responses for panics in handlers.

use std::panic::AssertUnwindSafe;

use actix_web::{
    Error,
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
    middleware::Next,
};
use futures_util::FutureExt;

use crate::http::error::ApiError;

/// Responds with 500 if a handler panics, as middleware. Without it, Actix closes the connection without a response.
///
/// ```
/// use actix_web::{App, middleware::from_fn};
/// use gatepass::web::catch_panics;
///
/// let app = App::new().wrap(from_fn(catch_panics));
/// ```
///
/// # Errors
/// Those of the wrapped service, and an internal server error instead of a panic.
pub async fn catch_panics<B: MessageBody>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, Error> {
    // Unwind safe: nothing uses the state of the request after a panic. The inner block also catches panics that happen before
    // the handler's future exists, as in a guard.
    let called = AssertUnwindSafe(async { next.call(request).await }).catch_unwind().await;
    called.unwrap_or_else(|_| Err(ApiError::Internal.into()))
}
