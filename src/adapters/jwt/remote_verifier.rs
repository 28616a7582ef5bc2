//! Access tokens of another service as a [`TokenService`]: verified with the keys that it publishes.

use std::{
    fmt,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use tokio::sync::Notify;

use super::{
    algorithm::SigningAlgorithm,
    claims::{self, Expected},
    jws::CompactJws,
    public_keys::{InvalidKeySet, PublicKeys},
};
use crate::domain::{
    backend_error::BackendError,
    claims::Claims,
    ports::{IssuedToken, NewToken, TokenService},
    secret::AccessToken,
    time::Timestamp,
};

/// The access tokens that another service issues, verified offline: by the public keys of its JSON Web Key Set
/// ([RFC 7517 section 5](https://www.rfc-editor.org/rfc/rfc7517#section-5)). Cheap to clone; clones share the keys.
///
/// It takes what [`JwtTokens`](crate::JwtTokens) issues with EdDSA
/// ([RFC 9068](https://www.rfc-editor.org/rfc/rfc9068)), and is as strict. It issues nothing: who asks it to gets a
/// [`BackendError`]. Offline means that a token is good until it ends: nobody hears here that it was revoked.
///
/// It fetches nothing either. Whoever has an HTTP client hands over what `/.well-known/jwks.json` answers
/// ([`set_keys`](Self::set_keys)), again when its `max-age` is over, and again when a token names an unknown key
/// ([`unknown_key`](Self::unknown_key)), at most once in some seconds, since anybody can write such tokens.
/// `examples/resource_server.rs` does. Until keys came the answer is a temporary [`BackendError`] (503). Who remembers
/// callers in a [`TokenCache`](crate::TokenCache) tells it [`Invalidation::Everything`](crate::Invalidation::Everything) after new keys.
///
/// ```
/// use gatepass::{RemoteJwtVerifier, JwtSettings, JwtTokens, GrantedScopes, PublishedKeys, Timestamp, NewToken, TokenService};
///
/// # let folder = tempfile::tempdir()?;
/// # let keys_dir = folder.path().join("keys");
/// # actix_web::rt::System::new().block_on(async {
/// # let now = Timestamp::from_unix(1_700_000_000);
/// // In the one service:
/// let issuer = JwtTokens::open(
///     JwtSettings {
///         audience: "https://api.example.com".into(),
///         ..JwtSettings::new(keys_dir, "https://auth.example.com")
///     },
///     now,
/// )?;
/// # let granted_scopes = GrantedScopes::Only("items:read".parse()?);
/// # let order = NewToken { subject: 7_u64.into(), granted_scopes, client_id: None, session_id: None, now };
/// let token = issuer.issue(&order).await?.access_token;
/// let published = issuer.key_set(now)?.json;
///
/// // In the other:
/// let tokens = RemoteJwtVerifier::new("https://auth.example.com", "https://api.example.com");
/// tokens.set_keys(published)?;
/// let claims = tokens.verify(&token, now).await?.expect("a genuine token");
/// assert_eq!(claims.subject.as_str(), "7");
/// assert!(tokens.issue(&order).await.is_err());
/// # Ok::<(), gatepass::BackendError>(())
/// # })?;
/// # Ok::<(), gatepass::BackendError>(())
/// ```
#[derive(Clone)]
pub struct RemoteJwtVerifier {
    issuer: Arc<str>,
    audience: Arc<str>,
    leeway: Duration,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    /// None until they came.
    keys: RwLock<Option<Arc<PublicKeys>>>,
    unknown_key: Notify,
}

impl RemoteJwtVerifier {
    /// Tokens of this issuer (`iss`) for this audience (`aud`), without keys yet, and without leeway.
    pub fn new(issuer: impl Into<Arc<str>>, audience: impl Into<Arc<str>>) -> Self {
        let (issuer, audience) = (issuer.into(), audience.into());
        Self { issuer, audience, leeway: Duration::ZERO, shared: Arc::default() }
    }

    /// Takes a token for so long past its end, and so long before its beginning: how far the two clocks may be
    /// apart, in whole seconds.
    #[must_use]
    pub fn leeway(self, leeway: Duration) -> Self {
        Self { leeway, ..self }
    }

    /// Puts the keys of a JSON Web Key Set in the place of those before. Keys that are not Ed25519's for signatures,
    /// or have no name, are passed over.
    ///
    /// # Errors
    /// Where it is no such set, has over 64 KiB, gives two keys one name, or has no key to verify with. Then the keys
    /// before stay.
    pub fn set_keys(&self, json: impl AsRef<[u8]>) -> Result<(), InvalidKeySet> {
        let keys = PublicKeys::parse(json.as_ref())?;
        *self.shared.keys.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(keys));
        Ok(())
    }

    /// Waits until a token names a key that is not here, as the first one does that a new key signed; returns at once
    /// where one did since the last time. For one task to wait for.
    pub async fn unknown_key(&self) {
        self.shared.unknown_key.notified().await;
    }

    fn keys(&self) -> Option<Arc<PublicKeys>> {
        self.shared.keys.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn claims(&self, token: &str, keys: &PublicKeys, now: Timestamp) -> Option<Claims> {
        let jws = CompactJws::parse(token)?;
        if jws.header.alg != SigningAlgorithm::EdDsa.name() || !jws.header.is_of_an_access_token() {
            return None;
        }
        let Some(key) = keys.get(&jws.header.kid) else {
            self.shared.unknown_key.notify_one();
            return None;
        };
        let payload = jws.payload_signed_by(key)?;
        let expected = Expected { issuer: &self.issuer, audience: &self.audience, leeway: self.leeway };
        claims::read(&payload, &expected, now)
    }
}

impl TokenService for RemoteJwtVerifier {
    async fn issue(&self, _: &NewToken) -> Result<IssuedToken, BackendError> {
        Err(BackendError::new(format!("tokens are issued by {} alone", self.issuer)))
    }

    async fn verify(&self, token: &AccessToken, now: Timestamp) -> Result<Option<Claims>, BackendError> {
        let keys = self.keys().ok_or_else(|| {
            BackendError::unavailable(format!("the keys of {} have not been fetched yet", self.issuer))
        })?;
        Ok(self.claims(token.expose(), &keys, now))
    }
}

impl fmt::Debug for RemoteJwtVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { issuer, audience, leeway, shared: _ } = self;
        f.debug_struct("RemoteJwtVerifier")
            .field("issuer", issuer)
            .field("audience", audience)
            .field("leeway", leeway)
            .finish_non_exhaustive()
    }
}
