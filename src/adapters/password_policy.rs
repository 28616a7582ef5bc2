//! What a new password must be, after
//! [NIST SP 800-63B section 5.1.1](https://pages.nist.gov/800-63-3/sp800-63b.html#memsecret): long enough, not a
//! common one, and no rules about its composition.

use thiserror::Error;
use zxcvbn::{Score, zxcvbn};

use crate::domain::secret::Password;

/// NIST's least for a password that a person chooses.
const MIN_CHARACTERS: usize = 8;

/// How much of a password is judged: the time grows faster than its square, and what is hard to guess already
/// gets no easier by what follows.
const JUDGED_CHARACTERS: usize = 40;

/// At least a million guesses, by the estimate of zxcvbn. What is on its list of 30,000 common passwords, with or
/// without a digit at the end, takes far fewer; eight random letters take a hundred million.
const LEAST: Score = Score::Two;

/// Why a new password is refused. Its `Display` is a sentence for the person who chose it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum WeakPassword {
    /// Under 8 characters (Unicode scalar values).
    #[error("the password must have at least 8 characters")]
    TooShort,
    /// Over [`Password::MAX_BYTES`].
    #[error("the password is over 1,024 bytes")]
    TooLong,
    /// A common password, or close to one or to one of the user's own words.
    #[error("the password is among the most common passwords or too easy to guess")]
    TooEasy,
}

/// Refuses a new password that is short, overlong or easy to guess. `user_inputs` are words that others know of
/// the user: the user name, the email address, the name of the service.
///
/// It takes a millisecond as a rule, and a tenth of a second for a password that is made to be slow: where
/// strangers choose passwords, call it off the async workers.
///
/// # Errors
/// Where the password is refused, and why.
///
/// ```
/// use gatepass::{Password, WeakPassword, check_new_password};
///
/// assert_eq!(check_new_password(&Password::from("my dog eats socks"), &["johndoe"]), Ok(()));
///
/// let refused = check_new_password(&Password::from("password1"), &["johndoe"]).unwrap_err();
/// assert_eq!(refused.to_string(), "the password is among the most common passwords or too easy to guess");
/// assert_eq!(check_new_password(&Password::from("johndoe1"), &["johndoe"]), Err(WeakPassword::TooEasy));
/// ```
pub fn check_new_password(password: &Password, user_inputs: &[&str]) -> Result<(), WeakPassword> {
    let text = password.expose();
    if text.len() > Password::MAX_BYTES {
        return Err(WeakPassword::TooLong);
    }
    if text.chars().count() < MIN_CHARACTERS {
        return Err(WeakPassword::TooShort);
    }
    // An email address is known by its parts too.
    let words: Vec<&str> = user_inputs
        .iter()
        .flat_map(|input| [*input].into_iter().chain(input.split(['@', '.', '-', '_', ' '])))
        .filter(|word| (3..=MAX_WORD).contains(&word.len()))
        .collect();
    if zxcvbn(first(text, JUDGED_CHARACTERS), &words).score() < LEAST {
        return Err(WeakPassword::TooEasy);
    }
    Ok(())
}

/// Bytes. No longer word of a user is looked for, and no shorter one than 3.
const MAX_WORD: usize = 100;

fn first(text: &str, characters: usize) -> &str {
    text.char_indices().nth(characters).map_or(text, |(end, _)| &text[..end])
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    fn check(password: &str) -> Result<(), WeakPassword> {
        check_new_password(&password.into(), &["johndoe@example.com", "John Doe"])
    }

    #[test]
    fn common_passwords_are_refused() {
        for password in [
            "password1",
            "qwertyuiop",
            "12345678",
            "iloveyou",
            "Password1!",
            "P@ssw0rd",
            "trustno1",
            "aaaaaaaa",
            "abcdefgh",
            "summer2024",
            "01011990",
            "1q2w3e4r",
        ] {
            assert_eq!(check(password), Err(WeakPassword::TooEasy), "{password}");
        }
    }

    #[test]
    fn what_others_know_of_the_user_is_refused() {
        for password in ["johndoe@example.com", "johndoe1", "johndoejohndoe", "Example1", "JOHNDOE7"] {
            assert_eq!(check(password), Err(WeakPassword::TooEasy), "{password}");
        }
    }

    #[test]
    fn passphrases_and_random_letters_are_accepted() {
        for password in [
            "correct horse battery staple",
            "my dog eats socks",
            "xkqvzjwp",
            "BtzKqwPd",
            "größte Ökonomie",
            "密码是一个很长的句子",
        ] {
            assert_eq!(check(password), Ok(()), "{password}");
        }
    }

    #[test]
    fn the_length_counts_characters_and_the_limit_bytes() {
        assert_eq!(check(""), Err(WeakPassword::TooShort));
        assert_eq!(check("xkqvzjw"), Err(WeakPassword::TooShort));
        assert_eq!(check("密码很长的句子"), Err(WeakPassword::TooShort), "7 characters, 21 bytes");
        let long = "correct horse battery staple ".repeat(40);
        assert_eq!(check(&long[..1024]), Ok(()));
        assert_eq!(check(&long[..1025]), Err(WeakPassword::TooLong));
    }

    #[test]
    fn no_rule_asks_for_kinds_of_characters() {
        assert_eq!(check("only lower case letters here"), Ok(()));
        assert_eq!(check("8302 7719 4460 1935"), Ok(()));
    }

    #[test]
    fn the_worst_password_is_judged_quickly() {
        let _ = check("the lists are read once");
        for worst in ["4@8({[<369!1|5$7+%2", "p4$$w0rd7|+%({[<", "password1", "aaaaaaaa", "aA1!", "😀"] {
            let password = worst.repeat(1024 / worst.len());
            let start = Instant::now();
            let _ = check(&password);
            assert!(start.elapsed() < Duration::from_secs(2), "{worst}: {:?}", start.elapsed());
        }
    }
}
