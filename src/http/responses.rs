//! What several operations are refused with, as the OpenAPI document of the secure profile says it.

use utoipa::IntoResponses;

use crate::http::error::{ErrorBody, OAuth2ErrorBody};

/// Who asks is not known, or may not.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only their documentation is used")]
pub(crate) enum NotAllowed {
    #[response(
        status = 401,
        description = "No token, or none that is valid",
        headers(("WWW-Authenticate" = String, description = "Bearer, and what is wrong with the token")),
        example = json!({ "detail": "Could not validate credentials" }),
    )]
    Unrecognised(ErrorBody),
    #[response(
        status = 403,
        description = "A token without the scope `me`",
        headers(("WWW-Authenticate" = String, description = "Bearer, and the scope that is needed")),
        example = json!({ "detail": "Not enough permissions" }),
    )]
    WithoutScope(ErrorBody),
}

/// Who asks is known, and disabled.
#[derive(IntoResponses)]
#[response(
    status = 400,
    description = "The user is disabled",
    example = json!({ "detail": "Inactive user" }),
)]
#[expect(dead_code, reason = "only its documentation is used")]
pub(crate) struct Disabled(ErrorBody);

/// Nobody can be answered.
#[derive(IntoResponses)]
#[response(
    status = 503,
    description = "Too much to do, or the database is out of reach: try again",
    headers(("Retry-After" = String, description = "Seconds to wait")),
    example = json!({ "detail": "Service Unavailable" }),
)]
#[expect(dead_code, reason = "only its documentation is used")]
pub(crate) struct Unavailable(ErrorBody);

/// A form that is not taken.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only their documentation is used")]
pub(crate) enum BodyNotTaken<'a> {
    #[response(status = 408, description = "`invalid_request`: a body that does not come")]
    Late(OAuth2ErrorBody<'a>),
    #[response(status = 413, description = "`invalid_request`: a body of more than 1 MiB")]
    TooLarge(OAuth2ErrorBody<'a>),
}
