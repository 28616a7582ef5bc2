//! A stored hash of any kind, read and within its limits.

use ::argon2::Algorithm;
use ::phc::PasswordHash;
use thiserror::Error;

use super::{
    argon2id::{Argon2Hash, Recipe},
    bcrypt::BcryptHash,
    memory::Memory,
    pbkdf2::Pbkdf2Hash,
    scrypt::ScryptHash,
};
use crate::domain::backend_error::BackendError;

/// Bytes. The longest that anybody writes has under 300; whatever is longer is not worth reading.
const MAX_TEXT: usize = 512;

/// A stored hash of any kind.
pub(super) enum Stored {
    Argon2(Argon2Hash),
    Bcrypt(BcryptHash),
    Scrypt(ScryptHash),
    Pbkdf2(Pbkdf2Hash),
}

/// Why a stored hash is not verified; says nothing of its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(super) enum UnreadableHash {
    #[error("a stored password hash is of no kind that is known here")]
    Unknown,
    #[error("a stored {0} hash is malformed")]
    Malformed(&'static str),
    #[error("a stored {0} hash has parameters over the limit")]
    TooCostly(&'static str),
}

impl Stored {
    pub(super) fn read(text: &str) -> Result<Self, UnreadableHash> {
        if text.len() > MAX_TEXT {
            return Err(UnreadableHash::Unknown);
        }
        // Django writes its own name of the kind before the usual text.
        let text = match (text.strip_prefix("argon2"), text.strip_prefix("bcrypt$")) {
            (Some(usual), _) if usual.starts_with("$argon2") => usual,
            (_, Some(usual)) if usual.starts_with("$2") => usual,
            _ => text,
        };

        if let Some(fields) = text.strip_prefix("pbkdf2_sha256$") {
            return Pbkdf2Hash::read_django(fields).map(Self::Pbkdf2);
        }
        let (kind, fields) =
            text.strip_prefix('$').and_then(|text| text.split_once('$')).ok_or(UnreadableHash::Unknown)?;
        let phc = |name| PasswordHash::new(text).map_err(|_| UnreadableHash::Malformed(name));
        match kind {
            "argon2id" => Argon2Hash::read(Algorithm::Argon2id, &phc("Argon2")?).map(Self::Argon2),
            "argon2i" => Argon2Hash::read(Algorithm::Argon2i, &phc("Argon2")?).map(Self::Argon2),
            "2a" | "2b" | "2y" => BcryptHash::read(text).map(Self::Bcrypt),
            "scrypt" => ScryptHash::read(&phc("scrypt")?).map(Self::Scrypt),
            "pbkdf2-sha256" if fields.contains('=') => {
                Pbkdf2Hash::read_phc(&phc("PBKDF2")?).map(Self::Pbkdf2)
            }
            "pbkdf2-sha256" => Pbkdf2Hash::read_passlib(fields).map(Self::Pbkdf2),
            _ => Err(UnreadableHash::Unknown),
        }
    }

    /// Whether it was made from `password`, compared in constant time.
    pub(super) fn matches(&self, password: &[u8], memory: &mut Memory) -> Result<bool, BackendError> {
        match self {
            Self::Argon2(hash) => hash.matches(password, memory),
            Self::Bcrypt(hash) => hash.matches(password),
            Self::Scrypt(hash) => hash.matches(password, memory),
            Self::Pbkdf2(hash) => Ok(hash.matches(password)),
        }
    }

    /// Whether a new hash would be made the same way.
    pub(super) fn is_made_by(&self, recipe: &Recipe) -> bool {
        matches!(self, Self::Argon2(hash) if hash.is_made_by(recipe))
    }
}

/// The numbers under these names, where a PHC string has them and no others.
pub(super) fn parameters<const N: usize>(phc: &PasswordHash, names: [&str; N]) -> Option<[u32; N]> {
    if phc.params.iter().count() != N {
        return None;
    }
    let mut values = [0; N];
    for (value, name) in values.iter_mut().zip(names) {
        *value = phc.params.get_decimal(name)?;
    }
    Some(values)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use proptest::prelude::*;

    use super::*;

    /// Reads and, where that can be, verifies: what a row of the store can make a thread do.
    fn take(text: &str) -> Result<bool, String> {
        let start = Instant::now();
        let mut memory = Memory::new(64, Default::default());
        let outcome = match Stored::read(text) {
            Ok(stored) => stored.matches(b"secret", &mut memory).map_err(|fault| fault.to_string()),
            Err(unreadable) => Err(unreadable.to_string()),
        };
        // The most that the limits allow takes a second or two; these run on a busy machine without optimisation.
        assert!(start.elapsed() < Duration::from_secs(20), "{text}: {:?}", start.elapsed());
        outcome
    }

    /// Numbers as a row may hold them: mostly small, so that hashing is quick, or out of all bounds.
    fn number() -> impl Strategy<Value = String> {
        prop_oneof![
            4 => (0u32..70).prop_map(|number| number.to_string()),
            1 => (u32::MAX - 9..=u32::MAX).prop_map(|number| number.to_string()),
            1 => any::<u64>().prop_map(|number| number.to_string()),
            1 => "[-+ 0-9a-z=,.]{0,6}",
        ]
    }

    fn base64() -> impl Strategy<Value = String> {
        prop_oneof![
            3 => Just("MTIzNDU2Nzg5MDEyMzQ1Ng".to_owned()),
            3 => Just("Ek8Sn2iS2m2l1qXpUPJ5fyk6vSSnfM8Vh3yUgkmKjZI".to_owned()),
            1 => "[A-Za-z0-9+/.=]{0,100}",
            1 => any::<String>(),
        ]
    }

    fn parameters() -> impl Strategy<Value = String> {
        let names = ["m", "t", "p", "ln", "r", "i", "l", "v", "data", ""];
        let pair =
            (prop::sample::select(names.to_vec()), number()).prop_map(|(name, n)| format!("{name}={n}"));
        prop_oneof![
            2 => prop::collection::vec(pair, 0..5).prop_map(|pairs| pairs.join(",")),
            2 => (number(), number(), number()).prop_map(|(m, t, p)| format!("m={m},t={t},p={p}")),
            2 => (0u32..12, number(), number()).prop_map(|(ln, r, p)| format!("ln={ln},r={r},p={p}")),
            2 => number().prop_map(|i| format!("i={i}")),
            2 => number(),
        ]
    }

    fn stored() -> impl Strategy<Value = String> {
        let prefixes = [
            "$argon2id$v=19$",
            "$argon2i$",
            "argon2$argon2id$v=16$",
            "$scrypt$",
            "$pbkdf2-sha256$",
            "pbkdf2_sha256$",
            "$",
            "",
        ];
        (prop::sample::select(prefixes.to_vec()), parameters(), base64(), base64())
            .prop_map(|(prefix, parameters, salt, output)| format!("{prefix}{parameters}${salt}${output}"))
    }

    fn bcrypt() -> impl Strategy<Value = String> {
        (
            prop::sample::select(&["$2a$", "$2b$", "$2y$", "bcrypt$$2b$"][..]),
            "0[0-5]|[2-9][0-9]|.{0,3}",
            "[./A-Za-z0-9]{53}|.{0,60}",
        )
            .prop_map(|(kind, cost, rest)| format!("{kind}{cost}${rest}"))
    }

    proptest! {
        #[test]
        fn any_text_is_taken_without_panic(text in any::<String>()) {
            let _ = take(&text);
        }

        #[test]
        fn any_parameters_are_taken_in_bounded_time(text in stored()) {
            let _ = take(&text);
        }

        #[test]
        fn any_bcrypt_is_taken_in_bounded_time(text in bcrypt()) {
            let _ = take(&text);
        }
    }

    #[test]
    fn the_largest_parameters_that_are_taken_take_a_second_or_two() {
        let (salt, output) = ("MTIzNDU2Nzg5MDEyMzQ1Ng", "Ek8Sn2iS2m2l1qXpUPJ5fyk6vSSnfM8Vh3yUgkmKjZI");
        for text in [
            format!("$argon2id$v=19$m=262144,t=4,p=1${salt}${output}"),
            format!("$argon2id$v=19$m=8,t=131072,p=1${salt}${output}"),
            format!("$scrypt$ln=18,r=8,p=1${salt}${output}"),
            format!("$scrypt$ln=1,r=1,p=1048576${salt}${output}"),
            "$2b$14$......................YgIDy4hFBdVlc/6LHnD9mX488r9cLd2".to_owned(),
        ] {
            let start = Instant::now();
            assert_eq!(take(&text), Ok(false), "{text}");
            eprintln!("{:?} for {text}", start.elapsed());
        }
    }
}
