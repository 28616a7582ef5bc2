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
