//! Middleware: bearer authentication, origin check, access log, panic handling, security headers and metrics.

pub(crate) mod access_log;
mod bearer;
pub(crate) mod origin_check;
pub(crate) mod panic;

#[cfg(feature = "service")]
pub(crate) mod metrics;
#[cfg(feature = "service")]
pub(crate) mod security_headers;

use actix_web::{Error, dev::ServiceResponse};

/// Returns the status code of a response or of an error.
fn status<B>(result: &Result<ServiceResponse<B>, Error>) -> u16 {
    let status = match result {
        Ok(response) => response.status(),
        Err(error) => error.as_response_error().status_code(),
    };
    status.as_u16()
}
