//! An `Auth` for tests: users and tokens in memory, and a clock that the test sets.

use std::{
    collections::HashMap,
    ops::Deref,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use crate::{
    adapters::tutorial::InsecureFakeHasher,
    auth::{Auth, AuthBuilder},
    domain::{
        backend_error::BackendError,
        claims::Claims,
        ports::{IssuedToken, NewToken, PasswordStore, TokenIssuer, TokenVerifier, UserStore},
        secret::{AccessToken, Password, PasswordHash},
        time::Timestamp,
        user::{Account, AuthUser, Subject, Username},
    },
};

/// An [`Auth`] for tests. Passwords are not hashed, tokens are in memory and expire after 15 minutes on the test's
/// clock, and sign-ins are not throttled. `TestAuth` uses neither files nor threads. Clones share everything.
///
/// ```
/// # use gatepass::{AuthUser, GrantedScopes, Subject, testing::TestAuth};
/// # #[derive(Clone)] struct Member { id: i64 }
/// # impl AuthUser for Member {
/// #     fn subject(&self) -> Subject { self.id.into() }
/// #     fn is_active(&self) -> bool { true }
/// #     fn allowed_scopes(&self) -> GrantedScopes { GrantedScopes::All }
/// # }
/// let auth = TestAuth::new([("johndoe", "secret", Member { id: 1 })]);
/// let app = actix_web::App::new().configure(auth.routes());
/// auth.advance(std::time::Duration::from_secs(900)); // all tokens have expired
/// ```
#[derive(Clone)]
pub struct TestAuth<U: AuthUser> {
    auth: Auth<U>,
    clock: Arc<AtomicU64>,
}

impl<U: AuthUser> TestAuth<U> {
    /// Creates an `Auth` with these usernames, passwords and users.
    ///
    /// # Panics
    /// If a username is not valid.
    pub fn new<'a>(users: impl IntoIterator<Item = (&'a str, &'a str, U)>) -> Self {
        Self::with(TestUsers::new(users), |builder| builder)
    }

    /// Creates an `Auth` with a store ([`TestUsers`] or your own) and the changes that `settings` makes to the builder.
    /// These changes override the defaults of `TestAuth`, except for the clock.
    ///
    /// # Panics
    /// If the `Auth` cannot be built with these settings ([`BuildError`](crate::error::BuildError)).
    pub fn with<S: UserStore<User = U> + 'static>(
        users: S,
        settings: impl FnOnce(AuthBuilder<S>) -> AuthBuilder<S>,
    ) -> Self {
        let clock = Arc::new(AtomicU64::new(1_700_000_000));
        let builder = Auth::builder(users)
            .passwords(InsecureFakeHasher::default())
            .tokens(InMemoryTokens::default())
            .without_login_throttle();
        let time = Arc::clone(&clock);
        let auth =
            settings(builder).clock(move || Timestamp::from_unix(time.load(Ordering::Relaxed))).build();
        Self { auth: auth.unwrap_or_else(|error| panic!("{error}")), clock }
    }

    /// Returns the current time of the clock, which starts at 2023-11-14 22:13:20 UTC.
    pub fn now(&self) -> Timestamp {
        Timestamp::from_unix(self.clock.load(Ordering::Relaxed))
    }

    /// Advances the clock. Fractions of a second are ignored.
    pub fn advance(&self, by: Duration) {
        self.clock.fetch_add(by.as_secs(), Ordering::Relaxed);
    }
}

impl<U: AuthUser> Deref for TestAuth<U> {
    type Target = Auth<U>;

    fn deref(&self) -> &Auth<U> {
        &self.auth
    }
}

/// In-memory users for a test. Clones share the users.
#[derive(Clone)]
pub struct TestUsers<U>(Arc<Mutex<Accounts<U>>>);

type Accounts<U> = Vec<(Username, Account<U>)>;

