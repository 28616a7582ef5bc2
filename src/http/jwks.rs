//! `GET /.well-known/jwks.json`: the public keys that verify access tokens.

use std::{future::ready, sync::Arc};

use actix_web::{HttpResponse, http::header, web};
use utoipa::OpenApi;

use crate::{
    domain::ports::PublishedKeys,
    http::{clock, endpoint, error::ApiError},
};

const PATH: &str = "/.well-known/jwks.json";

/// The route `GET /.well-known/jwks.json`, the JSON Web Key Set
/// ([RFC 7517 section 5](https://www.rfc-editor.org/rfc/rfc7517#section-5)) with which others verify tokens
/// offline.
///
#[cfg_attr(feature = "jwt", doc = "```")]
#[cfg_attr(not(feature = "jwt"), doc = "```ignore")]
/// use std::sync::Arc;
/// use actix_web::App;
/// use gatepass::{JwtSettings, JwtTokens, Timestamp, jwks};
///
/// # let folder = tempfile::tempdir()?;
/// # let (keys_dir, now) = (folder.path(), Timestamp::from_unix(1_700_000_000));
/// let tokens = JwtTokens::open(JwtSettings::new(keys_dir, "https://auth.example.com"), now)?;
/// let app = App::new().configure(jwks::routes(Arc::new(tokens)));
/// # Ok::<(), gatepass::BackendError>(())
/// ```
pub fn routes<K: PublishedKeys + ?Sized>(
    keys: Arc<K>,
) -> impl FnOnce(&mut web::ServiceConfig) + Clone + Send {
    move |config: &mut web::ServiceConfig| {
        config.service(endpoint::get(PATH, move || ready(respond(&*keys))));
    }
}

fn respond<K: PublishedKeys + ?Sized>(keys: &K) -> Result<HttpResponse, ApiError> {
    let set = keys.key_set(clock::now())?;
    let max_age = set.fresh_for.as_secs();
    Ok(HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, format!("public, max-age={max_age}")))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        // Not application/jwk-set+json: some clients insist on this one, and none on the other.
        .content_type("application/json")
        .body(set.json))
}

/// The documentation of `GET /.well-known/jwks.json`, to merge into your own document.
#[derive(Debug, OpenApi)]
#[openapi(paths(read_jwks_operation))]
pub struct JwksApi;

/// Read the public keys
///
/// Answers with the keys that verify access tokens, as a JSON Web Key Set. A new key is in it before it signs.
#[utoipa::path(
    get,
    path = "/.well-known/jwks.json",
    tag = "Keys",
    operation_id = "read_jwks",
    responses((status = 200, description = "The keys", body = serde_json::Value,
        headers(("Cache-Control" = String, description = "How long the keys may be kept")),
        example = json!({ "keys": [{
            "kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
            "kid": "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k", "use": "sig", "alg": "EdDSA",
        }] }))),
)]
#[expect(dead_code, reason = "carries the documentation of the generic handler")]
pub(crate) fn read_jwks_operation() {}
