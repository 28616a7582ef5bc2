//! Headers that restrict what browsers do with a response.

use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};

/// The headers that are set on every response.
const HEADERS: [(HeaderName, HeaderValue); 3] = [
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::CROSS_ORIGIN_OPENER_POLICY, HeaderValue::from_static("same-origin")),
    (header::CROSS_ORIGIN_RESOURCE_POLICY, HeaderValue::from_static("same-origin")),
];
/// The referrer policy for responses that do not set one.
const REFERRER_POLICY: HeaderValue = HeaderValue::from_static("no-referrer");
/// The Content Security Policy for responses that do not set one, such as JSON. If a browser renders such a response as
/// a page, the policy prevents scripts and framing.
const CONTENT_SECURITY_POLICY: HeaderValue =
    HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");
/// The HSTS policy, which requires HTTPS for one year.
const STRICT_TRANSPORT_SECURITY: HeaderValue = HeaderValue::from_static("max-age=31536000");

/// Adds the security headers. If `has_tls` is true, they include HSTS: browsers then use only HTTPS for this host.
pub(crate) fn add_security_headers(headers: &mut HeaderMap, has_tls: bool) {
    for (name, value) in HEADERS {
        headers.insert(name, value);
    }
    for (name, value) in [
        (header::REFERRER_POLICY, REFERRER_POLICY),
        (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
    ] {
        if !headers.contains_key(&name) {
            headers.insert(name, value);
        }
    }
    if has_tls {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, STRICT_TRANSPORT_SECURITY);
    }
}
