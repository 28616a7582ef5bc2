//! Ports of the tests' own: they count, fail, panic and grow old.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use gatepass::{
    AccessToken, Account, Auth, AuthUser, BackendError, Claims, ClientId, ClientRegistry, ClientSecret,
    GrantedScopes, IssuedToken, NewToken, Password, PasswordCheck, PasswordHash, PasswordHasher, Subject,
    Timestamp, TokenService, UserStore, Username, tutorial::InsecureSubjectTokens,
};
use serde::Serialize;

/// A user model that is not the tutorial's.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Member {
    pub id: u64,
    pub email: String,
    pub suspended: bool,
    #[serde(skip)]
    pub granted_scopes: GrantedScopes,
}

impl AuthUser for Member {
    fn subject(&self) -> Subject {
        self.id.into()
    }

    fn is_active(&self) -> bool {
        !self.suspended
    }

    fn allowed_scopes(&self) -> GrantedScopes {
        self.granted_scopes.clone()
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
        Self::with(GrantedScopes::All)
    }
}

impl Members {
    /// Johndoe and alice, each with this granted_scopes.
    pub fn with(granted_scopes: GrantedScopes) -> Self {
        let account = |id, email: &str, suspended, hash: &str| Account {
            user: Member { id, email: email.into(), suspended, granted_scopes: granted_scopes.clone() },
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
    /// Gives a member another granted_scopes.
    pub fn permit(&self, id: u64, granted_scopes: GrantedScopes) {
        let mut accounts = self.0.accounts.lock().unwrap();
        accounts.iter_mut().find(|account| account.user.id == id).unwrap().user.granted_scopes =
            granted_scopes;
    }

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

    async fn find_by_username(&self, username: &Username) -> Result<Option<Account<Member>>, BackendError> {
        match username.as_str() {
            BROKEN => Err(BackendError::new("the table is gone")),
            UNAVAILABLE => Err(BackendError::unavailable("no connection")),
            PANICS => panic!("the store panics"),
            email => {
                let accounts = self.0.accounts.lock().unwrap();
                Ok(accounts.iter().find(|account| account.user.email == email).cloned())
            }
        }
    }

    async fn find_by_subject(&self, subject: &Subject) -> Result<Option<Member>, BackendError> {
        self.0.look_ups.fetch_add(1, Ordering::SeqCst);
        match subject.as_str() {
            BROKEN => Err(BackendError::new("the table is gone")),
            UNAVAILABLE => Err(BackendError::unavailable("no connection")),
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

    async fn replace_hash(
        &self,
        subject: &Subject,
        old: &PasswordHash,
        new: &PasswordHash,
    ) -> Result<(), BackendError> {
        let mut accounts = self.0.accounts.lock().unwrap();
        for account in accounts.iter_mut().filter(|account| account.user.subject() == *subject) {
            if account.password_hash == *old {
                account.password_hash = new.clone();
            }
        }
        Ok(())
    }
}

/// Hashes are `new:` and the password; `old:` ones are verified and outdated. Counts its verifications.
#[derive(Clone, Default)]
pub struct AgeingHasher(Arc<AtomicUsize>);

static DUMMY_HASH: std::sync::LazyLock<PasswordHash> = std::sync::LazyLock::new(|| "dummy_hash".into());

impl AgeingHasher {
    pub fn verifications(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

impl PasswordHasher for AgeingHasher {
    async fn hash(&self, password: &Password) -> Result<PasswordHash, BackendError> {
        Ok(format!("new:{}", password.expose()).into())
    }

    async fn verify(&self, password: &Password, hash: &PasswordHash) -> Result<PasswordCheck, BackendError> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Ok(match hash.expose().split_once(':') {
            Some(("new", right)) if right == password.expose() => PasswordCheck::Match,
            Some(("old", right)) if right == password.expose() => PasswordCheck::NeedsRehash,
            _ => PasswordCheck::Mismatch,
        })
    }

    fn dummy_hash(&self) -> &PasswordHash {
        &DUMMY_HASH
    }
}

pub fn auth(members: &Members, hasher: &AgeingHasher) -> Auth<Members, AgeingHasher, InsecureSubjectTokens> {
    Auth::builder(members.clone()).hasher(hasher.clone()).tokens(InsecureSubjectTokens).build()
}

/// Tokens that carry their claims in the clear: subject, scopes and end.
#[derive(Clone)]
pub struct ReadableTokens;

impl TokenService for ReadableTokens {
    async fn issue(&self, order: &NewToken) -> Result<IssuedToken, BackendError> {
        let GrantedScopes::Only(scopes) = &order.granted_scopes else {
            panic!("the tests' members have scopes")
        };
        let client = order.client_id.as_ref().map_or("", |client| client.as_str());
        let end = order.now.as_unix() + 60;
        let access_token = format!("{}|{scopes}|{client}|{end}", order.subject).as_str().into();
        Ok(IssuedToken { access_token, expires_in: Some(Duration::from_secs(60)) })
    }

    async fn verify(&self, token: &AccessToken, now: Timestamp) -> Result<Option<Claims>, BackendError> {
        let parts: Vec<_> = token.expose().split('|').collect();
        let [subject, scopes, client, end] = parts[..] else { return Ok(None) };
        let end = Timestamp::from_unix(end.parse()?);
        if end <= now {
            return Ok(None);
        }
        Ok(Some(Claims {
            client_id: (!client.is_empty()).then(|| client.into()),
            expires_at: Some(end),
            ..Claims::new(subject.into(), GrantedScopes::Only(scopes.parse()?))
        }))
    }
}

/// One client: `web` with the secret `web-secret`.
pub struct OneClient;

impl ClientRegistry for OneClient {
    async fn authenticate(&self, client_id: &ClientId, secret: &ClientSecret) -> Result<bool, BackendError> {
        Ok(client_id.as_str() == "web" && secret.expose() == "web-secret")
    }
}
