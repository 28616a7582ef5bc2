//! What the tokens say and how long, and where their keys are.

use std::{path::PathBuf, sync::Arc, time::Duration};

use super::{algorithm::SigningAlgorithm, claims::Expected, schedule::Rotation};

/// What [`JwtTokens`](crate::JwtTokens) is opened with. Replicas share all of it.
///
/// ```
/// use std::time::Duration;
/// use gatepass::JwtSettings;
///
/// let settings = JwtSettings {
///     access_token_ttl: Duration::from_secs(300),
///     ..JwtSettings::new("keys", "https://auth.example.com")
/// };
/// assert_eq!(&*settings.audience, "https://auth.example.com");
/// ```
#[derive(Clone, Debug)]
pub struct JwtSettings {
    /// The folder of the keys.
    pub keys_dir: PathBuf,
    /// How tokens are signed.
    pub algorithm: SigningAlgorithm,
    /// How long a new key is published before it signs; in whole seconds, as all durations here.
    pub activation_delay: Duration,
    /// Who issues the tokens (`iss`).
    pub issuer: Arc<str>,
    /// Whom they are for (`aud`).
    pub audience: Arc<str>,
    /// How long a token is valid.
    pub access_token_ttl: Duration,
    /// How far the clocks of replicas may be apart: a token is taken for so long past its end, and so long
    /// before its beginning.
    pub leeway: Duration,
}

impl JwtSettings {
    /// Ed25519, 15 minutes, no leeway, five minutes until a new key signs; the audience is the issuer.
    pub fn new(keys_dir: impl Into<PathBuf>, issuer: impl Into<Arc<str>>) -> Self {
        let issuer = issuer.into();
        Self {
            keys_dir: keys_dir.into(),
            algorithm: SigningAlgorithm::EdDsa,
            activation_delay: Duration::from_secs(300),
            audience: Arc::clone(&issuer),
            issuer,
            access_token_ttl: Duration::from_secs(900),
            leeway: Duration::ZERO,
        }
    }

    pub(super) fn expected(&self) -> Expected<'_> {
        Expected { issuer: &self.issuer, audience: &self.audience, leeway: self.leeway }
    }

    pub(super) fn rotation(&self) -> Rotation {
        Rotation {
            activation_delay: self.activation_delay,
            token_life: self.access_token_ttl.saturating_add(self.leeway),
        }
    }
}
