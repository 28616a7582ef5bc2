//! A path and the handlers behind it.

use actix_web::{FromRequest, Handler, Resource, Responder, Route, guard, http::Method, web};

use crate::http::error::ApiError;

/// A resource that answers GET and HEAD, and every other method with 405.
pub(crate) fn get<F, Args>(path: &str, handler: F) -> Resource
where
    F: Handler<Args>,
    Args: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    at(path, "GET, HEAD").route(get_route().to(handler))
}

/// A resource that answers POST, and every other method with 405.
pub(crate) fn post<F, Args>(path: &str, handler: F) -> Resource
where
    F: Handler<Args>,
    Args: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    at(path, "POST").route(route(&[Method::POST]).to(handler))
}

/// A resource that answers what none of its routes does with 405, and names the methods they do answer.
pub(crate) fn at(path: &str, allow: &'static str) -> Resource {
    web::resource(path).default_service(web::to(move || async move {
        Err::<web::Bytes, _>(ApiError::MethodNotAllowed { allow })
    }))
}

/// The route of GET and HEAD.
pub(crate) fn get_route() -> Route {
    route(&[Method::GET, Method::HEAD])
}

/// Actix's own guards of a method note it in every request, for an `Allow` header that is written here.
fn route(methods: &'static [Method]) -> Route {
    web::route().guard(guard::fn_guard(|context| methods.contains(&context.head().method)))
}