impl<U: AuthUser> TestUsers<U> {
    /// Creates a store with these usernames, passwords and users.
    ///
    /// # Panics
    /// If a username is not valid.
    pub fn new<'a>(users: impl IntoIterator<Item = (&'a str, &'a str, U)>) -> Self {
        let users = users.into_iter().map(|(username, password, user)| {
            let username = Username::new(username).unwrap_or_else(|error| panic!("{error}"));
            let hash = InsecureFakeHasher::fake_hash(&Password::from(password));
            (username, Account::new(user, hash))
        });
        Self(Arc::new(Mutex::new(users.collect())))
    }

    /// Replaces the user that has the same subject, for example to disable this user.
    ///
    /// # Panics
    /// If no user has this subject.
    pub fn update(&self, user: U) {
        let updated = self.change(&user.subject(), |account| account.user = user.clone());
        assert!(updated.is_some(), "no user has the subject {}", user.subject());
    }

    fn lock(&self) -> MutexGuard<'_, Accounts<U>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change<T>(&self, subject: &Subject, change: impl FnOnce(&mut Account<U>) -> T) -> Option<T> {
        let mut users = self.lock();
        users.iter_mut().map(|(_, account)| account).find(|one| one.user.subject() == *subject).map(change)
    }
}

impl<U: AuthUser> UserStore for TestUsers<U> {
    type User = U;

    async fn find_by_username(&self, username: &Username) -> Result<Option<Account<U>>, BackendError> {
        Ok(self.lock().iter().find(|(name, _)| name == username).map(|(_, account)| account.clone()))
    }

    async fn find_by_subject(&self, subject: &Subject) -> Result<Option<U>, BackendError> {
        Ok(self.change(subject, |account| account.user.clone()))
    }

    async fn replace_hash(
        &self,
        subject: &Subject,
        old: &PasswordHash,
        new: &PasswordHash,
    ) -> Result<(), BackendError> {
        self.change_password(subject, old, new, Timestamp::default()).await.map(drop)
    }
}

impl<U: AuthUser> PasswordStore for TestUsers<U> {
    async fn find_hash(&self, subject: &Subject) -> Result<Option<PasswordHash>, BackendError> {
        Ok(self.change(subject, |account| account.password_hash.clone()))
    }

    async fn change_password(
        &self,
        subject: &Subject,
        old: &PasswordHash,
        new: &PasswordHash,
        _: Timestamp,
    ) -> Result<bool, BackendError> {
        let changed = self.change(subject, |account| {
            let is_current = account.password_hash == *old;
            if is_current {
                account.password_hash = new.clone();
            }
            is_current
        });
        Ok(changed.unwrap_or(false))
    }
}

/// The lifetime of a token, on the test's clock.
const LIFETIME: Duration = Duration::from_secs(15 * 60);

/// Opaque tokens and their claims.
#[derive(Default)]
struct InMemoryTokens(Mutex<HashMap<String, Claims>>);

impl TokenIssuer for InMemoryTokens {
    async fn issue(&self, new: &NewToken) -> Result<IssuedToken, BackendError> {
        let [token, token_id] = [random()?, random()?];
        let claims = Claims {
            user_kind: Some(new.user_kind.into()),
            client_id: new.client_id.clone(),
            issued_at: Some(new.now),
            expires_at: Some(new.now + LIFETIME),
            token_id: Some(token_id.into()),
            session_id: new.session_id.clone(),
            sequence: new.sequence,
            audiences: new.audiences.clone(),
            ..Claims::new(new.subject.clone(), new.granted_scopes.clone())
        };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(token.clone(), claims);
        Ok(IssuedToken { access_token: token.into(), expires_in: Some(LIFETIME) })
    }
}

impl TokenVerifier for InMemoryTokens {
    async fn verify(&self, token: &AccessToken, now: Timestamp) -> Result<Option<Claims>, BackendError> {
        let issued = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_valid = |claims: &&Claims| claims.expires_at.is_some_and(|end| now < end);
        Ok(issued.get(token.expose()).filter(is_valid).cloned())
    }
}

/// Returns 128 random bits in base64url.
pub(super) fn random() -> Result<String, BackendError> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| BackendError::new(error.to_string()))?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}
