//! Users: your own model, which implements [`AuthUser`].

use std::any::type_name;

use crate::domain::{name::name, scope::GrantedScopes, secret::PasswordHash};

/// Your user model.
///
/// ```
/// use gatepass::{AuthUser, GrantedScopes, Subject};
///
/// #[derive(Clone)]
/// struct Member { id: i64, email: String, is_active: bool }
///
/// impl AuthUser for Member {
///     fn subject(&self) -> Subject { self.id.into() }
///     fn is_active(&self) -> bool { self.is_active }
///     fn allowed_scopes(&self) -> GrantedScopes { GrantedScopes::All }
/// }
/// ```
pub trait AuthUser: Clone + Send + Sync + 'static {
    /// Returns the identifier of this user in tokens and sessions
    /// (`sub`, [RFC 7519 section 4.1.2](https://www.rfc-editor.org/rfc/rfc7519#section-4.1.2)). It never changes and is
    /// never reused for another user. Integers convert with `into()`; store other identifiers as a [`Subject`] in your
    /// model.
    fn subject(&self) -> Subject;

    /// Returns whether the user may sign in and use endpoints that require an active user.
    fn is_active(&self) -> bool;

    /// Returns the scopes that tokens of this user may have. Applications without scopes return [`GrantedScopes::All`].
    fn allowed_scopes(&self) -> GrantedScopes;

    /// Returns the kind of user. Tokens and sessions contain it, so that customer 7 is never mistaken for staff member
    /// 7.
    ///
    /// The default is the type name with its generic arguments, but without its module path. Override this method
    /// before you rename the type: tokens and sessions with the old name would be rejected. Also override it if two
    /// types of the same name, such as `customers::User` and `staff::User`, share signing keys or a session store.
    fn user_kind() -> &'static str {
        let name = type_name::<Self>();
        let path = name.split('<').next().unwrap_or_default();
        &name[path.rfind("::").map_or(0, |separator| separator + 2)..]
    }
}

/// The claims about a user that clients get in addition to the subject
/// ([OpenID Connect Core section 5.1](https://openid.net/specs/openid-connect-core-1_0.html#StandardClaims)).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserProfile {
    /// The username.
    pub preferred_username: Option<String>,
    /// The email address.
    pub email: Option<String>,
    /// The full name.
    pub name: Option<String>,
}

/// A user together with the stored password hash.
#[derive(Clone, Debug)]
pub struct Account<U> {
    /// The user.
    pub user: U,
    /// The stored hash of the user's password.
    pub password_hash: PasswordHash,
}

impl<U> Account<U> {
    /// Creates an account from a user and the stored hash of the user's password.
    pub fn new(user: U, password_hash: impl Into<PasswordHash>) -> Self {
        Self { user, password_hash: password_hash.into() }
    }
}

name! {
    /// The identifier of a user in tokens and stores; opaque to Gatepass. Integers convert with `into()`, strings with
    /// [`Subject::new`].
    Subject, "subject", 255 bytes
}

macro_rules! subject_from {
    ($($id:ty)*) => {$(
        impl From<$id> for Subject {
            fn from(id: $id) -> Self {
                Self(id.to_string().into())
            }
        }
    )*};
}

subject_from!(i32 u32 i64 u64 i128 u128);

#[cfg(feature = "sql")]
subject_from!(uuid::Uuid);

name! {
    /// The name that a user signs in with, such as an email address.
    Username, "username", 1024 bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone)]
    struct Member<K = ()>(std::marker::PhantomData<K>);

    impl<K: Send + Sync + Clone + 'static> AuthUser for Member<K> {
        fn subject(&self) -> Subject {
            7.into()
        }

        fn is_active(&self) -> bool {
            true
        }

        fn allowed_scopes(&self) -> GrantedScopes {
            GrantedScopes::All
        }
    }

    #[test]
    fn default_user_kind_is_the_type_name_with_generic_arguments() {
        assert_eq!(<Member<u8>>::user_kind(), "Member<u8>");
        assert_eq!(<Member<Username>>::user_kind(), "Member<gatepass::domain::user::Username>");
    }
}
