//! The settings of an [`Argon2Hasher`](super::Argon2Hasher).

use std::{num::NonZeroUsize, time::Duration};

use thiserror::Error;

use super::argon2id::{Argon2Params, MAX_MEMORY, MAX_WORK};

/// The settings of an [`Argon2Hasher`](super::Argon2Hasher): the parameters of new hashes, and the threads.
///
/// The default parameters are
/// [OWASP's](https://cheatsheetseries.owasp.org/cheatsheets/Password_Storage_Cheat_Sheet.html#argon2id): 19 MiB,
/// 2 iterations, parallelism 1.
///
/// ```
/// use gatepass::passwords::{Argon2Hasher, Argon2Settings};
///
/// // The second recommended option of RFC 9106 section 4.
/// let settings =
///     Argon2Settings { memory: 64 * 1024, iterations: 3, parallelism: 4, ..Argon2Settings::default() };
/// assert!(Argon2Hasher::with_settings(settings).is_ok());
///
/// let settings = Argon2Settings { iterations: 0, ..Argon2Settings::default() };
/// let error = Argon2Hasher::with_settings(settings).unwrap_err();
/// assert_eq!(error.to_string(), "Argon2 iterations must be 1 to 53 with 19456 KiB of memory, not 0");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Argon2Settings {
    /// The memory of one hash, in KiB: at least 8 × `parallelism`, at most 262144 (256 MiB).
    pub memory: u32,
    /// The number of passes over the memory: at least 1. The product of memory and iterations is at most 1048576 KiB (1
    /// GiB).
    pub iterations: u32,
    /// The number of lanes, 1 to 32768. A single thread computes all lanes.
    pub parallelism: u32,
    /// The maximum number of threads; `None` means one per core. Each thread keeps `memory` allocated after its first
    /// hash.
    pub threads: Option<NonZeroUsize>,
    /// The maximum number of passwords that wait for a thread. Further passwords are rejected immediately with a
    /// temporary error.
    pub queue: NonZeroUsize,
    /// The maximum time that a password waits for a thread, estimated from the queue and the duration of recent hashes.
    /// A password that would wait longer is rejected immediately with a temporary error.
    pub max_wait: Duration,
}

impl Default for Argon2Settings {
    fn default() -> Self {
        let queue = const { NonZeroUsize::new(64).expect("64 is not zero") };
        let max_wait = Duration::from_secs(2);
        Self { memory: 19456, iterations: 2, parallelism: 1, threads: None, queue, max_wait }
    }
}

impl Argon2Settings {
    /// Returns the parameters of new hashes.
    pub(super) fn params(&self) -> Result<Argon2Params, InvalidArgon2Settings> {
        let Self { memory, iterations, parallelism, .. } = *self;
        let (min, max) = (parallelism.saturating_mul(8), MAX_WORK / memory.max(1));
        let error = if !(1..=MAX_MEMORY / 8).contains(&parallelism) {
            format!("parallelism must be 1 to {}, not {parallelism}", MAX_MEMORY / 8)
        } else if !(min..=MAX_MEMORY).contains(&memory) {
            format!(
                "memory must be {min} KiB to {MAX_MEMORY} KiB with parallelism {parallelism}, not {memory}"
            )
        } else if !(1..=max).contains(&iterations) {
            format!("iterations must be 1 to {max} with {memory} KiB of memory, not {iterations}")
        } else {
            return Argon2Params::new(memory, iterations, parallelism)
                .map_err(|error| InvalidArgon2Settings(error.to_string()));
        };
        Err(InvalidArgon2Settings(error))
    }
}

/// The error for a setting that is out of range. `Display` names the setting and its range.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("Argon2 {0}")]
pub struct InvalidArgon2Settings(String);
