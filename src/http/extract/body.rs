//! Reads the body of a request into memory.

use std::time::Duration;

use actix_web::{HttpRequest, dev::Payload, http::header, rt::time::timeout};
use futures_util::StreamExt;
use zeroize::{Zeroize, Zeroizing};

use crate::http::error::ApiError;

/// The initial buffer size, which is enough for most bodies.
const INITIAL_BYTES: usize = 4 * 1024;

/// The limits of a body. Application data can override the default.
#[derive(Clone, Copy)]
pub(crate) struct BodyLimits {
    /// The maximum size in bytes.
    pub(crate) bytes: usize,
    /// The maximum time until the body has arrived.
    pub(crate) timeout: Duration,
}

impl Default for BodyLimits {
    fn default() -> Self {
        Self { bytes: 1024 * 1024, timeout: Duration::from_secs(10) }
    }
}

impl BodyLimits {
    fn too_large(self) -> ApiError {
        ApiError::BodyTooLarge { limit: self.bytes }
    }
}

/// Reads the body of `request`. It may contain a password, so its memory is wiped on drop.
pub(crate) async fn read(request: &HttpRequest, payload: Payload) -> Result<Zeroizing<Vec<u8>>, ApiError> {
    let limits = request.app_data::<BodyLimits>().copied().unwrap_or_default();
    let length = request.headers().get(header::CONTENT_LENGTH);
    let length = length.and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if length.is_some_and(|length| length > limits.bytes as u64) {
        return Err(limits.too_large());
    }
    timeout(limits.timeout, collect(payload, limits)).await.unwrap_or(Err(ApiError::BodyTimeout))
}

async fn collect(mut payload: Payload, limits: BodyLimits) -> Result<Zeroizing<Vec<u8>>, ApiError> {
    let mut body = Zeroizing::new(Vec::with_capacity(INITIAL_BYTES));
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|_| ApiError::UnreadableBody)?;
        if body.len() + chunk.len() > limits.bytes {
            return Err(limits.too_large());
        }
        append(&mut body, &chunk);
        // Possible only if the buffer of the connection does not share the chunk.
        if let Ok(mut chunk) = chunk.try_into_mut() {
            chunk.zeroize();
        }
    }
    Ok(body)
}

/// Appends to a buffer, and wipes the old memory when the buffer grows.
fn append(text: &mut Zeroizing<Vec<u8>>, more: &[u8]) {
    let length = text.len() + more.len();
    if length > text.capacity() {
        let mut moved = Zeroizing::new(Vec::with_capacity(length.next_power_of_two()));
        moved.extend_from_slice(text);
        *text = moved;
    }
    text.extend_from_slice(more);
}
