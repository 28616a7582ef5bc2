//! A store of one member.

use std::sync::{Arc, Mutex};

use gatepass::{
    Account, Argon2Hasher, Auth, AuthUser, BackendError, ClientInfo, GrantError, GrantedScopes, Login,
    PasswordHash, SignIn, Subject, Timestamp, UserStore, Username, tutorial::InsecureSubjectTokens,
};
use serde::Serialize;

pub const NAME: &str = "johndoe";

#[derive(Clone, Serialize)]
pub struct Member;

impl AuthUser for Member {
    fn subject(&self) -> Subject {
        NAME.into()
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

pub type TestAuth = Auth<Members, Argon2Hasher, InsecureSubjectTokens>;

pub fn auth(members: &Members, hasher: Argon2Hasher) -> TestAuth {
    Auth::builder(members.clone()).hasher(hasher).tokens(InsecureSubjectTokens).build()
}

pub async fn sign_in(auth: &TestAuth, name: &str, password: &str) -> Result<Login, GrantError> {
    auth.login(SignIn {
        username: &name.into(),
        password: &password.into(),
        scopes: &[],
        client_id: None,
        client_info: &ClientInfo::default(),
        now: Timestamp::from_unix(0),
        random: [7; 32],
    })
    .await
}
