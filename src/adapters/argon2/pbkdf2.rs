//! PBKDF2 with HMAC-SHA-256 ([RFC 8018 section 5.2](https://www.rfc-editor.org/rfc/rfc8018#section-5.2)), in PHC
//! strings and in the spellings of Django and passlib.

use ::pbkdf2::{pbkdf2_hmac, sha2::Sha256};
use ::phc::{Output, PasswordHash};
use base64ct::{Base64, Base64Unpadded, Encoding};
use subtle::ConstantTimeEq;

use super::stored::{UnreadableHash, parameters};

/// Over all blocks of 32 bytes. Django's grow each year (1.2 million in 2025); this is about a second of one core.
const MAX_ITERATIONS: u32 = 4_000_000;

/// One block of SHA-256, in bytes.
const BLOCK: usize = 32;

const MALFORMED: UnreadableHash = UnreadableHash::Malformed("PBKDF2");

/// A stored PBKDF2 hash.
pub(super) struct Pbkdf2Hash {
    iterations: u32,
    salt: Vec<u8>,
    output: Vec<u8>,
}

impl Pbkdf2Hash {
    /// `$pbkdf2-sha256$i=29000,l=32$salt$hash`
    pub(super) fn read_phc(phc: &PasswordHash) -> Result<Self, UnreadableHash> {
        let (Some(salt), Some(output), None) = (phc.salt, phc.hash, phc.version) else {
            return Err(MALFORMED);
        };
        let iterations = match (parameters(phc, ["i"]), parameters(phc, ["i", "l"])) {
            (Some([iterations]), _) => iterations,
            (_, Some([iterations, length])) if length as usize == output.len() => iterations,
            _ => return Err(MALFORMED),
        };
        Self::checked(iterations, salt.to_vec(), output.as_bytes().to_vec())
    }

    /// What follows `pbkdf2_sha256$`: `1000000$salt$hash`, the salt as text and the hash in base64.
    pub(super) fn read_django(fields: &str) -> Result<Self, UnreadableHash> {
        let [iterations, salt, output] = three(fields)?;
        let output = Base64::decode_vec(output).map_err(|_| MALFORMED)?;
        Self::checked(iterations.parse().map_err(|_| MALFORMED)?, salt.as_bytes().to_vec(), output)
    }

    /// What follows `$pbkdf2-sha256$`: `29000$salt$hash`, both in base64 with `.` for `+` and no padding.
    pub(super) fn read_passlib(fields: &str) -> Result<Self, UnreadableHash> {
        let [iterations, salt, output] = three(fields)?;
        let decode = |text: &str| Base64Unpadded::decode_vec(&text.replace('.', "+")).map_err(|_| MALFORMED);
        Self::checked(iterations.parse().map_err(|_| MALFORMED)?, decode(salt)?, decode(output)?)
    }

    fn checked(iterations: u32, salt: Vec<u8>, output: Vec<u8>) -> Result<Self, UnreadableHash> {
        if iterations == 0 || !(Output::MIN_LENGTH..=Output::MAX_LENGTH).contains(&output.len()) {
            return Err(MALFORMED);
        }
        let blocks = if output.len() > BLOCK { 2 } else { 1 };
        if iterations.saturating_mul(blocks) > MAX_ITERATIONS {
            return Err(UnreadableHash::TooCostly("PBKDF2"));
        }
        Ok(Self { iterations, salt, output })
    }

    pub(super) fn matches(&self, password: &[u8]) -> bool {
        let mut output = [0; Output::MAX_LENGTH];
        let output = &mut output[..self.output.len()];
        pbkdf2_hmac::<Sha256>(password, &self.salt, self.iterations, output);
        output.ct_eq(&self.output).into()
    }
}

fn three(fields: &str) -> Result<[&str; 3], UnreadableHash> {
    let mut fields = fields.split('$');
    match (fields.next(), fields.next(), fields.next(), fields.next()) {
        (Some(first), Some(second), Some(third), None) => Ok([first, second, third]),
        _ => Err(MALFORMED),
    }
}
