//! The builder for [`Auth`].

use std::{
    num::NonZeroU32,
    sync::{Arc, Mutex},
};

use serde_json::{Map, Value};
use thiserror::Error;

use crate::{
    auth::{
        Auth, CookieTransport, ExtraClaims, Inner, LoginThrottle, PasswordContext, Profile, RefreshSettings,
        Rules, Sessions, TokenCache, throttle::Throttle,
    },
    domain::{
        claims::Audience,
        client::{Client, ClientId},
        error_format::ErrorFormat,
        event::EventListener,
        ports::{
            ClientRegistry, DynClientRegistry, DynPasswordHasher, DynPasswordPolicy, DynPasswordStore,
            DynTokenIssuer, DynTokenVerifier, DynUserStore, PasswordHasher, PasswordPolicy, PasswordStore,
            TokenIssuer, TokenVerifier, UserStore,
        },
        session::{DynSessionStore, SessionStore},
        time::Timestamp,
        user::{AuthUser, UserProfile},
    },
};

/// The default maximum number of sessions per user.
const MAX_SESSIONS: NonZeroU32 = NonZeroU32::new(50).expect("50 is not zero");

/// The builder that [`Auth::builder`] returns. Login throttling is on by default.
pub struct AuthBuilder<S: UserStore> {
    users: Arc<S>,
    verifier: Option<Arc<DynTokenVerifier<'static>>>,
    issuer: Option<Arc<DynTokenIssuer<'static>>>,
    hasher: Option<Arc<DynPasswordHasher<'static>>>,
    passwords: Option<Arc<DynPasswordStore<'static>>>,
    password_policy: Option<Arc<DynPasswordPolicy<'static>>>,
    password_context: Option<PasswordContext<S::User>>,
    clients: Option<Arc<DynClientRegistry<'static>>>,
    default_client_id: ClientId,
    sessions: Option<Arc<DynSessionStore<'static>>>,
    refresh: Option<RefreshSettings>,
    max_sessions: Option<NonZeroU32>,
    cookies: Option<CookieTransport>,
    token_cache: Option<Arc<TokenCache<S::User>>>,
    throttle: Option<LoginThrottle>,
    extra_claims: Option<ExtraClaims<S::User>>,
    profile: Option<Profile<S::User>>,
    listeners: Vec<Arc<dyn EventListener>>,
    rules: Rules,
    clock: super::Clock,
}

/// The reason why [`AuthBuilder::build`] failed: a required part is missing, or a setting is invalid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum BuildError {
    /// Neither `tokens` nor `token_verifier` was called.
    #[error(
        "no token service is set: call .tokens(…) to issue and verify tokens, or .token_verifier(…) to verify \
         tokens from another service"
    )]
    NoTokens,
    /// `passwords` was called, but no token issuer was set.
    #[error("sign-in needs a token issuer: call .tokens(…) instead of .token_verifier(…)")]
    PasswordsWithoutTokens,
    /// The kind of user is [`Client::USER_KIND`].
    #[error(
        "the user kind \"client\" is reserved for clients: rename the user type, or override AuthUser::user_kind"
    )]
    ReservedUserKind,
    /// `refresh_tokens` was called without `sessions`.
    #[error("refresh tokens need sessions: call .sessions(…)")]
    RefreshTokensWithoutSessions,
    /// `max_sessions` was called without `sessions`.
    #[error(".max_sessions(…) needs a session store: call .sessions(…)")]
    MaxSessionsWithoutSessions,
    /// `cookies` was called without `sessions`.
    #[error("session cookies need sessions: call .sessions(…)")]
    CookiesWithoutSessions,
    /// `cookies` was called without `passwords`.
    #[error("session cookies need a password hasher: call .passwords(…)")]
    CookiesWithoutHasher,
    /// `cookies` and `require_client` were called: browsers sign in as the default client.
    #[error("session cookies need the default client: remove .require_client(true)")]
    CookiesWithoutDefaultClient,
    /// The name of the session cookie is invalid.
    #[error(
        "the name of the session cookie must consist of 1 to 64 letters, digits, hyphens, dots and underscores"
    )]
    InvalidCookieName,
    /// `password_changes` was called without `passwords`.
    #[error("password changes need a password hasher: call .passwords(…)")]
    PasswordChangesWithoutHasher,
    /// `require_client` was called without `clients`.
    #[error(".require_client(true) needs a client registry: call .clients(…)")]
    ClientRequiredWithoutRegistry,
}

