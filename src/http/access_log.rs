//! A line in the log for every request.

use std::time::Instant;

use actix_web::{
    Error,
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
    middleware::Next,
};
use log::{Level, log_enabled};

/// What RUST_LOG knows these lines by.
const TARGET: &str = "gatepass::access";

/// A middleware ([`from_fn`](actix_web::middleware::from_fn)) that logs method, path, status and time. Nothing
/// else: a query, a header or a body may hold a password or a token.
pub async fn access_log<B: MessageBody>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, Error> {
    if !log_enabled!(target: TARGET, Level::Info) {
        return next.call(request).await;
    }
    let start = Instant::now();
    let method = request.method().clone();
    let path = request.path().to_owned();
    let answered = next.call(request).await;
    let status = match &answered {
        Ok(response) => response.status(),
        Err(error) => error.as_response_error().status_code(),
    };
    log::info!(target: TARGET, "{method} {path} {} {:.3} ms", status.as_u16(), start.elapsed().as_secs_f64() * 1e3);
    answered
}
