//! Stored password hashes. An input is one hash.

use std::{num::NonZeroUsize, sync::LazyLock};

use base64::{Engine, prelude::BASE64_STANDARD};
use gatepass::{
    Password, PasswordCheck, PasswordHash, PasswordHasher,
    passwords::{Argon2Hasher, Argon2Settings},
};

use super::request::block_on;

static HASHER: LazyLock<Argon2Hasher> = LazyLock::new(|| {
    let cheap = Argon2Settings {
        memory: 8,
        iterations: 1,
        threads: Some(NonZeroUsize::MIN),
        ..Argon2Settings::default()
    };
    Argon2Hasher::with_settings(cheap).expect("valid settings")
});

pub fn check(input: &[u8]) {
    let Ok(text) = str::from_utf8(input) else { return };
    let hash = PasswordHash::from(text);
    let is_supported = match Argon2Hasher::check_hash(&hash) {
        Ok(()) => true,
        Err(error) => {
            assert!(
                is_known_message(&error.to_string()),
                "{error:?} is not a known message, and may leak a part of {text}"
            );
            false
        }
    };
    if is_supported {
        let cost =
            Cost::of(text).unwrap_or_else(|| panic!("expected a supported hash to have a cost: {text}"));
        assert!(cost.is_allowed(), "a supported hash exceeds the limits: {text}");
        if !cost.is_cheap() {
            return;
        }
    }

    let matches = |password: &str| {
        let result = block_on(HASHER.verify(&Password::from(password), &hash)).expect("a result");
        result != PasswordCheck::Mismatch
    };
    let results = ["secret", "another one"].map(matches);
    assert_ne!(results, [true, true], "two passwords match: {text}");
    assert!(is_supported || results == [false, false], "an unsupported hash matches: {text}");
    assert!(text.is_empty() || !matches(text), "the hash itself matches as a password: {text}");
}

/// Returns whether an error message is one of a fixed set.
fn is_known_message(error: &str) -> bool {
    let names_kind = ["Argon2", "bcrypt", "scrypt", "PBKDF2", "phpass"].iter().any(|kind| {
        error == format!("malformed {kind} hash")
            || error == format!("{kind} hash with parameters over the limit")
    });
    let is_weak = ["MD5 hash", "SHA-1 hash", "SHA-2 hash", "plain text"].iter().any(|kind| {
        error
            == format!(
                "{kind}, which does not protect the password; import `!` as the hash, and set a new password"
            )
    });
    names_kind || is_weak || error == "password hash of an unknown kind"
}

/// The cost of a hash, parsed independently of Gatepass.
enum Cost {
    Argon2 {
        memory: u64,
        work: u64,
    },
    Bcrypt {
        log_rounds: u64,
    },
    Scrypt {
        work: u64,
    },
    Pbkdf2 {
        iterations: u64,
    },
    Phpass {
        log_rounds: u64,
    },
    /// The hash of a user without a password.
    None,
}

impl Cost {
    fn of(text: &str) -> Option<Self> {
        // A scheme in braces, as in hashes from LDAP servers and Spring.
        let text = match text.strip_prefix('{').and_then(|text| text.split_once('}')) {
            Some((scheme, hash)) if scheme.to_ascii_lowercase().starts_with("pbkdf2") => {
                return Some(Self::Pbkdf2 { iterations: hash.split('$').next()?.parse().ok()? });
            }
            Some((_, hash)) => hash,
            None => text,
        };
        let fields: Vec<&str> = text.split(['$', ',', ':']).collect();
        let named = |name: &str| {
            let value = fields.iter().find_map(|field| field.strip_prefix(name)?.strip_prefix('='))?;
            value.parse::<u64>().ok()
        };
        // An unnamed parameter is the first field that is a number.
        let bare = || fields.iter().find_map(|field| field.parse::<u64>().ok());
        let kind = |names: &[&str]| names.iter().any(|name| text.starts_with(name));
        if kind(&["$argon2i", "argon2$argon2i"]) {
            let memory = named("m")?;
            Some(Self::Argon2 { memory, work: memory * named("t")? })
        } else if kind(&["$scrypt$"]) {
            Some(Self::Scrypt { work: (1 << named("ln")?) * named("r")? * named("p")? })
        } else if kind(&["!"]) {
            Some(Self::None)
        } else if kind(&["scrypt$", "scrypt:"]) {
            // In Django's format, the salt follows N. It may contain colons, and may be a number.
            let django: Vec<&str> = text.split('$').collect();
            let (fields, indices) =
                if kind(&["scrypt:"]) { (&fields, [1, 2, 3]) } else { (&django, [1, 3, 4]) };
            let number = |index: &usize| fields.get(*index)?.parse().ok();
            let numbers: Vec<u64> = indices.iter().map(number).collect::<Option<_>>()?;
            Some(Self::Scrypt { work: numbers.into_iter().product() })
        } else if kind(&["pbkdf2:"]) {
            Some(Self::Pbkdf2 { iterations: fields.get(2)?.parse().ok()? })
        } else if kind(&["$P$", "$H$"]) {
            const DIGITS: &str = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
            Some(Self::Phpass { log_rounds: DIGITS.find(text.chars().nth(3)?)? as u64 })
        } else if kind(&["$bcrypt-sha256$"]) {
            Some(Self::Bcrypt { log_rounds: named("r").or_else(bare)? })
        } else if kind(&["$wp$2y$", "$wp$2a$", "$wp$2b$"]) {
            Some(Self::Bcrypt { log_rounds: fields.get(3)?.parse().ok()? })
        } else if !text.contains('$') {
            let bytes = BASE64_STANDARD.decode(text).ok()?;
            Some(Self::Pbkdf2 { iterations: u32::from_be_bytes(bytes.get(5..9)?.try_into().ok()?).into() })
        } else if kind(&["$pbkdf2$"]) {
            Some(Self::Pbkdf2 { iterations: fields.get(2)?.parse().ok()? })
        } else if kind(&["pbkdf2_"]) {
            Some(Self::Pbkdf2 { iterations: bare()? })
        } else if kind(&["$pbkdf2-"]) {
            Some(Self::Pbkdf2 { iterations: named("i").or_else(bare)? })
        } else if kind(&["$2", "bcrypt$$2", "bcrypt_sha256$$2"]) {
            Some(Self::Bcrypt { log_rounds: bare()? })
        } else {
            None
        }
    }

    /// Returns whether the cost is within the limits of `Argon2Hasher`: about one second on one core, and 256 MiB.
    fn is_allowed(&self) -> bool {
        match *self {
            Self::Argon2 { memory, work } => memory <= 256 * 1024 && work <= 1024 * 1024,
            Self::Bcrypt { log_rounds } => log_rounds <= 14,
            Self::Scrypt { work } => work <= 1 << 21,
            Self::Pbkdf2 { iterations } => iterations <= 4_000_000,
            Self::Phpass { log_rounds } => log_rounds <= 18,
            Self::None => true,
        }
    }

    /// Returns whether a hash can be verified thousands of times a second.
    fn is_cheap(&self) -> bool {
        match *self {
            Self::Argon2 { work, .. } => work <= 128,
            Self::Bcrypt { log_rounds } => log_rounds <= 4,
            Self::Scrypt { work } => work <= 64,
            Self::Pbkdf2 { iterations } => iterations <= 500,
            Self::Phpass { log_rounds } => log_rounds <= 9,
            Self::None => true,
        }
    }
}
