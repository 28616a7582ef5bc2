//! Protection against cross-site request forgery: requests that a page of another origin makes a user's browser send.

use std::net::{Ipv4Addr, Ipv6Addr};

use actix_web::{
    HttpRequest,
    http::{Method, header},
};

use crate::http::{error::ApiError, trusted_proxies::RequestedHost};

/// A check, for use in middleware, that refuses requests from pages of other origins.
///
/// Browsers send simple POST requests to any address without a CORS preflight, so any page could cause failed sign-ins
/// until its visitor is throttled. The check refuses requests with methods other than GET, HEAD and OPTIONS if
/// `Sec-Fetch-Site` or `Origin` shows that they come from another origin, unless that origin is allowed. Clients other
/// than browsers send neither header, so their requests pass.
///
/// With [`only_hosts`](Self::only_hosts), the check also refuses requests to other host names. This prevents DNS
/// rebinding: an attacker's host name resolves to the address of the service, so that the browser treats the attacker's
/// page and the service as one origin.
///
/// ```
/// use actix_web::{App, body::MessageBody, dev::ServiceRequest, middleware::{Next, from_fn}};
/// use gatepass::web::OriginCheck;
///
/// let check = OriginCheck::default().allow_origins(["https://app.example.com"]);
/// let app = App::new().wrap(from_fn(move |request: ServiceRequest, next: Next<_>| {
///     let checked = check.check(request.request());
///     async move {
///         checked?;
///         next.call(request).await
///     }
/// }));
/// ```
#[derive(Clone, Debug, Default)]
pub struct OriginCheck {
    origins: Vec<String>,
    hosts: Option<Vec<String>>,
}

impl OriginCheck {
    /// Allows requests from pages of these origins, such as `https://app.example.com`. Pass the origins that CORS
    /// allows.
    #[must_use]
    pub fn allow_origins(mut self, origins: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.origins.extend(origins.into_iter().map(Into::into));
        self
    }

    /// Refuses requests to host names other than `localhost` and `hosts`. IP addresses are always allowed, because DNS
    /// rebinding needs a host name.
    #[must_use]
    pub fn only_hosts(mut self, hosts: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.hosts.get_or_insert_default().extend(hosts.into_iter().map(Into::into));
        self
    }

    /// Checks the method and the headers of a request.
    ///
    /// # Errors
    /// [`ApiError::HostNotAllowed`] if the host name is not allowed; [`ApiError::OriginNotAllowed`] if a page of
    /// another origin sent the request with a method other than GET, HEAD and OPTIONS.
    pub fn check(&self, request: &HttpRequest) -> Result<(), ApiError> {
        if !self.hosts.as_ref().is_none_or(|hosts| is_allowed_host(hosts, request)) {
            return Err(ApiError::HostNotAllowed);
        }
        let is_safe = [Method::GET, Method::HEAD, Method::OPTIONS].contains(request.method());
        // If no header shows the origin, the client is not a browser.
        if !is_safe && !is_from_origin(request, &self.origins, None).unwrap_or(true) {
            return Err(ApiError::OriginNotAllowed);
        }
        Ok(())
    }
}

/// Returns whether a request comes from a page of the service's own origin or of one of `origins`, or `None` if no
/// header shows the origin. If `scheme` is set, an `Origin` with the service's host must also have this scheme.
pub(crate) fn is_from_origin(
    request: &HttpRequest,
    origins: &[String],
    scheme: Option<&str>,
) -> Option<bool> {
    let header = |name| request.headers().get(name).map(|value| value.to_str().unwrap_or_default());
    let origin = header("origin");
    if origin.is_some_and(|origin| origins.iter().any(|allowed| allowed == origin)) {
        return Some(true);
    }
    match (header("sec-fetch-site"), origin) {
        // `none`: the user started the request, for example by entering the URL. Pages cannot set this header.
        (Some(site), _) => Some(["same-origin", "none"].contains(&site)),
        // Safari before 2023 does not send `Sec-Fetch-Site`. Over plain HTTP, browsers send it only to localhost.
        (None, Some(origin)) => {
            let host = RequestedHost::of(request).host;
            let is_same = |(origin_scheme, authority): (&str, &str)| {
                scheme.is_none_or(|scheme| scheme == origin_scheme) && authority.eq_ignore_ascii_case(&host)
            };
            Some(origin.split_once("://").is_some_and(is_same))
        }
        (None, None) => None,
    }
}

