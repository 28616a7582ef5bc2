//! Errors from stores, hashers and token services.

use std::{error::Error, fmt, sync::Arc, time::Duration};

/// A failure of a store, hasher or token service. Results such as "not found" or "wrong password" are not failures.
///
/// Implementations of Gatepass's traits return it, and any error converts into it with `?`. The log contains the chain
/// of causes. A client gets status 500 ([`BackendError::new`]) or 503 ([`BackendError::unavailable`],
/// [`BackendError::busy`]) without details.
///
/// ```
/// use gatepass::BackendError;
///
/// fn read(text: &str) -> Result<u64, BackendError> {
///     Ok(text.parse()?)
/// }
///
/// let error = read("x").unwrap_err();
/// assert_eq!(error.to_string(), "invalid digit found in string");
/// assert!(!error.is_temporary());
/// ```
#[derive(Clone)]
pub struct BackendError {
    cause: Arc<dyn Error + Send + Sync>,
    temporary: bool,
    retry_after: Option<Duration>,
}

impl BackendError {
    /// Creates an error for a failure that a retry is not expected to fix.
    pub fn new(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { cause: cause.into().into(), temporary: false, retry_after: None }
    }

    /// Creates an error for a temporary failure, such as an unreachable database.
    pub fn unavailable(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { cause: cause.into().into(), temporary: true, retry_after: None }
    }

    /// Creates an error for an overloaded service, with the time until a retry may succeed.
    pub fn busy(cause: impl Into<Box<dyn Error + Send + Sync>>, retry_after: Duration) -> Self {
        Self { retry_after: Some(retry_after), ..Self::unavailable(cause) }
    }

    /// Returns the time until a retry may succeed, if known.
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    /// Returns whether the failure is expected to be temporary.
    pub fn is_temporary(&self) -> bool {
        self.temporary
    }

    /// Returns the cause as a standard error.
    pub fn cause(&self) -> &(dyn Error + Send + Sync + 'static) {
        &*self.cause
    }
}

// Like `anyhow::Error`, `BackendError` does not implement `Error`, so that `?` can convert every error into it.
impl<E: Error + Send + Sync + 'static> From<E> for BackendError {
    fn from(cause: E) -> Self {
        let cause: Box<dyn Error + Send + Sync> = Box::new(cause);
        match cause.downcast::<StoreError>() {
            Ok(error) => error.0,
            Err(cause) => Self::new(cause),
        }
    }
}

impl From<BackendError> for Box<dyn Error + Send + Sync> {
    fn from(error: BackendError) -> Self {
        Box::new(error.cause)
    }
}

impl From<BackendError> for Box<dyn Error> {
    fn from(error: BackendError) -> Self {
        Box::new(error.cause)
    }
}

/// Writes the chain of causes, outermost first, without repetitions.
impl fmt::Display for BackendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut outer = self.cause.to_string();
        f.write_str(&outer)?;
        let mut cause = self.cause.source();
        while let Some(inner) = cause {
            let text = inner.to_string();
            // Many errors include their cause in their own text.
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

/// A [`BackendError`] that implements [`Error`]. Gatepass's own stores return it from their inherent methods.
///
/// `?` converts it back into the original [`BackendError`].
#[derive(Clone, Debug)]
pub struct StoreError(BackendError);

impl StoreError {
    /// Returns whether the failure is expected to be temporary.
    pub fn is_temporary(&self) -> bool {
        self.0.is_temporary()
    }
}

impl From<BackendError> for StoreError {
    fn from(error: BackendError) -> Self {
        Self(error)
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0.cause, f)
    }
}

impl Error for StoreError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.cause.source()
    }
}

#[cfg(test)]
mod tests {
    use thiserror::Error;

    use super::*;

    #[derive(Debug, Error)]
    #[error("the disk is full")]
    struct Full;

    /// An error that includes its cause in its text, as many errors do.
    #[derive(Debug, Error)]
    #[error("cannot write: {0}")]
    struct Repeating(#[source] Full);

    #[derive(Debug, Error)]
    #[error("nothing was stored")]
    struct Plain(#[source] Repeating);

    #[test]
    fn display_writes_each_cause_once() {
        assert_eq!(BackendError::new(Full).to_string(), "the disk is full");
        assert_eq!(BackendError::new(Repeating(Full)).to_string(), "cannot write: the disk is full");
        let error = BackendError::new(Plain(Repeating(Full)));
        assert_eq!(error.to_string(), "nothing was stored: cannot write: the disk is full");
    }

    #[test]
    fn store_error_converts_back_into_the_same_backend_error() {
        fn convert() -> Result<(), BackendError> {
            Err(StoreError::from(BackendError::busy(Full, Duration::from_secs(3))))?;
            Ok(())
        }
        let error = convert().unwrap_err();
        assert_eq!((error.is_temporary(), error.retry_after()), (true, Some(Duration::from_secs(3))));
    }
}
