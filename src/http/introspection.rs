//! `POST /introspect`: what a token is ([RFC 7662](https://www.rfc-editor.org/rfc/rfc7662)).

use actix_web::{FromRequest, HttpRequest, HttpResponse, Resource, dev::Payload};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    auth::{Auth, Introspection},
    domain::ports::{TokenService, UserStore},
    http::{
        authorization, clock,
        current_user::{ActiveUser, RequiredScopes},
        error::{ApiError, ErrorBody, FormOrUserErrorBody},
        field_reader::FieldReader,
        form_data::FormData,
        oauth_endpoint,
        responses::{BodyNotTaken, Unavailable},
        revocation::TokenFormSchema,
    },
};

/// The scope of those who may ask about tokens.
struct Introspect;

impl RequiredScopes for Introspect {
    const SCOPES: &'static [&'static str] = &["tokens:introspect"];
}

/// The endpoint `POST /introspect`, for registered clients and for callers with the scope `tokens:introspect`. It belongs behind
/// [`Auth::bearer`], as the latter do.
pub(crate) fn endpoint<S: UserStore, H: 'static, T: TokenService>(auth: &Auth<S, H, T>) -> Resource {
    oauth_endpoint::post(auth, "/introspect", introspect)
}

async fn introspect<S: UserStore, H: 'static, T: TokenService>(
    auth: &Auth<S, H, T>,
    request: &HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, ApiError> {
    let by_token = authorization::credentials(request.headers(), "bearer").is_some();
    if by_token {
        let caller = ActiveUser::<S::User, Introspect>::from_request(request, &mut Payload::None);
        caller.await.map_err(|refusal| refusal.error)?;
    }
    let mut reader = FieldReader::new(FormData::read(request, payload).await?);
    let token = reader.required("token");
    let client = reader.client(request);
    if !by_token && auth.client(&client).await?.is_none() {
        return Err(ApiError::InvalidClient { by_basic: true });
    }
    reader.finish()?;
    let introspection = auth.introspect(&token, clock::now()).await?;
    Ok(HttpResponse::Ok().json(introspection.as_ref().map_or_else(TokenState::default, TokenState::from)))
}

/// What a token is; of one that is not good `active: false` and nothing else.
#[derive(Default, Serialize, ToSchema)]
pub(crate) struct TokenState<'a> {
    /// Whether the token is good at this moment.
    active: bool,
    /// What it may be used for, as far as its user has it now; separated by spaces.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "me users:read")]
    scope: Option<String>,
    /// The client it was issued through, where one proved itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    client_id: Option<&'a str>,
    /// `bearer`, for an access token.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "bearer")]
    token_type: Option<&'static str>,
    /// When it ends, in seconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    exp: Option<u64>,
    /// When it was issued, in seconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    iat: Option<u64>,
    /// Whom it was issued to.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    sub: Option<&'a str>,
    /// Whom it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    aud: Option<&'a str>,
    /// Who issued it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    iss: Option<&'a str>,
    /// Its own name.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    jti: Option<&'a str>,
    /// Its session.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    sid: Option<&'a str>,
}

impl<'a, U> From<&'a Introspection<U>> for TokenState<'a> {
    fn from(introspection: &'a Introspection<U>) -> Self {
        match introspection {
            Introspection::AccessToken(identity) => {
                let claims = &identity.claims;
                Self {
                    active: true,
                    scope: identity.granted_scopes.scope(),
                    client_id: claims.client_id.as_ref().map(|client_id| client_id.as_str()),
                    token_type: Some("bearer"),
                    exp: claims.expires_at.map(|moment| moment.as_unix()),
                    iat: claims.issued_at.map(|moment| moment.as_unix()),
                    sub: Some(claims.subject.as_str()),
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
                iat: Some(family.rotated.as_unix()),
                sub: Some(family.subject.as_str()),
                sid: Some(family.session_id.as_str()),
                ..Self::default()
            },
        }
    }
}

/// Ask about a token
///
/// Says whether an access token or a refresh token is good at this moment, and what it says. For registered clients,
/// who prove themselves as at `/token`, and for callers whose own token has the scope `tokens:introspect`.
#[utoipa::path(
    post,
    path = "/introspect",
    tag = "OAuth2",
    operation_id = "introspect_token",
    security((), ("OAuth2PasswordBearer" = ["tokens:introspect"])),
    request_body(content = TokenFormSchema, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 200, description = "What the token is", body = TokenState,
            headers(("Cache-Control" = String, description = "no-store")),
            examples(
                ("a good token" = (value = json!({
                    "active": true, "scope": "me", "token_type": "bearer", "exp": 1_700_000_900,
                    "iat": 1_700_000_000, "sub": "018bcfe5-6800-7000-8707-070707070707",
                    "aud": "https://auth.example.com", "iss": "https://auth.example.com",
                    "jti": "p1k4Hx0OqkKrVXtOPFcPqw", "sid": "zPzzXSOkRz6jKfYn7lLDRg",
                }))),
                ("any other" = (value = json!({ "active": false }))),
            )),
        (status = 400, body = FormOrUserErrorBody,
            description = "`invalid_request`: no token to ask about, or a broken body; or the caller is disabled"),
        (status = 401, description = "Neither a client that proved itself nor a valid token", body = ErrorBody,
            headers(("WWW-Authenticate" = String, description = "Basic or Bearer"))),
        (status = 403, description = "A token without the scope `tokens:introspect`", body = ErrorBody,
            headers(("WWW-Authenticate" = String, description = "Bearer, and the scope that is needed"))),
        BodyNotTaken,
        Unavailable,
    ),
)]
#[expect(dead_code, reason = "carries the documentation of the generic handler")]
pub(crate) fn introspect_token_operation() {}
