//! The callers that were recognised: a known token costs neither a signature nor a question to a store.

use std::{
    collections::{HashMap, HashSet},
    fmt,
    hash::{BuildHasherDefault, Hash, Hasher},
    num::NonZeroUsize,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use quick_cache::{
    UnitWeighter,
    sync::{Cache, DefaultLifecycle},
};
use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::{
    auth::{Recall, Recognised},
    domain::{
        backend_error::BackendError,
        claims::Claims,
        client::ClientId,
        invalidation::{CacheInvalidator, Invalidation},
        scope::GrantedScopes,
        session::SessionId,
        time::Timestamp,
        user::Subject,
    },
};

/// What [`Auth::recognise`](crate::Auth::recognise) found out about tokens, by their SHA-256: for each the user and
/// the claims, or that it is nobody's. It holds as many tokens as it is told to and forgets those that were not
/// asked for lately. A token is known until it ends or something of it changes ([`CacheInvalidator::changed`]).
///
/// It is right as long as it is told of every change: whoever writes to a [`UserStore`](crate::UserStore) or a
/// [`SessionStore`](crate::SessionStore) tells it before they say that it is done. The stores of `gatepass::sql` do
/// once it is given to `Database::watch`, which also hears of what other processes wrote; and so it is to be told when
/// keys are gone (`JwtTokens::watch`).
///
/// ```
/// use std::{num::NonZeroUsize, sync::Arc};
/// use gatepass::{Auth, Invalidation, CacheInvalidator, TokenCache, tutorial::{InsecureFakeHasher, InsecureSubjectTokens, TutorialUsers}};
///
/// let memory = Arc::new(TokenCache::new(NonZeroUsize::new(10_000).unwrap()));
/// let auth = Auth::builder(TutorialUsers::default())
///     .hasher(InsecureFakeHasher::default())
///     .tokens(InsecureSubjectTokens)
///     .memory(Arc::clone(&memory))
///     .build();
///
/// // johndoe was changed in the table of users:
/// memory.invalidate(&Invalidation::User("johndoe".into()));
/// ```
pub struct TokenCache<U> {
    tokens: Cache<TokenDigest, Known<U>, UnitWeighter, BuildHasherDefault<DigestHasher>>,
    index: Mutex<Index>,
    /// What many tokens allow alike.
    permissions: Mutex<HashSet<GrantedScopes>>,
    /// How many changes there were.
    changes: AtomicU64,
    is_lost: AtomicBool,
    /// The second after which it is lost without being told, where it was told one.
    until: AtomicU64,
    hits: AtomicU64,
    misses: AtomicU64,
}

/// How often a [`TokenCache`] knew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenCacheStats {
    /// How often it knew a token.
    pub hits: u64,
    /// How often it did not.
    pub misses: u64,
    /// How many tokens it knows.
    pub tokens: usize,
}

/// How many permissions are held in one place, at the most.
const PERMISSIONS: usize = 64;

/// The SHA-256 of a token.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct TokenDigest([u8; 32]);

/// What is known of a token.
struct Known<U> {
    recognised: Recognised<U>,
    expires_at: Option<Timestamp>,
}

/// The way from what changes to the tokens that are known; some of those that it leads to may be forgotten.
#[derive(Default)]
struct Index {
    users: HashMap<Subject, Vec<TokenDigest>>,
    sessions: HashMap<SessionId, SessionTokens>,
    /// How many tokens may be in it, at the most.
    tokens: u64,
}

struct SessionTokens {
    client_id: Option<ClientId>,
    tokens: Vec<TokenDigest>,
}

/// Where an answer belongs that is not known yet.
pub(crate) struct Place {
    digest: TokenDigest,
    /// How many changes there were before it was asked for: after another one it is not kept.
    changes: u64,
}

#[derive(Debug, Error)]
#[error("it cannot be heard what has changed: nobody is recognised from memory")]
struct Lost;

