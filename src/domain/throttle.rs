//! Failed attempts to authenticate with a password, counted to slow down guessing.

#![expect(unreachable_pub, reason = "the code that dynosaur generates")]

use crate::domain::{backend_error::BackendError, time::Timestamp};

/// The key that failed attempts are counted under: an address, or an account together with an address.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ThrottleKey(pub(crate) String);

impl ThrottleKey {
    /// Returns the key: at most 100 printable ASCII characters.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The failed attempts under a [`ThrottleKey`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FailedAttempts {
    /// The number of consecutive failures.
    pub count: u32,
    /// The time of the last failure, if there was one.
    pub last: Option<Timestamp>,
}

/// Storage for failed attempts, which replicas can share.
#[dynosaur::dynosaur(pub(crate) DynFailedAttemptStore = dyn(box) FailedAttemptStore)]
pub trait FailedAttemptStore: Send + Sync {
    /// Returns the same string for all spellings of a username that belong to one account, whether or not the account
    /// exists. Otherwise another spelling would allow further attempts.
    fn normalize_username(&self, username: &str) -> String;

    /// Returns the failed attempts under two keys.
    ///
    /// # Errors
    /// [`BackendError`] if the store cannot be read.
    fn find(
        &self,
        keys: [&ThrottleKey; 2],
    ) -> impl Future<Output = Result<[FailedAttempts; 2], BackendError>> + Send;

    /// Adds one failure under both keys. The count restarts at one if the last failure was at `forget_before` or
    /// earlier.
    ///
    /// # Errors
    /// [`BackendError`] if the failure could not be stored.
    fn add(
        &self,
        keys: [&ThrottleKey; 2],
        now: Timestamp,
        forget_before: Timestamp,
    ) -> impl Future<Output = Result<(), BackendError>> + Send;

    /// Removes the failures under a key.
    ///
    /// # Errors
    /// [`BackendError`] if the failures could not be removed.
    fn clear(&self, key: &ThrottleKey) -> impl Future<Output = Result<(), BackendError>> + Send;
}
