//! A path and the one handler behind it.

use actix_web::{FromRequest, Handler, Resource, Responder, Route, guard, web};

use crate::http::error::ApiError;

/// A resource that answers GET and HEAD, and every other method with 405.
pub fn get<F, Args>(path: &str, handler: F) -> Resource
where
    F: Handler<Args>,
    Args: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    let get_or_head = web::route().guard(guard::Any(guard::Get()).or(guard::Head()));
    resource(path, get_or_head.to(handler), "GET, HEAD")
}

/// A resource that answers POST, and every other method with 405.
pub fn post<F, Args>(path: &str, handler: F) -> Resource
where
    F: Handler<Args>,
    Args: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    resource(path, web::post().to(handler), "POST")
}

fn resource(path: &str, route: Route, allow: &'static str) -> Resource {
    web::resource(path).route(route).default_service(web::to(move || async move {
        Err::<web::Bytes, _>(ApiError::MethodNotAllowed { allow })
    }))
}
