//! Error responses that several operations share.

use utoipa::IntoResponses;

use crate::http::error::{ErrorBody, OAuth2ErrorBody};

/// Responses for a token that is missing or invalid, or that lacks a scope.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only their documentation is used")]
pub(crate) enum Unauthorized {
    #[response(
        status = 401,
        description = "The token is missing or invalid, or its user is disabled",
        headers(("WWW-Authenticate" = String,
            description = "The `Bearer` challenge, with an error code if the token is invalid")),
        example = json!({ "detail": "Could not validate credentials" }),
    )]
    InvalidToken(ErrorBody),
    #[response(
        status = 403,
        description = "The token lacks a required scope",
        headers(("WWW-Authenticate" = String,
            description = "The `Bearer` challenge, with the error code and the required scopes")),
        example = json!({ "detail": "Not enough permissions" }),
    )]
    InsufficientScope(ErrorBody),
}

/// The response if the service is overloaded or the database is not reachable.
#[derive(IntoResponses)]
#[response(
    status = 503,
    description = "The service is overloaded, or the database is not reachable",
    headers(("Retry-After" = String, description = "The time to wait, in seconds")),
    example = json!({ "detail": "Service Unavailable" }),
)]
#[expect(dead_code, reason = "only its documentation is used")]
pub(crate) struct Unavailable(ErrorBody);

/// Responses for a body that is too large or is not received in time.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only their documentation is used")]
pub(crate) enum InvalidBody<'a> {
    #[response(status = 408, description = "`invalid_request`: the request body was not received in time")]
    Timeout(OAuth2ErrorBody<'a>),
    #[response(status = 413, description = "`invalid_request`: the request body is too large")]
    TooLarge(OAuth2ErrorBody<'a>),
}
