//! A middleware that may be left out, and then costs nothing.

use std::{
    future::ready,
    task::{Context, Poll},
};

use actix_web::{
    Error,
    body::MessageBody,
    dev::{Service, ServiceRequest, ServiceResponse, Transform},
};
use futures_util::{
    TryFutureExt,
    future::{Either, LocalBoxFuture, MapOk},
};

/// The middleware where there is one. Unlike [`Condition`](actix_web::middleware::Condition), what is left out does not
/// touch an answer: to give its body another type is to move the whole of it.
pub(super) struct Optional<T>(pub(super) Option<T>);

/// A service with the middleware around it, or without.
pub(super) enum Wrapped<With, Without> {
    With(With),
    Without(Without),
}

impl<T, S, B> Transform<S, ServiceRequest> for Optional<T>
where
    S: Service<ServiceRequest, Response = ServiceResponse, Error = Error> + 'static,
    T: Transform<S, ServiceRequest, Response = ServiceResponse<B>, Error = Error, InitError = ()>,
    T::Transform: 'static,
    T::Future: 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse;
    type Error = Error;
    type InitError = ();
    type Transform = Wrapped<T::Transform, S>;
    type Future = LocalBoxFuture<'static, Result<Self::Transform, ()>>;

    fn new_transform(&self, service: S) -> Self::Future {
        match &self.0 {
            Some(middleware) => Box::pin(middleware.new_transform(service).map_ok(Wrapped::With)),
            None => Box::pin(ready(Ok(Wrapped::Without(service)))),
        }
    }
}

impl<With, Without, B> Service<ServiceRequest> for Wrapped<With, Without>
where
    With: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error>,
    Without: Service<ServiceRequest, Response = ServiceResponse, Error = Error>,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse;
    type Error = Error;
    type Future = Either<MapOk<With::Future, fn(ServiceResponse<B>) -> ServiceResponse>, Without::Future>;

    fn poll_ready(&self, context: &mut Context<'_>) -> Poll<Result<(), Error>> {
        match self {
            Self::With(service) => service.poll_ready(context),
            Self::Without(service) => service.poll_ready(context),
        }
    }

    fn call(&self, request: ServiceRequest) -> Self::Future {
        match self {
            Self::With(service) => {
                Either::Left(service.call(request).map_ok(ServiceResponse::map_into_boxed_body))
            }
            Self::Without(service) => Either::Right(service.call(request)),
        }
    }
}
