//! Access tokens. An input of one line is a token. An input of two lines is a header and a payload, which are signed
//! here, so that the fuzzer gets past the signature check; the two lines are also the subject and the scopes of an
//! issued token. An input that begins with the line `keys` is a JSON Web Key Set.

use std::sync::LazyLock;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ed25519_dalek::{
    Signature, Signer, SigningKey, VerifyingKey,
    pkcs8::{EncodePrivateKey, spki::der::pem::LineEnding},
};
use gatepass::{
    AccessToken, Audience, Claims, ClientId, GrantedScopes, NewToken, Subject, Timestamp, TokenIssuer,
    TokenVerifier,
    jwt::{JwtSettings, JwtTokens, RemoteJwtVerifier, SigningKeys},
    sessions::SessionId,
};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::request::block_on;

const ISSUER: &str = "https://auth.example.com";
const AUDIENCE: &str = "https://api.example.com";
const USER_KIND: &str = "Member";
const NOW: u64 = 1_700_000_000;
/// The secret is constant, so that the corpus can contain valid tokens. It is valid UTF-8.
const SECRET: [u8; 32] = [7; 32];
const HMAC_KID: &str = "secret";

struct Services {
    key: SigningKey,
    kid: String,
    eddsa: JwtTokens,
    hs256: JwtTokens,
    /// The verifier of another service, which has the public keys of `eddsa`.
    remote: RemoteJwtVerifier,
}

static SERVICES: LazyLock<Services> = LazyLock::new(|| {
    let key = SigningKey::from_bytes(&SECRET);
    let kid = thumbprint(&key.verifying_key());
    let pem = key.to_pkcs8_pem(LineEnding::LF).expect("a PEM");
    let eddsa = open(SigningKeys::pem(&pem).expect("a key"));
    let hs256 = open(SigningKeys::secret(str::from_utf8(&SECRET).expect("UTF-8")).expect("a secret"));
    let remote = RemoteJwtVerifier::new(ISSUER, AUDIENCE);
    let keys = eddsa.key_set(now()).expect("no failure").expect("public keys");
    remote.set_keys(keys.json).expect("a key set");
    Services { key, kid, eddsa, hs256, remote }
});

fn open(keys: SigningKeys) -> JwtTokens {
    let settings = JwtSettings { audience: AUDIENCE.into(), ..JwtSettings::new(keys, ISSUER) };
    JwtTokens::open_at(settings, now()).expect("usable keys")
}

pub fn check(input: &[u8]) {
    let Ok(text) = str::from_utf8(input) else { return };
    if let Some(set) = text.strip_prefix("keys\n") {
        return check_key_set(set);
    }
    match text.split_once('\n') {
        None => check_token(text),
        Some((header, payload)) => {
            for token in signed(header, payload) {
                check_token(&token);
            }
            check_issued(header, payload);
        }
    }
}

/// Checks that an accepted token is valid according to RFC 9068, and that it is rejected after any change.
fn check_token(token: &str) {
    let Services { eddsa, hs256, remote, .. } = &*SERVICES;
    let local = verify(eddsa, token);
    // The remote verifier also accepts tokens without a user kind, and tokens without a kid if there is only one key.
    let has_kid =
        || decode(token.split('.').next()?).filter(|header| header.windows(5).any(|name| name == b"\"kid\""));
    let by_remote = verify(remote, token).filter(|claims| claims.user_kind.is_some() && has_kid().is_some());
    assert_eq!(by_remote, local, "the remote and the local verifier returned different claims: {token}");
    for (claims, algorithm) in [(local, "EdDSA"), (verify(hs256, token), "HS256")] {
        let Some(claims) = claims else { continue };
        let expected = genuine(token, algorithm)
            .unwrap_or_else(|| panic!("accepted a token that is not genuine: {token}"));
        assert_eq!(claims, expected, "{token}");
        // Change a sample of positions, for speed, and the last character, which has unused bits.
        for at in (0..token.len()).step_by(17).chain([token.len() - 1]) {
            let mut other = token.as_bytes().to_vec();
            other[at] = if other[at] == b'A' { b'B' } else { b'A' };
            let other = String::from_utf8(other).expect("ASCII");
            let service = if algorithm == "EdDSA" { eddsa } else { hs256 };
            assert_eq!(verify(service, &other), None, "accepted a token that was never signed: {other}");
        }
        for other in [format!("{token}."), format!("{token}="), format!(" {token}"), format!("{token}.x")] {
            assert_eq!(verify(eddsa, &other).or(verify(hs256, &other)), None, "{other}");
        }
    }
}

