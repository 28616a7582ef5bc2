//! Login throttling: after several failures, each further attempt must wait, and the wait doubles each time up to a
//! limit. Strangers cannot lock an account: they do not delay sign-ins from devices or networks that the account has
//! signed in from before.

use std::{
    collections::HashMap,
    hash::Hash,
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
use tokio::sync::OnceCell;

use crate::{
    auth::{
        Auth, AuthError,
        device_cookie::{self, DeviceId},
        random,
    },
    domain::{
        backend_error::BackendError,
        client::ClientInfo,
        event::{Event, EventKind},
        secret::{DeviceCookie, PasswordHash},
        throttle::{DynFailedAttemptStore, FailedAttemptStore, FailedAttempts, ThrottleKey},
        time::Timestamp,
        user::{AuthUser, Subject},
    },
};

/// The throttle for sign-ins: a store of failed attempts, and the limits.
///
/// Failed attempts are counted per client address, per account and address, and per account. Behind a reverse proxy,
/// all clients have the address of the proxy, and one of them can lock out the others. To count the real addresses, add
/// [`TrustedProxies`](crate::web::TrustedProxies) to the application:
/// `.app_data(web::Data::new("10.0.0.0/8".parse::<TrustedProxies>()?))`.
///
/// After a sign-in, the response sets a cookie
/// ([device cookie](https://owasp.org/www-community/Slow_Down_Online_Guessing_Attacks_with_Device_Cookies)). Attempts
/// with a cookie for the account are counted separately, so that failures by strangers do not delay them. The cookie
/// does not authenticate anyone: the password is still required.
///
/// ```
/// use gatepass::throttle::{LoginThrottle, LoginThrottleLimits};
///
/// let limits = LoginThrottleLimits { account_failures: 3, ..LoginThrottleLimits::default() };
/// let throttle = LoginThrottle::in_memory().limits(limits); // for `AuthBuilder::login_throttle`
/// ```
pub struct LoginThrottle {
    store: Arc<DynFailedAttemptStore<'static>>,
    limits: LoginThrottleLimits,
}

impl LoginThrottle {
    /// Creates a throttle that counts failed attempts in the memory of this process.
    pub fn in_memory() -> Self {
        Self::new(InMemoryFailedAttempts::new(100_000))
    }

    /// Creates a throttle that counts failed attempts in a store, which replicas can share.
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
    /// The number of failures for one account from one address, or from one device with a cookie, after which attempts
    /// must wait.
    pub account_failures: u32,
    /// The number of failures for one account from all addresses after which attempts must wait, except from devices
    /// with a cookie and from networks that the account signed in from within 30 days.
    pub account_total_failures: u32,
    /// The number of failures from one address, across all accounts, after which attempts must wait.
    pub address_failures: u32,
    /// The longest wait. The first wait is one second, and each further wait is twice as long as the one before.
    pub longest_wait: Duration,
    /// The time after which failures from an address are forgotten, counted from the last failure. It must exceed the
    /// longest wait. The failures for an account across all addresses are forgotten after a day, and those from a
    /// device after 30 days.
    pub forget_after: Duration,
    /// The maximum number of attempts per second from one address, successful or not. Bursts may be ten times as large.
    pub rate: NonZeroU32,
}

impl Default for LoginThrottleLimits {
    /// Returns limits of 5 failures per account and address, 100 per account, and 100 per address, with waits of up to
    /// 15 minutes. Failures from an address are forgotten after an hour. An address may make 50 attempts per second.
    ///
    /// After about 15 attempts, an attacker gets four attempts per hour on one account from one address. From all
    /// addresses together, attackers get 100 attempts, the limit of
    /// [NIST SP 800-63B section 5.2.2](https://pages.nist.gov/800-63-3/sp800-63b.html#throttle), and then four per
    /// hour.
    fn default() -> Self {
        Self {
            account_failures: 5,
            account_total_failures: 100,
            address_failures: 100,
            longest_wait: Duration::from_secs(15 * 60),
            forget_after: Duration::from_secs(60 * 60),
            rate: const { NonZeroU32::new(50).expect("50 is not zero") },
        }
    }
}

/// The number of failures from one device after which its cookie has no effect: a stolen cookie allows this many
/// guesses.
const DEVICE_FAILURES: u32 = 10;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// The time after which the failures for an account across all addresses are forgotten.
const ACCOUNT_FORGET_AFTER: Duration = DAY;

/// The time after which the failures from a device are forgotten.
const DEVICE_FORGET_AFTER: Duration = DAY.saturating_mul(30);

/// The retention period for known networks, counted from the last recorded sign-in.
const NETWORK_KNOWN_FOR: Duration = DAY.saturating_mul(30);

impl LoginThrottleLimits {
    /// Returns the end of the wait after these failures, if there are at least `allowed`.
    fn end_of_wait(&self, failures: FailedAttempts, allowed: u32) -> Option<Timestamp> {
        let over = failures.count.checked_sub(allowed)?;
        // The cap avoids overflow: 2^32 seconds is longer than any wait.
        let wait = Duration::from_secs(1 << over.min(32)).min(self.longest_wait);
        failures.last.map(|last| last + wait)
    }

    /// Returns the failures, or none if they are forgotten.
    fn recent(&self, failures: FailedAttempts, forget_after: Duration, now: Timestamp) -> FailedAttempts {
        match failures.last {
            // The failure is too far in the future, because a clock was wrong. Nobody should have to wait that long.
            Some(last) if last > now + self.longest_wait => FailedAttempts::default(),
            Some(last) if now < last + forget_after => failures,
            _ => FailedAttempts::default(),
        }
    }

    /// Returns an error if an attempt must wait, given the `failures` so far and the number of other attempts in
    /// progress (`others`).
    fn check(
        &self,
        failures: FailedAttempts,
        others: u32,
        allowed: u32,
        now: Timestamp,
    ) -> Result<(), AuthError> {
        if let Some(end) = self.end_of_wait(failures, allowed)
            && now < end
        {
            let left = Duration::from_secs(end.as_unix() - now.as_unix());
            return Err(AuthError::TooManyAttempts { retry_after: left.min(self.longest_wait) });
        }
        // All concurrent attempts may fail, so once the limit is reached, only one is admitted at a time.
        if others > 0 && failures.count.saturating_add(others) >= allowed {
            return Err(AuthError::TooManyAttempts { retry_after: SECOND });
        }
        Ok(())
    }
}

/// An in-memory store of the most recent failed attempts.
pub(crate) struct InMemoryFailedAttempts {
    attempts: Cache<String, FailedAttempts>,
    /// The lock that makes additions atomic.
    lock: Mutex<()>,
    device_key: OnceCell<[u8; 32]>,
}

impl InMemoryFailedAttempts {
    pub(crate) fn new(capacity: usize) -> Self {
        Self { attempts: Cache::new(capacity), lock: Mutex::default(), device_key: OnceCell::new() }
    }
}

impl FailedAttemptStore for InMemoryFailedAttempts {
    fn normalize_username(&self, username: &str) -> String {
        username.trim().to_lowercase()
    }

    async fn find(&self, keys: &[ThrottleKey]) -> Result<Vec<FailedAttempts>, BackendError> {
        Ok(keys.iter().map(|key| self.attempts.get(key.as_str()).unwrap_or_default()).collect())
    }

    async fn add(&self, keys: &[ThrottleKey], now: Timestamp) -> Result<(), BackendError> {
        let _lock = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        for key in keys {
            let forget_before = now - key.forget_after();
            let failures = self.attempts.get(key.as_str()).filter(|before| before.last > Some(forget_before));
            let count = failures.unwrap_or_default().count.saturating_add(1);
            self.attempts.insert(key.as_str().to_owned(), FailedAttempts { count, last: Some(now) });
        }
        Ok(())
    }

    async fn clear(&self, keys: &[ThrottleKey]) -> Result<(), BackendError> {
        for key in keys {
            self.attempts.remove(key.as_str());
        }
        Ok(())
    }

    async fn device_key(&self, new: [u8; 32]) -> Result<[u8; 32], BackendError> {
        Ok(*self.device_key.get_or_init(async || new).await)
    }
}

/// The account that an attempt targets. Failures are counted under this account.
#[derive(Clone, Copy)]
pub(crate) enum Target<'a> {
    /// A user, with the stored hash of the password. All spellings of a username map to one subject, and therefore to
    /// one count, which also includes attempts to change the password.
    User(&'a Subject, &'a PasswordHash),
    /// A username that no user has. Its failures are counted like those of an account.
    Username(&'a str),
    /// The identifier of a client, as it was sent.
    Client(&'a str),
}

impl Target<'_> {
    /// Returns the hash of the account. Stores must not get the username itself: it may be long, or it may be a
    /// password that was typed into the wrong field.
    fn hash(self, user_kind: &str, normalize: impl FnOnce(&str) -> String) -> [u8; 32] {
        let text = match self {
            Self::User(subject, _) => format!("user\0{user_kind}\0{}", subject.as_str()),
            Self::Username(name) => format!("name\0{}", normalize(name)),
            Self::Client(client_id) => format!("client\0{client_id}"),
        };
        Sha256::digest(text).into()
    }

    /// Returns the prefix of the keys of the account.
    #[cfg(feature = "sql")]
    pub(crate) fn key(self, user_kind: &str, normalize: impl FnOnce(&str) -> String) -> String {
        URL_SAFE_NO_PAD.encode(self.hash(user_kind, normalize))
    }
}

/// The prefix of the keys under which failed client authentications are counted by address.
pub(crate) const CLIENTS: &str = "clients ";

/// The prefix of the keys for networks that an account signed in from.
pub(crate) const KNOWN: &str = "known ";

impl<U: AuthUser> Auth<U> {
    /// Refuses a request if too many requests came from its address, whether or not they failed. Other clients at the
    /// same address do not delay a device that signed in before. Sign-ins check the rate themselves; call this function
    /// in other endpoints that hash a password, such as registration.
    ///
    /// The request is counted together with sign-ins, under [`LoginThrottleLimits::rate`]: 50 requests per second from
    /// one address by default, with bursts of up to 500. The limit protects the hashing threads. To keep scripts from
    /// creating accounts, also set a lower limit of your own. Requests without an address are not limited. If login
    /// throttling is off, no request is limited.
    ///
    /// # Errors
    /// [`AuthError::TooManyAttempts`] if the rate limit is exceeded, [`AuthError::Backend`] if the store fails.
    pub async fn check_rate(&self, client_info: &ClientInfo) -> Result<(), AuthError> {
        let Some(throttle) = &self.0.throttle else { return Ok(()) };
        let now = self.now();
        if client_info.address.is_none_or(|address| throttle.is_within_rate(network(address), now)) {
            return Ok(());
        }
        self.admit_known_device(throttle, client_info, now).await
    }

    /// Refuses a request from an address that exceeds its rate limit, unless the request comes from a device that
    /// signed in before and is within its own limit.
    async fn admit_known_device(
        &self,
        throttle: &Throttle,
        client_info: &ClientInfo,
        now: Timestamp,
    ) -> Result<(), AuthError> {
        if let Some(cookie) = &client_info.device_cookie {
            let key = throttle.device_key().await?;
            let device = device_cookie::verify_any(key, cookie, now);
            if device.is_some_and(|device| throttle.device_rates.check(device)) {
                return Ok(());
            }
        }
        self.emit(&Event::new(EventKind::RateLimited, client_info, now));
        Err(AuthError::TooManyAttempts { retry_after: SECOND })
    }

    /// Looks up a secret, and counts the request if nothing was found: anyone can invent secrets, and each costs a
    /// query. While the address exceeds its rate limit, nothing is looked up, except for devices that signed in before.
    pub(super) async fn limit_failures<T>(
        &self,
        client_info: &ClientInfo,
        look_up: impl Future<Output = Result<Option<T>, BackendError>>,
    ) -> Result<Option<T>, AuthError> {
        let Some((throttle, address)) = self.0.throttle.as_ref().zip(client_info.address) else {
            return Ok(look_up.await?);
        };
        let (network, now) = (network(address), self.now());
        if throttle.exceeded.get(&network) == Some(now) {
            self.admit_known_device(throttle, client_info, now).await?;
        }
        let found = look_up.await?;
        if found.is_none() && !throttle.is_within_rate(network, now) {
            throttle.exceeded.insert(network, now);
        }
        Ok(found)
    }

    /// Exempts an address from the rate limit for a minute after a client authenticated from it: a client may send
    /// requests for many users.
    pub(crate) fn exempt_from_rate(&self, client_info: &ClientInfo) {
        if let Some((throttle, address)) = self.0.throttle.as_ref().zip(client_info.address) {
            throttle.clients.insert(network(address), self.now());
        }
    }

    /// Runs `verify`, which checks a password or secret of this account, and counts the result. Returns an error
    /// instead if too many attempts failed.
    pub(super) async fn throttled<R>(
        &self,
        target: Target<'_>,
        client_info: &ClientInfo,
        verify: impl Future<Output = Result<R, AuthError>>,
    ) -> Result<R, AuthError> {
        let Some(throttle) = &self.0.throttle else { return verify.await };
        let account = self.account(throttle, target);
        let device = match &client_info.device_cookie {
            Some(cookie) => {
                let key = throttle.device_key().await?;
                device_cookie::verify(key, &account.credentials, cookie, self.now())
            }
            None => None,
        };
        let attempt = throttle.admit(&account, device, client_info, self.now()).await?;
        let result = verify.await;
        match &result {
            Ok(_) => attempt.succeeded().await,
            // The failure is counted before the response. If counting fails, the client must not learn that the
            // password was wrong.
            Err(AuthError::InvalidCredentials | AuthError::IncorrectPassword | AuthError::InvalidClient) => {
                attempt.failed().await?
            }
            // These errors do not depend on the password, or occur only if it is right.
            Err(_) => attempt.ignored(),
        }
        result
    }

    /// Stores the network of a user whose password hash was replaced, because the keys of known networks depend on the
    /// hash.
    pub(super) async fn remember_network(
        &self,
        subject: &Subject,
        password_hash: &PasswordHash,
        client_info: &ClientInfo,
    ) {
        let Some((throttle, address)) = self.0.throttle.as_ref().zip(client_info.address) else { return };
        let known =
            self.account(throttle, Target::User(subject, password_hash)).known(&network(address).to_string());
        if let Err(error) = throttle.store.add(&[known], self.now()).await {
            log::warn!("{NETWORK_NOT_STORED}: {error}");
        }
    }

    /// Returns the device cookie to set after a sign-in.
    pub(super) async fn device_cookie(
        &self,
        subject: &Subject,
        password_hash: &PasswordHash,
        client_info: &ClientInfo,
    ) -> Result<Option<DeviceCookie>, BackendError> {
        let Some(throttle) = &self.0.throttle else { return Ok(None) };
        let key = throttle.device_key().await?;
        let account = self.account(throttle, Target::User(subject, password_hash));
        let sent = client_info.device_cookie.as_ref();
        Ok(Some(device_cookie::renew(key, &account.credentials, sent, &random()?, self.now())))
    }

    fn account(&self, throttle: &Throttle, target: Target<'_>) -> Account {
        let normalize = |name: &str| throttle.store.normalize_username(name);
        let hash = target.hash(U::user_kind(), normalize);
        let password_hash = match target {
            Target::User(_, password_hash) => password_hash.expose(),
            Target::Username(_) | Target::Client(_) => "",
        };
        let credentials = Sha256::new().chain_update(hash).chain_update(password_hash).finalize().into();
        Account { hash, credentials, is_client: matches!(target, Target::Client(_)) }
    }
}

/// The account of an attempt.
struct Account {
    hash: [u8; 32],
    /// A hash of the account and its password hash: after a password change, the account's devices and networks are
    /// unknown.
    credentials: [u8; 32],
    is_client: bool,
}

impl Account {
    /// Returns the key of a network that the account signed in from.
    fn known(&self, network: &str) -> ThrottleKey {
        let name = format!("{KNOWN}{} {network}", URL_SAFE_NO_PAD.encode(self.credentials));
        ThrottleKey { name, forget_after: NETWORK_KNOWN_FOR }
    }
}

/// The state of a [`LoginThrottle`].
pub(super) struct Throttle {
    store: Arc<DynFailedAttemptStore<'static>>,
    limits: LoginThrottleLimits,
    /// The key that authenticates device cookies, read from the store when it is first needed.
    device_key: OnceCell<[u8; 32]>,
    rates: Rates<IpAddr>,
    /// The request rates of devices with a cookie. A request is counted here only if its network exceeds its rate
    /// limit.
    device_rates: Rates<DeviceId>,
    /// The networks whose failed lookups exceeded the rate limit, and the time when they did.
    exceeded: Cache<IpAddr, Timestamp>,
    /// The networks that clients authenticated from, and the time when they last did.
    clients: Cache<IpAddr, Timestamp>,
    /// The number of attempts in progress by key. Attempts count as failures until they finish.
    in_progress: Mutex<HashMap<ThrottleKey, u32>>,
}

/// The request rate of each sender. A burst may be ten times the rate per second.
struct Rates<K: Clone + Eq + Hash> {
    limiter: DefaultKeyedRateLimiter<K>,
    /// The number of senders above which those without recent requests are removed.
    limit: AtomicUsize,
}

impl<K: Clone + Eq + Hash> Rates<K> {
    fn new(per_second: NonZeroU32) -> Self {
        let burst = per_second.saturating_mul(const { NonZeroU32::new(10).expect("10 is not zero") });
        let quota = Quota::per_second(per_second).allow_burst(burst);
        Self { limiter: RateLimiter::keyed(quota), limit: MIN_RATES_LIMIT.into() }
    }

    /// Counts a request, and returns whether it is within the rate.
    fn check(&self, sender: K) -> bool {
        let is_within = self.limiter.check_key(&sender).is_ok();
        if self.limiter.len() > self.limit.load(Ordering::Relaxed) {
            self.limiter.retain_recent();
            // The number of senders must double before the next cleanup, so the amortized cost of the cleanup is
            // constant.
            self.limit.store(MIN_RATES_LIMIT.max(2 * self.limiter.len()), Ordering::Relaxed);
        }
        is_within
    }
}

const SECOND: Duration = Duration::from_secs(1);
const MIN_RATES_LIMIT: usize = 10_000;

/// The maximum number of networks in [`Throttle::clients`] and in [`Throttle::exceeded`].
const CLIENT_NETWORKS: usize = 1000;

/// The duration of a network's exemption from the rate limit after a client authenticated from it.
const CLIENT_EXEMPT_FOR: Duration = Duration::from_secs(60);

const NETWORK_NOT_STORED: &str =
    "cannot store the network that a user signed in from, so it stays unknown to login throttling";

impl Throttle {
    pub(super) fn new(LoginThrottle { store, limits }: LoginThrottle) -> Self {
        Self {
            store,
            limits,
            device_key: OnceCell::new(),
            rates: Rates::new(limits.rate),
            device_rates: Rates::new(NonZeroU32::MIN),
            exceeded: Cache::new(CLIENT_NETWORKS),
            clients: Cache::new(CLIENT_NETWORKS),
            in_progress: Mutex::default(),
        }
    }

    async fn device_key(&self) -> Result<&[u8; 32], BackendError> {
        self.device_key.get_or_try_init(async || self.store.device_key(random()?).await).await
    }

    /// Admits an attempt at an account, or returns [`AuthError::TooManyAttempts`] with the wait.
    async fn admit(
        self: &Arc<Self>,
        account: &Account,
        device: Option<DeviceId>,
        client_info: &ClientInfo,
        now: Timestamp,
    ) -> Result<Attempt, AuthError> {
        if let Some(device) = device {
            let name = format!("device {}", URL_SAFE_NO_PAD.encode(device));
            let key = ThrottleKey { name, forget_after: DEVICE_FORGET_AFTER };
            let (in_progress, others) = InProgress::start(self, vec![key]);
            let failures = self.find(&in_progress.keys, now).await?[0];
            if failures.count < DEVICE_FAILURES {
                self.limits.check(failures, others[0], self.limits.account_failures, now)?;
                // The failures are not cleared: someone who stole the cookie must not get more guesses when the
                // owner signs in. The owner's device gets a new ID.
                let in_progress = Some(in_progress);
                return Ok(Attempt { in_progress, now, outdated: Vec::new(), new_network: None });
            }
        }
        self.admit_unknown_device(account, client_info, now).await
    }

    async fn admit_unknown_device(
        self: &Arc<Self>,
        account: &Account,
        client_info: &ClientInfo,
        now: Timestamp,
    ) -> Result<Attempt, AuthError> {
        let address = client_info.address.map(network);
        // If an application signs its users in from a server, they all share the server's address.
        let is_shared = address.is_some_and(|address| self.has_client(address, now));
        let network = address.map_or_else(|| "unknown".to_owned(), |address| address.to_string());
        let name = URL_SAFE_NO_PAD.encode(account.hash);
        let key = |name, forget_after| ThrottleKey { name, forget_after };
        // Wrong passwords sent through a client must not delay the authentication of the client itself.
        let prefix = if account.is_client { CLIENTS } else { "" };
        let mut keys = vec![
            key(format!("{name} {network}"), self.limits.forget_after),
            key(format!("{prefix}{network}"), self.limits.forget_after),
        ];
        if !account.is_client {
            keys.push(key(name, ACCOUNT_FORGET_AFTER));
        }
        // The attempt is added before the read, so that each earlier attempt is either still in progress or already in
        // the store.
        let (in_progress, others) = InProgress::start(self, keys.clone());
        let known = account.known(&network);
        keys.push(known.clone());
        let found = self.find(&keys, now).await?;
        let (at_address, address) = (found[0], found[1]);
        if account.is_client {
            // Client secrets are too long to guess, and clients send many requests concurrently: attempts in progress
            // do not count as failures.
            self.limits.check(at_address, 0, self.limits.account_failures, now)?;
            self.limits.check(address, 0, self.limits.address_failures, now)?;
            let outdated = if at_address.count > 0 { vec![keys[0].clone()] } else { Vec::new() };
            return Ok(Attempt { in_progress: Some(in_progress), now, outdated, new_network: None });
        }
        let (total, signed_in) = (found[2], found[3]);
        self.limits.check(at_address, others[0], self.limits.account_failures, now)?;
        if !is_shared {
            self.limits.check(address, others[1], self.limits.address_failures, now)?;
        }
        let is_known = signed_in.last.is_some();
        if !is_known {
            self.limits.check(total, others[2], self.limits.account_total_failures, now)?;
        }
        // The total is not checked for known networks, and sign-ins from them do not reset it: attackers must not get
        // another hundred guesses each time that the owner signs in.
        let outdated = [(at_address.count > 0, 0), (total.count > 0 && !is_known, 2)];
        let outdated = outdated.iter().filter(|(is_outdated, _)| *is_outdated);
        let outdated = outdated.map(|(_, index)| keys[*index].clone()).collect();
        let is_new = signed_in.last.is_none_or(|last| last + DAY <= now);
        Ok(Attempt { in_progress: Some(in_progress), now, outdated, new_network: is_new.then_some(known) })
    }

    /// Returns the failed attempts under each key, in the order of the keys. Forgotten attempts are not included.
    async fn find(&self, keys: &[ThrottleKey], now: Timestamp) -> Result<Vec<FailedAttempts>, BackendError> {
        let found = self.store.find(keys).await?;
        if found.len() != keys.len() {
            return Err(BackendError::new(
                "the store of failed attempts did not return a result for every key",
            ));
        }
        let recent = |(failures, key): (_, &ThrottleKey)| self.limits.recent(failures, key.forget_after, now);
        Ok(found.into_iter().zip(keys).map(recent).collect())
    }

    fn is_within_rate(&self, network: IpAddr, now: Timestamp) -> bool {
        self.has_client(network, now) || self.rates.check(network)
    }

    /// Returns whether a client authenticated from a network within the last minute.
    fn has_client(&self, network: IpAddr, now: Timestamp) -> bool {
        self.clients.get(&network).is_some_and(|last| now < last + CLIENT_EXEMPT_FOR)
    }

    fn in_progress(&self) -> MutexGuard<'_, HashMap<ThrottleKey, u32>> {
        self.in_progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The entry of an attempt in [`Throttle::in_progress`].
struct InProgress {
    throttle: Arc<Throttle>,
    keys: Vec<ThrottleKey>,
}

impl InProgress {
    /// Adds an entry, and returns the number of other attempts under each key.
    fn start(throttle: &Arc<Throttle>, keys: Vec<ThrottleKey>) -> (Self, Vec<u32>) {
        let mut in_progress = throttle.in_progress();
        let mut add = |key: &ThrottleKey| {
            let number = in_progress.entry(key.clone()).or_default();
            *number += 1;
            *number - 1
        };
        let others = keys.iter().map(&mut add).collect();
        drop(in_progress);
        (Self { throttle: Arc::clone(throttle), keys }, others)
    }

    async fn count_failure(&self, now: Timestamp) -> Result<(), BackendError> {
        self.throttle.store.add(&self.keys, now).await
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

/// An attempt in progress. If the client disconnects, the attempt is dropped and counts as failed: closing connections
/// must not allow uncounted attempts.
struct Attempt {
    in_progress: Option<InProgress>,
    now: Timestamp,
    /// The keys whose failures are cleared if the attempt succeeds. The failures of the address are kept.
    outdated: Vec<ThrottleKey>,
    /// The network to store as known if the attempt succeeds.
    new_network: Option<ThrottleKey>,
}

impl Attempt {
    async fn failed(mut self) -> Result<(), BackendError> {
        let Some(in_progress) = &self.in_progress else { return Ok(()) };
        let counted = in_progress.count_failure(self.now).await;
        self.in_progress = None;
        counted
    }

    async fn succeeded(mut self) {
        let Some(in_progress) = self.in_progress.take() else { return };
        let store = &in_progress.throttle.store;
        // Not fatal: the password is right, and the failures only delay later attempts.
        if !self.outdated.is_empty()
            && let Err(error) = store.clear(&self.outdated).await
        {
            log::warn!("cannot clear failed attempts after a successful attempt: {error}");
        }
        if let Some(network) = self.new_network.take()
            && let Err(error) = store.add(&[network], self.now).await
        {
            log::warn!("{NETWORK_NOT_STORED}: {error}");
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
                    log::warn!("cannot count the attempt of a disconnected client as failed: {error}");
                }
            });
        }
    }
}

/// Returns the part of an address that identifies a subscriber: the IPv4 address or the IPv6 /64 network.
pub(crate) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
    }
}

#[cfg(test)]
mod tests;
