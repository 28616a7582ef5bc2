//! A line in the log for every request.

use std::time::Instant;

use actix_web::{
    Error,
    dev::{Service, ServiceRequest, ServiceResponse},
    http::Method,
};
use futures_util::FutureExt;
use log::{Level, log_enabled};

/// What RUST_LOG knows these lines by.
const TARGET: &str = "gatepass::access";

/// A middleware ([`App::wrap_fn`](actix_web::App::wrap_fn)) that logs method, path, status and time. Nothing
/// else: a query, a header or a body may hold a password or a token.
pub fn access_log<S, B>(
    request: ServiceRequest,
    next: &S,
) -> impl Future<Output = Result<ServiceResponse<B>, Error>> + use<S, B>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error>,
{
    let entry = Entry::begin(&request);
    next.call(request).inspect(move |answer| {
        if let Some(entry) = entry {
            entry.log(answer);
        }
    })
}

/// A line in the making.
pub(crate) struct Entry {
    start: Instant,
    method: Method,
    path: String,
}

impl Entry {
    /// None where nobody reads these lines.
    pub(crate) fn begin(request: &ServiceRequest) -> Option<Self> {
        log_enabled!(target: TARGET, Level::Info).then(|| Self {
            start: Instant::now(),
            method: request.method().clone(),
            path: request.path().to_owned(),
        })
    }

    pub(crate) fn log<B>(self, answer: &Result<ServiceResponse<B>, Error>) {
        let Self { start, method, path } = self;
        let status = match answer {
            Ok(response) => response.status(),
            Err(error) => error.as_response_error().status_code(),
        };
        let milliseconds = start.elapsed().as_secs_f64() * 1e3;
        log::info!(target: TARGET, "{method} {path} {} {milliseconds:.3} ms", status.as_u16());
    }
}
