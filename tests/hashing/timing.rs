//! The time of a refusal does not tell who has an account.

use std::time::{Duration, Instant};

use gatepass::{Argon2Hasher, GrantError, PasswordHash, PasswordHasher};

use crate::{
    alone, block_on, hasher,
    members::{Members, NAME, TestAuth, auth, sign_in},
    quick,
};

const ROUNDS: usize = 200;
const ATTEMPTS: usize = 5;

#[test]
fn an_unknown_user_costs_what_a_known_one_costs() {
    let _alone = alone();
    let hasher = hasher(quick());
    let hash = block_on(hasher.hash(&"secret".into())).unwrap();
    assert_costs_what_an_unknown_user_costs(hash, hasher);
}

#[test]
fn a_user_whose_hash_cannot_be_read_costs_it_too() {
    let _alone = alone();
    assert_costs_what_an_unknown_user_costs("unreadable".into(), hasher(quick()));
}

#[test]
fn a_cheap_hash_of_another_kind_is_no_quicker() {
    let _alone = alone();
    let cheap = "pbkdf2_sha256$1$salt$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    assert_costs_what_an_unknown_user_costs(cheap.into(), hasher(quick()));
}

fn assert_costs_what_an_unknown_user_costs(hash: PasswordHash, hasher: Argon2Hasher) {
    let auth = auth(&Members::new(hash), hasher);

    // The machine has other work: what holds must hold in one of a few attempts.
    let mut apart = Vec::new();
    for _ in 0..ATTEMPTS {
        let (known, unknown) = medians(&auth);
        eprintln!("known {known:?}, unknown {unknown:?}");
        apart.push((known.as_secs_f64() / unknown.as_secs_f64() - 1.0).abs());
        if apart.last().is_some_and(|apart| *apart < 0.05) {
            return;
        }
    }
    panic!("the medians are over 5 % apart each time: {apart:?}");
}

/// The median times of refusing a known and an unknown user, one after the other in turns.
fn medians(auth: &TestAuth) -> (Duration, Duration) {
    let time = |name| {
        let start = Instant::now();
        let refused = block_on(sign_in(auth, name, "wrong"));
        let time = start.elapsed();
        assert!(matches!(refused, Err(GrantError::IncorrectCredentials)));
        time
    };
    let (mut known, mut unknown) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        // Whoever comes first is not always the same.
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
