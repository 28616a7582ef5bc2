//! The settings of JWT access tokens and their signing keys.

use std::{path::PathBuf, sync::Arc, time::Duration};

use super::{
    algorithm::{self, Sign, SigningAlgorithm},
    key::Key,
    key_error::{KeyError, Reason, at},
    schedule::Rotation,
};

/// The keys that sign tokens: a directory, or one key. `Debug` does not print secrets.
#[derive(Clone, Debug)]
pub struct SigningKeys(pub(super) Source);

#[derive(Clone, Debug)]
pub(super) enum Source {
    Directory(PathBuf),
    Fixed(Arc<Key>),
}

impl SigningKeys {
    /// Uses the keys in a directory, which is created with a first key if it does not exist.
    /// [`KeyDirectory`](crate::jwt::KeyDirectory) rotates them while services run.
    pub fn directory(path: impl Into<PathBuf>) -> Self {
        Self(Source::Directory(path.into()))
    }

    /// Uses a private key in PKCS#8 PEM, as `openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256` prints it.
    /// The kind of key determines the algorithm: P-256 signs with ES256, RSA (2048 to 4096 bits) with RS256, Ed25519
    /// with EdDSA.
    ///
    /// # Errors
    /// [`KeyError`] if the text is not such a key in PKCS#8 PEM.
    pub fn pem(pem: &str) -> Result<Self, KeyError> {
        Self::fixed(algorithm::parse_pem(pem.trim()))
    }

    /// Uses a secret for HS256, as `openssl rand -hex 32` prints it. The bytes of the string are the key.
    ///
    /// # Errors
    /// [`KeyError`] if the secret has fewer than 32 bytes.
    pub fn secret(secret: &str) -> Result<Self, KeyError> {
        Self::fixed(algorithm::from_secret(secret.as_bytes()))
    }

    fn fixed(key: Result<Box<dyn Sign>, Reason>) -> Result<Self, KeyError> {
        let key = key.map_err(at("signing key".as_ref()))?;
        Ok(Self(Source::Fixed(Arc::new(Key::without_file(key)))))
    }
}

/// The settings of [`JwtTokens`](crate::jwt::JwtTokens), which must be the same for all replicas of a service.
/// Fractions of a second are ignored.
///
/// ```
/// use std::time::Duration;
/// use gatepass::jwt::{JwtSettings, SigningKeys};
///
/// let settings = JwtSettings {
///     audience: "https://api.example.com".into(),
///     access_token_ttl: Duration::from_secs(300),
///     ..JwtSettings::new(SigningKeys::directory("keys"), "https://auth.example.com")
/// };
/// ```
#[derive(Clone, Debug)]
pub struct JwtSettings {
    /// The keys that sign tokens.
    pub keys: SigningKeys,
    /// The algorithm of new keys in a directory. `None` means the algorithm of the newest key, or ES256 for the first
    /// key. Existing keys keep their algorithm.
    pub algorithm: Option<SigningAlgorithm>,
    /// The delay between publishing a new key and signing tokens with it.
    pub activation_delay: Duration,
    /// The issuer of the tokens (`iss`).
    pub issuer: Arc<str>,
    /// The audience of this application (`aud`). New tokens have this audience unless they are issued for other
    /// audiences. [`JwtTokens`](crate::jwt::JwtTokens) accepts no other audience.
    pub audience: Arc<str>,
    /// The lifetime of a token.
    pub access_token_ttl: Duration,
    /// The tolerated difference between the clocks of replicas. Tokens are accepted for this long before their time of
    /// issue (`iat`, `nbf`; at least 5 seconds) and after their expiry.
    pub leeway: Duration,
}

impl JwtSettings {
    /// Creates the default settings: ES256 for the first key, a lifetime of 15 minutes, no leeway, an activation delay
    /// of 5 minutes, and the issuer as the audience.
    pub fn new(keys: SigningKeys, issuer: impl Into<Arc<str>>) -> Self {
        let issuer = issuer.into();
        Self {
            keys,
            algorithm: None,
            activation_delay: Duration::from_secs(300),
            audience: Arc::clone(&issuer),
            issuer,
            access_token_ttl: Duration::from_secs(900),
            leeway: Duration::ZERO,
        }
    }

    pub(super) fn rotation(&self) -> Rotation {
        Rotation {
            activation_delay: self.activation_delay,
            token_lifetime: self.access_token_ttl.saturating_add(self.leeway),
        }
    }
}
