//! Cross-origin requests (CORS).

use std::str::FromStr;

use actix_cors::Cors;
use actix_web::http::{Method, Uri, header};

use crate::http::request_id;

/// The maximum lifetime of cached preflight responses in browsers, in seconds. This is Chromium's maximum.
const MAX_AGE: usize = 7200;

/// Origins as browsers send them: `https://app.example.com`, `http://localhost:5173`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct CorsOrigins(Vec<String>);

impl FromStr for CorsOrigins {
    type Err = String;

    /// Parses origins separated by commas. An empty string contains no origin.
    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
        let check = |part: &str| match problem(part) {
            None => Ok(part.to_owned()),
            Some(why) => Err(format!("{part:?} cannot be used as an origin: {why}")),
        };
        Ok(Self(parts.map(check).collect::<Result<_, _>>()?))
    }
}

/// Returns why an origin is invalid or must not be allowed.
fn problem(origin: &str) -> Option<&'static str> {
    const EXPECTED: &str = "expected scheme://host[:port], such as https://app.example.com";
    if origin == "*" {
        return Some("every page could request tokens; list the allowed origins");
    }
    let Some((scheme, authority)) = origin.split_once("://") else { return Some(EXPECTED) };
    let is_origin =
        !scheme.is_empty() && !authority.is_empty() && !authority.contains(['/', '?', '#', '@', '*']);
    let has_host = || origin.parse::<Uri>().ok()?.host().map(|host| !host.is_empty());
    if !is_origin || has_host() != Some(true) {
        return Some(EXPECTED);
    }
    if origin.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Some("browsers send origins in lower case");
    }
    match (scheme, authority.rsplit_once(':')) {
        ("http", Some((_, "80"))) | ("https", Some((_, "443"))) => Some("browsers omit the default port"),
        // If an IPv6 address has no port, its last colon belongs to the address.
        (_, Some((_, port))) if !port.ends_with(']') && port.parse::<u16>().is_err() => Some(EXPECTED),
        _ => None,
    }
}

impl CorsOrigins {
    pub(super) fn join(lists: &[Self]) -> Self {
        Self(lists.iter().flat_map(|list| list.0.iter().cloned()).collect())
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    pub(super) fn is_enabled(&self) -> bool {
        !self.0.is_empty()
    }

    /// Returns the CORS middleware. It must wrap all authentication: a preflight request has no token, and errors need
    /// CORS headers too. Browser credentials such as cookies are not allowed, since tokens are sent in headers.
    pub(super) fn middleware(&self) -> Cors {
        let cors = Cors::default()
            .allowed_methods([Method::GET, Method::POST, Method::PUT, Method::DELETE])
            // Pages of allowed origins may send any header: their libraries add X-Requested-With, traceparent and
            // similar headers.
            .allow_any_header()
            .expose_headers([header::WWW_AUTHENTICATE, header::RETRY_AFTER, request_id::HEADER])
            .max_age(MAX_AGE);
        self.0.iter().fold(cors, |cors, origin| cors.allowed_origin(origin))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn setting_accepts_only_origins_as_browsers_send_them() {
        let origins =
            "https://app.example.com, http://localhost:5173,http://[::1]:3000,capacitor://localhost";
        assert_eq!(origins.parse::<CorsOrigins>().unwrap().0.len(), 4);
        assert!(!"".parse::<CorsOrigins>().unwrap().is_enabled());
        for text in [
            "*",
            "null",
            "app.example.com",
            "https://",
            "https://app.example.com/",
            "https://app.example.com/path",
            "https://app.example.com?",
            "https://*.example.com",
            "https://user@app.example.com",
            "https://App.example.com",
            "https://app.example.com:443",
            "http://app.example.com:80",
            "https://app.example.com:",
            "https://app.example.com:99999",
            "https://app example.com",
            "://app.example.com",
        ] {
            assert!(text.parse::<CorsOrigins>().is_err(), "{text} was accepted");
        }
    }
}
