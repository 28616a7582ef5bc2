//! Runs extractors on requests without a server.

use actix_web::{
    FromRequest,
    http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue},
    rt::Runtime,
    test::TestRequest,
};
use gatepass::error::ApiError;

/// A request to `POST /token`.
#[derive(Clone, Default)]
pub struct Request {
    pub content_type: Option<HeaderValue>,
    /// The values of the `Authorization` headers, in order.
    pub authorization: Vec<HeaderValue>,
    pub body: Vec<u8>,
}

impl Request {
    /// Runs an extractor on the request.
    pub fn extract<T: FromRequest<Error = ApiError>>(&self) -> Result<T, ApiError> {
        let mut request = TestRequest::post().set_payload(self.body.clone());
        if let Some(content_type) = &self.content_type {
            request = request.insert_header((CONTENT_TYPE, content_type.clone()));
        }
        for authorization in &self.authorization {
            request = request.append_header((AUTHORIZATION, authorization.clone()));
        }
        let (request, mut payload) = request.to_http_parts();
        block_on(T::from_request(&request, &mut payload))
    }
}

/// Runs a future to completion on this thread.
pub fn block_on<F: Future>(future: F) -> F::Output {
    thread_local! {
        static RUNTIME: Runtime = Runtime::new().expect("a runtime");
    }
    RUNTIME.with(|runtime| runtime.block_on(future))
}
