//! `POST /token`: password in, bearer token out.

use actix_web::{
    HttpResponse, ResponseError,
    http::header::{self, HeaderValue},
    web,
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    auth::{Auth, Login, LoginError, SignIn},
    domain::{
        ports::{PasswordHasher, TokenService, UserStore},
        scope::Permission,
    },
    http::{
        clock, endpoint,
        error::{ApiError, ErrorBody, OAuth2ErrorBody, ValidationErrorBody},
        form::{PasswordRequestForm, PasswordRequestFormSchema, StrictPasswordRequestForm},
    },
};

impl<S: UserStore, H: PasswordHasher, T: TokenService> Auth<S, H, T> {
    /// The route `POST /token`, for [`App::configure`](actix_web::App::configure).
    pub fn routes(&self) -> impl FnOnce(&mut web::ServiceConfig) + use<S, H, T> {
        let auth = self.clone();
        move |config| {
            config.service(if auth.policy().require_grant_type {
                endpoint::post("/token", move |form: Result<StrictPasswordRequestForm, ApiError>| {
                    sign_in(auth.clone(), form.map(|StrictPasswordRequestForm(form)| form))
                })
            } else {
                endpoint::post("/token", move |form| sign_in(auth.clone(), form))
            });
        }
    }

    async fn token_for(&self, form: &PasswordRequestForm) -> Result<Login, ApiError> {
        let client_id = self
            .authenticate_client(form.client_id.as_deref(), form.client_secret.as_ref())
            .await
            .map_err(|error| match error {
                LoginError::InvalidClient => ApiError::InvalidClient { by_basic: form.client_by_basic },
                error => error.into(),
            })?;
        let sign_in = SignIn {
            username: &form.username,
            password: &form.password,
            scopes: &form.scopes,
            client_id,
            now: clock::now(),
        };
        Ok(self.login(sign_in).await?)
    }
}

async fn sign_in<S: UserStore, H: PasswordHasher, T: TokenService>(
    auth: Auth<S, H, T>,
    form: Result<PasswordRequestForm, ApiError>,
) -> HttpResponse {
    let login = match form {
        Ok(form) => auth.token_for(&form).await,
        Err(error) => Err(error),
    };
    let mut response = match login {
        Ok(Login { token, permission }) => HttpResponse::Ok().json(TokenResponse {
            access_token: token.access_token.expose(),
            token_type: "bearer",
            expires_in: token.expires_in.map(|lifetime| lifetime.as_secs()),
            scope: match permission {
                Permission::Unrestricted => None,
                Permission::Scopes(scopes) => Some(scopes.to_string()),
            },
        }),
        Err(error) => error.in_dialect(auth.policy().dialect).error_response(),
    };
    // RFC 6749 section 5: no cache may keep a token, nor the want of one.
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// The answer that carries the token ([RFC 6749 section 5.1](https://www.rfc-editor.org/rfc/rfc6749#section-5.1)).
#[derive(Serialize, ToSchema)]
pub(crate) struct TokenResponse<'a> {
    /// The token to send as `Authorization: Bearer …`.
    access_token: &'a str,
    /// Always `bearer`.
    #[schema(example = "bearer")]
    token_type: &'static str,
    /// The token's lifetime in seconds, where it ends by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    expires_in: Option<u64>,
    /// The scopes granted, separated by spaces, where scopes are used.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    scope: Option<String>,
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
        (status = 408, description = "A body that does not come", body = ErrorBody,
            example = json!({ "detail": "The request body did not come in time" })),
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

/// Sign in
///
/// Takes a username and a password, and answers with an access token: the resource owner password credentials
/// grant of RFC 6749.
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
            example = json!({
                "access_token": "eyJ0eXAiOiJhdCtqd3QiLCJhbGciOiJFZERTQSJ9.…",
                "token_type": "bearer",
                "expires_in": 900,
                "scope": "me users:read",
            })),
        (status = 400, body = OAuth2ErrorBody,
            description = "`invalid_grant`: no such user, not their password, or an inactive user. \
                `invalid_scope`: nothing of what was asked for can be granted. `unsupported_grant_type`. \
                `invalid_request`: fields that are missing, or a broken body",
            example = json!({
                "detail": "Incorrect username or password",
                "error": "invalid_grant",
                "error_description": "Incorrect username or password",
            })),
        (status = 401, description = "`invalid_client`: the client did not prove itself", body = OAuth2ErrorBody,
            headers(("WWW-Authenticate" = String, description = "Basic, where the client tried it")),
            example = json!({
                "detail": "Incorrect client credentials",
                "error": "invalid_client",
                "error_description": "Incorrect client credentials",
            })),
        (status = 408, description = "`invalid_request`: a body that does not come", body = OAuth2ErrorBody),
        (status = 413, description = "`invalid_request`: a body of more than 1 MiB", body = OAuth2ErrorBody),
        (status = 503, description = "Too much to do, or the database is out of reach: try again", body = ErrorBody,
            headers(("Retry-After" = String, description = "Seconds to wait")),
            example = json!({ "detail": "Service Unavailable" })),
    ),
)]
#[expect(dead_code, reason = "carries the documentation of the generic handler")]
pub(crate) fn sign_in_operation_rfc() {}
