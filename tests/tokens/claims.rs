//! The claims of issued tokens.

use futures_util::FutureExt;
use gatepass::{ClientId, GrantedScopes, TokenIssuer, jwt::SigningAlgorithm, sessions::SessionId};
use serde_json::{Map, Value, json};

use crate::{
    support::forge::part,
    tokens::service::{ISSUER, Tokens, at, issue_new, new_token, verify},
};

const BOTH: [SigningAlgorithm; 2] = [SigningAlgorithm::EdDsa, SigningAlgorithm::Hs256];

fn extra_claims(claims: Value) -> Map<String, Value> {
    claims.as_object().expect("an object").clone()
}

#[test]
fn token_of_another_user_kind_keeps_its_kind() {
    for algorithm in BOTH {
        let Tokens { tokens, .. } = &Tokens::open(algorithm, at(1000));
        for kind in ["Member", "Staff"] {
            let mut new = new_token(at(1000));
            new.user_kind = kind;
            let token = issue_new(tokens, &new);
            assert_eq!(part(&token, 1)["user_kind"], kind);
            assert_eq!(verify(tokens, &token, at(1000)).expect("valid").user_kind.as_deref(), Some(kind));
        }
    }
}

#[test]
fn extra_claims_appear_in_the_payload() {
    let Tokens { tokens, .. } = &Tokens::open(SigningAlgorithm::EdDsa, at(1000));
    let mut new = new_token(at(1000));
    new.extra_claims = extra_claims(json!({ "tenant": 3, "roles": ["a", { "b": null }], "none": null }));
    let token = issue_new(tokens, &new);
    for (name, value) in &new.extra_claims {
        assert_eq!(part(&token, 1).get(name), Some(value), "{name}");
    }
    assert!(verify(tokens, &token, at(1000)).is_some());
}

#[test]
fn extra_claims_never_replace_registered_ones() {
    let Tokens { tokens, .. } = &Tokens::open(SigningAlgorithm::EdDsa, at(1000));
    let forged = extra_claims(json!({
        "iss": "x", "sub": "x", "aud": "x", "exp": 9_999_999_999_u64, "iat": 1, "nbf": 9_999_999_999_u64, "jti": "x",
        "sid": "x", "client_id": "x", "scope": "admin", "unrestricted": true, "user_kind": "x",
    }));
    let no_scopes = GrantedScopes::Only("".parse().unwrap());
    for granted_scopes in [GrantedScopes::All, GrantedScopes::Only("me".parse().unwrap()), no_scopes] {
        let mut new = new_token(at(1000));
        new.granted_scopes = granted_scopes;
        let before = verify(tokens, &issue_new(tokens, &new), at(1000)).expect("valid");
        new.extra_claims = forged.clone();
        let token = issue_new(tokens, &new);
        let mut claims = verify(tokens, &token, at(1000)).expect("valid");
        claims.token_id.clone_from(&before.token_id);
        assert_eq!(claims, before);
        let payload = part(&token, 1);
        assert_eq!((&payload["iss"], &payload["aud"]), (&json!(ISSUER), &json!(ISSUER)));
        for name in ["nbf", "sid", "client_id"] {
            assert_eq!(payload.get(name), None, "{name}");
        }
    }
}

#[test]
fn claims_of_a_client_and_a_session_are_read_as_they_were_issued() {
    let Tokens { tokens, .. } = &Tokens::open(SigningAlgorithm::EdDsa, at(1000));
    let mut new = new_token(at(1000));
    new.client_id = Some(ClientId::new("web").unwrap());
    new.session_id = Some(SessionId::new("s1").unwrap());
    new.granted_scopes = GrantedScopes::Only("me items:read".parse().unwrap());
    let claims = verify(tokens, &issue_new(tokens, &new), at(1000)).expect("valid");
    assert_eq!((claims.client_id, claims.session_id), (new.client_id, new.session_id));
    assert_eq!((claims.subject, claims.granted_scopes), (new.subject, new.granted_scopes));
}

#[test]
fn token_that_would_be_too_long_to_verify_is_not_issued() {
    let Tokens { tokens, .. } = &Tokens::open(SigningAlgorithm::EdDsa, at(1000));
    let mut new = new_token(at(1000));
    new.extra_claims = extra_claims(json!({ "padding": "x".repeat(5000) }));
    assert!(verify(tokens, &issue_new(tokens, &new), at(1000)).is_some());
    new.extra_claims = extra_claims(json!({ "padding": "x".repeat(6200) }));
    let error = tokens.issue(&new).now_or_never().expect("no waiting").unwrap_err();
    assert!(error.to_string().contains("extra claims"), "{error}");
}
