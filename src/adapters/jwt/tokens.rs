//! [`JwtTokens`]: issues and verifies access tokens.

use std::{fmt, path::PathBuf, sync::Arc, time::Duration};

use serde_json::json;

use super::{
    algorithm::SigningAlgorithm,
    claims::Expected,
    jws::{self, MAX_TOKEN_LENGTH, UnverifiedToken},
    key::random_id,
    key_error::KeyError,
    key_ring::KeyRing,
    settings::{JwtSettings, SigningKeys},
};
use crate::{
    adapters::background::{self, BackgroundTask},
    domain::{
        backend_error::BackendError,
        claims::Claims,
        invalidation::CacheInvalidator,
        ports::{IssuedToken, KeySet, NewToken, TokenIssuer, TokenVerifier},
        secret::AccessToken,
        time::Timestamp,
    },
};

/// Access tokens as signed JWTs ([RFC 9068](https://www.rfc-editor.org/rfc/rfc9068)). Clones are cheap and share the
/// keys.
///
/// ```
/// use gatepass::jwt::JwtTokens;
///
/// # let directory = tempfile::tempdir()?;
/// # std::env::set_current_dir(&directory)?;
/// let tokens = JwtTokens::open("keys", "https://api.example.com")?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// With a key from the environment instead of a directory:
///
/// ```no_run
/// use gatepass::jwt::JwtTokens;
///
/// let pem = std::env::var("GATEPASS_SIGNING_KEY")?;
/// let tokens = JwtTokens::from_pem(&pem, "https://api.example.com")?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Tokens have the claims `iss`, `sub`, `aud`, `exp`, `iat`, `jti`, `user_kind` and, if they apply, `sid`, `sid_seq`,
/// `client_id` and `scope`. Tokens with [`GrantedScopes::All`](crate::GrantedScopes::All) have `"unrestricted": true`
/// instead of `scope`. A token with neither claim grants no scopes.
///
/// Only tokens that this type could have issued are accepted: with the same algorithm, issuer, audience and type, a
/// known key, and no further header parameters. Times are compared with the clock of [`Auth`](crate::Auth).
///
/// If you use a [`TokenCache`](crate::cache::TokenCache), pass it to [`watch`](Self::watch), so that the removal of a
/// key also invalidates cached tokens.
///
/// # Keys in a directory
///
/// A background task notices new and removed key files within a second; requests never wait for the disk. A token with
/// an unknown key is rejected and makes the task read the directory immediately, because another replica may have
/// created a key.
///
/// If a key is compromised, first create the next one ([`KeyDirectory::rotate`](crate::jwt::KeyDirectory::rotate) or
/// `gatepass keys rotate`), then remove the file of the compromised key. Within a second, its tokens are rejected and
/// the next key is used. Other services accept the removed key for as long as they cache the key set. The order
/// matters: the last key of a running service stays in use even after its file is removed.
#[derive(Clone)]
pub struct JwtTokens {
    expected: Expected,
    access_token_ttl: Duration,
    activation_delay: Duration,
    ring: Arc<KeyRing>,
    /// The task that watches the key directory until the last clone is dropped.
    _watch: Option<Arc<BackgroundTask>>,
}

impl JwtTokens {
    /// Opens the keys in a directory, with the defaults of [`JwtSettings::new`]. Creates the directory (mode 0700) and
    /// the first key (mode 0600) if they do not exist.
    ///
    /// # Errors
    /// [`KeyError`] if the directory or a key cannot be read or written, or its owner or mode is insecure.
    pub fn open(keys_dir: impl Into<PathBuf>, issuer: impl Into<Arc<str>>) -> Result<Self, KeyError> {
        Self::open_with(JwtSettings::new(SigningKeys::directory(keys_dir), issuer))
    }

    /// Uses one private key in PKCS#8 PEM; see [`SigningKeys::pem`]. Changing the key invalidates all access tokens:
    /// only keys in a directory can be rotated.
    ///
    /// # Errors
    /// [`KeyError`] if `pem` is not such a key.
    pub fn from_pem(pem: &str, issuer: impl Into<Arc<str>>) -> Result<Self, KeyError> {
        Self::open_with(JwtSettings::new(SigningKeys::pem(pem)?, issuer))
    }

