//! The use cases, as methods of [`Auth`]: authenticate, sign in, refresh, revoke, introspect, change a password.

mod audience;
mod authenticate;
mod builder;
mod client;
mod cookies;
mod delivery;
mod device_cookie;
mod error;
pub(crate) mod grants;
mod password;
mod refresh_token;
mod revocation;
mod sessions;
pub(crate) mod throttle;
mod token_cache;

use std::{
    collections::HashSet,
    num::NonZeroU32,
    sync::{Arc, Mutex},
};

use serde_json::{Map, Value};

pub use self::{
    authenticate::{AuthenticatedClient, AuthenticatedUser, Authentication},
    builder::{AuthBuilder, BuildError},
    cookies::CookieTransport,
    error::AuthError,
    grants::{
        SignedIn, Tokens,
        external::ExternalSignIn,
        password::SignIn,
        refresh_token::{Refresh, RefreshSettings, RefreshTokens},
    },
    password::PasswordChange,
    revocation::Introspection,
    throttle::{LoginThrottle, LoginThrottleLimits},
    token_cache::{TokenCache, TokenCacheStats},
};
use self::{grants::GrantType, throttle::Throttle};
use crate::domain::{
    backend_error::BackendError,
    claims::Audience,
    client::ClientId,
    error_format::ErrorFormat,
    event::{Event, EventListener},
    invalidation::{CacheInvalidator, Invalidation},
    ports::{
        DynClientRegistry, DynPasswordHasher, DynPasswordPolicy, DynPasswordStore, DynTokenIssuer,
        DynTokenVerifier, DynUserStore, KeySet, TokenIssuer,
    },
    scope::Scope,
    session::{DynSessionStore, SessionOwner},
    time::Timestamp,
    user::{AuthUser, Subject, UserProfile},
};

/// Authentication for one kind of user, built from your user store, a password hasher and a token service. Clones are
/// cheap and share all state.
///
/// ```
/// use gatepass::{Auth, tutorial::{InsecureFakeHasher, InsecureSubjectTokens, TutorialUsers}};
///
/// let auth = Auth::builder(TutorialUsers::default())
///     .passwords(InsecureFakeHasher::default())
///     .tokens(InsecureSubjectTokens)
///     .build()?;
/// # Ok::<(), gatepass::error::BuildError>(())
/// ```
#[derive(Clone)]
pub struct Auth<U: AuthUser>(Arc<Inner<U>>);

struct Inner<U: AuthUser> {
    users: Arc<DynUserStore<'static, U>>,
    verifier: Arc<DynTokenVerifier<'static>>,
    issuer: Option<Arc<DynTokenIssuer<'static>>>,
    extra_claims: Option<ExtraClaims<U>>,
    hasher: Option<Arc<DynPasswordHasher<'static>>>,
    passwords: Option<Arc<DynPasswordStore<'static>>>,
    password_policy: Option<Arc<DynPasswordPolicy<'static>>>,
    password_context: Option<PasswordContext<U>>,
    profile: Option<Profile<U>>,
    clients: Option<Arc<DynClientRegistry<'static>>>,
    default_client_id: ClientId,
    sessions: Option<Sessions>,
    cookies: Option<CookieTransport>,
    token_cache: Option<Arc<TokenCache<U>>>,
    throttle: Option<Arc<Throttle>>,
    /// The users whose password is being changed.
    password_changes: Mutex<HashSet<Subject>>,
    /// A lock that lets one password change at a time use the hasher: a change needs three hashing jobs, and sign-ins
    /// must not queue behind the changes of many users.
    password_change_turn: tokio::sync::Mutex<()>,
    listeners: Vec<Arc<dyn EventListener>>,
    rules: Rules,
    clock: Clock,
}

struct Sessions {
    store: Arc<DynSessionStore<'static>>,
    refresh: RefreshSettings,
    /// The maximum number of sessions per user.
    maximum: NonZeroU32,
}

type ExtraClaims<U> = Box<dyn Fn(&U) -> Map<String, Value> + Send + Sync>;
type Profile<U> = Box<dyn Fn(&U) -> UserProfile + Send + Sync>;
type PasswordContext<U> = Box<dyn Fn(&U) -> Vec<String> + Send + Sync>;
type Clock = Box<dyn Fn() -> Timestamp + Send + Sync>;

/// The settings other than stores and services.
#[derive(Default)]
struct Rules {
    error_format: ErrorFormat,
    inactive_users_sign_in: bool,
    require_grant_type: bool,
    require_client: bool,
    password_grant_off: bool,
    forward_auth: bool,
    base_url: Option<String>,
    documentation: Option<String>,
    scopes: Vec<(String, String)>,
    audiences: Vec<Audience>,
}

