//! Users that are known only from their tokens.

use crate::domain::{
    backend_error::BackendError,
    ports::UserStore,
    scope::GrantedScopes,
    secret::PasswordHash,
    user::{Account, AuthUser, Subject, Username},
};

/// The user of a token that another service issued, for applications without a user table. The scopes of the token
/// alone decide what the user may do.
///
/// Its kind is `User`, as in tokens of the `gatepass` program. Tokens with another kind are rejected, unless
/// [`RemoteJwtVerifier::user_kind`](crate::jwt::RemoteJwtVerifier::user_kind) sets that kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenUser(Subject);

impl AuthUser for TokenUser {
    fn subject(&self) -> Subject {
        self.0.clone()
    }

    fn is_active(&self) -> bool {
        true
    }

    fn allowed_scopes(&self) -> GrantedScopes {
        GrantedScopes::All
    }

    fn user_kind() -> &'static str {
        "User"
    }
}

/// A user store that returns a [`TokenUser`] for every subject. Nobody can sign in with a password.
#[derive(Clone, Copy, Debug, Default)]
pub struct TokenUsers;

impl UserStore for TokenUsers {
    type User = TokenUser;

    async fn find_by_subject(&self, subject: &Subject) -> Result<Option<TokenUser>, BackendError> {
        Ok(Some(TokenUser(subject.clone())))
    }

    async fn find_by_username(&self, _: &Username) -> Result<Option<Account<TokenUser>>, BackendError> {
        Ok(None)
    }

    async fn replace_hash(
        &self,
        _: &Subject,
        _: &PasswordHash,
        _: &PasswordHash,
    ) -> Result<(), BackendError> {
        Ok(())
    }
}
