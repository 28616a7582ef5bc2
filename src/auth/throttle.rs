//! Login throttling: after several failures, each further attempt must wait, twice as long each time up to a limit.
//! Failures are counted per address, so that strangers cannot lock an account.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    num::NonZeroU32,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use quick_cache::sync::Cache;
use sha2::{Digest, Sha256};

use crate::{
    auth::{Auth, AuthError},
    domain::{
        backend_error::BackendError,
        client::ClientInfo,
        throttle::{DynFailedAttemptStore, FailedAttemptStore, FailedAttempts, ThrottleKey},
        time::Timestamp,
        user::AuthUser,
    },
};

/// Limits failed sign-ins: a store of failed attempts, and the limits.
///
/// Attempts are counted per client address, and per account and address. Behind a reverse proxy, all clients have the
/// address of the proxy, and one of them can lock out the others. To count the real addresses, add
/// [`TrustedProxies`](crate::web::TrustedProxies) to the application:
/// `.app_data(web::Data::new("10.0.0.0/8".parse::<TrustedProxies>()?))`.
pub struct LoginThrottle {
    store: Arc<DynFailedAttemptStore<'static>>,
    limits: LoginThrottleLimits,
}

impl LoginThrottle {
    /// Creates a throttle that counts failed attempts in the memory of this process.
    pub fn in_memory() -> Self {
        Self::new(InMemoryFailedAttempts(Cache::new(100_000), Mutex::default()))
    }

    /// Creates a throttle that counts failed attempts in a store, which replicas may share.
    pub fn new(store: impl FailedAttemptStore + 'static) -> Self {
        Self { store: DynFailedAttemptStore::new_arc(store), limits: LoginThrottleLimits::default() }
    }

    /// Replaces the default limits.
    #[must_use]
    pub fn limits(self, limits: LoginThrottleLimits) -> Self {
        Self { limits, ..self }
    }
}

/// The limits of a [`LoginThrottle`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoginThrottleLimits {
    /// The number of failures for one account from one address after which attempts must wait.
    pub account_failures: u32,
    /// The number of failures from one address, over all accounts, after which attempts must wait.
    pub address_failures: u32,
    /// The longest wait. The first wait is one second, and each is twice as long as the one before.
    pub longest_wait: Duration,
    /// The time after the last failure at which all failures are forgotten. It must exceed the longest wait.
    pub forget_after: Duration,
    /// The number of attempts per second from one address, successful or not. A burst may be ten times as large.
    pub rate: NonZeroU32,
}

impl Default for LoginThrottleLimits {
    /// Returns limits of 5 failures per account and 100 per address, waits of up to 15 minutes, forgotten after an
    /// hour, and 50 attempts per second.
    ///
    /// After about 15 attempts, an attacker gets four per hour at one account from one address. This stays within the
    /// 100 attempts of [NIST SP 800-63B section 5.2.2](https://pages.nist.gov/800-63-3/sp800-63b.html#throttle) for
    /// most of a day.
    fn default() -> Self {
        Self {
            account_failures: 5,
            address_failures: 100,
            longest_wait: Duration::from_secs(15 * 60),
            forget_after: Duration::from_secs(60 * 60),
            rate: const { NonZeroU32::new(50).expect("50 is not zero") },
        }
    }
}

impl LoginThrottleLimits {
    /// Returns the end of the wait after these failures, if there are at least `allowed`.
    fn end_of_wait(&self, failures: FailedAttempts, allowed: u32) -> Option<Timestamp> {
        let over = failures.count.checked_sub(allowed)?;
        // The cap avoids overflow: 2^32 seconds are longer than any wait.
        let wait = Duration::from_secs(1 << over.min(32)).min(self.longest_wait);
        failures.last.map(|last| last + wait)
    }

    /// Returns the failures, or none if they are forgotten.
    fn recent(&self, failures: FailedAttempts, now: Timestamp) -> FailedAttempts {
        match failures.last {
            // The clock was wrong at the time: nobody must wait until then.
            Some(last) if last > now + self.longest_wait => FailedAttempts::default(),
            Some(last) if now < last + self.forget_after => failures,
            _ => FailedAttempts::default(),
        }
    }
}

