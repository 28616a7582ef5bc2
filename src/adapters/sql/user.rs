//! The default user model.

use serde::{Serialize, Serializer};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::domain::{
    scope::{GrantedScopes, Scopes},
    secret::PasswordHash,
    time::Timestamp,
    user::{AuthUser, Subject},
};

/// A user as clients see it, without the password hash.
///
/// ```
/// use gatepass::sql::User;
///
/// let johndoe = User {
///     id: "018bcfe5-6800-7000-8707-070707070707".parse()?,
///     username: "johndoe".to_owned(),
///     email: Some("johndoe@example.com".to_owned()),
///     full_name: None,
///     disabled: false,
///     scopes: "me users:read".parse()?,
/// };
/// assert_eq!(
///     serde_json::to_string(&johndoe)?,
///     r#"{"id":"018bcfe5-6800-7000-8707-070707070707","username":"johndoe","email":"johndoe@example.com","full_name":null,"disabled":false,"scopes":["me","users:read"]}"#
/// );
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(description = "A user as clients see it, without the password hash.")]
pub struct User {
    /// The identifier: the subject of the user's tokens.
    #[schema(value_type = String, example = "018bcfe5-6800-7000-8707-070707070707")]
    #[serde(serialize_with = "as_text")]
    pub id: Uuid,
    /// The username, in its original spelling.
    #[schema(example = "johndoe")]
    pub username: String,
    /// The email address.
    #[schema(required, example = "johndoe@example.com")]
    pub email: Option<String>,
    /// The full name.
    #[schema(required, example = "John Doe")]
    pub full_name: Option<String>,
    /// A disabled user can neither sign in nor use endpoints that require an active user.
    #[schema(example = false)]
    pub disabled: bool,
    /// The scopes that the user's tokens may have.
    #[serde(serialize_with = "as_list")]
    #[schema(value_type = Vec<String>, example = json!(["me", "users:read"]))]
    pub scopes: Scopes,
}

fn as_text<S: Serializer>(id: &Uuid, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(id)
}

fn as_list<S: Serializer>(scopes: &Scopes, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(scopes.iter().map(|scope| scope.as_str()))
}

impl User {
    /// Generates the identifier of a new user: a UUIDv7
    /// ([RFC 9562 section 5.7](https://www.rfc-editor.org/rfc/rfc9562#section-5.7)), so that new rows go to the end of
    /// the index.
    ///
    /// # Panics
    /// If the operating system provides no random bytes.
    pub fn new_id() -> Uuid {
        Uuid::now_v7()
    }
}

impl AuthUser for User {
    fn subject(&self) -> Subject {
        self.id.into()
    }

    fn is_active(&self) -> bool {
        !self.disabled
    }

    fn allowed_scopes(&self) -> GrantedScopes {
        GrantedScopes::Only(self.scopes.clone())
    }

    // The kind is fixed, because stored sessions contain it and the type may be renamed.
    fn user_kind() -> &'static str {
        "User"
    }
}

/// A user as stored in the database, with the password hash.
#[derive(Clone, Debug)]
pub struct StoredUser {
    /// The user.
    pub user: User,
    /// The hash of the user's password.
    pub password_hash: PasswordHash,
    /// The time at which the user was added.
    pub created: Timestamp,
    /// The time of the last change; a rehash at sign-in does not count as a change.
    pub changed: Timestamp,
}
