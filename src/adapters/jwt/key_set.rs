//! Public key sets of other services.

use std::collections::HashMap;

use serde::Deserialize;
use serde_json::Value;
use thiserror::Error;

use super::algorithm::{self, Verify};
use crate::adapters::unique_names;

/// The maximum length of a key set, in bytes.
const MAX_LENGTH: usize = 64 * 1024;

/// The reason why a JSON Web Key Set cannot be used to verify tokens.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum InvalidKeySet {
    /// The JSON text is longer than 64 KiB.
    #[error("the key set is longer than {MAX_LENGTH} bytes")]
    TooLong,
    /// The JSON text is not an object with a list of `keys`.
    #[error("not a JSON Web Key Set")]
    NotAKeySet,
    /// Two keys that verify tokens have the same `kid`.
    #[error("two keys have the kid {0:?}")]
    DuplicateKid(String),
    /// No key verifies tokens.
    #[error("no usable key: an Ed25519 key for signatures is required")]
    NoUsableKey,
}

/// Public keys by kid; at least one.
pub(super) type PublicKeys = HashMap<String, Box<dyn Verify>>;

#[derive(Deserialize)]
struct Set {
    keys: Vec<Value>,
}

/// Parses a key set. Keys of other types and for other purposes are ignored
/// ([RFC 7517 section 5](https://www.rfc-editor.org/rfc/rfc7517#section-5)).
pub(super) fn parse(json: &[u8]) -> Result<PublicKeys, InvalidKeySet> {
    if json.len() > MAX_LENGTH {
        return Err(InvalidKeySet::TooLong);
    }
    let set: Set = unique_names::parse(json).ok_or(InvalidKeySet::NotAKeySet)?;
    let mut keys = PublicKeys::new();
    for (kid, key) in set.keys.iter().filter_map(parse_key) {
        if keys.insert(kid.to_owned(), key).is_some() {
            return Err(InvalidKeySet::DuplicateKid(kid.to_owned()));
        }
    }
    if keys.is_empty() { Err(InvalidKeySet::NoUsableKey) } else { Ok(keys) }
}

/// Parses a JWK and its kid, if it verifies tokens
/// ([RFC 7517 section 4](https://www.rfc-editor.org/rfc/rfc7517#section-4)).
fn parse_key(jwk: &Value) -> Option<(&str, Box<dyn Verify>)> {
    let key = algorithm::parse_jwk(jwk)?;
    let verifies = |operations: &Value| {
        operations
            .as_array()
            .is_some_and(|operations| operations.iter().any(|operation| operation == "verify"))
    };
    let is_usable = jwk.get("use").is_none_or(|purpose| purpose == "sig")
        && jwk.get("alg").is_none_or(|alg| alg == key.alg())
        && jwk.get("key_ops").is_none_or(verifies);
    is_usable.then_some((jwk["kid"].as_str()?, key))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Returns the key of RFC 8037 appendix A.2 with `changes`, of which `null` removes a member.
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

    fn parse_set(keys: impl Into<Value>) -> Result<PublicKeys, InvalidKeySet> {
        parse(json!({ "keys": keys.into() }).to_string().as_bytes())
    }

    #[test]
    fn key_with_or_without_optional_members_is_usable() {
        for changes in [
            json!({}),
            json!({ "use": null, "alg": null }),
            json!({ "key_ops": ["verify"] }),
            json!({ "x5t": "whatever", "exp": 1 }),
        ] {
            assert!(parse_set([jwk(changes.clone())]).unwrap().contains_key("one"), "{changes}");
        }
    }

    #[test]
    fn keys_of_other_types_and_purposes_are_ignored() {
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
            // The neutral element of the curve, for which anyone can forge signatures.
            json!({ "x": "AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" }),
        ];
        for other in &others {
            assert_eq!(parse_set([jwk(other.clone())]).err().unwrap(), InvalidKeySet::NoUsableKey, "{other}");
        }
        let mut set: Vec<_> = others.into_iter().map(jwk).collect();
        set.extend([json!("a key"), json!(["OKP", "Ed25519"]), json!(null), jwk(json!({}))]);
        let keys = parse_set(set).unwrap();
        assert_eq!(keys.keys().collect::<Vec<_>>(), ["one"]);
    }

    #[test]
    fn two_usable_keys_with_one_kid_are_rejected() {
        let twice = parse_set([jwk(json!({})), jwk(json!({}))]).err().unwrap();
        assert_eq!(twice, InvalidKeySet::DuplicateKid("one".into()));
        // RFC 7517 section 4.5: keys of different types may share a kid.
        assert!(parse_set([jwk(json!({ "kty": "RSA" })), jwk(json!({}))]).is_ok());
        assert!(parse_set([jwk(json!({})), jwk(json!({ "kid": "two" }))]).is_ok());
    }

    #[test]
    fn text_that_is_not_a_key_set_is_rejected() {
        for json in ["", "[]", "{}", r#"{"keys":{}}"#, r#"{"keys":[],"keys":[]}"#, "<html>"] {
            assert_eq!(parse(json.as_bytes()).err().unwrap(), InvalidKeySet::NotAKeySet, "{json}");
        }
        assert_eq!(parse_set(json!([])).err().unwrap(), InvalidKeySet::NoUsableKey);
    }

    #[test]
    fn key_set_longer_than_64_kib_is_rejected() {
        let mut json = json!({ "keys": [jwk(json!({}))] }).to_string();
        json.extend(std::iter::repeat_n(' ', MAX_LENGTH - json.len()));
        assert!(parse(json.as_bytes()).is_ok());
        json.push(' ');
        assert_eq!(parse(json.as_bytes()).err().unwrap(), InvalidKeySet::TooLong);
    }
}
