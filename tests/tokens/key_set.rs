//! Tokens verified elsewhere, with nothing but the published keys.

use std::time::Duration;

use futures_util::FutureExt;
use gatepass::{
    AccessToken, GrantedScopes, InvalidKeySet, KeyDirectory, NewToken, PublishedKeys, RemoteJwtVerifier,
    SigningAlgorithm, TokenService,
};

use crate::service::{ISSUER, Tokens, at, issue, verify};

fn key_set(tokens: &Tokens, now: u64) -> String {
    tokens.tokens.key_set(at(now)).unwrap().json
}

#[test]
fn until_keys_came_the_answer_is_not_no_but_not_yet() {
    let tokens = Tokens::open(SigningAlgorithm::EdDsa, at(1000));
    let token = issue(&tokens.tokens, at(1000));
    let elsewhere = RemoteJwtVerifier::new(ISSUER, ISSUER);
    let asked = elsewhere.verify(&AccessToken::from(token.as_str()), at(1000)).now_or_never().unwrap();
    assert!(asked.unwrap_err().is_temporary());
    elsewhere.set_keys(key_set(&tokens, 1000)).unwrap();
    assert_eq!(verify(&elsewhere, &token, at(1000)), verify(&tokens.tokens, &token, at(1000)));
}

#[test]
fn a_set_without_a_key_that_verifies_leaves_the_keys_before() {
    let tokens = Tokens::open(SigningAlgorithm::EdDsa, at(1000));
    let token = issue(&tokens.tokens, at(1000));
    let elsewhere = RemoteJwtVerifier::new(ISSUER, ISSUER);
    elsewhere.set_keys(key_set(&tokens, 1000)).unwrap();
    // As HS256 publishes it.
    assert_eq!(elsewhere.set_keys(r#"{"keys":[]}"#), Err(InvalidKeySet::NoKey));
    assert_eq!(elsewhere.set_keys("<html>Bad gateway</html>"), Err(InvalidKeySet::NoSet));
    assert!(verify(&elsewhere, &token, at(1000)).is_some());
}

#[test]
fn a_token_of_an_unknown_key_calls_for_the_keys_and_one_of_a_known_key_does_not() {
    let tokens = Tokens::open(SigningAlgorithm::EdDsa, at(1000));
    let elsewhere = RemoteJwtVerifier::new(ISSUER, ISSUER);
    elsewhere.set_keys(key_set(&tokens, 1000)).unwrap();
    KeyDirectory::new(&tokens.settings).rotate(at(2000)).expect("a second key");
    tokens.tokens.refresh();
    let [old, new] = [1500, 2300].map(|now| issue(&tokens.tokens, at(now)));

    assert!(verify(&elsewhere, &old, at(1500)).is_some());
    assert!(verify(&elsewhere, &old, at(9000)).is_none(), "it has ended");
    assert!(verify(&elsewhere, "guessed", at(1500)).is_none());
    assert!(elsewhere.unknown_key().now_or_never().is_none(), "nothing calls");

    let clone = elsewhere.clone();
    for _ in 0..3 {
        assert!(verify(&clone, &new, at(2300)).is_none());
    }
    assert!(elsewhere.unknown_key().now_or_never().is_some(), "the new key calls");
    assert!(elsewhere.unknown_key().now_or_never().is_none(), "once");
    elsewhere.set_keys(key_set(&tokens, 2300)).unwrap();
    assert!(verify(&clone, &new, at(2300)).is_some());
}

#[test]
fn the_leeway_counts_at_both_ends_and_the_audience_is_ones_own() {
    let tokens = Tokens::open(SigningAlgorithm::EdDsa, at(1000));
    let token = issue(&tokens.tokens, at(1000));
    let elsewhere = RemoteJwtVerifier::new(ISSUER, ISSUER).leeway(Duration::from_secs(10));
    elsewhere.set_keys(key_set(&tokens, 1000)).unwrap();
    for (now, valid) in [(989, false), (990, true), (1909, true), (1910, false)] {
        assert_eq!(verify(&elsewhere, &token, at(now)).is_some(), valid, "{now}");
    }
    for (issuer, audience) in [(ISSUER, "https://other"), ("https://other", ISSUER)] {
        let other = RemoteJwtVerifier::new(issuer, audience);
        other.set_keys(key_set(&tokens, 1000)).unwrap();
        assert_eq!(verify(&other, &token, at(1000)), None, "{issuer} {audience}");
    }
}

#[test]
fn who_only_verifies_issues_nothing() {
    let order = NewToken {
        subject: 1_u64.into(),
        granted_scopes: GrantedScopes::All,
        client_id: None,
        session_id: None,
        now: at(1000),
    };
    let issued = RemoteJwtVerifier::new(ISSUER, ISSUER).issue(&order).now_or_never().unwrap();
    let fault = issued.unwrap_err();
    assert!(!fault.is_temporary() && fault.to_string().contains(ISSUER), "{fault}");
}
