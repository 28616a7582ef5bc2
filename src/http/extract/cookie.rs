//! Reads cookies, and checks the origin of requests that use, set or delete a session cookie.

use actix_web::{
    HttpRequest,
    http::{Method, header},
};

use crate::{
    auth::{Auth, CookieTransport},
    domain::user::AuthUser,
    http::{error::ApiError, middleware::origin_check::is_from_origin, trusted_proxies::RequestedHost},
};

/// The maximum length of a session cookie in bytes. Gatepass never sets a longer one.
const MAX_BYTES: usize = 100;

/// The safe methods (RFC 9110 section 9.2.1), whose requests change nothing.
const SAFE_METHODS: [Method; 3] = [Method::GET, Method::HEAD, Method::OPTIONS];

/// Returns the value of a cookie ([RFC 6265 section 4.2](https://www.rfc-editor.org/rfc/rfc6265#section-4.2)), if the
/// value has at most `max_bytes` bytes.
pub(super) fn value<'a>(request: &'a HttpRequest, name: &str, max_bytes: usize) -> Option<&'a str> {
    // The header is parsed as bytes, because other cookies may not be valid UTF-8. As in browsers, only ASCII white
    // space is trimmed. Otherwise, a cookie whose name begins with other white space could pass for a `__Host-` cookie.
    let headers = request.headers().get_all(header::COOKIE);
    let mut pairs = headers.flat_map(|header| header.as_bytes().split(|byte| *byte == b';'));
    let is_named = |pair: &'a [u8]| pair.trim_ascii().strip_prefix(name.as_bytes())?.strip_prefix(b"=");
    let value = pairs.find_map(is_named).filter(|value| value.len() <= max_bytes)?;
    str::from_utf8(value).ok()
}

/// Returns whether a request changes nothing. A WebSocket handshake is a GET request, but the messages after it may
/// change anything.
pub(crate) fn is_safe(request: &HttpRequest) -> bool {
    SAFE_METHODS.contains(request.method()) && !request.headers().contains_key("sec-websocket-version")
}

/// Returns whether the original request, as a proxy reports it, changes nothing.
pub(crate) fn is_forwarded_request_safe(request: &HttpRequest) -> bool {
    let headers = request.headers();
    // A page of another origin cannot set these headers.
    let mut methods =
        headers.get_all("x-original-method").chain(headers.get_all("x-forwarded-method")).peekable();
    let is_safe_method = if methods.peek().is_some() {
        methods.all(|method| SAFE_METHODS.iter().any(|safe| safe.as_str().as_bytes() == method.as_bytes()))
    } else {
        // Browsers send `Origin` with every method except GET and HEAD, and POST forms have a content type.
        !headers.contains_key(header::ORIGIN) && !headers.contains_key(header::CONTENT_TYPE)
    };
    is_safe_method && is_safe(request)
}

impl<U: AuthUser> Auth<U> {
    /// Returns the session cookie that authenticates a request. An `Authorization` header takes precedence: if the
    /// request has one, the result is `None`.
    pub(crate) fn session_cookie<'a>(&self, request: &'a HttpRequest) -> Option<&'a str> {
        let cookies = self.cookies()?;
        if request.headers().contains_key(header::AUTHORIZATION) {
            return None;
        }
        cookie_of(cookies, request)
    }
}

/// Returns the session cookie of a request.
pub(crate) fn cookie_of<'a>(cookies: &CookieTransport, request: &'a HttpRequest) -> Option<&'a str> {
    value(request, &cookies.cookie_name(), MAX_BYTES)
}

/// Refuses a request unless its headers show that it comes from a page of the same origin or an allowed one.
///
/// # Errors
/// [`ApiError::OriginNotAllowed`] for a page of another origin; [`ApiError::OriginMissing`] if no header shows the
/// origin.
pub(crate) fn check_origin(cookies: &CookieTransport, request: &HttpRequest) -> Result<(), ApiError> {
    let scheme = if cookies.is_secure() { "https" } else { RequestedHost::of(request).scheme };
    match is_from_origin(request, cookies.origins(), Some(scheme)) {
        Some(true) => Ok(()),
        Some(false) => Err(ApiError::OriginNotAllowed),
        None => Err(ApiError::OriginMissing),
    }
}
