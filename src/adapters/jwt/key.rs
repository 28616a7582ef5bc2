//! A key: it signs, verifies, and shows its public half.

use std::fmt;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ed25519_dalek::{
    Signer, SigningKey,
    pkcs8::{DecodePrivateKey, EncodePrivateKey, KeypairBytes, spki::der::pem::LineEnding},
};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::json;
use sha2::Sha256;
use zeroize::Zeroizing;

use super::{
    algorithm::SigningAlgorithm,
    jwk::{Jwk, thumbprint},
    jws::{TYPE, Verify},
    key_error::Reason,
    key_name::KeyName,
};
use crate::domain::time::Timestamp;

/// A secret shorter than the hash is weaker than it
/// ([RFC 7518 section 3.2](https://www.rfc-editor.org/rfc/rfc7518#section-3.2)).
const SECRET_BYTES: usize = 32;

/// A key with its name. What it says does not change: a file with another key has another name.
pub(super) struct Key {
    pub(super) name: KeyName,
    material: Material,
    /// The first part of every token it signs.
    header: String,
}

enum Material {
    Ed25519(SigningKey),
    Hmac(Hmac<Sha256>),
}

impl Key {
    /// A new key, and the text of its file.
    pub(super) fn generate(
        algorithm: SigningAlgorithm,
        created: Timestamp,
    ) -> Result<(Self, Zeroizing<String>), Reason> {
        let mut seed = Zeroizing::new([0; SECRET_BYTES]);
        getrandom::fill(&mut *seed)?;
        match algorithm {
            SigningAlgorithm::EdDsa => {
                let key = SigningKey::from_bytes(&seed);
                // Without the public half: older programs read only the first version of PKCS#8.
                let pair = KeypairBytes { secret_key: *seed, public_key: None };
                let text = pair.to_pkcs8_pem(LineEnding::LF)?;
                Ok((Self::new(created, thumbprint(&key.verifying_key()), Material::Ed25519(key)), text))
            }
            SigningAlgorithm::Hs256 => {
                // Random, since a thumbprint would be a hash of the secret in the hands of everybody with a
                // token: RFC 7638 section 7 warns of it.
                let kid = random_id()?;
                let mut text = Zeroizing::new(String::with_capacity(64));
                URL_SAFE_NO_PAD.encode_string(*seed, &mut text);
                text.push('\n');
                Ok((Self::new(created, kid, Material::Hmac(hmac(&*seed)?)), text))
            }
        }
    }

    /// The key of a file's name and text.
    pub(super) fn parse(name: KeyName, algorithm: SigningAlgorithm, text: &str) -> Result<Self, Reason> {
        let material = match algorithm {
            SigningAlgorithm::EdDsa => {
                let key = SigningKey::from_pkcs8_pem(text)?;
                let kid = thumbprint(&key.verifying_key());
                if name.kid != kid {
                    return Err(Reason::OtherKid(kid));
                }
                Material::Ed25519(key)
            }
            SigningAlgorithm::Hs256 => {
                let secret = URL_SAFE_NO_PAD.decode(text.trim_ascii()).map(Zeroizing::new);
                let secret = secret.ok().filter(|secret| secret.len() >= SECRET_BYTES);
                Material::Hmac(hmac(&secret.ok_or(Reason::NoSecret(SECRET_BYTES))?)?)
            }
        };
        Ok(Self::new(name.created, name.kid, material))
    }

    fn new(created: Timestamp, kid: String, material: Material) -> Self {
        let alg = match material {
            Material::Ed25519(_) => SigningAlgorithm::EdDsa,
            Material::Hmac(_) => SigningAlgorithm::Hs256,
        };
        let header = json!({ "typ": TYPE, "alg": alg.name(), "kid": kid }).to_string();
        Self { name: KeyName { created, kid }, material, header: URL_SAFE_NO_PAD.encode(header) }
    }

    /// The first part of a token: this key's header.
    pub(super) fn header(&self) -> &str {
        &self.header
    }

    pub(super) fn sign(&self, message: &[u8]) -> Vec<u8> {
        match &self.material {
            Material::Ed25519(key) => key.sign(message).to_vec(),
            Material::Hmac(mac) => mac.clone().chain_update(message).finalize().into_bytes().to_vec(),
        }
    }

    /// The public half, where there is one.
    pub(super) fn jwk(&self) -> Option<Jwk<'_>> {
        match &self.material {
            Material::Ed25519(key) => Some(Jwk::of(&key.verifying_key(), &self.name.kid)),
            Material::Hmac(_) => None,
        }
    }
}

impl Verify for Key {
    fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        match &self.material {
            Material::Ed25519(key) => key.verifying_key().verifies(message, signature),
            // In constant time.
            Material::Hmac(mac) => mac.clone().chain_update(message).verify_slice(signature).is_ok(),
        }
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key").field("name", &self.name).finish_non_exhaustive()
    }
}

fn hmac(secret: &[u8]) -> Result<Hmac<Sha256>, Reason> {
    Hmac::new_from_slice(secret).map_err(|_| Reason::NoSecret(SECRET_BYTES))
}

/// 128 random bits, in 22 characters.
pub(super) fn random_id() -> Result<String, getrandom::Error> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOTH: [SigningAlgorithm; 2] = [SigningAlgorithm::EdDsa, SigningAlgorithm::Hs256];

    #[test]
    fn a_key_is_what_its_file_says() {
        for algorithm in BOTH {
            let (key, text) = Key::generate(algorithm, Timestamp::from_unix(7)).unwrap();
            let read = Key::parse(key.name.clone(), algorithm, &text).unwrap();
            assert_eq!((&read.name, read.header()), (&key.name, key.header()));
            assert!(read.verifies(b"message", &key.sign(b"message")));
            assert!(!read.verifies(b"massage", &key.sign(b"message")));
        }
    }

    #[test]
    fn a_signature_is_neither_cut_nor_padded() {
        for algorithm in BOTH {
            let (key, _) = Key::generate(algorithm, Timestamp::from_unix(7)).unwrap();
            let signature = key.sign(b"message");
            for wrong in [&[][..], &signature[1..], &[&signature[..], &[0]].concat()] {
                assert!(!key.verifies(b"message", wrong));
            }
        }
    }

    #[test]
    fn a_pem_under_the_name_of_another_key_is_none() {
        let [(one, _), (_, other)] =
            [(); 2].map(|()| Key::generate(SigningAlgorithm::EdDsa, Timestamp::from_unix(7)).unwrap());
        let error = Key::parse(one.name, SigningAlgorithm::EdDsa, &other).unwrap_err();
        assert!(matches!(error, Reason::OtherKid(_)), "{error}");
    }

    #[test]
    fn a_short_secret_is_none() {
        for secret in ["", "c2hvcnQ", "not base64", &"A".repeat(42), &("A".repeat(43) + "=")] {
            let name = KeyName::parse("7-kid").unwrap();
            assert!(Key::parse(name, SigningAlgorithm::Hs256, secret).is_err(), "{secret:?}");
        }
    }

    #[test]
    fn a_secret_is_not_published_and_debug_shows_none() {
        let (key, text) = Key::generate(SigningAlgorithm::Hs256, Timestamp::from_unix(7)).unwrap();
        assert!(key.jwk().is_none());
        assert!(!format!("{key:?}").contains(text.trim()));
    }
}
