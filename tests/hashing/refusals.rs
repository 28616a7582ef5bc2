//! What is refused: before the hash, and stored hashes that are no use.

use std::time::{Duration, Instant};

use gatepass::{Argon2Hasher, Argon2Settings, GrantError, PasswordCheck, PasswordHasher};

use crate::{
    alone, block_on, hasher,
    members::{Members, NAME, auth, sign_in},
    quick,
    support::{
        http::{get, post_form},
        service::spawn,
    },
};

/// A hash that no sign-in may come to read: it would be a fault.
const UNREADABLE: &str = "!";

#[test]
fn empty_and_overlong_passwords_are_refused_before_hashing_for_every_user_alike() {
    let _alone = alone();
    let auth = auth(&Members::new(UNREADABLE), hasher(quick()));
    for password in ["", &"x".repeat(1025), &"é".repeat(513), &"x".repeat(1_000_000)] {
        for name in [NAME, "nobody"] {
            let refused = block_on(sign_in(&auth, name, password));
            assert!(
                matches!(refused, Err(GrantError::IncorrectCredentials)),
                "{name}, {} bytes: {refused:?}",
                password.len()
            );
        }
    }
    // One byte less is hashed: against the stored hash of the one, against the dummy_hash for the other.
    let longest = "x".repeat(1024);
    for name in [NAME, "nobody"] {
        assert!(matches!(block_on(sign_in(&auth, name, &longest)), Err(GrantError::IncorrectCredentials)));
    }
}

#[test]
fn a_password_of_1024_bytes_signs_in() {
    let _alone = alone();
    let (hasher, longest) = (hasher(quick()), "é".repeat(512));
    let hash = block_on(hasher.hash(&longest.as_str().into())).unwrap();
    assert!(block_on(sign_in(&auth(&Members::new(hash), hasher), NAME, &longest)).is_ok());
}

#[test]
fn what_could_never_sign_in_is_not_hashed() {
    let _alone = alone();
    let hasher = hasher(quick());
    for password in ["", &"x".repeat(1025)] {
        assert!(block_on(hasher.hash(&password.into())).is_err());
    }
}

#[test]
fn an_overlong_password_is_answered_like_a_wrong_one() {
    let _alone = alone();
    let hasher = hasher(quick());
    let hash = block_on(hasher.hash(&"secret".into())).unwrap();
    let service = spawn(auth(&Members::new(hash), hasher), Default::default());
    let wrong = post_form("/token", "username=johndoe&password=wrong").send(service);
    let overlong =
        post_form("/token", format!("username=johndoe&password={}", "x".repeat(1025))).send(service);
    assert_eq!((overlong.status, overlong.text()), (wrong.status, wrong.text()));
}

#[test]
fn a_stored_hash_that_cannot_be_used_matches_nothing_and_names_the_reason_alone() {
    let _alone = alone();
    let hasher = hasher(quick());
    let (salt, output) = ("MTIzNDU2Nzg5MDEyMzQ1Ng", "Ek8Sn2iS2m2l1qXpUPJ5fyk6vSSnfM8Vh3yUgkmKjZI");
    let bcrypt = "$......................YgIDy4hFBdVlc/6LHnD9mX488r9cLd2";
    for (hash, reason) in [
        (String::new(), "kind"),
        ("secret".into(), "kind"),
        ("$".into(), "kind"),
        ("$$".into(), "kind"),
        ("fakehashedsecret".into(), "kind"),
        (format!("$argon2d$v=19$m=64,t=1,p=1${salt}${output}"), "kind"),
        (format!("$5$rounds=1000${salt}${output}"), "kind"),
        (format!("$2x$05{bcrypt}"), "kind"),
        (format!("$argon2id$v=19$m=64,t=1,p=1${salt}${output}{}", "A".repeat(1000)), "kind"),
        ("$argon2id$".into(), "malformed"),
        (format!("$argon2id$v=19$m=64,t=1,p=1${salt}"), "malformed"),
        (format!("$argon2id$v=19$m=64,t=1${salt}${output}"), "malformed"),
        (format!("$argon2id$v=19$m=64,t=1,p=1,data=AAAA${salt}${output}"), "malformed"),
        (format!("$argon2id$v=18$m=64,t=1,p=1${salt}${output}"), "malformed"),
        (format!("$argon2id$v=19$m=64,t=0,p=1${salt}${output}"), "malformed"),
        (format!("$argon2id$v=19$m=64,t=1,p=0${salt}${output}"), "malformed"),
        (format!("$argon2id$v=19$m=64,t=1,p=9${salt}${output}"), "malformed"),
        (format!("$argon2id$v=19$m=64,t=1,p=4294967295${salt}${output}"), "malformed"),
        (format!("$argon2id$v=19$m=4294967295,t=1,p=1${salt}${output}"), "over the limit"),
        (format!("$argon2id$v=19$m=262145,t=1,p=1${salt}${output}"), "over the limit"),
        (format!("$argon2id$v=19$m=64,t=4294967295,p=1${salt}${output}"), "over the limit"),
        (format!("$argon2i$v=19$m=262144,t=5,p=1${salt}${output}"), "over the limit"),
        (format!("$2b$15{bcrypt}"), "over the limit"),
        (format!("$2b$31{bcrypt}"), "over the limit"),
        (format!("$2b$03{bcrypt}"), "malformed"),
        (format!("$2b$xx{bcrypt}"), "malformed"),
        (format!("$2b$05{bcrypt}x"), "malformed"),
        (format!("$scrypt$ln=19,r=8,p=1${salt}${output}"), "over the limit"),
        (format!("$scrypt$ln=4294967295,r=8,p=1${salt}${output}"), "over the limit"),
        (format!("$scrypt$ln=1,r=4294967295,p=4294967295${salt}${output}"), "over the limit"),
        (format!("$scrypt$ln=0,r=8,p=1${salt}${output}"), "malformed"),
        (format!("$scrypt$v=1$ln=4,r=8,p=1${salt}${output}"), "malformed"),
        (format!("$pbkdf2-sha256$i=4000001${salt}${output}"), "over the limit"),
        (format!("$pbkdf2-sha256$i=1000,l=31${salt}${output}"), "malformed"),
        (format!("$pbkdf2-sha256$i=0${salt}${output}"), "malformed"),
        (format!("$pbkdf2-sha256$4294967295${salt}${output}"), "over the limit"),
        (format!("$pbkdf2-sha256$4294967296${salt}${output}"), "malformed"),
        (format!("$pbkdf2-sha256$1000${salt}$AAAA"), "malformed"),
        (format!("pbkdf2_sha256$99999999$salt${output}="), "over the limit"),
        (format!("pbkdf2_sha256$1000$salt${output}"), "malformed"),
        (format!("pbkdf2_sha256$1000$salt${output}=$x"), "malformed"),
        ("pbkdf2_sha256$".into(), "malformed"),
    ] {
        let start = Instant::now();
        let verdict = block_on(hasher.verify(&"secret".into(), &hash.as_str().into())).unwrap();
        assert_eq!(verdict, PasswordCheck::Mismatch, "{hash}");
        let fault = Argon2Hasher::check(&hash.as_str().into()).unwrap_err();
        assert!(start.elapsed() < Duration::from_millis(200), "{hash}: {:?}", start.elapsed());
        assert!(fault.to_string().contains(reason), "{hash}: {fault}");
        assert!(!fault.is_temporary(), "{hash}");
        assert!(!fault.to_string().contains(salt) && !fault.to_string().contains(output), "{fault}");
    }
}

