//! Secrets: their `Debug` says `[redacted]`, and they are exposed at the last line that needs them.

use std::fmt;

macro_rules! secret {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone)]
        pub struct $name(String);

        impl $name {
            /// The secret itself. Every call of this is a place where it may leak.
            pub fn expose(&self) -> &str {
                &self.0
            }
        }

        impl From<String> for $name {
            fn from(secret: String) -> Self {
                Self(secret)
            }
        }

        impl From<&str> for $name {
            fn from(secret: &str) -> Self {
                Self(secret.to_owned())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "([redacted])"))
            }
        }
    };
}

secret! {
    /// A password as a person typed it.
    Password
}

secret! {
    /// What a store keeps in place of a password, in whatever notation its
    /// [`PasswordHasher`](crate::PasswordHasher) reads.
    PasswordHash
}

secret! {
    /// An access token ([RFC 6749 section 1.4](https://www.rfc-editor.org/rfc/rfc6749#section-1.4)).
    AccessToken
}

secret! {
    /// The secret of a client ([RFC 6749 section 2.3.1](https://www.rfc-editor.org/rfc/rfc6749#section-2.3.1)).
    ClientSecret
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_no_secret() {
        let shown = format!(
            "{:?} {:?} {:?} {:?}",
            Password::from("secret"),
            PasswordHash::from("fakehashedsecret"),
            AccessToken::from("johndoe"),
            ClientSecret::from("secret"),
        );
        assert_eq!(
            shown,
            "Password([redacted]) PasswordHash([redacted]) AccessToken([redacted]) ClientSecret([redacted])"
        );
    }
}
