//! The access log: a log line for each request.

use std::{net::IpAddr, time::Instant};

use actix_web::{
    Error,
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
    http::Method,
    middleware::Next,
};
use log::{Level, log_enabled};

use crate::http::extract::client_info::client_address;

/// The log target of the access log.
const TARGET: &str = "gatepass::access";

/// Logs the method, path, status, duration and client address of each request. This middleware logs nothing else,
/// because queries, headers and bodies may contain passwords or tokens.
///
/// ```
/// use actix_web::{App, middleware::from_fn};
/// use gatepass::web::access_log;
///
/// let app = App::new().wrap(from_fn(access_log));
/// ```
///
/// # Errors
/// Returns the errors of the wrapped service.
pub async fn access_log<B: MessageBody>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, Error> {
    let entry = Entry::new(&request);
    let result = next.call(request).await;
    if let Some(entry) = entry {
        entry.log(&result);
    }
    result
}

/// The access log entry of a request in progress.
pub(crate) struct Entry {
    start: Instant,
    method: Method,
    path: String,
    client: Option<IpAddr>,
}

impl Entry {
    /// Starts an entry, or returns `None` if the log level disables the access log.
    pub(crate) fn new(request: &ServiceRequest) -> Option<Self> {
        log_enabled!(target: TARGET, Level::Info).then(|| Self {
            start: Instant::now(),
            method: request.method().clone(),
            path: request.path().to_owned(),
            client: client_address(request.request()),
        })
    }

    pub(crate) fn log<B>(self, result: &Result<ServiceResponse<B>, Error>) {
        let Self { start, method, path, client } = self;
        let (status, microseconds) = (super::status(result), start.elapsed().as_micros());
        let milliseconds = microseconds as f64 / 1e3;
        let client = client.map_or_else(|| "-".to_owned(), |address| address.to_string());
        log::info!(
            target: TARGET,
            method = method.as_str(), path = path.as_str(), status, duration_ms = milliseconds,
            client = client.as_str();
            "{method} {path} {status} {milliseconds:.3} ms {client}"
        );
    }
}
