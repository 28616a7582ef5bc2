//! Reads the body of a request into memory.

use std::{ops::Deref, time::Duration};

use actix_web::{HttpRequest, dev::Payload, http::header, rt::time::timeout};
use futures_util::StreamExt;
use tokio::sync::{Semaphore, SemaphorePermit};
use zeroize::{Zeroize, Zeroizing};

use crate::http::error::ApiError;

/// The buffer size that an ordinary form needs, in bytes.
const SMALL: usize = 4 * 1024;

/// The memory budget of the process for small bodies, and for the first [`SMALL`] bytes of large ones, in bytes. A
/// separate budget keeps large bodies from blocking sign-ins.
static SMALL_BUDGET: Semaphore = Semaphore::const_new(16 * 1024 * 1024);
/// The memory budget of the process for bodies larger than [`SMALL`], in bytes.
static LARGE_BUDGET: Semaphore = Semaphore::const_new(8 * 1024 * 1024);

/// The limits for request bodies. Application data of this type overrides the default.
#[derive(Clone, Copy)]
pub(crate) struct BodyLimits {
    /// The maximum size in bytes, or `None` for the caller's default.
    pub(crate) bytes: Option<usize>,
    /// The maximum time for receiving the body.
    pub(crate) timeout: Duration,
}

impl Default for BodyLimits {
    fn default() -> Self {
        Self { bytes: None, timeout: Duration::from_secs(10) }
    }
}

/// A request body in memory. It may contain a password, so its memory is wiped on drop.
pub(crate) struct Body {
    bytes: Zeroizing<Vec<u8>>,
    /// The length in the `Content-Length` header, or [`SMALL`] if the header is missing.
    length: usize,
    small: Option<SemaphorePermit<'static>>,
    large: Option<SemaphorePermit<'static>>,
}

impl Deref for Body {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Body {
    fn new(length: Option<usize>) -> Self {
        Self { bytes: Zeroizing::default(), length: length.unwrap_or(SMALL), small: None, large: None }
    }

    /// Appends bytes, without leaving a copy of the old buffer in memory. Memory is reserved only when the buffer
    /// grows, so a client that sends nothing reserves none. If the budget is exhausted, a small body waits, and a large
    /// one is refused.
    async fn append(&mut self, more: &[u8]) -> Result<(), ApiError> {
        let length = self.bytes.len() + more.len();
        if length > self.bytes.capacity() {
            let capacity =
                if self.bytes.is_empty() { length.max(self.length) } else { length.next_power_of_two() };
            if self.small.is_none() {
                self.small = SMALL_BUDGET.acquire_many(capacity.min(SMALL) as u32).await.ok();
            }
            // Reserve the whole new capacity, not only the difference: both buffers exist while the content is copied.
            let large = if capacity > SMALL {
                let bytes = u32::try_from(capacity).unwrap_or(u32::MAX);
                Some(LARGE_BUDGET.try_acquire_many(bytes).map_err(|_| ApiError::Overloaded)?)
            } else {
                None
            };
            let mut grown = Zeroizing::new(Vec::with_capacity(capacity));
            grown.extend_from_slice(&self.bytes);
            self.bytes = grown;
            self.large = large;
        }
        self.bytes.extend_from_slice(more);
        Ok(())
    }
}

/// Reads the body of `request`, up to the limit in the application data. If no limit is set, the limit is
/// `default_bytes`.
pub(crate) async fn read(
    request: &HttpRequest,
    payload: Payload,
    default_bytes: usize,
) -> Result<Body, ApiError> {
    let limits = request.app_data::<BodyLimits>().copied().unwrap_or_default();
    let limit = limits.bytes.unwrap_or(default_bytes);
    let length = request.headers().get(header::CONTENT_LENGTH);
    let length = length.and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if length.is_some_and(|length| length > limit as u64) {
        return Err(ApiError::BodyTooLarge { limit });
    }
    let body = Body::new(length.and_then(|length| usize::try_from(length).ok()));
    timeout(limits.timeout, collect(payload, body, limit)).await.unwrap_or(Err(ApiError::BodyTimeout))
}

async fn collect(mut payload: Payload, mut body: Body, limit: usize) -> Result<Body, ApiError> {
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|_| ApiError::UnreadableBody)?;
        if body.len() + chunk.len() > limit {
            return Err(ApiError::BodyTooLarge { limit });
        }
        body.append(&chunk).await?;
        // The chunk cannot be wiped if it shares memory with the connection's buffer.
        if let Ok(mut chunk) = chunk.try_into_mut() {
            chunk.zeroize();
        }
    }
    Ok(body)
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use proptest::{collection::vec, prelude::*};

    use super::*;

    proptest! {
        #[test]
        fn reserved_memory_is_at_least_the_size_of_the_buffer(
            length in proptest::option::of(1_usize..20_000),
            chunks in vec(1_usize..5000, 1..12),
        ) {
            let mut body = Body::new(length);
            let mut left = length.unwrap_or(usize::MAX);
            for size in chunks {
                let chunk = vec![b'x'; size.min(left)];
                left -= chunk.len();
                body.append(&chunk).now_or_never().expect("the budget should not be exhausted").unwrap();
                let permits = [&body.small, &body.large].into_iter().flatten();
                let reserved: usize = permits.map(SemaphorePermit::num_permits).sum();
                let capacity = body.bytes.capacity();
                prop_assert!(reserved >= capacity, "only {reserved} bytes were reserved for a buffer of {capacity} bytes");
            }
        }
    }
}
