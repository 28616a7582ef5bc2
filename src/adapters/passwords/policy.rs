//! A password policy that follows
//! [NIST SP 800-63B-4 section 3.1.1.2](https://pages.nist.gov/800-63-4/sp800-63b.html#passwordver): a minimum length,
//! no common, guessable or breached passwords, and no composition rules.

mod blocklist;
mod guesses;

use std::sync::Arc;

use unicode_normalization::UnicodeNormalization;

pub use self::blocklist::{InvalidPasswordBlocklist, PasswordBlocklist};
use self::guesses::Words;
use super::{Argon2Hasher, normalized, pool::Pool};
use crate::domain::{
    backend_error::BackendError,
    ports::{PasswordPolicy, WeakPassword},
    secret::Password,
};

/// A policy that rejects new passwords that are too short, too long, common, easy to guess or breached.
///
/// The minimum length is 15 characters, as NIST requires for passwords that are used without a second factor. The
/// strength of a password is estimated from the patterns that [zxcvbn](https://docs.rs/zxcvbn) finds in it: common
/// passwords, words, names, dates, keyboard patterns and repetitions, and words from the context. Digits, years and
/// symbols around them, capital letters and substitutions such as `@` for `a` add little. A password may contain a word
/// from the context if the rest of the password is strong enough.
///
/// An estimate usually takes a few milliseconds, but can take a few tenths of a second for a malicious password.
/// Estimates therefore wait in the queue of an [`Argon2Hasher`] and run on its threads.
///
/// ```
/// use gatepass::{BackendError, Password, PasswordPolicy, error::WeakPassword};
/// use gatepass::passwords::{Argon2Hasher, StrengthPolicy};
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let policy = StrengthPolicy::new(&Argon2Hasher::default())
///     .min_characters(12)
///     // With a list of breached passwords: .blocklist(PasswordBlocklist::open("pwned-passwords.txt")?)
///     .context(["Acme", "acme.example"]);
/// let check = async |password: &str| policy.check(&Password::from(password), &["johndoe"]).await;
///
/// assert_eq!(check("purple teapots swim north").await?, Ok(()));
/// assert_eq!(check("vT9#kLm2xQw").await?, Err(WeakPassword::TooShort { minimum: 12 }));
/// assert_eq!(check("Password@1234").await?, Err(WeakPassword::TooEasy));
/// assert_eq!(check("johndoe@acme2025").await?, Err(WeakPassword::UsesContext));
/// # Ok::<(), BackendError>(())
/// # }).unwrap();
/// ```
#[derive(Clone, Debug)]
pub struct StrengthPolicy {
    pool: Arc<Pool>,
    pub(crate) min_characters: usize,
    pub(crate) blocklist: Option<PasswordBlocklist>,
    context: Vec<String>,
}

impl StrengthPolicy {
    /// The lowest minimum length, in characters. NIST requires it for passwords that are used with a second factor.
    pub const MIN_CHARACTERS: usize = 8;

    /// Creates a policy that runs on the threads of this hasher.
    pub fn new(hasher: &Argon2Hasher) -> Self {
        Self {
            pool: Arc::clone(&hasher.pool),
            min_characters: WeakPassword::MIN_CHARACTERS,
            blocklist: None,
            context: Vec::new(),
        }
    }

    /// Sets the minimum length, in characters (Unicode scalar values): 15 by default, and at least 8.
    #[must_use]
    pub fn min_characters(self, minimum: usize) -> Self {
        Self { min_characters: minimum.max(Self::MIN_CHARACTERS), ..self }
    }

    /// Rejects the passwords in this list as well. Each password is looked up as typed, in NFKC, and in lower case.
    #[must_use]
    pub fn blocklist(self, list: PasswordBlocklist) -> Self {
        Self { blocklist: Some(list), ..self }
    }

    /// Adds words to the context of all users, such as the names of the service and of its host.
    #[must_use]
    pub fn context<W: Into<String>>(mut self, words: impl IntoIterator<Item = W>) -> Self {
        self.context.extend(words.into_iter().map(Into::into));
        self
    }

    /// Checks a password in NFKC. `typed` is the same password as the user typed it.
    fn check_now(
        &self,
        password: &Password,
        typed: &Password,
        words: &Words,
    ) -> Result<Result<(), WeakPassword>, BackendError> {
        if let Err(weak) = guesses::check(password.expose(), words) {
            return Ok(Err(weak));
        }
        let Some(list) = &self.blocklist else { return Ok(Ok(())) };
        let lowercase = Password::from(password.expose().to_lowercase());
        for spelling in [typed, password, &lowercase] {
            if list.contains(spelling.expose())? {
                return Ok(Err(WeakPassword::Breached));
            }
        }
        Ok(Ok(()))
    }
}

impl PasswordPolicy for StrengthPolicy {
    async fn check(
        &self,
        password: &Password,
        context: &[&str],
    ) -> Result<Result<(), WeakPassword>, BackendError> {
        // The hasher normalizes passwords, so the length is checked before and after normalization.
        let normalized = normalized(password);
        for spelling in [password, &normalized] {
            if let Err(weak) = WeakPassword::check_length(spelling, self.min_characters) {
                return Ok(Err(weak));
            }
        }
        let context = self.context.iter().map(String::as_str).chain(context.iter().copied());
        let words = Words::new(context.map(|word| word.nfkc().collect()));
        let (policy, typed) = (self.clone(), password.clone());
        self.pool.run(0, move |_| policy.check_now(&normalized, &typed, &words)).await
    }
}

#[cfg(test)]
mod tests;
