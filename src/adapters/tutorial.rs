//! **Insecure, all of it**: FastAPI's tutorial as three adapters, for learning and for prototypes.
//!
//! The users are two constants, the "hash" of a password is the word `fakehashed` and the password, and the
//! access token is the username itself: whoever knows a name has the token.
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
    ports::{IssuedToken, NewToken, PasswordCheck, PasswordHasher, TokenService, UserStore},
    scope::GrantedScopes,
    secret::{AccessToken, Password, PasswordHash},
    time::Timestamp,
    user::{Account, AuthUser, Subject, Username},
};

/// The tutorial's user. It carries its password's hash and shows it, as the tutorial does.
// Its texts are constants, which a request does not copy.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = User)]
pub struct TutorialUser {
    /// The name to sign in with; the access token too.
    #[schema(example = "johndoe")]
    pub username: Cow<'static, str>,
    /// The email address.
    #[schema(example = "johndoe@example.com")]
    pub email: Cow<'static, str>,
    /// The name to show.
    #[schema(example = "John Doe")]
    pub full_name: Cow<'static, str>,
    /// A disabled user is answered 400 `Inactive user`.
    #[schema(example = false)]
    pub disabled: bool,
    /// The word `fakehashed` and the password.
    #[schema(example = "fakehashedsecret")]
    pub hashed_password: Cow<'static, str>,
}

impl AuthUser for TutorialUser {
    fn subject(&self) -> Subject {
        self.username.as_ref().into()
    }

    fn is_active(&self) -> bool {
        !self.disabled
    }

    fn allowed_scopes(&self) -> GrantedScopes {
        GrantedScopes::All
    }
}

/// The tutorial's `fake_users_db`: johndoe, and alice who is disabled.
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

/// The tutorial's `fake_hash_password`: no hash at all.
#[derive(Debug)]
pub struct InsecureFakeHasher {
    dummy_hash: PasswordHash,
}

impl InsecureFakeHasher {
    fn fake_hash(password: &Password) -> String {
        format!("fakehashed{}", password.expose())
    }
}

impl Default for InsecureFakeHasher {
    fn default() -> Self {
        // Every fake hash begins with `fakehashed`: this is none.
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

/// The tutorial's `fake_decode_token`: the access token is the subject itself, and never expires.
#[derive(Clone, Copy, Debug)]
pub struct InsecureSubjectTokens;

impl TokenService for InsecureSubjectTokens {
    async fn issue(&self, order: &NewToken) -> Result<IssuedToken, BackendError> {
        Ok(IssuedToken { access_token: order.subject.as_str().into(), expires_in: None })
    }

    async fn verify(&self, token: &AccessToken, _: Timestamp) -> Result<Option<Claims>, BackendError> {
        Ok(Some(Claims::new(token.expose().into(), GrantedScopes::All)))
    }
}
