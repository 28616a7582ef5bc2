//! `POST /token`: password in, bearer token out.

use actix_web::{HttpResponse, http::header, web};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    auth::Auth,
    domain::ports::{IssuedToken, PasswordHasher, TokenService, UserStore},
    http::{
        endpoint,
        error::{ApiError, ErrorBody, ValidationErrorBody},
        form::{PasswordRequestForm, PasswordRequestFormSchema},
    },
};

impl<S: UserStore, H: PasswordHasher, T: TokenService> Auth<S, H, T> {
    /// The route `POST /token`, for [`App::configure`](actix_web::App::configure).
    pub fn routes(&self) -> impl FnOnce(&mut web::ServiceConfig) + use<S, H, T> {
        let auth = self.clone();
        move |config| {
            config.service(endpoint::post("/token", move |form| sign_in(auth.clone(), form)));
        }
    }
}

async fn sign_in<S: UserStore, H: PasswordHasher, T: TokenService>(
    auth: Auth<S, H, T>,
    form: PasswordRequestForm,
) -> Result<HttpResponse, ApiError> {
    let IssuedToken { access_token, expires_in } = auth.login(&form.username, &form.password).await?;
    // RFC 6749 section 5.1: no cache may keep a token.
    Ok(HttpResponse::Ok().insert_header((header::CACHE_CONTROL, "no-store")).json(TokenResponse {
        access_token: access_token.expose(),
        token_type: "bearer",
        expires_in: expires_in.map(|lifetime| lifetime.as_secs()),
    }))
}

/// The answer that carries the token ([RFC 6749 section 5.1](https://www.rfc-editor.org/rfc/rfc6749#section-5.1)).
#[derive(Serialize, ToSchema)]
pub(crate) struct TokenResponse<'a> {
    /// The token to send as `Authorization: Bearer …`.
    #[schema(example = "johndoe")]
    access_token: &'a str,
    /// Always `bearer`.
    #[schema(example = "bearer")]
    token_type: &'static str,
    /// The token's lifetime in seconds, where it ends by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    expires_in: Option<u64>,
}

/// Sign in
///
/// Takes a username and a password, and answers with an access token.
#[utoipa::path(
    post,
    path = "/token",
    tag = "OAuth2",
    operation_id = "sign_in",
    request_body(
        content = PasswordRequestFormSchema,
        content_type = "application/x-www-form-urlencoded",
    ),
    responses(
        (status = 200, description = "The access token", body = TokenResponse,
            headers(("Cache-Control" = String, description = "no-store")),
            example = json!({ "access_token": "johndoe", "token_type": "bearer" })),
        (status = 400, description = "No such user, not their password, or a broken body", body = ErrorBody,
            example = json!({ "detail": "Incorrect username or password" })),
        (status = 413, description = "A body of more than 1 MiB", body = ErrorBody,
            example = json!({ "detail": "The request body is larger than 1048576 bytes" })),
        (status = 422, description = "Fields that are missing or wrong", body = ValidationErrorBody,
            example = json!({ "detail": [
                { "type": "missing", "loc": ["body", "username"], "msg": "Field required", "input": null },
            ] })),
    ),
)]
#[expect(dead_code, reason = "carries the documentation of the generic handler")]
pub(crate) fn sign_in_operation() {}
