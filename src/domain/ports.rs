//! The traits that applications implement: user storage, password hashing, tokens and clients.
//!
//! Methods return `Ok(None)` for "not found", and [`PasswordCheck::Mismatch`] for a wrong password. A [`BackendError`]
//! means that a store or service failed.

#![expect(unreachable_pub, reason = "dynosaur generates unreachable `pub` items")]

use std::{sync::Arc, time::Duration};

use serde_json::{Map, Value};
use thiserror::Error;

use crate::domain::{
    backend_error::BackendError,
    claims::{Audience, Claims},
    client::{Client, ClientId},
    scope::GrantedScopes,
    secret::{AccessToken, Password, PasswordHash},
    session::SessionId,
    time::Timestamp,
    user::{Account, AuthUser, Subject, Username},
};

/// Storage for your users. Implement the methods as plain `async fn`.
///
/// # Rules
///
/// The suite `gatepass::testing::contract::user_store` (feature `testing`) checks these rules.
///
/// - **unknown-user**: `find_by_username` and `find_by_subject` return `Ok(None)` for every unknown string. An error
///   would cause a response with status 500, and anyone can send such strings.
/// - **distinct-subjects**: Each account has a unique subject, which never changes. Otherwise one user could access
///   another user's data.
/// - **found-by-subject**: `find_by_subject` returns the same user as `find_by_username`, with the same state and
///   scopes: a token contains only the subject.
/// - **replace-hash**: `replace_hash` stores the hash byte for byte, for this user only. A truncated hash would lock
///   the user out; Argon2id hashes are about 100 characters long.
/// - **replace-compares**: `replace_hash` does nothing unless the stored hash equals `old`, byte for byte: a concurrent
///   password change must win.
/// - **replace-unknown**: `replace_hash` changes nothing if the user does not exist. It may return an error.
///
/// # Example
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
/// struct Members(tokio::sync::RwLock<HashMap<u64, Account<Member>>>);
///
/// impl UserStore for Members {
///     type User = Member;
///
///     async fn find_by_username(&self, name: &Username) -> Result<Option<Account<Member>>, BackendError> {
///         let members = self.0.read().await;
///         Ok(members.values().find(|account| account.user.email == name.as_str()).cloned())
///     }
///
///     async fn find_by_subject(&self, subject: &Subject) -> Result<Option<Member>, BackendError> {
///         let Ok(id) = subject.as_str().parse() else { return Ok(None) };
///         Ok(self.0.read().await.get(&id).map(|account| account.user.clone()))
///     }
///
///     async fn replace_hash(
///         &self,
///         subject: &Subject,
///         old: &PasswordHash,
///         new: &PasswordHash,
///     ) -> Result<(), BackendError> {
///         let Ok(id) = subject.as_str().parse() else { return Ok(()) };
///         if let Some(account) = self.0.write().await.get_mut(&id)
///             && account.password_hash == *old
///         {
///             account.password_hash = new.clone();
///         }
///         Ok(())
///     }
/// }
/// ```
#[dynosaur::dynosaur(pub(crate) DynUserStore = dyn(box) UserStore)]
pub trait UserStore: Send + Sync {
    /// Your user model.
    type User: AuthUser;

    /// Returns the account with this username, or `None` if the username is unknown.
    ///
    /// # Errors
    /// [`BackendError`] if the store cannot be read.
    fn find_by_username(
        &self,
        username: &Username,
    ) -> impl Future<Output = Result<Option<Account<Self::User>>, BackendError>> + Send;

    /// Returns the user with this subject, or `None` if the user no longer exists.
    ///
    /// # Errors
    /// [`BackendError`] if the store cannot be read.
    fn find_by_subject(
        &self,
        subject: &Subject,
    ) -> impl Future<Output = Result<Option<Self::User>, BackendError>> + Send;

