//! The outermost middleware of the service, which handles every request.

use std::{rc::Rc, sync::Arc};

use actix_web::{
    Error,
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
    http::header::{HeaderMap, HeaderValue},
    middleware::Next,
};

use crate::{
    app::{
        connection::{self, TrackedBody},
        metrics::Metrics,
        pages,
    },
    http::{
        error::ApiError,
        middleware::{
            access_log, origin_check::OriginCheck, panic::catch_panics,
            security_headers::add_security_headers,
        },
        request_id,
    },
};

/// The middleware for request IDs, access log, metrics, panic handling, origin check, security headers and timeouts. It
/// is a single middleware because each additional one would allocate and move every response.
pub(super) struct Pipeline {
    /// The maximum size of the request target and headers in bytes; larger requests get 431.
    pub(super) max_header_bytes: usize,
    pub(super) has_tls: bool,
    /// `None` in the tutorial profile, which responds to all origins and hosts as FastAPI does.
    pub(super) origin_check: Option<OriginCheck>,
    /// True if responses have the header `X-Request-Id`, which FastAPI does not send.
    pub(super) has_request_id: bool,
    /// `None` if metrics are not served.
    pub(super) metrics: Option<Arc<Metrics>>,
}

impl Pipeline {
    pub(super) async fn handle<B: MessageBody + Unpin>(
        self: Rc<Self>,
        request: ServiceRequest,
        next: Next<B>,
    ) -> Result<ServiceResponse<TrackedBody<B>>, Error> {
        let id = request_id::of(request.request());
        request_id::CURRENT.scope(id.clone(), self.handle_with_id(id, request, next)).await
    }

    async fn handle_with_id<B: MessageBody + Unpin>(
        self: Rc<Self>,
        id: HeaderValue,
        request: ServiceRequest,
        next: Next<B>,
    ) -> Result<ServiceResponse<TrackedBody<B>>, Error> {
        let in_flight = connection::track(&request);
        let log_entry = access_log::Entry::new(&request);
        let timer = self.metrics.as_ref().map(|metrics| (metrics, metrics.requests.start(&request)));
        let mut result = if head_size(&request) > self.max_header_bytes {
            Err(pages::refusal(request.request(), ApiError::HeadTooLarge { limit: self.max_header_bytes }))
        } else if in_flight.as_ref().is_some_and(|request| request.is_over_limit) {
            Err(pages::refusal(request.request(), ApiError::Overloaded))
        } else if let Some(Err(error)) =
            self.origin_check.as_ref().map(|check| check.check(request.request()))
        {
            Err(pages::refusal(request.request(), error))
        } else {
            catch_panics(request, next).await
        };
        match &mut result {
            Ok(response) => self.add_headers(response.headers_mut(), id),
            Err(error) => {
                let pipeline = Rc::clone(&self);
                error.add_response_mapper(move |mut response| {
                    pipeline.add_headers(response.headers_mut(), id.clone());
                    response
                });
            }
        }
        if let Some(entry) = log_entry {
            entry.log(&result);
        }
        if let Some((metrics, timer)) = timer {
            metrics.requests.finish(timer, &result);
        }
        result.map(|response| response.map_body(|_, body| TrackedBody::new(body, in_flight)))
    }

    fn add_headers(&self, headers: &mut HeaderMap, id: HeaderValue) {
        add_security_headers(headers, self.has_tls);
        if self.has_request_id {
            headers.insert(request_id::HEADER, id);
        }
    }
}

/// Returns the size of the request target and headers in HTTP/1 format: `name: value\r\n`.
fn head_size(request: &ServiceRequest) -> usize {
    let target = request.uri().path_and_query().map_or(0, |target| target.as_str().len());
    let header = request.headers().iter().map(|(name, value)| name.as_str().len() + value.len() + 4);
    target + header.sum::<usize>()
}

#[cfg(test)]
mod tests {
    use actix_web::{App, HttpResponse, guard, http::header, middleware::from_fn, test, web};

    use super::*;

    async fn panics() -> HttpResponse {
        panic!("a handler panics")
    }

    #[actix_web::test]
    async fn every_response_has_security_headers_and_a_request_id_even_after_a_panic() {
        let pipeline = Rc::new(Pipeline {
            max_header_bytes: 100,
            has_tls: true,
            origin_check: None,
            has_request_id: true,
            metrics: None,
        });
        let panics_at_once = guard::fn_guard(|_| panic!("a guard panics"));
        let app = App::new()
            .wrap(from_fn(move |request: ServiceRequest, next: Next<_>| {
                Rc::clone(&pipeline).handle(request, next)
            }))
            .route("/response", web::to(HttpResponse::Ok))
            .route("/panic", web::to(panics))
            .route("/panic-at-once", web::route().guard(panics_at_once).to(HttpResponse::Ok));
        let app = test::init_service(app).await;
        let long = format!("/{}", "a".repeat(100));
        for (path, status) in [("/response", 200), ("/panic", 500), ("/panic-at-once", 500), (&long, 431)] {
            let request = test::TestRequest::with_uri(path).to_request();
            let (found, headers) = match test::try_call_service(&app, request).await {
                Ok(response) => (response.status(), response.headers().clone()),
                Err(error) => {
                    let response = error.error_response();
                    (response.status(), response.headers().clone())
                }
            };
            assert_eq!(found.as_u16(), status, "{path}");
            for name in
                [header::X_CONTENT_TYPE_OPTIONS, header::STRICT_TRANSPORT_SECURITY, request_id::HEADER]
            {
                assert!(headers.contains_key(&name), "the response to {path} has no header {name}");
            }
        }
    }
}
