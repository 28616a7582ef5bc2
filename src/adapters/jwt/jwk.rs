//! The public half of a key as others read it.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ed25519_dalek::VerifyingKey;
use serde::Serialize;
use sha2::{Digest, Sha256};

/// A public Ed25519 key ([RFC 8037 section 2](https://www.rfc-editor.org/rfc/rfc8037#section-2)).
#[derive(Serialize)]
pub(super) struct Jwk<'a> {
    kty: &'static str,
    crv: &'static str,
    x: String,
    kid: &'a str,
    #[serde(rename = "use")]
    purpose: &'static str,
    alg: &'static str,
}

impl<'a> Jwk<'a> {
    pub(super) fn of(key: &VerifyingKey, kid: &'a str) -> Self {
        let x = URL_SAFE_NO_PAD.encode(key.as_bytes());
        Self { kty: "OKP", crv: "Ed25519", x, kid, purpose: "sig", alg: "EdDSA" }
    }
}

/// The keys that are published ([RFC 7517 section 5](https://www.rfc-editor.org/rfc/rfc7517#section-5)).
#[derive(Serialize)]
pub(super) struct JwkSet<'a> {
    pub(super) keys: Vec<Jwk<'a>>,
}

/// The name of a public key, made of the key itself ([RFC 7638](https://www.rfc-editor.org/rfc/rfc7638)).
pub(super) fn thumbprint(key: &VerifyingKey) -> String {
    // The required members, sorted, without white space (RFC 8037 appendix A.3).
    let x = URL_SAFE_NO_PAD.encode(key.as_bytes());
    URL_SAFE_NO_PAD.encode(Sha256::digest(format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_thumbprint_is_the_one_of_rfc_8037() {
        let x = URL_SAFE_NO_PAD.decode("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo").unwrap();
        let key = VerifyingKey::from_bytes(x.as_slice().try_into().unwrap()).unwrap();
        assert_eq!(thumbprint(&key), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    }
}
