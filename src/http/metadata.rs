//! `GET /.well-known/oauth-authorization-server`: what this service can do, for clients to read.

use actix_web::{
    HttpResponse,
    http::header,
    web::{self, Bytes},
};
use serde::Serialize;
use utoipa::{OpenApi, ToSchema};

use crate::http::endpoint;

const PATH: &str = "/.well-known/oauth-authorization-server";

/// The metadata of an authorization server
/// ([RFC 8414 section 2](https://www.rfc-editor.org/rfc/rfc8414#section-2)). Its endpoints are those of
/// [`Auth::routes`](crate::Auth::routes), below the issuer.
///
/// ```
/// use actix_web::App;
/// use gatepass::metadata::{self, ServerMetadata};
///
/// let metadata = ServerMetadata {
///     scopes: vec!["me"],
///     has_refresh_tokens: true,
///     has_key_set: true,
///     ..ServerMetadata::new("https://auth.example.com")
/// };
/// let app = App::new().configure(metadata::routes(&metadata)?);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct ServerMetadata<'a> {
    /// The issuer in tokens, the URL that the service is reached at.
    pub issuer: &'a str,
    /// The scopes that are known beforehand.
    pub scopes: Vec<&'a str>,
    /// Whether users may sign in with a password.
    pub has_password_grant: bool,
    /// Whether there are refresh tokens.
    pub has_refresh_tokens: bool,
    /// Whether there are `/revoke` and `/introspect`.
    pub has_sessions: bool,
    /// Whether there is a `/.well-known/jwks.json`.
    pub has_key_set: bool,
    /// Whether there is a page of documentation at `/docs`.
    pub has_documentation: bool,
}

impl<'a> ServerMetadata<'a> {
    /// A server that has the password grant and nothing else.
    pub fn new(issuer: &'a str) -> Self {
        Self {
            issuer,
            scopes: Vec::new(),
            has_password_grant: true,
            has_refresh_tokens: false,
            has_sessions: false,
            has_key_set: false,
            has_documentation: false,
        }
    }
}

/// The document itself.
#[derive(Serialize, ToSchema)]
#[schema(as = ServerMetadata)]
struct Document<'a> {
    /// Who issues the tokens.
    #[schema(example = "https://auth.example.com")]
    issuer: &'a str,
    /// Where tokens are issued.
    #[schema(example = "https://auth.example.com/token")]
    token_endpoint: String,
    /// How clients prove themselves there.
    token_endpoint_auth_methods_supported: &'static [&'static str],
    /// Where the keys are that verify tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    jwks_uri: Option<String>,
    /// The scopes that are known beforehand.
    #[serde(skip_serializing_if = "<[&str]>::is_empty")]
    #[schema(required = false)]
    scopes_supported: &'a [&'a str],
    /// None: there is no authorization endpoint.
    response_types_supported: [&'static str; 0],
    /// How tokens are to be had.
    grant_types_supported: Vec<&'static str>,
    /// Where tokens are given up.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    revocation_endpoint: Option<String>,
    /// How clients prove themselves there.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    revocation_endpoint_auth_methods_supported: Option<&'static [&'static str]>,
    /// Where it is told what a token is.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    introspection_endpoint: Option<String>,
    /// How clients prove themselves there.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    introspection_endpoint_auth_methods_supported: Option<&'static [&'static str]>,
    /// The documentation.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    service_documentation: Option<String>,
}

/// The names of [RFC 7591 section 2](https://www.rfc-editor.org/rfc/rfc7591#section-2).
///
/// Not `none`: that is a client that says its name and has no secret, and here whoever names a client proves it.
const METHODS: &[&str] = &["client_secret_basic", "client_secret_post"];

impl<'a> Document<'a> {
    fn of(metadata: &'a ServerMetadata<'a>) -> Self {
        let below = |path: &str| format!("{}{path}", metadata.issuer.trim_end_matches('/'));
        let mut grants = Vec::new();
        if metadata.has_password_grant {
            grants.push("password");
        }
        if metadata.has_refresh_tokens {
            grants.push("refresh_token");
        }
        Self {
            issuer: metadata.issuer,
            token_endpoint: below("/token"),
            token_endpoint_auth_methods_supported: METHODS,
            jwks_uri: metadata.has_key_set.then(|| below("/.well-known/jwks.json")),
            scopes_supported: &metadata.scopes,
            response_types_supported: [],
            grant_types_supported: grants,
            revocation_endpoint: metadata.has_sessions.then(|| below("/revoke")),
            revocation_endpoint_auth_methods_supported: metadata.has_sessions.then_some(METHODS),
            introspection_endpoint: metadata.has_sessions.then(|| below("/introspect")),
            introspection_endpoint_auth_methods_supported: metadata.has_sessions.then_some(METHODS),
            service_documentation: metadata.has_documentation.then(|| below("/docs")),
        }
    }
}

/// The route `GET /.well-known/oauth-authorization-server`.
///
/// # Errors
/// Where the metadata cannot be written as JSON.
pub fn routes(
    metadata: &ServerMetadata<'_>,
) -> serde_json::Result<impl FnOnce(&mut web::ServiceConfig) + Clone + Send + use<>> {
    let json = Bytes::from(serde_json::to_vec(&Document::of(metadata))?);
    Ok(move |config: &mut web::ServiceConfig| {
        config.service(endpoint::get(PATH, move || {
            let json = json.clone();
            async move {
                HttpResponse::Ok()
                    .insert_header((header::CACHE_CONTROL, "public, max-age=3600"))
                    .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
                    .content_type("application/json")
                    .body(json)
            }
        }));
    })
}

/// The documentation of `GET /.well-known/oauth-authorization-server`, to merge into your own document.
#[derive(Debug, OpenApi)]
#[openapi(paths(read_metadata_operation))]
pub struct MetadataApi;

/// Read what this service can do
///
/// Answers with the endpoints and the ways to use them, for clients to read (RFC 8414).
#[utoipa::path(
    get,
    path = "/.well-known/oauth-authorization-server",
    tag = "OAuth2",
    operation_id = "read_metadata",
    responses((status = 200, description = "The metadata", body = Document,
        headers(("Cache-Control" = String, description = "How long it may be kept")))),
)]
#[expect(dead_code, reason = "carries the documentation of the handler")]
fn read_metadata_operation() {}
