//! HMAC with SHA-256 ([RFC 7518 section 3.2](https://www.rfc-editor.org/rfc/rfc7518#section-3.2)).

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

use super::{PublicKeyMembers, Sign, SigningAlgorithm, Verify};
use crate::{adapters::jwt::key_error::Reason, domain::backend_error::BackendError};

pub(super) const ALG: &str = "HS256";

/// The minimum length of a secret. RFC 7518 section 3.2 requires a secret at least as long as the hash.
const MIN_SECRET_BYTES: usize = 32;

pub(super) fn generate() -> Result<(Box<dyn Sign>, Zeroizing<String>), Reason> {
    let mut secret = Zeroizing::new([0; MIN_SECRET_BYTES]);
    getrandom::fill(&mut *secret)?;
    let mut text = Zeroizing::new(String::with_capacity(64));
    URL_SAFE_NO_PAD.encode_string(*secret, &mut text);
    text.push('\n');
    Ok((from_secret(&*secret)?, text))
}

pub(super) fn parse(text: &str) -> Result<Box<dyn Sign>, Reason> {
    let secret = URL_SAFE_NO_PAD.decode(text.trim_ascii()).map(Zeroizing::new);
    // The error omits its cause, which contains a character of the secret.
    let invalid = |_| Reason::InvalidKey("not a secret in base64url without padding".into());
    from_secret(&secret.map_err(invalid)?)
}

/// Creates a key from a secret of at least 32 bytes.
pub(in crate::adapters::jwt) fn from_secret(secret: &[u8]) -> Result<Box<dyn Sign>, Reason> {
    match Hmac::<Sha256>::new_from_slice(secret) {
        Ok(hmac) if secret.len() >= MIN_SECRET_BYTES => Ok(Box::new(hmac)),
        _ => Err(Reason::InvalidKey(format!("the secret has fewer than {MIN_SECRET_BYTES} bytes"))),
    }
}

impl Verify for Hmac<Sha256> {
    fn algorithms(&self) -> &'static [&'static str] {
        &[ALG]
    }

    fn verifies(&self, _: &str, message: &[u8], signature: &[u8]) -> bool {
        // `verify_slice` compares in constant time.
        self.clone().chain_update(message).verify_slice(signature).is_ok()
    }
}

impl Sign for Hmac<Sha256> {
    fn algorithm(&self) -> SigningAlgorithm {
        SigningAlgorithm::Hs256
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, BackendError> {
        Ok(self.clone().chain_update(message).finalize().into_bytes().to_vec())
    }

    fn verifier(&self) -> &dyn Verify {
        self
    }

    fn public_key(&self) -> Option<PublicKeyMembers> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_or_malformed_secret_is_rejected() {
        for secret in ["", "c2hvcnQ", "not base64", &"A".repeat(42), &("A".repeat(43) + "=")] {
            assert!(parse(secret).is_err(), "{secret:?}");
        }
        assert!(from_secret(&[0; 31]).is_err());
    }
}
