//! Ports of the tests' own: they count, fail, panic and grow old.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use gatepass::{
    Account, Auth, AuthUser, Fault, Password, PasswordHash, PasswordHasher, Subject, UserStore, Username,
    Verdict, tutorial::SubjectTokens,
};
use serde::Serialize;

/// A user model that is not the tutorial's.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Member {
    pub id: u64,
    pub email: String,
    pub suspended: bool,
}

impl AuthUser for Member {
    fn subject(&self) -> Subject {
        self.id.into()
    }

    fn is_active(&self) -> bool {
        !self.suspended
    }
}

/// What the store does when it is asked for the member of that name.
pub const BROKEN: &str = "broken@example.com";
pub const UNAVAILABLE: &str = "unavailable@example.com";
pub const PANICS: &str = "panics@example.com";

/// Two members, and names at which the store misbehaves. Clones share what they hold.
#[derive(Clone)]
pub struct Members(Arc<Inner>);

struct Inner {
    accounts: Mutex<Vec<Account<Member>>>,
    look_ups: AtomicUsize,
}

impl Default for Members {
    fn default() -> Self {
        let account = |id, email: &str, suspended, hash: &str| Account {
            user: Member { id, email: email.into(), suspended },
            password_hash: hash.into(),
        };
        let accounts = Mutex::new(vec![
            account(1, "johndoe@example.com", false, "old:secret"),
            account(2, "alice@example.com", true, "new:secret2"),
        ]);
        Self(Arc::new(Inner { accounts, look_ups: AtomicUsize::new(0) }))
    }
}

impl Members {
    /// How often a bearer was looked up.
    pub fn look_ups(&self) -> usize {
        self.0.look_ups.load(Ordering::SeqCst)
    }

    pub fn hash_of(&self, id: u64) -> String {
        let accounts = self.0.accounts.lock().unwrap();
        accounts.iter().find(|account| account.user.id == id).unwrap().password_hash.expose().to_owned()
    }
}

impl UserStore for Members {
    type User = Member;

    async fn find_by_username(&self, username: &Username) -> Result<Option<Account<Member>>, Fault> {
        match username.as_str() {
            BROKEN => Err(Fault::new("the table is gone")),
            UNAVAILABLE => Err(Fault::unavailable("no connection")),
            PANICS => panic!("the store panics"),
            email => {
                let accounts = self.0.accounts.lock().unwrap();
                Ok(accounts.iter().find(|account| account.user.email == email).cloned())
            }
        }
    }

    async fn find_by_subject(&self, subject: &Subject) -> Result<Option<Member>, Fault> {
        self.0.look_ups.fetch_add(1, Ordering::SeqCst);
        match subject.as_str() {
            BROKEN => Err(Fault::new("the table is gone")),
            UNAVAILABLE => Err(Fault::unavailable("no connection")),
            PANICS => panic!("the store panics"),
            id => {
                let accounts = self.0.accounts.lock().unwrap();
                Ok(accounts
                    .iter()
                    .map(|account| &account.user)
                    .find(|user| user.id.to_string() == id)
                    .cloned())
            }
        }
    }

    async fn replace_hash(&self, subject: &Subject, hash: PasswordHash) -> Result<(), Fault> {
        let mut accounts = self.0.accounts.lock().unwrap();
        for account in accounts.iter_mut().filter(|account| account.user.subject() == *subject) {
            account.password_hash = hash.clone();
        }
        Ok(())
    }
}

/// Hashes are `new:` and the password; `old:` ones are verified and outdated. Counts its verifications.
#[derive(Clone, Default)]
pub struct AgeingHasher(Arc<AtomicUsize>);

static DECOY: std::sync::LazyLock<PasswordHash> = std::sync::LazyLock::new(|| "decoy".into());

impl AgeingHasher {
    pub fn verifications(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

impl PasswordHasher for AgeingHasher {
    async fn hash(&self, password: &Password) -> Result<PasswordHash, Fault> {
        Ok(format!("new:{}", password.expose()).into())
    }

    async fn verify(&self, password: &Password, hash: &PasswordHash) -> Result<Verdict, Fault> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Ok(match hash.expose().split_once(':') {
            Some(("new", right)) if right == password.expose() => Verdict::Match,
            Some(("old", right)) if right == password.expose() => Verdict::Outdated,
            _ => Verdict::Mismatch,
        })
    }

    fn decoy(&self) -> &PasswordHash {
        &DECOY
    }
}

pub fn auth(members: &Members, hasher: &AgeingHasher) -> Auth<Members, AgeingHasher, SubjectTokens> {
    Auth::builder(members.clone()).hasher(hasher.clone()).tokens(SubjectTokens).build()
}
