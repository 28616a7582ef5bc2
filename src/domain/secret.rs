//! Secrets: `Debug` prints `[redacted]`, and the memory is wiped on drop.

use std::time::Duration;

use serde::{Deserialize, Deserializer, de::Error};

macro_rules! secret {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone)]
        pub struct $name(::zeroize::Zeroizing<String>);

        impl $name {
            /// Returns the secret. Call this method as late as possible: the returned string is not protected from
            /// being logged.
            pub fn expose(&self) -> &str {
                &self.0
            }
        }

        impl From<String> for $name {
            fn from(secret: String) -> Self {
                Self(secret.into())
            }
        }

        impl From<&str> for $name {
            fn from(secret: &str) -> Self {
                Self(secret.to_owned().into())
            }
        }

        /// Converts the secret without copying it.
        impl From<::zeroize::Zeroizing<String>> for $name {
            fn from(secret: ::zeroize::Zeroizing<String>) -> Self {
                Self(secret)
            }
        }

        impl ::std::fmt::Debug for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.write_str(concat!(stringify!($name), "([redacted])"))
            }
        }
    };
}

#[cfg(feature = "service")]
pub(crate) use secret;

secret! {
    /// A password as the user entered it.
    Password
}

impl Password {
    /// The maximum length of a password, in bytes. It limits the cost of hashing, which reads the whole password.
    pub const MAX_BYTES: usize = 1024;

    /// Returns whether the password is neither empty nor longer than [`Password::MAX_BYTES`]. Sign-ins with any other
    /// password fail before the hasher is called.
    pub fn is_hashable(&self) -> bool {
        (1..=Self::MAX_BYTES).contains(&self.0.len())
    }
}

/// Deserializes from a string. The error does not contain the value.
///
/// Only the password itself is wiped from memory. The request body and the deserializer's buffers, for example those of
/// `web::Json`, are not.
impl<'de> Deserialize<'de> for Password {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let password = String::deserialize(deserializer);
        password.map(Self::from).map_err(|_| D::Error::custom("expected a string"))
    }
}

secret! {
    /// A stored password hash, in a format that the [`PasswordHasher`](crate::PasswordHasher) reads. `==` compares two
    /// hashes as strings, for stores; it does not verify a password.
    #[derive(PartialEq)]
    PasswordHash
}

secret! {
    /// The value of a device cookie. Failed attempts by strangers do not delay a device that sends the cookie. The
    /// cookie does not authenticate anyone.
    #[derive(PartialEq, Eq)]
    DeviceCookie
}

impl DeviceCookie {
    /// The lifetime of the cookie, counted from sign-in.
    pub const LIFETIME: Duration = Duration::from_secs(180 * 24 * 60 * 60);
}

secret! {
    /// An access token ([RFC 6749 section 1.4](https://www.rfc-editor.org/rfc/rfc6749#section-1.4)).
    AccessToken
}

secret! {
    /// A refresh token ([RFC 6749 section 1.5](https://www.rfc-editor.org/rfc/rfc6749#section-1.5)).
    RefreshToken
}

secret! {
    /// The secret of a client ([RFC 6749 section 2.3.1](https://www.rfc-editor.org/rfc/rfc6749#section-2.3.1)).
    ClientSecret
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_hashable_is_false_for_empty_and_overlong_passwords() {
        for (length, hashable) in [(0, false), (1, true), (1024, true), (1025, false)] {
            assert_eq!(Password::from("x".repeat(length)).is_hashable(), hashable, "{length} bytes");
        }
        assert!(
            !Password::from("é".repeat(513)).is_hashable(),
            "the limit should be in bytes, not in characters"
        );
    }

    #[test]
    fn password_deserializes_only_from_strings_and_errors_omit_the_value() {
        assert_eq!(serde_json::from_str::<Password>(r#""secret""#).unwrap().expose(), "secret");
        let error = serde_json::from_str::<Password>("123456").unwrap_err().to_string();
        assert!(error.starts_with("expected a string") && !error.contains("123456"), "{error}");
    }

    #[test]
    fn debug_output_of_secrets_is_redacted() {
        let shown = format!(
            "{:?} {:?} {:?} {:?} {:?}",
            Password::from("secret"),
            PasswordHash::from("fakehashedsecret"),
            AccessToken::from("johndoe"),
            RefreshToken::from("johndoe"),
            ClientSecret::from("secret"),
        );
        assert_eq!(
            shown,
            "Password([redacted]) PasswordHash([redacted]) AccessToken([redacted]) RefreshToken([redacted]) \
             ClientSecret([redacted])"
        );
    }
}
