//! Sessions: opened by a sign-in, they end with all their tokens.

#![expect(unreachable_pub, reason = "the code that dynosaur generates")]

use std::borrow::Cow;

use crate::domain::{
    backend_error::BackendError,
    claims::Claims,
    client::{ClientId, ClientInfo},
    name::name,
    scope::GrantedScopes,
    time::Timestamp,
    user::Subject,
};

name! {
    /// The identifier of a session, which all its tokens carry
    /// ([`sid`](https://www.iana.org/assignments/jwt/jwt.xhtml)).
    SessionId, "session id", 255 bytes
}

/// The user that a session belongs to. Users of two kinds may have the same subject.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SessionOwner {
    /// The kind of user, [`AuthUser::user_kind`](crate::AuthUser::user_kind).
    pub user_kind: Cow<'static, str>,
    /// The user.
    pub subject: Subject,
}

/// A number that grows whenever all sessions of a user end, as after a change of the password.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct CredentialsVersion(pub u64);

/// The SHA-256 of a part of a refresh token, in base64url: the only trace of it that a store keeps.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TokenHash(pub(crate) String);

impl TokenHash {
    /// The text: 43 characters.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A hash that a store has kept.
    pub fn from_stored(hash: String) -> Self {
        Self(hash)
    }
}

/// A session to open.
#[derive(Clone, Debug)]
pub struct NewSession<'a> {
    /// The identifier: random and unique.
    pub id: &'a SessionId,
    /// The user.
    pub owner: &'a SessionOwner,
    /// The version of the user's credentials that were verified.
    pub credentials_version: CredentialsVersion,
    /// The client that signed the user in, if it authenticated.
    pub client_id: Option<&'a ClientId>,
    /// The scopes that tokens of the session may have.
    pub granted_scopes: &'a GrantedScopes,
    /// The sender of the request.
    pub client_info: &'a ClientInfo,
    /// The time of the sign-in.
    pub now: Timestamp,
    /// The time from which no token of the session is valid, if there is one.
    pub expires_at: Option<Timestamp>,
    /// The hashes that name the family of refresh tokens and its first token, if the session has refresh tokens.
    pub refresh_token: Option<(&'a TokenHash, &'a TokenHash)>,
}

/// An active session, as its user sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// The identifier.
    pub id: SessionId,
    /// The client that signed the user in, if it authenticated.
    pub client_id: Option<ClientId>,
    /// The sender of the last request for a token.
    pub client_info: ClientInfo,
    /// The time of the sign-in.
    pub created: Timestamp,
    /// The time of the last request for a token.
    pub last_used: Timestamp,
}

/// The refresh tokens of one session, each derived from the one before
/// ([RFC 9700 section 4.14.2](https://www.rfc-editor.org/rfc/rfc9700#section-4.14.2)). The current token is valid, the
/// previous one for a short grace period; the use of any other is reuse.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenFamily {
    /// The session.
    pub session_id: SessionId,
    /// The user.
    pub owner: SessionOwner,
    /// The client that the tokens were issued to, if it authenticated.
    pub client_id: Option<ClientId>,
    /// The scopes that access tokens of the session may have.
    pub granted_scopes: GrantedScopes,
    /// The time of the sign-in.
    pub created: Timestamp,
    /// The hash of the current token.
    pub current: TokenHash,
    /// The time at which the current token was issued.
    pub rotated: Timestamp,
    /// The token before the current one, unless the current one is the first.
    pub previous: Option<PreviousToken>,
}

/// The token before the current one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PreviousToken {
    /// The hash of the token.
    pub hash: TokenHash,
    /// The salt that the current token was derived with: the holder of the previous token can derive the current one.
    pub salt: String,
}

/// The replacement of a refresh token by the next one.
#[derive(Clone, Debug)]
pub struct Rotation<'a> {
    /// The hash that names the family.
    pub family: &'a TokenHash,
    /// The hash of the token that was used.
    pub from: &'a TokenHash,
    /// The hash of the next token.
    pub to: &'a TokenHash,
    /// The salt that the next token was derived with.
    pub salt: &'a str,
    /// The sender of the request.
    pub client_info: &'a ClientInfo,
    /// The time of the request.
    pub now: Timestamp,
    /// The time from which no token of the session is valid, if there is one.
    pub expires_at: Option<Timestamp>,
}

