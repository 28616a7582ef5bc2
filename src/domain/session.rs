//! Sessions: a sign-in opens a session, and the tokens of a session are valid only until it ends.

#![expect(unreachable_pub, reason = "dynosaur generates unreachable `pub` items")]

use std::{borrow::Cow, num::NonZeroU32};

use crate::domain::{
    backend_error::BackendError,
    claims::{Audience, Claims},
    client::{ClientId, ClientInfo},
    name::name,
    scope::GrantedScopes,
    time::Timestamp,
    user::Subject,
};

name! {
    /// The identifier of a session, which all tokens of the session contain
    /// ([`sid`](https://www.iana.org/assignments/jwt/jwt.xhtml)).
    SessionId, "session id", 255 bytes
}

/// The owner of a session: a user, or a client that got its token through the client credentials grant. Users of
/// different kinds may have the same subject.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SessionOwner {
    /// The kind of user: [`AuthUser::user_kind`](crate::AuthUser::user_kind) or
    /// [`Client::USER_KIND`](crate::Client::USER_KIND).
    pub user_kind: Cow<'static, str>,
    /// The user's subject, or [`ClientId::subject`] for a session without a user.
    pub subject: Subject,
}

/// A number that increases whenever all sessions of a user are ended, for example after a password change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct CredentialsVersion(pub u64);

/// The SHA-256 of a session cookie or of a part of a refresh token, in base64url. Stores keep only these hashes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TokenHash(pub(crate) String);

impl TokenHash {
    /// Returns the hash: 43 characters.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Creates the hash from its stored string.
    pub fn from_stored(hash: String) -> Self {
        Self(hash)
    }
}

/// A session to open.
#[derive(Clone, Debug)]
pub struct NewSession<'a> {
    /// The identifier: 22 base64url characters with at least 128 random bits.
    pub id: &'a SessionId,
    /// The user, or the client in the client credentials grant.
    pub owner: &'a SessionOwner,
    /// The version of the user's credentials when they were verified.
    pub credentials_version: CredentialsVersion,
    /// The client that signed the user in; `None` for the default client.
    pub client_id: Option<&'a ClientId>,
    /// The scopes that tokens of the session may have.
    pub granted_scopes: &'a GrantedScopes,
    /// The audiences that tokens of the session may have; empty for the issuer's own audience.
    pub audiences: &'a [Audience],
    /// The sender of the request.
    pub client_info: &'a ClientInfo,
    /// The time of the sign-in.
    pub now: Timestamp,
    /// The time at which the last token of the session expires; `None` if its tokens do not expire.
    pub expires_at: Option<Timestamp>,
    /// The hashes of the token family's name and of its first token, if the session has refresh tokens. For a session
    /// with a cookie, both are the hash of the cookie.
    pub refresh_token: Option<(&'a TokenHash, &'a TokenHash)>,
    /// The maximum number of sessions for this user, including this one.
    pub max_sessions: NonZeroU32,
}

/// An active session, as shown to its user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// The identifier.
    pub id: SessionId,
    /// The client that signed the user in; `None` for the default client.
    pub client_id: Option<ClientId>,
    /// The sender of the last request for a token or, in a session with a cookie, of the last recorded request.
    pub client_info: ClientInfo,
    /// The time of the sign-in.
    pub created: Timestamp,
    /// The time of the request that `client_info` describes.
    pub last_used: Timestamp,
}

/// The refresh tokens of one session, each derived from the one before
/// ([RFC 9700 section 4.14.2](https://www.rfc-editor.org/rfc/rfc9700#section-4.14.2)). The current token is valid, and
/// the previous token is valid for a short grace period. Any use of another token of the family is reuse.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenFamily {
    /// The session.
    pub session_id: SessionId,
    /// The user.
    pub owner: SessionOwner,
    /// The client that the tokens were issued to; `None` for the default client.
    pub client_id: Option<ClientId>,
    /// The scopes that access tokens of the session may have.
    pub granted_scopes: GrantedScopes,
    /// The audiences that access tokens of the session may have; empty for the issuer's own audience.
    pub audiences: Vec<Audience>,
    /// The sender of the last request for a token.
    pub client_info: ClientInfo,
    /// The time of the sign-in.
    pub created: Timestamp,
    /// The hash of the current token.
    pub current: TokenHash,
    /// The token before the current one; `None` if the current token is the first one.
    pub previous: Option<PreviousToken>,
    /// The responses that contained the current token.
    pub delivery: Delivery,
}

