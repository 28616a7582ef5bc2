//! The user: your own model, seen through [`AuthUser`].

use crate::domain::{name::name, scope::GrantedScopes, secret::PasswordHash};

/// What Gatepass has to know of your user model, whatever else it holds.
///
/// ```
/// use gatepass::{AuthUser, GrantedScopes, Subject};
///
/// #[derive(Clone)]
/// struct Member { id: u64, email: String, suspended: bool }
///
/// impl AuthUser for Member {
///     fn subject(&self) -> Subject { self.id.into() }
///     fn is_active(&self) -> bool { !self.suspended }
///     fn allowed_scopes(&self) -> GrantedScopes { GrantedScopes::All }
/// }
/// ```
pub trait AuthUser: Clone + Send + Sync + 'static {
    /// The name that tokens carry for this user: stable, and never given to anybody else
    /// (`sub`, [RFC 7519 section 4.1.2](https://www.rfc-editor.org/rfc/rfc7519#section-4.1.2)).
    fn subject(&self) -> Subject;

    /// Whether the user may use what asks for an active user.
    fn is_active(&self) -> bool;

    /// What tokens of this user may be used for at the most. [`GrantedScopes::All`] is for applications
    /// without scopes: its tokens cover everything, whatever a client asked for.
    fn allowed_scopes(&self) -> GrantedScopes;
}

/// A user together with the hash of their password: what a store holds for a sign-in.
#[derive(Clone, Debug)]
pub struct Account<U> {
    /// The user.
    pub user: U,
    /// The stored hash of the user's password.
    pub password_hash: PasswordHash,
}

name! {
    /// The name by which tokens and stores know a user; opaque to Gatepass. Made of a text or of an integer, and of
    /// anything else by its text: `uuid.to_string().into()`.
    Subject
}

macro_rules! subject_from {
    ($($id:ty)*) => {$(
        impl From<$id> for Subject {
            fn from(id: $id) -> Self {
                id.to_string().into()
            }
        }
    )*};
}

subject_from!(i32 u32 i64 u64 i128 u128);

name! {
    /// The name a person signs in with: a user name, an email address, whatever your store looks up.
    Username
}
