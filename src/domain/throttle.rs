//! Failed attempts to authenticate with a password or a secret, counted to slow down guessing.

#![expect(unreachable_pub, reason = "dynosaur generates unreachable `pub` items")]

use std::time::Duration;

use crate::domain::{backend_error::BackendError, time::Timestamp};

/// The key that failed attempts are counted under, such as the combination of an account and an address. Some keys mark
/// networks that an account signed in from; stores treat them like all other keys.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ThrottleKey {
    pub(crate) name: String,
    pub(crate) forget_after: Duration,
}

impl ThrottleKey {
    /// Returns the key: at most 100 printable ASCII characters.
    pub fn as_str(&self) -> &str {
        &self.name
    }

    /// Returns how long a count is kept after it was last incremented. After that, it is treated as zero, and a store
    /// may delete it.
    pub fn forget_after(&self) -> Duration {
        self.forget_after
    }
}

/// The failed attempts under a [`ThrottleKey`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FailedAttempts {
    /// The number of failures since the count was last cleared or forgotten.
    pub count: u32,
    /// The time of the last failure, if there was one.
    pub last: Option<Timestamp>,
}

/// Storage for failed attempts, which several replicas can share. Times are passed as arguments, so a store needs no
/// clock.
///
/// # Rules
///
/// The suite `gatepass::testing::contract::failed_attempt_store` (feature `testing`) checks these rules.
///
/// - **no-failures**: `find` returns [`FailedAttempts::default`] for a key without failures.
/// - **order-of-keys**: `find` returns one result for each key, in the order of the keys: each key has its own limit.
/// - **counts-every-key**: `add` adds one failure under each key, and stores the time. An attempt that is not counted
///   is a free guess.
/// - **exact-key**: Keys are compared byte for byte. Otherwise two accounts would share a count.
/// - **forgets**: `add` restarts a count at one if and only if the key's `forget_after` has elapsed since the last
///   failure. Otherwise old failures would delay users, or attackers would get new guesses too soon.
/// - **clears**: `clear` removes the failures under the given keys only.
/// - **atomic-count**: Concurrent calls to `add` are all counted. Otherwise attackers could guess in parallel.
/// - **device-key**: `device_key` returns the same key to all callers, including concurrent ones. Otherwise other
///   replicas would reject the cookies from one replica.
///
/// The suite cannot check the following rules:
///
/// - Usernames: `normalize_username` depends on the application's usernames.
/// - Pruning: the store should remove forgotten failures, since strangers can add any number of them.
#[dynosaur::dynosaur(pub(crate) DynFailedAttemptStore = dyn(box) FailedAttemptStore)]
pub trait FailedAttemptStore: Send + Sync {
    /// Returns the same string for all spellings of a username that belong to one account. Failed attempts are counted
    /// under this string only if no account has the username. If each spelling of an unknown username had its own
    /// count, responses would reveal which accounts exist.
    fn normalize_username(&self, username: &str) -> String;

    /// Returns the failed attempts under each key, in the order of the keys.
    ///
    /// # Errors
    /// [`BackendError`] if the store cannot be read.
    fn find(
        &self,
        keys: &[ThrottleKey],
    ) -> impl Future<Output = Result<Vec<FailedAttempts>, BackendError>> + Send;

    /// Adds one failure under each of the given keys. A count restarts at one if
    /// [`forget_after`](ThrottleKey::forget_after) has elapsed since its last failure.
    ///
    /// # Errors
    /// [`BackendError`] if the failure could not be stored.
    fn add(
        &self,
        keys: &[ThrottleKey],
        now: Timestamp,
    ) -> impl Future<Output = Result<(), BackendError>> + Send;

    /// Removes the failures under the given keys.
    ///
    /// # Errors
    /// [`BackendError`] if the failures could not be removed.
    fn clear(&self, keys: &[ThrottleKey]) -> impl Future<Output = Result<(), BackendError>> + Send;

    /// Returns the secret key that authenticates device cookies. If none is stored, stores `new`. If another replica
    /// stores a key concurrently, returns that key.
    ///
    /// # Errors
    /// [`BackendError`] if the key cannot be read or stored.
    fn device_key(&self, new: [u8; 32]) -> impl Future<Output = Result<[u8; 32], BackendError>> + Send;
}
