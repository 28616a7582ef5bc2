//! Tokens that must be refused: `verify` returns `None`, and the service returns 401.

use std::{net::SocketAddr, sync::LazyLock};

use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
use ed25519_dalek::{
    SigningKey,
    pkcs8::{DecodePrivateKey, EncodePublicKey, spki::der::pem::LineEnding},
};
use futures_util::FutureExt;
use gatepass::{
    Timestamp, TokenIssuer,
    jwt::{JwtTokens, RemoteJwtVerifier, SigningAlgorithm},
};
use proptest::{prelude::*, sample::Index};
use serde_json::{Value, json};

use crate::{
    support::forge::{Forge, base64url, decode, key_files, kid, part, sign_hs256, with},
    tokens::service::{ISSUER, Tokens, at, issue, key_set, new_token, now, serve, users_me, verify},
};

/// One service for all tests. It has two keys: the second one is published but not used yet.
struct Target {
    tokens: Tokens,
    address: SocketAddr,
    /// The verifier of another service, which has only the public keys.
    remote: RemoteJwtVerifier,
    forge: Forge,
    now: Timestamp,
}

static TARGET: LazyLock<Target> = LazyLock::new(|| {
    let now = now();
    let tokens = Tokens::open(SigningAlgorithm::EdDsa, now);
    tokens.keys().rotate_at(now).expect("a second key");
    tokens.tokens.refresh();
    let forge = Forge::with_key_of(&tokens.keys_dir);
    let address = serve(&tokens.tokens);
    let remote = RemoteJwtVerifier::new(ISSUER, ISSUER);
    remote.set_keys(key_set(&tokens.tokens, now)).expect("a key set");
    Target { tokens, address, remote, forge, now }
});

impl Target {
    /// Returns the payload of a token that the service issued.
    fn payload(&self) -> Value {
        part(&issue(&self.tokens.tokens, self.now), 1)
    }

    fn assert_accepts(&self, what: &str, token: &str) {
        let claims = verify(&self.tokens.tokens, token, self.now);
        assert!(claims.is_some(), "{what}: {token}");
        assert_eq!(verify(&self.remote, token, self.now), claims, "remote, {what}: {token}");
        assert_eq!(users_me(self.address, token).status, 200, "{what}: {token}");
    }

    fn assert_refuses(&self, what: &str, token: &str) {
        assert_eq!(verify(&self.tokens.tokens, token, self.now), None, "{what}: {token}");
        assert_eq!(verify(&self.remote, token, self.now), None, "remote, {what}: {token}");
        // HTTP headers cannot contain control characters, and white space around a token is not part of it.
        if token.trim() == token && !token.contains(char::is_control) && !token.is_empty() {
            let reply = users_me(self.address, token);
            assert_eq!(reply.status, 401, "{what}: {token}");
            assert!(reply.header("www-authenticate").unwrap().starts_with("Bearer"), "{what}");
        }
    }

    /// Asserts that an otherwise valid token is refused with this value of a header member, or without the member.
    fn assert_refuses_header(&self, name: &str, value: Option<&Value>) {
        let header = with(&self.forge.header(), name, value.cloned());
        self.assert_refuses(&format!("{name}: {value:?}"), &self.forge.sign(header, self.payload()));
    }

    /// Asserts that an otherwise valid token is refused with this value of a claim, or without the claim.
    fn assert_refuses_claim(&self, name: &str, value: Option<&Value>) {
        let payload = with(&self.payload(), name, value.cloned());
        self.assert_refuses(&format!("{name}: {value:?}"), &self.forge.sign(self.forge.header(), payload));
    }
}

