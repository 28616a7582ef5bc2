//! EdDSA with Ed25519 ([RFC 8037](https://www.rfc-editor.org/rfc/rfc8037)).

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ed25519_dalek::{
    SECRET_KEY_LENGTH, Signature, Signer, SigningKey, VerifyingKey,
    pkcs8::{self, DecodePrivateKey, EncodePrivateKey, KeypairBytes, spki::der::pem::LineEnding},
};
use serde_json::Value;
use zeroize::Zeroizing;

use super::{PublicKeyMembers, Sign, Verify};
use crate::adapters::jwt::key_error::Reason;

pub(super) const ALG: &str = "EdDSA";

pub(super) fn generate() -> Result<(Box<dyn Sign>, Zeroizing<String>), Reason> {
    let mut seed = Zeroizing::new([0; SECRET_KEY_LENGTH]);
    getrandom::fill(&mut *seed)?;
    // Without the public key, because older programs can only parse the first version of PKCS#8.
    let text =
        KeypairBytes { secret_key: *seed, public_key: None }.to_pkcs8_pem(LineEnding::LF).map_err(invalid)?;
    Ok((Box::new(SigningKey::from_bytes(&seed)), text))
}

/// Parses a private key in PKCS#8 PEM.
pub(in crate::adapters::jwt) fn parse_pem(pem: &str) -> Result<Box<dyn Sign>, Reason> {
    Ok(Box::new(SigningKey::from_pkcs8_pem(pem).map_err(invalid)?))
}

fn invalid(error: pkcs8::Error) -> Reason {
    Reason::InvalidKey(format!("not an Ed25519 private key in PKCS#8 PEM: {error}"))
}

/// Parses the public key of a JWK; returns `None` if its type is not supported.
pub(in crate::adapters::jwt) fn parse_jwk(jwk: &Value) -> Option<Box<dyn Verify>> {
    if jwk["kty"] != "OKP" || jwk["crv"] != "Ed25519" {
        return None;
    }
    let x = URL_SAFE_NO_PAD.decode(jwk["x"].as_str()?).ok()?;
    let key = VerifyingKey::from_bytes(x.as_slice().try_into().ok()?).ok()?;
    (!key.is_weak()).then(|| Box::new(key) as _)
}

impl Verify for VerifyingKey {
    fn alg(&self) -> &'static str {
        ALG
    }

    fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        // Strict: rejects points of small order, and other encodings of the same signature.
        Signature::from_slice(signature)
            .is_ok_and(|signature| self.verify_strict(message, &signature).is_ok())
    }
}

impl Sign for SigningKey {
    fn sign(&self, message: &[u8]) -> Vec<u8> {
        Signer::sign(self, message).to_vec()
    }

    fn verifier(&self) -> &dyn Verify {
        AsRef::<VerifyingKey>::as_ref(self)
    }

    fn public_key(&self) -> Option<PublicKeyMembers> {
        let x = URL_SAFE_NO_PAD.encode(self.verifying_key().as_bytes());
        Some([("kty", "OKP".into()), ("crv", "Ed25519".into()), ("x", x)].into())
    }
}
