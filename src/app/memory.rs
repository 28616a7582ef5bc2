//! A background task that returns free memory to the operating system, for example after a burst of connections.

use std::{hint, time::Duration};

use tokio::time::sleep;

use crate::adapters::background::{self, BackgroundTask};

/// The interval at which free memory is returned.
const INTERVAL: Duration = Duration::from_secs(5);

/// The size of a block that mimalloc allocates separately. The block is never written to, so it uses no physical
/// memory.
const LARGE: usize = 16 * 1024 * 1024;

/// Starts the task that returns free memory. mimalloc returns memory that has been free for a second, but only when a
/// large block is freed. An idle service frees no such blocks, so the task allocates and frees one.
pub(crate) fn return_free_memory() -> BackgroundTask {
    background::spawn(async {
        loop {
            sleep(INTERVAL).await;
            drop(hint::black_box(Vec::<u8>::with_capacity(LARGE)));
        }
    })
}
