//! Password hashing from outside: the hasher, and sign-ins that need it.
#![cfg(feature = "service")]

#[path = "../support/mod.rs"]
mod support;

mod kinds;
mod members;
mod refusals;
mod storm;
mod timing;
mod vectors;

use std::{
    num::NonZeroUsize,
    sync::{Mutex, MutexGuard, PoisonError},
};

use gatepass::{Argon2Hasher, Argon2Settings};

/// One test of this binary at a time: some measure time and memory.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Parameters that are quick and still most of a sign-in's time.
fn quick() -> Argon2Settings {
    Argon2Settings { memory: 4096, ..Argon2Settings::default() }
}

fn hasher(settings: Argon2Settings) -> Argon2Hasher {
    Argon2Hasher::new(settings).expect("the settings are right")
}

fn number(number: usize) -> NonZeroUsize {
    NonZeroUsize::new(number).expect("not zero")
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}
