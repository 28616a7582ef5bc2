//! Error responses that several operations share.

use utoipa::IntoResponses;

use crate::http::error::{ErrorBody, OAuth2ErrorBody};

/// The token is missing, invalid, or lacks a scope.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only their documentation is used")]
pub(crate) enum Unauthorized {
    #[response(
        status = 401,
        description = "The token is missing or invalid, or its user is disabled",
        headers(("WWW-Authenticate" = String, description = "`Bearer`, with the error if the token is invalid")),
        example = json!({ "detail": "Could not validate credentials" }),
    )]
    InvalidToken(ErrorBody),
    #[response(
        status = 403,
        description = "The token lacks a required scope",
        headers(("WWW-Authenticate" = String, description = "`Bearer`, with the error and the required scope")),
        example = json!({ "detail": "Not enough permissions" }),
    )]
    InsufficientScope(ErrorBody),
}

/// The service is overloaded, or the database is not reachable.
#[derive(IntoResponses)]
#[response(
    status = 503,
    description = "The service is overloaded, or the database is not reachable",
    headers(("Retry-After" = String, description = "The time to wait, in seconds")),
    example = json!({ "detail": "Service Unavailable" }),
)]
#[expect(dead_code, reason = "only its documentation is used")]
pub(crate) struct Unavailable(ErrorBody);

/// The body arrives too late or is too large.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only their documentation is used")]
pub(crate) enum InvalidBody<'a> {
    #[response(status = 408, description = "`invalid_request`: the body did not arrive in time")]
    Timeout(OAuth2ErrorBody<'a>),
    #[response(status = 413, description = "`invalid_request`: the body is too large")]
    TooLarge(OAuth2ErrorBody<'a>),
}
