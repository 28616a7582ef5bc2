//! Helpers that wait for a condition, with a time limit.

use std::{
    fmt::Display,
    thread,
    time::{Duration, Instant},
};

/// The default time limit. Programs start slowly while the system is still writing build files to disk.
pub const TIMEOUT: Duration = Duration::from_secs(180);

/// Calls `poll` until it returns a value, and returns the value.
///
/// # Panics
/// If a poll that starts after `limit` returns `None`.
#[track_caller]
pub fn within<T>(limit: Duration, what: &str, mut poll: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        let polled = Instant::now();
        if let Some(value) = poll() {
            return value;
        }
        assert!(polled - start < limit, "expected within {limit:?}: {what}");
        thread::park_timeout(Duration::from_millis(5));
    }
}

/// Waits until the condition is true.
///
/// # Panics
/// If the condition is still false after `limit`.
#[track_caller]
pub fn wait_until(limit: Duration, what: &str, mut condition: impl FnMut() -> bool) {
    within(limit, what, || condition().then_some(()));
}

/// Repeats a check for `duration`.
pub fn throughout(duration: Duration, check: impl Fn()) {
    let start = Instant::now();
    while start.elapsed() < duration {
        check();
        thread::park_timeout(Duration::from_millis(10));
    }
}

/// Repeats an asynchronous attempt until it succeeds.
///
/// # Panics
/// With the last error, if no attempt succeeds within [`TIMEOUT`].
pub async fn eventually<T, E: Display>(what: &str, attempt: impl AsyncFn() -> Result<T, E>) -> T {
    let (start, mut pause) = (Instant::now(), Duration::from_millis(10));
    loop {
        match attempt().await {
            Ok(value) => return value,
            Err(error) if start.elapsed() > TIMEOUT => panic!("{what}: {error}"),
            Err(_) => tokio::time::sleep(pause).await,
        }
        // Attempts take CPU time that the program under test needs.
        pause = (2 * pause).min(Duration::from_millis(160));
    }
}
