//! bcrypt: the hashes of PHP, Ruby, Node and Spring.

use std::str::FromStr;

use ::bcrypt::HashParts;

use super::stored::UnreadableHash;
use crate::domain::backend_error::BackendError;

/// Each step doubles the time; this one is about a second and a half.
const MAX_COST: u32 = 14;

/// The least that bcrypt knows.
const MIN_COST: u32 = 4;

/// A stored bcrypt hash.
///
/// bcrypt reads 72 bytes of a password. The programs that made these hashes cut it there in silence, so a longer
/// password is cut here too, or its owner could never sign in; the hash that replaces this one takes all of it.
pub(super) struct BcryptHash(String);

impl BcryptHash {
    pub(super) fn read(text: &str) -> Result<Self, UnreadableHash> {
        let cost = HashParts::from_str(text).map_err(|_| UnreadableHash::Malformed("bcrypt"))?.get_cost();
        match cost {
            ..MIN_COST => Err(UnreadableHash::Malformed("bcrypt")),
            MIN_COST..=MAX_COST => Ok(Self(text.to_owned())),
            _ => Err(UnreadableHash::TooCostly("bcrypt")),
        }
    }

    pub(super) fn matches(&self, password: &[u8]) -> Result<bool, BackendError> {
        // In constant time, and cut at 72 bytes: see its source.
        ::bcrypt::verify(password, &self.0).map_err(|error| BackendError::new(error.to_string()))
    }
}