    /// Replaces the stored hash `old` with `new`, after a sign-in found that `old` is outdated. Does nothing if the
    /// user no longer exists, or if the stored hash is no longer `old` because the password was changed concurrently.
    ///
    /// # Errors
    /// [`BackendError`] if the hash could not be stored.
    fn replace_hash(
        &self,
        subject: &Subject,
        old: &PasswordHash,
        new: &PasswordHash,
    ) -> impl Future<Output = Result<(), BackendError>> + Send;
}

impl<S: UserStore> UserStore for Arc<S> {
    type User = S::User;

    async fn find_by_username(&self, username: &Username) -> Result<Option<Account<S::User>>, BackendError> {
        S::find_by_username(self, username).await
    }

    async fn find_by_subject(&self, subject: &Subject) -> Result<Option<S::User>, BackendError> {
        S::find_by_subject(self, subject).await
    }

    async fn replace_hash(
        &self,
        subject: &Subject,
        old: &PasswordHash,
        new: &PasswordHash,
    ) -> Result<(), BackendError> {
        S::replace_hash(self, subject, old, new).await
    }
}

/// Storage for the passwords of users that can change their passwords through Gatepass.
///
/// # Rules
///
/// The suite `gatepass::testing::contract::password_store` (feature `testing`) checks these rules.
///
/// - **same-hash**: `find_hash` returns the hash that the [`UserStore`] returns: sign-ins verify passwords against that
///   hash.
/// - **unknown-account**: For a user that does not exist, `find_hash` returns `None`, and `change_password` returns
///   `false` and changes nothing.
/// - **change-replaces**: `change_password` stores the hash byte for byte, for this user only.
/// - **change-compares**: `change_password` returns `false` and changes nothing if the stored hash is not `old`, the
///   hash that the current password was verified against.
/// - **change-once**: The comparison and the change are atomic. Of several concurrent calls, exactly one returns
///   `true`, and its hash is stored. Otherwise a user whose change succeeded might be unable to sign in with the new
///   password.
#[dynosaur::dynosaur(pub(crate) DynPasswordStore = dyn(box) PasswordStore)]
pub trait PasswordStore: Send + Sync {
    /// Returns the stored hash of this user's password, or `None` for an unknown user.
    ///
    /// # Errors
    /// [`BackendError`] if the store cannot be read.
    fn find_hash(
        &self,
        subject: &Subject,
    ) -> impl Future<Output = Result<Option<PasswordHash>, BackendError>> + Send;

    /// Replaces the stored hash `old` with `new` and returns `true`, or returns `false` if the stored hash is no longer
    /// `old` or the user does not exist.
    ///
    /// [`Auth`](crate::Auth) ends the user's sessions before and after this call. A store that keeps users and sessions
    /// in one database should also end the sessions in the transaction that changes the password. Then a crash after
    /// the change leaves no session open.
    ///
    /// # Errors
    /// [`BackendError`] if the hash could not be stored.
    fn change_password(
        &self,
        subject: &Subject,
        old: &PasswordHash,
        new: &PasswordHash,
        now: Timestamp,
    ) -> impl Future<Output = Result<bool, BackendError>> + Send;
}

impl<S: PasswordStore> PasswordStore for Arc<S> {
    async fn find_hash(&self, subject: &Subject) -> Result<Option<PasswordHash>, BackendError> {
        S::find_hash(self, subject).await
    }

    async fn change_password(
        &self,
        subject: &Subject,
        old: &PasswordHash,
        new: &PasswordHash,
        now: Timestamp,
    ) -> Result<bool, BackendError> {
        S::change_password(self, subject, old, new, now).await
    }
}

