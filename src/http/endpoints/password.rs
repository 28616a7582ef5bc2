//! `PUT /users/me/password`: changes the password of the current user.

use actix_web::{HttpRequest, HttpResponse, Resource, dev::Payload, web};
use utoipa::{OpenApi, ToSchema};

use crate::{
    auth::{Auth, AuthError, PasswordChange},
    domain::{secret::Password, user::AuthUser},
    http::{
        endpoints::{Endpoint, resource},
        error::{ApiError, FormOrUserErrorBody, OAuth2ErrorBody},
        extract::{
            client_info::client_info,
            field_reader::FieldReader,
            users::{ActiveUser, RequiredScopes},
        },
        openapi::responses::{InvalidBody, Unauthorized, Unavailable},
        validation::FieldError,
    },
};

pub(super) fn endpoint<U: AuthUser, R: RequiredScopes>() -> Endpoint<U> {
    #[derive(OpenApi)]
    #[openapi(paths(change_password_operation))]
    struct PasswordApi;
    Endpoint {
        path: "/users/me/password",
        is_enabled: Auth::has_password_changes,
        resource: |auth, path| auth.password_endpoint::<R>(path),
        openapi: |_| PasswordApi::openapi(),
    }
}

impl<U: AuthUser> Auth<U> {
    /// Returns an endpoint that changes (`PUT`) the password of the current user, whose token must have the scopes `R`.
    /// The form has the fields `current_password` and `new_password`. The change ends all sessions of the user.
    pub fn password_endpoint<R: RequiredScopes>(&self, path: &str) -> Resource {
        let handler =
            async |auth: Auth<U>, me: ActiveUser<U, R>, request: HttpRequest, payload: web::Payload| {
                let changed = change_password(&auth, &me, &request, payload.into_inner()).await;
                auth.no_store(changed)
            };
        resource::at(path, "PUT", self.error_format()).route(web::put().to(handler).wrap(self.require::<R>()))
    }
}

async fn change_password<U: AuthUser>(
    auth: &Auth<U>,
    user: &U,
    request: &HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, ApiError> {
    let mut reader = FieldReader::read(request, payload, auth.error_format()).await?;
    let current = Password::from(reader.required("current_password"));
    let new = Password::from(reader.required("new_password"));
    reader.finish()?;
    let client_info = &client_info(request);
    let change = PasswordChange { user, current: &current, new: &new, client_info };
    auth.change_password(change).await.map_err(|error| match error {
        AuthError::WeakPassword(reason) => {
            ApiError::InvalidForm(vec![FieldError::invalid("new_password", reason.to_string())])
        }
        error => error.into(),
    })?;
    Ok(HttpResponse::NoContent().finish())
}

/// A request to change the password.
#[derive(ToSchema)]
#[schema(as = PasswordChangeForm)]
#[expect(dead_code, reason = "only its schema is used")]
struct PasswordChangeFormSchema {
    /// The current password.
    #[schema(format = Password, min_length = 1)]
    current_password: String,
    /// The new password. Passwords that are short, common, easy to guess or breached are refused.
    #[schema(format = Password, min_length = 8)]
    new_password: String,
}

/// Change your password
///
/// Changes your password and ends all your sessions, including the session of this request. Sign in again with the new
/// password.
#[utoipa::path(
    put,
    path = "/users/me/password",
    tag = "Users",
    operation_id = "change_password",
    request_body(content = PasswordChangeFormSchema, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 204, description = "The password was changed",
            headers(("Cache-Control" = String, description = "no-store"))),
        (status = 400, body = FormOrUserErrorBody,
            description = "The current password is wrong. `invalid_request`: a field is missing, or the new password \
                is too weak",
            example = json!({ "detail": "Incorrect password" })),
        Unauthorized,
        InvalidBody,
        (status = 429, body = OAuth2ErrorBody,
            description = "`temporarily_unavailable`: too many attempts with a wrong current password, or too many \
                requests from this address",
            headers(("Retry-After" = String, description = "The time to wait, in seconds"))),
        Unavailable,
    ),
)]
#[expect(dead_code, reason = "carries the documentation of the generic handler")]
fn change_password_operation() {}
