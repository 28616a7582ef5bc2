//! A panic in a handler is answered, not dropped.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    task::{Context, Poll},
};

use actix_web::{
    Error,
    dev::{Service, ServiceRequest, ServiceResponse},
};
use pin_project_lite::pin_project;

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
    Guarded::call(|| next.call(request))
}

pin_project! {
    /// What comes of a call; 500 where it panics, at once or later.
    #[project = Projected]
    pub(crate) enum Guarded<F> {
        Called { #[pin] called: F },
        Failed { error: Option<Error> },
    }
}

impl<F> Guarded<F> {
    pub(crate) fn call(call: impl FnOnce() -> F) -> Self {
        // Nothing that the handler left half-done is used again: the request ends here.
        match catch_unwind(AssertUnwindSafe(call)) {
            Ok(called) => Self::Called { called },
            Err(_) => Self::failed(ApiError::Internal),
        }
    }

    /// What is not called at all.
    pub(crate) fn failed(error: ApiError) -> Self {
        Self::Failed { error: Some(error.into()) }
    }
}

impl<F: Future<Output = Result<T, Error>>, T> Future for Guarded<F> {
    type Output = Result<T, Error>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project() {
            Projected::Called { called } => catch_unwind(AssertUnwindSafe(|| called.poll(context)))
                .unwrap_or_else(|_| Poll::Ready(Err(ApiError::Internal.into()))),
            Projected::Failed { error } => match error.take() {
                Some(error) => Poll::Ready(Err(error)),
                None => Poll::Pending,
            },
        }
    }
}
