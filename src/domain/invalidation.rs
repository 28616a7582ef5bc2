//! Invalidation of cached tokens.

use crate::domain::{client::ClientId, session::SessionId, time::Timestamp, user::Subject};

/// A change that makes cached tokens stale.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Invalidation {
    /// A user changed, or all sessions of the user ended.
    User(Subject),
    /// A session ended, or one of its tokens was revoked.
    Session(SessionId),
    /// A client changed, or was removed together with its sessions.
    Client(ClientId),
    /// Anything may have changed.
    Everything,
}

/// A receiver of invalidations, such as [`TokenCache`](crate::cache::TokenCache).
pub trait CacheInvalidator: Send + Sync + 'static {
    /// Removes all entries that `change` makes stale. After this method returns, none of these entries is used.
    fn invalidate(&self, change: &Invalidation);

    /// Reports that all changes so far were delivered: the cache may be used until `deadline`, or longer if this method
    /// is called again. If the process is suspended, the deadline makes the cache stale, even if nothing calls
    /// [`disconnected`](Self::disconnected).
    fn synced_until(&self, deadline: Timestamp);

    /// Reports that changes are no longer received: the cache may be stale.
    fn disconnected(&self);

    /// Reports that changes are received again, and that all missed changes were delivered.
    fn reconnected(&self);
}
