//! Request IDs, which link the log lines of a request to its response and to the logs of a proxy.

use std::sync::{
    LazyLock,
    atomic::{AtomicU64, Ordering},
};

use actix_web::{
    HttpRequest,
    http::header::{HeaderName, HeaderValue},
};

use crate::http::trusted_proxies::TrustedProxies;

/// The header that contains the ID, in requests and in responses.
pub(crate) const HEADER: HeaderName = HeaderName::from_static("x-request-id");

/// The maximum length of an ID from a proxy, in bytes. A longer ID is replaced.
const MAX_LENGTH: usize = 64;

tokio::task_local! {
    /// The ID of the current request, for its log lines.
    pub(crate) static CURRENT: HeaderValue;
}

/// Returns the request ID that a trusted proxy sent, or a new one if it sent no valid ID.
pub(crate) fn of(request: &HttpRequest) -> HeaderValue {
    let is_from_proxy = || {
        let (proxies, peer) = (TrustedProxies::of(request)?, request.peer_addr()?);
        Some(proxies.trusts(peer.ip().to_canonical()))
    };
    let is_valid = |id: &HeaderValue| {
        let is_allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"._-".contains(byte);
        (1..=MAX_LENGTH).contains(&id.len()) && id.as_bytes().iter().all(is_allowed)
    };
    let given = request.headers().get(HEADER).filter(|id| is_valid(id));
    given.filter(|_| is_from_proxy() == Some(true)).cloned().unwrap_or_else(generate)
}

/// Returns the ID of the current request, if there is one.
pub(crate) fn current() -> Option<HeaderValue> {
    CURRENT.try_with(HeaderValue::clone).ok()
}

/// Generates an ID from a random prefix, which stays the same for the life of the process, and a sequence number.
fn generate() -> HeaderValue {
    static PROCESS: LazyLock<u64> = LazyLock::new(|| getrandom::u64().unwrap_or_default());
    static NUMBER: AtomicU64 = AtomicU64::new(1);
    let id = format!("{:016x}-{:x}", *PROCESS, NUMBER.fetch_add(1, Ordering::Relaxed));
    HeaderValue::try_from(id).unwrap_or_else(|_| HeaderValue::from_static("unknown"))
}
