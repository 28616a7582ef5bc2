//! The token cache: a cached token costs neither a signature check nor a query.

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
    auth::Authentication,
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

/// The results of [`Auth::authenticate`](crate::Auth::authenticate), by the SHA-256 of the token. The least recently used
/// tokens are evicted; an entry is valid until its token expires or is [invalidated](CacheInvalidator::invalidate).
///
/// The cache is right as long as it receives every change: code that writes to a [`UserStore`](crate::UserStore) or a
/// [`SessionStore`](crate::sessions::SessionStore) invalidates the entries before it reports success. The stores of `gatepass::sql`
/// do so for a cache that was passed to `Database::watch`, which also receives the changes of other processes. Pass the
/// cache to `JwtTokens::watch` as well, for keys that are removed.
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
/// // After a change of johndoe in your table of users:
/// cache.invalidate(&Invalidation::User(Subject::new("johndoe")?));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct TokenCache<U> {
    tokens: Cache<TokenDigest, Entry<U>>,
    index: Mutex<Index>,
    /// The number of invalidations so far.
    generation: AtomicU64,
    is_disconnected: AtomicBool,
    /// The second after which the cache is stale.
    synced_until: AtomicU64,
    hits: AtomicU64,
    misses: AtomicU64,
}

/// The statistics of a [`TokenCache`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenCacheStats {
    /// The number of tokens that were found.
    pub hits: u64,
    /// The number of tokens that were not found.
    pub misses: u64,
    /// The number of entries.
    pub entries: usize,
}

/// The SHA-256 of a token.
type TokenDigest = [u8; 32];

struct Entry<U> {
    authentication: Authentication<U>,
    expires_at: Option<Timestamp>,
}

/// The entries by user and by session. Some may have been evicted.
#[derive(Default)]
struct Index {
    users: HashMap<Subject, Vec<TokenDigest>>,
    sessions: HashMap<SessionId, SessionTokens>,
    /// An upper bound of the number of entries.
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

/// A token to look up in the stores.
pub(super) struct Miss {
    digest: TokenDigest,
    /// The generation before the stores are read. The result is not cached after an invalidation.
    generation: u64,
}

#[derive(Debug, Error)]
#[error("the token cache is stale: the change feed is not connected")]
struct Stale;

impl<U> TokenCache<U> {
    /// A cache of this many tokens.
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

