//! Guessing: whoever fails often waits, longer each time, and at the end for a bounded time. Nobody is locked out by a
//! stranger, since failures count by the address they come from.

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
use sha2::{Digest, Sha256};

use crate::{
    auth::{Auth, any::AnyFailureStore},
    domain::{
        backend_error::BackendError,
        ports::UserStore,
        session::ClientInfo,
        throttle::{FailedAttempts, ThrottleKey},
        time::Timestamp,
    },
};

/// From when on somebody waits, and how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoginThrottleLimits {
    /// How often one account may fail from one address before anybody waits: what a person mistypes.
    pub account_failures: u32,
    /// How often one address may fail, whatever the account: what the people behind one address mistype.
    pub address_failures: u32,
    /// How long the last wait is; the first one is a second, and each takes twice as long as the one before.
    pub longest_wait: Duration,
    /// How long after the last failure all of them are forgotten; more than the longest wait.
    pub forgotten_after: Duration,
    /// How many attempts an address may make in a second, right or wrong; ten times as many at once.
    pub rate: NonZeroU32,
}

impl Default for LoginThrottleLimits {
    /// 5 and 100 failures, at the most 15 minutes, forgotten after an hour, 50 attempts a second.
    ///
    /// A person mistypes a password a few times; who guesses gets four attempts an hour at one account after the
    /// first dozen, which is within the hundred that
    /// [NIST SP 800-63B section 5.2.2](https://pages.nist.gov/800-63-3/sp800-63b.html#throttle) allows for some time.
    fn default() -> Self {
        Self {
            account_failures: 5,
            address_failures: 100,
            longest_wait: Duration::from_secs(15 * 60),
            forgotten_after: Duration::from_secs(60 * 60),
            rate: const { NonZeroU32::new(50).expect("50 is not zero") },
        }
    }
}

impl LoginThrottleLimits {
    /// Until when somebody waits who failed so often, of which `free` cost nothing.
    fn end_of_wait(&self, failures: FailedAttempts, free: u32) -> Option<Timestamp> {
        let over = failures.count.checked_sub(free)?;
        // 2^32 seconds are more than any wait.
        let wait = Duration::from_secs(1 << over.min(32)).min(self.longest_wait);
        failures.last.map(|last| last + wait)
    }

    /// What still counts of it.
    fn remembered(&self, failures: FailedAttempts, now: Timestamp) -> FailedAttempts {
        match failures.last {
            // Of a clock that was wrong: nobody waits for that moment to come.
            Some(last) if last > now + self.longest_wait => FailedAttempts::default(),
            Some(last) if now < last + self.forgotten_after => failures,
            _ => FailedAttempts::default(),
        }
    }
}

/// Too many attempts: the next one is looked at after so long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooMany {
    pub(super) retry_after: Duration,
}

impl<S: UserStore, H, T> Auth<S, H, T> {
    /// Does `work`, which compares a password of this account, unless there were too many failures; and counts how it
    /// ends.
    pub(super) async fn guarded<R, E: GuardedError>(
        &self,
        account: &str,
        client_info: &ClientInfo,
        now: Timestamp,
        work: impl Future<Output = Result<R, E>>,
    ) -> Result<R, E> {
        let Some(guard) = &self.ports.options.guard else { return work.await };
        let attempt = guard.admit(account, client_info, now).await?.map_err(E::too_many)?;
        let done = work.await;
        match &done {
            Ok(_) => attempt.succeeded().await,
            // Before it is answered: a failure that cannot be counted is none that may be seen.
            Err(error) if error.is_wrong_password() => attempt.failed().await?,
            Err(_) => attempt.told_nothing(),
        }
        done
    }
}

/// What may come of an attempt.
pub(super) trait GuardedError: From<BackendError> {
    fn too_many(too_many: TooMany) -> Self;
    fn is_wrong_password(&self) -> bool;
}

/// The guard in front of everything that compares a password.
pub(super) struct Guard {
    store: Box<dyn AnyFailureStore>,
    limits: LoginThrottleLimits,
    rates: DefaultKeyedRateLimiter<IpAddr>,
    /// How many networks are known before those that were not seen lately are forgotten.
    crowd: AtomicUsize,
    /// How many attempts are under way under each key: what they will have counted, they count already.
    under_way: Mutex<HashMap<ThrottleKey, u32>>,
}

