//! Changes that reach what was recognised before.

use crate::domain::{client::ClientId, session::SessionId, time::Timestamp, user::Subject};

/// What has changed: whatever is remembered of it does not count any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Invalidation {
    /// A user, or all of the user's sessions at once.
    User(Subject),
    /// A session, or one of its tokens.
    Session(SessionId),
    /// A client, and with it all its sessions.
    Client(ClientId),
    /// Anything.
    Everything,
}

/// Is told of changes: a [`TokenCache`](crate::TokenCache) is.
pub trait CacheInvalidator: Send + Sync + 'static {
    /// Something has changed. When this returns, nothing that was known before counts.
    fn invalidate(&self, change: &Invalidation);

    /// Every change so far has been told, and what is known counts until this moment, if this is not said again: whoever
    /// says it may be stopped, as with a machine that is suspended, and then does not get to say
    /// [`lost`](Self::lost).
    fn synced_until(&self, until: Timestamp);

    /// Changes cannot be heard of any more, as where the database is out of reach: what is known may be wrong.
    fn disconnected(&self);

    /// Every change so far has been told.
    fn reconnected(&self);
}
