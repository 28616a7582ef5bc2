//! Resources that respond to unsupported methods with 405, as FastAPI does.

use std::future::ready;

use actix_web::{Resource, Route, guard, http::Method, web};

use crate::{domain::error_format::ErrorFormat, http::error::ApiError};

/// Returns a resource that supports GET and HEAD.
#[cfg(feature = "docs")]
pub(crate) fn get<F, Args>(path: &str, handler: F) -> Resource
where
    F: actix_web::Handler<Args, Output: actix_web::Responder + 'static>,
    Args: actix_web::FromRequest + 'static,
{
    at(path, "GET, HEAD", &ErrorFormat::FastApi).route(get_route().to(handler))
}

/// Returns a resource without routes. It responds with 405 to methods that no route added later supports.
pub(crate) fn at(path: &str, allow: &'static str, format: &ErrorFormat) -> Resource {
    let format = format.clone();
    web::resource(path).default_service(web::to(move || {
        ready(Err::<web::Bytes, _>(ApiError::MethodNotAllowed { allow }.in_format(&format)))
    }))
}

/// Returns a route for GET and HEAD.
pub(crate) fn get_route() -> Route {
    route(&[Method::GET, Method::HEAD])
}

/// Returns a route for these methods. Actix's own method guards would add a second `Allow` header.
pub(crate) fn route(methods: &'static [Method]) -> Route {
    web::route().guard(guard::fn_guard(|context| methods.contains(&context.head().method)))
}
