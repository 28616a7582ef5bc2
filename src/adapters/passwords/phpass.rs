//! phpass: the "portable" hashes of phpBB and of WordPress before 6.8, which iterate MD5.

use base64ct::{Base64ShaCrypt, Encoding};
use md5::{Digest, Md5};

use super::stored::{Kdf, StoredHash, UnsupportedHash};

/// The alphabet of crypt(3)'s base64, which encodes the lowest bits first.
const DIGITS: &str = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

const SALT_BYTES: usize = 8;
const OUTPUT_BYTES: usize = 16;

/// The binary logarithm of the minimum number of iterations that phpass specifies.
const MIN_LOG: usize = 7;

/// The binary logarithm of the maximum number of iterations, which take half a second on one core. WordPress uses 13.
const MAX_LOG: usize = 18;

const MALFORMED: UnsupportedHash = UnsupportedHash::Malformed("phpass");

/// Parses the part after `$P$`: a digit for the number of iterations, the salt as text, and the hash.
pub(super) fn parse(fields: &str) -> Result<StoredHash, UnsupportedHash> {
    let (log, rest) = fields.split_at_checked(1).ok_or(MALFORMED)?;
    let (salt, output) = rest.split_at_checked(SALT_BYTES).ok_or(MALFORMED)?;
    let output = Base64ShaCrypt::decode_vec(output).map_err(|_| MALFORMED)?;
    if output.len() != OUTPUT_BYTES {
        return Err(MALFORMED);
    }
    match DIGITS.find(log) {
        Some(log @ MIN_LOG..=MAX_LOG) => {
            let (kdf, salt) = (Kdf::Phpass { iterations: 1 << log }, salt.as_bytes().to_vec());
            Ok(StoredHash::Derived { kdf, salt, output })
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
