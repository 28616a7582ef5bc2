//! scrypt ([RFC 7914](https://www.rfc-editor.org/rfc/rfc7914)) in PHC strings.

use ::phc::{Output, PasswordHash, Salt};
use ::scrypt::{Params, scrypt};
use subtle::ConstantTimeEq;

use super::{
    memory::Memory,
    stored::{UnreadableHash, parameters},
};
use crate::domain::backend_error::BackendError;

/// N × r × p, twice OWASP's first choice: about a second of one core. Memory is at most 128 bytes of it, 256 MiB.
const MAX_WORK: u64 = 1 << 21;

/// A stored scrypt hash.
pub(super) struct ScryptHash {
    params: Params,
    salt: Salt,
    output: Output,
}

impl ScryptHash {
    pub(super) fn read(phc: &PasswordHash) -> Result<Self, UnreadableHash> {
        let malformed = UnreadableHash::Malformed("scrypt");
        let [log_n, r, p] = parameters(phc, ["ln", "r", "p"]).ok_or(malformed)?;
        if log_n == 0 || r == 0 || p == 0 || phc.version.is_some() {
            return Err(malformed);
        }
        let n = 1u64.checked_shl(log_n).unwrap_or(u64::MAX);
        if n.saturating_mul(r.into()).saturating_mul(p.into()) > MAX_WORK {
            return Err(UnreadableHash::TooCostly("scrypt"));
        }
        let log_n = u8::try_from(log_n).map_err(|_| malformed)?;
        let params = Params::new(log_n, r, p).map_err(|_| malformed)?;
        Ok(Self { params, salt: phc.salt.ok_or(malformed)?, output: phc.hash.ok_or(malformed)? })
    }

    pub(super) fn matches(&self, password: &[u8], memory: &Memory) -> Result<bool, BackendError> {
        let mut output = [0; Output::MAX_LENGTH];
        let output = &mut output[..self.output.len()];
        // 128 × r bytes for each of N, and of p beside them.
        let kib = (self.params.n() + u64::from(self.params.p())) * u64::from(self.params.r()) / 8;
        memory.with_headroom(kib, || scrypt(password, &self.salt, &self.params, output))?;
        Ok(output.ct_eq(self.output.as_bytes()).into())
    }
}
