//! `GET /users/me`: the user behind the token.

use actix_web::{
    HttpResponse, ResponseError,
    http::header::{self, HeaderValue},
    web,
};
use serde::Serialize;
use utoipa::OpenApi;

use crate::{
    domain::{backend_error::BackendError, user::AuthUser},
    http::{
        current_user::{ActiveUser, RequiredScopes},
        endpoint,
        error::{ApiError, ErrorBody},
        responses::{Disabled, NotAllowed, Unavailable},
    },
};

/// The route `GET /users/me`, which shows the active user as JSON.
pub(crate) fn routes<U: AuthUser + Serialize>() -> impl FnOnce(&mut web::ServiceConfig) {
    |config| {
        config.service(endpoint::get("/users/me", read_users_me::<U>));
    }
}

/// The scope of one's own profile.
pub(crate) struct Me;

impl RequiredScopes for Me {
    const SCOPES: &'static [&'static str] = &["me"];
}

const JSON: HeaderValue = HeaderValue::from_static("application/json");

async fn read_users_me<U: AuthUser + Serialize>(me: ActiveUser<U, Me>) -> HttpResponse {
    match me.json() {
        Ok(user) => HttpResponse::Ok().insert_header((header::CONTENT_TYPE, JSON)).body(user),
        Err(error) => ApiError::from(BackendError::from(error)).error_response(),
    }
}

/// Read your own user
///
/// Answers with the user whose token was sent.
#[utoipa::path(
    get,
    path = "/users/me",
    tag = "Users",
    operation_id = "read_users_me",
    security(("OAuth2PasswordBearer" = [])),
    responses(
        (status = 200, description = "The user", body = ref("#/components/schemas/User")),
        (status = 400, description = "The user is disabled", body = ErrorBody,
            example = json!({ "detail": "Inactive user" })),
        (status = 401, description = "No token, or none that is valid", body = ErrorBody,
            headers(("WWW-Authenticate" = String, description = "Bearer")),
            example = json!({ "detail": "Not authenticated" })),
    ),
)]
#[expect(dead_code, reason = "carries the documentation of the generic handler")]
pub(crate) fn read_users_me_operation() {}

/// Read your own user
///
/// Answers with the user whose token was sent.
#[utoipa::path(
    get,
    path = "/users/me",
    tag = "Users",
    operation_id = "read_users_me",
    security(("OAuth2PasswordBearer" = ["me"])),
    responses(
        (status = 200, description = "The user", body = ref("#/components/schemas/User")),
        Disabled,
        NotAllowed,
        Unavailable,
    ),
)]
#[expect(dead_code, reason = "carries the documentation of the generic handler")]
pub(crate) fn read_users_me_operation_scoped() {}

/// The documentation of `GET /users/me`; the schema `User` is for the application to add.
#[derive(OpenApi)]
#[openapi(paths(read_users_me_operation))]
pub(crate) struct UsersApi;

/// The same where scopes are used.
#[derive(OpenApi)]
#[openapi(paths(read_users_me_operation_scoped))]
pub(crate) struct ScopedUsersApi;
