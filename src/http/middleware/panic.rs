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

/// Catches panics in handlers and responds with 500. Without this middleware, Actix closes the connection without a
/// response.
///
/// ```
/// use actix_web::{App, middleware::from_fn};
/// use gatepass::web::catch_panics;
///
/// let app = App::new().wrap(from_fn(catch_panics));
/// ```
///
/// # Errors
/// Returns the errors of the wrapped service, or an internal server error if the service panics.
pub async fn catch_panics<B: MessageBody>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, Error> {
    // This is unwind safe, because nothing uses the state of the request after a panic. Because of the `async` block,
    // panics before the handler's future exists, for example in a guard, are caught too.
    let called = AssertUnwindSafe(async { next.call(request).await }).catch_unwind().await;
    called.unwrap_or_else(|_| Err(ApiError::Internal.into()))
}