impl Guard {
    pub(super) fn new(store: Box<dyn AnyFailureStore>, limits: LoginThrottleLimits) -> Self {
        let burst = limits.rate.saturating_mul(const { NonZeroU32::new(10).expect("10 is not zero") });
        let rates = RateLimiter::keyed(Quota::per_second(limits.rate).allow_burst(burst));
        Self { store, limits, rates, crowd: CROWD.into(), under_way: Mutex::default() }
    }

    /// Lets an attempt at this account from this address through, or says how long to wait.
    async fn admit(
        self: &Arc<Self>,
        account: &str,
        client_info: &ClientInfo,
        now: Timestamp,
    ) -> Result<Result<Attempt, TooMany>, BackendError> {
        let too_many = |retry_after| Ok(Err(TooMany { retry_after }));
        let network = client_info.address.map(network);
        if !network.is_none_or(|network| self.keeps_to_the_rate(network)) {
            return too_many(SECOND);
        }
        let keys = self.keys(account, network);
        // Whoever began before is among the others, or was counted before the store is asked.
        let (place, others) = Place::take(self, keys);
        let counted = self.store.failures(place.keys()).await?.map(|all| self.limits.remembered(all, now));
        let free = [self.limits.account_failures, self.limits.address_failures];
        for ((failures, others), free) in counted.into_iter().zip(others).zip(free) {
            if let Some(end) = self.limits.end_of_wait(failures, free)
                && now < end
            {
                let left = Duration::from_secs(end.as_unix() - now.as_unix());
                return too_many(left.min(self.limits.longest_wait));
            }
            // They may all fail: past the threshold there is one at a time.
            if others > 0 && failures.count.saturating_add(others) >= free {
                return too_many(SECOND);
            }
        }
        Ok(Ok(Attempt { place: Some(place), now, has_failures: counted[0].count > 0 }))
    }

    fn keeps_to_the_rate(&self, network: IpAddr) -> bool {
        let keeps = self.rates.check_key(&network).is_ok();
        let known = self.rates.len();
        if known > self.crowd.load(Ordering::Relaxed) {
            // Those who have their whole burst again are as good as unknown. Twice as many as are left come before
            // the next time, so that this costs each of them the same, however many they are.
            self.rates.retain_recent();
            self.crowd.store(CROWD.max(2 * self.rates.len()), Ordering::Relaxed);
        }
        keeps
    }

    fn keys(&self, account: &str, network: Option<IpAddr>) -> [ThrottleKey; 2] {
        let network = network.map_or_else(|| "nowhere".to_owned(), |network| network.to_string());
        // Not the name itself, which may be of any length, or a password in the wrong field.
        let account = URL_SAFE_NO_PAD.encode(Sha256::digest(self.store.folded(account)));
        [format!("{account} {network}").into(), network.into()]
    }

    fn under_way(&self) -> MutexGuard<'_, HashMap<ThrottleKey, u32>> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const SECOND: Duration = Duration::from_secs(1);
const CROWD: usize = 10_000;

/// The place of an attempt among those that are under way.
struct Place {
    guard: Arc<Guard>,
    /// The account's, and the address's.
    keys: [ThrottleKey; 2],
}

impl Place {
    /// A place, and how many others have one under each key.
    fn take(guard: &Arc<Guard>, keys: [ThrottleKey; 2]) -> (Self, [u32; 2]) {
        let mut under_way = guard.under_way();
        let others = keys.each_ref().map(|key| {
            let number = under_way.entry(key.clone()).or_default();
            *number += 1;
            *number - 1
        });
        drop(under_way);
        (Self { guard: Arc::clone(guard), keys }, others)
    }

    fn keys(&self) -> [&ThrottleKey; 2] {
        self.keys.each_ref()
    }