    /// Uses HS256 with a secret, as FastAPI's tutorial does. The bytes of the string are the key.
    ///
    /// # Errors
    /// [`KeyError`] if the secret has fewer than 32 bytes.
    pub fn from_secret(secret: &str, issuer: impl Into<Arc<str>>) -> Result<Self, KeyError> {
        Self::open_with(JwtSettings::new(SigningKeys::secret(secret)?, issuer))
    }

    /// Opens the keys that `settings` specifies.
    ///
    /// # Errors
    /// [`KeyError`] if a key cannot be read or written, or its directory or file is insecure.
    pub fn open_with(settings: JwtSettings) -> Result<Self, KeyError> {
        Self::open_at(settings, Timestamp::now())
    }

    /// Like [`open_with`](Self::open_with), but at a fixed time; for tests.
    #[doc(hidden)]
    pub fn open_at(settings: JwtSettings, now: Timestamp) -> Result<Self, KeyError> {
        let ring = Arc::new(KeyRing::open(&settings, now)?);
        let _watch = ring.directory.is_some().then(|| Arc::new(background::spawn(Arc::clone(&ring).watch())));
        let JwtSettings { issuer, audience, leeway, access_token_ttl, activation_delay, .. } = settings;
        let expected = Expected { issuer, audience, leeway };
        Ok(Self { expected, access_token_ttl, activation_delay, ring, _watch })
    }

    /// Registers a cache to clear whenever a key is removed.
    pub fn watch(&self, invalidator: Arc<dyn CacheInvalidator>) {
        self.ring.invalidate_on_removal(invalidator);
    }

    /// Reads the key directory now instead of within a second. Blocks on disk I/O.
    pub fn refresh(&self) {
        self.ring.refresh();
    }

    fn claims(
        &self,
        token: &AccessToken,
        now: Timestamp,
        read: fn(&Expected, &[u8], Timestamp) -> Option<Claims>,
    ) -> Option<Claims> {
        let token = UnverifiedToken::parse(token.expose())?;
        let key = self.ring.verifying(token.kid()?, now)?;
        let payload = token.payload_signed_by(key.material.verifier())?;
        read(&self.expected, &payload, now).filter(|claims| claims.user_kind.is_some())
    }
}

impl TokenIssuer for JwtTokens {
    async fn issue(&self, new: &NewToken) -> Result<IssuedToken, BackendError> {
        let payload = self.expected.write(new, &random_id()?, self.access_token_ttl);
        let token = jws::sign(&self.ring.signing(new.now), &payload)?;
        if token.len() > MAX_TOKEN_LENGTH {
            let length = token.len();
            return Err(BackendError::new(format!(
                "the access token is {length} bytes long, but the maximum is {MAX_TOKEN_LENGTH}: \
                 shorten its extra claims"
            )));
        }
        Ok(IssuedToken { access_token: token.into(), expires_in: Some(self.access_token_ttl) })
    }

    fn key_set(&self, now: Timestamp) -> Result<Option<KeySet>, BackendError> {
        let keys = self.ring.public_keys(now);
        // Half the delay, so that every cached set contains a new key well before the key is used.
        let max_age = self.activation_delay / 2;
        // The first public key may be added to the directory later.
        let has_keys = !keys.is_empty() || self.ring.directory.is_some();
        Ok(has_keys.then(|| KeySet { json: json!({ "keys": keys }).to_string(), max_age }))
    }

    fn algorithms(&self, now: Timestamp) -> Vec<&'static str> {
        self.ring.algorithms(now).into_iter().map(SigningAlgorithm::name).collect()
    }
}

impl TokenVerifier for JwtTokens {
    async fn verify(&self, token: &AccessToken, now: Timestamp) -> Result<Option<Claims>, BackendError> {
        Ok(self.claims(token, now, Expected::read))
    }

    async fn verify_any_audience(
        &self,
        token: &AccessToken,
        now: Timestamp,
    ) -> Result<Option<Claims>, BackendError> {
        Ok(self.claims(token, now, Expected::read_any_audience))
    }
}

impl fmt::Debug for JwtTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JwtTokens").field("expected", &self.expected).finish_non_exhaustive()
    }
}