/// Returns whether the host name that the client sent is allowed. A host name that a proxy forwards is ignored: in a
/// DNS rebinding attack, requests reach the service directly.
fn is_allowed_host(hosts: &[String], request: &HttpRequest) -> bool {
    let header = request.headers().get(header::HOST).map(|host| host.to_str().unwrap_or_default());
    // In HTTP/2, the host is the authority of the URI (`:authority`).
    let authority = request.uri().authority().map(|authority| authority.as_str());
    // HTTP/1.0 clients may omit the host. Their requests are allowed, because browsers always send a host.
    let Some(host) = header.or(authority) else { return true };
    let host = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let ipv6 = host.strip_prefix('[').and_then(|address| address.strip_suffix(']'));
    let host = host.trim_end_matches('.');
    ipv6.is_some_and(|address| address.parse::<Ipv6Addr>().is_ok())
        || host.parse::<Ipv4Addr>().is_ok()
        || host.eq_ignore_ascii_case("localhost")
        || hosts.iter().any(|allowed| allowed.eq_ignore_ascii_case(host))
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn check(method: Method, headers: &[(&str, &str)]) -> Result<(), String> {
        let check = OriginCheck::default()
            .allow_origins(["https://app.example.com"])
            .only_hosts(["auth.example.com"]);
        let request = headers
            .iter()
            .fold(TestRequest::default().method(method), |request, header| request.insert_header(*header));
        check.check(&request.to_http_request()).map_err(|error| error.to_string())
    }

    #[test]
    fn unsafe_requests_from_other_origins_are_refused_unless_the_origin_is_allowed() {
        let host = ("host", "auth.example.com:8443");
        let refused = Err(ApiError::OriginNotAllowed.to_string());
        for (headers, expected) in [
            (vec![], Ok(())),
            (vec![("origin", "https://auth.example.com:8443")], Ok(())),
            (vec![("origin", "https://app.example.com")], Ok(())),
            (vec![("origin", "https://app.example.com"), ("sec-fetch-site", "cross-site")], Ok(())),
            (vec![("origin", "https://other.example.com"), ("sec-fetch-site", "same-origin")], Ok(())),
            (vec![("sec-fetch-site", "none")], Ok(())),
            (vec![("origin", "https://auth.example.com")], refused.clone()),
            (vec![("origin", "https://evil.example")], refused.clone()),
            (vec![("origin", "null")], refused.clone()),
            (vec![("origin", "\u{e9}")], refused.clone()),
            (vec![("sec-fetch-site", "cross-site")], refused.clone()),
            (vec![("sec-fetch-site", "same-site")], refused.clone()),
            (vec![("sec-fetch-site", "cross-site"), ("origin", "https://auth.example.com:8443")], refused),
        ] {
            let headers: Vec<_> = headers.into_iter().chain([host]).collect();
            assert_eq!(check(Method::POST, &headers), expected, "{headers:?}");
            for safe in [Method::GET, Method::HEAD, Method::OPTIONS] {
                assert_eq!(check(safe, &headers), Ok(()), "{headers:?}");
            }
        }
    }

    #[test]
    fn requests_to_host_names_that_are_not_allowed_are_refused() {
        for host in
            ["localhost", "LOCALHOST:8000", "127.0.0.1:8000", "[::1]:8000", "10.0.0.7", "auth.example.com."]
        {
            assert_eq!(check(Method::GET, &[("host", host)]), Ok(()), "{host}");
        }
        assert_eq!(check(Method::GET, &[]), Ok(()));
        for host in [
            "evil.example",
            "evil.example:8000",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "evil.example@localhost",
            "localhost:evil.example",
            "[127.0.0.1",
            "[::1",
            "fe80::1:80",
            "",
            "a b",
            "\u{e9}",
        ] {
            let refused = Err(ApiError::HostNotAllowed.to_string());
            assert_eq!(check(Method::GET, &[("host", host)]), refused, "{host}");
        }
    }
}
