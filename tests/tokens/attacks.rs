//! Tokens that must be refused: `verify` returns `None`, and the service 401.

use std::{net::SocketAddr, sync::LazyLock};

use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
use ed25519_dalek::{SigningKey, pkcs8::EncodePublicKey, pkcs8::spki::der::pem::LineEnding};
use gatepass::{
    Timestamp,
    jwt::{JwtTokens, RemoteJwtVerifier, SigningAlgorithm},
};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::{
    support::forge::{Forge, base64url, decode, key_files, kid, part, sign_hs256, with},
    tokens::service::{ISSUER, Tokens, at, issue, key_set, now, serve, users_me, verify},
};

/// One service for all tests, with two keys: the second one is published and does not sign yet.
struct Target {
    tokens: Tokens,
    address: SocketAddr,
    /// Another service, which has only the public keys.
    elsewhere: RemoteJwtVerifier,
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
    let elsewhere = RemoteJwtVerifier::new(ISSUER, ISSUER);
    elsewhere.set_keys(key_set(&tokens.tokens, now)).expect("a key set");
    Target { tokens, address, elsewhere, forge, now }
});

impl Target {
    /// The payload of one of its own tokens.
    fn payload(&self) -> Value {
        part(&issue(&self.tokens.tokens, self.now), 1)
    }

    fn assert_accepts(&self, what: &str, token: &str) {
        let claims = verify(&self.tokens.tokens, token, self.now);
        assert!(claims.is_some(), "{what}: {token}");
        assert_eq!(verify(&self.elsewhere, token, self.now), claims, "elsewhere, {what}: {token}");
        assert_eq!(users_me(self.address, token).status, 200, "{what}: {token}");
    }

    fn assert_refuses(&self, what: &str, token: &str) {
        assert_eq!(verify(&self.tokens.tokens, token, self.now), None, "{what}: {token}");
        assert_eq!(verify(&self.elsewhere, token, self.now), None, "elsewhere, {what}: {token}");
        // A header contains no line breaks, and white space around a token is not a part of it.
        if token.trim() == token && !token.contains(char::is_control) && !token.is_empty() {
            let reply = users_me(self.address, token);
            assert_eq!(reply.status, 401, "{what}: {token}");
            assert!(reply.header("www-authenticate").unwrap().starts_with("Bearer"), "{what}");
        }
    }
}

