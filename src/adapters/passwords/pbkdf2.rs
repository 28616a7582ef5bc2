//! PBKDF2 ([RFC 8018 section 5.2](https://www.rfc-editor.org/rfc/rfc8018#section-5.2)) with HMAC-SHA-1, HMAC-SHA-256
//! and HMAC-SHA-512, in PHC strings and in the formats of Django, passlib, Werkzeug and ASP.NET Core Identity.

use ::pbkdf2::{
    pbkdf2_hmac,
    sha2::{Sha256, Sha512},
};
use ::phc::{Output, PasswordHash};
use base64ct::{Base64, Base64Unpadded, Encoding};
use sha1::Sha1;

use super::stored::{Kdf, StoredHash, UnsupportedHash, decode_hex, numbers};

/// The maximum product of iterations and output blocks: about one second on one core. Django raises its number of
/// iterations each year, to 1.2 million in 2025.
const MAX_ITERATIONS: u32 = 4_000_000;

/// The first byte of ASP.NET Core Identity hashes, version 3.
const ASP_NET_VERSION: u8 = 1;

const MALFORMED: UnsupportedHash = UnsupportedHash::Malformed("PBKDF2");

/// The parameters of a hash, checked against the limits.
pub(super) struct Pbkdf2 {
    digest: Digest,
    iterations: u32,
}

/// The hash function of the HMAC.
#[derive(Clone, Copy)]
pub(super) enum Digest {
    Sha1,
    Sha256,
    Sha512,
}

impl Digest {
    /// Returns the digest with this name, such as `sha256`.
    pub(super) fn named(name: &str) -> Option<Self> {
        match name {
            "sha1" => Some(Self::Sha1),
            "sha256" => Some(Self::Sha256),
            "sha512" => Some(Self::Sha512),
            _ => None,
        }
    }

    fn output_bytes(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha512 => 64,
        }
    }
}

impl Pbkdf2 {
    /// Checks the number of iterations and the length of the output.
    fn checked(digest: Digest, iterations: u32, output_bytes: usize) -> Result<Self, UnsupportedHash> {
        if iterations == 0 || !(Output::MIN_LENGTH..=Output::MAX_LENGTH).contains(&output_bytes) {
            return Err(MALFORMED);
        }
        let blocks = output_bytes.div_ceil(digest.output_bytes()) as u32;
        if iterations.saturating_mul(blocks) > MAX_ITERATIONS {
            return Err(UnsupportedHash::TooCostly("PBKDF2"));
        }
        Ok(Self { digest, iterations })
    }

    pub(super) fn derive(&self, password: &[u8], salt: &[u8], output: &mut [u8]) {
        match self.digest {
            Digest::Sha1 => pbkdf2_hmac::<Sha1>(password, salt, self.iterations, output),
            Digest::Sha256 => pbkdf2_hmac::<Sha256>(password, salt, self.iterations, output),
            Digest::Sha512 => pbkdf2_hmac::<Sha512>(password, salt, self.iterations, output),
        }
    }
}

/// Parses the parameters of `$pbkdf2-sha256$i=29000,l=32$salt$hash`.
pub(super) fn parse_phc(digest: Digest, phc: &PasswordHash) -> Result<Kdf, UnsupportedHash> {
    let output_bytes = phc.hash.map_or(0, |hash| hash.len());
    let iterations = match (numbers(phc, ["i"]), numbers(phc, ["i", "l"])) {
        _ if phc.version.is_some() => return Err(MALFORMED),
        (Some([iterations]), _) => iterations,
        (_, Some([iterations, length])) if length as usize == output_bytes => iterations,
        _ => return Err(MALFORMED),
    };
    Pbkdf2::checked(digest, iterations, output_bytes).map(Kdf::Pbkdf2)
}

/// Parses `1000000$salt$hash`, the part after `pbkdf2_sha256$`: the salt is plain text, the hash is base64.
pub(super) fn parse_django(digest: Digest, fields: &str) -> Result<StoredHash, UnsupportedHash> {
    let (iterations, salt, output) = split(fields)?;
    let output = Base64::decode_vec(output).map_err(|_| MALFORMED)?;
    stored(digest, iterations, salt.as_bytes(), output)
}

/// Parses `29000$salt$hash`, the part after `$pbkdf2-sha256$`: salt and hash are base64 with `.` for `+`, without
/// padding.
pub(super) fn parse_passlib(digest: Digest, fields: &str) -> Result<StoredHash, UnsupportedHash> {
    let (iterations, salt, output) = split(fields)?;
    let decode = |text: &str| Base64Unpadded::decode_vec(&text.replace('.', "+")).map_err(|_| MALFORMED);
    stored(digest, iterations, &decode(salt)?, decode(output)?)
}

/// Parses `sha256:1000000$salt$hash`, the part after `pbkdf2:`: the salt is plain text, the hash is hexadecimal.
pub(super) fn parse_werkzeug(fields: &str) -> Result<StoredHash, UnsupportedHash> {
    let (digest, fields) = fields.split_once(':').ok_or(MALFORMED)?;
    let digest = Digest::named(digest).ok_or(UnsupportedHash::UnknownKind)?;
    let (iterations, salt, output) = split(fields)?;
    stored(digest, iterations, salt.as_bytes(), decode_hex(output.as_bytes()).ok_or(MALFORMED)?)
}

/// Parses an ASP.NET Core Identity hash, version 3: base64 of the version, the digest, the iterations and the length of
/// the salt as big-endian numbers, the salt, and the hash. Returns `None` for other strings.
pub(super) fn parse_asp_net(text: &str) -> Option<Result<StoredHash, UnsupportedHash>> {
    let bytes = Base64::decode_vec(text).ok()?;
    let (&[version, ref header @ ..], rest) = bytes.split_first_chunk::<13>()?;
    if version != ASP_NET_VERSION {
        return None;
    }
    let ([digest, iterations, salt_bytes], []) = header.as_chunks::<4>() else { return None };
    let [digest, iterations, salt_bytes] =
        [digest, iterations, salt_bytes].map(|number| u32::from_be_bytes(*number));
    let digest = match digest {
        0 => Digest::Sha1,
        1 => Digest::Sha256,
        2 => Digest::Sha512,
        _ => return None,
    };
    let (salt, output) = rest.split_at_checked(usize::try_from(salt_bytes).ok()?)?;
    Some(stored(digest, iterations, salt, output.to_vec()))
}

fn stored(
    digest: Digest,
    iterations: u32,
    salt: &[u8],
    output: Vec<u8>,
) -> Result<StoredHash, UnsupportedHash> {
    let kdf = Kdf::Pbkdf2(Pbkdf2::checked(digest, iterations, output.len())?);
    Ok(StoredHash::Derived { kdf, salt: salt.to_vec(), output })
}

/// Splits `iterations$salt$hash`.
fn split(fields: &str) -> Result<(u32, &str, &str), UnsupportedHash> {
    let fields: Vec<&str> = fields.split('$').collect();
    let [iterations, salt, output] = fields[..] else { return Err(MALFORMED) };
    Ok((iterations.parse().map_err(|_| MALFORMED)?, salt, output))
}
