//! Random bytes of the system.

use crate::app::failure::Failure;

/// So many of them.
pub(super) fn random<const N: usize>() -> Result<[u8; N], Failure> {
    let mut bytes = [0; N];
    fill(&mut bytes)?;
    Ok(bytes)
}

/// As many as there is room for.
pub(super) fn fill(bytes: &mut [u8]) -> Result<(), Failure> {
    getrandom::fill(bytes)
        .map_err(|error| Failure::failed(format!("the system gives no random bytes: {error}")))
}
