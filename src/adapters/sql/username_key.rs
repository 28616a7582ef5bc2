//! The folded username: what makes `JohnDoe` and `johndoe` one user, on every database alike.

use caseless::Caseless;
use unicode_normalization::UnicodeNormalization;

/// No name that [`username`](super::username) lets in is longer, in bytes.
pub(super) const LONGEST: usize = 1024;

/// The name as it is compared: without case, without regard to how a letter is encoded
/// ([Unicode, compatibility caseless match](https://www.unicode.org/versions/latest/core-spec/chapter-3/#G53513)).
/// `None` where nobody can have such a name.
///
/// It is done here and not by the database: SQLite folds ASCII alone, PostgreSQL by the locale of its cluster,
/// and no PostgreSQL text holds the character NUL. A stored key stays right: of a character that is assigned,
/// [Unicode changes neither](https://www.unicode.org/policies/stability_policy.html).
///
/// ```
/// use gatepass::sql::username_key;
///
/// assert_eq!(username_key("Straße"), username_key("STRASSE"));
/// assert_eq!(username_key("Ångström"), username_key("a\u{30a}ngstro\u{308}m"));
/// assert_eq!(username_key("\0"), None);
/// ```
pub fn username_key(name: &str) -> Option<String> {
    if name.is_empty() || name.len() > LONGEST || name.contains('\0') {
        return None;
    }
    if name.is_ascii() {
        return Some(name.to_ascii_lowercase());
    }
    Some(name.chars().nfd().default_case_fold().nfkd().default_case_fold().nfkc().collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_that_differ_only_in_case_are_one() {
        for (one, other) in [
            ("JOHNDOE", "johndoe"),
            ("Straße", "STRASSE"),
            ("STRAẞE", "straße"),
            ("ΌΣΟΣ", "όσος"),
            ("İ", "i\u{307}"),
            ("É", "e\u{301}"),
            ("ｊｏｈｎ", "John"),
        ] {
            assert_eq!(username_key(one), username_key(other), "{one} {other}");
        }
    }

    #[test]
    fn other_names_are_others() {
        for (one, other) in [("johndoe", "johndoe "), ("i", "ı"), ("e", "é"), ("a", "а")] {
            assert_ne!(username_key(one), username_key(other), "{one} {other}");
        }
    }

    proptest! {
        #[test]
        fn a_key_is_its_own_key(name in "\\PC{1,20}") {
            let key = username_key(&name).unwrap();
            prop_assert_eq!(username_key(&key).unwrap(), key);
        }

        // Latin, Greek and Cyrillic without combining marks: Rust's own tables may be of another Unicode version than the folding's.
        #[test]
        fn case_never_matters(name in "[ -ɏͰ-҂Ҋ-ԯḀ-῾]{1,20}") {
            // Unicode folds the dotless i to itself, though its capital is I.
            prop_assume!(!name.contains('ı'));
            let key = username_key(&name);
            prop_assert_eq!(username_key(&name.to_lowercase()), key.clone());
            prop_assert_eq!(username_key(&name.to_uppercase()), key);
        }
    }
}
