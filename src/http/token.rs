//! `POST /token`: password in, bearer token out; and a refresh token in, the next ones out.

use actix_web::{HttpRequest, HttpResponse, dev::Payload, web};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    auth::{Auth, Login, Refresh, SignIn},
    domain::ports::{PasswordHasher, TokenService, UserStore},
    http::{
        client_credentials::ClientCredentials,
        client_info::client_info,
        clock,
        error::{ApiError, ErrorBody, OAuth2ErrorBody, ValidationErrorBody},
        form::PasswordRequestFormSchema,
        introspection, oauth_endpoint,
        random::random,
        responses::{BodyNotTaken, Unavailable},
        revocation,
        token_request::{TokenRequest, TokenRequestFormSchema},
    },
};

impl<S: UserStore, H: PasswordHasher, T: TokenService> Auth<S, H, T> {
    /// The routes of OAuth2, for [`App::configure`](actix_web::App::configure): `POST /token`, and where tokens die
    /// with sessions `POST /revoke`, and `POST /introspect`, which belongs behind [`Auth::bearer`].
    pub fn routes(&self) -> impl FnOnce(&mut web::ServiceConfig) + use<S, H, T> {
        let auth = self.clone();
        move |config| {
            if auth.has_sessions() {
                config.service(revocation::endpoint(&auth)).service(introspection::endpoint(&auth));
            }
            config.service(oauth_endpoint::post(&auth, "/token", issue));
        }
    }

    async fn token_for(&self, request: &HttpRequest, payload: Payload) -> Result<Login, ApiError> {
        let form =
            TokenRequest::read(request, payload, self.policy().require_grant_type, self.has_refresh_tokens())
                .await?;
        let (client_info, now) = (&client_info(request), clock::now());
        match form {
            TokenRequest::Password(form) => {
                let client = ClientCredentials {
                    client_id: form.client_id,
                    client_secret: form.client_secret,
                    by_basic: form.client_by_basic,
                };
                let sign_in = SignIn {
                    username: &form.username,
                    password: &form.password,
                    scopes: &form.scopes,
                    client_id: self.client(&client).await?,
                    client_info,
                    now,
                    random: random()?,
                };
                Ok(self.login(sign_in).await?)
            }
            TokenRequest::Refresh { token, scopes, client } => {
                let client_id = self.client(&client).await?;
                let refresh = Refresh {
                    token: &token,
                    scopes: &scopes,
                    client_id,
                    client_info,
                    now,
                    random: random()?,
                };
                Ok(self.refresh(refresh).await?)
            }
        }
    }
}

async fn issue<S: UserStore, H: PasswordHasher, T: TokenService>(
    auth: &Auth<S, H, T>,
    request: &HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, ApiError> {
    let Login { token, granted_scopes, refresh_token } = auth.token_for(request, payload).await?;
    Ok(HttpResponse::Ok().json(TokenResponse {
        access_token: token.access_token.expose(),
        token_type: "bearer",
        expires_in: token.expires_in.map(|lifetime| lifetime.as_secs()),
        refresh_token: refresh_token.as_ref().map(|token| token.expose()),
        scope: granted_scopes.scope(),
    }))
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
    /// What the next access token is to be had for, once, where there are refresh tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(ignore)]
    refresh_token: Option<&'a str>,
    /// The scopes granted, separated by spaces, where scopes are used.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    scope: Option<String>,
}

/// The same where there are refresh tokens.
#[derive(ToSchema)]
#[schema(as = TokenResponse)]
#[expect(dead_code, reason = "only its schema is used")]
pub(crate) struct TokensResponseSchema {
    /// The token to send as `Authorization: Bearer …`.
    access_token: String,
    /// Always `bearer`.
    #[schema(example = "bearer")]
    token_type: String,
    /// The access token's lifetime in seconds, where it ends by itself.
    #[schema(nullable = false)]
    expires_in: Option<u64>,
    /// What the next tokens are to be had for, once: where the scope `offline_access` was asked for.
    #[schema(nullable = false)]
    refresh_token: Option<String>,
    /// The scopes granted, separated by spaces, where scopes are used.
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

/// Sign in, or go on
///
/// Takes a username and a password, and answers with an access token: the resource owner password credentials grant
/// of RFC 6749. With the scope `offline_access` there is a refresh token too, which is taken in the same place with
/// `grant_type=refresh_token`, once: the answer has the next one.
#[utoipa::path(
    post,
    path = "/token",
    tag = "OAuth2",
    operation_id = "sign_in",
    request_body(
        content = TokenRequestFormSchema,
        content_type = "application/x-www-form-urlencoded",
    ),
    responses(
        (status = 200, description = "The tokens", body = TokensResponseSchema,
            headers(("Cache-Control" = String, description = "no-store")),
            example = json!({
                "access_token": "eyJ0eXAiOiJhdCtqd3QiLCJhbGciOiJFZERTQSJ9.…",
                "token_type": "bearer",
                "expires_in": 900,
                "scope": "me users:read",
            })),
        (status = 400, body = OAuth2ErrorBody,
            description = "`invalid_grant`: no such user, not their password, an inactive user, or no refresh token \
                that is good. \
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
        BodyNotTaken,
        (status = 429, body = OAuth2ErrorBody,
            description = "`temporarily_unavailable`: too many attempts failed, at this account or from this address; \
                no password is looked at for so long",
            headers(("Retry-After" = String, description = "Seconds to wait")),
            example = json!({
                "detail": "Too many failed attempts, try again later",
                "error": "temporarily_unavailable",
                "error_description": "Too many failed attempts, try again later",
            })),
        Unavailable,
    ),
)]
#[expect(dead_code, reason = "carries the documentation of the generic handler")]
pub(crate) fn sign_in_operation_rfc() {}
