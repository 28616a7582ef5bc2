//! [`RemoteJwtVerifier`]: verifies the access tokens of another service.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError, RwLock},
    time::Duration,
};

use tokio::sync::Notify;

use super::{
    claims::Expected,
    jws::UnverifiedToken,
    key_set::{self, InvalidKeySet, PublicKeys},
};
use crate::domain::{
    backend_error::BackendError,
    claims::Claims,
    invalidation::{CacheInvalidator, Invalidation},
    ports::TokenVerifier,
    secret::AccessToken,
    time::Timestamp,
};

/// A verifier for the access tokens of another service. It works offline, with the public keys of a JSON Web Key Set
/// ([RFC 7517 section 5](https://www.rfc-editor.org/rfc/rfc7517#section-5)). Clones are cheap and share the keys.
///
/// It accepts tokens that [`JwtTokens`](crate::jwt::JwtTokens) signs with a private key, and tokens of other issuers
/// with the same claims ([RFC 9068](https://www.rfc-editor.org/rfc/rfc9068)), with or without `user_kind`. The
/// algorithms are ES256, ES384, RS256, PS256 and EdDSA with Ed25519; RSA keys need at least 2048 bits. A token is
/// accepted until it expires, even if its issuer revokes it.
///
/// With the feature `remote-jwks`, `RemoteJwtVerifier::discover` fetches the keys itself: see
/// `examples/resource-server`. Otherwise your application fetches the keys and passes the body of
/// `/.well-known/jwks.json` to [`set_keys`](Self::set_keys): at startup, when the response's `max-age` has passed, and
/// when [`unknown_key`](Self::unknown_key) returns. Wait a few seconds between two fetches, since anyone can send
/// tokens with unknown keys. Until the first keys are set, [`verify`](TokenVerifier::verify) returns a temporary
/// [`BackendError`] (status 503). If you use a [`TokenCache`](crate::cache::TokenCache), pass it to
/// [`watch`](Self::watch), so that changing the keys also invalidates cached tokens.
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
    /// The kind of user in tokens of the other service, if it differs from that of the user model.
    user_kind: Option<Arc<str>>,
    shared: Arc<Shared>,
    /// The task that fetches keys until the last clone is dropped.
    #[cfg(feature = "remote-jwks")]
    _fetcher: Option<Arc<crate::adapters::background::BackgroundTask>>,
}

#[derive(Default)]
pub(super) struct Shared {
    /// `None` until the first keys are set.
    keys: RwLock<Option<Arc<PublicKeys>>>,
    /// The text of the last key set.
    json: Mutex<Vec<u8>>,
    invalidators: Mutex<Vec<Arc<dyn CacheInvalidator>>>,
    pub(super) unknown_key: Notify,
}

impl Shared {
    /// Replaces the keys, and returns whether the JSON text of the key set has changed.
    pub(super) fn set_keys(&self, json: &[u8]) -> Result<bool, InvalidKeySet> {
        let mut last = self.json.lock().unwrap_or_else(PoisonError::into_inner);
        let keys = key_set::parse(json)?;
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(keys));
        let is_changed = *last != json;
        if is_changed {
            *last = json.to_vec();
            let invalidators = self.invalidators.lock().unwrap_or_else(PoisonError::into_inner);
            invalidators.iter().for_each(|invalidator| invalidator.invalidate(&Invalidation::Everything));
        }
        Ok(is_changed)
    }
}

impl RemoteJwtVerifier {
    /// Creates a verifier for tokens from this issuer (`iss`) for this audience (`aud`), without leeway. Set its keys
    /// with [`set_keys`](Self::set_keys).
    pub fn new(issuer: impl Into<Arc<str>>, audience: impl Into<Arc<str>>) -> Self {
        let (issuer, audience) = (issuer.into(), audience.into());
        Self {
            expected: Expected { issuer, audience, leeway: Duration::ZERO },
            user_kind: None,
            shared: Arc::default(),
            #[cfg(feature = "remote-jwks")]
            _fetcher: None,
        }
    }

