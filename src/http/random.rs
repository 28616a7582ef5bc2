//! Random bytes of the system: the one place of this room that asks for them.

use crate::domain::backend_error::BackendError;

/// So many of them.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], BackendError> {
    let mut bytes = [0; N];
    fill(&mut bytes)?;
    Ok(bytes)
}

/// As many as there is room for.
pub(crate) fn fill(bytes: &mut [u8]) -> Result<(), BackendError> {
    getrandom::fill(bytes)
        .map_err(|error| BackendError::new(format!("the system gives no random bytes: {error}")))
}
