//! Paths without an endpoint: 404, or a redirect to the path without its trailing slash.

use actix_web::{HttpRequest, HttpResponse, http::header};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use crate::http::{error::ApiError, trusted_proxies::RequestedHost};

/// The ASCII characters that a query must escape (RFC 3986 section 2). `%` is not one of them, so that existing escapes stay.
const QUERY: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'<')
    .add(b'>')
    .add(b'\\')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');
const PATH: &AsciiSet = &QUERY.add(b'?').add(b'#');

/// Handles unknown paths, as the default service of an application. Redirects `/token/?a=b` to `/token?a=b`, with any method,
/// if that path has an endpoint, and returns 404 otherwise.
///
/// As in Starlette the location is an absolute URL. Its scheme and host are those of the request, or those that a
/// [trusted proxy](crate::web::TrustedProxies) forwards.
pub async fn fallback(request: HttpRequest) -> Result<HttpResponse, ApiError> {
    // The path as the router decodes it: /%74oken is /token.
    let path = request.match_info().as_str();
    let without_slash = path.trim_end_matches('/');
    if without_slash.len() == path.len() || !request.resource_map().has_resource(without_slash) {
        return Err(ApiError::NotFound);
    }
    let RequestedHost { scheme, host } = RequestedHost::of(&request);
    let path = utf8_percent_encode(without_slash, PATH);
    let mut location = format!("{scheme}://{host}{path}");
    if let Some(query) = request.uri().query().filter(|query| !query.is_empty()) {
        location.extend(["?"].into_iter().chain(utf8_percent_encode(query, QUERY)));
    }
    Ok(HttpResponse::TemporaryRedirect().insert_header((header::LOCATION, location)).finish())
}
