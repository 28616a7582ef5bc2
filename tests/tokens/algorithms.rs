//! The signing algorithms: published keys, forged tokens, and changes from one algorithm to another.

use std::{fs, time::Duration};

use gatepass::{
    Timestamp,
    jwt::{JwtTokens, KeyDirectory, RemoteJwtVerifier, SigningAlgorithm},
};
use jsonwebtoken::Algorithm;
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PublicKeyData, SignatureAlgorithm};
use serde_json::{Value, json};

use crate::{
    support::{
        forge::{Forge, base64url, decode, kid, part, sign_hs256, with},
        wait::{TIMEOUT, wait_until},
    },
    tokens::service::{ISSUER, Tokens, at, issue, key_set, now, serve, sign_in, users_me, verify},
};

const PUBLIC: [SigningAlgorithm; 3] =
    [SigningAlgorithm::Es256, SigningAlgorithm::Rs256, SigningAlgorithm::EdDsa];
const NOW: Timestamp = Timestamp::from_unix(1000);

/// Returns the verifier of a service that has only the public keys.
fn remote(tokens: &JwtTokens, now: Timestamp) -> RemoteJwtVerifier {
    let remote = RemoteJwtVerifier::new(ISSUER, ISSUER);
    remote.set_keys(key_set(tokens, now)).expect("a key set");
    remote
}

#[test]
fn published_key_has_only_the_members_of_its_key_type() {
    let length = |value: &Value| decode(value.as_str().unwrap()).len();
    for algorithm in PUBLIC {
        let tokens = Tokens::open(algorithm, NOW);
        let set: Value = serde_json::from_str(&key_set(&tokens.tokens, NOW)).unwrap();
        let jwk = &set["keys"][0];
        let token = issue(&tokens.tokens, NOW);
        assert_eq!(part(&token, 0), json!({ "typ": "at+jwt", "alg": algorithm.name(), "kid": jwk["kid"] }));
        assert_eq!((&jwk["alg"], &jwk["use"]), (&json!(algorithm.name()), &json!("sig")));
        let signature = decode(token.rsplit('.').next().unwrap()).len();
        let members: Vec<_> = jwk.as_object().unwrap().keys().map(String::as_str).collect();
        match algorithm {
            SigningAlgorithm::Es256 => {
                assert_eq!(members, ["alg", "crv", "kid", "kty", "use", "x", "y"]);
                assert_eq!((&jwk["kty"], &jwk["crv"], signature), (&json!("EC"), &json!("P-256"), 64));
                assert_eq!((length(&jwk["x"]), length(&jwk["y"])), (32, 32));
            }
            SigningAlgorithm::Rs256 => {
                assert_eq!(members, ["alg", "e", "kid", "kty", "n", "use"]);
                assert_eq!((&jwk["kty"], &jwk["e"], signature), (&json!("RSA"), &json!("AQAB"), 384));
                assert_eq!(length(&jwk["n"]), 384);
            }
            _ => {
                assert_eq!(members, ["alg", "crv", "kid", "kty", "use", "x"]);
                assert_eq!((&jwk["kty"], &jwk["crv"], signature), (&json!("OKP"), &json!("Ed25519"), 64));
            }
        }
    }
}

