//! bcrypt, the common format of PHP, Ruby, Node and Spring.
//!
//! bcrypt ignores all but the first 72 bytes of a password. The hash of a longer password is not replaced, since its end
//! may be mistyped.

use ::bcrypt::{HashParts, verify};

use super::stored::UnsupportedHash;
use crate::domain::backend_error::BackendError;

/// The number of bytes of a password that bcrypt reads.
pub(super) const MAX_PASSWORD: usize = 72;

/// The maximum cost: about 1.5 seconds on one core. Each step doubles the time.
const MAX_COST: u32 = 14;

/// The minimum cost that bcrypt specifies.
const MIN_COST: u32 = 4;

/// Checks a stored hash.
pub(super) fn check(text: &str) -> Result<(), UnsupportedHash> {
    match text.parse::<HashParts>().map(|parts| parts.get_cost()) {
        Ok(MIN_COST..=MAX_COST) => Ok(()),
        Ok(cost) if cost > MAX_COST => Err(UnsupportedHash::TooCostly("bcrypt")),
        _ => Err(UnsupportedHash::Malformed("bcrypt")),
    }
}

/// Verifies `password` against a checked hash, in constant time.
pub(super) fn matches(hash: &str, password: &[u8]) -> Result<bool, BackendError> {
    verify(password, hash).map_err(|error| BackendError::new(error.to_string()))
}