#[test]
fn genuine_token_in_any_allowed_form_is_accepted() {
    // If the service refused every token, the other tests would pass too.
    let (target, header) = (&*TARGET, TARGET.forge.header());
    let payload = target.payload();
    for (what, token) in [
        ("issued", issue(&target.tokens.tokens, target.now)),
        ("signed by the test", target.forge.sign(&header, &payload)),
        ("typ in capitals", target.forge.sign(with(&header, "typ", json!("AT+JWT")), &payload)),
        ("typ in full", target.forge.sign(with(&header, "typ", json!("application/at+jwt")), &payload)),
        (
            "several audiences",
            target.forge.sign(&header, with(&payload, "aud", json!(["https://x", ISSUER]))),
        ),
        ("unknown claims", target.forge.sign(&header, with(&payload, "auth_time", json!(1)))),
    ] {
        target.assert_accepts(what, &token);
    }
}

#[test]
fn token_with_alg_none_in_any_spelling_is_refused() {
    let (target, payload) = (&*TARGET, TARGET.payload());
    for alg in ["none", "None", "NONE", "nOnE", "none ", ""] {
        let signed = target.forge.sign(with(&target.forge.header(), "alg", json!(alg)), &payload);
        let unsigned = signed.rsplit_once('.').unwrap().0;
        for token in [&signed, &format!("{unsigned}."), unsigned] {
            target.assert_refuses(alg, token);
        }
    }
}

#[test]
fn token_with_wrong_missing_or_additional_header_member_is_refused() {
    let other = key_files(&TARGET.tokens.keys_dir, "pem").remove(1).0;
    let (other, kid) = (other.split_once('-').unwrap().1, &TARGET.forge.kid);
    for (name, values) in [
        (
            "alg",
            json!(["eddsa", "EDDSA", "EdDSA ", "Ed25519", "HS256", "RS256", "ES256", null, ["EdDSA"], {}, 0]),
        ),
        (
            "typ",
            json!([
                "JWT",
                "jwt",
                "application/jwt",
                "id+jwt",
                "rt+jwt",
                "at+jwt ",
                "at+jwt;x=y",
                "",
                null,
                ["at+jwt"]
            ]),
        ),
        ("kid", json!([other, base64url([7; 32]), kid.to_lowercase(), "", null, 0, [kid], { "kid": kid }])),
        (
            "kid",
            json!([
                "/dev/null",
                "../../../../../../dev/null",
                format!("../keys/{kid}"),
                format!("{kid}.pem")
            ]),
        ),
        ("kid", json!([format!("{kid}\0"), "' OR '1'='1", "x' UNION SELECT 'AAAA' --", "; sleep 9 #"])),
        ("crit", json!([["exp"], ["b64"], [], null])),
        ("b64", json!([false, true])),
        ("exp", json!([99_999_999_999_u64])),
        ("zip", json!(["DEF"])),
        ("enc", json!(["A128GCM"])),
        ("cty", json!(["JWT"])),
    ] {
        for value in values.as_array().unwrap() {
            TARGET.assert_refuses_header(name, Some(value));
        }
    }
    for missing in ["alg", "typ", "kid"] {
        TARGET.assert_refuses_header(missing, None);
    }
}

#[test]
fn hs256_token_with_public_key_as_secret_is_refused() {
    let (target, payload) = (&*TARGET, TARGET.payload());
    let public = SigningKey::from_pkcs8_pem(&target.forge.pem).unwrap().verifying_key();
    let pem = public.to_public_key_pem(LineEnding::LF).unwrap();
    let der = public.to_public_key_der().unwrap();
    let x = base64url(public.as_bytes());
    let secrets: [&[u8]; 7] = [
        public.as_bytes(),
        pem.as_bytes(),
        pem.trim_end().as_bytes(),
        der.as_bytes(),
        x.as_bytes(),
        target.forge.kid.as_bytes(),
        b"",
    ];
    for secret in secrets {
        for alg in ["HS256", "EdDSA"] {
            let header = with(&target.forge.header(), "alg", json!(alg));
            target.assert_refuses(alg, &sign_hs256(secret, header, &payload));
        }
    }
}

