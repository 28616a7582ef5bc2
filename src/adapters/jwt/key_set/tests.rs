use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::json;

use super::*;

/// Returns the key of RFC 8037 appendix A.2 with `changes`; the value `null` removes a member.
fn jwk(changes: Value) -> Value {
    let x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
    with(
        json!({ "kty": "OKP", "crv": "Ed25519", "x": x, "kid": "one", "use": "sig", "alg": "EdDSA" }),
        changes,
    )
}

/// Returns the key of RFC 7515 appendix A.3.
fn ec(changes: Value) -> Value {
    let (x, y) =
        ("f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0");
    with(json!({ "kty": "EC", "crv": "P-256", "x": x, "y": y, "kid": "one" }), changes)
}

/// Returns an RSA key of 2048 bits without `alg`.
fn rsa(changes: Value) -> Value {
    with(json!({ "kty": "RSA", "n": modulus(2048), "e": "AQAB", "kid": "one" }), changes)
}

fn modulus(bits: usize) -> String {
    let mut n = vec![0xff; bits.div_ceil(8)];
    n[0] >>= (8 - bits % 8) % 8;
    URL_SAFE_NO_PAD.encode(n)
}

fn with(mut jwk: Value, changes: Value) -> Value {
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
        assert!(parse_set([jwk(changes.clone())]).unwrap().has(Some("one")), "{changes}");
    }
}

#[test]
fn keys_of_unsupported_types_or_for_other_purposes_are_ignored() {
    let others = [
        json!({ "kty": "RSA" }),
        json!({ "kty": "EC", "crv": "P-256" }),
        json!({ "kty": "oct", "k": "c2VjcmV0" }),
        json!({ "crv": "X25519" }),
        json!({ "crv": "Ed448" }),
        json!({ "use": "enc" }),
        json!({ "key_ops": ["sign"] }),
        json!({ "alg": "ES256" }),
        json!({ "kid": 7 }),
        json!({ "x": null }),
        json!({ "x": "" }),
        json!({ "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHUR" }),
        json!({ "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo=" }),
        // The identity element of the curve, for which anyone can forge signatures.
        json!({ "x": "AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" }),
    ];
    for other in &others {
        assert_eq!(parse_set([jwk(other.clone())]).err().unwrap(), InvalidKeySet::NoUsableKey, "{other}");
    }
    let mut set: Vec<_> = others.into_iter().map(jwk).collect();
    set.extend([json!("a key"), json!(["OKP", "Ed25519"]), json!(null), jwk(json!({}))]);
    assert_eq!(parse_set(set).unwrap().0.len(), 1);
}

#[test]
fn two_keys_with_the_same_kid_and_algorithm_are_rejected() {
    let twice = parse_set([jwk(json!({})), jwk(json!({ "use": null }))]).err().unwrap();
    assert_eq!(twice, InvalidKeySet::DuplicateKid("one".into()));
    assert_eq!(
        parse_set([jwk(json!({})), ec(json!({})), jwk(json!({}))]).unwrap().0.len(),
        2,
        "expected the repeated key to be ignored"
    );
    // RFC 7517 section 4.5: keys of different types may share a kid.
    assert_eq!(parse_set([ec(json!({})), rsa(json!({})), jwk(json!({}))]).unwrap().0.len(), 3);
    assert!(parse_set([rsa(json!({ "alg": "RS256" })), rsa(json!({ "alg": "PS256" }))]).is_ok());
    assert!(parse_set([rsa(json!({})), rsa(json!({ "alg": "PS256" }))]).is_err());
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

#[test]
fn ec_and_rsa_keys_are_usable_if_complete_and_long_enough() {
    let algorithms = |jwk| parse_key(&jwk).map(|key| key.key.algorithms());
    assert_eq!(algorithms(ec(json!({}))), Some(&["ES256"][..]));
    let p384 =
        json!({ "crv": "P-384", "x": URL_SAFE_NO_PAD.encode([1; 48]), "y": URL_SAFE_NO_PAD.encode([2; 48]) });
    assert_eq!(algorithms(ec(p384)), Some(&["ES384"][..]));
    assert_eq!(algorithms(rsa(json!({}))), Some(&["RS256", "PS256"][..]));
    for alg in ["RS256", "PS256"] {
        assert_eq!(algorithms(rsa(json!({ "alg": alg }))), Some(&[alg][..]));
    }
    for bits in [2048, 3000, 4096, 8192] {
        assert!(algorithms(rsa(json!({ "n": modulus(bits) }))).is_some(), "{bits}");
    }
    for unusable in [
        ec(json!({ "y": null })),
        ec(json!({ "x": "AQAB" })),
        ec(json!({ "crv": "P-521" })),
        ec(json!({ "crv": "secp256k1" })),
        ec(json!({ "crv": "P-384" })),
        ec(json!({ "alg": "ES384" })),
        ec(json!({ "alg": "HS256" })),
        ec(json!({ "use": "enc" })),
        rsa(json!({ "n": modulus(1024) })),
        rsa(json!({ "n": modulus(2047) })),
        rsa(json!({ "n": modulus(8193) })),
        rsa(json!({ "n": "" })),
        rsa(json!({ "e": null })),
        rsa(json!({ "alg": "RS512" })),
        rsa(json!({ "alg": "HS256" })),
        rsa(json!({ "alg": 256 })),
    ] {
        assert_eq!(algorithms(unusable.clone()), None, "{unusable}");
    }
}

#[test]
fn find_without_a_matching_kid_returns_a_key_only_if_there_is_exactly_one_candidate() {
    let find = |keys: &PublicKeys, kid, alg| keys.find(kid, alg).map(Verify::algorithms);
    let named = parse_set([ec(json!({})), rsa(json!({ "kid": "two", "alg": "RS256" }))]).unwrap();
    assert_eq!(find(&named, Some("one"), "ES256"), Some(&["ES256"][..]));
    assert_eq!(find(&named, None, "RS256"), Some(&["RS256"][..]), "expected a key for a token without `kid`");
    for (kid, alg) in [
        (Some("one"), "RS256"),
        (Some("two"), "PS256"),
        (Some("other"), "ES256"),
        (None, "HS256"),
        (None, "none"),
    ] {
        assert_eq!(find(&named, kid, alg), None, "{kid:?} {alg}");
    }
    let unnamed = parse_set([ec(json!({ "kid": null })), jwk(json!({}))]).unwrap();
    assert_eq!(find(&unnamed, Some("any"), "ES256"), Some(&["ES256"][..]), "expected the key without `kid`");
    assert_eq!(find(&unnamed, Some("any"), "EdDSA"), None);
    let ambiguous =
        parse_set([ec(json!({})), ec(json!({ "kid": "two" })), ec(json!({ "kid": null }))]).unwrap();
    assert_eq!(find(&ambiguous, None, "ES256"), None);
}