/// The most recent failed attempts, in memory. The lock makes additions atomic.
struct InMemoryFailedAttempts(Cache<String, FailedAttempts>, Mutex<()>);

impl FailedAttemptStore for InMemoryFailedAttempts {
    fn normalize_username(&self, username: &str) -> String {
        username.trim().to_lowercase()
    }

    async fn find(&self, keys: [&ThrottleKey; 2]) -> Result<[FailedAttempts; 2], BackendError> {
        Ok(keys.map(|key| self.0.get(key.as_str()).unwrap_or_default()))
    }

    async fn add(
        &self,
        keys: [&ThrottleKey; 2],
        now: Timestamp,
        forget_before: Timestamp,
    ) -> Result<(), BackendError> {
        let _lock = self.1.lock().unwrap_or_else(PoisonError::into_inner);
        for key in keys {
            let failures = self.0.get(key.as_str()).filter(|before| before.last > Some(forget_before));
            let count = failures.unwrap_or_default().count.saturating_add(1);
            self.0.insert(key.as_str().to_owned(), FailedAttempts { count, last: Some(now) });
        }
        Ok(())
    }

    async fn clear(&self, key: &ThrottleKey) -> Result<(), BackendError> {
        self.0.remove(key.as_str());
        Ok(())
    }
}

impl<U: AuthUser> Auth<U> {
    /// Runs `verify`, which checks a password of this account, and counts the result. Returns an error instead if too
    /// many attempts failed.
    pub(super) async fn throttled<R>(
        &self,
        account: &str,
        client_info: &ClientInfo,
        verify: impl Future<Output = Result<R, AuthError>>,
    ) -> Result<R, AuthError> {
        let Some(throttle) = &self.0.throttle else { return verify.await };
        let attempt = throttle.admit(account, client_info, self.now()).await?;
        let result = verify.await;
        match &result {
            Ok(_) => attempt.succeeded().await,
            // Counted before the response: if that fails, the client must not learn that the password was wrong.
            Err(AuthError::InvalidCredentials | AuthError::IncorrectPassword) => attempt.failed().await?,
            // These errors do not depend on the password, or only occur if it is right.
            Err(_) => attempt.ignored(),
        }
        result
    }
}

/// The state of a [`LoginThrottle`].
pub(super) struct Throttle {
    store: Arc<DynFailedAttemptStore<'static>>,
    limits: LoginThrottleLimits,
    rates: DefaultKeyedRateLimiter<IpAddr>,
    /// The number of networks above which those without recent attempts are removed.
    rates_limit: AtomicUsize,
    /// The number of attempts in progress by key. They count as failures until they are done.
    in_progress: Mutex<HashMap<ThrottleKey, u32>>,
}

const SECOND: Duration = Duration::from_secs(1);
const MIN_RATES_LIMIT: usize = 10_000;

impl Throttle {
    pub(super) fn new(LoginThrottle { store, limits }: LoginThrottle) -> Self {
        let burst = limits.rate.saturating_mul(const { NonZeroU32::new(10).expect("10 is not zero") });
        let rates = RateLimiter::keyed(Quota::per_second(limits.rate).allow_burst(burst));
        Self { store, limits, rates, rates_limit: MIN_RATES_LIMIT.into(), in_progress: Mutex::default() }
    }

    /// Admits an attempt at an account from an address, or returns [`AuthError::TooManyAttempts`] with the wait.
    async fn admit(
        self: &Arc<Self>,
        account: &str,
        client_info: &ClientInfo,
        now: Timestamp,
    ) -> Result<Attempt, AuthError> {
        let network = client_info.address.map(network);
        if !network.is_none_or(|network| self.is_within_rate(network)) {
            return Err(AuthError::TooManyAttempts { retry_after: SECOND });
        }
        // Before the store is read, so that each earlier attempt is either still in progress or already in the store.
        let (in_progress, others) = InProgress::start(self, self.keys(account, network));
        let failures = self.store.find(in_progress.keys()).await?;
        let failures = failures.map(|failures| self.limits.recent(failures, now));
        let allowed = [self.limits.account_failures, self.limits.address_failures];
        for ((failures, others), allowed) in failures.into_iter().zip(others).zip(allowed) {
            if let Some(end) = self.limits.end_of_wait(failures, allowed)
                && now < end
            {
                let left = Duration::from_secs(end.as_unix() - now.as_unix());
                return Err(AuthError::TooManyAttempts { retry_after: left.min(self.limits.longest_wait) });
            }
            // All concurrent attempts may fail, so beyond the limit only one is admitted at a time.
            if others > 0 && failures.count.saturating_add(others) >= allowed {
                return Err(AuthError::TooManyAttempts { retry_after: SECOND });
            }
        }
        Ok(Attempt { in_progress: Some(in_progress), now, has_failures: failures[0].count > 0 })
    }