/// A password hasher. Implementations should hash on separate threads, because slow work must not block async workers.
///
/// ```
/// use std::sync::atomic::{AtomicU64, Ordering};
/// use gatepass::{BackendError, Password, PasswordCheck, PasswordHash, PasswordHasher};
///
/// /// Counts the verifications by the inner hasher, for a metric.
/// struct CountingHasher<H> { inner: H, verified: AtomicU64 }
///
/// impl<H: PasswordHasher> PasswordHasher for CountingHasher<H> {
///     async fn hash(&self, password: &Password) -> Result<PasswordHash, BackendError> {
///         self.inner.hash(password).await
///     }
///
///     async fn verify(&self, password: &Password, hash: &PasswordHash) -> Result<PasswordCheck, BackendError> {
///         self.verified.fetch_add(1, Ordering::Relaxed);
///         self.inner.verify(password, hash).await
///     }
///
///     fn dummy_hash(&self) -> &PasswordHash { self.inner.dummy_hash() }
/// }
/// ```
#[dynosaur::dynosaur(pub(crate) DynPasswordHasher = dyn(box) PasswordHasher)]
pub trait PasswordHasher: Send + Sync {
    /// Hashes a new password.
    ///
    /// # Errors
    /// [`BackendError`] if hashing failed.
    fn hash(&self, password: &Password) -> impl Future<Output = Result<PasswordHash, BackendError>> + Send;

    /// Verifies a password against a stored hash, in constant time.
    ///
    /// # Errors
    /// [`BackendError`] if verification failed.
    fn verify(
        &self,
        password: &Password,
        hash: &PasswordHash,
    ) -> impl Future<Output = Result<PasswordCheck, BackendError>> + Send;

    /// Returns a hash that no password matches and that takes as long to verify as a real one. [`Auth`](crate::Auth)
    /// verifies the passwords of unknown users against it, so that response times do not reveal which accounts exist.
    fn dummy_hash(&self) -> &PasswordHash;
}

impl<H: PasswordHasher> PasswordHasher for Arc<H> {
    async fn hash(&self, password: &Password) -> Result<PasswordHash, BackendError> {
        H::hash(self, password).await
    }

    async fn verify(&self, password: &Password, hash: &PasswordHash) -> Result<PasswordCheck, BackendError> {
        H::verify(self, password, hash).await
    }

    fn dummy_hash(&self) -> &PasswordHash {
        H::dummy_hash(self)
    }
}

/// The result of [`PasswordHasher::verify`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PasswordCheck {
    /// The password matches.
    Match,
    /// The password matches, but its hash is outdated and should be replaced.
    NeedsRehash,
    /// The password does not match.
    Mismatch,
}

/// Rules for new passwords.
#[dynosaur::dynosaur(pub(crate) DynPasswordPolicy = dyn(box) PasswordPolicy)]
pub trait PasswordPolicy: Send + Sync {
    /// Checks a new password. `context` contains words that attackers may know about the user, such as the username,
    /// the email address and the name of the service.
    ///
    /// # Errors
    /// [`BackendError`] if the password could not be checked. For a weak password, the result is `Ok(Err(…))`.
    fn check(
        &self,
        password: &Password,
        context: &[&str],
    ) -> impl Future<Output = Result<Result<(), WeakPassword>, BackendError>> + Send;
}

/// The reason why a new password is rejected. `Display` writes a message for the user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum WeakPassword {
    /// The password has too few characters (Unicode scalar values).
    #[error("the password must have at least {minimum} characters")]
    TooShort {
        /// The minimum length in characters.
        minimum: usize,
    },
    /// The password is longer than [`Password::MAX_BYTES`].
    #[error("the password is longer than 1,024 bytes")]
    TooLong,
    /// The password is common or easy to guess.
    #[error(
        "the password is too common or too easy to guess; choose another one, for example four unrelated words"
    )]
    TooEasy,
    /// The password consists of little more than the context words of [`PasswordPolicy::check`].
    #[error(
        "the password is based on the username, the name, the email address or the name of the service; choose a \
         password that does not contain them"
    )]
    UsesContext,
    /// The password is in a list of breached passwords.
    #[error("the password is in a list of breached passwords; choose another one")]
    Breached,
    /// The new password is the same as the current one.
    #[error("the new password is the same as the current password; choose another one")]
    Unchanged,
}

impl WeakPassword {
    /// The default minimum length in characters. NIST SP 800-63B-4 section 3.1.1.2 requires this minimum for passwords
    /// that are used without a second factor.
    pub(crate) const MIN_CHARACTERS: usize = 15;

