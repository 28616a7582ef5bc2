//! Responses for paths without an endpoint: 404, or a redirect to the path without its trailing slash.

use actix_web::{HttpRequest, HttpResponse, http::header};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use crate::http::{error::ApiError, trusted_proxies::RequestedHost};

/// The ASCII characters that no URL may contain (RFC 3986 section 2), and that are therefore percent-encoded. `%` is not
/// included, so that existing escapes are kept.
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

/// Handles unknown paths, as the default service of an application. Redirects `/token/?a=b` to `/token?a=b`, for any
/// method, if `/token` is an endpoint. Otherwise, returns 404.
///
/// The `Location` is a relative URL ([RFC 3986 section 5.2](https://www.rfc-editor.org/rfc/rfc3986#section-5.2)), which
/// is also correct behind a proxy that removes a path prefix or terminates TLS.
///
/// # Errors
/// [`ApiError`] with status 404, unless the response is a redirect.
pub async fn fallback(request: HttpRequest) -> Result<HttpResponse, ApiError> {
    let path = without_slashes(&request)?;
    let up = "../".repeat(request.match_info().as_str().len() - path.len());
    let name = path.rsplit('/').next().unwrap_or_default();
    Ok(redirect(&request, &up, name))
}

/// Redirects like [`fallback`], but to an absolute URL, as Starlette does. The scheme and host of the URL are those of
/// the request, or those that a [trusted proxy](crate::web::TrustedProxies) forwards.
///
/// # Errors
/// Returns the same errors as [`fallback`].
pub async fn absolute_fallback(request: HttpRequest) -> Result<HttpResponse, ApiError> {
    let path = without_slashes(&request)?;
    let RequestedHost { scheme, host } = RequestedHost::of(&request);
    Ok(redirect(&request, &format!("{scheme}://{host}"), path))
}

/// Returns the path without its trailing slashes. If the path has no trailing slash, or the application has no resource
/// at the shorter path, returns 404.
fn without_slashes(request: &HttpRequest) -> Result<&str, ApiError> {
    // Use the path as the router decoded it, so that `/%74oken/` is redirected too.
    let path = request.match_info().as_str();
    let without = path.trim_end_matches('/');
    if without.len() == path.len() || !request.resource_map().has_resource(without) {
        return Err(ApiError::NotFound);
    }
    Ok(without)
}

fn redirect(request: &HttpRequest, base: &str, path: &str) -> HttpResponse {
    let mut location = format!("{base}{}", utf8_percent_encode(path, PATH));
    if let Some(query) = request.uri().query().filter(|query| !query.is_empty()) {
        location.extend(["?"].into_iter().chain(utf8_percent_encode(query, QUERY)));
    }
    HttpResponse::TemporaryRedirect().insert_header((header::LOCATION, location)).finish()
}
