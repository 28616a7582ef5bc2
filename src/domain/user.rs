//! The user: your own model, seen through [`AuthUser`].

use std::fmt;

use crate::domain::secret::PasswordHash;

/// What Gatepass has to know of your user model, whatever else it holds.
///
/// ```
/// use gatepass::{AuthUser, Subject};
///
/// #[derive(Clone)]
/// struct Member { id: u64, email: String, suspended: bool }
///
/// impl AuthUser for Member {
///     fn subject(&self) -> Subject { self.id.into() }
///     fn is_active(&self) -> bool { !self.suspended }
/// }
/// ```
pub trait AuthUser: Clone + Send + Sync + 'static {
    /// The name that tokens carry for this user: stable, and never given to anybody else
    /// (`sub`, [RFC 7519 section 4.1.2](https://www.rfc-editor.org/rfc/rfc7519#section-4.1.2)).
    fn subject(&self) -> Subject;

    /// Whether the user may use what asks for an active user.
    fn is_active(&self) -> bool;
}

/// A user together with the hash of their password: what a store holds for a sign-in.
#[derive(Clone, Debug)]
pub struct Account<U> {
    /// The user.
    pub user: U,
    /// The stored hash of the user's password.
    pub password_hash: PasswordHash,
}

/// The name by which tokens and stores know a user; opaque to Gatepass. Made of a text or of an integer, and of
/// anything else by its text: `uuid.to_string().into()`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Subject(String);

impl Subject {
    /// The subject's text, as a token carries it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<String> for Subject {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl From<&str> for Subject {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

macro_rules! subject_from {
    ($($id:ty)*) => {$(
        impl From<$id> for Subject {
            fn from(id: $id) -> Self {
                Self(id.to_string())
            }
        }
    )*};
}

subject_from!(i32 u32 i64 u64 i128 u128);

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The name a person signs in with: a user name, an email address, whatever your store looks up.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Username(String);

impl Username {
    /// The name as it was typed.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<String> for Username {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl From<&str> for Username {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}
