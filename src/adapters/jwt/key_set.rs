//! Public key sets of other services.

use serde::Deserialize;
use serde_json::Value;
use thiserror::Error;

use super::algorithm::{self, Verify};
use crate::adapters::unique_names;

/// The maximum length of a key set, in bytes.
pub(super) const MAX_LENGTH: usize = 64 * 1024;

/// The reason why a JSON Web Key Set cannot be used to verify tokens.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum InvalidKeySet {
    /// The JSON text is longer than 64 KiB.
    #[error("the key set is longer than {MAX_LENGTH} bytes")]
    TooLong,
    /// The JSON text is not an object with a list of `keys`.
    #[error("not a JSON Web Key Set")]
    NotAKeySet,
    /// Two different keys for the same algorithm have the same `kid`.
    #[error("two keys for the same algorithm have the kid {0:?}")]
    DuplicateKid(String),
    /// No key in the set can verify tokens.
    #[error(
        "no usable key for signatures: P-256, P-384, RSA with at least 2048 bits, or Ed25519 is required"
    )]
    NoUsableKey,
}

/// The public keys of a set; at least one.
pub(super) struct PublicKeys(Vec<PublicKey>);

struct PublicKey {
    kid: Option<String>,
    key: Box<dyn Verify>,
}

impl PublicKeys {
    /// Returns the key with this kid and algorithm. The kid is optional in both tokens and keys
    /// ([RFC 7517 section 4.5](https://www.rfc-editor.org/rfc/rfc7517#section-4.5)). For a token without a kid, all
    /// keys for the algorithm are candidates; for a token with an unknown kid, only keys without a kid are. Returns the
    /// candidate if there is exactly one.
    pub(super) fn find(&self, kid: Option<&str>, alg: &str) -> Option<&dyn Verify> {
        let of_algorithm = || self.0.iter().filter(|key| key.key.algorithms().contains(&alg));
        if self.has(kid) {
            return of_algorithm().find(|key| key.kid.as_deref() == kid).map(|key| &*key.key);
        }
        let mut candidates = of_algorithm().filter(|key| kid.is_none() || key.kid.is_none());
        candidates.next().filter(|_| candidates.next().is_none()).map(|key| &*key.key)
    }

    /// Returns whether a key has this kid.
    pub(super) fn has(&self, kid: Option<&str>) -> bool {
        kid.is_some() && self.0.iter().any(|key| key.kid.as_deref() == kid)
    }
}

#[derive(Deserialize)]
struct Set {
    keys: Vec<Value>,
}

/// Parses a key set. Ignores repeated keys, and keys of unsupported types or for other purposes
/// ([RFC 7517 section 5](https://www.rfc-editor.org/rfc/rfc7517#section-5)).
pub(super) fn parse(json: &[u8]) -> Result<PublicKeys, InvalidKeySet> {
    if json.len() > MAX_LENGTH {
        return Err(InvalidKeySet::TooLong);
    }
    let set: Set = unique_names::parse(json).ok_or(InvalidKeySet::NotAKeySet)?;
    let mut keys = PublicKeys(Vec::new());
    let is_first = |(index, jwk): &(usize, &Value)| !set.keys[..*index].contains(jwk);
    let first = set.keys.iter().enumerate().filter(is_first);
    for new in first.filter_map(|(_, jwk)| parse_key(jwk)) {
        let is_known = |alg| keys.has(new.kid.as_deref()) && keys.find(new.kid.as_deref(), alg).is_some();
        if new.key.algorithms().iter().any(|alg| is_known(alg)) {
            return Err(InvalidKeySet::DuplicateKid(new.kid.unwrap_or_default()));
        }
        keys.0.push(new);
    }
    if keys.0.is_empty() { Err(InvalidKeySet::NoUsableKey) } else { Ok(keys) }
}

/// Parses a JWK; returns `None` if the key cannot verify tokens
/// ([RFC 7517 section 4](https://www.rfc-editor.org/rfc/rfc7517#section-4)).
fn parse_key(jwk: &Value) -> Option<PublicKey> {
    let key = algorithm::parse_jwk(jwk)?;
    let verifies = |operations: &Value| {
        operations
            .as_array()
            .is_some_and(|operations| operations.iter().any(|operation| operation == "verify"))
    };
    let is_usable =
        jwk.get("use").is_none_or(|purpose| purpose == "sig") && jwk.get("key_ops").is_none_or(verifies);
    let kid = jwk.get("kid").map(|kid| kid.as_str().map(ToOwned::to_owned));
    // A kid that is not a string is invalid.
    is_usable.then_some(PublicKey { kid: kid.map_or(Some(None), |kid| kid.map(Some))?, key })
}

#[cfg(test)]
mod tests;