/// Returns tokens with this header and payload: signed with each key, and with the public key as an HMAC secret.
fn signed(header: &str, payload: &str) -> [String; 3] {
    let Services { key, kid, .. } = &*SERVICES;
    // `KID` stands for the kid, which the fuzzer cannot guess.
    let header = header.replace("KID", kid);
    let message = format!("{}.{}", base64url(header), base64url(payload));
    let with = |signature: Vec<u8>| format!("{message}.{}", base64url(signature));
    [
        with(key.sign(message.as_bytes()).to_bytes().to_vec()),
        with(hmac(&SECRET, message.as_bytes())),
        // Algorithm confusion (RFC 8725 section 2.1).
        with(hmac(key.verifying_key().as_bytes(), message.as_bytes())),
    ]
}

/// Checks that an issued token has the claims that it was issued with, whatever its extra claims are.
fn check_issued(subject: &str, scope: &str) {
    // Tokens that become too long are not issued.
    if subject.len() + scope.len() > 256 {
        return;
    }
    let (Ok(valid_subject), Ok(session_id)) = (Subject::new(subject), SessionId::new(subject)) else {
        return;
    };
    let granted_scopes = scope.parse().map_or(GrantedScopes::All, GrantedScopes::Only);
    let new = NewToken {
        subject: valid_subject,
        user_kind: USER_KIND,
        granted_scopes: granted_scopes.clone(),
        client_id: ClientId::new(scope).ok(),
        audiences: Vec::new(),
        session_id: Some(session_id),
        sequence: Some(7),
        extra_claims: Map::from_iter([(scope.to_owned(), json!(subject))]),
        now: now(),
    };
    let Services { eddsa, hs256, .. } = &*SERVICES;
    for (tokens, algorithm) in [(eddsa, "EdDSA"), (hs256, "HS256")] {
        let token = block_on(tokens.issue(&new)).expect("a token").access_token;
        let claims = verify(tokens, token.expose()).expect("a valid token");
        assert_eq!(Some(&claims), genuine(token.expose(), algorithm).as_ref());
        assert_eq!((claims.subject.as_str(), &claims.granted_scopes), (subject, &granted_scopes));
        assert_eq!(claims.user_kind.as_deref(), Some(USER_KIND));
        let end = claims.expires_at.expect("an expiry");
        assert_eq!(
            block_on(tokens.verify(&token, end)).expect("no failure"),
            None,
            "expected no claims at the expiry"
        );
    }
}

/// Checks that a verifier accepts our token only if its key set contains our key.
fn check_key_set(set: &str) {
    let Services { key, kid, .. } = &*SERVICES;
    let x = base64url(key.verifying_key().as_bytes());
    let set = set.replace("KID", kid).replace("PUBLIC", &x);
    let tokens = RemoteJwtVerifier::new(ISSUER, AUDIENCE);
    if tokens.set_keys(&set).is_err() {
        return;
    }
    let payload =
        json!({ "iss": ISSUER, "aud": AUDIENCE, "sub": "7", "iat": NOW, "exp": NOW + 1, "jti": "x" });
    let header = json!({ "typ": "at+jwt", "alg": "EdDSA", "kid": kid });
    let [token, ..] = signed(&header.to_string(), &payload.to_string());
    if verify(&tokens, &token).is_some() {
        let set: Value = serde_json::from_str(&set).expect("JSON");
        let has_our_kid = |key: &Value| key.get("kid").is_none_or(|key_id| key_id == &**kid);
        let is_ours = |key: &Value| key["x"] == x && has_our_kid(key) && key["crv"] == "Ed25519";
        assert!(set["keys"].as_array().expect("keys").iter().any(is_ours), "{set}");
    }
}

