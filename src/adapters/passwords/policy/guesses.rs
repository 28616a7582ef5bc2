//! An estimate of the number of guesses needed to find a password. All numbers of guesses are decimal logarithms.
//!
//! [zxcvbn](https://docs.rs/zxcvbn) splits a password into patterns and estimates each of them. Its own total is too
//! high for a password with several patterns, such as `Password@123`. The total here is the product of the guesses for
//! the patterns. The result is the lowest of several totals, each of which interprets the password differently.

use std::ops::RangeInclusive;

use zxcvbn::{matching::patterns::MatchPattern, zxcvbn};

use crate::domain::ports::WeakPassword;

/// The number of characters that are estimated. The time for an estimate grows faster than quadratically, and further
/// characters cannot make a password weaker.
const MAX_CHARACTERS: usize = 40;

/// The minimum and maximum length of a context word, in bytes.
const WORD_BYTES: RangeInclusive<usize> = 3..=100;

/// The maximum number of context words, which bounds the time for an estimate.
const MAX_WORDS: usize = 100;

/// The maximum number of guesses for the characters before the letters, and for those after them: people add digits,
/// years and symbols to a word.
const MAX_AFFIX: f64 = 3.0;

/// The minimum number of guesses for a one-character part.
const MIN_CHARACTER: f64 = 1.0;

/// The minimum number of guesses for a part of two or more characters.
const MIN_PART: f64 = 1.7;

/// Returns the minimum number of guesses for a password of this length. It is 7 for eight characters, because eight
/// random characters require 8. It is at most 9, which three unusual words exceed.
fn required(characters: usize) -> f64 {
    (3.0 + characters as f64 / 2.0).min(9.0)
}

/// Words in lower case that attackers may know about a user, and the parts of these words, such as those of an email
/// address.
pub(super) struct Words(Vec<String>);

impl Words {
    pub(super) fn new(context: impl Iterator<Item = String>) -> Self {
        let mut words = Vec::new();
        for word in context {
            let word = word.to_lowercase();
            let parts = word.split(|char: char| !char.is_alphanumeric());
            let together: String = parts.clone().collect();
            words.extend(parts.map(str::to_owned));
            words.extend([together, word]);
        }
        words.retain(|word| WORD_BYTES.contains(&word.len()));
        words.sort();
        words.dedup();
        words.truncate(MAX_WORDS);
        Self(words)
    }
}

/// Checks that a password in NFKC is hard to guess.
pub(super) fn check(password: &str, words: &Words) -> Result<(), WeakPassword> {
    let characters = password.chars().count();
    let end = password.char_indices().nth(MAX_CHARACTERS).map_or(password.len(), |(end, _)| end);
    let estimate = Estimator { words: words.0.iter().map(String::as_str).collect() }.lowest(&password[..end]);
    match estimate {
        Estimate { guesses, .. } if guesses >= required(characters) => Ok(()),
        Estimate { uses_context: true, .. } => Err(WeakPassword::UsesContext),
        Estimate { .. } => Err(WeakPassword::TooEasy),
    }
}

/// The guesses for a string, and whether it contains a context word.
#[derive(Clone, Copy, Default)]
struct Estimate {
    guesses: f64,
    uses_context: bool,
}

impl Estimate {
    fn and(self, other: Self) -> Self {
        Self { guesses: self.guesses + other.guesses, uses_context: self.uses_context || other.uses_context }
    }
}

struct Estimator<'a> {
    words: Vec<&'a str>,
}

