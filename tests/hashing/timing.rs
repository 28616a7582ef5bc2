//! Checks that the response time of a failed sign-in does not reveal whether the user exists.

use std::time::{Duration, Instant};

use gatepass::{Auth, PasswordHasher};

use crate::{
    block_on, hasher,
    members::{account, auth, sign_in},
    quick, serial,
    support::doubles::{Member, Members},
};

const ROUNDS: usize = 100;
const ATTEMPTS: usize = 5;

/// An unknown user, and users with a current, a cheap and an unsupported hash.
const NAMES: [&str; 4] = ["nobody", "current", "cheap", "unsupported"];

#[test]
fn failed_sign_in_takes_equally_long_for_unknown_users_and_users_with_any_kind_of_hash() {
    let _serial = serial();
    let hasher = hasher(quick());
    let current = block_on(hasher.hash(&"secret".into())).unwrap();
    let cheap = "pbkdf2_sha256$1$salt$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    let members = Members::new(vec![
        account(1, "current", current),
        account(2, "cheap", cheap),
        account(3, "unsupported", "unsupported"),
    ]);
    let auth = auth(&members, hasher);
    // The second password is hashed in two normalization forms.
    for password in ["wrong", "wronge\u{301}"] {
        assert_takes_as_long(&auth, password);
    }
}

fn assert_takes_as_long(auth: &Auth<Member>, password: &str) {
    // One attempt with equal times is enough for each user, because other programs may disturb the measurements.
    let mut left = vec![1, 2, 3];
    for _ in 0..ATTEMPTS {
        let medians = medians(auth, password);
        eprintln!("{NAMES:?}: {medians:?}");
        let [unknown, ..] = medians.map(|median| median.as_secs_f64());
        left.retain(|user: &usize| (medians[*user].as_secs_f64() / unknown - 1.0).abs() >= 0.05);
        if left.is_empty() {
            return;
        }
    }
    panic!(
        "expected medians within 5 % of that of an unknown user, but users {left:?} differed in every attempt"
    );
}

/// Returns the median time of a failed sign-in for each of [`NAMES`]. The users take turns.
fn medians(auth: &Auth<Member>, password: &str) -> [Duration; 4] {
    let mut times = NAMES.map(|_| Vec::new());
    for round in 0..ROUNDS {
        // Each user signs in first in a quarter of the rounds.
        for turn in 0..NAMES.len() {
            let user = (round + turn) % NAMES.len();
            let start = Instant::now();
            let result = block_on(sign_in(auth, NAMES[user], password));
            times[user].push(start.elapsed());
            assert!(!result.unwrap());
        }
    }
    times.map(|mut times| {
        times.sort();
        times[times.len() / 2]
    })
}
