use proptest::prelude::*;

use super::*;

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_unix(seconds)
}

fn schedule(created: &[u64], delay: u64, lifetime: u64) -> Schedule {
    let rotation = Rotation {
        activation_delay: Duration::from_secs(delay),
        token_lifetime: Duration::from_secs(lifetime),
    };
    Schedule { created: created.iter().copied().map(at).collect(), rotation }
}

#[test]
fn first_key_signs_immediately() {
    let schedule = schedule(&[1000], 300, 900);
    for now in [0, 999, 1000, 1001, 1300, 1_000_000] {
        assert_eq!(schedule.state(0, at(now)), KeyState::Signing, "{now}");
    }
}

#[test]
fn old_key_verifies_until_its_last_token_has_expired() {
    let schedule = schedule(&[1000, 5000], 300, 900);
    assert_eq!(schedule.state(0, at(5299)), KeyState::Signing);
    assert_eq!(schedule.state(1, at(5299)), KeyState::Next { signs_at: at(5300) });

    let until = at(5300 + 900 + HANDOVER.as_secs());
    assert_eq!(schedule.state(1, at(5300)), KeyState::Signing);
    assert_eq!(schedule.state(0, at(5300)), KeyState::Verifying { until });
    assert_eq!(schedule.state(0, at(until.as_unix() - 1)), KeyState::Verifying { until });
    assert_eq!(schedule.state(0, until), KeyState::Retired);
}

#[test]
fn exactly_one_of_several_keys_created_in_the_same_second_signs() {
    let schedule = schedule(&[1000, 1000, 1000], 300, 900);
    assert_eq!(schedule.signing(at(1000)), 0);
    assert_eq!(schedule.signing(at(1300)), 2);
}

prop_compose! {
    fn any_schedule()(mut created in prop::collection::vec(0_u64..5000, 1..8), delay in 0_u64..1000, lifetime in 1_u64..2000)
        -> (Vec<u64>, u64, u64)
    {
        created.sort_unstable();
        (created, delay, lifetime)
    }
}

proptest! {
    #[test]
    fn exactly_one_key_signs_at_any_time((created, delay, lifetime) in any_schedule(), now in 0_u64..10_000) {
        let schedule = schedule(&created, delay, lifetime);
        let signing = (0..created.len()).filter(|key| schedule.state(*key, at(now)) == KeyState::Signing);
        prop_assert_eq!(signing.count(), 1);
    }

    #[test]
    fn key_within_its_activation_delay_signs_only_if_no_key_is_active(
        (created, delay, lifetime) in any_schedule(), now in 0_u64..10_000,
    ) {
        let schedule = schedule(&created, delay, lifetime);
        let signing = schedule.signing(at(now));
        let is_active = |key: usize| created[key] + delay <= now;
        prop_assert!(is_active(signing) || (signing == 0 && !(0..created.len()).any(is_active)));
    }

    #[test]
    fn key_of_a_token_verifies_until_the_token_expires(
        (created, delay, lifetime) in any_schedule(), issued in 0_u64..10_000, age in 0.0..1.0,
    ) {
        let schedule = schedule(&created, delay, lifetime);
        let key = schedule.signing(at(issued));
        let now = issued + (age * lifetime as f64) as u64;
        prop_assert_ne!(schedule.state(key, at(now)), KeyState::Retired);
    }

    #[test]
    fn key_of_a_token_verifies_even_if_a_newer_key_was_created(
        (created, delay, lifetime) in any_schedule(), issued in 0_u64..10_000, age in 0.0..1.0, after in 0_u64..100,
    ) {
        // The verifying replica has already read a key that was created after the token.
        let key = schedule(&created, delay, lifetime).signing(at(issued));
        let newest = created.iter().copied().max().unwrap().max(issued) + after;
        let later = schedule(&[created, vec![newest]].concat(), delay, lifetime);
        let now = issued + (age * lifetime as f64) as u64;
        prop_assert_ne!(later.state(key, at(now)), KeyState::Retired);
    }

    #[test]
    fn removal_of_retired_keys_does_not_change_the_states_of_other_keys(
        (created, delay, lifetime) in any_schedule(), now in 0_u64..10_000, later in 0_u64..10_000,
    ) {
        let before = schedule(&created, delay, lifetime);
        let kept: Vec<_> =
            (0..created.len()).filter(|key| before.state(*key, at(now)) != KeyState::Retired).collect();
        let pruned: Vec<_> = kept.iter().map(|key| created[*key]).collect();
        let after = schedule(&pruned, delay, lifetime);
        for (new, old) in kept.into_iter().enumerate() {
            prop_assert_eq!(after.state(new, at(now + later)), before.state(old, at(now + later)));
        }
    }

    #[test]
    fn state_of_a_key_only_moves_forward((created, delay, lifetime) in any_schedule(), now in 0_u64..10_000, later in 0_u64..10_000) {
        let schedule = schedule(&created, delay, lifetime);
        let rank = |key, now| match schedule.state(key, at(now)) {
            KeyState::Next { .. } => 0,
            KeyState::Signing => 1,
            KeyState::Verifying { .. } => 2,
            KeyState::Retired => 3,
        };
        for key in 0..created.len() {
            prop_assert!(rank(key, now) <= rank(key, now + later));
        }
    }
}
