//! The response time of a failed sign-in does not reveal whether the user exists.

use std::time::{Duration, Instant};

use gatepass::{Auth, PasswordHash, PasswordHasher, passwords::Argon2Hasher};

use crate::{
    block_on, hasher,
    members::{NAME, auth, members, sign_in},
    quick, serial,
    support::doubles::Member,
};

const ROUNDS: usize = 100;
const ATTEMPTS: usize = 5;

#[test]
fn sign_in_of_an_unknown_user_takes_as_long_as_that_of_a_known_one() {
    let _serial = serial();
    let hasher = hasher(quick());
    let hash = block_on(hasher.hash(&"secret".into())).unwrap();
    assert_takes_as_long_as_an_unknown_user(hash, hasher);
}

#[test]
fn sign_in_with_an_unsupported_stored_hash_takes_as_long_as_that_of_an_unknown_user() {
    let _serial = serial();
    assert_takes_as_long_as_an_unknown_user("unsupported".into(), hasher(quick()));
}

#[test]
fn sign_in_with_a_cheap_stored_hash_takes_as_long_as_that_of_an_unknown_user() {
    let _serial = serial();
    let cheap = "pbkdf2_sha256$1$salt$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    assert_takes_as_long_as_an_unknown_user(cheap.into(), hasher(quick()));
}

fn assert_takes_as_long_as_an_unknown_user(hash: PasswordHash, hasher: Argon2Hasher) {
    let auth = auth(&members(hash), hasher);
    // The second password is hashed in two normalization forms.
    for password in ["wrong", "wronge\u{301}"] {
        assert_takes_as_long(&auth, password);
    }
}

fn assert_takes_as_long(auth: &Auth<Member>, password: &str) {
    // One attempt with equal times is enough: other programs may disturb the rest.
    let mut apart = Vec::new();
    for _ in 0..ATTEMPTS {
        let (known, unknown) = medians(auth, password);
        eprintln!("known {known:?}, unknown {unknown:?}");
        apart.push((known.as_secs_f64() / unknown.as_secs_f64() - 1.0).abs());
        if apart.last().is_some_and(|apart| *apart < 0.05) {
            return;
        }
    }
    panic!("the medians differ by over 5 % each time: {apart:?}");
}

/// Alternates failed sign-ins of a known and of an unknown user, and returns the median times.
fn medians(auth: &Auth<Member>, password: &str) -> (Duration, Duration) {
    let time = |name| {
        let start = Instant::now();
        let result = block_on(sign_in(auth, name, password));
        let time = start.elapsed();
        assert!(!result.unwrap());
        time
    };
    let (mut known, mut unknown) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        if round % 2 == 0 {
            known.push(time(NAME));
            unknown.push(time("nobody"));
        } else {
            unknown.push(time("nobody"));
            known.push(time(NAME));
        }
    }
    (median(known), median(unknown))
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}
