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
    /// Removes what `change` makes stale. Nothing stale is used after this returns.
    fn invalidate(&self, change: &Invalidation);

    /// Reports that all changes so far were delivered, and that the cache may be used until this time unless the report is
    /// repeated. The deadline also covers a process that is suspended and cannot call
    /// [`disconnected`](Self::disconnected).
    fn synced_until(&self, deadline: Timestamp);

    /// Reports that changes are no longer received: the cache may be stale.
    fn disconnected(&self);

    /// Reports that changes are received again, and that all of them were delivered.
    fn reconnected(&self);
}
