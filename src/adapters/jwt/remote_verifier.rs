//! [`RemoteJwtVerifier`]: verifies the access tokens of another service.

use std::{
    fmt,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use tokio::sync::Notify;

use super::{
    claims::Expected,
    jws::UnverifiedToken,
    key_set::{self, InvalidKeySet, PublicKeys},
};
use crate::domain::{
    backend_error::BackendError, claims::Claims, ports::TokenVerifier, secret::AccessToken, time::Timestamp,
};

/// Verifies the access tokens of another service offline, with the public keys of its JSON Web Key Set
/// ([RFC 7517 section 5](https://www.rfc-editor.org/rfc/rfc7517#section-5)). Clones are cheap and share the keys.
///
/// It accepts tokens that [`JwtTokens`](crate::jwt::JwtTokens) issues with EdDSA, and tokens of other issuers with the
/// same claims ([RFC 9068](https://www.rfc-editor.org/rfc/rfc9068)), with or without `user_kind`. A token is accepted
/// until it expires, even if its issuer revokes it.
///
/// Your application fetches the keys and passes the body of `/.well-known/jwks.json` to [`set_keys`](Self::set_keys):
/// at startup, when the response's `max-age` has passed, and when [`unknown_key`](Self::unknown_key) returns. Wait some
/// seconds between two fetches, since anyone can send tokens with unknown keys. `examples/resource_server.rs` does all
/// of this. Before the first keys, [`verify`](TokenVerifier::verify) returns a temporary [`BackendError`] (status 503).
/// With a [`TokenCache`](crate::cache::TokenCache), send
/// [`Invalidation::Everything`](crate::cache::Invalidation::Everything) after each change of the keys.
///
/// ```
/// use gatepass::jwt::{JwtSettings, JwtTokens, RemoteJwtVerifier, SigningKeys};
/// use gatepass::{GrantedScopes, NewToken, Timestamp, TokenIssuer, TokenVerifier};
///
/// # let directory = tempfile::tempdir()?;
/// # let keys = SigningKeys::directory(directory.path().join("keys"));
/// # actix_web::rt::System::new().block_on(async {
/// # let now = Timestamp::now();
/// // In the service that issues tokens:
/// let issuer = JwtTokens::open_with(JwtSettings {
///     audience: "https://api.example.com".into(),
///     ..JwtSettings::new(keys, "https://auth.example.com")
/// })?;
/// let new = NewToken {
///     subject: 7_u64.into(),
///     user_kind: "Member",
///     granted_scopes: GrantedScopes::Only("items:read".parse()?),
///     client_id: None,
///     audiences: Vec::new(),
///     session_id: None,
///     sequence: None,
///     extra_claims: serde_json::Map::new(),
///     now,
/// };
/// let token = issuer.issue(&new).await?.access_token;
/// let published = issuer.key_set(now)?.expect("public keys").json;
///
/// // In the service that verifies them:
/// let tokens = RemoteJwtVerifier::new("https://auth.example.com", "https://api.example.com");
/// tokens.set_keys(published)?;
/// let claims = tokens.verify(&token, now).await?.expect("a genuine token");
/// assert_eq!(claims.subject.as_str(), "7");
/// # Ok::<(), gatepass::BackendError>(())
/// # })?;
/// # Ok::<(), gatepass::BackendError>(())
/// ```
#[derive(Clone)]
pub struct RemoteJwtVerifier {
    expected: Expected,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    /// `None` before the first keys.
    keys: RwLock<Option<Arc<PublicKeys>>>,
    unknown_key: Notify,
}

impl RemoteJwtVerifier {
    /// Creates a verifier for tokens of this issuer (`iss`) for this audience (`aud`), without keys yet and without
    /// leeway.
    pub fn new(issuer: impl Into<Arc<str>>, audience: impl Into<Arc<str>>) -> Self {
        let (issuer, audience) = (issuer.into(), audience.into());
        Self { expected: Expected { issuer, audience, leeway: Duration::ZERO }, shared: Arc::default() }
    }

    /// Sets the tolerated difference between the clocks of the two services, in whole seconds. Tokens are accepted for
    /// this long before their time of issue and after their expiry.
    #[must_use]
    pub fn leeway(mut self, leeway: Duration) -> Self {
        self.expected.leeway = leeway;
        self
    }

    /// Replaces the keys with those of a JSON Web Key Set. Ignores keys of other types, for other purposes or without
    /// `kid`.
    ///
    /// # Errors
    /// [`InvalidKeySet`] if the text is not a usable key set; the previous keys remain.
    pub fn set_keys(&self, json: impl AsRef<[u8]>) -> Result<(), InvalidKeySet> {
        let keys = key_set::parse(json.as_ref())?;
        *self.shared.keys.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(keys));
        Ok(())
    }

    /// Waits until a token with an unknown key arrives, such as the first token of a new key. Returns at once if
    /// that happened since the last call. Only one task may wait.
    pub async fn unknown_key(&self) {
        self.shared.unknown_key.notified().await;
    }

    fn claims(&self, token: &str, keys: &PublicKeys, now: Timestamp) -> Option<Claims> {
        let token = UnverifiedToken::parse(token)?;
        let Some(key) = keys.get(token.kid()) else {
            self.shared.unknown_key.notify_one();
            return None;
        };
        self.expected.read(&token.payload_signed_by(&**key)?, now)
    }
}

impl TokenVerifier for RemoteJwtVerifier {
    async fn verify(&self, token: &AccessToken, now: Timestamp) -> Result<Option<Claims>, BackendError> {
        let keys = self.shared.keys.read().unwrap_or_else(PoisonError::into_inner).clone();
        let keys = keys.ok_or_else(|| {
            BackendError::unavailable(format!(
                "the keys of {} have not been fetched yet",
                self.expected.issuer
            ))
        })?;
        Ok(self.claims(token.expose(), &keys, now))
    }
}

impl fmt::Debug for RemoteJwtVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteJwtVerifier").field("expected", &self.expected).finish_non_exhaustive()
    }
}
