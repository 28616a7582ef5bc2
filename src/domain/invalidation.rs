//! Invalidation of cached tokens.

use crate::domain::{client::ClientId, session::SessionId, time::Timestamp, user::Subject};

/// A change that makes cached tokens stale.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Invalidation {
    /// A user changed, or all sessions of the user ended.
    User(Subject),
    /// A session ended, or one of its tokens was revoked.
    Session(SessionId),
    /// A client was removed, and its sessions ended.
    Client(ClientId),
    /// Anything may have changed.
    Everything,
}

/// Receives invalidations; [`TokenCache`](crate::cache::TokenCache) implements it.
pub trait CacheInvalidator: Send + Sync + 'static {
    /// Removes all entries that `change` makes stale. None of them is used after this returns.
    fn invalidate(&self, change: &Invalidation);

    /// Reports that all changes so far were delivered: the cache may be used until `deadline`, or longer if this is
    /// called again. A process that was suspended finds its cache stale, although nothing called
    /// [`disconnected`](Self::disconnected).
    fn synced_until(&self, deadline: Timestamp);

    /// Reports that changes are no longer received: the cache may be stale.
    fn disconnected(&self);

    /// Reports that changes are received again, and that all missed ones were delivered.
    fn reconnected(&self);
}