/// The responses that contained the current refresh token of a session, by sequence number, and whether the client
/// received one. Every token response of a session has a number: 0 for the sign-in, and one more with each refresh. The
/// access token in the response contains the number as [`Claims::sequence`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// The time at which the current refresh token was issued.
    pub rotated: Timestamp,
    /// The number of the first response: that of the rotation, or 0 if no refresh token has been rotated yet.
    pub first: u64,
    /// The number of the first response to the sender of the last request for a token. Responses from `first` up to,
    /// but not including, this one were sent to other addresses or user agents, and were presumably lost.
    pub to_sender: u64,
    /// The number of the last response.
    pub last: u64,
    /// True if the use of an access token with the number `to_sender` or higher was recorded. Uses are recorded
    /// only while a response to a refresh may be repeated.
    pub is_received: bool,
}

impl Delivery {
    /// Returns the delivery after a sign-in at `now`.
    pub fn of_sign_in(now: Timestamp) -> Self {
        Self { rotated: now, first: 0, to_sender: 0, last: 0, is_received: false }
    }

    /// Returns the delivery after a rotation at `now`, whose response has the number `sequence`.
    pub fn of_rotation(now: Timestamp, sequence: u64) -> Self {
        Self { rotated: now, first: sequence, to_sender: sequence, last: sequence, is_received: false }
    }
}

/// A change to the [`Delivery`] of a session: a response was repeated, or the client received one.
#[derive(Clone, Debug)]
pub struct DeliveryUpdate<'a> {
    /// The session.
    pub session_id: &'a SessionId,
    /// The delivery before the change. The store replaces the delivery only if the stored one still equals `from`.
    pub from: &'a Delivery,
    /// The new delivery. `rotated` and `first` do not change.
    pub to: &'a Delivery,
    /// The sender and the time of the request for a token, if there was one.
    pub request: Option<(&'a ClientInfo, Timestamp)>,
}

/// The token before the current one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PreviousToken {
    /// The hash of the token.
    pub hash: TokenHash,
    /// The salt that the current token was derived with. With it, the current token can be derived again from the
    /// previous one.
    pub salt: String,
}

/// The replacement of a refresh token with the next one. In a session with a cookie, a rotation only records a use: all
/// three hashes are the hash of the cookie, and the salt is empty.
#[derive(Clone, Debug)]
pub struct Rotation<'a> {
    /// The hash of the family's name.
    pub family: &'a TokenHash,
    /// The hash of the token that was used.
    pub from: &'a TokenHash,
    /// The hash of the next token.
    pub to: &'a TokenHash,
    /// The salt that the next token was derived with.
    pub salt: &'a str,
    /// The sequence number of the response, one more than that of the last response.
    pub sequence: u64,
    /// The sender of the request.
    pub client_info: &'a ClientInfo,
    /// The time of the request.
    pub now: Timestamp,
    /// The time at which the last token of the session expires; `None` if its tokens do not expire.
    pub expires_at: Option<Timestamp>,
}

