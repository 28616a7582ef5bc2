//! Sessions: what a sign-in begins, and what its tokens die with.

use std::net::IpAddr;

use crate::domain::{
    backend_error::BackendError,
    claims::Claims,
    client::ClientId,
    name::name,
    refresh::{TokenFamily, TokenHash},
    scope::GrantedScopes,
    secret::PasswordHash,
    time::Timestamp,
    user::{AuthUser, Subject},
};

name! {
    /// The name of a session: the tokens of one sign-in carry it
    /// ([`sid`](https://www.iana.org/assignments/jwt/jwt.xhtml)).
    SessionId
}

/// Where a request for a token came from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientInfo {
    /// The address of whoever sent it.
    pub address: Option<IpAddr>,
    /// The program that sent it, as it calls itself; at most [`ClientInfo::USER_AGENT_CHARACTERS`].
    pub user_agent: Option<String>,
}

impl ClientInfo {
    /// How much of a program's name for itself is kept.
    pub const USER_AGENT_CHARACTERS: usize = 256;
}

/// A session that is about to begin.
#[derive(Clone, Debug)]
pub struct NewSession<'a> {
    /// Its name, which nobody else has.
    pub id: &'a SessionId,
    /// Whose it is.
    pub subject: &'a Subject,
    /// The hash of the password that proved right.
    pub password_hash: &'a PasswordHash,
    /// The client it began through, where one proved itself.
    pub client_id: Option<&'a ClientId>,
    /// What its tokens may be used for at the most.
    pub granted_scopes: &'a GrantedScopes,
    /// Where it began.
    pub client_info: &'a ClientInfo,
    /// When it began.
    pub now: Timestamp,
    /// When nothing of it is valid any more, where it ends by itself.
    pub expires_at: Option<Timestamp>,
    /// The hashes of the name of its [`TokenFamily`] of refresh tokens and of the first of them, where it has any.
    pub refresh_token: Option<(&'a TokenHash, &'a TokenHash)>,
}

/// A session that lives, as its user sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Its name.
    pub id: SessionId,
    /// The client it began through, where one proved itself.
    pub client_id: Option<ClientId>,
    /// Where it got a token from last.
    pub client_info: ClientInfo,
    /// When it began.
    pub created: Timestamp,
    /// When it got a token last.
    pub last_used: Timestamp,
}

/// Which sessions live: with one, tokens die before their time. Not one of the three ports: an application whose
/// tokens are valid until they end has none.
///
/// What it answers must be as the last write left it: an [`Auth`](crate::Auth) that is to be spared the question
/// has a [`TokenCache`](crate::TokenCache).
pub trait SessionStore: Send + Sync + 'static {
    /// Begins a session, where its user is there and active and still has the password that proved right: a
    /// sign-in under way must not outlive a change of the password. Whether it began.
    ///
    /// # Errors
    /// Where it could not be stored.
    fn begin(&self, session: &NewSession<'_>) -> impl Future<Output = Result<bool, BackendError>> + Send;

    /// Whether the session of a token lives, and is its subject's, and the token was not [revoked](Self::revoke).
    /// A token without a session is not alive.
    ///
    /// # Errors
    /// Where the store cannot say.
    fn is_live(&self, claims: &Claims) -> impl Future<Output = Result<bool, BackendError>> + Send;

    /// Revokes one access token; its session lives on. Whether it was good until now: not where its session had ended,
    /// where it was revoked before, or where it has no name or no session.
    ///
    /// # Errors
    /// Where it could not be stored.
    fn revoke(
        &self,
        claims: &Claims,
        now: Timestamp,
    ) -> impl Future<Output = Result<bool, BackendError>> + Send;

    /// The sessions of a user that live at `now`, the one used last first.
    ///
    /// # Errors
    /// Where the store cannot say.
    fn list(
        &self,
        subject: &Subject,
        now: Timestamp,
    ) -> impl Future<Output = Result<Vec<Session>, BackendError>> + Send;

    /// Ends a session of this user with all its tokens. Whether there was such a session.
    ///
    /// # Errors
    /// Where it could not be stored.
    fn end(
        &self,
        subject: &Subject,
        id: &SessionId,
        now: Timestamp,
    ) -> impl Future<Output = Result<bool, BackendError>> + Send;

    /// Ends every session of a user.
    ///
    /// # Errors
    /// Where it could not be stored.
    fn end_all(
        &self,
        subject: &Subject,
        now: Timestamp,
    ) -> impl Future<Output = Result<(), BackendError>> + Send;
}

/// A store that has users and sessions in one place, and is asked once what [`UserStore`](crate::UserStore) and
/// [`SessionStore`] are asked one after the other: it halves what a token costs that was not seen before. An application
/// whose users and sessions are in two places has none.
pub trait BearerStore: Send + Sync + 'static {
    /// Your user model.
    type User: AuthUser;

    /// The user of a token as [`UserStore::find_by_subject`](crate::UserStore::find_by_subject) has them, and whether the
    /// token is live as [`SessionStore::is_live`] has it; `None` where there is no such user.
    ///
    /// # Errors
    /// Where the store cannot say.
    fn find_bearer(
        &self,
        claims: &Claims,
    ) -> impl Future<Output = Result<Option<(Self::User, bool)>, BackendError>> + Send;
}

/// Where families of refresh tokens are kept: none of their tokens, only hashes. The rules are
/// [`Auth`](crate::Auth)'s; a store finds a family and changes it in one step.
pub trait RefreshTokenStore: SessionStore {
    /// The family of this name, or `None`, as where its session has ended.
    ///
    /// # Errors
    /// Where the store cannot say.
    fn find_family(
        &self,
        name: &TokenHash,
    ) -> impl Future<Output = Result<Option<TokenFamily>, BackendError>> + Send;

    /// Puts a new token in the place of the newest one, if that still is `rotation.from`; in one step, so that of
    /// two who try one succeeds. Whether it was done.
    ///
    /// # Errors
    /// Where it could not be stored.
    fn rotate(&self, rotation: &Rotation<'_>) -> impl Future<Output = Result<bool, BackendError>> + Send;
}

/// A refresh token that takes the place of another.
#[derive(Clone, Debug)]
pub struct Rotation<'a> {
    /// The family's name.
    pub family: &'a TokenHash,
    /// The hash of the token that was used.
    pub from: &'a TokenHash,
    /// The hash of the new one.
    pub to: &'a TokenHash,
    /// What the new one was made of, beside the old one.
    pub salt: &'a str,
    /// Where the old one was used.
    pub client_info: &'a ClientInfo,
    /// When.
    pub now: Timestamp,
    /// When nothing of the session is valid any more, where it ends by itself.
    pub expires_at: Option<Timestamp>,
}
