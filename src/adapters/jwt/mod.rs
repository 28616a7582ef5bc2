//! Access tokens as signed JWTs ([RFC 9068](https://www.rfc-editor.org/rfc/rfc9068)), and the keys that sign them.
//!
//! The key directory is the only state. A file name consists of the creation time and the key ID (`kid`). The file
//! names, the settings and the time determine which key signs new tokens and which keys are accepted, so all replicas
//! agree: see [`KeyState`].
//!
//! A service that only verifies the tokens of another service uses [`RemoteJwtVerifier`].

#[cfg_attr(not(unix), path = "access_other.rs")]
mod access;
mod algorithm;
mod claims;
#[cfg(feature = "remote-jwks")]
mod fetcher;
mod jws;
mod key;
mod key_directory;
mod key_error;
mod key_ring;
mod key_set;
mod remote_verifier;
mod schedule;
mod settings;
mod token_user;
mod tokens;

#[cfg(feature = "remote-jwks")]
pub use self::fetcher::InvalidIssuer;
pub use self::{
    algorithm::SigningAlgorithm,
    key_directory::{KeyDirectory, ListedKey},
    key_error::KeyError,
    key_set::InvalidKeySet,
    remote_verifier::RemoteJwtVerifier,
    schedule::KeyState,
    settings::{JwtSettings, SigningKeys},
    token_user::{TokenUser, TokenUsers},
    tokens::JwtTokens,
};