#[test]
fn token_with_a_key_in_its_header_is_refused() {
    let (target, payload) = (&*TARGET, TARGET.payload());
    let stranger = Forge::stranger(SigningAlgorithm::EdDsa, &target.forge.kid);
    let jwk = json!({ "kty": "OKP", "crv": "Ed25519", "x": base64url(SigningKey::from_pkcs8_pem(&stranger.pem).unwrap().verifying_key().as_bytes()) });
    for (name, value) in [
        ("jwk", jwk.clone()),
        ("jwk", with(&jwk, "kid", json!(stranger.kid))),
        ("jku", json!("https://evil.example.com/jwks.json")),
        ("jku", json!(format!("{ISSUER}/.well-known/jwks.json"))),
        ("x5u", json!("https://evil.example.com/cert.pem")),
        ("x5c", json!([base64url(b"certificate")])),
    ] {
        let header = with(&target.forge.header(), name, value);
        // Such a token is refused even if the right key signed it, because only attackers send such a header.
        target.assert_refuses(name, &stranger.sign(&header, &payload));
        target.assert_refuses(name, &target.forge.sign(&header, &payload));
    }
    target.assert_refuses("signed by a stranger", &stranger.sign(stranger.header(), &payload));
}

#[test]
fn token_with_wrong_or_missing_claim_is_refused() {
    let now = TARGET.now.as_unix();
    let times = json!([(now + 900).to_string(), null, [now], true]);
    let names = json!([1, "", "a\nb", "a\0", "x".repeat(256)]);
    for (claims, values) in [
        (
            &["iss", "aud"][..],
            json!([
                "https://evil.example.com",
                format!("{ISSUER}/"),
                "HTTPS://AUTH.EXAMPLE.COM",
                "",
                null,
                [],
                0,
                {}
            ]),
        ),
        (&["iss"], json!([[ISSUER]])),
        (&["aud"], json!([["https://evil.example.com"], [ISSUER, 1]])),
        (&["exp"], json!([now, now - 1, now - 30, 0, -1, now as f64 + 0.5])),
        (&["iat", "nbf"], json!([now + 60, now + 3600, u64::MAX])),
        (&["exp", "iat"], times),
        (&["nbf"], json!(["0"])),
        (&["sub", "client_id", "sid"], names),
        (&["sid_seq"], json!([-1, 0.5, "0", [], true])),
        (&["user_kind"], json!([1, [], {}, true])),
        (&["scope"], json!(["me"])),
        (&["sub"], json!([null])),
    ] {
        for claim in claims {
            for value in values.as_array().unwrap() {
                TARGET.assert_refuses_claim(claim, Some(value));
            }
        }
    }
    for missing in ["iss", "aud", "exp", "iat", "sub", "jti"] {
        TARGET.assert_refuses_claim(missing, None);
    }
}

#[test]
fn token_without_user_kind_is_accepted_only_by_remote_verifiers() {
    let (target, payload) = (&*TARGET, TARGET.payload());
    for kind in [None, Some(Value::Null)] {
        let token = target.forge.sign(target.forge.header(), with(&payload, "user_kind", kind));
        assert_eq!(verify(&target.tokens.tokens, &token, target.now), None);
        assert_eq!(users_me(target.address, &token).status, 401);
        let claims = verify(&target.remote, &token, target.now).expect("a token of another issuer");
        assert_eq!(claims.user_kind, None);
    }
}

#[test]
fn token_of_another_user_kind_is_valid_but_does_not_authenticate() {
    let payload = with(&TARGET.payload(), "user_kind", json!("Staff"));
    let token = TARGET.forge.sign(TARGET.forge.header(), payload);
    let claims = verify(&TARGET.tokens.tokens, &token, TARGET.now).expect("a valid token");
    assert_eq!(claims.user_kind.as_deref(), Some("Staff"));
    assert_eq!(users_me(TARGET.address, &token).status, 401);
}

