//! Argon2id and Argon2i ([RFC 9106](https://www.rfc-editor.org/rfc/rfc9106)).

use std::fmt;

use ::argon2::{Algorithm, Argon2, Params, Version};
use ::phc::{Output, PasswordHash, Salt};
use subtle::ConstantTimeEq;

use super::{
    memory::Memory,
    stored::{UnreadableHash, parameters},
};
use crate::domain::backend_error::BackendError;

/// KiB. libsodium's MODERATE and four times RFC 9106's second choice; more would not fit beside a service.
pub(super) const MAX_MEMORY: u32 = 256 * 1024;

/// KiB over all iterations: about a second of one core.
pub(super) const MAX_WORK: u32 = 1024 * 1024;

/// RFC 9106 section 3.1: 16 bytes are recommended for password hashing.
pub(super) const SALT_BYTES: usize = 16;

/// PHC's and OWASP's default.
pub(super) const OUTPUT_BYTES: usize = 32;

/// How an Argon2 hash is made; within the limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Recipe {
    algorithm: Algorithm,
    version: Version,
    /// In KiB.
    pub(super) memory: u32,
    iterations: u32,
    parallelism: u32,
}

impl Recipe {
    /// Argon2id as new hashes are made, or `None` where that is over the limits.
    pub(super) fn todays(memory: u32, iterations: u32, parallelism: u32) -> Option<Self> {
        let recipe =
            Self { algorithm: Algorithm::Argon2id, version: Version::V0x13, memory, iterations, parallelism };
        recipe.is_within_limits().then_some(recipe)
    }

    fn is_within_limits(&self) -> bool {
        self.memory <= MAX_MEMORY && self.memory.saturating_mul(self.iterations) <= MAX_WORK
    }

    /// Fills `output` from `password`.
    pub(super) fn derive(
        &self,
        password: &[u8],
        salt: &Salt,
        memory: &mut Memory,
        output: &mut [u8],
    ) -> Result<(), BackendError> {
        let params = Params::new(self.memory, self.iterations, self.parallelism, Some(output.len()))?;
        let argon2 = Argon2::new(self.algorithm, self.version, params);
        memory.with_blocks(self.memory, |blocks| {
            argon2.hash_password_into_with_memory(password, salt, output, blocks)
        })??;
        Ok(())
    }
}

/// A stored Argon2 hash.
pub(super) struct Argon2Hash {
    pub(super) recipe: Recipe,
    pub(super) salt: Salt,
    pub(super) output: Output,
}

impl Argon2Hash {
    pub(super) fn read(algorithm: Algorithm, phc: &PasswordHash) -> Result<Self, UnreadableHash> {
        let malformed = UnreadableHash::Malformed("Argon2");
        let [memory, iterations, parallelism] = parameters(phc, ["m", "t", "p"]).ok_or(malformed)?;
        let version = match phc.version {
            // Version 1.0 wrote none.
            None => Version::V0x10,
            Some(version) => version.try_into().map_err(|_| malformed)?,
        };
        let recipe = Recipe { algorithm, version, memory, iterations, parallelism };
        if !recipe.is_within_limits() {
            return Err(UnreadableHash::TooCostly("Argon2"));
        }
        Params::new(memory, iterations, parallelism, None).map_err(|_| malformed)?;
        Ok(Self { recipe, salt: phc.salt.ok_or(malformed)?, output: phc.hash.ok_or(malformed)? })
    }

    pub(super) fn matches(&self, password: &[u8], memory: &mut Memory) -> Result<bool, BackendError> {
        let mut output = [0; Output::MAX_LENGTH];
        let output = &mut output[..self.output.len()];
        self.recipe.derive(password, &self.salt, memory, output)?;
        Ok(output.ct_eq(self.output.as_bytes()).into())
    }

    /// Whether a new hash would be made the same way.
    pub(super) fn is_made_by(&self, recipe: &Recipe) -> bool {
        self.recipe == *recipe && self.output.len() == OUTPUT_BYTES && self.salt.len() >= SALT_BYTES
    }
}

/// The PHC string.
impl fmt::Display for Argon2Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Recipe { algorithm, version, memory, iterations, parallelism } = self.recipe;
        let version = u32::from(version);
        write!(f, "${algorithm}$v={version}$m={memory},t={iterations},p={parallelism}")?;
        write!(f, "${}${}", self.salt, self.output)
    }
}
