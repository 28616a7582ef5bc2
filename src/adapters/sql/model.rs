//! The default user model.

use serde::{Serialize, Serializer};
use utoipa::ToSchema;
use uuid::{Builder, Uuid};

use crate::domain::{
    scope::{GrantedScopes, Scopes},
    secret::PasswordHash,
    time::Timestamp,
    user::{AuthUser, Subject},
};

/// A user as a client sees them: never with a hash.
///
/// ```
/// use gatepass::sql::{User, user_id};
///
/// let johndoe = User {
///     id: user_id(gatepass::Timestamp::from_unix(1_700_000_000), 0, [7; 8]),
///     username: "johndoe".to_owned(),
///     email: Some("johndoe@example.com".to_owned()),
///     full_name: None,
///     disabled: false,
///     scopes: "me users:read".parse()?,
/// };
/// assert_eq!(
///     serde_json::to_string(&johndoe)?,
///     r#"{"username":"johndoe","email":"johndoe@example.com","full_name":null,"disabled":false,"scopes":["me","users:read"]}"#
/// );
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(description = "A user as a client sees them: never with a hash.")]
pub struct User {
    /// What tokens carry as their subject.
    #[serde(skip)]
    pub id: Uuid,
    /// The name to sign in with, as it was written first.
    #[schema(example = "johndoe")]
    pub username: String,
    /// The email address.
    #[schema(required, example = "johndoe@example.com")]
    pub email: Option<String>,
    /// The name to show.
    #[schema(required, example = "John Doe")]
    pub full_name: Option<String>,
    /// Whether the user may not use what asks for an active user.
    #[schema(example = false)]
    pub disabled: bool,
    /// What tokens of this user may be used for at the most.
    #[serde(serialize_with = "as_list")]
    #[schema(value_type = Vec<String>, example = json!(["me", "users:read"]))]
    pub scopes: Scopes,
}

fn as_list<S: Serializer>(scopes: &Scopes, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(scopes.iter().map(|scope| scope.as_str()))
}

impl AuthUser for User {
    fn subject(&self) -> Subject {
        self.id.to_string().into()
    }

    fn is_active(&self) -> bool {
        !self.disabled
    }

    fn allowed_scopes(&self) -> GrantedScopes {
        GrantedScopes::Only(self.scopes.clone())
    }
}

/// A user and all that is kept about them.
#[derive(Clone, Debug)]
pub struct StoredUser {
    /// The user.
    pub user: User,
    /// The hash of the user's password.
    pub password_hash: PasswordHash,
    /// When the user was added.
    pub created: Timestamp,
    /// When the user was changed last; that a sign-in renewed the hash is no change.
    pub changed: Timestamp,
}

/// An id for a new user: a UUIDv7 ([RFC 9562 section 5.7](https://www.rfc-editor.org/rfc/rfc9562#section-5.7)),
/// so that new rows go to the end of the index.
///
/// `number` counts the users that are added at this moment; the eight bytes are random.
pub fn user_id(now: Timestamp, number: u64, random: [u8; 8]) -> Uuid {
    // Twelve bits count within a millisecond (RFC 9562 section 6.2, method 1), the clock counts on from there.
    let milliseconds = now.as_unix().saturating_mul(1000).saturating_add(number >> 12);
    let [.., high, low] = number.to_be_bytes();
    let [a, b, c, d, e, f, g, h] = random;
    Builder::from_unix_timestamp_millis(milliseconds, &[high, low, a, b, c, d, e, f, g, h]).into_uuid()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_version_7_and_in_the_order_of_their_making() {
        let now = Timestamp::from_unix(1_700_000_000);
        let ids: Vec<_> = (0..10_000).map(|number| user_id(now, number, [0xff; 8])).collect();
        assert!(ids.iter().all(|id| id.get_version_num() == 7));
        assert!(ids.is_sorted_by(|a, b| a < b));
        assert_eq!(ids[4095].get_timestamp().map(|time| time.to_unix().0), Some(now.as_unix()));
        assert_ne!(user_id(now, 0, [1; 8]), user_id(now, 0, [2; 8]));
    }
}
