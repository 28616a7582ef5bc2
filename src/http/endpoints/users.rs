//! `GET /users/me`: the current user.

use std::future::ready;

use actix_web::{HttpResponse, Resource};
use serde::Serialize;
use utoipa::{
    OpenApi, ToSchema,
    openapi::{self},
};

use crate::{
    auth::Auth,
    domain::user::AuthUser,
    http::{
        endpoints::resource,
        error::ErrorBody,
        extract::users::{ActiveUser, RequiredScopes},
        openapi::responses::{Unauthorized, Unavailable},
    },
};

impl<U: AuthUser + Serialize> Auth<U> {
    /// Returns an endpoint that responds to `GET` with the current user as JSON, for active users whose token has the
    /// scopes `R`.
    pub fn user_endpoint<R: RequiredScopes>(&self, path: &str) -> Resource {
        let auth = self.clone();
        let read = move |me: ActiveUser<U, R>| {
            let user: &U = &me;
            let response = HttpResponse::Ok().json(user);
            // FastAPI's response has no Cache-Control. Shared caches do not store responses to requests with an
            // Authorization header, but may store responses to requests with a cookie.
            let is_storable = auth.error_format().is_fastapi() && !auth.has_cookies();
            ready(if is_storable { response } else { auth.no_store(Ok(response)) })
        };
        let route = resource::get_route().to(read).wrap(self.require::<R>());
        resource::at(path, "GET, HEAD", self.error_format()).route(route)
    }

    /// Returns the OpenAPI document for [`user_endpoint`](Self::user_endpoint) at `/users/me`, to merge into your own
    /// document.
    pub fn user_openapi<R: RequiredScopes>(&self) -> openapi::OpenApi
    where
        U: ToSchema,
    {
        #[derive(OpenApi)]
        #[openapi(paths(read_users_me_operation_fastapi))]
        struct FastApi;
        #[derive(OpenApi)]
        #[openapi(paths(read_users_me_operation))]
        struct OAuth2;
        let mut document = if self.error_format().is_fastapi() {
            FastApi::openapi()
        } else {
            self.require_scopes::<R>(OAuth2::openapi())
        };
        document.components.get_or_insert_default().schemas.insert("User".into(), U::schema());
        document
    }
}

/// Read the current user
///
/// Returns the user that the token belongs to.
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
        (status = 401, description = "The token is missing or invalid", body = ErrorBody,
            headers(("WWW-Authenticate" = String, description = "Bearer")),
            example = json!({ "detail": "Not authenticated" })),
    ),
)]
#[expect(dead_code, reason = "carries the documentation of the generic handler")]
fn read_users_me_operation_fastapi() {}

/// Read the current user
///
/// Returns the user that the token belongs to.
#[utoipa::path(
    get,
    path = "/users/me",
    tag = "Users",
    operation_id = "read_users_me",
    responses(
        (status = 200, description = "The user", body = ref("#/components/schemas/User")),
        Unauthorized,
        Unavailable,
    ),
)]
#[expect(dead_code, reason = "carries the documentation of the generic handler")]
fn read_users_me_operation() {}
