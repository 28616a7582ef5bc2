//! The outermost middleware: what a head may be, and the headers that keep an answer to whom it is for.

use std::future::ready;

use actix_web::{
    Error,
    body::EitherBody,
    dev::{Service, ServiceRequest, ServiceResponse},
    http::header::{self, HeaderMap, HeaderName, HeaderValue},
};
use futures_util::{TryFutureExt, future::Either};

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

/// What the outermost middleware knows.
#[derive(Clone, Copy)]
pub(crate) struct Edge {
    /// The most bytes of a target and a header; a request with more is answered with 431.
    pub(crate) max_header_bytes: usize,
    /// Whether browsers are to come by TLS alone.
    pub(crate) has_tls: bool,
}

impl Edge {
    /// The middleware, for [`App::wrap_fn`](actix_web::App::wrap_fn).
    pub(crate) fn pass<S, B>(
        self,
        request: ServiceRequest,
        next: &S,
    ) -> impl Future<Output = Result<ServiceResponse<EitherBody<B>>, Error>> + use<S, B>
    where
        S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error>,
    {
        let limit = self.max_header_bytes;
        let answer = if head_size(&request) > limit {
            let refusal = request.error_response(ApiError::HeadTooLarge { limit });
            Either::Left(ready(Ok(refusal.map_into_right_body())))
        } else {
            Either::Right(next.call(request).map_ok(ServiceResponse::map_into_left_body))
        };
        answer.map_ok(move |mut answer| {
            self.add_headers(answer.headers_mut());
            answer
        })
    }

    fn add_headers(self, headers: &mut HeaderMap) {
        for (name, value) in HEADERS {
            headers.insert(name, value);
        }
        // Few answers have one of their own: none is asked first whether it has.
        let own = headers.insert(header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY).next();
        if let Some(own) = own {
            headers.insert(header::CONTENT_SECURITY_POLICY, own);
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