/// Storage for sessions and their refresh tokens, so that tokens can be revoked before they expire.
///
/// A read must see every write that completed before it. To avoid reads, use a [`TokenCache`](crate::cache::TokenCache)
/// instead of caching in the store. [`Auth`](crate::Auth) implements the rules for refresh tokens; the store only
/// compares and swaps. Times are passed as arguments, so a store needs no clock.
///
/// # Rules
///
/// The suite `gatepass::testing::contract::session_store` (feature `testing`) checks these rules.
///
/// Credentials versions:
///
/// - **stable-version**: Reading the version, opening a session and ending a single session do not change the version.
///   Otherwise sign-ins in progress would fail.
/// - **end-all**: `end_all` ends every session of the user and raises the version, even if the user has no session: a
///   sign-in may be in progress. Other users keep their sessions and versions.
/// - **stale-version**: `open` with an outdated version returns `None` and changes nothing, so that a sign-in in
///   progress does not survive a password change.
/// - **atomic-end-all**: The comparison and the insertion of `open` are atomic with respect to `end_all`. Otherwise a
///   session that is opened concurrently would survive a password change.
///
/// Tokens and owners:
///
/// - **active-session**: All tokens of a session are active from `open` until the session ends, unless they are
///   revoked. Session identifiers are compared byte for byte.
/// - **incomplete-token**: A token without `session_id` is not active, because it could not be revoked. A token without
///   `token_id` is active as long as its session is. `revoke` returns `false` for both kinds of token.
/// - **owner**: A session can be found, listed and ended, and its tokens can be revoked, only for its owner. Users of
///   different kinds with the same subject are different owners: customer 7 is not staff member 7.
/// - **revoke**: `revoke` invalidates one access token for as long as its session lasts, even after a refresh. The
///   session and its other tokens remain active. `revoke` returns `true` only if the token was active, so that each
///   revocation is reported once.
///
/// Listing and ending sessions:
///
/// - **list-order**: `list` returns the most recently used session first. Sign-ins and token requests count as uses.
/// - **list-expiry**: `list` returns the sessions whose `expires_at` is later than `now`, and those without an expiry.
///   Users end sessions from this list, so it must be complete.
/// - **list-content**: `list` returns the fields that `open` stored, byte for byte.
/// - **end-once**: `end` ends one session. It returns `true` only for the first call, so that the end of each session
///   is reported once.
/// - **eviction**: If the user has more than `max_sessions` sessions that have not expired, `open` ends the least
///   recently used ones, but never the new one, and returns their identifiers, so that caches drop their tokens.
/// - **concurrent-maximum**: Concurrent sign-ins do not exceed the maximum, and each ended session is returned once.
/// - **unknown-session**: For an unknown user, session or token, the result is `None`, `false` or an empty list,
///   whatever the identifier. Anyone can send any identifier, so the result is not an error.
///
/// Refresh tokens:
///
/// - **family-content**: `find_token_family` and `find_active` return what `open` stored. An empty set of scopes is not
///   [`GrantedScopes::All`].
/// - **exact-family**: A family is found by its name alone, which is compared byte for byte. A comparison that ignores
///   case would make guessing easier.
/// - **rotate-compares**: `rotate` replaces the token only if the current one is `from` and the last response has the
///   number `sequence - 1`. Otherwise it changes nothing, so that the reuse of a stolen token is detected.
/// - **rotate-once**: Of several concurrent calls to `rotate` for the same token, exactly one succeeds. Otherwise a
///   thief and the user could both get tokens.
/// - **rotate-extends**: `rotate` stores the sender, the time of the last use and the new expiry. Otherwise a session
///   in use would be removed or evicted.
/// - **delivery-compares**: `update_delivery` replaces the delivery only if the stored one equals `from`. The store
///   need not compare `rotated`, which only changes together with `first`. If `request` is `None`, the sender and the
///   time of the last use do not change.
/// - **delivery-once**: Of several concurrent calls to `update_delivery` and `rotate` for the same delivery, exactly
///   one succeeds. Otherwise the record of which responses were received would be wrong.
/// - **family-ends**: A family ends with its session. Revoking an access token does not end the family.
///
/// The suite cannot check the following rule, because it does not concern any method of this trait:
///
/// - Pruning: the store removes sessions some time after they expire. Otherwise they accumulate. A session without an
///   expiry is removed only when it ends. A revoked token is kept as long as its session.
#[dynosaur::dynosaur(pub(crate) DynSessionStore = dyn(box) SessionStore)]
pub trait SessionStore: Send + Sync {
    /// Returns the version of a user's credentials. For a user who never had a session, any constant version will do.
    ///
    /// # Errors
    /// [`BackendError`] if the store cannot be read.
    fn credentials_version(
        &self,
        owner: &SessionOwner,
    ) -> impl Future<Output = Result<CredentialsVersion, BackendError>> + Send;

