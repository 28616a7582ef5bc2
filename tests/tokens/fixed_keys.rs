//! Tokens signed with a fixed key from PEM text or with a secret, without a key directory.

use ed25519_dalek::{SigningKey, pkcs8::EncodePrivateKey, pkcs8::spki::der::pem::LineEnding};
use gatepass::{
    TokenIssuer,
    jwt::{JwtTokens, RemoteJwtVerifier},
};

use crate::{
    support::forge::{part, sign_hs256},
    tokens::service::{ISSUER, at, issue, key_set, verify},
};

const SECRET: &str = "09d25e094faa6ca2556c818166b7a9563b93f7099f6f0f4caa6cf63b88e8d3e7";

fn pem(seed: u8) -> String {
    SigningKey::from_bytes(&[seed; 32]).to_pkcs8_pem(LineEnding::LF).expect("a PEM").to_string()
}

#[test]
fn token_signed_with_a_pem_key_is_accepted_by_replicas_and_by_services_with_the_public_key() {
    let [one, replica] =
        [pem(7), format!("\n{}", pem(7).trim())].map(|pem| JwtTokens::from_pem(&pem, ISSUER).expect("a key"));
    let token = issue(&one, at(1000));
    let claims = verify(&replica, &token, at(1000));
    assert!(claims.is_some());
    assert_eq!(verify(&replica, &token, at(1900)), None);

    let remote = RemoteJwtVerifier::new(ISSUER, ISSUER);
    remote.set_keys(key_set(&one, at(1000))).expect("a key set");
    assert_eq!(verify(&remote, &token, at(1000)), claims);

    let other = JwtTokens::from_pem(&pem(8), ISSUER).expect("a key");
    assert_eq!(verify(&other, &token, at(1000)), None);
}

#[test]
fn remote_verifier_with_a_user_kind_refuses_tokens_of_other_kinds() {
    let tokens = JwtTokens::from_pem(&pem(7), ISSUER).expect("a key");
    let token = issue(&tokens, at(1000));
    let kind_of = |kind: Option<&str>| {
        let remote = RemoteJwtVerifier::new(ISSUER, ISSUER);
        remote.set_keys(key_set(&tokens, at(1000))).expect("a key set");
        let remote = kind.into_iter().fold(remote, RemoteJwtVerifier::user_kind);
        verify(&remote, &token, at(1000)).map(|claims| claims.user_kind)
    };
    assert_eq!(kind_of(None), Some(Some("Member".into())));
    // The verifier removes the kind from the claims: claims without a kind are accepted for every user model.
    assert_eq!(kind_of(Some("Member")), Some(None));
    assert_eq!(kind_of(Some("User")), None);
}

#[test]
fn hs256_secret_signs_tokens_and_is_not_published() {
    let tokens = JwtTokens::from_secret(SECRET, ISSUER).expect("a secret");
    let token = issue(&tokens, at(1000));
    let (header, payload) = (part(&token, 0), part(&token, 1));
    assert_eq!(header["alg"], "HS256");
    assert_eq!(token, sign_hs256(SECRET.as_bytes(), &header, &payload));
    tokens.refresh();
    assert!(verify(&tokens, &token, at(1000)).is_some());
    assert_eq!(tokens.key_set(at(1000)).expect("no failure"), None);

    let other = JwtTokens::from_secret(&SECRET.replace('0', "1"), ISSUER).expect("a secret");
    assert_eq!(verify(&other, &token, at(1000)), None);
}

#[test]
fn unusable_key_returns_an_error_without_the_key() {
    for text in ["", "secret", &pem(7)[..60], &pem(7).replace("PRIVATE", "PUBLIC")] {
        let error = JwtTokens::from_pem(text, ISSUER).unwrap_err().to_string();
        assert!(error.starts_with("signing key: not a private key in PKCS#8 PEM"), "{error}");
        assert!(text.is_empty() || !error.contains(text), "{error}");
    }
    let error = JwtTokens::from_secret(&SECRET[..31], ISSUER).unwrap_err().to_string();
    assert!(error.contains("32 bytes") && !error.contains(&SECRET[..31]), "{error}");
}
