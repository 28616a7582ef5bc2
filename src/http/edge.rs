//! The edge: what a head may be, and the headers that keep an answer to whom it is for.

use actix_web::{
    dev::ServiceRequest,
    http::header::{self, HeaderMap, HeaderName, HeaderValue},
};

use crate::http::error::ApiError;

/// What every answer has.
const HEADERS: [(HeaderName, HeaderValue); 4] = [
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (header::CROSS_ORIGIN_OPENER_POLICY, HeaderValue::from_static("same-origin")),
    (header::CROSS_ORIGIN_RESOURCE_POLICY, HeaderValue::from_static("same-origin")),
];
/// For what is no page and has no policy of its own: whatever a browser takes it for, it runs nothing and is shown in
/// no frame.
const CONTENT_SECURITY_POLICY: HeaderValue =
    HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");
/// A year.
const STRICT_TRANSPORT_SECURITY: HeaderValue = HeaderValue::from_static("max-age=31536000");

/// The limit and the headers of this service.
#[derive(Clone, Copy)]
pub(crate) struct Edge {
    /// The most bytes of a target and a header; a request with more is answered with 431.
    pub(crate) max_header_bytes: usize,
    /// Whether browsers are to come by TLS alone.
    pub(crate) has_tls: bool,
}

impl Edge {
    /// Whether a request goes on.
    ///
    /// # Errors
    /// Where its head is too large.
    pub(crate) fn admit(self, request: &ServiceRequest) -> Result<(), ApiError> {
        let limit = self.max_header_bytes;
        if head_size(request) > limit { Err(ApiError::HeadTooLarge { limit }) } else { Ok(()) }
    }

    /// The headers of an answer.
    pub(crate) fn add_headers(self, headers: &mut HeaderMap) {
        for (name, value) in HEADERS {
            headers.insert(name, value);
        }
        if !headers.contains_key(header::CONTENT_SECURITY_POLICY) {
            headers.insert(header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY);
        }
        if self.has_tls {
            headers.insert(header::STRICT_TRANSPORT_SECURITY, STRICT_TRANSPORT_SECURITY);
        }
    }
}

/// The bytes of a target and a header as HTTP/1 writes them: `name: value\r\n`.
fn head_size(request: &ServiceRequest) -> usize {
    let target = request.uri().path_and_query().map_or(0, |target| target.as_str().len());
    let header = request.headers().iter().map(|(name, value)| name.as_str().len() + value.len() + 4);
    target + header.sum::<usize>()
}
