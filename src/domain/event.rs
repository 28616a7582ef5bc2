//! Events, for the audit trail and metrics.

use crate::domain::{
    client::{ClientId, ClientInfo},
    session::SessionId,
    time::Timestamp,
    user::Subject,
};

/// An event: who did what, when and from where. It contains no secret, unless a user typed one into the username field.
#[derive(Clone, Debug)]
pub struct Event<'a> {
    /// The kind of event.
    pub kind: EventKind,
    /// The username as it was sent, whether or not such a user exists.
    pub username: Option<&'a str>,
    /// The user, if known.
    pub subject: Option<&'a Subject>,
    /// The client; `None` for the default client. If client authentication failed, this is the identifier that was
    /// sent.
    pub client_id: Option<&'a ClientId>,
    /// The session, if there is one.
    pub session_id: Option<&'a SessionId>,
    /// The sender of the request.
    pub client_info: &'a ClientInfo,
    /// The time of the event.
    pub now: Timestamp,
}

impl<'a> Event<'a> {
    /// Creates an event without a user, client or session.
    pub fn new(kind: EventKind, client_info: &'a ClientInfo, now: Timestamp) -> Self {
        Self { kind, username: None, subject: None, client_id: None, session_id: None, client_info, now }
    }
}

macro_rules! event_kinds {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        /// The kind of an event. Some events are caused by requests, and others by operators.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum EventKind {
            $($(#[$doc])* $name,)*
        }

        impl EventKind {
            /// All kinds.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// Returns the name that the audit trail and metrics use.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }
        }
    };
}

event_kinds! {
    /// A user signed in.
    SignedIn = "sign_in",
    /// A sign-in failed: the username is unknown or the password is wrong.
    SignInFailed = "sign_in_failed",
    /// A sign-in failed: the credentials are right, but the user is inactive.
    SignInInactive = "sign_in_inactive",
    /// A sign-in was throttled; the password was not verified.
    SignInBlocked = "sign_in_blocked",
    /// Client authentication failed.
    ClientFailed = "client_failed",
    /// Client authentication was throttled; the secret was not verified.
    ClientBlocked = "client_blocked",
    /// A request was refused because too many requests came from its address.
    RateLimited = "rate_limited",
    /// A request without a valid access token was refused (401).
    Unauthorized = "unauthorized",
    /// A request was refused because its access token lacks a scope (403).
    Forbidden = "forbidden",
    /// A client got a token through the client credentials grant.
    ClientTokenIssued = "token_issued",
    /// A refresh token was exchanged for new tokens.
    Refreshed = "refresh",
    /// A refresh token was used again within the grace period, and the response was repeated.
    RefreshRepeated = "refresh_repeated",
    /// A refresh token was rejected.
    RefreshFailed = "refresh_failed",
    /// A refresh token was reused, and its session ended.
    RefreshTokenReused = "refresh_token_reused",
    /// A token was revoked.
    TokenRevoked = "token_revoked",
    /// A user or an operator ended one session.
    SessionEnded = "session_ended",
    /// A user or an operator ended all sessions of a user.
    SessionsEnded = "sessions_ended",
    /// A sign-in ended the user's least recently used session, because the user had the maximum number of sessions.
    SessionEvicted = "session_evicted",
    /// A user changed their password.
    PasswordChanged = "password_changed",
    /// A password change failed: the current password is wrong, or too many attempts failed.
    PasswordChangeFailed = "password_change_failed",
    /// An operator added a user.
    UserAdded = "user_added",
    /// An operator changed a user.
    UserChanged = "user_changed",
    /// An operator disabled a user; the user's sessions ended.
    UserDisabled = "user_disabled",
    /// An operator enabled a user.
    UserEnabled = "user_enabled",
    /// An operator removed a user.
    UserRemoved = "user_removed",
    /// An operator imported users.
    UsersImported = "users_imported",
    /// An operator registered a client.
    ClientAdded = "client_added",
    /// An operator changed a client or its secrets.
    ClientChanged = "client_changed",
    /// An operator removed a client; its sessions ended.
    ClientRemoved = "client_removed",
    /// An operator cleared failed attempts, so that login throttling no longer delays attempts because of them.
    ThrottleCleared = "throttle_cleared",
    /// An operator created a signing key.
    KeyRotated = "key_rotated",
    /// An operator removed retired keys.
    KeysPruned = "keys_pruned",
}

impl EventKind {
    /// Returns whether the event is a refused attempt. Anyone can repeat such attempts at will, so the audit trail
    /// combines the attempts of each minute into entries with a count.
    pub fn is_failure(self) -> bool {
        matches!(
            self,
            Self::SignInFailed
                | Self::SignInInactive
                | Self::SignInBlocked
                | Self::ClientFailed
                | Self::ClientBlocked
                | Self::RateLimited
                | Self::Unauthorized
                | Self::Forbidden
                | Self::RefreshFailed
                | Self::PasswordChangeFailed
        )
    }
}

/// A receiver of events. Each request waits until the listeners return, so listeners must not block.
///
/// ```
/// use std::sync::atomic::{AtomicU64, Ordering};
/// use gatepass::events::{Event, EventListener};
///
/// /// Counts failed attempts.
/// #[derive(Default)]
/// struct Failures(AtomicU64);
///
/// impl EventListener for Failures {
///     fn on_event(&self, event: &Event<'_>) {
///         if event.kind.is_failure() {
///             self.0.fetch_add(1, Ordering::Relaxed);
///         }
///     }
/// }
/// ```
pub trait EventListener: Send + Sync + 'static {
    /// Handles an event.
    fn on_event(&self, event: &Event<'_>);
}
