//! `GET /.well-known/oauth-authorization-server`: the server metadata.

use actix_web::{HttpResponse, Resource, http::header};
use serde::Serialize;
use utoipa::{OpenApi, ToSchema};

use crate::{
    auth::Auth,
    domain::user::AuthUser,
    http::endpoints::{Endpoint, jwks, resource},
};

pub(super) fn endpoint<U: AuthUser>() -> Endpoint<U> {
    #[derive(OpenApi)]
    #[openapi(paths(read_metadata_operation))]
    struct MetadataApi;
    Endpoint {
        path: "/.well-known/oauth-authorization-server",
        is_enabled: |auth| auth.base_url().is_some(),
        resource: |auth, path| auth.metadata_endpoint(path),
        openapi: |_| MetadataApi::openapi(),
    }
}

pub(super) fn openid_endpoint<U: AuthUser>() -> Endpoint<U> {
    #[derive(OpenApi)]
    #[openapi(paths(read_openid_metadata_operation))]
    struct MetadataApi;
    Endpoint {
        path: "/.well-known/openid-configuration",
        is_enabled: |auth| auth.base_url().is_some() && auth.has_profile(),
        resource: |auth, path| auth.metadata_endpoint(path),
        openapi: |_| MetadataApi::openapi(),
    }
}

impl<U: AuthUser> Auth<U> {
    /// Returns the server metadata endpoint ([RFC 8414](https://www.rfc-editor.org/rfc/rfc8414)) at `path`. The
    /// metadata lists the endpoints of [`routes`](Self::routes), the grants and the scopes. The format is also that of
    /// [OpenID Connect Discovery](https://openid.net/specs/openid-connect-discovery-1_0.html), but without an
    /// authorization endpoint or ID token algorithms.
    pub fn metadata_endpoint(&self, path: &str) -> Resource {
        let auth = self.clone();
        let metadata = move || {
            let auth = auth.clone();
            async move {
                HttpResponse::Ok()
                    .insert_header((header::CACHE_CONTROL, "public, max-age=3600"))
                    .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
                    // The metadata is public, so pages of any origin may read it.
                    .insert_header((header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"))
                    .json(ServerMetadata::of(&auth))
            }
        };
        resource::at(path, "GET, HEAD", self.error_format()).route(resource::get_route().to(metadata))
    }
}

/// The server metadata ([RFC 8414 section 2](https://www.rfc-editor.org/rfc/rfc8414#section-2)).
#[derive(Serialize, ToSchema)]
struct ServerMetadata<'a> {
    /// The issuer of the tokens.
    #[schema(example = "https://auth.example.com")]
    issuer: &'a str,
    /// The URL of the token endpoint.
    #[schema(example = "https://auth.example.com/token")]
    token_endpoint: String,
    /// The client authentication methods that the token endpoint supports.
    token_endpoint_auth_methods_supported: Vec<&'static str>,
    /// The URL of the JSON Web Key Set, which contains the public keys that verify access tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    jwks_uri: Option<String>,
    /// The signing algorithms for access tokens, including those of published keys that do not sign tokens yet.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false, example = json!(["ES256"]))]
    access_token_signing_alg_values_supported: Vec<&'static str>,
    /// The scopes that can be requested.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    scopes_supported: Vec<&'a str>,
    /// Always empty, because the service has no authorization endpoint.
    response_types_supported: [&'static str; 0],
    /// The grant types that the token endpoint supports.
    grant_types_supported: Vec<&'static str>,
    /// The URL of the revocation endpoint.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    revocation_endpoint: Option<String>,
    /// The client authentication methods that the revocation endpoint supports.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    revocation_endpoint_auth_methods_supported: Option<Vec<&'static str>>,
    /// The URL of the introspection endpoint.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    introspection_endpoint: Option<String>,
    /// The client authentication methods that the introspection endpoint supports.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    introspection_endpoint_auth_methods_supported: Option<Vec<&'static str>>,
    /// The URL of the UserInfo endpoint.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    userinfo_endpoint: Option<String>,
    /// The claims that the UserInfo endpoint returns.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    claims_supported: Option<[&'static str; 4]>,
    /// Always `public`: a user has the same `sub` for all clients.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    subject_types_supported: Option<[&'static str; 1]>,
    /// The URL of the documentation.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    service_documentation: Option<String>,
}

/// Returns the client authentication methods ([RFC 7591 section 2](https://www.rfc-editor.org/rfc/rfc7591#section-2)).
/// `none` is the method of public clients.
fn auth_methods<U: AuthUser>(auth: &Auth<U>) -> Vec<&'static str> {
    let with_secret: &[&str] =
        if auth.has_clients() { &["client_secret_basic", "client_secret_post"] } else { &[] };
    ["none"].iter().chain(with_secret).copied().collect()
}

impl<'a> ServerMetadata<'a> {
    fn of<U: AuthUser>(auth: &'a Auth<U>) -> Self {
        let issuer = auth.base_url().unwrap_or_default();
        let url = |path: &str| format!("{}{path}", issuer.trim_end_matches('/'));
        let endpoint = |path: &str| auth.has_endpoint(path).then(|| url(path));
        Self {
            issuer,
            token_endpoint: url("/token"),
            token_endpoint_auth_methods_supported: auth_methods(auth),
            jwks_uri: endpoint(jwks::PATH),
            access_token_signing_alg_values_supported: auth.token_algorithms(),
            scopes_supported: auth.scopes().map(|(scope, _)| scope).collect(),
            response_types_supported: [],
            grant_types_supported: auth.grants().into_iter().map(|grant| grant.name()).collect(),
            revocation_endpoint: endpoint("/revoke"),
            revocation_endpoint_auth_methods_supported: endpoint("/revoke").map(|_| auth_methods(auth)),
            introspection_endpoint: endpoint("/introspect"),
            introspection_endpoint_auth_methods_supported: endpoint("/introspect")
                .map(|_| auth_methods(auth).split_off(1)),
            userinfo_endpoint: endpoint("/userinfo"),
            claims_supported: auth.has_profile().then_some(["sub", "preferred_username", "email", "name"]),
            subject_types_supported: auth.has_profile().then_some(["public"]),
            service_documentation: auth.documentation_path().map(url),
        }
    }
}

/// Read the server metadata
///
/// Returns the endpoints, grants and scopes of the service (RFC 8414).
#[utoipa::path(
    get,
    path = "/.well-known/oauth-authorization-server",
    tag = "OAuth2",
    operation_id = "read_metadata",
    responses((status = 200, description = "The metadata", body = ServerMetadata,
        headers(("Cache-Control" = String, description = "The time for which the metadata may be cached")))),
)]
#[expect(dead_code, reason = "carries the documentation of the handler")]
fn read_metadata_operation() {}

/// Read the OpenID Connect metadata
///
/// Returns the same metadata as `/.well-known/oauth-authorization-server`, for clients that use OpenID Connect
/// Discovery. The service has no authorization endpoint and issues no ID tokens.
#[utoipa::path(
    get,
    path = "/.well-known/openid-configuration",
    tag = "OpenID Connect",
    operation_id = "read_openid_metadata",
    responses((status = 200, description = "The metadata", body = ServerMetadata,
        headers(("Cache-Control" = String, description = "The time for which the metadata may be cached")))),
)]
#[expect(dead_code, reason = "carries the documentation of the handler")]
fn read_openid_metadata_operation() {}
