//! What signing in and being recognised mean: the ports put to work together.

mod any;
mod bearer;
mod builder;
mod client;
mod grant_error;
mod login;
mod password;
mod policy;
mod refresh;
mod refresh_token;
mod revocation;
mod sessions;
mod throttle;
mod token_cache;

use std::sync::Arc;

use self::{
    any::{AnyBearerStore, AnyClientRegistry, AnySessionStore},
    refresh::Refreshing,
    throttle::Guard,
};
pub(crate) use self::{bearer::Recall, token_cache::Place};
pub use self::{
    bearer::{Identity, Recognised},
    builder::AuthBuilder,
    grant_error::GrantError,
    login::{Login, SignIn},
    password::{PasswordChange, PasswordChangeError},
    policy::Policy,
    refresh::{Refresh, RefreshSettings, RefreshTokens},
    revocation::Introspection,
    throttle::LoginThrottleLimits,
    token_cache::{TokenCache, TokenCacheStats},
};
use crate::domain::{
    event::{Event, EventListener},
    ports::UserStore,
};

/// Your users, your hashing and your tokens, put together. Cheap to clone.
///
/// ```
/// use gatepass::{Auth, tutorial::{InsecureFakeHasher, InsecureSubjectTokens, TutorialUsers}};
///
/// let auth = Auth::builder(TutorialUsers::default())
///     .hasher(InsecureFakeHasher::default())
///     .tokens(InsecureSubjectTokens)
///     .build();
/// ```
pub struct Auth<S: UserStore, H, T> {
    ports: Arc<Ports<S, H, T>>,
}

struct Ports<S: UserStore, H, T> {
    store: S,
    hasher: H,
    tokens: T,
    options: Options<S::User>,
}

/// What not everybody has.
struct Options<U> {
    clients: Option<Box<dyn AnyClientRegistry>>,
    sessions: Option<Arc<dyn AnySessionStore>>,
    bearers: Option<Box<dyn AnyBearerStore<U>>>,
    refreshing: Option<Refreshing>,
    memory: Option<Arc<TokenCache<U>>>,
    guard: Option<Arc<Guard>>,
    listeners: Vec<Arc<dyn EventListener>>,
    policy: Policy,
}

impl<S: UserStore, H, T> Auth<S, H, T> {
    /// The rules it was built with.
    pub fn policy(&self) -> &Policy {
        &self.ports.options.policy
    }

    fn tell(&self, event: &Event<'_>) {
        self.ports.options.listeners.iter().for_each(|listener| listener.happened(event));
    }

    /// Whether tokens die with sessions.
    pub fn has_sessions(&self) -> bool {
        self.ports.options.sessions.is_some()
    }

    /// Whether there are refresh tokens.
    pub fn has_refresh_tokens(&self) -> bool {
        self.refreshing().is_some()
    }
}

impl<S: UserStore, H, T> Clone for Auth<S, H, T> {
    fn clone(&self) -> Self {
        Self { ports: Arc::clone(&self.ports) }
    }
}