impl<U: AuthUser> Auth<U> {
    /// Returns the public keys that other services verify tokens with; `None` if this `Auth` does not issue tokens, or
    /// does not sign them with a private key.
    ///
    /// # Errors
    /// [`AuthError::Backend`] if the keys cannot be read.
    pub fn key_set(&self) -> Result<Option<KeySet>, AuthError> {
        match &self.0.issuer {
            Some(issuer) => Ok(issuer.key_set(self.now())?),
            None => Ok(None),
        }
    }

    /// Returns the algorithms of the keys that verify access tokens.
    pub(crate) fn token_algorithms(&self) -> Vec<&'static str> {
        self.0.issuer.as_ref().map_or_else(Vec::new, |issuer| issuer.algorithms(self.now()))
    }

    /// Returns whether `self` and `other` are clones of the same `Auth`.
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Removes stale tokens from the cache of this `Auth`. The store notifies other processes of the change.
    fn invalidate(&self, change: Invalidation) {
        if let Some(cache) = &self.0.token_cache {
            cache.invalidate(&change);
        }
    }

    pub(crate) fn error_format(&self) -> &ErrorFormat {
        &self.0.rules.error_format
    }

    pub(crate) fn requires_grant_type(&self) -> bool {
        self.0.rules.require_grant_type
    }

    /// Returns the URL at which clients reach the service.
    pub(crate) fn base_url(&self) -> Option<&str> {
        self.0.rules.base_url.as_deref()
    }

    pub(crate) fn documentation_path(&self) -> Option<&str> {
        self.0.rules.documentation.as_deref()
    }

    /// Returns the scopes that clients may request, with descriptions.
    pub(crate) fn scopes(&self) -> impl Iterator<Item = (&str, &str)> {
        let offline_access = self
            .refresh_settings()
            .map(|_| (Scope::OFFLINE_ACCESS, "Stay signed in: request a refresh token"));
        let openid = self.has_profile().then_some((Scope::OPENID, "Read your profile at /userinfo"));
        let scopes = self.0.rules.scopes.iter().map(|(name, text)| (name.as_str(), text.as_str()));
        scopes.chain(openid).chain(offline_access)
    }

    pub(crate) fn has_sessions(&self) -> bool {
        self.0.sessions.is_some()
    }

    pub(crate) fn has_cookies(&self) -> bool {
        self.0.cookies.is_some()
    }

    pub(crate) fn has_forward_auth(&self) -> bool {
        self.0.rules.forward_auth
    }

    pub(crate) fn has_profile(&self) -> bool {
        self.0.profile.is_some()
    }

    /// Returns the profile of a user; an empty one if the application has not set a profile.
    pub(crate) fn profile(&self, user: &U) -> UserProfile {
        self.0.profile.as_ref().map(|profile| profile(user)).unwrap_or_default()
    }

    /// Returns whether clients can choose among audiences.
    pub(crate) fn has_audiences(&self) -> bool {
        !self.0.rules.audiences.is_empty()
    }

    pub(crate) fn has_clients(&self) -> bool {
        self.0.clients.is_some()
    }

    pub(crate) fn has_password_changes(&self) -> bool {
        self.0.passwords.is_some()
    }

    /// Returns the enabled grants.
    pub(crate) fn grants(&self) -> Vec<GrantType> {
        GrantType::ALL.iter().copied().filter(|grant| grant.is_enabled(self)).collect()
    }

    /// Returns the settings for refresh tokens, if refresh tokens are issued.
    fn refresh_settings(&self) -> Option<&RefreshSettings> {
        let sessions = self.0.sessions.as_ref()?;
        (sessions.refresh.issue != RefreshTokens::Never).then_some(&sessions.refresh)
    }

    fn owner(&self, subject: Subject) -> SessionOwner {
        SessionOwner { user_kind: U::user_kind().into(), subject }
    }

    pub(crate) fn now(&self) -> Timestamp {
        (self.0.clock)()
    }

    pub(crate) fn emit(&self, event: &Event<'_>) {
        self.0.listeners.iter().for_each(|listener| listener.on_event(event));
    }
}

/// Returns 256 random bits.
fn random() -> Result<[u8; 32], BackendError> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|error| {
        BackendError::new(format!("cannot get random bytes from the operating system: {error}"))
    })?;
    Ok(bytes)
}
