//! Test doubles: a user store, a hasher, tokens and a client registry.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use gatepass::{
    AccessToken, Account, Auth, AuthUser, BackendError, Claims, Client, ClientId, ClientRegistry,
    ClientSecretHash, ErrorFormat, GrantedScopes, IssuedToken, NewToken, Password, PasswordCheck,
    PasswordHash, PasswordHasher, PasswordStore, Subject, Timestamp, TokenIssuer, TokenVerifier, UserStore,
    Username, auth::AuthBuilder, sql::Database, tutorial::InsecureSubjectTokens,
};
use serde::Serialize;

/// A user model that differs from the tutorial's.
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

/// A username and subject for which the store returns an error.
pub const BROKEN: &str = "broken@example.com";
/// A username and subject for which the store returns a temporary error.
pub const UNAVAILABLE: &str = "unavailable@example.com";
/// A username and subject for which the store panics.
pub const PANICS: &str = "panics@example.com";

/// A user store that contains johndoe and alice by default. Clones share the members.
#[derive(Clone)]
pub struct Members(Arc<Inner>);

struct Inner {
    accounts: Mutex<Vec<Account<Member>>>,
    lookups: AtomicUsize,
    /// The database to close after a password change.
    database: Option<Database>,
}

impl Default for Members {
    fn default() -> Self {
        Self::with(GrantedScopes::All)
    }
}

impl Members {
    pub fn new(accounts: Vec<Account<Member>>) -> Self {
        let (accounts, lookups) = (Mutex::new(accounts), AtomicUsize::new(0));
        Self(Arc::new(Inner { accounts, lookups, database: None }))
    }

    /// Returns a store with johndoe and the suspended user alice, both with these allowed scopes.
    pub fn with(granted_scopes: GrantedScopes) -> Self {
        let account = |id, email: &str, suspended, hash: &str| Account {
            user: Member { id, email: email.into(), suspended, granted_scopes: granted_scopes.clone() },
            password_hash: hash.into(),
        };
        Self::new(vec![
            account(1, "johndoe@example.com", false, "old:secret"),
            account(2, "alice@example.com", true, "new:secret2"),
        ])
    }

    /// Makes the store close this database after a password change.
    pub fn closing_after_password_change(self, database: Database) -> Self {
        Self(Arc::new(Inner { database: Some(database), ..Arc::into_inner(self.0).unwrap() }))
    }

    /// Changes the account of a member.
    pub fn change(&self, id: u64, change: impl FnOnce(&mut Account<Member>)) {
        let mut accounts = self.0.accounts.lock().unwrap();
        change(accounts.iter_mut().find(|account| account.user.id == id).unwrap());
    }

    /// Returns the number of lookups by subject so far.
    pub fn lookups(&self) -> usize {
        self.0.lookups.load(Ordering::SeqCst)
    }

    fn replace(&self, subject: &Subject, old: &PasswordHash, new: &PasswordHash) -> bool {
        let mut accounts = self.0.accounts.lock().unwrap();
        let is_theirs = |account: &&mut Account<Member>| account.user.subject() == *subject;
        let account = accounts.iter_mut().find(is_theirs).filter(|account| account.password_hash == *old);
        account.map(|account| account.password_hash = new.clone()).is_some()
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
        self.0.lookups.fetch_add(1, Ordering::SeqCst);
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
        self.replace(subject, old, new);
        Ok(())
    }
}

impl PasswordStore for Members {
    async fn find_hash(&self, subject: &Subject) -> Result<Option<PasswordHash>, BackendError> {
        let accounts = self.0.accounts.lock().unwrap();
        let account = accounts.iter().find(|account| account.user.subject() == *subject);
        Ok(account.map(|account| account.password_hash.clone()))
    }

    async fn change_password(
        &self,
        subject: &Subject,
        old: &PasswordHash,
        new: &PasswordHash,
        _: Timestamp,
    ) -> Result<bool, BackendError> {
        let changed = self.replace(subject, old, new);
        if let Some(database) = &self.0.database {
            database.close().await;
        }
        Ok(changed)
    }
}

/// A hasher that returns `new:` followed by the password. Hashes that start with `old:` need a rehash.
#[derive(Clone, Default)]
pub struct AgingHasher(Arc<AtomicUsize>);

static DUMMY_HASH: std::sync::LazyLock<PasswordHash> = std::sync::LazyLock::new(|| "dummy_hash".into());

impl AgingHasher {
    pub fn verifications(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

impl PasswordHasher for AgingHasher {
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

/// Returns a builder with the tutorial's tokens and error format, and without login throttling.
pub fn builder(members: &Members, hasher: &AgingHasher) -> AuthBuilder<Members> {
    Auth::builder(members.clone())
        .passwords(hasher.clone())
        .tokens(InsecureSubjectTokens)
        .error_format(ErrorFormat::FastApi)
        .without_login_throttle()
}

pub fn auth(members: &Members, hasher: &AgingHasher) -> Auth<Member> {
    builder(members, hasher).build().expect("compatible parts")
}

/// Tokens that contain the subject, scopes, client and expiry in plain text.
#[derive(Clone)]
pub struct ReadableTokens;

impl TokenIssuer for ReadableTokens {
    async fn issue(&self, new: &NewToken) -> Result<IssuedToken, BackendError> {
        let GrantedScopes::Only(scopes) = &new.granted_scopes else { panic!("expected a list of scopes") };
        let client = new.client_id.as_ref().map_or("", |client| client.as_str());
        let end = new.now.as_unix() + 60;
        let access_token = format!("{}|{scopes}|{client}|{end}", new.subject).as_str().into();
        Ok(IssuedToken { access_token, expires_in: Some(Duration::from_secs(60)) })
    }
}

impl TokenVerifier for ReadableTokens {
    async fn verify(&self, token: &AccessToken, now: Timestamp) -> Result<Option<Claims>, BackendError> {
        let parts: Vec<_> = token.expose().split('|').collect();
        let [subject, scopes, client, end] = parts[..] else { return Ok(None) };
        let end = Timestamp::from_unix(end.parse()?);
        if end <= now {
            return Ok(None);
        }
        Ok(Some(Claims {
            client_id: ClientId::new(client).ok(),
            expires_at: Some(end),
            ..Claims::new(Subject::new(subject)?, GrantedScopes::Only(scopes.parse()?))
        }))
    }
}

/// A registry with one client, `web`, whose secret is `web-secret`.
pub struct OneClient;

impl ClientRegistry for OneClient {
    async fn find(&self, client_id: &ClientId) -> Result<Option<Client>, BackendError> {
        let secret = ClientSecretHash::of(&"web-secret".into());
        let web = Client::confidential(client_id.clone(), [secret]);
        Ok((client_id.as_str() == "web").then_some(web))
    }
}
