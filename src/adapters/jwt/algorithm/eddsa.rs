//! EdDSA with Ed25519 ([RFC 8037](https://www.rfc-editor.org/rfc/rfc8037)).

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ed25519_dalek::{
    SECRET_KEY_LENGTH, Signature, Signer, SigningKey, VerifyingKey,
    pkcs8::{DecodePrivateKey, EncodePrivateKey, KeypairBytes},
};
use serde_json::Value;
use zeroize::Zeroizing;

use super::{PublicKeyMembers, Sign, SigningAlgorithm, Verify, pem};
use crate::{adapters::jwt::key_error::Reason, domain::backend_error::BackendError};

pub(super) const ALG: &str = "EdDSA";

pub(super) fn generate() -> Result<(Box<dyn Sign>, Zeroizing<String>), Reason> {
    let mut seed = Zeroizing::new([0; SECRET_KEY_LENGTH]);
    getrandom::fill(&mut *seed)?;
    // The file omits the public key, because older programs can parse only version 1 of PKCS#8.
    let document =
        KeypairBytes { secret_key: *seed, public_key: None }.to_pkcs8_der().map_err(pem::encoding)?;
    Ok((Box::new(SigningKey::from_bytes(&seed)), pem::write(&document)?))
}

/// Parses a private key in PKCS#8.
pub(super) fn parse(document: &[u8]) -> Result<Box<dyn Sign>, Reason> {
    Ok(Box::new(SigningKey::from_pkcs8_der(document).map_err(pem::encoding)?))
}

/// Parses the public key of a JWK with the type OKP.
pub(super) fn parse_jwk(jwk: &Value) -> Option<Box<dyn Verify>> {
    if jwk["crv"] != "Ed25519" {
        return None;
    }
    let x = URL_SAFE_NO_PAD.decode(jwk["x"].as_str()?).ok()?;
    let key = VerifyingKey::from_bytes(x.as_slice().try_into().ok()?).ok()?;
    (!key.is_weak()).then(|| Box::new(key) as _)
}

impl Verify for VerifyingKey {
    fn algorithms(&self) -> &'static [&'static str] {
        &[ALG]
    }

    fn verifies(&self, _: &str, message: &[u8], signature: &[u8]) -> bool {
        // `verify_strict` rejects points of small order, and other encodings of the same signature.
        Signature::from_slice(signature)
            .is_ok_and(|signature| self.verify_strict(message, &signature).is_ok())
    }
}

impl Sign for SigningKey {
    fn algorithm(&self) -> SigningAlgorithm {
        SigningAlgorithm::EdDsa
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, BackendError> {
        Ok(Signer::sign(self, message).to_vec())
    }

    fn verifier(&self) -> &dyn Verify {
        AsRef::<VerifyingKey>::as_ref(self)
    }

    fn public_key(&self) -> Option<PublicKeyMembers> {
        let x = URL_SAFE_NO_PAD.encode(self.verifying_key().as_bytes());
        Some([("kty", "OKP".into()), ("crv", "Ed25519".into()), ("x", x)].into())
    }
}
