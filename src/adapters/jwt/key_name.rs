//! The name of a key's file: when the key was made, and its kid.

use std::fmt;

use crate::domain::time::Timestamp;

/// Longer than any kid of ours (43 characters), and short enough for every file system.
const LONGEST_KID: usize = 128;

/// When a key was made, and what it is called. Sorts by age.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct KeyName {
    pub(super) created: Timestamp,
    pub(super) kid: String,
}

impl KeyName {
    /// Of a file's name without its extension.
    pub(super) fn parse(stem: &str) -> Option<Self> {
        let (created, kid) = stem.split_once('-')?;
        let is_number = created.bytes().all(|byte| byte.is_ascii_digit());
        let is_kid = (1..=LONGEST_KID).contains(&kid.len())
            && kid.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
        if !is_number || !is_kid {
            return None;
        }
        Some(Self { created: Timestamp::from_unix(created.parse().ok()?), kid: kid.to_owned() })
    }
}

impl fmt::Display for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.created.as_unix(), self.kid)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_name_is_a_number_and_a_kid() {
        for text in ["", "-", "12", "12-", "-kid", "+12-kid", "1.5-kid", "x-kid", "12-k/d", "12-k d", "12-é"]
        {
            assert_eq!(KeyName::parse(text), None, "{text:?}");
        }
        let name = KeyName::parse("1700000000--a-b_").expect("a name");
        assert_eq!((name.created.as_unix(), name.kid.as_str()), (1_700_000_000, "-a-b_"));
    }

    proptest! {
        #[test]
        fn display_and_parse_agree(created in any::<u64>(), kid in "[A-Za-z0-9_-]{1,43}") {
            let name = KeyName { created: Timestamp::from_unix(created), kid };
            prop_assert_eq!(KeyName::parse(&name.to_string()), Some(name));
        }

        #[test]
        fn any_text_is_read_without_a_panic(text in ".*") {
            let _ = KeyName::parse(&text);
        }
    }
}
