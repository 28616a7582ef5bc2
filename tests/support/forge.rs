//! Forged tokens, signed with the service's keys or with other keys.

use std::{fs, path::Path};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ed25519_dalek::pkcs8::{PrivateKeyInfoRef, SecretDocument};
use gatepass::jwt::{JwtSettings, JwtTokens, SigningAlgorithm, SigningKeys};
use hmac::{Hmac, KeyInit, Mac};
use jsonwebtoken::{Algorithm, EncodingKey, crypto};
use serde_json::{Value, json};
use sha2::Sha256;

pub fn base64url(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

pub fn decode(part: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(part).expect("base64url")
}

/// Returns a part of a token as JSON: part 0 is the header, part 1 is the payload.
pub fn part(token: &str, index: usize) -> Value {
    serde_json::from_slice(&decode(token.split('.').nth(index).expect("a part"))).expect("JSON")
}

pub fn kid(token: &str) -> String {
    part(token, 0)["kid"].as_str().expect("a kid").to_owned()
}

/// Returns the key files in a directory, oldest first. Each item is the name without the extension, and the content.
pub fn key_files(directory: &Path, extension: &str) -> Vec<(String, String)> {
    let mut files: Vec<_> = fs::read_dir(directory)
        .expect("the directory exists")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|found| found == extension))
        .map(|path| {
            let text = fs::read_to_string(&path).expect("a key");
            (path.file_stem().unwrap().to_str().unwrap().to_owned(), text)
        })
        .collect();
    files.sort();
    files
}

/// Signs tokens with any header and payload. Its JWT library is not the one that Gatepass uses, so tests are
/// independent of Gatepass's code.
#[derive(Clone)]
pub struct Forge {
    pub algorithm: Algorithm,
    pub kid: String,
    pub pem: String,
    pub key: EncodingKey,
}

impl Forge {
    /// Returns a forge that signs with the oldest key in a directory.
    pub fn with_key_of(directory: &Path) -> Self {
        let (name, pem) = key_files(directory, "pem").remove(0);
        Self::with_pem(pem, name.split_once('-').unwrap().1)
    }

    /// Returns a forge that signs with a private key in PEM format.
    pub fn with_pem(pem: String, kid: &str) -> Self {
        let (_, document) = SecretDocument::from_pem(&pem).expect("a PEM");
        let info: PrivateKeyInfoRef<'_> = document.decode_msg().expect("PKCS#8");
        let (algorithm, key) = match info.algorithm.oid.to_string().as_str() {
            "1.2.840.10045.2.1" => (Algorithm::ES256, EncodingKey::from_ec_der(document.as_bytes())),
            "1.2.840.113549.1.1.1" => {
                (Algorithm::RS256, EncodingKey::from_rsa_der(info.private_key.as_bytes()))
            }
            _ => (Algorithm::EdDSA, EncodingKey::from_ed_der(document.as_bytes())),
        };
        Self { algorithm, kid: kid.to_owned(), pem, key }
    }

    /// Returns a forge that signs with a new key, under the key ID `kid`.
    pub fn stranger(algorithm: SigningAlgorithm, kid: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let mut settings = JwtSettings::new(SigningKeys::directory(folder.path()), "");
        settings.algorithm = Some(algorithm);
        JwtTokens::open_with(settings).expect("a key");
        Self { kid: kid.to_owned(), ..Self::with_key_of(folder.path()) }
    }

    pub fn header(&self) -> Value {
        json!({ "typ": "at+jwt", "alg": format!("{:?}", self.algorithm), "kid": self.kid })
    }

    /// Returns a token with exactly this header and payload.
    pub fn sign(&self, header: impl ToString, payload: impl ToString) -> String {
        self.sign_bytes(header.to_string().as_bytes(), payload.to_string().as_bytes())
    }

    pub fn sign_bytes(&self, header: &[u8], payload: &[u8]) -> String {
        let signed = format!("{}.{}", base64url(header), base64url(payload));
        let signature = crypto::sign(signed.as_bytes(), &self.key, self.algorithm).expect("a signature");
        format!("{signed}.{signature}")
    }
}

/// Returns a token signed with HMAC-SHA-256, whatever algorithm its header specifies.
pub fn sign_hs256(secret: &[u8], header: impl ToString, payload: impl ToString) -> String {
    let signed = format!("{}.{}", base64url(header.to_string()), base64url(payload.to_string()));
    let mac = Hmac::<Sha256>::new_from_slice(secret).expect("a key of any length");
    format!("{signed}.{}", base64url(mac.chain_update(&signed).finalize().into_bytes()))
}

/// Returns `json` with a member set, or removed if `value` is `None`.
pub fn with(json: &Value, name: &str, value: impl Into<Option<Value>>) -> Value {
    let mut json = json.clone();
    let members = json.as_object_mut().expect("an object");
    match value.into() {
        Some(value) => members.insert(name.into(), value),
        None => members.remove(name),
    };
    json
}
