//! What a port answers when it cannot do its work.

use std::{error::Error, fmt};

/// Something broke behind a port: neither "not found" nor "wrong password", but a failure of ours.
///
/// Any error becomes one through `?`. The log gets the chain of its causes; a client sees only that the
/// service failed ([`Fault::new`]) or is unavailable for now ([`Fault::unavailable`]).
///
/// ```
/// use gatepass::Fault;
///
/// fn read(text: &str) -> Result<u64, Fault> {
///     Ok(text.parse()?)
/// }
///
/// let fault = read("x").unwrap_err();
/// assert_eq!(fault.to_string(), "invalid digit found in string");
/// assert!(!fault.is_temporary());
/// ```
pub struct Fault {
    cause: Box<dyn Error + Send + Sync>,
    temporary: bool,
}

impl Fault {
    /// A failure that trying again is not expected to mend.
    pub fn new(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { cause: cause.into(), temporary: false }
    }

    /// A failure that is expected to pass, such as a database out of reach.
    pub fn unavailable(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { cause: cause.into(), temporary: true }
    }

    /// Whether it is expected to pass.
    pub fn is_temporary(&self) -> bool {
        self.temporary
    }
}

// Like anyhow's error, `Fault` is no `Error` itself, so that `?` takes every error.
impl<E: Error + Send + Sync + 'static> From<E> for Fault {
    fn from(cause: E) -> Self {
        Self::new(cause)
    }
}

/// The cause, for an application that has errors of its own.
impl From<Fault> for Box<dyn Error + Send + Sync> {
    fn from(fault: Fault) -> Self {
        fault.cause
    }
}

/// The chain of causes, outermost first.
impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.cause)?;
        let mut cause = self.cause.source();
        while let Some(inner) = cause {
            write!(f, ": {inner}")?;
            cause = inner.source();
        }
        Ok(())
    }
}

impl fmt::Debug for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.cause, f)
    }
}
