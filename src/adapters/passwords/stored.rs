//! Stored password hashes of all supported kinds, parsed and checked against the limits.

use ::argon2::Block;
use ::phc::{Output, PasswordHash};
use subtle::ConstantTimeEq;
use thiserror::Error;

use super::{
    argon2id::{Argon2Params, OUTPUT_BYTES, SALT_BYTES},
    bcrypt::{Bcrypt, Prehash},
    pbkdf2::{self, Digest, Pbkdf2},
    phpass, scrypt,
};
use crate::domain::backend_error::BackendError;

/// The maximum length of a stored hash, in bytes. Known programs write at most 300.
const MAX_TEXT: usize = 512;

/// The first character of the hash of a user without a password, as in Django and in /etc/shadow.
const UNUSABLE: char = '!';

/// A stored hash that can be verified.
pub(super) enum StoredHash {
    Bcrypt(Bcrypt),
    Derived {
        kdf: Kdf,
        salt: Vec<u8>,
        output: Vec<u8>,
    },
    /// The user has no password, so no password matches.
    Unusable,
}

/// A key derivation function with its parameters.
pub(super) enum Kdf {
    Argon2(Argon2Params),
    Pbkdf2(Pbkdf2),
    Phpass { iterations: u32 },
    Scrypt(::scrypt::Params),
}

