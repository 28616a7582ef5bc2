//! The token cache: a cached token needs neither a signature check nor a query.

use std::{
    collections::HashMap,
    fmt,
    num::NonZeroUsize,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use quick_cache::sync::Cache;
use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::{
    auth::{Authentication, authenticate::Accepted},
    domain::{
        backend_error::BackendError,
        claims::Claims,
        client::ClientId,
        invalidation::{CacheInvalidator, Invalidation},
        session::SessionId,
        time::Timestamp,
        user::Subject,
    },
};

/// A cache of the results of [authentication](crate::Auth::authenticate) and introspection, keyed by the SHA-256 of the
/// access token or session cookie. Rarely used entries are evicted. An entry is valid until its token expires or the
/// entry is [invalidated](CacheInvalidator::invalidate).
///
/// The cache must receive every change: code that writes to a [`UserStore`](crate::UserStore), a
/// [`SessionStore`](crate::sessions::SessionStore) or a [`ClientRegistry`](crate::ClientRegistry) must invalidate the
/// affected entries before it reports success. The stores of `gatepass::sql` do so for a cache that is passed to
/// `Database::watch`, which also receives changes from other processes. Pass the cache to `JwtTokens::watch` as well,
/// so that the removal of a signing key clears it.
///
/// ```
/// use std::{num::NonZeroUsize, sync::Arc};
/// use gatepass::{Auth, Subject, cache::{CacheInvalidator, Invalidation, TokenCache}};
/// use gatepass::tutorial::{InsecureFakeHasher, InsecureSubjectTokens, TutorialUsers};
///
/// let cache = Arc::new(TokenCache::new(NonZeroUsize::new(10_000).unwrap()));
/// let auth = Auth::builder(TutorialUsers::default())
///     .passwords(InsecureFakeHasher::default())
///     .tokens(InsecureSubjectTokens)
///     .token_cache(Arc::clone(&cache))
///     .build()?;
///
/// // After johndoe was changed in your user table:
/// cache.invalidate(&Invalidation::User(Subject::new("johndoe")?));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct TokenCache<U> {
    tokens: Cache<TokenDigest, Entry<U>>,
    index: Mutex<Index>,
    /// The number of invalidations so far.
    generation: AtomicU64,
    is_disconnected: AtomicBool,
    /// The Unix time after which the cache is stale, in seconds.
    synced_until: AtomicU64,
    hits: AtomicU64,
    misses: AtomicU64,
}

/// The statistics of a [`TokenCache`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenCacheStats {
    /// The number of lookups that found the token.
    pub hits: u64,
    /// The number of lookups that did not find the token.
    pub misses: u64,
    /// The number of entries.
    pub entries: usize,
}

/// The SHA-256 of a token.
type TokenDigest = [u8; 32];

/// Returns the cache key of a token or a cookie. The key depends on `accepted`: a cached token for another service is
/// never accepted here, and a cookie is never accepted as a token. The hash input begins with `accepted`, because the
/// sender chooses the rest.
fn digest(token: &str, accepted: Accepted) -> TokenDigest {
    Sha256::new_with_prefix([accepted as u8]).chain_update(token).finalize().into()
}

#[derive(Clone)]
struct Entry<U> {
    authentication: Authentication<U>,
    expires_at: Option<Timestamp>,
}

/// The cached tokens by user and by session. Some may already have been evicted from the cache.
#[derive(Default)]
struct Index {
    users: HashMap<Subject, Vec<TokenDigest>>,
    sessions: HashMap<SessionId, SessionTokens>,
    /// An upper bound on the number of tokens in `users`.
    tokens: u64,
}

struct SessionTokens {
    client_id: Option<ClientId>,
    tokens: Vec<TokenDigest>,
}

/// The result of [`TokenCache::lookup`].
pub(super) enum Lookup<U> {
    Hit(Authentication<U>),
    Miss(Miss),
}

/// A token that is not cached.
pub(super) struct Miss {
    digest: TokenDigest,
    /// The generation at the time of the lookup, before the stores are read. The result is not cached if anything is
    /// invalidated in the meantime.
    generation: u64,
}

#[derive(Debug, Error)]
#[error("the token cache is stale: the change feed is not connected")]
struct Stale;

impl<U: Clone> TokenCache<U> {
    /// Creates a cache for at most `tokens` entries.
    pub fn new(tokens: NonZeroUsize) -> Self {
        Self {
            tokens: Cache::new(tokens.get()),
            index: Mutex::default(),
            generation: AtomicU64::new(0),
            is_disconnected: AtomicBool::new(false),
            synced_until: AtomicU64::new(u64::MAX),
            hits: AtomicU64::new(0),
            misses: AtomicU64::new(0),
        }
    }

