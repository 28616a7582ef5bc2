//! What can be set of [`Argon2Hasher`](super::Argon2Hasher).

use std::{io, num::NonZeroUsize, time::Duration};

use thiserror::Error;

use super::argon2id::{MAX_MEMORY, MAX_WORK, Recipe};

/// The parameters of new hashes, and the threads that make them.
///
/// The default ones are
/// [OWASP's](https://cheatsheetseries.owasp.org/cheatsheets/Password_Storage_Cheat_Sheet.html#argon2id): 19 MiB,
/// 2 iterations, 1 lane.
///
/// ```
/// use gatepass::{Argon2Hasher, Argon2Settings};
///
/// // The second choice of RFC 9106 section 4.
/// let settings =
///     Argon2Settings { memory: 64 * 1024, iterations: 3, parallelism: 4, ..Argon2Settings::default() };
/// assert!(Argon2Hasher::new(settings).is_ok());
///
/// let error = Argon2Hasher::new(Argon2Settings { iterations: 0, ..Argon2Settings::default() }).unwrap_err();
/// assert_eq!(error.to_string(), "Argon2 needs at least 1 iteration");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Argon2Settings {
    /// The memory of one hash, in KiB: at least 8 for each lane, at most 262144 (256 MiB).
    pub memory: u32,
    /// The passes over that memory: at least 1; memory × iterations is at most 1048576 KiB (1 GiB).
    pub iterations: u32,
    /// The lanes of that memory, at least 1. They are filled one after another.
    pub parallelism: u32,
    /// How many threads hash; `None` is one per core. Each keeps `memory` once it has hashed.
    pub threads: Option<NonZeroUsize>,
    /// How many passwords may wait for a thread; one more is answered with a temporary fault at once.
    pub queue: NonZeroUsize,
    /// How long a password may have to wait for a thread, by what is queued and what hashes took lately; one that
    /// would wait longer is answered with a temporary fault at once.
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
    /// How new hashes are made.
    pub(super) fn recipe(&self) -> Result<Recipe, InvalidArgon2Settings> {
        let Self { memory, iterations, parallelism, .. } = *self;
        if parallelism == 0 {
            return Err(InvalidArgon2Settings::Parallelism);
        }
        let least = u64::from(parallelism) * 8;
        if !(least..=u64::from(MAX_MEMORY)).contains(&memory.into()) {
            return Err(InvalidArgon2Settings::Memory { memory, parallelism });
        }
        if iterations == 0 {
            return Err(InvalidArgon2Settings::NoIterations);
        }
        Recipe::todays(memory, iterations, parallelism)
            .ok_or(InvalidArgon2Settings::Iterations { most: MAX_WORK / memory })
    }
}

/// Why there is no hasher with such settings. Its `Display` is one line.
#[derive(Debug, Error)]
pub enum InvalidArgon2Settings {
    /// Too little or too much memory.
    #[error(
        "Argon2 needs 8 KiB of memory for each of {parallelism} lanes and takes at most {MAX_MEMORY} KiB, not {memory}"
    )]
    Memory {
        /// The memory that was asked for, in KiB.
        memory: u32,
        /// The lanes that were asked for.
        parallelism: u32,
    },
    /// No iterations.
    #[error("Argon2 needs at least 1 iteration")]
    NoIterations,
    /// Too many iterations for the memory.
    #[error("Argon2 takes at most {most} iterations over that much memory")]
    Iterations {
        /// The most iterations with this memory.
        most: u32,
    },
    /// No lanes.
    #[error("Argon2 needs a parallelism of at least 1")]
    Parallelism,
    /// The system gives no random bytes.
    #[error("there are no random bytes for password hashes: {0}")]
    Randomness(getrandom::Error),
    /// The system gives no threads.
    #[error("the threads that hash passwords cannot be started: {0}")]
    Threads(io::Error),
}
