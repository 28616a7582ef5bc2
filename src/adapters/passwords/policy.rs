//! A password policy that follows
//! [NIST SP 800-63B section 5.1.1](https://pages.nist.gov/800-63-3/sp800-63b.html#memsecret): a minimum length and no
//! common passwords, but no composition rules.

use std::{ops::RangeInclusive, sync::Arc};

use zxcvbn::{Score, zxcvbn};

use super::{Argon2Hasher, normalized, pool::Pool};
use crate::domain::{
    backend_error::BackendError,
    ports::{PasswordPolicy, WeakPassword},
    secret::Password,
};

/// The minimum length in characters that NIST requires of passwords chosen by users.
const MIN_CHARACTERS: usize = 8;

/// The number of characters whose strength is estimated. The time grows faster than quadratically, and further
/// characters cannot make a password weaker.
const ESTIMATED_CHARACTERS: usize = 40;

/// The minimum strength: about a million guesses. Common passwords, with or without a digit at the end, take far fewer.
/// Eight random letters take a hundred million.
const MIN_SCORE: Score = Score::Two;

/// The minimum and maximum length of a word of the context, in bytes.
const WORD_BYTES: RangeInclusive<usize> = 3..=100;

/// Rejects new passwords that are short, overlong or easy to guess, by the estimate of
/// [zxcvbn](https://docs.rs/zxcvbn).
///
/// An estimate usually takes a millisecond, and up to a tenth of a second for a malicious password. It therefore runs
/// on the threads of an [`Argon2Hasher`], after a wait in its queue.
///
/// ```
/// use gatepass::{BackendError, Password, PasswordPolicy, error::WeakPassword};
/// use gatepass::passwords::{Argon2Hasher, StrengthPolicy};
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let policy = StrengthPolicy::new(&Argon2Hasher::default());
/// let check = async |password: &str| policy.check(&Password::from(password), &["johndoe"]).await;
///
/// assert_eq!(check("my dog eats socks").await?, Ok(()));
/// assert_eq!(check("password1").await?, Err(WeakPassword::TooEasy));
/// assert_eq!(check("johndoe1").await?, Err(WeakPassword::TooEasy));
/// # Ok::<(), BackendError>(())
/// # }).unwrap();
/// ```
#[derive(Clone, Debug)]
pub struct StrengthPolicy {
    pool: Arc<Pool>,
}

impl StrengthPolicy {
    /// Creates a policy that runs on the threads of this hasher.
    pub fn new(hasher: &Argon2Hasher) -> Self {
        Self { pool: Arc::clone(&hasher.pool) }
    }
}

impl PasswordPolicy for StrengthPolicy {
    async fn check(
        &self,
        password: &Password,
        context: &[&str],
    ) -> Result<Result<(), WeakPassword>, BackendError> {
        if let Err(weak) = WeakPassword::check_length(password, MIN_CHARACTERS) {
            return Ok(Err(weak));
        }
        // The hash is that of the normalized password.
        let password = &normalized(password);
        if let Err(weak) = WeakPassword::check_length(password, MIN_CHARACTERS) {
            return Ok(Err(weak));
        }
        let text = password.expose();
        let start = text.char_indices().nth(ESTIMATED_CHARACTERS).map_or(text, |(end, _)| &text[..end]);
        let (start, words) = (Password::from(start), words(context));
        self.pool
            .run(0, move |_| {
                let words: Vec<&str> = words.iter().map(String::as_str).collect();
                let is_weak = zxcvbn(start.expose(), &words).score() < MIN_SCORE;
                Ok(if is_weak { Err(WeakPassword::TooEasy) } else { Ok(()) })
            })
            .await
    }
}

/// Returns the words of the context and their parts, such as those of an email address.
fn words(context: &[&str]) -> Vec<String> {
    context
        .iter()
        .flat_map(|word| [*word].into_iter().chain(word.split(['@', '.', '-', '_', ' '])))
        .filter(|word| WORD_BYTES.contains(&word.len()))
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests;
