use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::*;

/// Parses a hash and, if the hash is supported, verifies a password against it. Panics if that takes 20 seconds or
/// more.
fn verify(text: &str) -> Result<bool, String> {
    let start = Instant::now();
    let result = match StoredHash::parse(text) {
        Ok(stored) => stored.matches(b"secret", &mut Vec::new()).map_err(|error| error.to_string()),
        Err(unsupported) => Err(unsupported.to_string()),
    };
    // The limits allow hashes that take a second or two, but tests run without optimization on a busy machine.
    assert!(start.elapsed() < Duration::from_secs(20), "{text}: {:?}", start.elapsed());
    result
}

/// Generates numbers. Most are small, so that hashing is fast; the rest are out of range or malformed.
fn number() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => (0u32..70).prop_map(|number| number.to_string()),
        1 => (u32::MAX - 9..=u32::MAX).prop_map(|number| number.to_string()),
        1 => any::<u64>().prop_map(|number| number.to_string()),
        1 => "[-+ 0-9a-z=,.]{0,6}",
    ]
}

fn base64() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => Just("MTIzNDU2Nzg5MDEyMzQ1Ng".to_owned()),
        3 => Just("Ek8Sn2iS2m2l1qXpUPJ5fyk6vSSnfM8Vh3yUgkmKjZI".to_owned()),
        1 => "[A-Za-z0-9+/.=]{0,100}",
        1 => any::<String>(),
    ]
}

fn parameters() -> impl Strategy<Value = String> {
    let names = ["m", "t", "p", "ln", "r", "i", "l", "v", "data", ""];
    let pair = (prop::sample::select(names.to_vec()), number()).prop_map(|(name, n)| format!("{name}={n}"));
    prop_oneof![
        2 => prop::collection::vec(pair, 0..5).prop_map(|pairs| pairs.join(",")),
        2 => (number(), number(), number()).prop_map(|(m, t, p)| format!("m={m},t={t},p={p}")),
        2 => (0u32..12, number(), number()).prop_map(|(ln, r, p)| format!("ln={ln},r={r},p={p}")),
        2 => number().prop_map(|i| format!("i={i}")),
        2 => number(),
    ]
}

fn stored() -> impl Strategy<Value = String> {
    let prefixes = [
        "$argon2id$v=19$",
        "$argon2i$",
        "argon2$argon2id$v=16$",
        "$scrypt$",
        "$pbkdf2-sha256$",
        "pbkdf2_sha256$",
        "pbkdf2_sha1$",
        "pbkdf2:sha512:",
        "{PBKDF2-SHA512}",
        "$pbkdf2$",
        "scrypt$",
        "scrypt:",
        "$P$",
        "$",
        "",
    ];
    (prop::sample::select(prefixes.to_vec()), parameters(), base64(), base64())
        .prop_map(|(prefix, parameters, salt, output)| format!("{prefix}{parameters}${salt}${output}"))
}

fn bcrypt() -> impl Strategy<Value = String> {
    (
        prop::sample::select(
            &["$2a$", "$2b$", "$2y$", "bcrypt$$2b$", "bcrypt_sha256$$2b$", "$wp$2y$", "{CRYPT}$2a$"][..],
        ),
        "0[0-5]|[2-9][0-9]|.{0,3}",
        "[./A-Za-z0-9]{53}|.{0,60}",
    )
        .prop_map(|(kind, cost, rest)| format!("{kind}{cost}${rest}"))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 768, ..ProptestConfig::default() })]

    #[test]
    fn verify_of_arbitrary_text_does_not_panic(
        text in prop_oneof![any::<String>(), stored(), bcrypt()],
    ) {
        let _ = verify(&text);
    }
}

#[test]
fn verify_supports_the_largest_accepted_parameters() {
    let (salt, output) = ("MTIzNDU2Nzg5MDEyMzQ1Ng", "Ek8Sn2iS2m2l1qXpUPJ5fyk6vSSnfM8Vh3yUgkmKjZI");
    for text in [
        format!("$argon2id$v=19$m=262144,t=4,p=1${salt}${output}"),
        format!("$argon2id$v=19$m=8,t=131072,p=1${salt}${output}"),
        format!("$scrypt$ln=18,r=8,p=1${salt}${output}"),
        format!("$scrypt$ln=1,r=1,p=1048576${salt}${output}"),
        "$2b$14$......................YgIDy4hFBdVlc/6LHnD9mX488r9cLd2".to_owned(),
    ] {
        assert_eq!(verify(&text), Ok(false), "{text}");
    }
}
