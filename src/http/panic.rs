//! A panic in a handler is answered, not dropped.

use std::panic::AssertUnwindSafe;

use actix_web::{
    Error,
    dev::{Service, ServiceRequest, ServiceResponse},
};
use futures_util::FutureExt;

use crate::http::error::ApiError;

/// A middleware ([`App::wrap_fn`](actix_web::App::wrap_fn)) that answers a panic with 500: Actix itself
/// survives it, but drops the connection unanswered.
pub fn answer_panics<S, B>(
    request: ServiceRequest,
    next: &S,
) -> impl Future<Output = Result<ServiceResponse<B>, Error>> + use<S, B>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error>,
{
    unless_it_panics(next.call(request))
}

/// What comes of it; 500 where it panics.
pub(crate) async fn unless_it_panics<T>(answer: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    // Nothing that the handler left half-done is used again: the request ends here.
    let answer = AssertUnwindSafe(answer).catch_unwind().await;
    answer.unwrap_or_else(|_| Err(ApiError::Internal.into()))
}