impl<U> TokenCache<U> {
    /// Remembers this many tokens.
    pub fn new(tokens: NonZeroUsize) -> Self {
        Self {
            tokens: Cache::with(
                tokens.get(),
                tokens.get() as u64,
                UnitWeighter,
                BuildHasherDefault::default(),
                DefaultLifecycle::default(),
            ),
            index: Mutex::default(),
            permissions: Mutex::default(),
            changes: AtomicU64::new(0),
            is_lost: AtomicBool::new(false),
            until: AtomicU64::new(u64::MAX),
            hits: AtomicU64::new(0),
            misses: AtomicU64::new(0),
        }
    }

    /// How often it knew so far.
    pub fn figures(&self) -> TokenCacheStats {
        TokenCacheStats {
            hits: self.hits.load(Ordering::Relaxed),
            misses: self.misses.load(Ordering::Relaxed),
            tokens: self.tokens.len(),
        }
    }

    /// What is known of `token`, or the place for it.
    pub(super) fn recall(&self, token: &str, now: Timestamp) -> Result<Recall<U>, BackendError> {
        if self.is_lost.load(Ordering::Acquire) || now.as_unix() > self.until.load(Ordering::Acquire) {
            return Err(BackendError::unavailable(Lost));
        }
        let digest = TokenDigest(Sha256::digest(token).into());
        let changes = self.changes.load(Ordering::Acquire);
        match self.tokens.get(&digest) {
            Some(known) if known.still_holds(now) => {
                self.hits.fetch_add(1, Ordering::Relaxed);
                Ok(Recall::Known(known.recognised))
            }
            _ => {
                self.misses.fetch_add(1, Ordering::Relaxed);
                Ok(Recall::Unknown(Some(Place { digest, changes })))
            }
        }
    }

    /// Remembers the answer, unless something has changed since the question.
    pub(super) fn keep(&self, place: Place, claims: &Claims, recognised: Recognised<U>) {
        let Place { digest, changes } = place;
        let mut index = lock(&self.index);
        // None is counted while the index is held.
        if self.changes.load(Ordering::Acquire) != changes {
            return;
        }
        index.add(digest, claims);
        self.tokens.insert(digest, Known { recognised, expires_at: claims.expires_at });
        let capacity = self.tokens.capacity();
        index.tidy_up(capacity.saturating_add(capacity / 4), |token| self.tokens.contains_key(token));
    }

    /// The same granted_scopes, in one place for all tokens that allow the same: it is there for the processor when the
    /// next of them comes, and takes no more room.
    pub(super) fn share(&self, granted_scopes: GrantedScopes) -> GrantedScopes {
        let mut permissions = lock(&self.permissions);
        if let Some(shared) = permissions.get(&granted_scopes) {
            return shared.clone();
        }
        if permissions.len() >= PERMISSIONS {
            permissions.clear();
        }
        permissions.insert(granted_scopes.clone());
        granted_scopes
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<U: Send + Sync + 'static> CacheInvalidator for TokenCache<U> {
    fn invalidate(&self, change: &Invalidation) {
        let mut index = lock(&self.index);
        let forget = |tokens: &[TokenDigest]| {
            for token in tokens {
                self.tokens.remove(token);
            }
        };
        match change {
            Invalidation::User(subject) => {
                index.users.remove(subject).iter().for_each(|tokens| forget(tokens))
            }
            Invalidation::Session(id) => {
                index.sessions.remove(id).iter().for_each(|session| forget(&session.tokens))
            }
            Invalidation::Client(client_id) => index
                .sessions
                .extract_if(|_, session| session.client_id.as_ref() == Some(client_id))
                .for_each(|(_, session)| forget(&session.tokens)),
            Invalidation::Everything => {
                *index = Index::default();
                self.tokens.clear();
            }
        }
        // After they are forgotten: who counts it does not find them.
        self.changes.fetch_add(1, Ordering::Release);
    }

    fn synced_until(&self, until: Timestamp) {
        self.until.store(until.as_unix(), Ordering::Release);
    }

    fn disconnected(&self) {
        self.is_lost.store(true, Ordering::Release);
    }

    fn reconnected(&self) {
        self.is_lost.store(false, Ordering::Release);
    }
}

impl<U> Clone for Known<U> {
    fn clone(&self) -> Self {
        Self { recognised: self.recognised.clone(), expires_at: self.expires_at }
    }
}

impl<U> Known<U> {
    fn still_holds(&self, now: Timestamp) -> bool {
        self.expires_at.is_none_or(|end| now < end)
    }
}

impl Index {
    fn add(&mut self, token: TokenDigest, claims: &Claims) {
        self.users.entry(claims.subject.clone()).or_insert_with(one).push(token);
        if let Some(id) = &claims.session_id {
            let new = || SessionTokens { client_id: claims.client_id.clone(), tokens: one() };
            self.sessions.entry(id.clone()).or_insert_with(new).tokens.push(token);
        }
        self.tokens += 1;
    }