    /// Checks the length of a new password.
    pub(crate) fn check_length(password: &Password, minimum: usize) -> Result<(), Self> {
        if password.expose().len() > Password::MAX_BYTES {
            Err(Self::TooLong)
        } else if password.expose().chars().count() < minimum {
            Err(Self::TooShort { minimum })
        } else {
            Ok(())
        }
    }
}

/// A service that issues access tokens.
///
/// ```
/// use std::{collections::HashMap, sync::RwLock, time::Duration};
/// use gatepass::{AccessToken, BackendError, Claims, IssuedToken, NewToken, Timestamp, TokenIssuer, TokenVerifier};
///
/// const LIFETIME: Duration = Duration::from_secs(900);
///
/// /// Opaque tokens in memory. `new_token` returns 256 random bits as a string.
/// struct OpaqueTokens { issued: RwLock<HashMap<String, Claims>>, new_token: fn() -> String }
///
/// impl TokenIssuer for OpaqueTokens {
///     async fn issue(&self, new: &NewToken) -> Result<IssuedToken, BackendError> {
///         let token = (self.new_token)();
///         let claims = Claims {
///             user_kind: Some(new.user_kind.into()),
///             client_id: new.client_id.clone(),
///             session_id: new.session_id.clone(),
///             sequence: new.sequence,
///             issued_at: Some(new.now),
///             expires_at: Some(new.now + LIFETIME),
///             ..Claims::new(new.subject.clone(), new.granted_scopes.clone())
///         };
///         self.issued.write().unwrap().insert(token.clone(), claims);
///         Ok(IssuedToken { access_token: token.into(), expires_in: Some(LIFETIME) })
///     }
/// }
///
/// impl TokenVerifier for OpaqueTokens {
///     async fn verify(&self, token: &AccessToken, now: Timestamp) -> Result<Option<Claims>, BackendError> {
///         let issued = self.issued.read().unwrap();
///         let valid = |claims: &&Claims| claims.expires_at.is_some_and(|end| now < end);
///         Ok(issued.get(token.expose()).filter(valid).cloned())
///     }
/// }
/// ```
#[dynosaur::dynosaur(pub(crate) DynTokenIssuer = dyn(box) TokenIssuer)]
pub trait TokenIssuer: Send + Sync {
    /// Issues a token with all fields of `new` that the token format supports. A token without `user_kind` is accepted
    /// for users of any kind.
    ///
    /// # Errors
    /// [`BackendError`] if no token could be issued.
    fn issue(&self, new: &NewToken) -> impl Future<Output = Result<IssuedToken, BackendError>> + Send;

    /// Returns the public keys that verify tokens at `now`, including keys that are not used for signing yet; `None` if
    /// tokens are not signed with a private key.
    ///
    /// # Errors
    /// [`BackendError`] if the keys cannot be read.
    fn key_set(&self, now: Timestamp) -> Result<Option<KeySet>, BackendError> {
        let _ = now;
        Ok(None)
    }

    /// Returns the algorithms (`alg`) of the keys that verify tokens at `now`; an empty list if tokens are not signed.
    fn algorithms(&self, now: Timestamp) -> Vec<&'static str> {
        let _ = now;
        Vec::new()
    }
}

/// A service that verifies access tokens.
#[dynosaur::dynosaur(pub(crate) DynTokenVerifier = dyn(box) TokenVerifier)]
pub trait TokenVerifier: Send + Sync {
    /// Returns the claims of a token, or `None` if the token is not genuine, is not valid at `now` or is not for this
    /// application's audience.
    ///
    /// # Errors
    /// [`BackendError`] if the token cannot be verified now, for example because no keys have been fetched yet.
    fn verify(
        &self,
        token: &AccessToken,
        now: Timestamp,
    ) -> impl Future<Output = Result<Option<Claims>, BackendError>> + Send;

