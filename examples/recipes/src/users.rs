//! Users in memory. A real application stores them in a database.

use gatepass::{
    Account, AuthUser, BackendError, GrantedScopes, PasswordHash, Scopes, Subject, UserStore,
    Username,
};

#[derive(Clone)]
pub struct User {
    pub id: i64,
    pub username: String,
    pub email: String,
    pub tenant: String,
    pub is_editor: bool,
    pub scopes: Scopes,
}

impl AuthUser for User {
    fn subject(&self) -> Subject {
        self.id.into()
    }

    fn is_active(&self) -> bool {
        true
    }

    fn allowed_scopes(&self) -> GrantedScopes {
        self.scopes.clone().into()
    }
}

pub struct Users(pub Vec<Account<User>>);

impl UserStore for Users {
    type User = User;

    /// Finds a user by email address or username. In SQL: `WHERE email = lower($1) OR username = lower($1)`. Usernames
    /// must not contain `@`. Otherwise a user could choose another user's address as a username, which this query would
    /// also match.
    async fn find_by_username(
        &self,
        name: &Username,
    ) -> Result<Option<Account<User>>, BackendError> {
        let name = name.as_str().to_lowercase();
        let is_name = |account: &&Account<User>| {
            let user = &account.user;
            if name.contains('@') {
                user.email == name
            } else {
                user.username == name
            }
        };
        Ok(self.0.iter().find(is_name).cloned())
    }

    async fn find_by_subject(&self, id: &Subject) -> Result<Option<User>, BackendError> {
        // A subject that is not a number belongs to no user.
        let Ok(id) = id.as_str().parse::<i64>() else {
            return Ok(None);
        };
        let mut users = self.0.iter().map(|account| &account.user);
        Ok(users.find(|user| user.id == id).cloned())
    }

    async fn replace_hash(
        &self,
        _: &Subject,
        _: &PasswordHash,
        _: &PasswordHash,
    ) -> Result<(), BackendError> {
        Ok(()) // the users are constant
    }
}
