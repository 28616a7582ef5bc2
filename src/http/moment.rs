//! Moments as people and programs read them.

use crate::domain::time::Timestamp;

/// A moment as RFC 3339 writes it.
pub(crate) fn moment(moment: Timestamp) -> String {
    i64::try_from(moment.as_unix())
        .ok()
        .and_then(|seconds| jiff::Timestamp::from_second(seconds).ok())
        .map_or_else(|| moment.as_unix().to_string(), |moment| moment.to_string())
}
