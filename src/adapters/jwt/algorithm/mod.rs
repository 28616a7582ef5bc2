//! The algorithms that sign and verify tokens. To add one, add a file in this directory, and an arm in each `match`
//! here and in `pem::parse`.

mod ecdsa;
mod eddsa;
mod hs256;
mod pem;
mod rsa;

use std::collections::BTreeMap;

use serde_json::Value;
use zeroize::Zeroizing;

pub(super) use self::{
    hs256::from_secret,
    pem::{import, parse as parse_pem},
};
use super::key_error::Reason;
use crate::domain::backend_error::BackendError;

/// The algorithm that signs tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SigningAlgorithm {
    /// ECDSA with P-256 and SHA-256 ([RFC 7518 section 3.4](https://www.rfc-editor.org/rfc/rfc7518#section-3.4)). Other
    /// services can verify tokens with the public keys, and nearly all libraries support it.
    #[default]
    Es256,
    /// RSASSA-PKCS1-v1_5 with SHA-256
    /// ([RFC 7518 section 3.3](https://www.rfc-editor.org/rfc/rfc7518#section-3.3)), for services whose libraries
    /// cannot verify ES256. Tokens are longer, and signing takes more time.
    Rs256,
    /// EdDSA with Ed25519 ([RFC 8037](https://www.rfc-editor.org/rfc/rfc8037)). Some libraries do not support it.
    EdDsa,
    /// HMAC with SHA-256 ([RFC 7518 section 3.2](https://www.rfc-editor.org/rfc/rfc7518#section-3.2)), as in FastAPI's
    /// tutorial. Only holders of the secret can verify tokens.
    Hs256,
}

impl SigningAlgorithm {
    /// Returns the name in the header of a token (`alg`).
    pub fn name(self) -> &'static str {
        match self {
            Self::Es256 => ecdsa::ALG,
            Self::Rs256 => rsa::ALG,
            Self::EdDsa => eddsa::ALG,
            Self::Hs256 => hs256::ALG,
        }
    }

    /// Returns the file extension of keys for this algorithm.
    pub(super) fn extension(self) -> &'static str {
        match self {
            Self::Es256 | Self::Rs256 | Self::EdDsa => PEM,
            Self::Hs256 => SECRET,
        }
    }

    /// Generates a key and the text of its file.
    pub(super) fn generate(self) -> Result<(Box<dyn Sign>, Zeroizing<String>), Reason> {
        match self {
            Self::Es256 => ecdsa::generate(),
            Self::Rs256 => rsa::generate(),
            Self::EdDsa => eddsa::generate(),
            Self::Hs256 => hs256::generate(),
        }
    }
}

const PEM: &str = "pem";
const SECRET: &str = "hs256";

/// Splits the name of a key file into stem and extension; returns `None` for other files.
pub(super) fn split_file_name(name: &str) -> Option<(&str, &str)> {
    name.rsplit_once('.').filter(|(_, extension)| [PEM, SECRET].contains(extension))
}

/// Parses the text of a key file with this extension. The key, not the caller, determines the algorithm.
pub(super) fn parse(extension: &str, text: &str) -> Result<Box<dyn Sign>, Reason> {
    if extension == SECRET { hs256::parse(text) } else { pem::parse(text) }
}

/// Parses the public key of a JWK; returns `None` if its type or algorithm is not supported.
pub(super) fn parse_jwk(jwk: &Value) -> Option<Box<dyn Verify>> {
    let key = match jwk["kty"].as_str()? {
        "EC" => ecdsa::parse_jwk(jwk),
        "RSA" => rsa::parse_jwk(jwk),
        "OKP" => eddsa::parse_jwk(jwk),
        _ => None,
    };
    key.filter(|key| jwk.get("alg").is_none_or(|alg| key.algorithms().iter().any(|own| alg == own)))
}

/// A key that verifies signatures.
pub(super) trait Verify: Send + Sync {
    /// Returns the algorithms of the key, so that a token cannot choose a different one ([RFC 8725 section
    /// 3.1](https://www.rfc-editor.org/rfc/rfc8725#section-3.1)). Every key has one, except for other issuers' RSA keys
    /// without `alg`, which have two.
    fn algorithms(&self) -> &'static [&'static str];

    /// Returns whether `signature` is valid for `message` with `alg`, which is one of the key's algorithms.
    fn verifies(&self, alg: &str, message: &[u8], signature: &[u8]) -> bool;
}

/// A key that signs tokens.
pub(super) trait Sign: Send + Sync {
    fn algorithm(&self) -> SigningAlgorithm;

    /// Returns the signature of a message.
    ///
    /// # Errors
    /// [`BackendError`] if the operating system returns no random bytes.
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, BackendError>;

    /// Returns the key that verifies the signatures.
    fn verifier(&self) -> &dyn Verify;

    /// Returns the public key; `None` if the key is a secret.
    fn public_key(&self) -> Option<PublicKeyMembers>;
}

/// The members of a JWK that its thumbprint covers
/// ([RFC 7638 section 3.2](https://www.rfc-editor.org/rfc/rfc7638#section-3.2)).
pub(super) type PublicKeyMembers = BTreeMap<&'static str, String>;

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [SigningAlgorithm; 4] =
        [SigningAlgorithm::Es256, SigningAlgorithm::Rs256, SigningAlgorithm::EdDsa, SigningAlgorithm::Hs256];

    #[test]
    fn key_parsed_from_its_file_verifies_signatures_of_the_generated_key() {
        for algorithm in ALL {
            let (key, text) = algorithm.generate().unwrap();
            let parsed = parse(algorithm.extension(), &text).unwrap();
            assert_eq!((parsed.algorithm(), parsed.public_key()), (algorithm, key.public_key()));
            let (verifier, alg) = (parsed.verifier(), algorithm.name());
            assert_eq!(verifier.algorithms(), [alg]);
            let signature = key.sign(b"message").unwrap();
            assert!(verifier.verifies(alg, b"message", &signature));
            assert!(!verifier.verifies(alg, b"massage", &signature));
        }
    }

    #[test]
    fn truncated_or_padded_signature_does_not_verify() {
        for algorithm in ALL {
            let (key, _) = algorithm.generate().unwrap();
            let signature = key.sign(b"message").unwrap();
            for wrong in [&[][..], &signature[1..], &[&signature[..], &[0]].concat()] {
                assert!(!key.verifier().verifies(algorithm.name(), b"message", wrong));
            }
        }
    }
}
