//! The public keys in a published set, as far as tokens are verified with them.

use std::collections::HashMap;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ed25519_dalek::VerifyingKey;
use serde::Deserialize;
use serde_json::Value;
use thiserror::Error;

use super::algorithm::SigningAlgorithm;
use crate::adapters::unique_names;

/// Some three hundred keys: more than anybody publishes.
const LONGEST_SET: usize = 64 * 1024;

/// Why a text is no key set to verify tokens with.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum InvalidKeySet {
    /// It has more bytes than a key set that is taken.
    #[error("longer than {LONGEST_SET} bytes")]
    TooLong,
    /// It is not a JSON object with a list of `keys`.
    #[error("no JSON Web Key Set")]
    NoSet,
    /// Two keys that could verify have one name, so that a token would not say which is meant.
    #[error("two of its keys are named {0:?}")]
    Duplicate(String),
    /// None of its keys verifies tokens.
    #[error("no Ed25519 key for signatures is in it")]
    NoKey,
}

/// Public keys by their names (`kid`); at least one.
#[derive(Debug)]
pub(super) struct PublicKeys(HashMap<String, VerifyingKey>);

#[derive(Deserialize)]
struct Set {
    keys: Vec<Value>,
}

/// What is read of a key ([RFC 7517 section 4](https://www.rfc-editor.org/rfc/rfc7517#section-4)).
#[derive(Deserialize)]
struct Read {
    kty: String,
    crv: String,
    x: String,
    kid: String,
    #[serde(rename = "use")]
    purpose: Option<String>,
    key_ops: Option<Vec<String>>,
    alg: Option<String>,
}

impl PublicKeys {
    /// The keys of a set. Those of other kinds and for other purposes are passed over, as
    /// [RFC 7517 section 5](https://www.rfc-editor.org/rfc/rfc7517#section-5) has it.
    pub(super) fn parse(json: &[u8]) -> Result<Self, InvalidKeySet> {
        if json.len() > LONGEST_SET {
            return Err(InvalidKeySet::TooLong);
        }
        let set: Set = unique_names::parse(json).ok_or(InvalidKeySet::NoSet)?;
        let mut keys = HashMap::new();
        for (kid, key) in set.keys.into_iter().filter_map(verifying_key) {
            if keys.insert(kid.clone(), key).is_some() {
                return Err(InvalidKeySet::Duplicate(kid));
            }
        }
        if keys.is_empty() { Err(InvalidKeySet::NoKey) } else { Ok(Self(keys)) }
    }

    pub(super) fn get(&self, kid: &str) -> Option<&VerifyingKey> {
        self.0.get(kid)
    }
}

/// A key and its name, where it is one that verifies tokens.
fn verifying_key(jwk: Value) -> Option<(String, VerifyingKey)> {
    // A derived structure would take a list as well.
    let read: Read = jwk.is_object().then(|| serde_json::from_value(jwk).ok())??;
    let verifies = read.kty == "OKP"
        && read.crv == "Ed25519"
        && read.purpose.is_none_or(|purpose| purpose == "sig")
        && read.key_ops.is_none_or(|operations| operations.iter().any(|operation| operation == "verify"))
        && read.alg.is_none_or(|alg| alg == SigningAlgorithm::EdDsa.name());
    if !verifies {
        return None;
    }
    let x = URL_SAFE_NO_PAD.decode(read.x).ok()?;
    let key = VerifyingKey::from_bytes(x.as_slice().try_into().ok()?).ok()?;
    (!key.is_weak()).then_some((read.kid, key))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// The key of RFC 8037 appendix A.2, with `changes`; `null` takes a member away.
    fn jwk(changes: Value) -> Value {
        let x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
        let mut jwk =
            json!({ "kty": "OKP", "crv": "Ed25519", "x": x, "kid": "one", "use": "sig", "alg": "EdDSA" });
        let members = jwk.as_object_mut().unwrap();
        for (name, value) in changes.as_object().unwrap() {
            match value {
                Value::Null => drop(members.shift_remove(name)),
                value => drop(members.insert(name.clone(), value.clone())),
            }
        }
        jwk
    }

    fn parse(keys: impl Into<Value>) -> Result<PublicKeys, InvalidKeySet> {
        PublicKeys::parse(json!({ "keys": keys.into() }).to_string().as_bytes())
    }

    #[test]
    fn a_key_needs_to_say_what_it_is_and_no_more() {
        for changes in [
            json!({}),
            json!({ "use": null, "alg": null }),
            json!({ "key_ops": ["verify"] }),
            json!({ "x5t": "whatever", "exp": 1 }),
        ] {
            assert!(parse([jwk(changes.clone())]).unwrap().get("one").is_some(), "{changes}");
        }
    }

    #[test]
    fn keys_of_other_kinds_and_for_other_purposes_are_passed_over() {
        let others = [
            json!({ "kty": "RSA" }),
            json!({ "kty": "EC", "crv": "P-256" }),
            json!({ "crv": "X25519" }),
            json!({ "crv": "Ed448" }),
            json!({ "use": "enc" }),
            json!({ "key_ops": ["sign"] }),
            json!({ "alg": "ES256" }),
            json!({ "kid": null }),
            json!({ "kid": 7 }),
            json!({ "x": null }),
            json!({ "x": "" }),
            json!({ "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHUR" }),
            json!({ "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo=" }),
            // The neutral element: a signature under it fits any message.
            json!({ "x": "AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" }),
        ];
        for other in &others {
            assert_eq!(parse([jwk(other.clone())]).unwrap_err(), InvalidKeySet::NoKey, "{other}");
        }
        let mut set: Vec<_> = others.into_iter().map(jwk).collect();
        set.extend([json!("a key"), json!(["OKP", "Ed25519"]), json!(null), jwk(json!({}))]);
        let keys = parse(set).unwrap();
        assert!(keys.0.len() == 1 && keys.get("one").is_some() && keys.get("two").is_none());
    }

    #[test]
    fn two_keys_of_one_name_are_refused_but_not_two_names_of_one_key() {
        let twice = parse([jwk(json!({})), jwk(json!({}))]).unwrap_err();
        assert_eq!(twice, InvalidKeySet::Duplicate("one".into()));
        // RFC 7517 section 4.5: keys of different kinds may share a name.
        assert!(parse([jwk(json!({ "kty": "RSA" })), jwk(json!({}))]).is_ok());
        assert!(parse([jwk(json!({})), jwk(json!({ "kid": "two" }))]).is_ok());
    }

    #[test]
    fn what_is_no_set_is_refused() {
        for json in ["", "[]", "{}", r#"{"keys":{}}"#, r#"{"keys":[],"keys":[]}"#, "<html>"] {
            assert_eq!(PublicKeys::parse(json.as_bytes()).unwrap_err(), InvalidKeySet::NoSet, "{json}");
        }
        assert_eq!(parse(json!([])).unwrap_err(), InvalidKeySet::NoKey);
    }

    #[test]
    fn a_set_is_of_64_kib_at_the_most() {
        let mut json = json!({ "keys": [jwk(json!({}))] }).to_string();
        json.extend(std::iter::repeat_n(' ', LONGEST_SET - json.len()));
        assert!(PublicKeys::parse(json.as_bytes()).is_ok());
        json.push(' ');
        assert_eq!(PublicKeys::parse(json.as_bytes()).unwrap_err(), InvalidKeySet::TooLong);
    }
}
