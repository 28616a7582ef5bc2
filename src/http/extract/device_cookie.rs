//! The device cookie, which shows that a user has signed in on this device before.

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{self, HeaderValue},
};

use crate::{
    domain::secret::DeviceCookie,
    http::{extract::cookie, trusted_proxies::RequestedHost},
};

/// The maximum length of a device cookie in bytes.
const MAX_BYTES: usize = 1000;

/// Returns the name of the cookie. Browsers accept `__Host-` cookies only over TLS, and only from the host itself.
fn name(is_secure: bool) -> &'static str {
    if is_secure { "__Host-gatepass_device" } else { "gatepass_device" }
}

/// Returns whether the client's connection to the service, or to a trusted proxy, uses TLS.
fn is_secure(request: &HttpRequest) -> bool {
    RequestedHost::of(request).scheme == "https"
}

/// Returns the device cookie of a request.
pub(super) fn of(request: &HttpRequest) -> Option<DeviceCookie> {
    cookie::value(request, name(is_secure(request)), MAX_BYTES).map(DeviceCookie::from)
}

/// Sets the device cookie `cookie`, if any, in the response to `request`.
pub(crate) fn add(response: &mut HttpResponse, request: &HttpRequest, cookie: Option<&DeviceCookie>) {
    let Some(cookie) = cookie else { return };
    let is_secure = is_secure(request);
    let (name, value, lifetime) = (name(is_secure), cookie.expose(), DeviceCookie::LIFETIME.as_secs());
    let secure = if is_secure { "; Secure" } else { "" };
    let text = format!("{name}={value}; Path=/; Max-Age={lifetime}; HttpOnly; SameSite=Strict{secure}");
    if let Ok(cookie) = HeaderValue::try_from(text) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
}
