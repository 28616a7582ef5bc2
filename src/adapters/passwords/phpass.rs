//! phpass, the "portable" hashes of WordPress before 6.8 and of phpBB: MD5, iterated.

use md5::{Digest, Md5};

use super::stored::{Kdf, StoredHash, UnsupportedHash};

/// The digits of a variant of base64 that begins with the lowest bits.
const DIGITS: &[u8; 64] = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

const SALT_BYTES: usize = 8;
const OUTPUT_BYTES: usize = 16;

/// The binary logarithm of the minimum number of iterations, which phpass specifies.
const MIN_LOG: u32 = 7;

/// The binary logarithm of the maximum number of iterations: half a second on one core. WordPress uses 13.
const MAX_LOG: u32 = 18;

const MALFORMED: UnsupportedHash = UnsupportedHash::Malformed("phpass");

/// Parses the part after `$P$`: a digit for the number of iterations, the salt as text, and the hash.
pub(super) fn parse(fields: &str) -> Result<StoredHash, UnsupportedHash> {
    let (&log, rest) = fields.as_bytes().split_first().ok_or(MALFORMED)?;
    let (salt, output) = rest.split_at_checked(SALT_BYTES).ok_or(MALFORMED)?;
    let output = decode(output).filter(|output| output.len() == OUTPUT_BYTES).ok_or(MALFORMED)?;
    match digit(log) {
        Some(log @ MIN_LOG..=MAX_LOG) => {
            Ok(StoredHash::Derived { kdf: Kdf::Phpass { iterations: 1 << log }, salt: salt.to_vec(), output })
        }
        Some(log) if log > MAX_LOG => Err(UnsupportedHash::TooCostly("phpass")),
        _ => Err(MALFORMED),
    }
}

pub(super) fn derive(password: &[u8], salt: &[u8], iterations: u32, output: &mut [u8]) {
    let mut hash = Md5::new().chain_update(salt).chain_update(password).finalize();
    for _ in 0..iterations {
        hash = Md5::new().chain_update(hash).chain_update(password).finalize();
    }
    output.copy_from_slice(&hash);
}

fn digit(byte: u8) -> Option<u32> {
    DIGITS.iter().position(|digit| *digit == byte).map(|position| position as u32)
}

fn decode(digits: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    for group in digits.chunks(4) {
        let mut bits = 0;
        for (position, byte) in group.iter().enumerate() {
            bits |= digit(*byte)? << (6 * position);
        }
        let count = group.len() * 6 / 8;
        bytes.extend_from_slice(&bits.to_le_bytes()[..count]);
    }
    Some(bytes)
}
