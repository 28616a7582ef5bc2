//! The normalized form of usernames: `JohnDoe` and `johndoe` are the same user, on every database.

use caseless::Caseless;
use unicode_normalization::UnicodeNormalization;

/// Returns the key by which usernames are compared: it ignores case and the encoding of characters ([Unicode,
/// compatibility caseless match](https://www.unicode.org/versions/latest/core-spec/chapter-3/#G53513)), and white space
/// at both ends, such as the trailing space that phone keyboards add.
///
/// The database cannot compute the key: SQLite folds only ASCII, and PostgreSQL folds according to the locale of its
/// cluster. Stored keys stay valid, because Unicode
/// [never changes](https://www.unicode.org/policies/stability_policy.html) the folding of an assigned character.
///
/// ```
/// use gatepass::sql::username_key;
///
/// assert_eq!(username_key("Straße"), username_key("STRASSE"));
/// assert_eq!(username_key("Ångström"), username_key("a\u{30a}ngstro\u{308}m"));
/// ```
pub fn username_key(username: &str) -> String {
    username
        .trim()
        .chars()
        .nfd()
        .default_case_fold()
        .nfkd()
        .default_case_fold()
        .nfkc()
        .collect::<String>()
        .trim()
        .to_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn usernames_that_differ_only_in_case_encoding_or_surrounding_space_have_the_same_key() {
        for (one, other) in [
            ("JOHNDOE", "johndoe"),
            ("Straße", "STRASSE"),
            ("STRAẞE", "straße"),
            ("ΌΣΟΣ", "όσος"),
            ("İ", "i\u{307}"),
            ("É", "e\u{301}"),
            ("ｊｏｈｎ", "John"),
            ("johndoe ", "johndoe"),
            ("\u{a0}johndoe\u{3000}", "johndoe"),
        ] {
            assert_eq!(username_key(one), username_key(other), "{one} {other}");
        }
    }

    #[test]
    fn usernames_with_different_letters_have_different_keys() {
        for (one, other) in [("johndoe", "john doe"), ("i", "ı"), ("e", "é"), ("a", "а")] {
            assert_ne!(username_key(one), username_key(other), "{one} {other}");
        }
    }

    proptest! {
        #[test]
        fn username_key_is_idempotent(name in "\\PC{1,20}") {
            let first = username_key(&name);
            prop_assert_eq!(username_key(&first), first);
        }

        // Only old Latin, Greek and Cyrillic letters: Rust's tables may be for another version of Unicode.
        #[test]
        fn key_does_not_depend_on_case(name in "[ -ɏͰ-҂Ҋ-ԯḀ-῾]{1,20}") {
            // Unicode folds the dotless i to itself, although its uppercase is I.
            prop_assume!(!name.contains('ı'));
            prop_assert_eq!(username_key(&name.to_lowercase()), username_key(&name));
            prop_assert_eq!(username_key(&name.to_uppercase()), username_key(&name));
        }
    }
}