#[test]
fn genuine_token_in_any_allowed_form_is_accepted() {
    // Without this, the other tests would show nothing.
    let (target, header) = (&*TARGET, TARGET.forge.header());
    let payload = target.payload();
    for (what, token) in [
        ("its own", issue(&target.tokens.tokens, target.now)),
        ("forged", target.forge.sign(&header, &payload)),
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
fn token_with_another_alg_is_refused() {
    let (target, payload) = (&*TARGET, TARGET.payload());
    for alg in [
        json!("eddsa"),
        json!("EDDSA"),
        json!("EdDSA "),
        json!("Ed25519"),
        json!("HS256"),
        json!("RS256"),
        json!("ES256"),
        json!(null),
        json!(["EdDSA"]),
        json!({}),
        json!(0),
    ] {
        let token = target.forge.sign(with(&target.forge.header(), "alg", alg.clone()), &payload);
        target.assert_refuses(&alg.to_string(), &token);
    }
    target.assert_refuses("no alg", &target.forge.sign(with(&target.forge.header(), "alg", None), &payload));
}

#[test]
fn hs256_token_with_public_key_as_secret_is_refused() {
    let (target, payload) = (&*TARGET, TARGET.payload());
    let public = target.forge.key.verifying_key();
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
fn token_with_kid_of_another_key_is_refused() {
    let (target, payload) = (&*TARGET, TARGET.payload());
    let other = key_files(&target.tokens.keys_dir, "pem").remove(1).0;
    let other = other.split_once('-').unwrap().1;
    for kid in [
        json!(other),
        json!(base64url([7; 32])),
        json!("/dev/null"),
        json!("../../../../../../dev/null"),
        json!(format!("../keys/{}", target.forge.kid)),
        json!(format!("{}.pem", target.forge.kid)),
        json!(format!("{}\u{0}", target.forge.kid)),
        json!(target.forge.kid.to_lowercase()),
        json!("' OR '1'='1"),
        json!("x' UNION SELECT 'AAAA' --"),
        json!("; sleep 9 #"),
        json!(""),
        json!(null),
        json!(0),
        json!([target.forge.kid]),
        json!({ "kid": target.forge.kid }),
    ] {
        let token = target.forge.sign(with(&target.forge.header(), "kid", kid.clone()), &payload);
        target.assert_refuses(&kid.to_string(), &token);
    }
    target.assert_refuses("no kid", &target.forge.sign(with(&target.forge.header(), "kid", None), &payload));
}

#[test]
fn token_with_its_own_key_in_the_header_is_refused() {
    let (target, payload) = (&*TARGET, TARGET.payload());
    let stranger = Forge { key: SigningKey::from_bytes(&[7; 32]), kid: target.forge.kid.clone() };
    let jwk =
        json!({ "kty": "OKP", "crv": "Ed25519", "x": base64url(stranger.key.verifying_key().as_bytes()) });
    for (name, value) in [
        ("jwk", jwk.clone()),
        ("jwk", with(&jwk, "kid", json!(stranger.kid))),
        ("jku", json!("https://evil.example.com/jwks.json")),
        ("jku", json!(format!("{ISSUER}/.well-known/jwks.json"))),
        ("x5u", json!("https://evil.example.com/cert.pem")),
        ("x5c", json!([base64url(b"certificate")])),
    ] {
        let header = with(&target.forge.header(), name, value);
        // Signed by another key, and by the right one: only an attacker sends this.
        target.assert_refuses(name, &stranger.sign(&header, &payload));
        target.assert_refuses(name, &target.forge.sign(&header, &payload));
    }
    target.assert_refuses("a stranger", &stranger.sign(stranger.header(), &payload));
}

#[test]
fn token_of_another_type_is_refused() {
    let (target, payload) = (&*TARGET, TARGET.payload());
    for typ in [
        json!("JWT"),
        json!("jwt"),
        json!("application/jwt"),
        json!("id+jwt"),
        json!("rt+jwt"),
        json!("at+jwt "),
        json!("at+jwt;x=y"),
        json!(""),
        json!(null),
        json!(["at+jwt"]),
    ] {
        let token = target.forge.sign(with(&target.forge.header(), "typ", typ.clone()), &payload);
        target.assert_refuses(&typ.to_string(), &token);
    }
    target.assert_refuses("no typ", &target.forge.sign(with(&target.forge.header(), "typ", None), &payload));
}

#[test]
fn token_with_wrong_or_missing_claim_is_refused() {
    let (target, payload) = (&*TARGET, TARGET.payload());
    let now = target.now.as_unix();
    let refuse = |name: &str, value: Option<Value>| {
        let token = target.forge.sign(target.forge.header(), with(&payload, name, value.clone()));
        target.assert_refuses(&format!("{name}: {value:?}"), &token);
    };
    for other in [
        json!("https://evil.example.com"),
        json!(format!("{ISSUER}/")),
        json!("HTTPS://AUTH.EXAMPLE.COM"),
        json!(""),
        json!(null),
        json!([]),
        json!(0),
        json!({}),
    ] {
        refuse("iss", Some(other.clone()));
        refuse("aud", Some(other));
    }
    refuse("iss", Some(json!([ISSUER])));
    refuse("aud", Some(json!(["https://evil.example.com"])));
    refuse("aud", Some(json!([ISSUER, 1])));
    for exp in [json!(now), json!(now - 1), json!(now - 30), json!(0), json!(-1), json!(now as f64 + 0.5)] {
        refuse("exp", Some(exp));
    }
    for future in [now + 60, now + 3600, u64::MAX] {
        refuse("iat", Some(json!(future)));
        refuse("nbf", Some(json!(future)));
    }
    for name in ["exp", "iat"] {
        for wrong in [json!((now + 900).to_string()), json!(null), json!([now]), json!(true)] {
            refuse(name, Some(wrong));
        }
    }
    refuse("nbf", Some(json!("0")));
    for name in ["sub", "client_id", "sid"] {
        for wrong in [json!(1), json!(""), json!("a\nb"), json!("a\u{0}"), json!("x".repeat(256))] {
            refuse(name, Some(wrong));
        }
    }
    for wrong in [json!(1), json!([]), json!({}), json!(true)] {
        refuse("user_kind", Some(wrong));
    }
    refuse("scope", Some(json!("me")));
    refuse("sub", Some(json!(null)));
    for name in ["iss", "aud", "exp", "iat", "sub", "jti"] {
        refuse(name, None);
    }
}

#[test]
fn token_without_user_kind_is_refused_by_its_issuer_and_accepted_elsewhere() {
    let (target, payload) = (&*TARGET, TARGET.payload());
    for kind in [None, Some(Value::Null)] {
        let token = target.forge.sign(target.forge.header(), with(&payload, "user_kind", kind));
        assert_eq!(verify(&target.tokens.tokens, &token, target.now), None);
        assert_eq!(users_me(target.address, &token).status, 401);
        let claims = verify(&target.elsewhere, &token, target.now).expect("a token of another issuer");
        assert_eq!(claims.user_kind, None);
    }
}

#[test]
fn header_or_payload_that_is_not_utf_8_is_refused() {
    let (target, payload) = (&*TARGET, with(&TARGET.payload(), "name", json!("@")).to_string());
    let header = target.forge.header().to_string();
    target.assert_accepts("UTF-8", &target.forge.sign(&header, &payload));
    let latin1 =
        |text: &str| text.bytes().map(|byte| if byte == b'@' { 0xe9 } else { byte }).collect::<Vec<_>>();
    let token = target.forge.sign_bytes(header.as_bytes(), &latin1(&payload));
    target.assert_refuses("payload", &token);
    let header = header.replace("at+jwt", "at+jwt@");
    target.assert_refuses("header", &target.forge.sign_bytes(&latin1(&header), payload.as_bytes()));
}

#[test]
fn token_is_refused_from_the_second_of_its_expiry_on() {
    let tokens = Tokens::open(SigningAlgorithm::EdDsa, at(1000)).tokens;
    let token = issue(&tokens, at(1000));
    assert_eq!(verify(&tokens, &token, at(999)), None, "issued in the future");
    assert!(verify(&tokens, &token, at(1000)).is_some());
    assert!(verify(&tokens, &token, at(1899)).is_some());
    for late in [1900, 1901, 1930, 1960, 1961, 100_000, u64::MAX] {
        assert_eq!(verify(&tokens, &token, at(late)), None, "{late}");
    }
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
fn second_encoding_of_a_valid_token_is_refused() {
    let target = &*TARGET;
    let token = issue(&target.tokens.tokens, target.now);
    let (signed, signature) = token.rsplit_once('.').unwrap();
    // 64 bytes leave four unused bits in the last character: a lax parser accepts sixteen spellings.
    let (rest, last) = signature.split_at(signature.len() - 1);
    for other in "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".chars() {
        if last != other.to_string() {
            target.assert_refuses("bits left over", &format!("{signed}.{rest}{other}"));
        }
    }
    let standard = STANDARD_NO_PAD.encode(decode(signature));
    if standard != signature {
        target.assert_refuses("the other alphabet", &format!("{signed}.{standard}"));
    }
    // S + L is the same signature for a lax verifier (RFC 8032 section 5.1.7).
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
    let (target, payload) = (&*TARGET, TARGET.payload().to_string());
    let header = target.forge.header().to_string();
    let twice = |json: &str, member: &str| {
        [json.replacen('{', &format!("{{{member},"), 1), format!("{},{member}}}", json.trim_end_matches('}'))]
    };
    let kid = format!(r#""kid":"{}""#, target.forge.kid);
    for member in [r#""alg":"EdDSA""#, r#""alg":"none""#, r#""typ":"at+jwt""#, &kid, r#""\u0061lg":"EdDSA""#]
    {
        for header in twice(&header, member) {
            target.assert_refuses(member, &target.forge.sign(header, &payload));
        }
    }
    for member in [
        r#""sub":"1""#,
        r#""sub":"2""#,
        r#""exp":99999999999"#,
        r#""iss":"https://auth.example.com""#,
        r#""s\u0075b":"2""#,
        r#""unrestricted":true"#,
        r#""x":1,"x":1"#,
        r#""jti":null"#,
    ] {
        for payload in twice(&payload, member) {
            target.assert_refuses(member, &target.forge.sign(&header, payload));
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
    target.assert_refuses("white space after it", &target.forge.sign(format!("{header}x"), &payload));
}

#[test]
fn signature_of_other_bytes_is_refused() {
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
    // The identity point as R, and S = 0.
    let identity = [[1].as_slice(), &[0; 63]].concat();
    target.assert_refuses("small order", &format!("{one_signed}.{}", base64url(identity)));
}

#[test]
fn token_with_header_extension_is_refused() {
    let (target, payload) = (&*TARGET, TARGET.payload());
    for (name, value) in [
        ("crit", json!(["exp"])),
        ("crit", json!(["b64"])),
        ("crit", json!([])),
        ("crit", json!(null)),
        ("b64", json!(false)),
        ("b64", json!(true)),
        ("zip", json!("DEF")),
        ("enc", json!("A128GCM")),
        ("cty", json!("JWT")),
        ("exp", json!(99_999_999_999_u64)),
    ] {
        let token = target.forge.sign(with(&target.forge.header(), name, value.clone()), &payload);
        target.assert_refuses(&format!("{name}: {value}"), &token);
    }
}

#[test]
fn token_longer_than_8_kib_is_refused() {
    let (target, payload) = (&*TARGET, TARGET.payload());
    let padded =
        |bytes| target.forge.sign(target.forge.header(), with(&payload, "padding", json!("x".repeat(bytes))));
    let fitting = padded(5000);
    assert!(fitting.len() < 8192, "{}", fitting.len());
    target.assert_accepts("long", &fitting);
    let long = padded(6200);
    assert!(long.len() > 8192, "{}", long.len());
    target.assert_refuses("too long", &long);
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
    let forge = Forge { key: SigningKey::from_bytes(&[7; 32]), kid: kid(&token) };
    assert_eq!(claims(&forge.sign(forge.header(), &payload)), None);
}

#[test]
fn token_of_another_algorithm_is_refused() {
    let eddsa = Tokens::open(SigningAlgorithm::EdDsa, at(1000));
    let mut settings = eddsa.settings.clone();
    settings.algorithm = SigningAlgorithm::Hs256;
    let hs256 = JwtTokens::open_at(settings, at(1000)).expect("a directory with keys of both algorithms");
    let (signed, authenticated) = (issue(&eddsa.tokens, at(1000)), issue(&hs256, at(1000)));
    assert!(verify(&eddsa.tokens, &signed, at(1000)).is_some());
    assert!(verify(&hs256, &authenticated, at(1000)).is_some());
    assert_eq!(verify(&eddsa.tokens, &authenticated, at(1000)), None);
    assert_eq!(verify(&hs256, &signed, at(1000)), None);
}

#[test]
fn token_of_another_deployment_or_audience_is_refused() {
    let one = Tokens::open(SigningAlgorithm::EdDsa, at(1000));
    let other = Tokens::open(SigningAlgorithm::EdDsa, at(1000));
    assert_eq!(verify(&one.tokens, &issue(&other.tokens, at(1000)), at(1000)), None);
    // The same keys for another audience.
    let mut settings = one.settings.clone();
    settings.audience = "https://api.example.com".into();
    let audience = JwtTokens::open_at(settings, at(1000)).unwrap();
    assert_eq!(verify(&one.tokens, &issue(&audience, at(1000)), at(1000)), None);
}

/// A change of a token.
#[derive(Clone, Debug)]
enum Mutation {
    Replace(prop::sample::Index, char),
    Insert(prop::sample::Index, char),
    Remove(prop::sample::Index),
    Swap(prop::sample::Index, prop::sample::Index),
    FlipBit(prop::sample::Index, u8),
}

fn mutation() -> impl Strategy<Value = Mutation> {
    let index = any::<prop::sample::Index>;
    let character = || prop_oneof![prop::char::range('!', '~'), any::<char>()];
    prop_oneof![
        (index(), character()).prop_map(|(index, c)| Mutation::Replace(index, c)),
        (index(), character()).prop_map(|(index, c)| Mutation::Insert(index, c)),
        index().prop_map(Mutation::Remove),
        (index(), index()).prop_map(|(one, other)| Mutation::Swap(one, other)),
        (index(), 0_u8..7).prop_map(|(index, bit)| Mutation::FlipBit(index, bit)),
    ]
}

fn mutate(token: &str, mutation: &Mutation) -> String {
    let mut chars: Vec<_> = token.chars().collect();
    if chars.is_empty() {
        return String::new();
    }
    let length = chars.len();
    match mutation {
        Mutation::Replace(index, c) => chars[index.index(length)] = *c,
        Mutation::Insert(index, c) => chars.insert(index.index(length + 1), *c),
        Mutation::Remove(index) => drop(chars.remove(index.index(length))),
        Mutation::Swap(one, other) => chars.swap(one.index(length), other.index(length)),
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
    fn arbitrary_signed_parts_are_refused_without_a_panic(
        header in prop::collection::vec(any::<u8>(), 0..100), payload in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let target = &*TARGET;
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        let token = target.forge.sign(target.forge.header(), text(&payload));
        prop_assert_eq!(verify(&target.tokens.tokens, &token, target.now), None);
        let token = target.forge.sign(text(&header), target.payload());
        prop_assert_eq!(verify(&target.tokens.tokens, &token, target.now), None);
    }

    #[test]
    fn valid_token_with_any_change_is_refused(mutations in prop::collection::vec(mutation(), 1..4)) {
        let target = &*TARGET;
        let token = issue(&target.tokens.tokens, target.now);
        let mutated = mutations.iter().fold(token.clone(), |token, mutation| mutate(&token, mutation));
        if mutated != token {
            prop_assert_eq!(verify(&target.tokens.tokens, &mutated, target.now), None, "{}", mutated);
        }
    }
}