/// The reason why passwords cannot be verified against a stored hash. `Display` contains no part of the hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum UnsupportedHash {
    /// The hash is of an unknown kind.
    #[error("password hash of an unknown kind")]
    UnknownKind,
    /// The hash is of this kind, but malformed.
    #[error("malformed {0} hash")]
    Malformed(&'static str),
    /// The hash is of this kind, but its parameters exceed the limit.
    #[error("{0} hash with parameters over the limit")]
    TooCostly(&'static str),
    /// The hash is of this kind, which reveals the password to anyone who has a copy of the hash.
    #[error("{0}, which does not protect the password; import `!` as the hash, and set a new password")]
    TooWeak(&'static str),
}

impl StoredHash {
    pub(super) fn parse(text: &str) -> Result<Self, UnsupportedHash> {
        if text.len() > MAX_TEXT {
            return Err(UnsupportedHash::UnknownKind);
        }
        if text.starts_with(UNUSABLE) {
            return Ok(Self::Unusable);
        }
        if let Some((scheme, hash)) = text.strip_prefix('{').and_then(|text| text.split_once('}')) {
            return Self::parse_with_scheme(scheme, hash);
        }
        if let Some(hash) = text.strip_prefix("$wp").filter(|hash| hash.starts_with('$')) {
            return Bcrypt::parse(hash, Prehash::WordPress).map(Self::Bcrypt);
        }
        if let Some(fields) = text.strip_prefix("scrypt:") {
            return scrypt::parse_werkzeug(fields);
        }
        if let Some(fields) = text.strip_prefix("pbkdf2:") {
            return pbkdf2::parse_werkzeug(fields);
        }
        match text.split_once('$') {
            Some(("", _)) => Self::parse_crypt(text),
            Some((kind, fields)) => Self::parse_django(kind, fields),
            None => pbkdf2::parse_asp_net(text).unwrap_or(Err(UnsupportedHash::UnknownKind)),
        }
    }

    /// Parses a hash that follows a scheme, as LDAP servers ([RFC 3112](https://www.rfc-editor.org/rfc/rfc3112)),
    /// Dovecot and Spring write it: `{bcrypt}$2b$…`.
    fn parse_with_scheme(scheme: &str, hash: &str) -> Result<Self, UnsupportedHash> {
        match scheme.to_ascii_lowercase().as_str() {
            "argon2"
            | "argon2i"
            | "argon2id"
            | "argon2@springsecurity_v5_8"
            | "bcrypt"
            | "blf-crypt"
            | "crypt" => Self::parse_crypt(hash),
            "pbkdf2" | "pbkdf2-sha1" => pbkdf2::parse_passlib(Digest::Sha1, hash),
            "pbkdf2-sha256" => pbkdf2::parse_passlib(Digest::Sha256, hash),
            "pbkdf2-sha512" => pbkdf2::parse_passlib(Digest::Sha512, hash),
            "md5" | "smd5" => Err(UnsupportedHash::TooWeak("MD5 hash")),
            "sha" | "ssha" => Err(UnsupportedHash::TooWeak("SHA-1 hash")),
            "sha256" | "ssha256" | "sha512" | "ssha512" => Err(UnsupportedHash::TooWeak("SHA-2 hash")),
            "cleartext" | "noop" | "plain" => Err(UnsupportedHash::TooWeak("plain text")),
            _ => Err(UnsupportedHash::UnknownKind),
        }
    }

    /// Parses a hash in Django's format, which begins with the name of the kind.
    fn parse_django(kind: &str, fields: &str) -> Result<Self, UnsupportedHash> {
        match kind {
            "argon2" if fields.starts_with("argon2") => Self::parse_crypt(&format!("${fields}")),
            "bcrypt" => Bcrypt::parse(fields, Prehash::None).map(Self::Bcrypt),
            "bcrypt_sha256" => Bcrypt::parse(fields, Prehash::HexSha256).map(Self::Bcrypt),
            "pbkdf2_sha1" => pbkdf2::parse_django(Digest::Sha1, fields),
            "pbkdf2_sha256" => pbkdf2::parse_django(Digest::Sha256, fields),
            "scrypt" => scrypt::parse_django(fields),
            "md5" | "unsalted_md5" => Err(UnsupportedHash::TooWeak("MD5 hash")),
            "sha1" | "unsalted_sha1" => Err(UnsupportedHash::TooWeak("SHA-1 hash")),
            _ => Err(UnsupportedHash::UnknownKind),
        }
    }

    /// Parses a PHC string, or another hash in the format of crypt(3): `$kind$fields`.
    fn parse_crypt(text: &str) -> Result<Self, UnsupportedHash> {
        let (kind, fields) = text
            .strip_prefix('$')
            .and_then(|text| text.split_once('$'))
            .ok_or(UnsupportedHash::UnknownKind)?;
        match kind {
            "2a" | "2b" | "2y" => Bcrypt::parse(text, Prehash::None).map(Self::Bcrypt),
            "bcrypt-sha256" => Bcrypt::parse_passlib(fields).map(Self::Bcrypt),
            "argon2i" | "argon2id" => {
                Self::parse_phc(text, "Argon2", |phc| Argon2Params::parse(phc).map(Kdf::Argon2))
            }
            "pbkdf2" => pbkdf2::parse_passlib(Digest::Sha1, fields),
            "pbkdf2-sha1" | "pbkdf2-sha256" | "pbkdf2-sha512" => {
                let digest = kind
                    .strip_prefix("pbkdf2-")
                    .and_then(Digest::named)
                    .ok_or(UnsupportedHash::UnknownKind)?;
                if fields.contains('=') {
                    Self::parse_phc(text, "PBKDF2", |phc| pbkdf2::parse_phc(digest, phc))
                } else {
                    pbkdf2::parse_passlib(digest, fields)
                }
            }
            "scrypt" => Self::parse_phc(text, "scrypt", |phc| scrypt::parse_phc(phc).map(Kdf::Scrypt)),
            "P" | "H" => phpass::parse(fields),
            "1" | "apr1" => Err(UnsupportedHash::TooWeak("MD5 hash")),
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
            Self::Bcrypt(bcrypt) => return bcrypt.matches(password),
            Self::Unusable => return Ok(false),
            Self::Derived { kdf, salt, output } => (kdf, salt, output),
        };
        let mut output = [0; Output::MAX_LENGTH];
        let output = &mut output[..stored.len()];
        match kdf {
            Kdf::Argon2(params) => params.derive(password, salt, blocks, output)?,
            Kdf::Pbkdf2(pbkdf2) => pbkdf2.derive(password, salt, output),
            Kdf::Phpass { iterations } => phpass::derive(password, salt, *iterations, output),
            Kdf::Scrypt(params) => ::scrypt::scrypt(password, salt, params, output)?,
        }
        Ok(output.ct_eq(stored).into())
    }

    /// Returns whether the hash depends on the whole password: bcrypt ignores what follows the 72nd byte.
    pub(super) fn covers(&self, password: &[u8]) -> bool {
        match self {
            Self::Bcrypt(bcrypt) => bcrypt.covers(password),
            Self::Derived { .. } | Self::Unusable => true,
        }
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

/// Returns the parameters with these names, if a PHC string has exactly these parameters.
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
pub(super) fn decode_hex(digits: &[u8]) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let (pairs, rest) = digits.as_chunks::<2>();
    let bytes = pairs.iter().map(|[high, low]| u8::try_from(digit(*high)? * 16 + digit(*low)?).ok());
    bytes.collect::<Option<_>>().filter(|_| rest.is_empty())
}

#[cfg(test)]
mod tests;