    /// Opens a session, or returns `None` if the version of the user's credentials is no longer
    /// `session.credentials_version`: a sign-in in progress must not survive a password change. The comparison and the
    /// insertion are atomic with respect to [`end_all`](Self::end_all).
    ///
    /// If the user then has more than `session.max_sessions` sessions that have not expired, the least recently used
    /// ones end, and their identifiers are returned. This is atomic with respect to concurrent sign-ins.
    ///
    /// # Errors
    /// [`BackendError`] if the session could not be stored.
    fn open(
        &self,
        session: &NewSession<'_>,
    ) -> impl Future<Output = Result<Option<Vec<SessionId>>, BackendError>> + Send;

    /// Returns the delivery of a token's session, or `None` if the token is not active. A token is not active if it was
    /// [revoked](Self::revoke) or has no session, or if its session does not exist or does not belong to `owner`.
    ///
    /// # Errors
    /// [`BackendError`] if the store cannot be read.
    fn find_active(
        &self,
        owner: &SessionOwner,
        claims: &Claims,
    ) -> impl Future<Output = Result<Option<Delivery>, BackendError>> + Send;

    /// Revokes one access token without ending its session. Returns whether the token was active before. Returns
    /// `false` for a token without `token_id` or `session_id`, which cannot be revoked.
    ///
    /// # Errors
    /// [`BackendError`] if the revocation could not be stored.
    fn revoke(
        &self,
        owner: &SessionOwner,
        claims: &Claims,
        now: Timestamp,
    ) -> impl Future<Output = Result<bool, BackendError>> + Send;

    /// Returns a user's sessions that have not expired at `now`, most recently used first.
    ///
    /// # Errors
    /// [`BackendError`] if the store cannot be read.
    fn list(
        &self,
        owner: &SessionOwner,
        now: Timestamp,
    ) -> impl Future<Output = Result<Vec<Session>, BackendError>> + Send;

    /// Ends one of a user's sessions; its tokens are then no longer valid. Returns whether the user had such a session.
    ///
    /// # Errors
    /// [`BackendError`] if the change could not be stored.
    fn end(
        &self,
        owner: &SessionOwner,
        id: &SessionId,
        now: Timestamp,
    ) -> impl Future<Output = Result<bool, BackendError>> + Send;

    /// Ends every session of a user and raises the version of the user's credentials, atomically.
    ///
    /// # Errors
    /// [`BackendError`] if the change could not be stored.
    fn end_all(
        &self,
        owner: &SessionOwner,
        now: Timestamp,
    ) -> impl Future<Output = Result<(), BackendError>> + Send;

    /// Returns the token family with this name, or `None` if it does not exist or its session has ended.
    ///
    /// # Errors
    /// [`BackendError`] if the store cannot be read.
    fn find_token_family(
        &self,
        name: &TokenHash,
    ) -> impl Future<Output = Result<Option<TokenFamily>, BackendError>> + Send;

    /// Replaces the current refresh token if it is still `rotation.from`, and the last response is still the one before
    /// `rotation.sequence`. The delivery becomes [`Delivery::of_rotation`]. Returns whether the token was replaced. The
    /// operation is atomic: of two concurrent callers, exactly one succeeds.
    ///
    /// # Errors
    /// [`BackendError`] if the change could not be stored.
    fn rotate(&self, rotation: &Rotation<'_>) -> impl Future<Output = Result<bool, BackendError>> + Send;

    /// Replaces the delivery of a session if it is still `update.from`. If `update.request` is set, stores its sender
    /// and time as those of the last request for a token. Returns whether the delivery was replaced. The operation is
    /// atomic with respect to concurrent calls to this method and to [`rotate`](Self::rotate).
    ///
    /// # Errors
    /// [`BackendError`] if the change could not be stored.
    fn update_delivery(
        &self,
        update: &DeliveryUpdate<'_>,
    ) -> impl Future<Output = Result<bool, BackendError>> + Send;
}
