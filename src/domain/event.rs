//! What happens, for an audit trail and for figures.

use crate::domain::{
    client::ClientId,
    session::{ClientInfo, SessionId},
    time::Timestamp,
    user::{Subject, Username},
};

/// Something that happened: who, what, when, from where. Never a secret.
#[derive(Clone, Debug)]
pub struct Event<'a> {
    /// What happened.
    pub kind: EventKind,
    /// The name that somebody gave, whether it is anybody's or not.
    pub username: Option<&'a Username>,
    /// The user.
    pub subject: Option<&'a Subject>,
    /// The client, once it proved itself.
    pub client_id: Option<&'a ClientId>,
    /// The session.
    pub session_id: Option<&'a SessionId>,
    /// Where the request came from.
    pub client_info: &'a ClientInfo,
    /// When.
    pub now: Timestamp,
}

impl<'a> Event<'a> {
    /// An event of which nothing else is known.
    pub fn new(kind: EventKind, client_info: &'a ClientInfo, now: Timestamp) -> Self {
        Self { kind, username: None, subject: None, client_id: None, session_id: None, client_info, now }
    }
}

macro_rules! event_kinds {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        /// What can happen: to a running service, or by its operator.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum EventKind {
            $($(#[$doc])* $name,)*
        }

        impl EventKind {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// Its name in an audit trail and in figures.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }
        }
    };
}

event_kinds! {
    /// Somebody signed in: a session began.
    SignedIn = "sign_in",
    /// No such user, or not their password.
    SignInFailed = "sign_in_failed",
    /// The right password of a user who is not active.
    SignInInactive = "sign_in_inactive",
    /// Too many failures before: the password was not looked at.
    SignInBlocked = "sign_in_blocked",
    /// A refresh token was used.
    Refreshed = "refresh",
    /// A refresh token was not good.
    RefreshFailed = "refresh_failed",
    /// A refresh token was used again: its session is ended.
    RefreshTokenReused = "refresh_token_reused",
    /// A token was revoked.
    TokenRevoked = "token_revoked",
    /// A user ended a session.
    SessionEnded = "session_ended",
    /// A user ended all sessions.
    SessionsEnded = "sessions_ended",
    /// A user changed the password.
    PasswordChanged = "password_changed",
    /// Somebody gave another password than the current one.
    PasswordChangeFailed = "password_change_failed",
    /// An operator added a user.
    UserAdded = "user_added",
    /// An operator changed a user.
    UserChanged = "user_changed",
    /// An operator disabled a user: their sessions are ended.
    UserDisabled = "user_disabled",
    /// An operator enabled a user.
    UserEnabled = "user_enabled",
    /// An operator removed a user.
    UserRemoved = "user_removed",
    /// An operator added many users.
    UsersImported = "users_imported",
    /// An operator registered a client.
    ClientAdded = "client_added",
    /// An operator removed a client: its sessions are ended.
    ClientRemoved = "client_removed",
    /// An operator made the next key.
    KeyRotated = "key_rotated",
    /// An operator removed keys whose tokens have all ended.
    KeysPruned = "keys_pruned",
}

/// Is told of what happens. It must not wait: requests do.
pub trait EventListener: Send + Sync + 'static {
    /// It happened.
    fn happened(&self, event: &Event<'_>);
}