impl Estimator<'_> {
    /// Returns the lowest of several estimates, each of which interprets the password differently: as typed, without
    /// shifted characters, without substitutions.
    fn lowest(&self, password: &str) -> Estimate {
        let core = password.trim_matches(|char: char| !char.is_alphabetic());
        let core = if core.is_empty() { password } else { core };
        let plain: String = core.chars().map(without_substitution).collect();
        let unshifted: String = password.chars().map(without_shift).collect();
        let affixes = self.affixes(password, core);
        let estimates = [
            self.patterns(password),
            self.patterns(&unshifted),
            self.parts(core).and(affixes),
            self.parts(&plain).and(affixes),
        ];
        let lowest = estimates.into_iter().min_by(|a, b| a.guesses.total_cmp(&b.guesses));
        let uses_context = estimates.iter().any(|estimate| estimate.uses_context);
        Estimate { uses_context, ..lowest.unwrap_or_default() }
    }

    /// Estimates a string by the patterns that zxcvbn finds.
    fn patterns(&self, text: &str) -> Estimate {
        let entropy = zxcvbn(text, &self.words);
        let estimates = entropy.sequence().iter().map(|pattern| Estimate {
            guesses: (pattern.guesses.unwrap_or(1) as f64).log10(),
            uses_context: self.uses_context(&pattern.pattern),
        });
        estimates.fold(Estimate::default(), Estimate::and)
    }

    fn uses_context(&self, pattern: &MatchPattern) -> bool {
        match pattern {
            MatchPattern::Dictionary(found) => self.words.contains(&found.matched_word.as_str()),
            MatchPattern::Repeat(found) => {
                found.base_matches.iter().any(|found| self.uses_context(&found.pattern))
            }
            _ => false,
        }
    }

    /// Estimates the characters before and after the letters.
    fn affixes(&self, password: &str, core: &str) -> Estimate {
        let Some((before, after)) = password.split_once(core) else { return Estimate::default() };
        let affixes = [before, after].into_iter().filter(|affix| !affix.is_empty());
        let guesses = affixes.map(|affix| {
            let limit = MAX_AFFIX.min(affix.chars().count() as f64);
            self.patterns(affix).guesses.min(limit)
        });
        Estimate { guesses: guesses.sum(), uses_context: false }
    }

    /// Estimates each [part](parts) of a string separately. A repeated symbol is counted once.
    fn parts(&self, text: &str) -> Estimate {
        let mut seen = Vec::new();
        let mut total = Estimate::default();
        for (class, part) in parts(text) {
            if class == Class::Symbol && seen.contains(&part) {
                continue;
            }
            seen.push(part);
            let is_one = part.chars().count() == 1;
            let mut estimate = if is_one { Estimate::default() } else { self.patterns(part) };
            estimate.guesses = estimate.guesses.max(if is_one { MIN_CHARACTER } else { MIN_PART });
            total = total.and(estimate);
        }
        total
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Uppercase,
    Letter,
    Digit,
    Symbol,
}

impl Class {
    fn of(char: char) -> Self {
        match char {
            _ if char.is_uppercase() => Self::Uppercase,
            _ if char.is_alphabetic() => Self::Letter,
            _ if char.is_numeric() => Self::Digit,
            _ => Self::Symbol,
        }
    }
}

/// Splits a string into words, numbers and symbols. A capital letter may begin a word.
fn parts(text: &str) -> Vec<(Class, &str)> {
    let mut parts = Vec::new();
    let (mut start, mut last) = (0, None);
    for (index, char) in text.char_indices() {
        let class = Class::of(char);
        let begins_word = last == Some(Class::Uppercase) && text[start..index].chars().count() == 1;
        if let Some(last) = last
            && last != class
            && !(begins_word && class == Class::Letter)
        {
            parts.push((last, &text[start..index]));
            start = index;
        }
        last = Some(class);
    }
    parts.extend(last.map(|class| (class, &text[start..])));
    parts
}

/// Returns the letter that a digit or symbol often stands for.
fn without_substitution(char: char) -> char {
    match char {
        '@' | '4' => 'a',
        '3' => 'e',
        '1' | '!' => 'i',
        '0' => 'o',
        '$' | '5' => 's',
        '7' => 't',
        char => char,
    }
}

/// Returns the character of the same key on a US keyboard without Shift: keyboard patterns may alternate between keys
/// with and without Shift.
fn without_shift(char: char) -> char {
    match "!@#$%^&*()".find(char) {
        Some(index) => char::from(b"1234567890"[index]),
        None => char.to_ascii_lowercase(),
    }
}
