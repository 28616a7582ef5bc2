//! Key rotation: which key signs and which keys verify, as a function of their creation times and the current time.

use std::{cmp::Ordering, sync::Arc, time::Duration};

use super::key::Key;
use crate::domain::time::Timestamp;

/// The extra time for which a key verifies tokens after the last one should have expired: another replica may have
/// noticed the next key a second late, or its clock may be slow.
const HANDOVER: Duration = Duration::from_secs(60);

/// The state of a key at a given time.
///
/// Exactly one key signs at any time: the newest key whose activation delay has passed, or the oldest key while the
/// delay of every key is still running. So the first key signs immediately.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyState {
    /// The key is published but does not sign yet.
    Next {
        /// The time at which the key starts signing.
        signs_at: Timestamp,
    },
    /// The key signs.
    Signing,
    /// A newer key signs; this one still verifies the tokens that it signed.
    Verifying {
        /// The time at which the key is retired.
        until: Timestamp,
    },
    /// All tokens signed with the key have expired. The key is no longer used and can be removed.
    Retired,
}

/// The durations that determine the rotation.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rotation {
    /// The delay between publishing a key and signing tokens with it.
    pub(super) activation_delay: Duration,
    /// The lifetime of a token, including the tolerated clock difference.
    pub(super) token_lifetime: Duration,
}

/// The creation times of all keys, oldest first, and the durations of their rotation.
#[derive(Clone, Debug)]
pub(super) struct Schedule {
    created: Vec<Timestamp>,
    rotation: Rotation,
}

impl Schedule {
    /// Creates the schedule of `keys`, which must be sorted, oldest first.
    pub(super) fn new(keys: &[Arc<Key>], rotation: Rotation) -> Self {
        Self { created: keys.iter().map(|key| key.name.created).collect(), rotation }
    }

    /// Returns the index of the key that signs.
    pub(super) fn signing(&self, now: Timestamp) -> usize {
        self.created.iter().rposition(|created| self.activation(*created) <= now).unwrap_or(0)
    }

    /// Returns the state of the key at `index`.
    pub(super) fn state(&self, index: usize, now: Timestamp) -> KeyState {
        match index.cmp(&self.signing(now)) {
            Ordering::Greater => KeyState::Next { signs_at: self.activation(self.created[index]) },
            Ordering::Equal => KeyState::Signing,
            Ordering::Less => {
                // The key stopped signing when the next one was activated.
                let next = self.activation(self.created[index + 1]);
                let until = next + self.rotation.token_lifetime + HANDOVER;
                if now < until { KeyState::Verifying { until } } else { KeyState::Retired }
            }
        }
    }

    fn activation(&self, created: Timestamp) -> Timestamp {
        created + self.rotation.activation_delay
    }
}

#[cfg(test)]
mod tests;