    /// Verifies a token for any audience: an issuer also introspects and revokes tokens that it issued for other
    /// services. The default implementation calls [`verify`](Self::verify).
    ///
    /// # Errors
    /// The errors of [`verify`](Self::verify).
    fn verify_any_audience(
        &self,
        token: &AccessToken,
        now: Timestamp,
    ) -> impl Future<Output = Result<Option<Claims>, BackendError>> + Send {
        self.verify(token, now)
    }
}

impl<T: TokenIssuer> TokenIssuer for Arc<T> {
    async fn issue(&self, new: &NewToken) -> Result<IssuedToken, BackendError> {
        T::issue(self, new).await
    }

    fn key_set(&self, now: Timestamp) -> Result<Option<KeySet>, BackendError> {
        T::key_set(self, now)
    }

    fn algorithms(&self, now: Timestamp) -> Vec<&'static str> {
        T::algorithms(self, now)
    }
}

impl<T: TokenVerifier> TokenVerifier for Arc<T> {
    async fn verify(&self, token: &AccessToken, now: Timestamp) -> Result<Option<Claims>, BackendError> {
        T::verify(self, token, now).await
    }

    async fn verify_any_audience(
        &self,
        token: &AccessToken,
        now: Timestamp,
    ) -> Result<Option<Claims>, BackendError> {
        T::verify_any_audience(self, token, now).await
    }
}

/// The content of an access token to issue.
#[derive(Clone, Debug)]
pub struct NewToken {
    /// The user's subject, or [`ClientId::subject`] for a token without a user.
    pub subject: Subject,
    /// The kind of user: [`AuthUser::user_kind`] or [`Client::USER_KIND`].
    pub user_kind: &'static str,
    /// The granted scopes.
    pub granted_scopes: GrantedScopes,
    /// The client that requested the token. [`Auth`](crate::Auth) always sets it.
    pub client_id: Option<ClientId>,
    /// The audiences; empty for the issuer's own audience.
    pub audiences: Vec<Audience>,
    /// The session that the token belongs to, if there is a session store.
    pub session_id: Option<SessionId>,
    /// The number of the token response within the session. When the token is used, this number shows that the client
    /// received that response. Without it, reuse of a refresh token within the grace period may go unnoticed.
    pub sequence: Option<u64>,
    /// Additional claims from the application. Claims that Gatepass sets take precedence.
    pub extra_claims: Map<String, Value>,
    /// The time of issue.
    pub now: Timestamp,
}

/// A new access token ([RFC 6749 section 5.1](https://www.rfc-editor.org/rfc/rfc6749#section-5.1)).
#[derive(Clone, Debug)]
pub struct IssuedToken {
    /// The token.
    pub access_token: AccessToken,
    /// The lifetime of the token, if it expires.
    pub expires_in: Option<Duration>,
}

/// The public keys that verify tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeySet {
    /// A JSON Web Key Set ([RFC 7517 section 5](https://www.rfc-editor.org/rfc/rfc7517#section-5)).
    pub json: String,
    /// The cache lifetime of the set. A new key is published for longer than this before it is used for signing.
    pub max_age: Duration,
}

/// A registry of clients.
///
/// # Rules
///
/// The suite `gatepass::testing::contract::client_registry` (feature `testing`) checks these rules.
///
/// - **registered-client**: `find` returns a client with all fields as they were registered. The grants, scopes and
///   audiences limit the client's tokens.
/// - **unknown-client**: `find` returns `Ok(None)` for every identifier that is not registered. An error would cause a
///   response with status 500, and anyone can send any identifier.
/// - **exact-client-id**: Identifiers are compared byte for byte. Failed attempts are counted under the identifier in
///   the request, so another spelling would allow further guesses.
#[dynosaur::dynosaur(pub(crate) DynClientRegistry = dyn(box) ClientRegistry)]
pub trait ClientRegistry: Send + Sync {
    /// Returns the client with this identifier, or `None` if it is not registered. [`Auth`](crate::Auth) verifies the
    /// client's secret.
    ///
    /// # Errors
    /// [`BackendError`] if the registry cannot be read.
    fn find(&self, client_id: &ClientId)
    -> impl Future<Output = Result<Option<Client>, BackendError>> + Send;
}