    /// Returns the statistics.
    pub fn stats(&self) -> TokenCacheStats {
        TokenCacheStats {
            hits: self.hits.load(Ordering::Relaxed),
            misses: self.misses.load(Ordering::Relaxed),
            entries: self.tokens.len(),
        }
    }

    pub(super) fn lookup(
        &self,
        token: &str,
        accepted: Accepted,
        now: Timestamp,
    ) -> Result<Lookup<U>, BackendError> {
        if self.is_disconnected.load(Ordering::Acquire)
            || now.as_unix() > self.synced_until.load(Ordering::Acquire)
        {
            return Err(BackendError::unavailable(Stale));
        }
        let digest = digest(token, accepted);
        let generation = self.generation.load(Ordering::Acquire);
        match self.tokens.get(&digest) {
            Some(entry) if entry.expires_at.is_none_or(|end| now < end) => {
                self.hits.fetch_add(1, Ordering::Relaxed);
                Ok(Lookup::Hit(entry.authentication))
            }
            _ => {
                self.misses.fetch_add(1, Ordering::Relaxed);
                Ok(Lookup::Miss(Miss { digest, generation }))
            }
        }
    }

    /// Caches the result for a miss, unless anything was invalidated since the lookup.
    pub(super) fn insert(&self, miss: Miss, claims: &Claims, authentication: Authentication<U>) {
        let Miss { digest, generation } = miss;
        let mut index = self.index();
        // The generation does not change while the index is locked.
        if self.generation.load(Ordering::Acquire) != generation {
            return;
        }
        index.add(digest, claims);
        self.tokens.insert(digest, Entry { authentication, expires_at: claims.expires_at });
        let capacity = self.tokens.capacity();
        index.shrink(capacity.saturating_add(capacity / 4), |token| self.tokens.contains_key(token));
    }

    fn index(&self) -> MutexGuard<'_, Index> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<U: Clone + Send + Sync + 'static> CacheInvalidator for TokenCache<U> {
    fn invalidate(&self, change: &Invalidation) {
        let mut index = self.index();
        let remove = |tokens: &[TokenDigest]| {
            for token in tokens {
                self.tokens.remove(token);
            }
        };
        match change {
            Invalidation::User(subject) => {
                index.users.remove(subject).iter().for_each(|tokens| remove(tokens));
            }
            Invalidation::Session(id) => {
                index.sessions.remove(id).iter().for_each(|session| remove(&session.tokens));
            }
            Invalidation::Client(client_id) => {
                index
                    .sessions
                    .extract_if(|_, session| session.client_id.as_ref() == Some(client_id))
                    .for_each(|(_, session)| remove(&session.tokens));
                // The client's own tokens, which may have no session.
                let client_tokens = client_id.subject().ok().and_then(|subject| index.users.remove(&subject));
                client_tokens.iter().for_each(|tokens| remove(tokens));
            }
            Invalidation::Everything => {
                *index = Index::default();
                self.tokens.clear();
            }
        }
        // The generation changes after the removal, so that a thread that sees the new generation cannot find the old
        // entries.
        self.generation.fetch_add(1, Ordering::Release);
    }

    fn synced_until(&self, deadline: Timestamp) {
        self.synced_until.store(deadline.as_unix(), Ordering::Release);
    }

    fn disconnected(&self) {
        self.is_disconnected.store(true, Ordering::Release);
    }

    fn reconnected(&self) {
        self.is_disconnected.store(false, Ordering::Release);
    }
}

impl Index {
    fn add(&mut self, token: TokenDigest, claims: &Claims) {
        self.users.entry(claims.subject.clone()).or_default().push(token);
        if let Some(id) = &claims.session_id {
            let new = || SessionTokens { client_id: claims.client_id.clone(), tokens: Vec::new() };
            self.sessions.entry(id.clone()).or_insert_with(new).tokens.push(token);
        }
        self.tokens += 1;
    }

    /// Removes evicted tokens once the index contains more than `limit` tokens.
    fn shrink(&mut self, limit: u64, is_cached: impl Fn(&TokenDigest) -> bool) {
        if self.tokens <= limit {
            return;
        }
        let retain = |tokens: &mut Vec<TokenDigest>| {
            // A token that was evicted and cached again is in the list twice.
            tokens.sort_unstable();
            tokens.dedup();
            tokens.retain(&is_cached);
            !tokens.is_empty()
        };
        self.users.retain(|_, tokens| retain(tokens));
        self.sessions.retain(|_, session| retain(&mut session.tokens));
        self.tokens = self.users.values().map(|tokens| tokens.len() as u64).sum();
    }
}

impl<U: Clone> fmt::Debug for TokenCache<U> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenCache").field("entries", &self.tokens.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