    pub(super) fn lookup(&self, token: &str, now: Timestamp) -> Result<Lookup<U>, BackendError> {
        if self.is_disconnected.load(Ordering::Acquire)
            || now.as_unix() > self.synced_until.load(Ordering::Acquire)
        {
            return Err(BackendError::unavailable(Stale));
        }
        let digest: TokenDigest = Sha256::digest(token).into();
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

    /// Caches the result for a miss, unless anything was invalidated since.
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

impl<U: Send + Sync + 'static> CacheInvalidator for TokenCache<U> {
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
            Invalidation::Client(client_id) => index
                .sessions
                .extract_if(|_, session| session.client_id.as_ref() == Some(client_id))
                .for_each(|(_, session)| remove(&session.tokens)),
            Invalidation::Everything => {
                *index = Index::default();
                self.tokens.clear();
            }
        }
        // After the removal: a thread that sees the new generation does not find the old entries.
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

impl<U> Clone for Entry<U> {
    fn clone(&self) -> Self {
        Self { authentication: self.authentication.clone(), expires_at: self.expires_at }
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

    /// Removes evicted tokens once the index has more than `limit`.
    fn shrink(&mut self, limit: u64, is_cached: impl Fn(&TokenDigest) -> bool) {
        if self.tokens <= limit {
            return;
        }
        let retain = |tokens: &mut Vec<TokenDigest>| {
            // A token that was evicted and came back is in the list twice.
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

impl<U> fmt::Debug for TokenCache<U> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenCache").field("entries", &self.tokens.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Duration};

    use proptest::{collection::vec, prelude::*};

    use super::*;
    use crate::{auth::AuthenticatedUser, domain::scope::GrantedScopes};

    const NOW: Timestamp = Timestamp::from_unix(1_700_000_000);

    fn cache_of(tokens: usize) -> TokenCache<()> {
        TokenCache::new(NonZeroUsize::new(tokens).unwrap())
    }

    fn claims(user: &str, session: &str) -> Claims {
        let session_id = SessionId::new(session).ok();
        Claims { session_id, ..Claims::new(Subject::new(user).unwrap(), GrantedScopes::All) }
    }

    /// The miss of a token that is not cached.
    fn miss(cache: &TokenCache<()>, token: &str, now: Timestamp) -> Option<Miss> {
        match cache.lookup(token, now).expect("the cache is not stale") {
            Lookup::Hit(_) => None,
            Lookup::Miss(miss) => Some(miss),
        }
    }

    fn is_cached(cache: &TokenCache<()>, token: &str, now: Timestamp) -> bool {
        miss(cache, token, now).is_none()
    }

    fn fill(cache: &TokenCache<()>, token: &str, claims: &Claims) {
        let missed = miss(cache, token, NOW).expect("not cached yet");
        cache.insert(missed, claims, Authentication::Invalid);
        assert!(is_cached(cache, token, NOW));
    }

    #[test]
    fn lookup_after_the_sync_deadline_is_an_error() {
        let cache = TokenCache::<()>::new(NonZeroUsize::MIN);
        let recalls = |second| cache.lookup("token", Timestamp::from_unix(second)).is_ok();
        assert!(recalls(u64::MAX), "without a deadline");
        cache.synced_until(Timestamp::from_unix(10));
        assert!(recalls(10) && !recalls(11));
        cache.synced_until(Timestamp::from_unix(12));
        assert!(recalls(11) && !recalls(13));
        cache.disconnected();
        assert!(!recalls(11));
        cache.reconnected();
        assert!(recalls(11));
    }

    #[test]
    fn result_from_before_an_invalidation_is_not_cached() {
        let cache = cache_of(100);
        for change in [
            Invalidation::User(Subject::new("1").unwrap()),
            Invalidation::Session(SessionId::new("s").unwrap()),
            Invalidation::Client(ClientId::new("web").unwrap()),
            Invalidation::Everything,
            // Any invalidation counts: which entries it concerns is unknown when the result arrives.
            Invalidation::User(Subject::new("another").unwrap()),
        ] {
            let missed = miss(&cache, "token", NOW).unwrap();
            cache.invalidate(&change);
            cache.insert(missed, &claims("1", "s"), Authentication::Invalid);
            assert!(!is_cached(&cache, "token", NOW), "{change:?}");
        }
        fill(&cache, "token", &claims("1", "s"));
    }

    #[test]
    fn entry_is_valid_until_the_token_expires() {
        let cache = cache_of(100);
        let expires_at = Some(NOW + Duration::from_secs(2));
        fill(&cache, "token", &Claims { expires_at, ..claims("1", "s") });
        let after = |seconds| NOW + Duration::from_secs(seconds);
        assert!(is_cached(&cache, "token", after(1)));
        assert!(!is_cached(&cache, "token", after(2)));
    }

    #[test]
    fn lookup_returns_what_was_inserted() {
        let cache = cache_of(100);
        let missed = miss(&cache, "token", NOW).unwrap();
        let claims = claims("1", "s");
        let granted_scopes = claims.granted_scopes.clone();
        let user = Arc::new(AuthenticatedUser { user: (), claims: claims.clone(), granted_scopes });
        cache.insert(missed, &claims, Authentication::Valid(Arc::clone(&user)));
        match cache.lookup("token", NOW).unwrap() {
            Lookup::Hit(Authentication::Valid(known)) => assert!(Arc::ptr_eq(&known, &user)),
            _ => panic!("cached"),
        }
        assert!(!is_cached(&cache, "Token", NOW));
        assert_eq!(cache.stats(), TokenCacheStats { hits: 1, misses: 2, entries: 1 });
    }

    #[test]
    fn disconnected_cache_returns_errors_until_it_is_reconnected() {
        let cache = cache_of(100);
        fill(&cache, "token", &claims("1", "s"));
        let missed = miss(&cache, "other", NOW).unwrap();
        cache.disconnected();
        for token in ["token", "other"] {
            let answer = cache.lookup(token, NOW);
            assert!(answer.err().expect("an error").is_temporary(), "{token}");
        }
        // An invalidation while disconnected counts.
        cache.invalidate(&Invalidation::User(Subject::new("1").unwrap()));
        cache.insert(missed, &claims("2", "t"), Authentication::Invalid);
        cache.reconnected();
        assert!(!is_cached(&cache, "token", NOW) && !is_cached(&cache, "other", NOW));
    }

    #[test]
    fn cache_and_index_stay_within_capacity() {
        for tokens_of_a_user in [1, 7, 2000] {
            let cache = cache_of(20);
            for number in 0..2000 {
                let token = format!("token {number}");
                let missed = miss(&cache, &token, NOW).unwrap();
                let own = number / tokens_of_a_user;
                let own = claims(&format!("user {own}"), &format!("session {own}"));
                cache.insert(missed, &own, Authentication::Invalid);
            }
            let index = cache.index();
            let of_users: usize = index.users.values().map(Vec::len).sum();
            let of_sessions: usize = index.sessions.values().map(|session| session.tokens.len()).sum();
            assert!((1..=20).contains(&cache.tokens.len()), "{} tokens", cache.tokens.len());
            assert!(of_users <= 26 && of_sessions <= 26, "{of_users} by users, {of_sessions} by sessions");
        }
    }

    #[test]
    fn evicted_and_reinserted_token_is_removed_with_its_session() {
        let cache = cache_of(20);
        for number in (0..30).chain(0..30) {
            let token = format!("token {number}");
            if let Some(missed) = miss(&cache, &token, NOW) {
                cache.insert(missed, &claims("1", "s"), Authentication::Invalid);
            }
        }
        cache.invalidate(&Invalidation::Session(SessionId::new("s").unwrap()));
        assert!((0..30).all(|number| !is_cached(&cache, &format!("token {number}"), NOW)));
        assert_eq!(cache.tokens.len(), 0);
    }

    #[derive(Clone, Debug)]
    enum Step {
        Ask(usize),
        /// The result of the oldest look-up in progress.
        Answer,
        Invalidation(Invalidation),
        Wait(u64),
    }

    /// Eight tokens of three users, in five sessions, through two clients or none; every other one ends.
    fn token(number: usize) -> (String, Claims) {
        let own = Claims {
            client_id: [None, ClientId::new("web").ok(), ClientId::new("app").ok()][number % 5 % 3].clone(),
            expires_at: number.is_multiple_of(2).then(|| NOW + Duration::from_secs(number as u64 + 1)),
            ..claims(&(number % 5 % 3).to_string(), &(number % 5).to_string())
        };
        (format!("token {number}"), own)
    }

    fn is_about(change: &Invalidation, claims: &Claims) -> bool {
        match change {
            Invalidation::User(subject) => *subject == claims.subject,
            Invalidation::Session(id) => Some(id) == claims.session_id.as_ref(),
            Invalidation::Client(client_id) => Some(client_id) == claims.client_id.as_ref(),
            Invalidation::Everything => true,
        }
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            6 => (0..8_usize).prop_map(Step::Ask),
            5 => Just(Step::Answer),
            1 => (0..4_u64).prop_map(|user| Step::Invalidation(Invalidation::User(user.into()))),
            1 => (0..6_u8).prop_map(|session| Step::Invalidation(Invalidation::Session(SessionId::new(session.to_string()).unwrap()))),
            1 => "web|app|other".prop_map(|client| Step::Invalidation(Invalidation::Client(ClientId::new(client).unwrap()))),
            1 => Just(Step::Invalidation(Invalidation::Everything)),
            1 => (1..3_u64).prop_map(Step::Wait),
        ]
    }

    proptest! {
        #[test]
        fn token_is_cached_until_it_expires_or_is_invalidated(steps in vec(step(), 0..60)) {
            let cache = cache_of(10_000);
            let mut known: HashMap<usize, Claims> = HashMap::new();
            let (mut asked, mut changes, mut now) = (Vec::new(), 0, NOW);
            for step in steps {
                match step {
                    Step::Ask(number) => {
                        if let Some(missed) = miss(&cache, &token(number).0, now) {
                            asked.push((number, missed, changes));
                        }
                    }
                    Step::Answer if asked.is_empty() => {}
                    Step::Answer => {
                        let (number, missed, before) = asked.remove(0);
                        let (_, claims) = token(number);
                        cache.insert(missed, &claims, Authentication::Invalid);
                        if before == changes {
                            known.insert(number, claims);
                        }
                    }
                    Step::Invalidation(change) => {
                        cache.invalidate(&change);
                        changes += 1;
                        known.retain(|_, claims| !is_about(&change, claims));
                    }
                    Step::Wait(seconds) => now = now + Duration::from_secs(seconds),
                }
                for number in 0..8 {
                    let lives = |claims: &Claims| claims.expires_at.is_none_or(|end| now < end);
                    let expected = known.get(&number).is_some_and(lives);
                    prop_assert_eq!(is_cached(&cache, &token(number).0, now), expected, "token {}", number);
                }
            }
        }
    }
}
