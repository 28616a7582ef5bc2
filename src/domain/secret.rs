//! Secrets: `Debug` prints `[redacted]`, and the memory is wiped on drop.

macro_rules! secret {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone)]
        pub struct $name(::zeroize::Zeroizing<String>);

        impl $name {
            /// The secret itself. Call it as late as possible: every call is a place where the secret may leak.
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

        /// Takes the secret without copying it.
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
    /// A password as it was typed.
    Password
}

impl Password {
    /// The maximum length of a password, in bytes: hashing reads all of it.
    pub const MAX_BYTES: usize = 1024;

    /// Returns whether the password is neither empty nor longer than [`Password::MAX_BYTES`]. Other passwords are never
    /// passed to a hasher.
    pub fn is_hashable(&self) -> bool {
        (1..=Self::MAX_BYTES).contains(&self.0.len())
    }
}

secret! {
    /// A stored password hash, in a format that the [`PasswordHasher`](crate::PasswordHasher) reads.
    PasswordHash
}

/// Compares the text of two stored hashes: for stores, not to verify a password.
impl PartialEq for PasswordHash {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
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
    fn empty_and_overlong_passwords_are_not_hashed() {
        for (length, hashable) in [(0, false), (1, true), (1024, true), (1025, false)] {
            assert_eq!(Password::from("x".repeat(length)).is_hashable(), hashable, "{length} bytes");
        }
        assert!(!Password::from("é".repeat(513)).is_hashable(), "bytes count, not characters");
    }

    #[test]
    fn debug_shows_no_secret() {
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
