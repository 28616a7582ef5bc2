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

/// Looks up a token and returns the miss, or `None` if the token is cached.
fn miss(cache: &TokenCache<()>, token: &str, now: Timestamp) -> Option<Miss> {
    match cache.lookup(token, Accepted::OwnAudience, now).expect("the cache is not stale") {
        Lookup::Hit(_) => None,
        Lookup::Miss(miss) => Some(miss),
    }
}

fn is_cached(cache: &TokenCache<()>, token: &str, now: Timestamp) -> bool {
    miss(cache, token, now).is_none()
}

fn fill(cache: &TokenCache<()>, token: &str, claims: &Claims) {
    let missed = miss(cache, token, NOW).expect("the token is not cached yet");
    cache.insert(missed, claims, Authentication::Invalid);
    assert!(is_cached(cache, token, NOW));
}

#[test]
fn lookup_after_the_sync_deadline_returns_an_error() {
    let cache = cache_of(1);
    let is_usable =
        |second| cache.lookup("token", Accepted::OwnAudience, Timestamp::from_unix(second)).is_ok();
    assert!(is_usable(u64::MAX), "if no deadline is set, the cache must be usable at any time");
    cache.synced_until(Timestamp::from_unix(10));
    assert!(is_usable(10) && !is_usable(11));
    cache.synced_until(Timestamp::from_unix(12));
    assert!(is_usable(11) && !is_usable(13));
}

#[test]
fn lookup_returns_the_inserted_result() {
    let cache = cache_of(100);
    let missed = miss(&cache, "token", NOW).unwrap();
    let claims = claims("1", "s");
    let granted_scopes = claims.granted_scopes.clone();
    let user = Arc::new(AuthenticatedUser { user: (), claims: claims.clone(), granted_scopes });
    cache.insert(missed, &claims, Authentication::Valid(Arc::clone(&user)));
    match cache.lookup("token", Accepted::OwnAudience, NOW).unwrap() {
        Lookup::Hit(Authentication::Valid(found)) => assert!(Arc::ptr_eq(&found, &user)),
        _ => panic!("the lookup did not return the inserted result"),
    }
    assert!(!is_cached(&cache, "Token", NOW));
    assert_eq!(cache.stats(), TokenCacheStats { hits: 1, misses: 2, entries: 1 });
}

#[test]
fn lookup_while_disconnected_returns_a_temporary_error() {
    let cache = cache_of(100);
    fill(&cache, "token", &claims("1", "s"));
    let missed = miss(&cache, "other", NOW).unwrap();
    cache.disconnected();
    for token in ["token", "other"] {
        assert!(
            cache
                .lookup(token, Accepted::OwnAudience, NOW)
                .err()
                .expect("a lookup must fail while the cache is disconnected")
                .is_temporary(),
            "{token}"
        );
    }
    // Invalidations take effect even while the cache is disconnected.
    cache.invalidate(&Invalidation::User(Subject::new("1").unwrap()));
    cache.insert(missed, &claims("2", "t"), Authentication::Invalid);
    cache.reconnected();
    assert!(!is_cached(&cache, "token", NOW) && !is_cached(&cache, "other", NOW));
}

#[test]
fn cache_and_index_stay_within_their_limits_when_many_tokens_are_inserted() {
    for tokens_of_a_user in [1, 7, 2000] {
        let cache = cache_of(20);
        for number in 0..2000 {
            let token = format!("token {number}");
            let missed = miss(&cache, &token, NOW).unwrap();
            let user = number / tokens_of_a_user;
            let claims = claims(&format!("user {user}"), &format!("session {user}"));
            cache.insert(missed, &claims, Authentication::Invalid);
        }
        let index = cache.index();
        let by_user: usize = index.users.values().map(Vec::len).sum();
        let by_session: usize = index.sessions.values().map(|session| session.tokens.len()).sum();
        assert!(
            (1..=20).contains(&cache.tokens.len()),
            "expected 1 to 20 cached tokens, got {}",
            cache.tokens.len()
        );
        assert!(
            by_user <= 26 && by_session <= 26,
            "expected at most 26 tokens in the index, got {by_user} by user and {by_session} by session"
        );
    }
}

#[test]
fn invalidation_removes_a_token_that_was_evicted_and_cached_again() {
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
    Lookup(usize),
    /// Inserts the result for the oldest miss.
    Insert,
    Invalidate(Invalidation),
    Wait(u64),
}

/// Returns one of eight tokens. The tokens belong to three users, five sessions, and two clients or no client. Every
/// other token expires.
fn token(number: usize) -> (String, Claims) {
    let claims = Claims {
        client_id: [None, ClientId::new("web").ok(), ClientId::new("app").ok()][number % 5 % 3].clone(),
        expires_at: number.is_multiple_of(2).then(|| NOW + Duration::from_secs(number as u64 + 1)),
        ..claims(&(number % 5 % 3).to_string(), &(number % 5).to_string())
    };
    (format!("token {number}"), claims)
}

fn concerns(change: &Invalidation, claims: &Claims) -> bool {
    match change {
        Invalidation::User(subject) => *subject == claims.subject,
        Invalidation::Session(id) => Some(id) == claims.session_id.as_ref(),
        Invalidation::Client(client_id) => Some(client_id) == claims.client_id.as_ref(),
        Invalidation::Everything => true,
    }
}

fn step() -> impl Strategy<Value = Step> {
    let invalidation = prop_oneof![
        (0..4_u64).prop_map(|user| Invalidation::User(user.into())),
        (0..6_u8).prop_map(|session| Invalidation::Session(session.to_string().parse().unwrap())),
        "web|app|other".prop_map(|client| Invalidation::Client(client.parse().unwrap())),
        Just(Invalidation::Everything),
    ];
    prop_oneof![
        6 => (0..8_usize).prop_map(Step::Lookup),
        5 => Just(Step::Insert),
        4 => invalidation.prop_map(Step::Invalidate),
        1 => (1..3_u64).prop_map(Step::Wait),
    ]
}

proptest! {
    #[test]
    fn token_is_cached_until_it_expires_or_is_invalidated(steps in vec(step(), 0..60)) {
        let cache = cache_of(10_000);
        let mut cached: HashMap<usize, Claims> = HashMap::new();
        let (mut misses, mut invalidations, mut now) = (Vec::new(), 0, NOW);
        for step in steps {
            match step {
                Step::Lookup(number) => {
                    if let Some(missed) = miss(&cache, &token(number).0, now) {
                        misses.push((number, missed, invalidations));
                    }
                }
                Step::Insert if misses.is_empty() => {}
                Step::Insert => {
                    let (number, missed, invalidations_before) = misses.remove(0);
                    let (_, claims) = token(number);
                    cache.insert(missed, &claims, Authentication::Invalid);
                    if invalidations_before == invalidations {
                        cached.insert(number, claims);
                    }
                }
                Step::Invalidate(change) => {
                    cache.invalidate(&change);
                    invalidations += 1;
                    cached.retain(|_, claims| !concerns(&change, claims));
                }
                Step::Wait(seconds) => now = now + Duration::from_secs(seconds),
            }
            for number in 0..8 {
                let is_valid = |claims: &Claims| claims.expires_at.is_none_or(|end| now < end);
                let expected = cached.get(&number).is_some_and(is_valid);
                prop_assert_eq!(is_cached(&cache, &token(number).0, now), expected, "token {}", number);
            }
        }
    }
}
