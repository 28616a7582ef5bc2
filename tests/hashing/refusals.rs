//! Passwords, stored hashes and settings that are refused.

use std::time::{Duration, Instant};

use gatepass::{
    PasswordCheck, PasswordHasher,
    passwords::{Argon2Hasher, Argon2Settings},
};

use crate::{
    block_on, hasher,
    members::{NAME, auth, members, sign_in},
    quick, serial,
    support::{
        http::{get, post_form},
        service::spawn,
    },
};

/// A stored hash of an unknown kind.
const UNSUPPORTED: &str = "unsupported";

#[test]
fn sign_in_with_an_empty_or_overlong_password_is_refused_before_hashing_for_every_user() {
    let _serial = serial();
    // A hash takes a few tenths of a second.
    let slow = hasher(Argon2Settings { memory: 65536, iterations: 8, ..quick() });
    let auth = auth(&members(slow.dummy_hash().clone()), slow);
    let start = Instant::now();
    for password in ["", &"x".repeat(1025), &"é".repeat(513), &"x".repeat(1_000_000)] {
        for name in [NAME, "nobody"] {
            assert!(!block_on(sign_in(&auth, name, password)).unwrap(), "{name}, {} bytes", password.len());
        }
    }
    let time = start.elapsed();
    assert!(!block_on(sign_in(&auth, NAME, "wrong")).unwrap());
    assert!(
        time < (start.elapsed() - time) / 2,
        "expected refusals without hashing, but 8 of them took {time:?}"
    );
}

#[test]
fn only_passwords_of_1_to_1024_bytes_are_hashed() {
    let _serial = serial();
    let (hasher, longest) = (hasher(quick()), "é".repeat(512));
    for refused in ["", &"x".repeat(1025)] {
        assert!(block_on(hasher.hash(&refused.into())).is_err());
    }
    let hash = block_on(hasher.hash(&longest.as_str().into())).unwrap();
    assert!(block_on(sign_in(&auth(&members(hash), hasher), NAME, &longest)).unwrap());
}

#[test]
fn unsupported_hash_is_a_mismatch_and_check_hash_returns_the_reason_without_the_hash() {
    let _serial = serial();
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
        (format!("pbkdf2_md5$1000$salt${output}="), "kind"),
        (format!("bcrypt_sha256$2b$05{bcrypt}"), "malformed"),
        (format!("bcrypt_sha256$$2b$15{bcrypt}"), "over the limit"),
        (format!("$bcrypt-sha256$2b,15{bcrypt}$x"), "malformed"),
        (
            "$bcrypt-sha256$2b,15$n79VH.0Q2TMWmt3Oqt9uku$Kq4Noyk3094Y2QlB8NdRT8SvGiI4ft2".into(),
            "over the limit",
        ),
        (
            "$bcrypt-sha256$v=2,t=2b,r=99$n79VH.0Q2TMWmt3Oqt9uku$Kq4Noyk3094Y2QlB8NdRT8SvGiI4ft2".into(),
            "over the limit",
        ),
        (
            "$bcrypt-sha256$v=3,t=2b,r=5$n79VH.0Q2TMWmt3Oqt9uku$Kq4Noyk3094Y2QlB8NdRT8SvGiI4ft2".into(),
            "malformed",
        ),
        ("$wp$".into(), "malformed"),
        (format!("$wp$2y$15{bcrypt}"), "over the limit"),
        (format!("$wp$argon2id$v=19$m=64,t=1,p=1${salt}${output}"), "malformed"),
        (format!("scrypt$1048576$salt$8$1${output}="), "over the limit"),
        (format!("scrypt$1000$salt$8$1${output}="), "malformed"),
        (format!("scrypt$16384$salt$0$1${output}="), "malformed"),
        ("scrypt:1048576:8:1$salt$00112233445566778899aabbccddeeff".into(), "over the limit"),
        ("scrypt:32768:8:1$salt$00112233445566778899aabbccddeefg".into(), "malformed"),
        ("scrypt:32768:8$salt$00112233445566778899aabbccddeeff".into(), "malformed"),
        ("scrypt:32768:8:1$salt$".into(), "malformed"),
        (format!("scrypt:32768:8:1$salt${}", "00".repeat(65)), "malformed"),
        ("pbkdf2:sha256:4000001$salt$00112233445566778899aabbccddeeff".into(), "over the limit"),
        ("pbkdf2:sha256:1000$salt$001122334455667788".into(), "malformed"),
        ("pbkdf2:sha256$salt$00112233445566778899aabbccddeeff".into(), "malformed"),
        ("pbkdf2:md5:1000$salt$00112233445566778899aabbccddeeff".into(), "kind"),
        // PBKDF2 with SHA-1 repeats all iterations for every 20 bytes of output.
        (format!("pbkdf2:sha1:1000001$salt${}", "00".repeat(64)), "over the limit"),
        // ASP.NET Core Identity: too many iterations, no iterations, a salt that is too long, another version.
        ("AQAAAAL/////AAAAEOMwvh3+FZxqkdMBz2ekgGhwQ4B6pZWND6zgESBuWiHw".into(), "over the limit"),
        ("AQAAAAIAAAAAAAAAEOMwvh3+FZxqkdMBz2ekgGhwQ4B6pZWND6zgESBuWiHw".into(), "malformed"),
        ("AQAAAAIAAAAy/////+Mwvh3+FZxqkdMBz2ekgGhwQ4B6pZWND6zgESBuWiHw".into(), "kind"),
        ("AgAAAAIAAAAyAAAAEOMwvh3+FZxqkdMBz2ekgGhwQ4B6pZWND6zgESBuWiHw".into(), "kind"),
        ("$P$B01234567ZQDz7E7u9zLRTi2vCvL0e".into(), "malformed"),
        ("$P$H01234567ZQDz7E7u9zLRTi2vCvL0e1".into(), "over the limit"),
        ("$P$401234567ZQDz7E7u9zLRTi2vCvL0e1".into(), "malformed"),
        ("$P$".into(), "malformed"),
        (format!("{{CRYPT}}$2b$15{bcrypt}"), "over the limit"),
        ("{CRYPT}$6$salt$hash".into(), "kind"),
        ("{CRYPT}!".into(), "kind"),
        ("{bcrypt}{bcrypt}$2b$".into(), "kind"),
        ("{unknown}x".into(), "kind"),
        ("{".into(), "kind"),
        (format!("{{PBKDF2-SHA256}}4000001${salt}${output}"), "over the limit"),
        ("{SSHA}DkMTwBl+a/3DQTxCYEApdUtNXGgdUac3".into(), "import `!` as the hash"),
        ("{sha}5en6G6MezRroT3XKqkdPOmY/BfQ=".into(), "import `!` as the hash"),
        ("{MD5}Xr4ilOzQ4PCOq3aQ0qbuaQ==".into(), "import `!` as the hash"),
        ("{noop}secret".into(), "import `!` as the hash"),
        ("md5$salt$5ebe2294ecd0e0f08eab7690d2a6ee69".into(), "import `!` as the hash"),
        ("$1$salt$hash".into(), "import `!` as the hash"),
    ] {
        let start = Instant::now();
        let result = block_on(hasher.verify(&"secret".into(), &hash.as_str().into())).unwrap();
        assert_eq!(result, PasswordCheck::Mismatch, "{hash}");
        let error = Argon2Hasher::check_hash(&hash.as_str().into()).unwrap_err().to_string();
        assert!(start.elapsed() < Duration::from_secs(1), "{hash}: {:?}", start.elapsed());
        assert!(error.contains(reason), "{hash}: {error}");
        assert!(!error.contains(salt) && !error.contains(output), "{error}");
    }
}

