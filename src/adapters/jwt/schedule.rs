//! Which key signs and which ones verify: pure functions of the keys' ages and the time.

use std::time::Duration;

use crate::domain::time::Timestamp;

/// For so long after a key's last token has expired it is still honoured: another replica may have learned of
/// the successor a second late, or its clock may be behind.
const HANDOVER: Duration = Duration::from_secs(60);

/// What a key does at a moment.
///
/// The newest key whose activation delay has passed signs. Where none is that old, the oldest one signs: so the
/// first key signs at once, and at every moment exactly one key does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyState {
    /// It is published and does not sign yet.
    Next {
        /// When it begins to sign.
        signs_at: Timestamp,
    },
    /// It signs.
    Signing,
    /// A newer key signs; tokens of this one are still out.
    Verifying {
        /// The first moment at which it does not verify any more.
        until: Timestamp,
    },
    /// All its tokens have expired: it counts no more and may be removed.
    Retired,
}

/// How keys follow each other.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rotation {
    /// How long a key is published before it signs.
    pub(super) activation_delay: Duration,
    /// How long a token is taken after it was issued.
    pub(super) token_life: Duration,
}

/// When each key was made, oldest first, and how they follow each other.
#[derive(Clone, Debug)]
pub(super) struct Schedule {
    created: Vec<Timestamp>,
    rotation: Rotation,
}

impl Schedule {
    /// `created` is in order, oldest first.
    pub(super) fn new(created: Vec<Timestamp>, rotation: Rotation) -> Self {
        debug_assert!(created.is_sorted());
        Self { created, rotation }
    }

    /// The key that signs, unless there is none at all.
    pub(super) fn signing(&self, now: Timestamp) -> Option<usize> {
        let active = self.created.iter().rposition(|created| self.activation(*created) <= now);
        active.or_else(|| (!self.created.is_empty()).then_some(0))
    }

    /// What the key at `index` does; a key that is not there does nothing any more.
    pub(super) fn state(&self, index: usize, now: Timestamp) -> KeyState {
        let (Some(signing), Some(created)) = (self.signing(now), self.created.get(index)) else {
            return KeyState::Retired;
        };
        if index == signing {
            return KeyState::Signing;
        }
        if index > signing {
            return KeyState::Next { signs_at: self.activation(*created) };
        }
        // Its successor is at `signing` or before, so its last token was issued before that one's activation.
        let Some(successor) = self.created.get(index + 1) else { return KeyState::Retired };
        let until = self.activation(*successor) + self.rotation.token_life + HANDOVER;
        if now < until { KeyState::Verifying { until } } else { KeyState::Retired }
    }

    fn activation(&self, created: Timestamp) -> Timestamp {
        created + self.rotation.activation_delay
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_unix(seconds)
    }

    fn schedule(created: &[u64], delay: u64, life: u64) -> Schedule {
        let rotation =
            Rotation { activation_delay: Duration::from_secs(delay), token_life: Duration::from_secs(life) };
        Schedule::new(created.iter().copied().map(at).collect(), rotation)
    }

    #[test]
    fn the_first_key_signs_at_once() {
        let schedule = schedule(&[1000], 300, 900);
        for now in [0, 999, 1000, 1001, 1300, 1_000_000] {
            assert_eq!(schedule.state(0, at(now)), KeyState::Signing, "{now}");
        }
    }

    #[test]
    fn a_new_key_waits_and_the_old_one_verifies_until_its_last_token_has_expired() {
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
    fn of_keys_made_in_one_second_exactly_one_signs() {
        let schedule = schedule(&[1000, 1000, 1000], 300, 900);
        assert_eq!(schedule.signing(at(1000)), Some(0));
        assert_eq!(schedule.signing(at(1300)), Some(2));
    }

    #[test]
    fn without_keys_nothing_signs() {
        assert_eq!(schedule(&[], 300, 900).signing(at(5000)), None);
        assert_eq!(schedule(&[], 300, 900).state(0, at(5000)), KeyState::Retired);
    }

    prop_compose! {
        fn any_schedule()(mut created in prop::collection::vec(0_u64..5000, 1..8), delay in 0_u64..1000, life in 1_u64..2000)
            -> (Vec<u64>, u64, u64)
        {
            created.sort_unstable();
            (created, delay, life)
        }
    }

    proptest! {
        #[test]
        fn at_every_moment_exactly_one_key_signs((created, delay, life) in any_schedule(), now in 0_u64..10_000) {
            let schedule = schedule(&created, delay, life);
            let signing = (0..created.len()).filter(|key| schedule.state(*key, at(now)) == KeyState::Signing);
            prop_assert_eq!(signing.count(), 1);
        }

        #[test]
        fn a_key_younger_than_the_delay_signs_only_where_all_are((created, delay, life) in any_schedule(), now in 0_u64..10_000) {
            let schedule = schedule(&created, delay, life);
            let signing = schedule.signing(at(now)).unwrap();
            let is_active = |key: usize| created[key] + delay <= now;
            prop_assert!(is_active(signing) || (signing == 0 && !(0..created.len()).any(is_active)));
        }

        #[test]
        fn a_token_is_verified_for_all_its_life(
            (created, delay, life) in any_schedule(), issued in 0_u64..10_000, age in 0.0..1.0,
        ) {
            let schedule = schedule(&created, delay, life);
            let key = schedule.signing(at(issued)).unwrap();
            let now = issued + (age * life as f64) as u64;
            prop_assert_ne!(schedule.state(key, at(now)), KeyState::Retired);
        }

        #[test]
        fn a_token_is_verified_where_a_later_key_came_meanwhile(
            (created, delay, life) in any_schedule(), issued in 0_u64..10_000, age in 0.0..1.0, after in 0_u64..100,
        ) {
            // The replica that verifies has seen a key that was made after the token.
            let key = schedule(&created, delay, life).signing(at(issued)).unwrap();
            let newest = created.iter().copied().max().unwrap().max(issued) + after;
            let later = schedule(&[created, vec![newest]].concat(), delay, life);
            let now = issued + (age * life as f64) as u64;
            prop_assert_ne!(later.state(key, at(now)), KeyState::Retired);
        }

        #[test]
        fn what_is_retired_stays_so_and_is_missed_by_nobody((created, delay, life) in any_schedule(), now in 0_u64..10_000, later in 0_u64..10_000) {
            let before = schedule(&created, delay, life);
            let kept: Vec<_> =
                (0..created.len()).filter(|key| before.state(*key, at(now)) != KeyState::Retired).collect();
            let pruned: Vec<_> = kept.iter().map(|key| created[*key]).collect();
            let after = schedule(&pruned, delay, life);
            for (new, old) in kept.into_iter().enumerate() {
                prop_assert_eq!(after.state(new, at(now + later)), before.state(old, at(now + later)));
            }
        }

        #[test]
        fn a_key_goes_forward_only((created, delay, life) in any_schedule(), now in 0_u64..10_000, later in 0_u64..10_000) {
            let schedule = schedule(&created, delay, life);
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
}