#[test]
fn forged_token_is_refused_for_each_algorithm() {
    for algorithm in PUBLIC {
        let tokens = Tokens::open(algorithm, NOW);
        let remote = remote(&tokens.tokens, NOW);
        let forge = Forge::with_key_of(&tokens.keys_dir);
        let token = issue(&tokens.tokens, NOW);
        let (header, payload) = (part(&token, 0), part(&token, 1));
        let accepts = |token: &str| {
            let claims = verify(&tokens.tokens, token, NOW);
            assert_eq!(verify(&remote, token, NOW), claims, "{token}");
            claims.is_some()
        };
        assert!(accepts(&token) && accepts(&forge.sign(&header, &payload)), "{algorithm:?}");

        // The header must not determine the algorithm.
        let set: Value = serde_json::from_str(&key_set(&tokens.tokens, NOW)).unwrap();
        let mut secrets =
            vec![Vec::new(), set["keys"][0].to_string().into_bytes(), set.to_string().into_bytes()];
        secrets.extend(["x", "y", "n"].iter().filter_map(|name| set["keys"][0][name].as_str()).map(decode));
        for alg in [
            "none", "HS256", "HS384", "ES256", "ES384", "ES512", "RS256", "RS512", "PS256", "EdDSA", "",
            "ES256K",
        ] {
            if alg == algorithm.name() {
                continue;
            }
            let header = with(&header, "alg", json!(alg));
            assert!(!accepts(&forge.sign(&header, &payload)), "{alg}");
            for secret in &secrets {
                assert!(!accepts(&sign_hs256(secret, &header, &payload)), "{alg}");
            }
            let unsigned = forge.sign(&header, &payload);
            assert!(!accepts(&format!("{}.", unsigned.rsplit_once('.').unwrap().0)), "{alg}");
        }
        for stranger in PUBLIC.map(|algorithm| Forge::stranger(algorithm, &forge.kid)) {
            assert!(!accepts(&stranger.sign(&header, &payload)));
            assert!(!accepts(&stranger.sign(stranger.header(), &payload)));
        }
        if algorithm == SigningAlgorithm::Rs256 {
            let pss = Forge { algorithm: Algorithm::PS256, ..forge.clone() };
            assert!(!accepts(&pss.sign(&header, &payload)) && !accepts(&pss.sign(pss.header(), &payload)));
        }

        let (signed, signature) = token.rsplit_once('.').unwrap();
        let signature = decode(signature);
        let (r, s) = signature.split_at(signature.len() / 2);
        // The order of P-256. In valid signatures, r and s are smaller.
        let order = [
            [0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
            [0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51],
        ];
        for wrong in [
            vec![0; signature.len()],
            vec![0xff; signature.len()],
            [order.concat(), order.concat()].concat(),
            [s, r].concat(),
            [&[0], &signature[..]].concat(),
            [&signature[..], &[0]].concat(),
            signature[1..].to_vec(),
            // DER, the encoding of ECDSA signatures in other protocols.
            [&[0x30, 0x44, 2, 0x20], r, &[2, 0x20], s].concat(),
        ] {
            assert!(!accepts(&format!("{signed}.{}", base64url(wrong))));
        }
        let promoted = base64url(with(&payload, "sub", json!("2")).to_string());
        let header = signed.split_once('.').unwrap().0;
        assert!(!accepts(&format!("{header}.{promoted}.{}", base64url(&signature))));
    }
}

#[test]
fn tokens_stay_valid_while_the_algorithm_changes() {
    // The key in this directory is not for the default algorithm, ES256.
    let opened = Tokens::open(SigningAlgorithm::EdDsa, at(1000));
    let mut settings = opened.settings.clone();
    settings.algorithm = None;
    let tokens = JwtTokens::open_at(settings.clone(), at(1000)).unwrap();
    let kept = KeyDirectory::new(&opened.keys_dir, &settings).rotate_at(at(1001)).unwrap();
    assert_eq!(
        kept.algorithm,
        SigningAlgorithm::EdDsa,
        "if no algorithm is set, a new key should have the same one"
    );

    let mut issued = vec![issue(&tokens, at(1400))];
    let changes =
        [SigningAlgorithm::Es256, SigningAlgorithm::Rs256, SigningAlgorithm::Hs256, SigningAlgorithm::Es256];
    for (number, algorithm) in (1..).zip(changes) {
        let start = 1000 + 500 * number;
        settings.algorithm = Some(algorithm);
        let next = KeyDirectory::new(&opened.keys_dir, &settings).rotate_at(at(start)).unwrap();
        assert_eq!(next.algorithm, algorithm);
        tokens.refresh();
        let before = issue(&tokens, at(start + 299));
        assert_ne!(kid(&before), next.kid, "the new key should not be used yet");
        let remote = remote(&tokens, at(start));
        let after = issue(&tokens, at(start + 300));
        assert_eq!((kid(&after), &part(&after, 0)["alg"]), (next.kid.clone(), &json!(algorithm.name())));
        issued.extend([before, after.clone()]);
        if algorithm != SigningAlgorithm::Hs256 {
            // Other services fetched the key before it signed any token.
            assert_eq!(verify(&remote, &after, at(start + 300)), verify(&tokens, &after, at(start + 300)));
        }
        for token in &issued {
            let expires = part(token, 1)["exp"].as_u64().unwrap();
            assert_eq!(verify(&tokens, token, at(start + 300)).is_some(), start + 300 < expires, "{token}");
        }
    }
}

#[test]
fn running_service_switches_from_hs256_to_es256() {
    let opened = Tokens::open_with(now(), |settings| {
        settings.activation_delay = Duration::ZERO;
        settings.algorithm = Some(SigningAlgorithm::Hs256);
    });
    let address = serve(&opened.tokens);
    let old = sign_in(address);
    let settings =
        gatepass::jwt::JwtSettings { algorithm: Some(SigningAlgorithm::Es256), ..opened.settings.clone() };
    let new = KeyDirectory::new(&opened.keys_dir, &settings).rotate().unwrap();
    wait_until(TIMEOUT, "the new key is used", || kid(&sign_in(address)) == new.kid);
    assert_eq!(users_me(address, &old).status, 200);
    let token = sign_in(address);
    let remote = RemoteJwtVerifier::new(ISSUER, ISSUER);
    let published = crate::support::http::get("/.well-known/jwks.json").send(address);
    remote.set_keys(&published.body).unwrap();
    assert!(verify(&remote, &token, now()).is_some());
}

#[test]
fn key_is_imported_only_once_and_unsupported_keys_are_refused() {
    let tokens = Tokens::open(SigningAlgorithm::Es256, now());
    for algorithm in PUBLIC {
        let pem = Forge::stranger(algorithm, "").pem;
        let key = tokens.keys().import(&format!("\n{pem}\n")).unwrap();
        assert_eq!((key.algorithm, fs::read_to_string(&key.file).unwrap()), (algorithm, pem.clone()));
        let again = tokens.keys().import(&pem).unwrap_err().to_string();
        assert!(again.ends_with("this key already exists"), "{again}");
    }
    assert_eq!(tokens.keys().list().unwrap().len(), 4);
    let p384 = KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).unwrap().serialize_pem();
    let pkcs1 = Forge::stranger(SigningAlgorithm::Rs256, "").pem.replace("PRIVATE", "RSA PRIVATE");
    for (text, word) in [("", "PKCS#8"), (&*p384, "P-256"), (&*pkcs1, "RSA PRIVATE KEY")] {
        let error = tokens.keys().import(text).unwrap_err().to_string();
        assert!(error.starts_with("imported key: ") && error.contains(word), "{error}");
    }
}

