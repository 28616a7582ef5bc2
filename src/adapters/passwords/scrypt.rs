//! scrypt ([RFC 7914](https://www.rfc-editor.org/rfc/rfc7914)) in PHC strings and in the formats of Django and
//! Werkzeug.

use ::phc::{Output, PasswordHash};
use ::scrypt::Params;
use base64ct::{Base64, Encoding};

use super::stored::{Kdf, StoredHash, UnsupportedHash, decode_hex, numbers};

/// The maximum of N × r × p, twice OWASP's first recommendation: about one second on one core, and 256 MiB.
const MAX_WORK: u64 = 1 << 21;

const MALFORMED: UnsupportedHash = UnsupportedHash::Malformed("scrypt");

/// Parses the parameters of `$scrypt$ln=16,r=8,p=1$salt$hash`.
pub(super) fn parse_phc(phc: &PasswordHash) -> Result<Params, UnsupportedHash> {
    let [log_n, r, p] = numbers(phc, ["ln", "r", "p"]).ok_or(MALFORMED)?;
    if phc.version.is_some() {
        return Err(MALFORMED);
    }
    checked(log_n, r, p)
}

/// Parses `16384$salt$8$1$hash`, the part after `scrypt$`: the salt is plain text, the hash is base64.
pub(super) fn parse_django(fields: &str) -> Result<StoredHash, UnsupportedHash> {
    let fields: Vec<&str> = fields.split('$').collect();
    let [n, salt, r, p, output] = fields[..] else { return Err(MALFORMED) };
    stored([n, r, p], salt, Base64::decode_vec(output).ok())
}

/// Parses `32768:8:1$salt$hash`, the part after `scrypt:`: the salt is plain text, the hash is hexadecimal.
pub(super) fn parse_werkzeug(fields: &str) -> Result<StoredHash, UnsupportedHash> {
    let fields: Vec<&str> = fields.split([':', '$']).collect();
    let [n, r, p, salt, output] = fields[..] else { return Err(MALFORMED) };
    stored([n, r, p], salt, decode_hex(output.as_bytes()))
}

fn stored(parameters: [&str; 3], salt: &str, output: Option<Vec<u8>>) -> Result<StoredHash, UnsupportedHash> {
    let is_supported = |output: &Vec<u8>| (Output::MIN_LENGTH..=Output::MAX_LENGTH).contains(&output.len());
    let output = output.filter(is_supported).ok_or(MALFORMED)?;
    let [n, r, p] = parameters.map(|number| number.parse::<u32>().ok());
    let n = n.filter(|n| n.is_power_of_two()).ok_or(MALFORMED)?;
    let params = checked(n.ilog2(), r.ok_or(MALFORMED)?, p.ok_or(MALFORMED)?)?;
    Ok(StoredHash::Derived { kdf: Kdf::Scrypt(params), salt: salt.as_bytes().to_vec(), output })
}

fn checked(log_n: u32, r: u32, p: u32) -> Result<Params, UnsupportedHash> {
    if log_n == 0 || r == 0 || p == 0 {
        return Err(MALFORMED);
    }
    let n = 1u64.checked_shl(log_n).unwrap_or(u64::MAX);
    if n.saturating_mul(r.into()).saturating_mul(p.into()) > MAX_WORK {
        return Err(UnsupportedHash::TooCostly("scrypt"));
    }
    let log_n = u8::try_from(log_n).map_err(|_| MALFORMED)?;
    Params::new(log_n, r, p).map_err(|_| MALFORMED)
}

/// Returns the memory of one hash, in KiB: (N + p) × r × 128 bytes.
pub(super) fn memory(params: &Params) -> u32 {
    let kib = (params.n() + u64::from(params.p())) * u64::from(params.r()) / 8;
    kib.try_into().unwrap_or(u32::MAX)
}
