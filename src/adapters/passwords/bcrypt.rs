//! bcrypt, the common format of PHP, Ruby, Node and Spring, and its combinations with SHA-2.
//!
//! bcrypt ignores all but the first 72 bytes of a password. The hash of a longer password is not replaced, since the
//! end of the password may be mistyped. Programs that hash the password before bcrypt do not have this limit.

use ::bcrypt::{HashParts, verify};
use base64ct::{Base64, Encoding};
use hmac::{Hmac, KeyInit, Mac, digest::InvalidLength};
use sha2::{Digest, Sha256, Sha384};
use zeroize::Zeroizing;

use super::stored::UnsupportedHash;
use crate::domain::backend_error::BackendError;

/// The number of bytes of a password that bcrypt reads.
const MAX_PASSWORD: usize = 72;

/// The maximum cost: about 1.5 seconds on one core. Each step doubles the time.
const MAX_COST: u32 = 14;

/// The minimum cost that bcrypt specifies.
const MIN_COST: u32 = 4;

const MALFORMED: UnsupportedHash = UnsupportedHash::Malformed("bcrypt");

/// A stored hash, checked against the limits.
pub(super) struct Bcrypt {
    hash: String,
    prehash: Prehash,
}

/// The input of bcrypt.
pub(super) enum Prehash {
    /// The password.
    None,
    /// The SHA-256 of the password, in hexadecimal, as in Django.
    HexSha256,
    /// The SHA-256 of the password, in base64, as in passlib before 1.7.3.
    Base64Sha256,
    /// The HMAC-SHA-256 of the password with the salt as the key, in base64, as in passlib.
    HmacSha256 { salt: String },
    /// The HMAC-SHA-384 of the password, in base64, as in WordPress.
    WordPress,
}

impl Bcrypt {
    /// Parses `$2b$12$…`, the part that the hashes of all programs have in common.
    pub(super) fn parse(hash: &str, prehash: Prehash) -> Result<Self, UnsupportedHash> {
        if !["$2a$", "$2b$", "$2y$"].iter().any(|version| hash.starts_with(version)) {
            return Err(MALFORMED);
        }
        match hash.parse::<HashParts>().map(|parts| parts.get_cost()) {
            Ok(MIN_COST..=MAX_COST) => Ok(Self { hash: hash.to_owned(), prehash }),
            Ok(cost) if cost > MAX_COST => Err(UnsupportedHash::TooCostly("bcrypt")),
            _ => Err(MALFORMED),
        }
    }

    /// Parses `2b,12$salt$hash` or `v=2,t=2b,r=12$salt$hash`, the part after `$bcrypt-sha256$`.
    pub(super) fn parse_passlib(fields: &str) -> Result<Self, UnsupportedHash> {
        let fields: Vec<&str> = fields.split('$').collect();
        let [parameters, salt, output] = fields[..] else { return Err(MALFORMED) };
        let (parameters, prehash) = match parameters.strip_prefix("v=2,t=") {
            Some(parameters) => (parameters.split_once(",r="), Prehash::HmacSha256 { salt: salt.to_owned() }),
            None => (parameters.split_once(','), Prehash::Base64Sha256),
        };
        let (version, cost) = parameters.ok_or(MALFORMED)?;
        let cost: u32 = cost.parse().map_err(|_| MALFORMED)?;
        Self::parse(&format!("${version}${cost:02}${salt}{output}"), prehash)
    }

    /// Verifies `password`, in constant time.
    pub(super) fn matches(&self, password: &[u8]) -> Result<bool, BackendError> {
        let input = self.prehash.apply(password)?;
        verify(&*input, &self.hash).map_err(|error| BackendError::new(error.to_string()))
    }

    /// Returns whether the hash depends on the whole password.
    pub(super) fn covers(&self, password: &[u8]) -> bool {
        !matches!(self.prehash, Prehash::None) || password.len() <= MAX_PASSWORD
    }
}

impl Prehash {
    fn apply(&self, password: &[u8]) -> Result<Zeroizing<Vec<u8>>, InvalidLength> {
        let base64 = |bytes: &[u8]| Base64::encode_string(bytes).into_bytes();
        Ok(Zeroizing::new(match self {
            Self::None => password.to_vec(),
            Self::HexSha256 => {
                Sha256::digest(password).iter().flat_map(|byte| format!("{byte:02x}").into_bytes()).collect()
            }
            Self::Base64Sha256 => base64(&Sha256::digest(password)),
            Self::HmacSha256 { salt } => {
                let mac = Hmac::<Sha256>::new_from_slice(salt.as_bytes())?.chain_update(password);
                base64(&mac.finalize().into_bytes())
            }
            Self::WordPress => {
                let mac = Hmac::<Sha384>::new_from_slice(b"wp-sha384")?.chain_update(password);
                base64(&mac.finalize().into_bytes())
            }
        }))
    }
}
