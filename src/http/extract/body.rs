//! Reads the body of a request into memory.

use std::{ops::Deref, time::Duration};

use actix_web::{HttpRequest, dev::Payload, http::header, rt::time::timeout};
use futures_util::StreamExt;
use tokio::sync::{Semaphore, SemaphorePermit};
use zeroize::{Zeroize, Zeroizing};

use crate::http::error::ApiError;

/// The buffer of an ordinary form, in bytes.
const SMALL: usize = 4 * 1024;

/// The memory for the bodies in flight of this process, in bytes. The first [`SMALL`] bytes of each body have a budget of
/// their own: large bodies do not crowd out sign-ins.
static SMALL_BUDGET: Semaphore = Semaphore::const_new(16 * 1024 * 1024);
static LARGE_BUDGET: Semaphore = Semaphore::const_new(16 * 1024 * 1024);

/// The limits of a body. Application data can override the default.
#[derive(Clone, Copy)]
pub(crate) struct BodyLimits {
    /// The maximum size in bytes; the default depends on the format of errors.
    pub(crate) bytes: Option<usize>,
    /// The maximum time until the body has arrived.
    pub(crate) timeout: Duration,
}

impl Default for BodyLimits {
    fn default() -> Self {
        Self { bytes: None, timeout: Duration::from_secs(10) }
    }
}

/// A body in memory. It may hold a password, so it is wiped on drop.
pub(crate) struct Body {
    bytes: Zeroizing<Vec<u8>>,
    _small: SemaphorePermit<'static>,
    large: Option<SemaphorePermit<'static>>,
}

impl Deref for Body {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Body {
    /// A buffer for a body of this length. A large one is refused before it is read if there is no memory for it.
    fn new(length: usize) -> Result<Self, ApiError> {
        let _small = reserve(&SMALL_BUDGET, SMALL)?;
        let large = (length > SMALL).then(|| reserve(&LARGE_BUDGET, length)).transpose()?;
        Ok(Self { bytes: Zeroizing::new(Vec::with_capacity(length.max(SMALL))), _small, large })
    }

    /// Appends without leaving a copy behind when the buffer grows.
    fn append(&mut self, more: &[u8]) -> Result<(), ApiError> {
        let length = self.bytes.len() + more.len();
        if length > self.bytes.capacity() {
            let capacity = length.next_power_of_two();
            // Both buffers exist until the old one is dropped.
            let large = reserve(&LARGE_BUDGET, capacity)?;
            let mut grown = Zeroizing::new(Vec::with_capacity(capacity));
            grown.extend_from_slice(&self.bytes);
            (self.bytes, self.large) = (grown, Some(large));
        }
        self.bytes.extend_from_slice(more);
        Ok(())
    }
}

fn reserve(budget: &'static Semaphore, bytes: usize) -> Result<SemaphorePermit<'static>, ApiError> {
    let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
    budget.try_acquire_many(bytes).map_err(|_| ApiError::TooManyBodies)
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
    let length = length.and_then(|value| value.to_str().ok()?.parse::<u64>().ok()).unwrap_or(0);
    let length = usize::try_from(length).ok().filter(|length| *length <= limit);
    let body = Body::new(length.ok_or(ApiError::BodyTooLarge { limit })?)?;
    timeout(limits.timeout, collect(payload, body, limit)).await.unwrap_or(Err(ApiError::BodyTimeout))
}

async fn collect(mut payload: Payload, mut body: Body, limit: usize) -> Result<Body, ApiError> {
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|_| ApiError::UnreadableBody)?;
        if body.len() + chunk.len() > limit {
            return Err(ApiError::BodyTooLarge { limit });
        }
        body.append(&chunk)?;
        // Possible only if the buffer of the connection does not share the chunk.
        if let Ok(mut chunk) = chunk.try_into_mut() {
            chunk.zeroize();
        }
    }
    Ok(body)
}
