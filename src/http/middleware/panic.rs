//! Panics in handlers become responses.

use std::panic::AssertUnwindSafe;

use actix_web::{
    Error,
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
    middleware::Next,
};
use futures_util::FutureExt;

use crate::http::error::ApiError;

/// A middleware that responds with 500 if a handler panics. Without it, Actix closes the connection without a response.
///
/// ```
/// use actix_web::{App, middleware::from_fn};
/// use gatepass::web::catch_panics;
///
/// let app = App::new().wrap(from_fn(catch_panics));
/// ```
///
/// # Errors
/// Those of the wrapped service, and an internal error in place of a panic.
pub async fn catch_panics<B: MessageBody>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, Error> {
    // The request ends here: nothing uses the state that the handler left behind. The inner block includes panics before
    // the handler's future exists, as in a guard.
    let called = AssertUnwindSafe(async { next.call(request).await }).catch_unwind().await;
    called.unwrap_or_else(|_| Err(ApiError::Internal.into()))
}