    /// Drops what leads to tokens that are forgotten, once it leads to more than `limit`.
    fn tidy_up(&mut self, limit: u64, is_known: impl Fn(&TokenDigest) -> bool) {
        if self.tokens <= limit {
            return;
        }
        self.users.retain(|_, tokens| tidy(tokens, &is_known));
        self.sessions.retain(|_, session| tidy(&mut session.tokens, &is_known));
        self.tokens = self.users.values().map(|tokens| tokens.len() as u64).sum();
    }
}

/// Room for the one token that most users and sessions have at a time.
fn one() -> Vec<TokenDigest> {
    Vec::with_capacity(1)
}

/// Whether any is left.
fn tidy(tokens: &mut Vec<TokenDigest>, is_known: impl Fn(&TokenDigest) -> bool) -> bool {
    // A token that was forgotten and came again is in it twice.
    tokens.sort_unstable();
    tokens.dedup();
    tokens.retain(is_known);
    !tokens.is_empty()
}

impl Hash for TokenDigest {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write(&self.0);
    }
}

/// A digest is as good a hash as any: whoever wants two alike would have to sign tokens until they find them.
#[derive(Default)]
struct DigestHasher(u64);

impl Hasher for DigestHasher {
    fn write(&mut self, digest: &[u8]) {
        self.0 = digest.first_chunk().map_or(0, |first| u64::from_ne_bytes(*first));
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

impl<U> fmt::Debug for TokenCache<U> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenCache").field("tokens", &self.tokens.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::{ptr, sync::Arc, time::Duration};

    use proptest::{collection::vec, prelude::*};

    use super::*;
    use crate::auth::Identity;

    const NOW: Timestamp = Timestamp::from_unix(1_700_000_000);

    fn memory(tokens: usize) -> TokenCache<()> {
        TokenCache::new(NonZeroUsize::new(tokens).unwrap())
    }

    fn claims(user: &str, session: &str) -> Claims {
        let session_id = Some(session.into());
        Claims { session_id, ..Claims::new(user.into(), GrantedScopes::All) }
    }

    /// The place of a token that is not known.
    fn place(memory: &TokenCache<()>, token: &str, now: Timestamp) -> Option<Place> {
        match memory.recall(token, now).expect("it is not lost") {
            Recall::Known(_) => None,
            Recall::Unknown(place) => place,
        }
    }

    fn knows(memory: &TokenCache<()>, token: &str, now: Timestamp) -> bool {
        place(memory, token, now).is_none()
    }

    fn learn(memory: &TokenCache<()>, token: &str, claims: &Claims) {
        let place = place(memory, token, NOW).expect("it is not known yet");
        memory.keep(place, claims, Recognised::Nobody);
        assert!(knows(memory, token, NOW));
    }

    #[test]
    fn who_hears_nothing_any_more_is_lost_without_being_told() {
        let memory = TokenCache::<()>::new(NonZeroUsize::MIN);
        let recalls = |second| memory.recall("token", Timestamp::from_unix(second)).is_ok();
        assert!(recalls(u64::MAX), "nobody set it an end");
        memory.synced_until(Timestamp::from_unix(10));
        assert!(recalls(10) && !recalls(11));
        memory.synced_until(Timestamp::from_unix(12));
        assert!(recalls(11) && !recalls(13));
        memory.disconnected();
        assert!(!recalls(11));
        memory.reconnected();
        assert!(recalls(11));
    }

    #[test]
    fn an_answer_asked_before_a_change_is_not_kept_after_it() {
        let memory = memory(100);
        for change in [
            Invalidation::User("1".into()),
            Invalidation::Session("s".into()),
            Invalidation::Client("web".into()),
            Invalidation::Everything,
            // Whose change it was is not known when the answer comes: any one counts.
            Invalidation::User("another".into()),
        ] {
            let place = place(&memory, "token", NOW).unwrap();
            memory.invalidate(&change);
            memory.keep(place, &claims("1", "s"), Recognised::Nobody);
            assert!(!knows(&memory, "token", NOW), "{change:?}");
        }
        learn(&memory, "token", &claims("1", "s"));
    }

    #[test]
    fn a_token_is_known_until_its_end() {
        let memory = memory(100);
        let expires_at = Some(NOW + Duration::from_secs(2));
        learn(&memory, "token", &Claims { expires_at, ..claims("1", "s") });
        let after = |seconds| NOW + Duration::from_secs(seconds);
        assert!(knows(&memory, "token", after(1)));
        assert!(!knows(&memory, "token", after(2)));
    }

    #[test]
    fn what_was_recalled_is_what_was_kept() {
        let memory = memory(100);
        let place = place(&memory, "token", NOW).unwrap();
        let claims = claims("1", "s");
        let granted_scopes = claims.granted_scopes.clone();
        let identity = Arc::new(Identity::new((), claims.clone(), granted_scopes));
        memory.keep(place, &claims, Recognised::User(Arc::clone(&identity)));
        match memory.recall("token", NOW).unwrap() {
            Recall::Known(Recognised::User(known)) => assert!(Arc::ptr_eq(&known, &identity)),
            _ => panic!("it is known"),
        }
        assert!(!knows(&memory, "Token", NOW));
        assert_eq!(memory.figures(), TokenCacheStats { hits: 1, misses: 2, tokens: 1 });
    }

    #[test]
    fn a_memory_that_is_lost_says_nothing_until_it_is_found() {
        let memory = memory(100);
        learn(&memory, "token", &claims("1", "s"));
        let place = place(&memory, "other", NOW).unwrap();
        memory.disconnected();
        for token in ["token", "other"] {
            let answer = memory.recall(token, NOW);
            assert!(answer.err().expect("a fault").is_temporary(), "{token}");
        }
        // A change that is heard of meanwhile counts.
        memory.invalidate(&Invalidation::User("1".into()));
        memory.keep(place, &claims("2", "t"), Recognised::Nobody);
        memory.reconnected();
        assert!(!knows(&memory, "token", NOW) && !knows(&memory, "other", NOW));
    }

    #[test]
    fn it_holds_as_many_as_it_is_told_to() {
        for tokens_of_a_user in [1, 7, 2000] {
            let memory = memory(20);
            for number in 0..2000 {
                let token = format!("token {number}");
                let place = place(&memory, &token, NOW).unwrap();
                let own = number / tokens_of_a_user;
                let own = claims(&format!("user {own}"), &format!("session {own}"));
                memory.keep(place, &own, Recognised::Nobody);
            }
            let index = lock(&memory.index);
            let of_users: usize = index.users.values().map(Vec::len).sum();
            let of_sessions: usize = index.sessions.values().map(|session| session.tokens.len()).sum();
            assert!((1..=20).contains(&memory.tokens.len()), "{} tokens", memory.tokens.len());
            assert!(of_users <= 26 && of_sessions <= 26, "{of_users} by users, {of_sessions} by sessions");
        }
    }

    #[test]
    fn a_token_that_was_forgotten_and_came_again_dies_with_its_session() {
        let memory = memory(20);
        for number in (0..30).chain(0..30) {
            let token = format!("token {number}");
            if let Some(place) = place(&memory, &token, NOW) {
                memory.keep(place, &claims("1", "s"), Recognised::Nobody);
            }
        }
        memory.invalidate(&Invalidation::Session("s".into()));
        assert!((0..30).all(|number| !knows(&memory, &format!("token {number}"), NOW)));
        assert_eq!(memory.tokens.len(), 0);
    }

    #[test]
    fn what_tokens_allow_alike_is_in_one_place() {
        let memory = memory(1);
        let place_of = |granted_scopes: &GrantedScopes| match granted_scopes {
            GrantedScopes::Only(scopes) => scopes.iter().next().map(ptr::from_ref),
            GrantedScopes::All => None,
        };
        let granted_scopes = |text: &str| GrantedScopes::Only(text.parse().unwrap());
        let first = memory.share(granted_scopes("me items:read"));
        assert_eq!(first, granted_scopes("me items:read"));
        assert_eq!(place_of(&memory.share(granted_scopes("me items:read"))), place_of(&first));
        assert_ne!(place_of(&memory.share(granted_scopes("me"))), place_of(&first));
        for number in 0..1000 {
            memory.share(granted_scopes(&format!("scope:{number}")));
        }
        assert!(lock(&memory.permissions).len() <= PERMISSIONS);
    }

    #[derive(Clone, Debug)]
    enum Step {
        Ask(usize),
        /// The answer to the oldest question that has none.
        Answer,
        Invalidation(Invalidation),
        Wait(u64),
    }

    /// Eight tokens of three users, in five sessions, through two clients or none; every other one ends.
    fn token(number: usize) -> (String, Claims) {
        let own = Claims {
            client_id: [None, Some("web".into()), Some("app".into())][number % 5 % 3].clone(),
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
            1 => (0..6_u8).prop_map(|session| Step::Invalidation(Invalidation::Session(session.to_string().into()))),
            1 => "web|app|other".prop_map(|client| Step::Invalidation(Invalidation::Client(client.into()))),
            1 => Just(Step::Invalidation(Invalidation::Everything)),
            1 => (1..3_u64).prop_map(Step::Wait),
        ]
    }

    proptest! {
        #[test]
        fn a_token_is_known_until_something_of_it_changes(steps in vec(step(), 0..60)) {
            let memory = memory(10_000);
            let mut known: HashMap<usize, Claims> = HashMap::new();
            let (mut asked, mut changes, mut now) = (Vec::new(), 0, NOW);
            for step in steps {
                match step {
                    Step::Ask(number) => {
                        if let Some(place) = place(&memory, &token(number).0, now) {
                            asked.push((number, place, changes));
                        }
                    }
                    Step::Answer if asked.is_empty() => {}
                    Step::Answer => {
                        let (number, place, before) = asked.remove(0);
                        let (_, claims) = token(number);
                        memory.keep(place, &claims, Recognised::Nobody);
                        if before == changes {
                            known.insert(number, claims);
                        }
                    }
                    Step::Invalidation(change) => {
                        memory.invalidate(&change);
                        changes += 1;
                        known.retain(|_, claims| !is_about(&change, claims));
                    }
                    Step::Wait(seconds) => now = now + Duration::from_secs(seconds),
                }
                for number in 0..8 {
                    let lives = |claims: &Claims| claims.expires_at.is_none_or(|end| now < end);
                    let expected = known.get(&number).is_some_and(lives);
                    prop_assert_eq!(knows(&memory, &token(number).0, now), expected, "token {}", number);
                }
            }
        }
    }
}