#[test]
fn truncated_or_padded_token_is_refused() {
    let target = &*TARGET;
    let token = issue(&target.tokens.tokens, target.now);
    let [header, payload, signature] = token.split('.').collect::<Vec<_>>().try_into().unwrap();
    for cut in (0..token.len()).rev().step_by(7).chain([token.len() - 1, token.len() - 2]) {
        target.assert_refuses("cut", &token[..cut]);
    }
    for wrong in [
        format!("{header}.{payload}"),
        format!("{payload}.{signature}"),
        format!("{header}..{signature}"),
        format!(".{payload}.{signature}"),
        format!("{header}.{payload}."),
        format!(".{token}"),
        format!("{token}."),
        format!("{token}.{signature}"),
        format!("{header}.{payload}.{payload}.{signature}"),
        format!("{header}.{payload}.{signature}.{payload}.{signature}"),
        format!("{header}=.{payload}.{signature}"),
        format!("{header}.{payload}=.{signature}"),
        format!("{token}="),
        format!("{token}=="),
        format!("{token}A"),
        format!("{header} .{payload}.{signature}"),
        format!("{header}.{payload}. {signature}"),
        format!(" {token}"),
        format!("{token} "),
        format!("{token}\n"),
        format!("\n{token}"),
        format!("{header}.\r\n{payload}.{signature}"),
        format!("{token}\u{0}"),
        format!("\u{feff}{token}"),
        format!("Bearer {token}"),
        format!("{token},{token}"),
        json!({ "protected": header, "payload": payload, "signature": signature }).to_string(),
        ".".into(),
        "..".into(),
        "...".into(),
        String::new(),
    ] {
        target.assert_refuses("wrong parts", &wrong);
    }
}

#[test]
fn alternative_encoding_of_a_valid_signature_is_refused() {
    let target = &*TARGET;
    let token = issue(&target.tokens.tokens, target.now);
    let (signed, signature) = token.rsplit_once('.').unwrap();
    // 64 bytes leave four unused bits in the last character, so a lax parser accepts sixteen encodings.
    let (rest, last) = signature.split_at(signature.len() - 1);
    for other in "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".chars() {
        if last != other.to_string() {
            target.assert_refuses("unused bits", &format!("{signed}.{rest}{other}"));
        }
    }
    let standard = STANDARD_NO_PAD.encode(decode(signature));
    if standard != signature {
        target.assert_refuses("the standard alphabet", &format!("{signed}.{standard}"));
    }
    // A lax verifier accepts S + L instead of S (RFC 8032 section 5.1.7).
    const L: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    let mut malleable = decode(signature);
    let mut carry = 0;
    for (byte, l) in malleable[32..].iter_mut().zip(L) {
        let sum = u16::from(*byte) + u16::from(l) + carry;
        *byte = sum as u8;
        carry = sum >> 8;
    }
    target.assert_refuses("S + L", &format!("{signed}.{}", base64url(malleable)));
}

#[test]
fn token_with_duplicate_member_is_refused() {
    let twice = |json: Value, member: &str| {
        let json = json.to_string();
        [json.replacen('{', &format!("{{{member},"), 1), format!("{},{member}}}", json.trim_end_matches('}'))]
    };
    let (header, payload) = (TARGET.forge.header(), TARGET.payload());
    for member in [r#""alg":"EdDSA""#, r#""alg":"none""#, r#""typ":"at+jwt""#, r#""\u0061lg":"EdDSA""#] {
        for header in twice(header.clone(), member) {
            TARGET.assert_refuses(member, &TARGET.forge.sign(header, &payload));
        }
    }
    for member in [r#""sub":"1""#, r#""exp":99999999999"#, r#""s\u0075b":"2""#, r#""x":1,"x":1"#] {
        for payload in twice(payload.clone(), member) {
            TARGET.assert_refuses(member, &TARGET.forge.sign(&header, payload));
        }
    }
}

