//! What a port answers when it cannot do its work.

use std::{error::Error, fmt, time::Duration};

/// Something broke behind a port: neither "not found" nor "wrong password", but a failure of ours.
///
/// Any error becomes one through `?`. The log gets the chain of its causes; a client sees only that the
/// service failed ([`BackendError::new`]) or is unavailable for now ([`BackendError::unavailable`], [`BackendError::busy`]).
///
/// ```
/// use gatepass::BackendError;
///
/// fn read(text: &str) -> Result<u64, BackendError> {
///     Ok(text.parse()?)
/// }
///
/// let fault = read("x").unwrap_err();
/// assert_eq!(fault.to_string(), "invalid digit found in string");
/// assert!(!fault.is_temporary());
/// ```
pub struct BackendError {
    cause: Box<dyn Error + Send + Sync>,
    temporary: bool,
    retry_after: Option<Duration>,
}

impl BackendError {
    /// A failure that trying again is not expected to mend.
    pub fn new(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { cause: cause.into(), temporary: false, retry_after: None }
    }

    /// A failure that is expected to pass, such as a database out of reach.
    pub fn unavailable(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { cause: cause.into(), temporary: true, retry_after: None }
    }

    /// Too much to do, and about how long until there is less.
    pub fn busy(cause: impl Into<Box<dyn Error + Send + Sync>>, retry_after: Duration) -> Self {
        Self { retry_after: Some(retry_after), ..Self::unavailable(cause) }
    }

    /// How long it is expected to last, where that is known: there is too much to do.
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    /// Whether it is expected to pass.
    pub fn is_temporary(&self) -> bool {
        self.temporary
    }
}

// Like anyhow's error, `BackendError` is no `Error` itself, so that `?` takes every error.
impl<E: Error + Send + Sync + 'static> From<E> for BackendError {
    fn from(cause: E) -> Self {
        Self::new(cause)
    }
}

/// The cause, for an application that has errors of its own.
impl From<BackendError> for Box<dyn Error + Send + Sync> {
    fn from(fault: BackendError) -> Self {
        fault.cause
    }
}

/// The chain of causes, outermost first, each said once.
impl fmt::Display for BackendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut outer = self.cause.to_string();
        f.write_str(&outer)?;
        let mut cause = self.cause.source();
        while let Some(inner) = cause {
            let text = inner.to_string();
            // Many errors say their cause themselves.
            if !outer.ends_with(&text) {
                write!(f, ": {text}")?;
            }
            (outer, cause) = (text, inner.source());
        }
        Ok(())
    }
}

impl fmt::Debug for BackendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.cause, f)
    }
}

#[cfg(test)]
mod tests {
    use thiserror::Error;

    use super::*;

    #[derive(Debug, Error)]
    #[error("the disk is full")]
    struct Full;

    /// Says its cause, as many do.
    #[derive(Debug, Error)]
    #[error("cannot write: {0}")]
    struct Telling(#[source] Full);

    #[derive(Debug, Error)]
    #[error("nothing was stored")]
    struct Silent(#[source] Telling);

    #[test]
    fn each_cause_is_said_once() {
        assert_eq!(BackendError::new(Full).to_string(), "the disk is full");
        assert_eq!(BackendError::new(Telling(Full)).to_string(), "cannot write: the disk is full");
        let fault = BackendError::new(Silent(Telling(Full)));
        assert_eq!(fault.to_string(), "nothing was stored: cannot write: the disk is full");
    }
}
