//! Argon2id and Argon2i ([RFC 9106](https://www.rfc-editor.org/rfc/rfc9106)).

use std::fmt;

use ::argon2::{Algorithm, Argon2, Block, Params, Version};
use ::phc::PasswordHash;

use super::stored::{UnsupportedHash, numbers};
use crate::domain::backend_error::BackendError;

/// The maximum memory of one hash, in KiB, as in libsodium's MODERATE preset.
pub(super) const MAX_MEMORY: u32 = 256 * 1024;

/// The maximum product of memory and iterations, in KiB: about one second on one core.
pub(super) const MAX_WORK: u32 = 1024 * 1024;

/// The minimum capacity of blocks that are freed after use, in KiB. glibc returns freed memory to the system
/// immediately if the allocation is larger than 32 MiB. Unused capacity occupies no memory.
const MIN_MAPPED: usize = 33 * 1024;

/// The salt length of new hashes, in bytes, as RFC 9106 section 3.1 recommends.
pub(super) const SALT_BYTES: usize = 16;

/// The length of new hashes, in bytes.
pub(super) const OUTPUT_BYTES: usize = 32;

const MALFORMED: UnsupportedHash = UnsupportedHash::Malformed("Argon2");

/// The parameters of a hash, checked against the limits. `Display` writes the part of a PHC string before the salt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Argon2Params {
    algorithm: Algorithm,
    version: Version,
    costs: Params,
}

impl Argon2Params {
    /// Creates the parameters of new hashes.
    pub(super) fn new(memory: u32, iterations: u32, parallelism: u32) -> Result<Self, UnsupportedHash> {
        Self::checked(Algorithm::Argon2id, Version::V0x13, [memory, iterations, parallelism])
    }

    /// Parses the parameters of a stored hash.
    pub(super) fn parse(phc: &PasswordHash) -> Result<Self, UnsupportedHash> {
        let algorithm = Algorithm::new(phc.algorithm).map_err(|_| MALFORMED)?;
        let version = match phc.version {
            // Hashes of version 1.0 contain no version.
            None => Version::V0x10,
            Some(version) => version.try_into().map_err(|_| MALFORMED)?,
        };
        Self::checked(algorithm, version, numbers(phc, ["m", "t", "p"]).ok_or(MALFORMED)?)
    }

    fn checked(algorithm: Algorithm, version: Version, costs: [u32; 3]) -> Result<Self, UnsupportedHash> {
        let [memory, iterations, parallelism] = costs;
        if memory > MAX_MEMORY || memory.saturating_mul(iterations) > MAX_WORK {
            return Err(UnsupportedHash::TooCostly("Argon2"));
        }
        let costs = Params::new(memory, iterations, parallelism, None).map_err(|_| MALFORMED)?;
        Ok(Self { algorithm, version, costs })
    }

    /// Returns the memory of one hash, in KiB.
    pub(super) fn memory(&self) -> u32 {
        self.costs.m_cost()
    }

    /// Hashes `password` into `output`. Uses the `own` blocks if their capacity suffices; otherwise allocates new ones.
    pub(super) fn derive(
        &self,
        password: &[u8],
        salt: &[u8],
        own: &mut Vec<Block>,
        output: &mut [u8],
    ) -> Result<(), BackendError> {
        let (count, mut larger) = (self.costs.block_count(), Vec::new());
        let blocks = if count <= own.capacity() {
            own
        } else {
            larger.try_reserve_exact(count.max(MIN_MAPPED)).map_err(BackendError::unavailable)?;
            &mut larger
        };
        blocks.resize(count.max(blocks.len()), Block::new());
        let argon2 = Argon2::new(self.algorithm, self.version, self.costs.clone());
        Ok(argon2.hash_password_into_with_memory(password, salt, output, blocks)?)
    }
}

impl fmt::Display for Argon2Params {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (algorithm, version, costs) = (self.algorithm, u32::from(self.version), &self.costs);
        write!(f, "${algorithm}$v={version}$m={},t={},p={}", costs.m_cost(), costs.t_cost(), costs.p_cost())
    }
}