    fn is_within_rate(&self, network: IpAddr) -> bool {
        let is_within = self.rates.check_key(&network).is_ok();
        if self.rates.len() > self.rates_limit.load(Ordering::Relaxed) {
            self.rates.retain_recent();
            // The number must double before the next cleanup, so its amortized cost is constant.
            self.rates_limit.store(MIN_RATES_LIMIT.max(2 * self.rates.len()), Ordering::Relaxed);
        }
        is_within
    }

    /// Returns the key of the account at this address, and the key of the address.
    fn keys(&self, account: &str, network: Option<IpAddr>) -> [ThrottleKey; 2] {
        let network = network.map_or_else(|| "unknown".to_owned(), |network| network.to_string());
        // Hashed: the username may be long, or a password that was typed into the wrong field.
        let account = URL_SAFE_NO_PAD.encode(Sha256::digest(self.store.normalize_username(account)));
        [ThrottleKey(format!("{account} {network}")), ThrottleKey(network)]
    }

    fn in_progress(&self) -> MutexGuard<'_, HashMap<ThrottleKey, u32>> {
        self.in_progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The entry of an attempt in [`Throttle::in_progress`].
struct InProgress {
    throttle: Arc<Throttle>,
    keys: [ThrottleKey; 2],
}

impl InProgress {
    /// Adds an entry, and returns the number of others under each key.
    fn start(throttle: &Arc<Throttle>, keys: [ThrottleKey; 2]) -> (Self, [u32; 2]) {
        let mut in_progress = throttle.in_progress();
        let others = keys.each_ref().map(|key| {
            let number = in_progress.entry(key.clone()).or_default();
            *number += 1;
            *number - 1
        });
        drop(in_progress);
        (Self { throttle: Arc::clone(throttle), keys }, others)
    }

    fn keys(&self) -> [&ThrottleKey; 2] {
        self.keys.each_ref()
    }

    async fn count_failure(&self, now: Timestamp) -> Result<(), BackendError> {
        let Throttle { store, limits, .. } = &*self.throttle;
        store.add(self.keys(), now, now - limits.forget_after).await
    }
}

impl Drop for InProgress {
    fn drop(&mut self) {
        let mut in_progress = self.throttle.in_progress();
        for key in &self.keys {
            if let Some(number) = in_progress.get_mut(key) {
                *number -= 1;
                if *number == 0 {
                    in_progress.remove(key);
                }
            }
        }
    }
}

/// An attempt in progress. If the client disconnects, it is dropped and counts as failed: closing connections must not
/// allow uncounted attempts.
struct Attempt {
    in_progress: Option<InProgress>,
    now: Timestamp,
    has_failures: bool,
}

impl Attempt {
    async fn failed(mut self) -> Result<(), BackendError> {
        let Some(in_progress) = &self.in_progress else { return Ok(()) };
        let counted = in_progress.count_failure(self.now).await;
        self.in_progress = None;
        counted
    }

    /// Clears the failures of this account at this address; those of the address stay.
    async fn succeeded(mut self) {
        let Some(in_progress) = self.in_progress.take().filter(|_| self.has_failures) else { return };
        if let Err(error) = in_progress.throttle.store.clear(&in_progress.keys[0]).await {
            // Not fatal: the password is right, and the failures only reduce further attempts.
            log::warn!("cannot clear failed attempts after a sign-in: {error}");
        }
    }