#[test]
fn header_or_payload_that_is_not_an_object_is_refused() {
    let (target, payload) = (&*TARGET, TARGET.payload());
    let (header, kid) = (target.forge.header(), &target.forge.kid);
    for wrong in
        ["", "null", "[]", "1", "{", "{}", "{}{}", "\"x\"", &format!("{payload}{payload}"), "\u{feff}{}"]
    {
        target.assert_refuses(wrong, &target.forge.sign(&header, wrong));
        target.assert_refuses(wrong, &target.forge.sign(wrong, &payload));
    }
    let deep = "[".repeat(2000);
    target.assert_refuses("deep", &target.forge.sign(&header, &deep));
    target.assert_refuses("deep", &target.forge.sign(&deep, &payload));
    target.assert_refuses("a list", &target.forge.sign(json!(["at+jwt", "EdDSA", kid]), &payload));
    target.assert_refuses("trailing text", &target.forge.sign(format!("{header}x"), &payload));
}

#[test]
fn invalid_signature_is_refused() {
    let target = &*TARGET;
    let [one, other] = [(); 2].map(|()| issue(&target.tokens.tokens, target.now));
    let ((one_signed, one_signature), (other_signed, other_signature)) =
        (one.rsplit_once('.').unwrap(), other.rsplit_once('.').unwrap());
    target.assert_refuses("swapped", &format!("{one_signed}.{other_signature}"));
    target.assert_refuses("swapped", &format!("{other_signed}.{one_signature}"));

    let header = one.split('.').next().unwrap();
    let promoted = with(&part(&one, 1), "sub", json!("2"));
    target
        .assert_refuses("changed", &format!("{header}.{}.{one_signature}", base64url(promoted.to_string())));
    for signature in
        [vec![0; 64], vec![0xff; 64], vec![0; 32], vec![0; 65], decode(one_signature)[..63].to_vec()]
    {
        target.assert_refuses("made up", &format!("{one_signed}.{}", base64url(signature)));
    }
    // A signature with the identity point as R, and S = 0.
    let identity = [[1].as_slice(), &[0; 63]].concat();
    target.assert_refuses("small order", &format!("{one_signed}.{}", base64url(identity)));
}

#[test]
fn token_longer_than_8_kib_is_refused_and_not_issued() {
    let target = &*TARGET;
    for (padding, fits) in [(5000, true), (6200, false)] {
        let padding = json!("x".repeat(padding));
        let payload = with(&target.payload(), "padding", padding.clone());
        let token = target.forge.sign(target.forge.header(), payload);
        assert_eq!(token.len() <= 8192, fits, "{}", token.len());
        let mut new = new_token(target.now);
        new.extra_claims.insert("padding".into(), padding);
        let issued = target.tokens.tokens.issue(&new).now_or_never().expect("no waiting");
        if fits {
            target.assert_accepts("short enough", &token);
            target.assert_accepts("issued", issued.unwrap().access_token.expose());
        } else {
            target.assert_refuses("too long", &token);
            assert!(issued.unwrap_err().to_string().contains("extra claims"));
        }
    }
    assert_eq!(verify(&target.tokens.tokens, &"x.".repeat(1 << 24), target.now), None);
}

#[test]
fn forged_hs256_token_is_refused() {
    let tokens = Tokens::open(SigningAlgorithm::Hs256, at(1000));
    let token = issue(&tokens.tokens, at(1000));
    assert_eq!(part(&token, 0)["alg"], "HS256");
    let (name, secret) = key_files(&tokens.keys_dir, "hs256").remove(0);
    assert_eq!(name, format!("1000-{}", kid(&token)));
    let (secret, header, payload) = (decode(secret.trim()), part(&token, 0), part(&token, 1));
    let claims = |token: &str| verify(&tokens.tokens, token, at(1000));
    assert!(claims(&sign_hs256(&secret, &header, &payload)).is_some());

    for alg in ["none", "hs256", "HS384", "HS512", "EdDSA", ""] {
        assert_eq!(claims(&sign_hs256(&secret, with(&header, "alg", json!(alg)), &payload)), None, "{alg}");
    }
    for wrong in [&b""[..], &[0; 32], &secret[1..], &base64url(&secret).into_bytes(), kid(&token).as_bytes()]
    {
        assert_eq!(claims(&sign_hs256(wrong, &header, &payload)), None);
    }
    for kid in ["", "../1000", "x"] {
        assert_eq!(claims(&sign_hs256(&secret, with(&header, "kid", json!(kid)), &payload)), None, "{kid}");
    }
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let cut = base64url(&decode(signature)[..16]);
    for wrong in [format!("{signed}."), format!("{signed}.{cut}"), format!("{token}A"), format!("{token}=")] {
        assert_eq!(claims(&wrong), None, "{wrong}");
    }
    let forge = Forge::stranger(SigningAlgorithm::EdDsa, &kid(&token));
    assert_eq!(claims(&forge.sign(forge.header(), &payload)), None);
}

