//! What no endpoint answers: 404, or the way to the path without its trailing slash.

use actix_web::{HttpRequest, HttpResponse, http::header};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use crate::http::{error::ApiError, trusted_proxies::Site};

/// What is no character of a URL (RFC 3986 section 2), beside what is beyond ASCII; escapes stay as they are.
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

/// The default service of an application: redirects `/token/?a=b` to `/token?a=b`, whatever the method, where
/// there is something; everything else is 404. As Starlette does it, the address is absolute: of the scheme
/// and host that the client named, or a [trusted proxy](crate::web::TrustedProxies) for it.
pub async fn fallback(request: HttpRequest) -> Result<HttpResponse, ApiError> {
    // The path as the router reads it: /%74oken is /token.
    let path = request.match_info().as_str();
    let without_slash = path.trim_end_matches('/');
    if without_slash.len() == path.len() || !request.resource_map().has_resource(without_slash) {
        return Err(ApiError::NotFound);
    }
    let Site { scheme, host } = Site::of(&request);
    let path = utf8_percent_encode(without_slash, PATH);
    let mut location = format!("{scheme}://{host}{path}");
    if let Some(query) = request.uri().query().filter(|query| !query.is_empty()) {
        location.extend(["?"].into_iter().chain(utf8_percent_encode(query, QUERY)));
    }
    Ok(HttpResponse::TemporaryRedirect().insert_header((header::LOCATION, location)).finish())
}
