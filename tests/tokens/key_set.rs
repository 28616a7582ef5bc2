//! Tokens that another service verifies with the published keys.

use std::{num::NonZeroUsize, sync::Arc, time::Duration};

use futures_util::FutureExt;
use gatepass::{
    AccessToken, Auth, AuthUser, NewToken, TokenIssuer, TokenVerifier,
    auth::Authentication,
    cache::TokenCache,
    jwt::{InvalidKeySet, RemoteJwtVerifier, SigningAlgorithm, TokenUser, TokenUsers},
};

use crate::tokens::service::{ISSUER, Tokens, at, issue, key_set, new_token, verify};

#[test]
fn cached_token_is_invalid_after_its_key_is_removed_from_the_key_set() {
    let [one, other] = [(); 2].map(|()| Tokens::open(SigningAlgorithm::Es256, at(1000)));
    let [keys, other_keys] = [&one, &other].map(|tokens| key_set(&tokens.tokens, at(1000)));
    let remote = RemoteJwtVerifier::new(ISSUER, ISSUER);
    let cache = Arc::new(TokenCache::new(NonZeroUsize::MIN));
    remote.watch(cache.clone());
    remote.set_keys(&keys).unwrap();
    let auth = Auth::builder(TokenUsers).token_verifier(remote.clone()).token_cache(cache.clone());
    let auth = auth.clock(|| at(1000)).build().unwrap();
    let new = NewToken { user_kind: TokenUser::user_kind(), ..new_token(at(1000)) };
    let token = one.tokens.issue(&new).now_or_never().unwrap().unwrap().access_token;
    let authenticate = || auth.authenticate(&token).now_or_never().unwrap().unwrap();
    for _ in 0..2 {
        let Authentication::Valid(found) = authenticate() else { panic!("expected a valid token") };
        assert_eq!(found.user.subject(), 1_u64.into());
        // Setting the same keys again does not clear the cache.
        remote.set_keys(&keys).unwrap();
    }
    assert_eq!((cache.stats().hits, cache.stats().entries), (1, 1));
    remote.set_keys(other_keys).unwrap();
    assert!(matches!(authenticate(), Authentication::Invalid));
}

#[test]
fn verify_before_keys_are_set_returns_a_temporary_error() {
    let tokens = Tokens::open(SigningAlgorithm::EdDsa, at(1000));
    let token = issue(&tokens.tokens, at(1000));
    let remote = RemoteJwtVerifier::new(ISSUER, ISSUER);
    let verified = remote.verify(&AccessToken::from(token.as_str()), at(1000)).now_or_never().unwrap();
    assert!(verified.unwrap_err().is_temporary());
    remote.set_keys(key_set(&tokens.tokens, at(1000))).unwrap();
    assert_eq!(verify(&remote, &token, at(1000)), verify(&tokens.tokens, &token, at(1000)));
}

#[test]
fn unusable_key_set_does_not_replace_the_previous_keys() {
    let tokens = Tokens::open(SigningAlgorithm::EdDsa, at(1000));
    let token = issue(&tokens.tokens, at(1000));
    let remote = RemoteJwtVerifier::new(ISSUER, ISSUER);
    remote.set_keys(key_set(&tokens.tokens, at(1000))).unwrap();
    // The key set of an issuer that signs with HS256 is empty.
    assert_eq!(remote.set_keys(r#"{"keys":[]}"#), Err(InvalidKeySet::NoUsableKey));
    assert_eq!(remote.set_keys("<html>Bad gateway</html>"), Err(InvalidKeySet::NotAKeySet));
    assert!(verify(&remote, &token, at(1000)).is_some());
}

#[test]
fn unknown_key_is_reported_once_and_a_known_key_is_not_reported() {
    let tokens = Tokens::open(SigningAlgorithm::EdDsa, at(1000));
    let remote = RemoteJwtVerifier::new(ISSUER, ISSUER);
    remote.set_keys(key_set(&tokens.tokens, at(1000))).unwrap();
    tokens.keys().rotate_at(at(2000)).expect("a second key");
    tokens.tokens.refresh();
    let [old, new] = [1500, 2300].map(|now| issue(&tokens.tokens, at(now)));

    assert!(verify(&remote, &old, at(1500)).is_some());
    assert!(verify(&remote, &old, at(9000)).is_none(), "an expired token should be refused");
    assert!(verify(&remote, "guessed", at(1500)).is_none());
    assert!(remote.unknown_key().now_or_never().is_none(), "no unknown key should be reported yet");

    let clone = remote.clone();
    for _ in 0..3 {
        assert!(verify(&clone, &new, at(2300)).is_none());
    }
    assert!(remote.unknown_key().now_or_never().is_some(), "the unknown key should be reported");
    assert!(remote.unknown_key().now_or_never().is_none(), "the unknown key should be reported only once");
    remote.set_keys(key_set(&tokens.tokens, at(2300))).unwrap();
    assert!(verify(&clone, &new, at(2300)).is_some());
}

#[test]
fn leeway_is_applied_and_other_issuers_and_audiences_are_refused() {
    let tokens = Tokens::open(SigningAlgorithm::EdDsa, at(1000));
    let token = issue(&tokens.tokens, at(1000));
    for (issuer, audience, now, valid) in [
        (ISSUER, ISSUER, 1909, true),
        (ISSUER, ISSUER, 1910, false),
        (ISSUER, "https://other", 1000, false),
        ("https://other", ISSUER, 1000, false),
    ] {
        let remote = RemoteJwtVerifier::new(issuer, audience).leeway(Duration::from_secs(10));
        remote.set_keys(key_set(&tokens.tokens, at(1000))).unwrap();
        assert_eq!(verify(&remote, &token, at(now)).is_some(), valid, "{issuer} {audience} {now}");
    }
}
