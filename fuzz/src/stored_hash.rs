//! A stored hash, as a row of the user's table may hold it: an input is its text.

use std::{num::NonZeroUsize, sync::LazyLock};

use gatepass::{Argon2Hasher, Argon2Settings, Password, PasswordCheck, PasswordHash, PasswordHasher};

use super::request::block_on;

static HASHER: LazyLock<Argon2Hasher> = LazyLock::new(|| {
    let cheap = Argon2Settings {
        memory: 8,
        iterations: 1,
        threads: Some(NonZeroUsize::MIN),
        ..Argon2Settings::default()
    };
    Argon2Hasher::new(cheap).expect("a hasher")
});

pub fn check(input: &[u8]) {
    let Ok(text) = str::from_utf8(input) else { return };
    let hash = PasswordHash::from(text);
    let is_readable = match Argon2Hasher::check(&hash) {
        Ok(()) => true,
        Err(fault) => {
            assert!(is_a_sentence_of_ours(&fault.to_string()), "{fault} says something of {text}");
            false
        }
    };
    if is_readable {
        let cost = Cost::of(text).expect("a readable hash has a cost");
        assert!(cost.is_allowed(), "{text}");
        if !cost.is_cheap() {
            return;
        }
    }

    let matches = |password: &str| {
        let verdict = block_on(HASHER.verify(&Password::from(password), &hash)).expect("a verdict");
        verdict != PasswordCheck::Mismatch
    };
    let right = ["secret", "another one"].map(matches);
    assert_ne!(right, [true, true], "two passwords match {text}");
    assert!(is_readable || right == [false, false], "an unreadable hash matches: {text}");
    assert!(text.is_empty() || !matches(text), "a hash is its own password: {text}");
}

/// Whether a fault says nothing but these words.
fn is_a_sentence_of_ours(fault: &str) -> bool {
    let of_a_kind = ["Argon2", "bcrypt", "scrypt", "PBKDF2"].iter().any(|kind| {
        ["is malformed", "has parameters over the limit"]
            .iter()
            .any(|what| fault == format!("a stored {kind} hash {what}"))
    });
    of_a_kind || fault == "a stored password hash is of no kind that is known here"
}

/// What a hash costs, read with no regard to its kind's grammar.
enum Cost {
    Argon2 { memory: u64, work: u64 },
    Bcrypt { log_rounds: u64 },
    Scrypt { work: u64 },
    Pbkdf2 { iterations: u64 },
}

impl Cost {
    fn of(text: &str) -> Option<Self> {
        let fields: Vec<&str> = text.split(['$', ',']).collect();
        let named = |name: &str| {
            let value = fields.iter().find_map(|field| field.strip_prefix(name)?.strip_prefix('='))?;
            value.parse::<u64>().ok()
        };
        // Where it has no name: the first that is a number.
        let bare = || fields.iter().find_map(|field| field.parse::<u64>().ok());
        let kind = |names: &[&str]| names.iter().any(|name| text.starts_with(name));
        if kind(&["$argon2i", "argon2$argon2i"]) {
            let memory = named("m")?;
            Some(Self::Argon2 { memory, work: memory * named("t")? })
        } else if kind(&["$scrypt$"]) {
            Some(Self::Scrypt { work: (1 << named("ln")?) * named("r")? * named("p")? })
        } else if kind(&["pbkdf2_"]) {
            Some(Self::Pbkdf2 { iterations: bare()? })
        } else if kind(&["$pbkdf2-"]) {
            Some(Self::Pbkdf2 { iterations: named("i").or_else(bare)? })
        } else if kind(&["$2", "bcrypt$$2"]) {
            Some(Self::Bcrypt { log_rounds: bare()? })
        } else {
            None
        }
    }

    /// As docs/ARCHITECTURE.md has it: about a second of one core, and 256 MiB.
    fn is_allowed(&self) -> bool {
        match *self {
            Self::Argon2 { memory, work } => memory <= 256 * 1024 && work <= 1024 * 1024,
            Self::Bcrypt { log_rounds } => log_rounds <= 14,
            Self::Scrypt { work } => work <= 1 << 21,
            Self::Pbkdf2 { iterations } => iterations <= 4_000_000,
        }
    }

    /// Whether it can be verified thousands of times a second.
    fn is_cheap(&self) -> bool {
        match *self {
            Self::Argon2 { work, .. } => work <= 128,
            Self::Bcrypt { log_rounds } => log_rounds <= 4,
            Self::Scrypt { work } => work <= 64,
            Self::Pbkdf2 { iterations } => iterations <= 500,
        }
    }
}