impl<U: AuthUser> Auth<U> {
    /// Creates a builder with your user store.
    pub fn builder<S: UserStore<User = U> + 'static>(users: S) -> AuthBuilder<S> {
        AuthBuilder {
            users: Arc::new(users),
            verifier: None,
            issuer: None,
            hasher: None,
            passwords: None,
            password_policy: None,
            password_context: None,
            clients: None,
            default_client_id: ClientId::from_static("gatepass"),
            sessions: None,
            refresh: None,
            max_sessions: None,
            cookies: None,
            token_cache: None,
            throttle: Some(LoginThrottle::in_memory()),
            extra_claims: None,
            profile: None,
            listeners: Vec::new(),
            rules: Rules::default(),
            clock: Box::new(Timestamp::now),
        }
    }
}

impl<S: UserStore + 'static> AuthBuilder<S> {
    /// Sets the password hasher, so that users can sign in with a password.
    #[must_use]
    pub fn passwords(mut self, hasher: impl PasswordHasher + 'static) -> Self {
        self.hasher = Some(DynPasswordHasher::new_arc(hasher));
        self
    }

    /// Sets the rules for new passwords. Without a policy, a password must have at least 15 characters.
    #[must_use]
    pub fn password_policy(mut self, policy: impl PasswordPolicy + 'static) -> Self {
        self.password_policy = Some(DynPasswordPolicy::new_arc(policy));
        self
    }

    /// Sets the words that attackers may know about a user, such as the username and the email address. The password
    /// policy rejects passwords that are based on these words.
    #[must_use]
    pub fn password_context(
        mut self,
        words: impl Fn(&S::User) -> Vec<String> + Send + Sync + 'static,
    ) -> Self {
        self.password_context = Some(Box::new(words));
        self
    }

    /// Lets users change their passwords; requires [`passwords`](Self::passwords).
    #[must_use]
    pub fn password_changes(mut self) -> Self
    where
        S: PasswordStore,
    {
        self.passwords = Some(DynPasswordStore::new_arc(Arc::clone(&self.users)));
        self
    }

    /// Sets the service that issues and verifies access tokens.
    #[must_use]
    pub fn tokens(mut self, tokens: impl TokenIssuer + TokenVerifier + 'static) -> Self {
        let tokens = Arc::new(tokens);
        self.verifier = Some(DynTokenVerifier::new_arc(Arc::clone(&tokens)));
        self.issuer = Some(DynTokenIssuer::new_arc(tokens));
        self
    }

    /// Sets the verifier for access tokens that another service issues. Use it instead of [`tokens`](Self::tokens);
    /// users then cannot sign in to this application.
    #[must_use]
    pub fn token_verifier(mut self, verifier: impl TokenVerifier + 'static) -> Self {
        self.verifier = Some(DynTokenVerifier::new_arc(verifier));
        self.issuer = None;
        self
    }

    /// Sets additional claims for access tokens, such as a name or a tenant.
    #[must_use]
    pub fn extra_claims(
        mut self,
        claims: impl Fn(&S::User) -> Map<String, Value> + Send + Sync + 'static,
    ) -> Self {
        self.extra_claims = Some(Box::new(claims));
        self
    }

    /// Sets the profile (username, email address, name) that introspection, [`forward_auth`](Self::forward_auth) and
    /// `/userinfo` return. Also publishes `/userinfo` and, with an [`issuer`](Self::issuer), the OpenID Connect
    /// metadata.
    #[must_use]
    pub fn profile(mut self, profile: impl Fn(&S::User) -> UserProfile + Send + Sync + 'static) -> Self {
        self.profile = Some(Box::new(profile));
        self
    }

    /// Publishes the endpoint `/forward-auth`, which reverse proxies call to authenticate requests.
    #[must_use]
    pub fn forward_auth(mut self) -> Self {
        self.rules.forward_auth = true;
        self
    }

    /// Sets the client registry. Without a registry, client credentials are ignored.
    #[must_use]
    pub fn clients(mut self, registry: impl ClientRegistry + 'static) -> Self {
        self.clients = Some(DynClientRegistry::new_arc(registry));
        self
    }

    /// Sets the identifier of the default client (`client_id` in tokens); the default is `gatepass`. Requests without
    /// client credentials are treated as requests of this public client, which may request all scopes and audiences. Do
    /// not register a client with this identifier.
    #[must_use]
    pub fn default_client_id(mut self, client_id: ClientId) -> Self {
        self.default_client_id = client_id;
        self
    }

    /// Sets the store for sessions and refresh tokens. With a store, tokens can be revoked, users can sign out, and
    /// clients that request the scope `offline_access` get refresh tokens. Without one, a token is valid until it
    /// expires.
    #[must_use]
    pub fn sessions(mut self, store: impl SessionStore + 'static) -> Self {
        self.sessions = Some(DynSessionStore::new_arc(store));
        self
    }

    /// Sets which sign-ins get refresh tokens, and the lifetimes of the tokens; requires [`sessions`](Self::sessions).
    #[must_use]
    pub fn refresh_tokens(mut self, settings: RefreshSettings) -> Self {
        self.refresh = Some(settings);
        self
    }

    /// Sets the maximum number of sessions per user (50 by default); requires [`sessions`](Self::sessions). A further
    /// sign-in ends the least recently used session.
    #[must_use]
    pub fn max_sessions(mut self, maximum: NonZeroU32) -> Self {
        self.max_sessions = Some(maximum);
        self
    }

    /// Lets browsers sign in at `POST /login`, authenticate with a session cookie, and sign out at `POST /logout`;
    /// requires [`sessions`](Self::sessions) and [`passwords`](Self::passwords). Browsers sign in as the default
    /// client.
    #[must_use]
    pub fn cookies(mut self, transport: CookieTransport) -> Self {
        self.cookies = Some(transport);
        self
    }

    /// Sets the cache for authenticated tokens. Without a cache, the token is verified and the user is loaded on every
    /// request.
    #[must_use]
    pub fn token_cache(mut self, cache: Arc<TokenCache<S::User>>) -> Self {
        self.token_cache = Some(cache);
        self
    }

    /// Replaces the default login throttle, which counts failed attempts in memory.
    #[must_use]
    pub fn login_throttle(mut self, throttle: LoginThrottle) -> Self {
        self.throttle = Some(throttle);
        self
    }

    /// Turns login throttling off. Attackers can then guess passwords as fast as the server hashes them.
    #[must_use]
    pub fn without_login_throttle(mut self) -> Self {
        self.throttle = None;
        self
    }

    /// Adds an event listener.
    #[must_use]
    pub fn listener(mut self, listener: Arc<dyn EventListener>) -> Self {
        self.listeners.push(listener);
        self
    }

    /// Sets the format of error responses. The default is [`ErrorFormat::OAuth2`].
    #[must_use]
    pub fn error_format(mut self, format: ErrorFormat) -> Self {
        self.rules.error_format = format;
        self
    }

    /// Adds a scope that clients may request. The OpenAPI document shows it with its description; the server metadata
    /// lists it.
    #[must_use]
    pub fn scope(mut self, name: impl Into<String>, description: impl Into<String>) -> Self {
        self.rules.scopes.push((name.into(), description.into()));
        self
    }

    /// Sets the audiences that clients may request tokens for with the parameter `resource`
    /// ([RFC 8707](https://www.rfc-editor.org/rfc/rfc8707)) or `audience`. A request without these parameters gets a
    /// token for the first audience that the client may have. If this method is not called, all tokens are for the
    /// issuer's own audience.
    ///
    /// List the issuer's own audience too, such as [`JwtSettings::audience`](crate::jwt::JwtSettings::audience): this
    /// application accepts only tokens for that audience.
    #[must_use]
    pub fn audiences(mut self, audiences: impl IntoIterator<Item = Audience>) -> Self {
        self.rules.audiences = audiences.into_iter().collect();
        self
    }

    /// Sets the URL at which clients reach the endpoints, such as `https://auth.example.com`, and publishes the server
    /// metadata ([RFC 8414](https://www.rfc-editor.org/rfc/rfc8414)).
    #[must_use]
    pub fn issuer(mut self, url: impl Into<String>) -> Self {
        self.rules.base_url = Some(url.into());
        self
    }

    /// Sets the path of the documentation, such as `/docs`, for the server metadata. The path is relative to the
    /// issuer.
    #[must_use]
    pub fn documentation(mut self, path: impl Into<String>) -> Self {
        self.rules.documentation = Some(path.into());
        self
    }

    /// Requires `grant_type` in token requests, as RFC 6749 does. FastAPI does not require it.
    #[must_use]
    pub fn require_grant_type(mut self, required: bool) -> Self {
        self.rules.require_grant_type = required;
        self
    }

    /// Requires a registered client for every token request: there is then no default client.
    #[must_use]
    pub fn require_client(mut self, required: bool) -> Self {
        self.rules.require_client = required;
        self
    }

    /// Turns the password grant on or off; it is on by default. If it is off, open sessions can still be refreshed.
    #[must_use]
    pub fn password_grant(mut self, enabled: bool) -> Self {
        self.rules.password_grant_off = !enabled;
        self
    }

    /// Issues tokens to inactive users too, as FastAPI's tutorial does; [`ActiveUser`](crate::ActiveUser) still rejects
    /// them.
    #[must_use]
    pub fn inactive_users_sign_in(mut self, allowed: bool) -> Self {
        self.rules.inactive_users_sign_in = allowed;
        self
    }

    /// Replaces the clock, for tests.
    #[must_use]
    pub fn clock(mut self, clock: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        self.clock = Box::new(clock);
        self
    }

    /// Builds the [`Auth`].
    ///
    /// # Errors
    /// [`BuildError`] if a required part is missing or a setting is invalid.
    pub fn build(self) -> Result<Auth<S::User>, BuildError> {
        let verifier = self.verifier.ok_or(BuildError::NoTokens)?;
        let (has_hasher, has_sessions) = (self.hasher.is_some(), self.sessions.is_some());
        let (has_cookies, requires_client) = (self.cookies.is_some(), self.rules.require_client);
        let has_invalid_cookie_name = self.cookies.as_ref().is_some_and(|cookies| !cookies.has_valid_name());
        let errors = [
            (S::User::user_kind() == Client::USER_KIND, BuildError::ReservedUserKind),
            (has_hasher && self.issuer.is_none(), BuildError::PasswordsWithoutTokens),
            (self.refresh.is_some() && !has_sessions, BuildError::RefreshTokensWithoutSessions),
            (self.max_sessions.is_some() && !has_sessions, BuildError::MaxSessionsWithoutSessions),
            (self.passwords.is_some() && !has_hasher, BuildError::PasswordChangesWithoutHasher),
            (requires_client && self.clients.is_none(), BuildError::ClientRequiredWithoutRegistry),
            (has_invalid_cookie_name, BuildError::InvalidCookieName),
            (has_cookies && !has_sessions, BuildError::CookiesWithoutSessions),
            (has_cookies && !has_hasher, BuildError::CookiesWithoutHasher),
            (has_cookies && requires_client, BuildError::CookiesWithoutDefaultClient),
        ];
        if let Some((_, error)) = errors.into_iter().find(|(is_wrong, _)| *is_wrong) {
            return Err(error);
        }
        let refresh = self.refresh.unwrap_or_default();
        let maximum = self.max_sessions.unwrap_or(MAX_SESSIONS);
        Ok(Auth(Arc::new(Inner {
            users: DynUserStore::new_arc(self.users),
            verifier,
            issuer: self.issuer,
            extra_claims: self.extra_claims,
            hasher: self.hasher,
            passwords: self.passwords,
            password_policy: self.password_policy,
            password_context: self.password_context,
            profile: self.profile,
            clients: self.clients,
            default_client_id: self.default_client_id,
            sessions: self.sessions.map(|store| Sessions { store, refresh, maximum }),
            cookies: self.cookies,
            token_cache: self.token_cache,
            throttle: self.throttle.map(|throttle| Arc::new(Throttle::new(throttle))),
            password_changes: Mutex::default(),
            password_change_turn: tokio::sync::Mutex::default(),
            listeners: self.listeners,
            rules: self.rules,
            clock: self.clock,
        })))
    }
}