/// Storage for sessions and their refresh tokens. With one, tokens can be revoked before they expire.
///
/// A read must see every write that completed before it: an [`Auth`](crate::Auth) that should avoid the reads has a
/// [`TokenCache`](crate::cache::TokenCache). The rules of refresh tokens are `Auth`'s; the store only compares and swaps.
#[dynosaur::dynosaur(pub(crate) DynSessionStore = dyn(box) SessionStore)]
pub trait SessionStore: Send + Sync {
    /// Returns the version of a user's credentials; a user without sessions so far may have any constant version.
    ///
    /// # Errors
    /// [`BackendError`] if the store cannot be read.
    fn credentials_version(
        &self,
        owner: &SessionOwner,
    ) -> impl Future<Output = Result<CredentialsVersion, BackendError>> + Send;

    /// Opens a session and returns `true`, or returns `false` if the version of the user's credentials is no longer
    /// `session.credentials_version`: a sign-in in progress must not survive a change of the password. Comparing and
    /// inserting are one step with respect to [`end_all`](Self::end_all).
    ///
    /// # Errors
    /// [`BackendError`] if the session could not be stored.
    fn open(&self, session: &NewSession<'_>) -> impl Future<Output = Result<bool, BackendError>> + Send;

    /// Returns whether the session of a token exists, belongs to `owner`, and the token was not
    /// [revoked](Self::revoke). A token without a session is not active.
    ///
    /// # Errors
    /// [`BackendError`] if the store cannot be read.
    fn is_active(
        &self,
        owner: &SessionOwner,
        claims: &Claims,
    ) -> impl Future<Output = Result<bool, BackendError>> + Send;

    /// Revokes one access token; its session stays. Returns whether the token was active until now; a token without
    /// `token_id` or `session_id` never is.
    ///
    /// # Errors
    /// [`BackendError`] if the revocation could not be stored.
    fn revoke(
        &self,
        owner: &SessionOwner,
        claims: &Claims,
        now: Timestamp,
    ) -> impl Future<Output = Result<bool, BackendError>> + Send;

    /// Returns the sessions of a user that have not expired at `now`, the last used one first.
    ///
    /// # Errors
    /// [`BackendError`] if the store cannot be read.
    fn list(
        &self,
        owner: &SessionOwner,
        now: Timestamp,
    ) -> impl Future<Output = Result<Vec<Session>, BackendError>> + Send;

    /// Ends a session of this user with all its tokens. Returns whether there was one.
    ///
    /// # Errors
    /// [`BackendError`] if the change could not be stored.
    fn end(
        &self,
        owner: &SessionOwner,
        id: &SessionId,
        now: Timestamp,
    ) -> impl Future<Output = Result<bool, BackendError>> + Send;

    /// Ends every session of a user and raises the version of the user's credentials, in one step.
    ///
    /// # Errors
    /// [`BackendError`] if the change could not be stored.
    fn end_all(
        &self,
        owner: &SessionOwner,
        now: Timestamp,
    ) -> impl Future<Output = Result<(), BackendError>> + Send;

    /// Returns the family of refresh tokens with this name, or `None`, also if its session has ended.
    ///
    /// # Errors
    /// [`BackendError`] if the store cannot be read.
    fn find_token_family(
        &self,
        name: &TokenHash,
    ) -> impl Future<Output = Result<Option<TokenFamily>, BackendError>> + Send;

    /// Replaces the current refresh token if it still is `rotation.from`, in one step: of two callers one succeeds.
    /// Returns whether it was replaced.
    ///
    /// # Errors
    /// [`BackendError`] if the change could not be stored.
    fn rotate(&self, rotation: &Rotation<'_>) -> impl Future<Output = Result<bool, BackendError>> + Send;
}
