//! A store with one member.

use std::sync::{Arc, Mutex};

use gatepass::{
    Account, Auth, AuthError, AuthUser, BackendError, ClientInfo, ErrorFormat, GrantedScopes, PasswordHash,
    Subject, UserStore, Username, passwords::Argon2Hasher, tutorial::InsecureSubjectTokens,
};
use serde::Serialize;

pub const NAME: &str = "johndoe";

#[derive(Clone, Serialize)]
pub struct Member;

impl AuthUser for Member {
    fn subject(&self) -> Subject {
        NAME.parse().unwrap()
    }

    fn is_active(&self) -> bool {
        true
    }

    fn allowed_scopes(&self) -> GrantedScopes {
        GrantedScopes::All
    }
}

/// Clones share the stored hash.
#[derive(Clone)]
pub struct Members(Arc<Mutex<PasswordHash>>);

impl Members {
    pub fn new(hash: impl Into<PasswordHash>) -> Self {
        Self(Arc::new(Mutex::new(hash.into())))
    }

    pub fn hash(&self) -> String {
        self.0.lock().unwrap().expose().to_owned()
    }
}

impl UserStore for Members {
    type User = Member;

    async fn find_by_username(&self, name: &Username) -> Result<Option<Account<Member>>, BackendError> {
        let password_hash = self.0.lock().unwrap().clone();
        Ok((name.as_str() == NAME).then_some(Account { user: Member, password_hash }))
    }

    async fn find_by_subject(&self, subject: &Subject) -> Result<Option<Member>, BackendError> {
        Ok((subject.as_str() == NAME).then_some(Member))
    }

    async fn replace_hash(
        &self,
        _: &Subject,
        _: &PasswordHash,
        new: &PasswordHash,
    ) -> Result<(), BackendError> {
        *self.0.lock().unwrap() = new.clone();
        Ok(())
    }
}

/// Login throttling is off: the tests fail often.
pub fn auth(members: &Members, hasher: Argon2Hasher) -> Auth<Member> {
    let auth = Auth::builder(members.clone()).passwords(hasher).tokens(InsecureSubjectTokens);
    auth.without_login_throttle().error_format(ErrorFormat::FastApi).build().expect("parts that fit together")
}

/// Signs in and returns whether the credentials are right.
///
/// # Errors
/// Any other error than invalid credentials.
pub async fn sign_in(auth: &Auth<Member>, name: &str, password: &str) -> Result<bool, AuthError> {
    match auth.verify_password(name, &password.into(), &ClientInfo::default()).await {
        Ok(_) => Ok(true),
        Err(AuthError::InvalidCredentials) => Ok(false),
        Err(error) => Err(error),
    }
}
