//! What no endpoint answers: 404, or the way to the path without its trailing slash.

use actix_web::{HttpRequest, HttpResponse, http::header};

use crate::http::error::ApiError;

/// The default service of an application: redirects `/token/?a=b` to `/token?a=b`, whatever the method, where
/// there is something; everything else is 404. As Starlette does it, the address is absolute: of the scheme
/// and host that the client (or the proxy for it) named.
pub async fn fallback(request: HttpRequest) -> Result<HttpResponse, ApiError> {
    let path = request.path();
    let without_slash = path.trim_end_matches('/');
    if without_slash.len() == path.len() || !request.resource_map().has_resource(without_slash) {
        return Err(ApiError::NotFound);
    }
    let connection = request.connection_info();
    let mut location = format!("{}://{}{without_slash}", connection.scheme(), connection.host());
    if let Some(query) = request.uri().query() {
        location = format!("{location}?{query}");
    }
    Ok(HttpResponse::TemporaryRedirect().insert_header((header::LOCATION, location)).finish())
}
