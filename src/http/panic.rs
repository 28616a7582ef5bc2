//! A panic in a handler is answered, not dropped.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    thread,
};

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
    Guarded::call(|| next.call(request)).answer()
}

/// What was called and may panic, or has done so.
pub(crate) struct Guarded<F>(thread::Result<F>);

impl<F> Guarded<F> {
    pub(crate) fn call(call: impl FnOnce() -> F) -> Self {
        // Nothing that the handler left half-done is used again: the request ends here.
        Self(catch_unwind(AssertUnwindSafe(call)))
    }

    /// What comes of it; 500 where it panics.
    pub(crate) async fn answer<T>(self) -> Result<T, Error>
    where
        F: Future<Output = Result<T, Error>>,
    {
        let answer = match self.0 {
            Ok(called) => AssertUnwindSafe(called).catch_unwind().await,
            Err(panic) => Err(panic),
        };
        answer.unwrap_or_else(|_| Err(ApiError::Internal.into()))
    }
}
