//! How values stand in columns.

use std::error::Error;

use crate::domain::time::Timestamp;

pub(super) fn seconds(moment: Timestamp) -> i64 {
    moment.as_unix().try_into().unwrap_or(i64::MAX)
}

pub(super) fn moment(seconds: i64) -> Timestamp {
    Timestamp::from_unix(seconds.try_into().unwrap_or(0))
}

pub(super) fn unreadable<E: Error + Send + Sync + 'static>(error: E) -> sqlx::Error {
    sqlx::Error::Decode(error.into())
}
