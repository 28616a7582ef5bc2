//! Failed attempts: counted, so that guessing takes too long.

use crate::domain::{backend_error::BackendError, name::name, time::Timestamp};

name! {
    /// What failures are counted by: an address, or an account seen from an address.
    ThrottleKey
}

/// The failures that count under a [`ThrottleKey`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FailedAttempts {
    /// How many in a row.
    pub count: u32,
    /// When the last one was; of no meaning where there was none.
    pub last: Option<Timestamp>,
}

/// Where failed attempts are counted; replicas share it. Not one of the three ports: without one, nobody who guesses
/// is slowed down.
pub trait FailedAttemptStore: Send + Sync + 'static {
    /// What all names of one account have in common, whether there is such an account or not: whoever may write a name
    /// in several ways has no more attempts at it.
    fn folded(&self, name: &str) -> String;

    /// What is counted under these two keys.
    ///
    /// # Errors
    /// Where the store cannot say.
    fn failures(
        &self,
        keys: [&ThrottleKey; 2],
    ) -> impl Future<Output = Result<[FailedAttempts; 2], BackendError>> + Send;

    /// Counts one more under both; what was last counted before `forgotten` counts no more.
    ///
    /// # Errors
    /// Where it could not be stored.
    fn count(
        &self,
        keys: [&ThrottleKey; 2],
        now: Timestamp,
        forgotten: Timestamp,
    ) -> impl Future<Output = Result<(), BackendError>> + Send;

    /// Forgets what is counted under this key.
    ///
    /// # Errors
    /// Where it could not be stored.
    fn forget(&self, key: &ThrottleKey) -> impl Future<Output = Result<(), BackendError>> + Send;
}
