//! `POST /introspect`: returns the state of a token ([RFC 7662](https://www.rfc-editor.org/rfc/rfc7662)).

use actix_web::{HttpRequest, HttpResponse, Resource, dev::Payload};
use serde::Serialize;
use serde_json::Value;
use utoipa::{OpenApi, ToSchema};

use crate::{
    auth::{Auth, Introspection},
    domain::{
        claims::Audience,
        client::Client,
        user::{AuthUser, UserProfile},
    },
    http::{
        endpoints::{Endpoint, revoke::TokenFormSchema},
        error::{ApiError, ErrorBody, OAuth2ErrorBody},
        extract::{authorization, client_info::client_info, field_reader::FieldReader, users::authorize},
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
    /// Returns the introspection endpoint ([RFC 7662](https://www.rfc-editor.org/rfc/rfc7662)) at `path`, for
    /// confidential clients and for users with the scope `tokens:introspect`. A client can introspect only the tokens
    /// that [`Auth::introspect_as`] allows.
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
        auth.check_request(request, |caller| authorize(caller, &[SCOPE])).await?;
        auth.exempt_from_rate(client_info);
    }
    let mut reader = FieldReader::read(request, payload, auth.error_format()).await?;
    let token = reader.required("token");
    let credentials = reader.client(request);
    // Public clients, including the default client, may not introspect tokens: anyone can send their identifiers.
    let client = if by_token { None } else { Some(auth.client(&credentials, client_info).await?) };
    if client.as_ref().is_some_and(Client::is_public) {
        auth.report_refusal(request, None, &ApiError::NotAuthenticated);
        return Err(ApiError::InvalidClient { by_basic: credentials.is_empty() || credentials.by_basic });
    }
    reader.finish()?;
    let introspection = match &client {
        Some(client) => auth.introspect_as(client, &token).await?,
        None => auth.introspect(&token).await?,
    };
    let response =
        introspection.as_ref().map(|introspection| IntrospectionResponse::new(auth, introspection));
    Ok(HttpResponse::Ok().json(response.unwrap_or_default()))
}

/// The state of a token. For an invalid token, the only field is `active: false`.
#[derive(Default, Serialize, ToSchema)]
pub(crate) struct IntrospectionResponse<'a> {
    /// True if the token is valid.
    active: bool,
    /// The scopes of the token that its owner is still allowed to have, separated by spaces.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "me users:read")]
    scope: Option<String>,
    /// The identifier of the client that requested the token.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    client_id: Option<&'a str>,
    /// `bearer` for an access token, absent for a refresh token.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "bearer")]
    token_type: Option<&'static str>,
    /// The expiry time, as a Unix timestamp in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    exp: Option<u64>,
    /// The time at which the token was issued, as a Unix timestamp in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    iat: Option<u64>,
    /// The identifier of the user. For a token without a user, `client:` followed by the identifier of the client.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    sub: Option<&'a str>,
    /// The kind of user, or `client` for a token without a user.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "User")]
    user_kind: Option<&'a str>,
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
    /// The audience of the token, or a list of audiences.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, value_type = Value)]
    aud: Option<Value>,
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

/// Returns the audience of a token, or a list if there are several
/// ([RFC 7519 section 4.1.3](https://www.rfc-editor.org/rfc/rfc7519#section-4.1.3)).
fn aud(audiences: &[Audience]) -> Option<Value> {
    match audiences {
        [] => None,
        [one] => Some(one.as_str().into()),
        several => Some(several.iter().map(Audience::as_str).collect()),
    }
}

impl<'a> IntrospectionResponse<'a> {
    fn new<U: AuthUser>(auth: &'a Auth<U>, introspection: &'a Introspection<U>) -> Self {
        let (claims, granted_scopes) = match introspection {
            Introspection::AccessToken(user) => (&user.claims, &user.granted_scopes),
            Introspection::ClientToken(client) => (&client.claims, &client.granted_scopes),
            Introspection::RefreshToken { family, expires_at } => {
                return Self {
                    active: true,
                    scope: family.granted_scopes.scope(),
                    client_id: Some(auth.client_id_of(family.client_id.as_ref()).as_str()),
                    exp: Some(expires_at.as_unix()),
                    iat: Some(family.delivery.rotated.as_unix()),
                    sub: Some(family.owner.subject.as_str()),
                    user_kind: Some(&family.owner.user_kind),
                    sid: Some(family.session_id.as_str()),
                    ..Self::default()
                };
            }
        };
        let profile = match introspection {
            Introspection::AccessToken(user) => auth.profile(&user.user),
            _ => UserProfile::default(),
        };
        Self {
            active: true,
            scope: granted_scopes.scope(),
            client_id: Some(auth.client_id_of(claims.client_id.as_ref()).as_str()),
            token_type: Some("bearer"),
            exp: claims.expires_at.map(|time| time.as_unix()),
            iat: claims.issued_at.map(|time| time.as_unix()),
            sub: Some(claims.subject.as_str()),
            user_kind: claims.user_kind.as_deref(),
            preferred_username: profile.preferred_username,
            email: profile.email,
            name: profile.name,
            aud: aud(&claims.audiences),
            iss: claims.issuer.as_deref(),
            jti: claims.token_id.as_deref(),
            sid: claims.session_id.as_ref().map(|id| id.as_str()),
        }
    }
}

/// Introspect a token
///
/// Returns whether an access token or a refresh token is valid and, if so, its claims (RFC 7662). Requires the
/// credentials of a confidential client, or the bearer token of a user with the scope `tokens:introspect`. For a token
/// that the client may not introspect, the response is `active: false`.
#[utoipa::path(
    post,
    path = "/introspect",
    tag = "OAuth2",
    operation_id = "introspect_token",
    security(("RegisteredClient" = []), ("OAuth2PasswordBearer" = ["tokens:introspect"])),
    request_body(content = TokenFormSchema, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 200, description = "The state of the token", body = IntrospectionResponse,
            headers(("Cache-Control" = String, description = "no-store")),
            examples(
                ("active" = (value = json!({
                    "active": true, "scope": "me", "token_type": "bearer", "exp": 1_700_000_900,
                    "iat": 1_700_000_000, "sub": "018bcfe5-6800-7000-8707-070707070707",
                    "user_kind": "User", "preferred_username": "johndoe", "email": "johndoe@example.com", "name": "John Doe",
                    "aud": "https://auth.example.com", "iss": "https://auth.example.com",
                    "jti": "p1k4Hx0OqkKrVXtOPFcPqw", "sid": "zPzzXSOkRz6jKfYn7lLDRg",
                }))),
                ("inactive" = (value = json!({ "active": false }))),
            )),
        (status = 400, body = OAuth2ErrorBody,
            description = "`invalid_request`: the form has no token, or the body is malformed"),
        (status = 401, body = ErrorBody,
            description = "The request has neither valid client credentials nor a valid bearer token",
            headers(("WWW-Authenticate" = String, description = "The `Basic` or `Bearer` challenge"))),
        (status = 403, description = "The bearer token lacks the scope `tokens:introspect`", body = ErrorBody,
            headers(("WWW-Authenticate" = String,
                description = "The `Bearer` challenge, with the error code and the required scopes"))),
        InvalidBody,
        (status = 429, body = OAuth2ErrorBody,
            description = "`temporarily_unavailable`: too many requests from this address, or too many wrong client \
                secrets",
            headers(("Retry-After" = String, description = "The time to wait, in seconds"))),
        Unavailable,
    ),
)]
#[expect(dead_code, reason = "carries the documentation of the generic handler")]
fn introspect_token_operation() {}
