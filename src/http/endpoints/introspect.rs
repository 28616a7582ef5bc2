//! `POST /introspect`: returns the state of a token ([RFC 7662](https://www.rfc-editor.org/rfc/rfc7662)).

use actix_web::{HttpRequest, HttpResponse, Resource, dev::Payload};
use serde::Serialize;
use utoipa::{OpenApi, ToSchema};

use crate::{
    auth::{Auth, Introspection},
    domain::user::{AuthUser, UserProfile},
    http::{
        endpoints::{Endpoint, revoke::TokenFormSchema},
        error::{ApiError, ErrorBody, FormOrUserErrorBody, OAuth2ErrorBody},
        extract::{
            authorization, client_info::client_info, field_reader::FieldReader, form_data::FormData,
            users::authorize,
        },
        openapi::responses::{InvalidBody, Unavailable},
    },
};

/// The scope that lets users introspect tokens.
const SCOPE: &str = "tokens:introspect";

pub(super) fn endpoint<U: AuthUser>() -> Endpoint<U> {
    #[derive(OpenApi)]
    #[openapi(paths(introspect_token_operation))]
    struct IntrospectionApi;
    Endpoint {
        path: "/introspect",
        is_enabled: Auth::has_sessions,
        resource: |auth, path| auth.introspection_endpoint(path),
        openapi: |_| IntrospectionApi::openapi(),
    }
}

impl<U: AuthUser> Auth<U> {
    /// Returns the introspection endpoint ([RFC 7662](https://www.rfc-editor.org/rfc/rfc7662)) at a path of your own,
    /// for registered clients and for users with the scope `tokens:introspect`.
    pub fn introspection_endpoint(&self, path: &str) -> Resource {
        self.post(path, introspect)
    }
}

async fn introspect<U: AuthUser>(
    auth: &Auth<U>,
    request: &HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, ApiError> {
    let client_info = &client_info(request);
    let by_token = authorization::credentials(request.headers(), "bearer").is_some();
    if by_token {
        let caller = auth.authenticate_request(request).await.map_err(|response| response.error)?;
        authorize(caller.clone(), &[SCOPE])
            .inspect_err(|error| auth.report_refusal(request, caller.as_ref(), error))?;
        auth.exempt_from_rate(client_info);
    }
    let mut reader = FieldReader::new(FormData::read(request, payload, auth.error_format()).await?);
    let token = reader.required("token");
    let client = reader.client(request);
    if !by_token && auth.client(&client, client_info).await?.is_none() {
        auth.report_refusal(request, None, &ApiError::NotAuthenticated);
        return Err(ApiError::InvalidClient { by_basic: true });
    }
    reader.finish()?;
    let introspection = auth.introspect(&token).await?;
    let response =
        introspection.as_ref().map(|introspection| IntrospectionResponse::new(auth, introspection));
    Ok(HttpResponse::Ok().json(response.unwrap_or_default()))
}

/// The state of a token. For an invalid token, it is only `active: false`.
#[derive(Default, Serialize, ToSchema)]
pub(crate) struct IntrospectionResponse<'a> {
    /// True if the token is valid.
    active: bool,
    /// The scopes of the token that the user still has, separated by spaces.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "me users:read")]
    scope: Option<String>,
    /// The identifier of the client that requested the token, if it authenticated.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    client_id: Option<&'a str>,
    /// `bearer`, for an access token.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "bearer")]
    token_type: Option<&'static str>,
    /// The expiry time, as a Unix timestamp in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    exp: Option<u64>,
    /// The time of issue, as a Unix timestamp in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    iat: Option<u64>,
    /// The identifier of the user.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    sub: Option<&'a str>,
    /// The username.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "johndoe")]
    preferred_username: Option<String>,
    /// The email address of the user.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "johndoe@example.com")]
    email: Option<String>,
    /// The full name of the user.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "John Doe")]
    name: Option<String>,
    /// The audience of the token.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    aud: Option<&'a str>,
    /// The issuer of the token.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    iss: Option<&'a str>,
    /// The identifier of the token.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    jti: Option<&'a str>,
    /// The identifier of the session.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    sid: Option<&'a str>,
}