#[test]
fn responses_to_overlong_password_unsupported_hash_and_unknown_user_are_identical() {
    let _serial = serial();
    let service = spawn(auth(&members(UNSUPPORTED), hasher(quick())), Default::default());
    let overlong = "x".repeat(1025);
    let replies = [(NAME, "secret"), (NAME, &overlong), ("nobody", "secret")].map(|(name, password)| {
        let reply = post_form("/token", format!("username={name}&password={password}")).send(service);
        (reply.status, reply.text())
    });
    assert_eq!(replies[0].0, 400);
    assert!(replies.iter().all(|reply| *reply == replies[0]), "{replies:?}");
    assert_eq!(get("/openapi.json").send(service).status, 200);
}

#[test]
fn settings_out_of_range_are_refused_with_the_allowed_range() {
    let _serial = serial();
    for (settings, expected) in [
        (
            Argon2Settings { memory: 7, ..quick() },
            "Argon2 memory must be 8 KiB to 262144 KiB with parallelism 1, not 7",
        ),
        (
            Argon2Settings { memory: 31, parallelism: 4, ..quick() },
            "Argon2 memory must be 32 KiB to 262144 KiB with parallelism 4, not 31",
        ),
        (
            Argon2Settings { memory: 262_145, ..quick() },
            "Argon2 memory must be 8 KiB to 262144 KiB with parallelism 1, not 262145",
        ),
        (
            Argon2Settings { parallelism: u32::MAX, ..quick() },
            "Argon2 parallelism must be 1 to 32768, not 4294967295",
        ),
        (
            Argon2Settings { iterations: 0, ..quick() },
            "Argon2 iterations must be 1 to 256 with 4096 KiB of memory, not 0",
        ),
        (
            Argon2Settings { memory: 65536, iterations: 17, ..quick() },
            "Argon2 iterations must be 1 to 16 with 65536 KiB of memory, not 17",
        ),
        (Argon2Settings { parallelism: 0, ..quick() }, "Argon2 parallelism must be 1 to 32768, not 0"),
    ] {
        assert_eq!(Argon2Hasher::with_settings(settings).unwrap_err().to_string(), expected);
    }
    for settings in [
        Argon2Settings { memory: 8, iterations: 1, ..quick() },
        Argon2Settings { memory: 65536, iterations: 16, parallelism: 4, ..quick() },
        Argon2Settings { memory: 262_144, iterations: 4, ..quick() },
    ] {
        assert!(Argon2Hasher::with_settings(settings.clone()).is_ok(), "{settings:?}");
    }
}

#[test]
fn dummy_hash_has_the_current_parameters_and_is_supported() {
    let _serial = serial();
    let hasher = hasher(Argon2Settings { memory: 1024, iterations: 3, parallelism: 2, ..quick() });
    assert!(hasher.dummy_hash().expose().starts_with("$argon2id$v=19$m=1024,t=3,p=2$"));
    assert_eq!(Argon2Hasher::check_hash(hasher.dummy_hash()), Ok(()));
    for password in ["", "A", "secret"] {
        let result = block_on(hasher.verify(&password.into(), hasher.dummy_hash())).unwrap();
        assert_eq!(result, PasswordCheck::Mismatch);
    }
}