    fn ignored(mut self) {
        self.in_progress = None;
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        if let Some(in_progress) = self.in_progress.take()
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            let now = self.now;
            runtime.spawn(async move {
                if let Err(error) = in_progress.count_failure(now).await {
                    log::warn!("cannot count an attempt whose client disconnected: {error}");
                }
            });
        }
    }
}

/// Returns the part of an address that identifies a subscriber: the IPv4 address or the IPv6 /64 network.
pub(super) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use proptest::prelude::*;

    use super::*;

    const LIMITS: LoginThrottleLimits = LoginThrottleLimits {
        account_failures: 5,
        address_failures: 100,
        longest_wait: Duration::from_secs(900),
        forget_after: Duration::from_secs(3600),
        rate: NonZeroU32::MIN,
    };

    fn failures(count: u32, last: u64) -> FailedAttempts {
        FailedAttempts { count, last: Some(Timestamp::from_unix(last)) }
    }

    #[test]
    fn end_of_wait_doubles_with_each_failure_up_to_the_longest_wait() {
        let wait = |count| LIMITS.end_of_wait(failures(count, 0), 5).map(Timestamp::as_unix);
        assert_eq!(
            [0, 4, 5, 6, 7, 14, 15, 1000, u32::MAX].map(wait),
            [None, None, Some(1), Some(2), Some(4), Some(512), Some(900), Some(900), Some(900)]
        );
    }

    #[test]
    fn network_is_the_ipv4_address_or_the_ipv6_64() {
        for (address, expected) in [
            ("203.0.113.7", "203.0.113.7"),
            ("::ffff:203.0.113.7", "203.0.113.7"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
            ("2001:db8:1:2::", "2001:db8:1:2::"),
        ] {
            assert_eq!(network(address.parse().unwrap()), expected.parse::<IpAddr>().unwrap());
        }
    }

    #[test]
    fn in_memory_store_counts_forgets_and_clears() {
        let store = InMemoryFailedAttempts(Cache::new(100), Mutex::default());
        let keys = ["a", "b"].map(|key| ThrottleKey(key.to_owned()));
        let [a, b] = keys.each_ref();
        let add = |now, before| {
            let (now, before) = (Timestamp::from_unix(now), Timestamp::from_unix(before));
            store.add([a, b], now, before).now_or_never().unwrap().unwrap();
        };
        let find = || store.find([a, b]).now_or_never().unwrap().unwrap().map(|failures| failures.count);
        assert_eq!(find(), [0, 0]);
        add(10, 0);
        add(11, 0);
        assert_eq!(find(), [2, 2]);
        store.clear(a).now_or_never().unwrap().unwrap();
        assert_eq!(find(), [0, 2]);
        add(20, 11);
        assert_eq!(find(), [1, 1], "the failure at 11 is forgotten");
    }

    proptest! {
        #[test]
        fn end_of_wait_never_exceeds_the_longest_and_never_decreases(count: u32, allowed in 0_u32..1000, last in 0_u64..1 << 40) {
            let end = |count| LIMITS.end_of_wait(failures(count, last), allowed);
            prop_assert!(end(count).is_none_or(|end| end <= Timestamp::from_unix(last + 900)));
            prop_assert!(end(count) <= end(count.saturating_add(1)));
            prop_assert_eq!(end(count).is_some(), count >= allowed);
        }

        #[test]
        fn failure_in_the_future_delays_at_most_twice_the_longest_wait(now in 0_u64..1 << 40, ahead in 0_u64..10_000) {
            let (time, failed) = (Timestamp::from_unix(now), failures(50, now + ahead));
            let end = LIMITS.end_of_wait(LIMITS.recent(failed, time), 5);
            prop_assert_eq!(end.is_some(), ahead <= 900);
            prop_assert!(end.is_none_or(|end| end <= Timestamp::from_unix(now + 2 * 900)));
        }

        #[test]
        fn failures_are_forgotten_after_an_hour(count: u32, last in 0_u64..1 << 40, age in 0_u64..10_000) {
            let now = Timestamp::from_unix(last + age);
            let expected = if age < 3600 { failures(count, last) } else { FailedAttempts::default() };
            prop_assert_eq!(LIMITS.recent(failures(count, last), now), expected);
        }
    }
}