/// Returns an ECDSA key of another issuer: the private key as PEM, and the public key as a JWK.
fn foreign_ec(algorithm: &'static SignatureAlgorithm, crv: &str) -> (String, Value) {
    let pair = KeyPair::generate_for(algorithm).unwrap();
    let point = pair.der_bytes()[1..].to_vec();
    let (x, y) = point.split_at(point.len() / 2);
    (pair.serialize_pem(), json!({ "kty": "EC", "crv": crv, "x": base64url(x), "y": base64url(y) }))
}

#[test]
fn remote_verifier_accepts_each_algorithm_of_another_issuer() {
    let payload = json!({
        "iss": ISSUER, "sub": "7", "aud": ISSUER, "exp": 2000, "iat": 1000, "jti": "x", "client_id": "web", "scope": "me",
    });
    let (p256, p256_jwk) = foreign_ec(&PKCS_ECDSA_P256_SHA256, "P-256");
    let (p384, p384_jwk) = foreign_ec(&PKCS_ECDSA_P384_SHA384, "P-384");
    let rsa = Tokens::open(SigningAlgorithm::Rs256, NOW);
    let set: Value = serde_json::from_str(&key_set(&rsa.tokens, NOW)).unwrap();
    let rsa_jwk = with(&set["keys"][0], "alg", None);
    let rsa = Forge::with_key_of(&rsa.keys_dir).pem;
    for (algorithm, pem, jwk) in [
        (Algorithm::ES256, &p256, &p256_jwk),
        (Algorithm::ES384, &p384, &p384_jwk),
        (Algorithm::RS256, &rsa, &rsa_jwk),
        (Algorithm::PS256, &rsa, &rsa_jwk),
    ] {
        let forge = Forge { algorithm, ..Forge::with_pem(pem.clone(), "their-key") };
        let token = forge.sign(forge.header(), &payload);
        let anonymous = forge.sign(with(&forge.header(), "kid", None), &payload);
        let verifies = |jwk: Value, token: &str| {
            let remote = RemoteJwtVerifier::new(ISSUER, ISSUER);
            let other = with(&p256_jwk, "kid", json!("another key"));
            remote
                .set_keys(json!({ "keys": [{ "kty": "oct", "k": "AA" }, other, jwk] }).to_string())
                .unwrap();
            verify(&remote, token, NOW).is_some()
        };
        let named = with(jwk, "kid", json!("their-key"));
        assert!(verifies(named.clone(), &token), "{algorithm:?}");
        assert!(verifies(with(&named, "alg", json!(format!("{algorithm:?}"))), &token), "{algorithm:?}");
        // If a token has no `kid`, the algorithm must identify the key.
        let is_unique = algorithm != Algorithm::ES256;
        assert_eq!(verifies(named.clone(), &anonymous), is_unique, "{algorithm:?}");
        assert!(verifies(with(jwk, "kid", None), &token), "{algorithm:?}");
        assert!(!verifies(with(&named, "alg", json!("ES512")), &token), "{algorithm:?}");
        assert!(!verifies(with(&named, "use", json!("enc")), &token), "{algorithm:?}");
    }
}
