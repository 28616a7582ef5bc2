//! Signing keys and their names.

use std::fmt;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::json;
use sha2::{Digest, Sha256};

use super::{
    algorithm::{self, PublicKeyMembers, Sign, SigningAlgorithm},
    jws::ACCESS_TOKEN,
    key_error::Reason,
};
use crate::domain::time::Timestamp;

/// The maximum length of a kid: longer than a thumbprint (43 characters), and short enough for every file system.
const MAX_KID_LENGTH: usize = 128;

/// The creation time and the kid of a key. Names sort by creation time.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct KeyName {
    pub(super) created: Timestamp,
    pub(super) kid: String,
}

impl KeyName {
    /// Parses a file name without its extension.
    pub(super) fn parse(stem: &str) -> Option<Self> {
        let (created, kid) = stem.split_once('-')?;
        let is_number = created.bytes().all(|byte| byte.is_ascii_digit());
        let is_kid = (1..=MAX_KID_LENGTH).contains(&kid.len())
            && kid.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
        if !is_number || !is_kid {
            return None;
        }
        Some(Self { created: Timestamp::from_unix(created.parse().ok()?), kid: kid.to_owned() })
    }
}

impl fmt::Display for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.created.as_unix(), self.kid)
    }
}

/// A key with its name. A name always belongs to the same key.
pub(super) struct Key {
    pub(super) name: KeyName,
    pub(super) material: Box<dyn Sign>,
    /// The encoded header of every token that the key signs.
    pub(super) header: String,
}

impl Key {
    /// Creates a key from its material.
    pub(super) fn new(material: Box<dyn Sign>, created: Timestamp) -> Result<Self, Reason> {
        let kid = match material.public_key() {
            Some(public_key) => thumbprint(&public_key),
            // A thumbprint would reveal a hash of the secret in every token (RFC 7638 section 7).
            None => random_id()?,
        };
        Ok(Self::with_name(KeyName { created, kid }, material))
    }

    /// Parses the text of a key file with this name and extension.
    pub(super) fn parse(name: KeyName, extension: &str, text: &str) -> Result<Self, Reason> {
        let material = algorithm::parse(extension, text)?;
        match material.public_key().as_ref().map(thumbprint) {
            Some(kid) if kid != name.kid => Err(Reason::WrongKid(kid)),
            _ => Ok(Self::with_name(name, material)),
        }
    }

    /// Creates a key that has no file.
    pub(super) fn without_file(material: Box<dyn Sign>) -> Self {
        let kid = material.public_key().as_ref().map_or_else(|| "secret".into(), thumbprint);
        Self::with_name(KeyName { created: Timestamp::from_unix(0), kid }, material)
    }

    fn with_name(name: KeyName, material: Box<dyn Sign>) -> Self {
        let alg = material.algorithm().name();
        let header = json!({ "typ": ACCESS_TOKEN, "alg": alg, "kid": name.kid }).to_string();
        Self { name, material, header: URL_SAFE_NO_PAD.encode(header) }
    }

    pub(super) fn algorithm(&self) -> SigningAlgorithm {
        self.material.algorithm()
    }

    /// Returns the name of the key file.
    pub(super) fn file_name(&self) -> String {
        format!("{}.{}", self.name, self.algorithm().extension())
    }

    /// Returns the public key as a JWK ([RFC 7517 section 4](https://www.rfc-editor.org/rfc/rfc7517#section-4)); `None`
    /// for a secret.
    pub(super) fn jwk(&self) -> Option<PublicKeyMembers> {
        let mut jwk = self.material.public_key()?;
        jwk.extend([
            ("kid", self.name.kid.clone()),
            ("use", "sig".into()),
            ("alg", self.algorithm().name().into()),
        ]);
        Some(jwk)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Returns the thumbprint of a public key ([RFC 7638](https://www.rfc-editor.org/rfc/rfc7638)).
fn thumbprint(public_key: &PublicKeyMembers) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(json!(public_key).to_string()))
}

/// Returns 128 random bits as 22 characters.
pub(super) fn random_id() -> Result<String, getrandom::Error> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use zeroize::Zeroizing;

    use super::*;

    fn generate(algorithm: SigningAlgorithm) -> (Key, Zeroizing<String>) {
        let (material, text) = algorithm.generate().unwrap();
        (Key::new(material, Timestamp::from_unix(7)).unwrap(), text)
    }

    #[test]
    fn generated_key_file_is_parsed_as_the_same_key() {
        for algorithm in [SigningAlgorithm::Es256, SigningAlgorithm::EdDsa, SigningAlgorithm::Hs256] {
            let (key, text) = generate(algorithm);
            let parsed = Key::parse(key.name.clone(), algorithm.extension(), &text).unwrap();
            assert_eq!((&parsed.name, &parsed.header), (&key.name, &key.header));
        }
    }

    #[test]
    fn key_under_the_name_of_another_key_is_rejected() {
        let [(one, _), (_, other)] = [(); 2].map(|()| generate(SigningAlgorithm::EdDsa));
        let error = Key::parse(one.name, "pem", &other).unwrap_err();
        assert!(matches!(error, Reason::WrongKid(_)), "{error}");
    }

    #[test]
    fn secret_is_neither_published_nor_printed_by_debug() {
        let (key, text) = generate(SigningAlgorithm::Hs256);
        assert!(key.jwk().is_none());
        assert!(!format!("{key:?}").contains(text.trim()));
    }

    #[test]
    fn thumbprint_matches_the_example_of_rfc_8037() {
        let x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo".into();
        let key = [("kty", "OKP".into()), ("crv", "Ed25519".into()), ("x", x)].into();
        assert_eq!(thumbprint(&key), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    }

    #[test]
    fn key_name_without_a_number_or_a_valid_kid_is_rejected() {
        for text in ["", "-", "12", "12-", "-kid", "+12-kid", "1.5-kid", "x-kid", "12-k/d", "12-k d", "12-é"]
        {
            assert_eq!(KeyName::parse(text), None, "{text:?}");
        }
        let name = KeyName::parse("1700000000--a-b_").expect("a valid key name");
        assert_eq!((name.created.as_unix(), name.kid.as_str()), (1_700_000_000, "-a-b_"));
    }

    proptest! {
        #[test]
        fn displayed_key_name_is_parsed_as_the_same_name(created in any::<u64>(), kid in "[A-Za-z0-9_-]{1,43}") {
            let name = KeyName { created: Timestamp::from_unix(created), kid };
            prop_assert_eq!(KeyName::parse(&name.to_string()), Some(name));
        }

        #[test]
        fn parse_of_arbitrary_text_does_not_panic(text in ".*") {
            let _ = KeyName::parse(&text);
        }
    }
}
