//! `GET /.well-known/jwks.json`: the public keys that verify access tokens.

use std::future::ready;

use actix_web::{HttpResponse, Resource, http::header};
use utoipa::OpenApi;

use crate::{
    auth::Auth,
    domain::user::AuthUser,
    http::{
        endpoints::{Endpoint, resource},
        error::ApiError,
    },
};

pub(super) const PATH: &str = "/.well-known/jwks.json";

pub(super) fn endpoint<U: AuthUser>() -> Endpoint<U> {
    #[derive(OpenApi)]
    #[openapi(paths(read_jwks_operation))]
    struct JwksApi;
    Endpoint {
        path: PATH,
        is_enabled: |auth| matches!(auth.key_set(), Ok(Some(_))),
        resource: |auth, path| auth.jwks_endpoint(path),
        openapi: |_| JwksApi::openapi(),
    }
}

impl<U: AuthUser> Auth<U> {
    /// Returns the JSON Web Key Set endpoint
    /// ([RFC 7517 section 5](https://www.rfc-editor.org/rfc/rfc7517#section-5)) at `path`. Other services verify access
    /// tokens with these public keys.
    pub fn jwks_endpoint(&self, path: &str) -> Resource {
        let auth = self.clone();
        let format = self.error_format().clone();
        let keys = move || ready(respond(&auth).map_err(|error| auth.error_response(error)));
        resource::at(path, "GET, HEAD", &format).route(resource::get_route().to(keys))
    }
}

fn respond<U: AuthUser>(auth: &Auth<U>) -> Result<HttpResponse, ApiError> {
    let set = auth.key_set()?.ok_or(ApiError::NotFound)?;
    let max_age = set.max_age.as_secs();
    Ok(HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, format!("public, max-age={max_age}")))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        // The keys are public, so pages of any origin may read them.
        .insert_header((header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"))
        // Not application/jwk-set+json, which some clients refuse.
        .content_type("application/json")
        .body(set.json))
}

/// Read the public keys
///
/// Returns the public keys that verify access tokens, as a JSON Web Key Set (RFC 7517). A new key is published before
/// it signs tokens.
#[utoipa::path(
    get,
    path = "/.well-known/jwks.json",
    tag = "Keys",
    operation_id = "read_jwks",
    responses((status = 200, description = "The JSON Web Key Set", body = serde_json::Value,
        headers(("Cache-Control" = String, description = "The time for which the keys may be cached")),
        example = json!({ "keys": [{
            "kty": "EC", "crv": "P-256", "x": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
            "y": "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM", "kid": "cn-I_WNMClehiVp51i_0VpOENW1upEerA8sEam5hn-s",
            "use": "sig", "alg": "ES256",
        }] }))),
)]
#[expect(dead_code, reason = "carries the documentation of the generic handler")]
fn read_jwks_operation() {}
