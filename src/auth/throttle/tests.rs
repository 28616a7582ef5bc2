use futures_util::FutureExt;
use proptest::prelude::*;

use super::*;

fn failures(count: u32, last: u64) -> FailedAttempts {
    FailedAttempts { count, last: Some(Timestamp::from_unix(last)) }
}

#[test]
fn wait_doubles_with_each_failure_up_to_the_longest_wait() {
    let limits = LoginThrottleLimits::default();
    let wait = |count| limits.end_of_wait(failures(count, 0), 5).map(Timestamp::as_unix);
    assert_eq!(
        [0, 4, 5, 6, 7, 14, 15, 1000, u32::MAX].map(wait),
        [None, None, Some(1), Some(2), Some(4), Some(512), Some(900), Some(900), Some(900)]
    );
}

#[test]
fn network_is_the_ipv4_address_or_the_64_bit_ipv6_prefix() {
    for (address, expected) in [
        ("203.0.113.7", "203.0.113.7"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ("2001:db8:1:2::", "2001:db8:1:2::"),
    ] {
        assert_eq!(network(address.parse().unwrap()), expected.parse::<IpAddr>().unwrap());
    }
}

/// A store that never returns any results.
struct Forgetful;

impl FailedAttemptStore for Forgetful {
    fn normalize_username(&self, username: &str) -> String {
        username.to_owned()
    }

    async fn find(&self, _: &[ThrottleKey]) -> Result<Vec<FailedAttempts>, BackendError> {
        Ok(Vec::new())
    }

    async fn add(&self, _: &[ThrottleKey], _: Timestamp) -> Result<(), BackendError> {
        Ok(())
    }

    async fn clear(&self, _: &[ThrottleKey]) -> Result<(), BackendError> {
        Ok(())
    }

    async fn device_key(&self, new: [u8; 32]) -> Result<[u8; 32], BackendError> {
        Ok(new)
    }
}

#[test]
fn admit_returns_a_backend_error_if_the_store_omits_results() {
    let throttle = Arc::new(Throttle::new(LoginThrottle::new(Forgetful)));
    for device in [None, Some(DeviceId::default())] {
        let account = Account { hash: [0; 32], credentials: [0; 32], is_client: false };
        let client_info = ClientInfo::default();
        let admitted = throttle.admit(&account, device, &client_info, Timestamp::now()).now_or_never();
        assert!(matches!(admitted, Some(Err(AuthError::Backend(_)))));
    }
}

fn in_memory() -> Arc<Throttle> {
    Arc::new(Throttle::new(LoginThrottle::in_memory()))
}

fn account(is_client: bool) -> Account {
    Account { hash: [1; 32], credentials: [2; 32], is_client }
}

/// Starts an attempt from an unknown device, which must be admitted.
async fn admitted(throttle: &Arc<Throttle>, account: &Account, now: Timestamp) -> Attempt {
    let client_info = ClientInfo { address: Some([203, 0, 113, 7].into()), ..ClientInfo::default() };
    throttle.admit(account, None, &client_info, now).await.unwrap_or_else(|error| panic!("{error}"))
}

/// Returns the number of failures of the account at its address, which the first key of an attempt counts.
async fn failures_at_address(throttle: &Arc<Throttle>, account: &Account, now: Timestamp) -> u32 {
    let attempt = admitted(throttle, account, now).await;
    let keys = attempt.in_progress.as_ref().unwrap().keys.clone();
    attempt.ignored();
    throttle.find(&keys, now).await.unwrap()[0].count
}

#[tokio::test]
async fn failed_and_dropped_attempts_are_counted_and_ignored_attempts_are_not_counted() {
    let (throttle, now) = (in_memory(), Timestamp::from_unix(1000));
    for is_client in [false, true] {
        let account = account(is_client);
        admitted(&throttle, &account, now).await.ignored();
        // A dropped attempt is counted by a task.
        tokio::task::yield_now().await;
        assert_eq!(failures_at_address(&throttle, &account, now).await, 0);
        admitted(&throttle, &account, now).await.failed().await.unwrap();
        drop(admitted(&throttle, &account, now).await);
        tokio::task::yield_now().await;
        assert_eq!(failures_at_address(&throttle, &account, now).await, 2);
        admitted(&throttle, &account, now).await.succeeded().await;
        assert_eq!(failures_at_address(&throttle, &account, now).await, 0);
    }
}

#[test]
fn concurrent_attempt_is_refused_if_the_attempts_in_progress_could_reach_the_limit() {
    let (limits, now) = (LoginThrottleLimits::default(), Timestamp::from_unix(1000));
    let refused = |count, others| limits.check(failures(count, 0), others, 5, now).is_err();
    assert_eq!([(0, 0), (4, 0), (0, 4), (3, 1)].map(|(count, others)| refused(count, others)), [false; 4]);
    assert_eq!([(0, 5), (4, 1), (3, 2)].map(|(count, others)| refused(count, others)), [true; 3]);
}

#[test]
fn failure_is_forgotten_after_its_retention_period_or_if_it_is_too_far_in_the_future() {
    let limits = LoginThrottleLimits::default();
    let count =
        |last, now| limits.recent(failures(1, last), limits.forget_after, Timestamp::from_unix(now)).count;
    assert_eq!([(0, 3599), (0, 3600), (900, 0), (901, 0)].map(|(last, now)| count(last, now)), [1, 0, 1, 0]);
}

#[tokio::test]
async fn network_of_a_user_is_stored_at_most_once_a_day() {
    let (throttle, account) = (in_memory(), account(false));
    for (seconds, is_stored) in [(0, true), (86_399, false), (86_400, true), (86_401, false)] {
        let attempt = admitted(&throttle, &account, Timestamp::from_unix(seconds)).await;
        assert_eq!(attempt.new_network.is_some(), is_stored, "after {seconds} s");
        attempt.succeeded().await;
    }
}

#[test]
fn network_of_an_authenticated_client_is_exempt_from_the_rate_limit_for_a_minute() {
    let throttle = in_memory();
    let address = IpAddr::from([203, 0, 113, 7]);
    throttle.clients.insert(address, Timestamp::from_unix(0));
    assert_eq!(
        [0, 59, 60].map(|now| throttle.has_client(address, Timestamp::from_unix(now))),
        [true, true, false]
    );
}

#[test]
fn spellings_of_an_unknown_username_share_one_count_in_memory() {
    let store = InMemoryFailedAttempts::new(1);
    let hash = |name| Target::Username(name).hash("user", |name| store.normalize_username(name));
    assert_eq!(hash(" Alice "), hash("alice"));
    assert_ne!(hash("alice"), hash("johndoe"));
}

proptest! {
    #[test]
    fn wait_never_shrinks_with_more_failures_and_never_exceeds_the_longest_wait(
        count: u32,
        allowed in 0_u32..1000,
        last in 0_u64..1 << 40,
    ) {
        let limits = LoginThrottleLimits::default();
        let end = |count| limits.end_of_wait(failures(count, last), allowed);
        prop_assert!(end(count).is_none_or(|end| end <= Timestamp::from_unix(last + 900)));
        prop_assert!(end(count) <= end(count.saturating_add(1)));
        prop_assert_eq!(end(count).is_some(), count >= allowed);
    }

    #[test]
    fn failure_in_the_future_delays_attempts_by_at_most_twice_the_longest_wait(
        now in 0_u64..1 << 40,
        ahead in 0_u64..10_000,
    ) {
        let (time, failed) = (Timestamp::from_unix(now), failures(50, now + ahead));
        let limits = LoginThrottleLimits::default();
        let end = limits.end_of_wait(limits.recent(failed, limits.forget_after, time), 5);
        prop_assert_eq!(end.is_some(), ahead <= 900);
        prop_assert!(end.is_none_or(|end| end <= Timestamp::from_unix(now + 2 * 900)));
    }

    #[test]
    fn failures_are_forgotten_after_an_hour(count: u32, last in 0_u64..1 << 40, age in 0_u64..10_000) {
        let now = Timestamp::from_unix(last + age);
        let expected = if age < 3600 { failures(count, last) } else { FailedAttempts::default() };
        let limits = LoginThrottleLimits::default();
        prop_assert_eq!(limits.recent(failures(count, last), limits.forget_after, now), expected);
    }
}
