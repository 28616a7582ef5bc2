//! The three seams: where users come from, how passwords are hashed, what a token is.
//!
//! "Not found" is `Ok(None)` and a wrong password is a [`Verdict`]; a [`Fault`] means that something broke.

use std::time::Duration;

use crate::domain::{
    claims::Claims,
    fault::Fault,
    secret::{AccessToken, Password, PasswordHash},
    user::{Account, AuthUser, Subject, Username},
};

/// Where your users are. Implement it with plain `async fn`.
///
/// ```
/// use std::collections::HashMap;
/// use gatepass::{Account, AuthUser, Fault, PasswordHash, Subject, UserStore, Username};
/// # #[derive(Clone)] struct Member { id: u64, email: String }
/// # impl AuthUser for Member {
/// #     fn subject(&self) -> Subject { self.id.into() }
/// #     fn is_active(&self) -> bool { true }
/// # }
/// struct Members(std::sync::RwLock<HashMap<u64, Account<Member>>>);
///
/// impl UserStore for Members {
///     type User = Member;
///
///     async fn find_by_username(&self, name: &Username) -> Result<Option<Account<Member>>, Fault> {
///         let members = self.0.read().unwrap();
///         Ok(members.values().find(|account| account.user.email == name.as_str()).cloned())
///     }
///
///     async fn find_by_subject(&self, subject: &Subject) -> Result<Option<Member>, Fault> {
///         let Ok(id) = subject.as_str().parse() else { return Ok(None) };
///         Ok(self.0.read().unwrap().get(&id).map(|account| account.user.clone()))
///     }
///
///     async fn replace_hash(&self, subject: &Subject, hash: PasswordHash) -> Result<(), Fault> {
///         let id = subject.as_str().parse()?;
///         if let Some(account) = self.0.write().unwrap().get_mut(&id) {
///             account.password_hash = hash;
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
    ) -> impl Future<Output = Result<Option<Account<Self::User>>, Fault>> + Send;

    /// The user a token was issued to, or `None` where there is no such user any more.
    ///
    /// # Errors
    /// Where the store cannot say.
    fn find_by_subject(
        &self,
        subject: &Subject,
    ) -> impl Future<Output = Result<Option<Self::User>, Fault>> + Send;

    /// Puts `hash` in the place of the stored one; called after a sign-in whose hash was outdated.
    /// An unknown subject is no error.
    ///
    /// # Errors
    /// Where it could not be stored.
    fn replace_hash(
        &self,
        subject: &Subject,
        hash: PasswordHash,
    ) -> impl Future<Output = Result<(), Fault>> + Send;
}

/// How passwords are hashed. Slow work belongs off the async workers, on threads of the hasher's own.
///
/// ```
/// use gatepass::{Fault, Password, PasswordHash, PasswordHasher, Verdict};
///
/// /// Plain text: to show the shape, not to be used.
/// struct PlainText { decoy: PasswordHash }
///
/// impl PasswordHasher for PlainText {
///     async fn hash(&self, password: &Password) -> Result<PasswordHash, Fault> {
///         Ok(format!("plain:{}", password.expose()).into())
///     }
///
///     async fn verify(&self, password: &Password, hash: &PasswordHash) -> Result<Verdict, Fault> {
///         let same = hash.expose().strip_prefix("plain:") == Some(password.expose());
///         Ok(if same { Verdict::Match } else { Verdict::Mismatch })
///     }
///
///     fn decoy(&self) -> &PasswordHash { &self.decoy }
/// }
/// ```
pub trait PasswordHasher: Send + Sync + 'static {
    /// The hash to store for a new password.
    ///
    /// # Errors
    /// Where hashing failed.
    fn hash(&self, password: &Password) -> impl Future<Output = Result<PasswordHash, Fault>> + Send;

    /// Whether `password` is the one that `hash` was made from, compared in constant time.
    ///
    /// # Errors
    /// Where `hash` cannot be read.
    fn verify(
        &self,
        password: &Password,
        hash: &PasswordHash,
    ) -> impl Future<Output = Result<Verdict, Fault>> + Send;

    /// A hash that no password matches and whose verification costs what a real one costs: it is verified
    /// in place of an unknown user's, so that the time does not tell who has an account.
    fn decoy(&self) -> &PasswordHash;
}

/// What [`PasswordHasher::verify`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The right password.
    Match,
    /// The right password, and its hash is to be replaced by one of today's kind.
    Outdated,
    /// A wrong password.
    Mismatch,
}

/// What an access token is: issued after a sign-in, verified with every request.
///
/// ```
/// use std::{collections::HashMap, sync::RwLock};
/// use gatepass::{AccessToken, Claims, Fault, IssuedToken, Subject, TokenService};
///
/// /// Opaque tokens in memory, `new_token` being 256 random bits.
/// struct OpaqueTokens { issued: RwLock<HashMap<String, Subject>>, new_token: fn() -> String }
///
/// impl TokenService for OpaqueTokens {
///     async fn issue(&self, subject: &Subject) -> Result<IssuedToken, Fault> {
///         let token = (self.new_token)();
///         self.issued.write().unwrap().insert(token.clone(), subject.clone());
///         Ok(IssuedToken { access_token: token.into(), expires_in: None })
///     }
///
///     async fn verify(&self, token: &AccessToken) -> Result<Option<Claims>, Fault> {
///         let issued = self.issued.read().unwrap();
///         Ok(issued.get(token.expose()).map(|subject| Claims::new(subject.clone())))
///     }
/// }
/// ```
pub trait TokenService: Send + Sync + 'static {
    /// A token for the user named by `subject`.
    ///
    /// # Errors
    /// Where none could be made.
    fn issue(&self, subject: &Subject) -> impl Future<Output = Result<IssuedToken, Fault>> + Send;

    /// What the token says, or `None` where it is not genuine or no longer valid.
    ///
    /// # Errors
    /// Where the service cannot say.
    fn verify(&self, token: &AccessToken) -> impl Future<Output = Result<Option<Claims>, Fault>> + Send;
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
