//! Names: validated strings. Each kind of name has its own type, so that different kinds cannot be confused.

use thiserror::Error;

/// The reason why a string is not a valid name.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("invalid {kind}: {reason}")]
pub struct InvalidName {
    pub(crate) kind: &'static str,
    pub(crate) reason: &'static str,
}

/// Returns the reason why a string is not a valid name, or `None` if it is valid. `too_long` is the reason to return
/// for a string of more than `max_bytes`.
pub(crate) fn invalid_reason(text: &str, max_bytes: usize, too_long: &'static str) -> Option<&'static str> {
    if text.is_empty() {
        Some("it is empty")
    } else if text.len() > max_bytes {
        Some(too_long)
    } else if text.chars().any(char::is_control) {
        Some("it contains a control character")
    } else {
        None
    }
}

/// Defines a newtype around a validated string. Clones share the string, because a cached token contains its user,
/// session and client in several places.
macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $kind:literal, $max_bytes:literal bytes) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash, ::serde::Deserialize)]
        #[serde(try_from = "String")]
        pub struct $name(::std::sync::Arc<str>);

        impl $name {
            #[doc = concat!("Validates the ", $kind, ": 1 to ", $max_bytes, " bytes without control characters.")]
            ///
            /// # Errors
            /// [`InvalidName`](crate::error::InvalidName) if the string is empty, too long or contains a control
            /// character.
            pub fn new(
                text: impl Into<::std::sync::Arc<str>>,
            ) -> Result<Self, $crate::domain::name::InvalidName> {
                let text = text.into();
                let too_long = concat!("it is longer than ", $max_bytes, " bytes");
                match $crate::domain::name::invalid_reason(&text, $max_bytes, too_long) {
                    None => Ok(Self(text)),
                    Some(reason) => Err($crate::domain::name::InvalidName { kind: $kind, reason }),
                }
            }

            /// Returns the name as a string.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = $crate::domain::name::InvalidName;

            fn try_from(text: String) -> Result<Self, Self::Error> {
                Self::new(text)
            }
        }

        impl TryFrom<&str> for $name {
            type Error = $crate::domain::name::InvalidName;

            fn try_from(text: &str) -> Result<Self, Self::Error> {
                Self::new(text)
            }
        }

        impl ::std::str::FromStr for $name {
            type Err = $crate::domain::name::InvalidName;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Self::new(text)
            }
        }

        /// Serializes as a string. Deserialization validates the string.
        impl ::serde::Serialize for $name {
            fn serialize<S: ::serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl ::std::fmt::Display for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

pub(crate) use name;

#[cfg(test)]
mod tests {
    use crate::domain::user::{Subject, Username};

    #[test]
    fn name_rejects_empty_and_overlong_strings_and_control_characters() {
        for text in ["", "john\0doe", "john\ndoe", "\u{85}", &"x".repeat(256)] {
            assert!(Subject::new(text).is_err(), "{text:?}");
        }
        for text in ["7", "john doe", "jörg", &"x".repeat(255)] {
            assert_eq!(Subject::new(text).unwrap().as_str(), text);
        }
        assert_eq!(Username::new("").unwrap_err().to_string(), "invalid username: it is empty");
        assert_eq!(serde_json::from_str::<Username>(r#""jörg""#).unwrap().as_str(), "jörg");
        assert!(serde_json::from_str::<Username>(r#""john\ndoe""#).is_err());
        assert_eq!(serde_json::to_string(&Subject::new("7").unwrap()).unwrap(), r#""7""#);
    }
}
