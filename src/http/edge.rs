//! The outermost middleware: what a head may be, and the headers that keep an answer to whom it is for.

use actix_web::{
    Error,
    body::{BoxBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    http::header::{self, HeaderName, HeaderValue},
    middleware::Next,
};

use crate::http::error::ApiError;

/// What every answer has that has no other of its own. For what is no page, the policy is: whatever a browser takes
/// it for, it runs nothing and is shown in no frame.
const HEADERS: [(HeaderName, HeaderValue); 5] = [
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'")),
    (header::CROSS_ORIGIN_OPENER_POLICY, HeaderValue::from_static("same-origin")),
    (header::CROSS_ORIGIN_RESOURCE_POLICY, HeaderValue::from_static("same-origin")),
];
/// A year.
const STRICT_TRANSPORT_SECURITY: HeaderValue = HeaderValue::from_static("max-age=31536000");

/// What the outermost middleware knows.
#[derive(Clone, Copy)]
pub(crate) struct Edge {
    /// The most bytes of a target and a header; a request with more is answered with 431.
    pub(crate) max_header_bytes: usize,
    /// Whether browsers are to come by TLS alone.
    pub(crate) has_tls: bool,
}

impl Edge {
    /// The middleware, for [`from_fn`](actix_web::middleware::from_fn).
    pub(crate) async fn pass(
        self,
        request: ServiceRequest,
        next: Next<impl MessageBody + 'static>,
    ) -> Result<ServiceResponse<BoxBody>, Error> {
        let limit = self.max_header_bytes;
        let mut response = if head_size(&request) > limit {
            request.error_response(ApiError::HeadTooLarge { limit })
        } else {
            next.call(request).await?.map_into_boxed_body()
        };
        let headers = response.headers_mut();
        for (name, value) in HEADERS {
            if !headers.contains_key(&name) {
                headers.insert(name, value);
            }
        }
        if self.has_tls {
            headers.insert(header::STRICT_TRANSPORT_SECURITY, STRICT_TRANSPORT_SECURITY);
        }
        Ok(response)
    }
}

/// The bytes of a target and a header as HTTP/1 writes them: `name: value\r\n`.
fn head_size(request: &ServiceRequest) -> usize {
    let target = request.uri().path_and_query().map_or(0, |target| target.as_str().len());
    let header = request.headers().iter().map(|(name, value)| name.as_str().len() + value.len() + 4);
    target + header.sum::<usize>()
}
