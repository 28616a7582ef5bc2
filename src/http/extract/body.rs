//! Reads the body of a request into memory.

use std::{ops::Deref, time::Duration};

use actix_web::{HttpRequest, dev::Payload, http::header, rt::time::timeout};
use futures_util::StreamExt;
use tokio::sync::{Semaphore, SemaphorePermit};
use zeroize::{Zeroize, Zeroizing};

use crate::http::error::ApiError;

/// The buffer size of an ordinary form, in bytes.
const SMALL: usize = 4 * 1024;

/// The memory of this process for the first [`SMALL`] bytes of each body, in bytes. It is separate, so that large bodies do
/// not block sign-ins.
static SMALL_BUDGET: Semaphore = Semaphore::const_new(16 * 1024 * 1024);
/// The memory of this process for bodies that exceed [`SMALL`], in bytes.
static LARGE_BUDGET: Semaphore = Semaphore::const_new(8 * 1024 * 1024);

/// The limits of a body. Application data can override the default.
#[derive(Clone, Copy)]
pub(crate) struct BodyLimits {
    /// The maximum size in bytes, or `None` for the default of the caller.
    pub(crate) bytes: Option<usize>,
    /// The maximum time until the body has arrived.
    pub(crate) timeout: Duration,
}

impl Default for BodyLimits {
    fn default() -> Self {
        Self { bytes: None, timeout: Duration::from_secs(10) }
    }
}

/// A body in memory. It may contain a password, so it is wiped on drop.
pub(crate) struct Body {
    bytes: Zeroizing<Vec<u8>>,
    /// The length that the client announced, or [`SMALL`].
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

    /// Appends without leaving a copy behind when the buffer grows. Memory is reserved whenever the buffer grows, so a
    /// client that sends nothing reserves none. If a budget is used up, a small body waits, and a large one is refused.
    async fn append(&mut self, more: &[u8]) -> Result<(), ApiError> {
        let length = self.bytes.len() + more.len();
        if length > self.bytes.capacity() {
            let capacity =
                if self.bytes.is_empty() { length.max(self.length) } else { length.next_power_of_two() };
            if self.small.is_none() {
                self.small = SMALL_BUDGET.acquire_many(capacity.min(SMALL) as u32).await.ok();
            }
            // All of the new capacity, not only the difference: both buffers exist while the content is copied.
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

/// Reads the body of `request`, up to the limit of the application data or `default_bytes`.
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
        fn reserved_memory_covers_the_buffer_of_a_body(
            length in proptest::option::of(1_usize..20_000),
            chunks in vec(1_usize..5000, 1..12),
        ) {
            let mut body = Body::new(length);
            let mut left = length.unwrap_or(usize::MAX);
            for size in chunks {
                let chunk = vec![b'x'; size.min(left)];
                left -= chunk.len();
                body.append(&chunk).now_or_never().expect("a free budget").unwrap();
                let permits = [&body.small, &body.large].into_iter().flatten();
                let reserved: usize = permits.map(SemaphorePermit::num_permits).sum();
                prop_assert!(reserved >= body.bytes.capacity(), "{reserved} bytes reserved for {}", body.bytes.capacity());
            }
        }
    }
}
