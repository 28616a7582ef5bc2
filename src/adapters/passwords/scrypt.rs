//! scrypt ([RFC 7914](https://www.rfc-editor.org/rfc/rfc7914)) in PHC strings.

use ::phc::PasswordHash;
use ::scrypt::Params;

use super::stored::{UnsupportedHash, numbers};

/// The maximum of N × r × p, twice OWASP's first recommendation: about one second on one core, and 256 MiB.
const MAX_WORK: u64 = 1 << 21;

/// Parses the parameters of a stored hash.
pub(super) fn parse(phc: &PasswordHash) -> Result<Params, UnsupportedHash> {
    let malformed = UnsupportedHash::Malformed("scrypt");
    let [log_n, r, p] = numbers(phc, ["ln", "r", "p"]).ok_or(malformed)?;
    if log_n == 0 || r == 0 || p == 0 || phc.version.is_some() {
        return Err(malformed);
    }
    let n = 1u64.checked_shl(log_n).unwrap_or(u64::MAX);
    if n.saturating_mul(r.into()).saturating_mul(p.into()) > MAX_WORK {
        return Err(UnsupportedHash::TooCostly("scrypt"));
    }
    let log_n = u8::try_from(log_n).map_err(|_| malformed)?;
    Params::new(log_n, r, p).map_err(|_| malformed)
}

/// Returns the memory of one hash, in KiB: (N + p) × r × 128 bytes.
pub(super) fn memory(params: &Params) -> u32 {
    let kib = (params.n() + u64::from(params.p())) * u64::from(params.r()) / 8;
    kib.try_into().unwrap_or(u32::MAX)
}