#[test]
fn a_stored_hash_that_cannot_be_used_is_answered_like_a_wrong_password() {
    let _alone = alone();
    let service = spawn(auth(&Members::new(UNREADABLE), hasher(quick())), Default::default());
    let [broken, unknown] = ["johndoe", "nobody"]
        .map(|name| post_form("/token", format!("username={name}&password=secret")).send(service));
    assert_eq!((broken.status, &broken.body), (400, &unknown.body));
    assert_eq!(get("/openapi.json").send(service).status, 200);
}

#[test]
fn settings_out_of_bounds_are_refused_in_one_line() {
    let _alone = alone();
    for (settings, expected) in [
        (
            Argon2Settings { memory: 7, ..quick() },
            "Argon2 needs 8 KiB of memory for each of 1 lanes and takes at most 262144 KiB, not 7",
        ),
        (
            Argon2Settings { memory: 31, parallelism: 4, ..quick() },
            "Argon2 needs 8 KiB of memory for each of 4 lanes and takes at most 262144 KiB, not 31",
        ),
        (
            Argon2Settings { memory: 262_145, ..quick() },
            "Argon2 needs 8 KiB of memory for each of 1 lanes and takes at most 262144 KiB, not 262145",
        ),
        (
            Argon2Settings { parallelism: u32::MAX, ..quick() },
            "Argon2 needs 8 KiB of memory for each of 4294967295 lanes and takes at most 262144 KiB, not 4096",
        ),
        (Argon2Settings { iterations: 0, ..quick() }, "Argon2 needs at least 1 iteration"),
        (
            Argon2Settings { memory: 65536, iterations: 17, ..quick() },
            "Argon2 takes at most 16 iterations over that much memory",
        ),
        (Argon2Settings { parallelism: 0, ..quick() }, "Argon2 needs a parallelism of at least 1"),
    ] {
        assert_eq!(Argon2Hasher::new(settings).unwrap_err().to_string(), expected);
    }
    for settings in [
        Argon2Settings { memory: 8, iterations: 1, ..quick() },
        Argon2Settings { memory: 65536, iterations: 16, parallelism: 4, ..quick() },
        Argon2Settings { memory: 262_144, iterations: 4, ..quick() },
    ] {
        assert!(Argon2Hasher::new(settings.clone()).is_ok(), "{settings:?}");
    }
}

#[test]
fn the_decoy_has_todays_parameters_and_is_every_hashers_own() {
    let _alone = alone();
    let settings = || Argon2Settings { memory: 1024, iterations: 3, parallelism: 2, ..quick() };
    let (one, other) = (hasher(settings()), hasher(settings()));
    assert!(one.dummy_hash().expose().starts_with("$argon2id$v=19$m=1024,t=3,p=2$"));
    assert_ne!(one.dummy_hash().expose(), other.dummy_hash().expose());
}
