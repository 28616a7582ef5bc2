//! A panic in a handler is answered, not dropped.

use std::panic::AssertUnwindSafe;

use actix_web::{
    Error,
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
    middleware::Next,
};
use futures_util::FutureExt;

use crate::http::error::ApiError;

/// A middleware ([`from_fn`](actix_web::middleware::from_fn)) that answers a panic with 500: Actix itself
/// survives it, but drops the connection unanswered.
pub async fn answer_panics<B: MessageBody>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, Error> {
    // Nothing that the handler left half-done is used again: the request ends here.
    let answered = AssertUnwindSafe(next.call(request)).catch_unwind().await;
    answered.unwrap_or_else(|_| Err(ApiError::Internal.into()))
}
