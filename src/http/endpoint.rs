//! A path and the one handler behind it.

use actix_web::{FromRequest, Handler, Resource, Responder, guard, http::Method, web};

use crate::http::error::ApiError;

/// A resource that answers GET and HEAD, and every other method with 405.
pub(crate) fn get<F, Args>(path: &str, handler: F) -> Resource
where
    F: Handler<Args>,
    Args: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    resource(path, handler, &[Method::GET, Method::HEAD], "GET, HEAD")
}

/// A resource that answers POST, and every other method with 405.
pub(crate) fn post<F, Args>(path: &str, handler: F) -> Resource
where
    F: Handler<Args>,
    Args: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    resource(path, handler, &[Method::POST], "POST")
}

fn resource<F, Args>(path: &str, handler: F, methods: &'static [Method], allow: &'static str) -> Resource
where
    F: Handler<Args>,
    Args: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    // Actix's own guards of a method note it in every request, for an `Allow` header that is written here.
    let method = guard::fn_guard(|context| methods.contains(&context.head().method));
    web::resource(path).route(web::route().guard(method).to(handler)).default_service(web::to(
        move || async move { Err::<web::Bytes, _>(ApiError::MethodNotAllowed { allow }) },
    ))
}
