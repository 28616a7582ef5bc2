//! The builder of [`Auth`]: it builds once tokens are given, and what signs in needs a hasher.

use std::sync::Arc;

use crate::{
    auth::{
        Auth, LoginThrottleLimits, Options, Policy, Ports, RefreshSettings, TokenCache, refresh::Refreshing,
        throttle::Guard,
    },
    domain::{
        event::EventListener,
        ports::{ClientRegistry, PasswordHasher, TokenService, UserStore},
        session::{BearerStore, RefreshTokenStore, SessionStore},
        throttle::FailedAttemptStore,
    },
};

/// What [`Auth::builder`] returns. `build` is there once tokens are.
///
/// ```compile_fail
/// # use gatepass::{Auth, tutorial::{InsecureFakeHasher, TutorialUsers}};
/// let auth = Auth::builder(TutorialUsers::default()).hasher(InsecureFakeHasher::default()).build(); // no tokens
/// ```
///
/// Without a hasher it recognises the bearers of tokens, for a service that has no passwords; nobody signs in:
///
/// ```
/// # use gatepass::{Auth, tutorial::{InsecureSubjectTokens, TutorialUsers}};
/// let auth = Auth::builder(TutorialUsers::default()).tokens(InsecureSubjectTokens).build();
/// let app = actix_web::App::new().wrap(auth.bearer());
/// ```
///
/// ```compile_fail
/// # use gatepass::{Auth, tutorial::{InsecureSubjectTokens, TutorialUsers}};
/// let auth = Auth::builder(TutorialUsers::default()).tokens(InsecureSubjectTokens).build();
/// let app = actix_web::App::new().configure(auth.routes()); // no hasher
/// ```
pub struct AuthBuilder<S: UserStore, H, T>(Ports<S, H, T>);

impl<S: UserStore> Auth<S, (), ()> {
    /// Starts with the place your users are in.
    pub fn builder(store: S) -> AuthBuilder<S, (), ()> {
        let options = Options {
            clients: None,
            sessions: None,
            bearers: None,
            refreshing: None,
            memory: None,
            guard: None,
            listeners: Vec::new(),
            policy: Policy::default(),
        };
        AuthBuilder(Ports { store, hasher: (), tokens: (), options })
    }
}

impl<S: UserStore, H, T> AuthBuilder<S, H, T> {
    /// How passwords are verified.
    pub fn hasher<N: PasswordHasher>(self, hasher: N) -> AuthBuilder<S, N, T> {
        let Ports { store, hasher: _, tokens, options } = self.0;
        AuthBuilder(Ports { store, hasher, tokens, options })
    }

    /// What access tokens are.
    pub fn tokens<N: TokenService>(self, tokens: N) -> AuthBuilder<S, H, N> {
        let Ports { store, hasher, tokens: _, options } = self.0;
        AuthBuilder(Ports { store, hasher, tokens, options })
    }

    /// The clients that prove themselves. Without this, what a request says of its client does not count.
    pub fn clients(mut self, registry: impl ClientRegistry) -> Self {
        self.0.options.clients = Some(Box::new(registry));
        self
    }

    /// The sessions that tokens die with, without refresh tokens. Without this, a token is valid until it ends.
    pub fn sessions(mut self, store: impl SessionStore) -> Self {
        self.0.options.sessions = Some(Arc::new(store));
        // Refresh tokens of another store would outlive these sessions.
        self.0.options.refreshing = None;
        self
    }

    /// Sessions, and the refresh tokens that keep them going. Without this, nobody gets a refresh token.
    pub fn refresh_tokens(mut self, store: impl RefreshTokenStore, settings: RefreshSettings) -> Self {
        let store = Arc::new(store);
        self.0.options.sessions = Some(Arc::clone(&store) as _);
        self.0.options.refreshing = Some(Refreshing { store, settings });
        self
    }

    /// Where the user of a token and its session are found in one question. Then neither
    /// [`find_by_subject`](UserStore::find_by_subject) nor [`is_live`](crate::SessionStore::is_live) is asked for it: these have
    /// to be the same users and sessions, and there have to be sessions. Without this, both are asked.
    pub fn bearers(mut self, store: impl BearerStore<User = S::User>) -> Self {
        self.0.options.bearers = Some(Box::new(store));
        self
    }

    /// Where callers that were recognised are remembered. Without this, every token is verified and every user
    /// looked up with every request.
    pub fn memory(mut self, memory: Arc<TokenCache<S::User>>) -> Self {
        self.0.options.memory = Some(memory);
        self
    }

    /// Where failed attempts are counted, and from when on somebody waits. Without this, nobody does.
    pub fn login_throttle(mut self, store: impl FailedAttemptStore, limits: LoginThrottleLimits) -> Self {
        self.0.options.guard = Some(Arc::new(Guard::new(Box::new(store), limits)));
        self
    }

    /// Who is told of what happens, beside those who were given before.
    pub fn listener(mut self, listener: Arc<dyn EventListener>) -> Self {
        self.0.options.listeners.push(listener);
        self
    }

    /// The rules that are a matter of choice.
    pub fn policy(mut self, policy: Policy) -> Self {
        self.0.options.policy = policy;
        self
    }
}

impl<S: UserStore, H, T: TokenService> AuthBuilder<S, H, T> {
    /// The finished [`Auth`].
    pub fn build(self) -> Auth<S, H, T> {
        Auth { ports: Arc::new(self.0) }
    }
}
