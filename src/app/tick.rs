//! The kernel's last tick: a moment that costs nothing to ask for.

use std::time::Duration;

/// When it was, since some moment before this program began. It is some milliseconds ago: enough for what takes
/// seconds, and where it is asked for at every request, the hardware's clock would be felt.
#[cfg(target_os = "linux")]
pub(super) fn last() -> Duration {
    use rustix::time::{ClockId, clock_gettime};
    clock_gettime(ClockId::MonotonicCoarse).try_into().unwrap_or_default()
}

/// Now: not every other system has such a clock.
#[cfg(not(target_os = "linux"))]
pub(super) fn last() -> Duration {
    use std::{sync::LazyLock, time::Instant};
    static BEGIN: LazyLock<Instant> = LazyLock::new(Instant::now);
    BEGIN.elapsed()
}