    async fn count_failure(&self, now: Timestamp) -> Result<(), BackendError> {
        let Guard { store, limits, .. } = &*self.guard;
        store.count(self.keys(), now, now - limits.forgotten_after).await
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut under_way = self.guard.under_way();
        for key in &self.keys {
            if let Some(number) = under_way.get_mut(key) {
                *number -= 1;
                if *number == 0 {
                    under_way.remove(key);
                }
            }
        }
    }
}

/// An attempt under way. One that is dropped before its end, with the connection of a client who goes away, counts as
/// failed: nobody has guesses for nothing.
struct Attempt {
    place: Option<Place>,
    now: Timestamp,
    has_failures: bool,
}

impl Attempt {
    /// The password was wrong.
    async fn failed(mut self) -> Result<(), BackendError> {
        let Some(place) = &self.place else { return Ok(()) };
        let counted = place.count_failure(self.now).await;
        self.place = None;
        counted
    }

    /// The password was right: this account begins anew from this address. Other accounts do not.
    async fn succeeded(mut self) {
        let Some(place) = self.place.take().filter(|_| self.has_failures) else { return };
        if let Err(fault) = place.guard.store.forget(&place.keys[0]).await {
            // The session has begun, and who is let in fewer times than may be does no harm.
            log::warn!("failures before a sign-in were not forgotten: {fault}");
        }
    }

    /// It ended otherwise, and its answer says nothing of the password to whom does not know it.
    fn told_nothing(mut self) {
        self.place = None;
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        if let Some(place) = self.place.take()
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            let now = self.now;
            runtime.spawn(async move {
                if let Err(fault) = place.count_failure(now).await {
                    log::warn!("an attempt whose client went away was not counted: {fault}");
                }
            });
        }
    }
}

/// What one subscriber has: an address, or the /64 of IPv6, in which anybody has as many as they like.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LIMITS: LoginThrottleLimits = LoginThrottleLimits {
        account_failures: 5,
        address_failures: 100,
        longest_wait: Duration::from_secs(900),
        forgotten_after: Duration::from_secs(3600),
        rate: NonZeroU32::MIN,
    };

    fn failures(count: u32, last: u64) -> FailedAttempts {
        FailedAttempts { count, last: Some(Timestamp::from_unix(last)) }
    }

    #[test]
    fn the_waits_double_up_to_the_longest() {
        let wait = |count| LIMITS.end_of_wait(failures(count, 0), 5).map(Timestamp::as_unix);
        assert_eq!(
            [0, 4, 5, 6, 7, 14, 15, 1000, u32::MAX].map(wait),
            [None, None, Some(1), Some(2), Some(4), Some(512), Some(900), Some(900), Some(900)]
        );
    }

    #[test]
    fn a_network_is_an_address_or_the_64_of_it() {
        for (address, of) in [
            ("203.0.113.7", "203.0.113.7"),
            ("::ffff:203.0.113.7", "203.0.113.7"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
            ("2001:db8:1:2::", "2001:db8:1:2::"),
        ] {
            assert_eq!(network(address.parse().unwrap()), of.parse::<IpAddr>().unwrap());
        }
    }

    proptest! {
        #[test]
        fn no_wait_is_over_the_longest_nor_gets_shorter(count: u32, free in 0_u32..1000, last in 0_u64..1 << 40) {
            let end = |count| LIMITS.end_of_wait(failures(count, last), free);
            prop_assert!(end(count).is_none_or(|end| end <= Timestamp::from_unix(last + 900)));
            prop_assert!(end(count) <= end(count.saturating_add(1)));
            prop_assert_eq!(end(count).is_some(), count >= free);
        }

        #[test]
        fn no_clock_that_was_wrong_makes_anybody_wait_for_long(now in 0_u64..1 << 40, ahead in 0_u64..10_000) {
            let (moment, failed) = (Timestamp::from_unix(now), failures(50, now + ahead));
            let end = LIMITS.end_of_wait(LIMITS.remembered(failed, moment), 5);
            prop_assert_eq!(end.is_some(), ahead <= 900);
            prop_assert!(end.is_none_or(|end| end <= Timestamp::from_unix(now + 2 * 900)));
        }

        #[test]
        fn what_is_forgotten_counts_no_more(count: u32, last in 0_u64..1 << 40, age in 0_u64..10_000) {
            let now = Timestamp::from_unix(last + age);
            let expected = if age < 3600 { failures(count, last) } else { FailedAttempts::default() };
            prop_assert_eq!(LIMITS.remembered(failures(count, last), now), expected);
        }
    }
}
