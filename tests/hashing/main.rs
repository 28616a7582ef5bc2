//! Password hashing through the public API: the hasher, and sign-ins with it.

#[path = "../support/mod.rs"]
#[expect(dead_code, reason = "the other tests use the rest")]
mod support;

mod kinds;
mod load;
mod members;
mod refusals;
mod timing;

use std::{
    num::NonZeroUsize,
    sync::{Mutex, MutexGuard, PoisonError},
};

use gatepass::passwords::{Argon2Hasher, Argon2Settings};

/// Makes the tests of this binary run one at a time, because some of them measure time or memory.
fn serial() -> MutexGuard<'static, ()> {
    static SERIAL: Mutex<()> = Mutex::new(());
    SERIAL.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Returns parameters with which hashing is fast but still takes most of a sign-in's time.
fn quick() -> Argon2Settings {
    Argon2Settings { memory: 4096, ..Argon2Settings::default() }
}

fn hasher(settings: Argon2Settings) -> Argon2Hasher {
    Argon2Hasher::with_settings(settings).expect("valid settings")
}

fn number(number: usize) -> NonZeroUsize {
    NonZeroUsize::new(number).expect("not zero")
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}
