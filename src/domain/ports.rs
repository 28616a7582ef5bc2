//! The three seams: where users come from, how passwords are hashed, what a token is.
//!
//! "Not found" is `Ok(None)` and a wrong password is a [`PasswordCheck`]; a [`BackendError`] means that something broke.

use std::time::Duration;

use crate::domain::{
    backend_error::BackendError,
    claims::Claims,
    client::ClientId,
    scope::GrantedScopes,
    secret::{AccessToken, ClientSecret, Password, PasswordHash},
    session::SessionId,
    time::Timestamp,
    user::{Account, AuthUser, Subject, Username},
};

/// Where your users are. Implement it with plain `async fn`.
///
/// ```
/// use std::collections::HashMap;
/// use gatepass::{Account, AuthUser, BackendError, PasswordHash, Subject, UserStore, Username};
/// # #[derive(Clone)] struct Member { id: u64, email: String }
/// # impl AuthUser for Member {
/// #     fn subject(&self) -> Subject { self.id.into() }
/// #     fn is_active(&self) -> bool { true }
/// #     fn allowed_scopes(&self) -> gatepass::GrantedScopes { gatepass::GrantedScopes::All }
/// # }
/// struct Members(std::sync::RwLock<HashMap<u64, Account<Member>>>);
///
/// impl UserStore for Members {
///     type User = Member;
///
///     async fn find_by_username(&self, name: &Username) -> Result<Option<Account<Member>>, BackendError> {
///         let members = self.0.read().unwrap();
///         Ok(members.values().find(|account| account.user.email == name.as_str()).cloned())
///     }
///
///     async fn find_by_subject(&self, subject: &Subject) -> Result<Option<Member>, BackendError> {
///         let Ok(id) = subject.as_str().parse() else { return Ok(None) };
///         Ok(self.0.read().unwrap().get(&id).map(|account| account.user.clone()))
///     }
///
///     async fn replace_hash(
///         &self,
///         subject: &Subject,
///         old: &PasswordHash,
///         new: &PasswordHash,
///     ) -> Result<(), BackendError> {
///         let id = subject.as_str().parse()?;
///         if let Some(account) = self.0.write().unwrap().get_mut(&id)
///             && account.password_hash == *old
///         {
///             account.password_hash = new.clone();
///         }
///         Ok(())
///     }
/// }
/// ```
pub trait UserStore: Send + Sync + 'static {
    /// Your user model.
    type User: AuthUser;

    /// The account that signs in under this name, or `None`.
    ///
    /// # Errors
    /// Where the store cannot say.
    fn find_by_username(
        &self,
        username: &Username,
    ) -> impl Future<Output = Result<Option<Account<Self::User>>, BackendError>> + Send;

    /// The user a token was issued to, or `None` where there is no such user any more.
    ///
    /// # Errors
    /// Where the store cannot say.
    fn find_by_subject(
        &self,
        subject: &Subject,
    ) -> impl Future<Output = Result<Option<Self::User>, BackendError>> + Send;

    /// Puts `new` in the place of `old`; called after a sign-in whose hash was outdated. Where the stored hash is
    /// not `old` any more, it stays: the password was changed meanwhile. An unknown subject is no error.
    ///
    /// # Errors
    /// Where it could not be stored.
    fn replace_hash(
        &self,
        subject: &Subject,
        old: &PasswordHash,
        new: &PasswordHash,
    ) -> impl Future<Output = Result<(), BackendError>> + Send;
}

/// A [`UserStore`] whose users may change their password. Not one of the three ports: an application that has
/// passwords changed elsewhere has none.
pub trait PasswordStore: UserStore {
    /// The account of this subject, or `None`.
    ///
    /// # Errors
    /// Where the store cannot say.
    fn find_account(
        &self,
        subject: &Subject,
    ) -> impl Future<Output = Result<Option<Account<Self::User>>, BackendError>> + Send;

    /// Puts the hash of a new password in the place of `old`, and ends every session of the user in the same step.
    /// Whether it was done: it is not where the stored hash is not `old` any more.
    ///
    /// # Errors
    /// Where it could not be stored.
    fn change_password(
        &self,
        subject: &Subject,
        old: &PasswordHash,
        new: &PasswordHash,
        now: Timestamp,
    ) -> impl Future<Output = Result<bool, BackendError>> + Send;
}

/// How passwords are hashed. Slow work belongs off the async workers, on threads of the hasher's own.
///
/// ```
/// use gatepass::{BackendError, Password, PasswordHash, PasswordHasher, PasswordCheck};
///
/// /// Plain text: to show the shape, not to be used.
/// struct PlainText { dummy_hash: PasswordHash }
///
/// impl PasswordHasher for PlainText {
///     async fn hash(&self, password: &Password) -> Result<PasswordHash, BackendError> {
///         Ok(format!("plain:{}", password.expose()).into())
///     }
///
///     async fn verify(&self, password: &Password, hash: &PasswordHash) -> Result<PasswordCheck, BackendError> {
///         let same = hash.expose().strip_prefix("plain:") == Some(password.expose());
///         Ok(if same { PasswordCheck::Match } else { PasswordCheck::Mismatch })
///     }
///
///     fn dummy_hash(&self) -> &PasswordHash { &self.dummy_hash }
/// }
/// ```
pub trait PasswordHasher: Send + Sync + 'static {
    /// The hash to store for a new password.
    ///
    /// # Errors
    /// Where hashing failed.
    fn hash(&self, password: &Password) -> impl Future<Output = Result<PasswordHash, BackendError>> + Send;

    /// Whether `password` is the one that `hash` was made from, compared in constant time.
    ///
    /// # Errors
    /// Where `hash` cannot be read.
    fn verify(
        &self,
        password: &Password,
        hash: &PasswordHash,
    ) -> impl Future<Output = Result<PasswordCheck, BackendError>> + Send;

    /// A hash that no password matches and whose verification costs what a real one costs: it is verified
    /// in place of an unknown user's, so that the time does not tell who has an account.
    fn dummy_hash(&self) -> &PasswordHash;
}

