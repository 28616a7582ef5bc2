//! PBKDF2 with HMAC-SHA-256 ([RFC 8018 section 5.2](https://www.rfc-editor.org/rfc/rfc8018#section-5.2)), in PHC
//! strings and in the formats of Django and passlib.

use ::phc::{Output, PasswordHash};
use base64ct::{Base64, Base64Unpadded, Encoding};

use super::stored::{Kdf, StoredHash, UnsupportedHash, numbers};

/// The maximum product of iterations and output blocks: about one second on one core. Django raises its number of
/// iterations each year, to 1.2 million in 2025.
const MAX_ITERATIONS: u32 = 4_000_000;

/// The output size of SHA-256, in bytes.
const BLOCK: usize = 32;

const MALFORMED: UnsupportedHash = UnsupportedHash::Malformed("PBKDF2");

/// Parses the parameters of `$pbkdf2-sha256$i=29000,l=32$salt$hash`.
pub(super) fn parse_phc(phc: &PasswordHash) -> Result<Kdf, UnsupportedHash> {
    let output_bytes = phc.hash.map_or(0, |hash| hash.len());
    let iterations = match (numbers(phc, ["i"]), numbers(phc, ["i", "l"])) {
        _ if phc.version.is_some() => return Err(MALFORMED),
        (Some([iterations]), _) => iterations,
        (_, Some([iterations, length])) if length as usize == output_bytes => iterations,
        _ => return Err(MALFORMED),
    };
    checked(iterations, output_bytes)
}

/// Parses `1000000$salt$hash`, the rest of `pbkdf2_sha256$`: the salt is plain text, the hash is base64.
pub(super) fn parse_django(fields: &str) -> Result<StoredHash, UnsupportedHash> {
    let (iterations, salt, output) = split(fields)?;
    let output = Base64::decode_vec(output).map_err(|_| MALFORMED)?;
    let kdf = checked(iterations, output.len())?;
    Ok(StoredHash::Derived { kdf, salt: salt.as_bytes().to_vec(), output })
}

/// Parses `29000$salt$hash`, the rest of `$pbkdf2-sha256$`: both are base64 with `.` for `+` and without padding.
pub(super) fn parse_passlib(fields: &str) -> Result<StoredHash, UnsupportedHash> {
    let (iterations, salt, output) = split(fields)?;
    let decode = |text: &str| Base64Unpadded::decode_vec(&text.replace('.', "+")).map_err(|_| MALFORMED);
    let (salt, output) = (decode(salt)?, decode(output)?);
    Ok(StoredHash::Derived { kdf: checked(iterations, output.len())?, salt, output })
}

/// Splits `iterations$salt$hash`.
fn split(fields: &str) -> Result<(u32, &str, &str), UnsupportedHash> {
    let fields: Vec<&str> = fields.split('$').collect();
    let [iterations, salt, output] = fields[..] else { return Err(MALFORMED) };
    Ok((iterations.parse().map_err(|_| MALFORMED)?, salt, output))
}

/// Checks the number of iterations and the length of the output.
fn checked(iterations: u32, output_bytes: usize) -> Result<Kdf, UnsupportedHash> {
    if iterations == 0 || !(Output::MIN_LENGTH..=Output::MAX_LENGTH).contains(&output_bytes) {
        return Err(MALFORMED);
    }
    let blocks = if output_bytes > BLOCK { 2 } else { 1 };
    if iterations.saturating_mul(blocks) > MAX_ITERATIONS {
        return Err(UnsupportedHash::TooCostly("PBKDF2"));
    }
    Ok(Kdf::Pbkdf2 { iterations })
}