impl<'a> IntrospectionResponse<'a> {
    fn new<U: AuthUser>(auth: &Auth<U>, introspection: &'a Introspection<U>) -> Self {
        match introspection {
            Introspection::AccessToken(user) => {
                let claims = &user.claims;
                let UserProfile { preferred_username, email, name } = auth.profile(&user.user);
                Self {
                    active: true,
                    scope: user.granted_scopes.scope(),
                    client_id: claims.client_id.as_ref().map(|client_id| client_id.as_str()),
                    token_type: Some("bearer"),
                    exp: claims.expires_at.map(|time| time.as_unix()),
                    iat: claims.issued_at.map(|time| time.as_unix()),
                    sub: Some(claims.subject.as_str()),
                    preferred_username,
                    email,
                    name,
                    aud: claims.audience.as_deref(),
                    iss: claims.issuer.as_deref(),
                    jti: claims.token_id.as_deref(),
                    sid: claims.session_id.as_ref().map(|id| id.as_str()),
                }
            }
            Introspection::RefreshToken { family, expires_at } => Self {
                active: true,
                scope: family.granted_scopes.scope(),
                client_id: family.client_id.as_ref().map(|client_id| client_id.as_str()),
                exp: Some(expires_at.as_unix()),
                iat: Some(family.delivery.rotated.as_unix()),
                sub: Some(family.owner.subject.as_str()),
                sid: Some(family.session_id.as_str()),
                ..Self::default()
            },
        }
    }
}

/// Introspect a token
///
/// Returns whether an access token or a refresh token is valid, and its claims (RFC 7662). Requires the credentials of a
/// registered client, or the bearer token of a user with the scope `tokens:introspect`.
#[utoipa::path(
    post,
    path = "/introspect",
    tag = "OAuth2",
    operation_id = "introspect_token",
    security((), ("OAuth2PasswordBearer" = ["tokens:introspect"])),
    request_body(content = TokenFormSchema, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 200, description = "The state of the token", body = IntrospectionResponse,
            headers(("Cache-Control" = String, description = "no-store")),
            examples(
                ("active" = (value = json!({
                    "active": true, "scope": "me", "token_type": "bearer", "exp": 1_700_000_900,
                    "iat": 1_700_000_000, "sub": "018bcfe5-6800-7000-8707-070707070707",
                    "preferred_username": "johndoe", "email": "johndoe@example.com", "name": "John Doe",
                    "aud": "https://auth.example.com", "iss": "https://auth.example.com",
                    "jti": "p1k4Hx0OqkKrVXtOPFcPqw", "sid": "zPzzXSOkRz6jKfYn7lLDRg",
                }))),
                ("inactive" = (value = json!({ "active": false }))),
            )),
        (status = 400, body = FormOrUserErrorBody,
            description = "`invalid_request`: the form has no token, or the body is malformed; or the user of the bearer token is \
                disabled"),
        (status = 401, description = "Neither valid client credentials nor a valid bearer token", body = ErrorBody,
            headers(("WWW-Authenticate" = String, description = "`Basic` or `Bearer`"))),
        (status = 403, description = "The bearer token lacks the scope `tokens:introspect`", body = ErrorBody,
            headers(("WWW-Authenticate" = String, description = "`Bearer`, with the error and the required scope"))),
        InvalidBody,
        (status = 429, body = OAuth2ErrorBody,
            description = "`temporarily_unavailable`: too many requests from this address, or too many wrong client secrets",
            headers(("Retry-After" = String, description = "The time to wait, in seconds"))),
        Unavailable,
    ),
)]
#[expect(dead_code, reason = "carries the documentation of the generic handler")]
fn introspect_token_operation() {}
