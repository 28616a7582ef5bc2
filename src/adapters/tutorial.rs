//! **Insecure**: the users, password hashing and tokens of FastAPI's tutorial, for learning and prototypes.
//!
//! The "hash" of a password is `fakehashed` followed by the password, and the access token is the username: anyone who
//! knows a username has that user's token.
//!
//! Source: [Simple OAuth2 with Password and Bearer](https://fastapi.tiangolo.com/tutorial/security/simple-oauth2/).

use std::{
    borrow::Cow,
    sync::{PoisonError, RwLock},
};

use serde::Serialize;
use subtle::ConstantTimeEq;
use utoipa::ToSchema;

use crate::domain::{
    backend_error::BackendError,
    claims::Claims,
    ports::{IssuedToken, NewToken, PasswordCheck, PasswordHasher, TokenIssuer, TokenVerifier, UserStore},
    scope::GrantedScopes,
    secret::{AccessToken, Password, PasswordHash},
    time::Timestamp,
    user::{Account, AuthUser, Subject, Username},
};

/// The tutorial's user. As in the tutorial, its JSON contains the password hash.
// `Cow`, so that requests do not copy the strings.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = User)]
pub struct TutorialUser {
    /// The username, which is also the access token.
    #[schema(example = "johndoe")]
    pub username: Cow<'static, str>,
    /// The email address.
    #[schema(example = "johndoe@example.com")]
    pub email: Cow<'static, str>,
    /// The full name.
    #[schema(example = "John Doe")]
    pub full_name: Cow<'static, str>,
    /// Disabled users get 400 `Inactive user`.
    #[schema(example = false)]
    pub disabled: bool,
    /// `fakehashed` followed by the password.
    #[schema(example = "fakehashedsecret")]
    pub hashed_password: Cow<'static, str>,
}

impl AuthUser for TutorialUser {
    fn subject(&self) -> Subject {
        Subject::new(self.username.as_ref())
            .unwrap_or_else(|error| unreachable!("both usernames are valid subjects: {error}"))
    }

    fn is_active(&self) -> bool {
        !self.disabled
    }

    fn allowed_scopes(&self) -> GrantedScopes {
        GrantedScopes::All
    }
}

/// The tutorial's `fake_users_db`: johndoe, and alice, who is disabled.
#[derive(Debug)]
pub struct TutorialUsers(RwLock<[TutorialUser; 2]>);

impl Default for TutorialUsers {
    fn default() -> Self {
        Self(RwLock::new([
            TutorialUser {
                username: "johndoe".into(),
                email: "johndoe@example.com".into(),
                full_name: "John Doe".into(),
                disabled: false,
                hashed_password: "fakehashedsecret".into(),
            },
            TutorialUser {
                username: "alice".into(),
                email: "alice@example.com".into(),
                full_name: "Alice Wonderson".into(),
                disabled: true,
                hashed_password: "fakehashedsecret2".into(),
            },
        ]))
    }
}

impl TutorialUsers {
    fn find(&self, username: &str) -> Option<TutorialUser> {
        let users = self.0.read().unwrap_or_else(PoisonError::into_inner);
        users.iter().find(|user| user.username == username).cloned()
    }
}

impl UserStore for TutorialUsers {
    type User = TutorialUser;

    async fn find_by_username(
        &self,
        username: &Username,
    ) -> Result<Option<Account<TutorialUser>>, BackendError> {
        Ok(self
            .find(username.as_str())
            .map(|user| Account { password_hash: user.hashed_password.as_ref().into(), user }))
    }

    async fn find_by_subject(&self, subject: &Subject) -> Result<Option<TutorialUser>, BackendError> {
        Ok(self.find(subject.as_str()))
    }

    async fn replace_hash(
        &self,
        subject: &Subject,
        old: &PasswordHash,
        new: &PasswordHash,
    ) -> Result<(), BackendError> {
        let mut users = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(user) = users.iter_mut().find(|user| user.username == subject.as_str())
            && user.hashed_password == old.expose()
        {
            user.hashed_password = new.expose().to_owned().into();
        }
        Ok(())
    }
}

/// The tutorial's `fake_hash_password`, which does not hash at all.
#[derive(Debug)]
pub struct InsecureFakeHasher {
    dummy_hash: PasswordHash,
}

impl InsecureFakeHasher {
    pub(crate) fn fake_hash(password: &Password) -> String {
        format!("fakehashed{}", password.expose())
    }
}

impl Default for InsecureFakeHasher {
    fn default() -> Self {
        // Matches no password, because every fake hash begins with `fakehashed`.
        Self { dummy_hash: PasswordHash::from("dummy_hash") }
    }
}

impl PasswordHasher for InsecureFakeHasher {
    async fn hash(&self, password: &Password) -> Result<PasswordHash, BackendError> {
        Ok(Self::fake_hash(password).into())
    }

    async fn verify(&self, password: &Password, hash: &PasswordHash) -> Result<PasswordCheck, BackendError> {
        let same = Self::fake_hash(password).as_bytes().ct_eq(hash.expose().as_bytes());
        Ok(if same.into() { PasswordCheck::Match } else { PasswordCheck::Mismatch })
    }

    fn dummy_hash(&self) -> &PasswordHash {
        &self.dummy_hash
    }
}

/// The tutorial's `fake_decode_token`: the access token is the subject and never expires.
#[derive(Clone, Copy, Debug)]
pub struct InsecureSubjectTokens;

impl TokenIssuer for InsecureSubjectTokens {
    async fn issue(&self, new: &NewToken) -> Result<IssuedToken, BackendError> {
        Ok(IssuedToken { access_token: new.subject.as_str().into(), expires_in: None })
    }
}

impl TokenVerifier for InsecureSubjectTokens {
    async fn verify(&self, token: &AccessToken, _: Timestamp) -> Result<Option<Claims>, BackendError> {
        Ok(Subject::new(token.expose()).ok().map(|subject| Claims::new(subject, GrantedScopes::All)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn token_is_accepted_only_if_it_is_a_valid_subject() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let now = Timestamp::from_unix(0);
        let verify =
            |token: &str| runtime.block_on(InsecureSubjectTokens.verify(&token.into(), now)).unwrap();
        let johndoe = Subject::new("johndoe").unwrap();
        assert_eq!(verify("johndoe"), Some(Claims::new(johndoe, GrantedScopes::All)));
        for token in ["", "john\0doe", &"x".repeat(256)] {
            assert_eq!(verify(token), None, "{token:?}");
        }
    }

    #[test]
    fn password_matches_only_its_own_fake_hash() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let hasher = InsecureFakeHasher::default();
        let verify = |password: &str, hash: &PasswordHash| {
            runtime.block_on(hasher.verify(&password.into(), hash)).unwrap()
        };
        assert_eq!(verify("secret", &"fakehashedsecret".into()), PasswordCheck::Match);
        assert_eq!(verify("secret2", &"fakehashedsecret".into()), PasswordCheck::Mismatch);
        assert_eq!(verify("dummy_hash", hasher.dummy_hash()), PasswordCheck::Mismatch);
    }
}
