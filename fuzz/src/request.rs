//! Requests without a server, and the extractors that read them.

use actix_web::{
    FromRequest,
    http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue},
    rt::Runtime,
    test::TestRequest,
};
use gatepass::error::ApiError;

/// What a client sends.
#[derive(Clone, Default)]
pub struct Request {
    pub content_type: Option<HeaderValue>,
    /// In the order they came.
    pub authorization: Vec<HeaderValue>,
    pub body: Vec<u8>,
}

impl Request {
    /// What an extractor makes of it.
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

/// Waits for a future on a runtime of this thread.
pub fn block_on<F: Future>(future: F) -> F::Output {
    thread_local! {
        static RUNTIME: Runtime = Runtime::new().expect("a runtime");
    }
    RUNTIME.with(|runtime| runtime.block_on(future))
}
