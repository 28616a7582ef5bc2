//! The algorithms that sign and verify tokens. To add one, add a file in this folder and an arm in each `match` here.

mod eddsa;
mod hs256;

use std::collections::BTreeMap;

use zeroize::Zeroizing;

pub(super) use self::{
    eddsa::{parse_jwk, parse_pem},
    hs256::from_secret,
};
use super::key_error::Reason;

/// The algorithm that signs tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SigningAlgorithm {
    /// EdDSA with Ed25519 ([RFC 8037](https://www.rfc-editor.org/rfc/rfc8037)). Other services can verify tokens with
    /// the public keys.
    #[default]
    EdDsa,
    /// HMAC with SHA-256 ([RFC 7518 section 3.2](https://www.rfc-editor.org/rfc/rfc7518#section-3.2)), as in FastAPI's
    /// tutorial. Only holders of the secret can verify tokens.
    Hs256,
}

impl SigningAlgorithm {
    /// Returns the name in the header of a token (`alg`).
    pub fn name(self) -> &'static str {
        match self {
            Self::EdDsa => eddsa::ALG,
            Self::Hs256 => hs256::ALG,
        }
    }

    /// Returns the extension of key files.
    pub(super) fn extension(self) -> &'static str {
        match self {
            Self::EdDsa => "pem",
            Self::Hs256 => "hs256",
        }
    }

    /// Generates a key and the text of its file.
    pub(super) fn generate(self) -> Result<(Box<dyn Sign>, Zeroizing<String>), Reason> {
        match self {
            Self::EdDsa => eddsa::generate(),
            Self::Hs256 => hs256::generate(),
        }
    }

    /// Parses the text of a key file.
    pub(super) fn parse(self, text: &str) -> Result<Box<dyn Sign>, Reason> {
        match self {
            Self::EdDsa => eddsa::parse_pem(text),
            Self::Hs256 => hs256::parse(text),
        }
    }
}

/// A key that verifies signatures of one algorithm.
pub(super) trait Verify: Send + Sync {
    /// Returns the only algorithm of the key, so that a token cannot choose another
    /// ([RFC 8725 section 3.1](https://www.rfc-editor.org/rfc/rfc8725#section-3.1)).
    fn alg(&self) -> &'static str;

    /// Returns whether `signature` is valid for `message`.
    fn verifies(&self, message: &[u8], signature: &[u8]) -> bool;
}

/// A key that signs.
pub(super) trait Sign: Send + Sync {
    fn sign(&self, message: &[u8]) -> Vec<u8>;

    /// Returns the key that verifies the signatures.
    fn verifier(&self) -> &dyn Verify;

    /// Returns the public key; `None` for a secret.
    fn public_key(&self) -> Option<PublicKeyMembers>;
}

/// The members of a JWK that its thumbprint covers
/// ([RFC 7638 section 3.2](https://www.rfc-editor.org/rfc/rfc7638#section-3.2)).
pub(super) type PublicKeyMembers = BTreeMap<&'static str, String>;

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [SigningAlgorithm; 2] = [SigningAlgorithm::EdDsa, SigningAlgorithm::Hs256];

    #[test]
    fn key_parsed_from_a_generated_file_verifies_its_signatures() {
        for algorithm in ALL {
            let (key, text) = algorithm.generate().unwrap();
            let parsed = algorithm.parse(&text).unwrap();
            assert_eq!((parsed.verifier().alg(), parsed.public_key()), (algorithm.name(), key.public_key()));
            assert!(parsed.verifier().verifies(b"message", &key.sign(b"message")));
            assert!(!parsed.verifier().verifies(b"massage", &key.sign(b"message")));
        }
    }

    #[test]
    fn truncated_or_padded_signature_does_not_verify() {
        for algorithm in ALL {
            let (key, _) = algorithm.generate().unwrap();
            let signature = key.sign(b"message");
            for wrong in [&[][..], &signature[1..], &[&signature[..], &[0]].concat()] {
                assert!(!key.verifier().verifies(b"message", wrong));
            }
        }
    }
}