#[test]
fn token_signed_with_another_algorithm_is_refused() {
    let all = [SigningAlgorithm::Es256, SigningAlgorithm::EdDsa, SigningAlgorithm::Hs256]
        .map(|algorithm| Tokens::open(algorithm, at(1000)));
    for (index, one) in all.iter().enumerate() {
        let token = issue(&one.tokens, at(1000));
        for (other, tokens) in all.iter().enumerate() {
            assert_eq!(verify(&tokens.tokens, &token, at(1000)).is_some(), index == other);
        }
    }
}

#[test]
fn token_from_another_deployment_or_for_another_audience_is_refused() {
    let one = Tokens::open(SigningAlgorithm::EdDsa, at(1000));
    let other = Tokens::open(SigningAlgorithm::EdDsa, at(1000));
    assert_eq!(verify(&one.tokens, &issue(&other.tokens, at(1000)), at(1000)), None);
    // This issuer has the same keys, but another audience.
    let mut settings = one.settings.clone();
    settings.audience = "https://api.example.com".into();
    let audience = JwtTokens::open_at(settings, at(1000)).unwrap();
    assert_eq!(verify(&one.tokens, &issue(&audience, at(1000)), at(1000)), None);
}

/// A change to a token.
#[derive(Clone, Debug)]
enum Mutation {
    Replace(Index, char),
    Insert(Index, char),
    Remove(Index),
    FlipBit(Index, u8),
}

fn mutation() -> impl Strategy<Value = Mutation> {
    let index = any::<Index>;
    let character = || prop_oneof![prop::char::range('!', '~'), any::<char>()];
    prop_oneof![
        (index(), character()).prop_map(|(index, c)| Mutation::Replace(index, c)),
        (index(), character()).prop_map(|(index, c)| Mutation::Insert(index, c)),
        index().prop_map(Mutation::Remove),
        (index(), 0_u8..7).prop_map(|(index, bit)| Mutation::FlipBit(index, bit)),
    ]
}

fn mutate(token: &str, mutation: &Mutation) -> String {
    let mut chars: Vec<_> = token.chars().collect();
    let length = chars.len();
    match mutation {
        Mutation::Replace(index, c) => chars[index.index(length)] = *c,
        Mutation::Insert(index, c) => chars.insert(index.index(length + 1), *c),
        Mutation::Remove(index) => drop(chars.remove(index.index(length))),
        Mutation::FlipBit(index, bit) => {
            let c = &mut chars[index.index(length)];
            *c = char::from_u32(*c as u32 ^ (1 << bit)).unwrap_or('x');
        }
    }
    chars.into_iter().collect()
}

proptest! {
    #[test]
    fn arbitrary_text_is_refused_without_a_panic(text in ".*", parts in prop::collection::vec("[A-Za-z0-9_-]{0,80}", 1..5)) {
        let target = &*TARGET;
        prop_assert_eq!(verify(&target.tokens.tokens, &text, target.now), None);
        prop_assert_eq!(verify(&target.tokens.tokens, &parts.join("."), target.now), None);
    }

    #[test]
    fn randomly_modified_token_is_refused(mutations in prop::collection::vec(mutation(), 1..4)) {
        let target = &*TARGET;
        let token = issue(&target.tokens.tokens, target.now);
        let mutated = mutations.iter().fold(token.clone(), |token, mutation| mutate(&token, mutation));
        if mutated != token {
            prop_assert_eq!(verify(&target.tokens.tokens, &mutated, target.now), None, "{}", mutated);
        }
    }
}