/// Verifies a token independently of Gatepass, according to RFC 9068 section 4, and returns its claims.
fn genuine(token: &str, algorithm: &str) -> Option<Claims> {
    let parts: Vec<&str> = token.split('.').collect();
    let [header, payload, signature] = parts[..] else { return None };
    let (signed, kid) = (format!("{header}.{payload}"), &SERVICES.kid);
    let [header, payload, signature] = [decode(header)?, decode(payload)?, decode(signature)?];

    let header: Map<String, Value> = serde_json::from_slice(&header).ok()?;
    let typ = header.get("typ")?.as_str()?.to_ascii_lowercase();
    let expected_kid = if algorithm == "EdDSA" { kid } else { HMAC_KID };
    if header.len() != 3
        || !["at+jwt", "application/at+jwt"].contains(&typ.as_str())
        || header.get("alg")? != algorithm
        || header.get("kid")? != expected_kid
    {
        return None;
    }
    let is_signed = if algorithm == "EdDSA" {
        let signature = Signature::from_slice(&signature).ok()?;
        SERVICES.key.verifying_key().verify_strict(signed.as_bytes(), &signature).is_ok()
    } else {
        hmac(&SECRET, signed.as_bytes()) == signature
    };

    let claims: Map<String, Value> = serde_json::from_slice(&payload).ok()?;
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    let number = |name: &str| claims.get(name).and_then(Value::as_u64);
    let aud = match claims.get("aud")? {
        Value::Array(many) => many.iter().map(Value::as_str).collect::<Option<Vec<_>>>()?,
        one => vec![one.as_str()?],
    };
    let is_for_us = aud.contains(&AUDIENCE);
    let audiences = aud.into_iter().filter_map(|audience| Audience::new(audience).ok()).collect();
    let (issued_at, expires_at) = (number("iat")?, number("exp")?);
    // The issuer's clock may be 5 seconds ahead.
    let latest = NOW + 5;
    let is_current = issued_at <= latest && number("nbf").unwrap_or(0) <= latest && NOW < expires_at;
    if !is_signed || !is_for_us || !is_current || text("iss")? != ISSUER {
        return None;
    }
    let granted_scopes = match (text("scope"), claims.get("unrestricted") == Some(&Value::Bool(true))) {
        (None, true) => GrantedScopes::All,
        (scope, false) => GrantedScopes::Only(scope.unwrap_or_default().parse().ok()?),
        (Some(_), true) => return None,
    };
    Some(Claims {
        user_kind: Some(text("user_kind")?.into()),
        client_id: text("client_id").map(ClientId::new).transpose().ok()?,
        issued_at: Some(Timestamp::from_unix(issued_at)),
        expires_at: Some(Timestamp::from_unix(expires_at)),
        token_id: Some(text("jti")?.into()),
        session_id: text("sid").map(SessionId::new).transpose().ok()?,
        sequence: number("sid_seq"),
        issuer: Some(ISSUER.into()),
        audiences,
        ..Claims::new(Subject::new(text("sub")?).ok()?, granted_scopes)
    })
}

fn verify(tokens: &impl TokenVerifier, token: &str) -> Option<Claims> {
    block_on(tokens.verify(&AccessToken::from(token), now())).expect("no failure")
}

fn now() -> Timestamp {
    Timestamp::from_unix(NOW)
}

/// Computes the thumbprint of a key (RFC 7638).
fn thumbprint(key: &VerifyingKey) -> String {
    let jwk = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{}"}}"#, base64url(key.as_bytes()));
    base64url(Sha256::digest(jwk))
}

fn hmac(secret: &[u8], message: &[u8]) -> Vec<u8> {
    let mac = Hmac::<Sha256>::new_from_slice(secret).expect("a key of any length");
    mac.chain_update(message).finalize().into_bytes().to_vec()
}

fn base64url(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Decodes canonical base64url.
fn decode(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok().filter(|bytes| base64url(bytes) == text)
}