    /// Creates a verifier that fetches the keys of the issuer in the background, from the `jwks_uri` in the issuer's
    /// metadata ([RFC 8414](https://www.rfc-editor.org/rfc/rfc8414), or OpenID Connect Discovery). Both URLs must be
    /// `https`, or `http` with a loopback host. Redirects are not followed.
    ///
    /// Keys are fetched again when their `max-age` has passed (1 minute to 1 hour) and when a token has an unknown key,
    /// at most every 5 seconds. The metadata is read again when the keys have expired, after a failure, and if a fetch
    /// does not find the unknown key. If a fetch fails, the reason is logged, the known keys stay in use, and further
    /// attempts follow, at least once a minute.
    ///
    /// # Errors
    /// [`InvalidIssuer`](crate::jwt::InvalidIssuer) if the issuer is not such a URL, or the operating system has no
    /// root certificates. The issuer need not be reachable.
    #[cfg(feature = "remote-jwks")]
    pub fn discover(
        issuer: impl Into<Arc<str>>,
        audience: impl Into<Arc<str>>,
    ) -> Result<Self, super::InvalidIssuer> {
        let mut verifier = Self::new(issuer, audience);
        let fetcher = super::fetcher::Fetcher::new(Arc::clone(&verifier.expected.issuer))?;
        let task = crate::adapters::background::spawn(fetcher.run(Arc::clone(&verifier.shared)));
        verifier._fetcher = Some(Arc::new(task));
        Ok(verifier)
    }

    /// Registers a cache to clear whenever the keys change.
    pub fn watch(&self, invalidator: Arc<dyn CacheInvalidator>) {
        self.shared.invalidators.lock().unwrap_or_else(PoisonError::into_inner).push(invalidator);
    }

    /// Sets the tolerated difference between the clocks of the two services. Fractions of a second are ignored. Tokens
    /// are accepted for this long before their time of issue (`iat`, `nbf`; at least 5 seconds) and after their expiry.
    #[must_use]
    pub fn leeway(mut self, leeway: Duration) -> Self {
        self.expected.leeway = leeway;
        self
    }

    /// Accepts tokens for this kind of user as tokens for your user model, and rejects those for any other kind. Tokens
    /// without a kind are always accepted. By default, the kind must be the [`user_kind`](crate::AuthUser::user_kind)
    /// of your user model. The kind of [`TokenUser`](crate::jwt::TokenUser) is `User`. If the other service is an
    /// application that uses Gatepass, the kind is the name of its user model.
    ///
    /// ```
    /// use gatepass::Auth;
    /// use gatepass::jwt::{RemoteJwtVerifier, TokenUsers};
    ///
    /// let tokens = RemoteJwtVerifier::new("https://auth.example.com", "https://api.example.com").user_kind("Member");
    /// let auth = Auth::builder(TokenUsers).token_verifier(tokens).build()?;
    /// # Ok::<(), gatepass::error::BuildError>(())
    /// ```
    #[must_use]
    pub fn user_kind(mut self, kind: impl Into<Arc<str>>) -> Self {
        self.user_kind = Some(kind.into());
        self
    }

    /// Replaces the keys with those of a JSON Web Key Set. Ignores keys of unsupported types or for other purposes.
    ///
    /// # Errors
    /// [`InvalidKeySet`] if `json` is not a usable key set; the previous keys remain.
    pub fn set_keys(&self, json: impl AsRef<[u8]>) -> Result<(), InvalidKeySet> {
        self.shared.set_keys(json.as_ref())?;
        Ok(())
    }

    /// Waits for a token with an unknown key, such as the first token that a new key has signed. Returns immediately if
    /// such a token was received since the last call. Only one task may wait.
    pub async fn unknown_key(&self) {
        self.shared.unknown_key.notified().await;
    }

    fn claims(&self, token: &str, keys: &PublicKeys, now: Timestamp) -> Option<Claims> {
        let token = UnverifiedToken::parse(token)?;
        let Some(key) = keys.find(token.kid(), token.alg()) else {
            if !keys.has(token.kid()) {
                self.shared.unknown_key.notify_one();
            }
            log::debug!(
                "rejected a token: no key of {} has the token's key ID and algorithm",
                self.expected.issuer
            );
            return None;
        };
        let claims = self.expected.read(&token.payload_signed_by(key)?, now)?;
        match &self.user_kind {
            Some(expected) if !claims.is_of_client() => {
                if let Some(kind) = &claims.user_kind
                    && kind != expected
                {
                    log::debug!("rejected a token: its user_kind is {kind:?}, not {expected:?}");
                    return None;
                }
                // A token without a kind is accepted for every user model.
                Some(Claims { user_kind: None, ..claims })
            }
            _ => Some(claims),
        }
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
