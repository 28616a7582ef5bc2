//! Stored password hashes of all supported kinds, parsed and checked against the limits.

use ::argon2::Block;
use ::pbkdf2::{pbkdf2_hmac, sha2::Sha256};
use ::phc::{Output, PasswordHash};
use subtle::ConstantTimeEq;
use thiserror::Error;

use super::{
    argon2id::{Argon2Params, OUTPUT_BYTES, SALT_BYTES},
    bcrypt, pbkdf2, scrypt,
};
use crate::domain::backend_error::BackendError;

/// The maximum length of a stored hash, in bytes. Known programs write at most 300.
const MAX_TEXT: usize = 512;

/// A stored hash that can be verified.
pub(super) enum StoredHash {
    Bcrypt(String),
    Derived { kdf: Kdf, salt: Vec<u8>, output: Vec<u8> },
}

/// A key derivation function with its parameters.
pub(super) enum Kdf {
    Argon2(Argon2Params),
    Pbkdf2 { iterations: u32 },
    Scrypt(::scrypt::Params),
}

/// The reason why a stored hash cannot be verified. `Display` contains no part of the hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum UnsupportedHash {
    /// The hash is of an unknown kind.
    #[error("password hash of an unknown kind")]
    UnknownKind,
    /// The hash is a malformed hash of this kind.
    #[error("malformed {0} hash")]
    Malformed(&'static str),
    /// The hash is of this kind, but its parameters exceed the limit.
    #[error("{0} hash with parameters over the limit")]
    TooCostly(&'static str),
}

impl StoredHash {
    pub(super) fn parse(text: &str) -> Result<Self, UnsupportedHash> {
        if text.len() > MAX_TEXT {
            return Err(UnsupportedHash::UnknownKind);
        }
        // Django prepends the name of the kind.
        let text = match (text.strip_prefix("argon2"), text.strip_prefix("bcrypt$")) {
            (Some(standard), _) if standard.starts_with("$argon2") => standard,
            (_, Some(standard)) if standard.starts_with("$2") => standard,
            _ => text,
        };
        if let Some(fields) = text.strip_prefix("pbkdf2_sha256$") {
            return pbkdf2::parse_django(fields);
        }
        let (kind, fields) = text
            .strip_prefix('$')
            .and_then(|text| text.split_once('$'))
            .ok_or(UnsupportedHash::UnknownKind)?;
        match kind {
            "2a" | "2b" | "2y" => bcrypt::check(text).map(|()| Self::Bcrypt(text.to_owned())),
            "argon2i" | "argon2id" => {
                Self::parse_phc(text, "Argon2", |phc| Argon2Params::parse(phc).map(Kdf::Argon2))
            }
            "pbkdf2-sha256" if fields.contains('=') => Self::parse_phc(text, "PBKDF2", pbkdf2::parse_phc),
            "pbkdf2-sha256" => pbkdf2::parse_passlib(fields),
            "scrypt" => Self::parse_phc(text, "scrypt", |phc| scrypt::parse(phc).map(Kdf::Scrypt)),
            _ => Err(UnsupportedHash::UnknownKind),
        }
    }

    fn parse_phc(
        text: &str,
        name: &'static str,
        parse_kdf: impl FnOnce(&PasswordHash) -> Result<Kdf, UnsupportedHash>,
    ) -> Result<Self, UnsupportedHash> {
        let malformed = UnsupportedHash::Malformed(name);
        let phc = PasswordHash::new(text).map_err(|_| malformed)?;
        let (salt, output) = (phc.salt.ok_or(malformed)?, phc.hash.ok_or(malformed)?);
        Ok(Self::Derived { kdf: parse_kdf(&phc)?, salt: salt.to_vec(), output: output.as_bytes().to_vec() })
    }

    /// Verifies `password` against the hash, in constant time.
    pub(super) fn matches(&self, password: &[u8], blocks: &mut Vec<Block>) -> Result<bool, BackendError> {
        let (kdf, salt, stored) = match self {
            Self::Bcrypt(hash) => return bcrypt::matches(hash, password),
            Self::Derived { kdf, salt, output } => (kdf, salt, output),
        };
        let mut output = [0; Output::MAX_LENGTH];
        let output = &mut output[..stored.len()];
        match kdf {
            Kdf::Argon2(params) => params.derive(password, salt, blocks, output)?,
            Kdf::Pbkdf2 { iterations } => pbkdf2_hmac::<Sha256>(password, salt, *iterations, output),
            Kdf::Scrypt(params) => ::scrypt::scrypt(password, salt, params, output)?,
        }
        Ok(output.ct_eq(stored).into())
    }

    /// Returns whether the hash depends on all of the password: bcrypt ignores what follows the 72nd byte.
    pub(super) fn covers(&self, password: &[u8]) -> bool {
        !matches!(self, Self::Bcrypt(_)) || password.len() <= bcrypt::MAX_PASSWORD
    }

    /// Returns the memory that verification needs beyond the blocks of a thread (`own`), in KiB.
    pub(super) fn extra_memory(&self, own: u32) -> u32 {
        match self {
            Self::Derived { kdf: Kdf::Argon2(params), .. } if params.memory() > own => params.memory(),
            Self::Derived { kdf: Kdf::Scrypt(params), .. } => scrypt::memory(params),
            _ => 0,
        }
    }

    /// Returns whether the hash has the kind and the parameters of new hashes.
    pub(super) fn is_current(&self, params: &Argon2Params) -> bool {
        matches!(self, Self::Derived { kdf: Kdf::Argon2(own), salt, output }
            if own == params && output.len() == OUTPUT_BYTES && salt.len() >= SALT_BYTES)
    }
}

/// Returns the parameters with these names, if a PHC string has exactly these.
pub(super) fn numbers<const N: usize>(phc: &PasswordHash, names: [&str; N]) -> Option<[u32; N]> {
    if phc.params.iter().count() != N {
        return None;
    }
    let mut values = [0; N];
    for (value, name) in values.iter_mut().zip(names) {
        *value = phc.params.get_decimal(name)?;
    }
    Some(values)
}

/// Decodes hexadecimal digits of either case.
#[cfg(feature = "password-policy")]
pub(super) fn decode_hex(digits: &[u8]) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let (pairs, rest) = digits.as_chunks::<2>();
    let bytes = pairs.iter().map(|[high, low]| u8::try_from(digit(*high)? * 16 + digit(*low)?).ok());
    bytes.collect::<Option<_>>().filter(|_| rest.is_empty())
}

#[cfg(test)]
mod tests;