/// What [`PasswordHasher::verify`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PasswordCheck {
    /// The right password.
    Match,
    /// The right password, and its hash is to be replaced by one of today's kind.
    NeedsRehash,
    /// A wrong password.
    Mismatch,
}

/// What an access token is: issued after a sign-in, verified with every request.
///
/// ```
/// use std::{collections::HashMap, sync::RwLock, time::Duration};
/// use gatepass::{AccessToken, Claims, BackendError, IssuedToken, Timestamp, NewToken, TokenService};
///
/// const LIFETIME: Duration = Duration::from_secs(900);
///
/// /// Opaque tokens in memory, `new_token` being 256 random bits.
/// struct OpaqueTokens { issued: RwLock<HashMap<String, Claims>>, new_token: fn() -> String }
///
/// impl TokenService for OpaqueTokens {
///     async fn issue(&self, order: &NewToken) -> Result<IssuedToken, BackendError> {
///         let token = (self.new_token)();
///         let claims = Claims {
///             client_id: order.client_id.clone(),
///             session_id: order.session_id.clone(),
///             issued_at: Some(order.now),
///             expires_at: Some(order.now + LIFETIME),
///             ..Claims::new(order.subject.clone(), order.granted_scopes.clone())
///         };
///         self.issued.write().unwrap().insert(token.clone(), claims);
///         Ok(IssuedToken { access_token: token.into(), expires_in: Some(LIFETIME) })
///     }
///
///     async fn verify(&self, token: &AccessToken, now: Timestamp) -> Result<Option<Claims>, BackendError> {
///         let issued = self.issued.read().unwrap();
///         let valid = |claims: &&Claims| claims.expires_at.is_some_and(|end| now < end);
///         Ok(issued.get(token.expose()).filter(valid).cloned())
///     }
/// }
/// ```
pub trait TokenService: Send + Sync + 'static {
    /// A token as `order` asks for it.
    ///
    /// # Errors
    /// Where none could be made.
    fn issue(&self, order: &NewToken) -> impl Future<Output = Result<IssuedToken, BackendError>> + Send;

    /// What the token says, or `None` where it is not genuine or not valid at `now`.
    ///
    /// # Errors
    /// Where the service cannot say.
    fn verify(
        &self,
        token: &AccessToken,
        now: Timestamp,
    ) -> impl Future<Output = Result<Option<Claims>, BackendError>> + Send;
}

/// What a token is to say.
#[derive(Clone, Debug)]
pub struct NewToken {
    /// Whom it is for.
    pub subject: Subject,
    /// What it may be used for.
    pub granted_scopes: GrantedScopes,
    /// The client that asked for it, where one proved itself.
    pub client_id: Option<ClientId>,
    /// The session it belongs to, where there are sessions.
    pub session_id: Option<SessionId>,
    /// The moment it is issued at.
    pub now: Timestamp,
}

/// A fresh access token and what its client is told about it
/// ([RFC 6749 section 5.1](https://www.rfc-editor.org/rfc/rfc6749#section-5.1)).
#[derive(Clone, Debug)]
pub struct IssuedToken {
    /// The token itself.
    pub access_token: AccessToken,
    /// How long it is valid, where it ends by itself. Answered in whole seconds.
    pub expires_in: Option<Duration>,
}

/// The public halves of the keys that sign tokens, for those who verify tokens offline. Not one of the three
/// ports: a [`TokenService`] that signs with what others may know has some.
pub trait PublishedKeys: Send + Sync + 'static {
    /// The keys that verify at `now`, those that sign only later among them.
    ///
    /// # Errors
    /// Where the service cannot say.
    fn key_set(&self, now: Timestamp) -> Result<KeySet, BackendError>;
}

/// Published keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeySet {
    /// A JSON Web Key Set ([RFC 7517 section 5](https://www.rfc-editor.org/rfc/rfc7517#section-5)).
    pub json: String,
    /// How long it may be kept without missing a key that signs. Answered in whole seconds.
    pub fresh_for: Duration,
}

/// Which clients there are, where they have to prove themselves. Not one of the three ports: an application
/// without registered clients has none.
pub trait ClientRegistry: Send + Sync + 'static {
    /// Whether this is a client's name and its secret, compared in constant time.
    ///
    /// # Errors
    /// Where the registry cannot say.
    fn authenticate(
        &self,
        client_id: &ClientId,
        secret: &ClientSecret,
    ) -> impl Future<Output = Result<bool, BackendError>> + Send;
}
