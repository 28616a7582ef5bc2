//! `POST /revoke`: revokes a token ([RFC 7009](https://www.rfc-editor.org/rfc/rfc7009)).

use actix_web::{HttpRequest, HttpResponse, Resource, dev::Payload};
use serde_json::json;
use utoipa::{OpenApi, ToSchema};

use crate::{
    auth::Auth,
    domain::user::AuthUser,
    http::{
        endpoints::Endpoint,
        error::{ApiError, OAuth2ErrorBody},
        extract::{client_info::client_info, field_reader::FieldReader},
        openapi::responses::{InvalidBody, Unavailable},
    },
};

pub(super) fn endpoint<U: AuthUser>() -> Endpoint<U> {
    #[derive(OpenApi)]
    #[openapi(paths(revoke_token_operation))]
    struct RevocationApi;
    Endpoint {
        path: "/revoke",
        is_enabled: Auth::has_sessions,
        resource: |auth, path| auth.revocation_endpoint(path),
        openapi: |_| RevocationApi::openapi(),
    }
}

impl<U: AuthUser> Auth<U> {
    /// Returns the revocation endpoint ([RFC 7009](https://www.rfc-editor.org/rfc/rfc7009)) at `path`.
    pub fn revocation_endpoint(&self, path: &str) -> Resource {
        self.post(path, revoke)
    }
}

async fn revoke<U: AuthUser>(
    auth: &Auth<U>,
    request: &HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, ApiError> {
    let mut reader = FieldReader::read(request, payload, auth.error_format()).await?;
    let token = reader.required("token");
    let credentials = reader.client(request);
    // `token_type_hint` is ignored, because the token itself shows its type.
    reader.finish()?;
    let client_info = client_info(request);
    let client = auth.client(&credentials, &client_info).await?;
    auth.revoke(&token, Some(&client), &client_info).await?;
    // Some clients cannot parse a response without a body.
    Ok(HttpResponse::Ok().json(json!({})))
}

/// A request to revoke or introspect a token.
#[derive(ToSchema)]
#[schema(as = TokenForm)]
#[expect(dead_code, reason = "only its schema is used")]
pub(crate) struct TokenFormSchema {
    /// The token.
    #[schema(min_length = 1)]
    token: String,
    /// The type of the token. This hint is optional and has no effect.
    #[schema(example = "refresh_token", default = "", nullable = false)]
    token_type_hint: Option<String>,
    /// The client identifier, if HTTP Basic is not used.
    #[schema(default = "", nullable = false)]
    client_id: Option<String>,
    /// The client secret, if HTTP Basic is not used.
    #[schema(format = Password, default = "", nullable = false)]
    client_secret: Option<String>,
}

/// Revoke a token
///
/// Revokes an access token, or a refresh token together with its session and all access tokens of the session (RFC
/// 7009). A token that was issued to a client can be revoked only by that client.
#[utoipa::path(
    post,
    path = "/revoke",
    tag = "OAuth2",
    operation_id = "revoke_token",
    request_body(content = TokenFormSchema, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 200, description = "The token is no longer valid", body = Object,
            headers(("Cache-Control" = String, description = "no-store")), example = json!({})),
        (status = 400, body = OAuth2ErrorBody,
            description = "`invalid_request`: the form has no token, or the body is malformed. `invalid_grant`: the \
                token was issued to another client"),
        (status = 401, description = "`invalid_client`: client authentication failed", body = OAuth2ErrorBody,
            headers(("WWW-Authenticate" = String, description = "`Basic`, if the client used HTTP Basic"))),
        InvalidBody,
        (status = 429, body = OAuth2ErrorBody,
            description = "`temporarily_unavailable`: too many requests from this address, or too many wrong client \
                secrets",
            headers(("Retry-After" = String, description = "The time to wait, in seconds"))),
        Unavailable,
    ),
)]
#[expect(dead_code, reason = "carries the documentation of the generic handler")]
fn revoke_token_operation() {}
