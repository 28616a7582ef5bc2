//! bcrypt: the hashes of PHP, Ruby, Node and Spring.
//!
//! bcrypt reads 72 bytes of a password and ignores the rest, as the programs did that made these hashes. The hash that
//! replaces such a hash covers the whole password.

use ::bcrypt::{HashParts, verify};

use super::stored::UnsupportedHash;
use crate::domain::backend_error::BackendError;

/// The maximum cost: about a second and a half of one core. Each step doubles the time.
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

/// Returns whether a checked hash is that of `password`, compared in constant time.
pub(super) fn matches(hash: &str, password: &[u8]) -> Result<bool, BackendError> {
    verify(password, hash).map_err(|error| BackendError::new(error.to_string()))
}
