//! The errors of the use cases.

use std::{error::Error, fmt, time::Duration};

use crate::domain::{backend_error::BackendError, ports::WeakPassword};

/// The reason why a request was rejected, or the failure of a store, hasher or token service.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum AuthError {
    /// The username is unknown or the password is wrong; clients cannot tell which.
    InvalidCredentials,
    /// The credentials are right, but the user is not active.
    InactiveUser,
    /// None of the requested scopes is allowed for both the user and the client.
    ScopeNotGranted,
    /// The request includes scopes that were not granted at sign-in.
    ScopeExceeded,
    /// A requested audience is unknown or not allowed for the client, or was not granted at sign-in.
    InvalidTarget,
    /// The refresh token is unknown or expired, was used before, or belongs to another client.
    InvalidRefreshToken,
    /// The token was issued to another client.
    IssuedToAnotherClient,
    /// Too many attempts failed, or too many requests were sent.
    TooManyAttempts {
        /// The time until the next attempt is accepted.
        retry_after: Duration,
    },
    /// The client is unknown, its secret is wrong, or a required client did not authenticate.
    InvalidClient,
    /// The client may not use the grant.
    UnauthorizedClient,
    /// The grant is turned off or not configured.
    UnsupportedGrant,
    /// The current password is wrong, or was changed concurrently.
    IncorrectPassword,
    /// The new password is too weak.
    WeakPassword(WeakPassword),
    /// The `Auth` was built without the part that this call needs.
    NotConfigured(&'static str),
    /// A store, hasher or token service failed. `Display` writes the [cause](BackendError::cause), and
    /// [`Error::source`] returns the source of the cause.
    Backend(BackendError),
}

impl fmt::Display for AuthError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::InvalidCredentials => "incorrect username or password",
            Self::InactiveUser => "inactive user",
            Self::ScopeNotGranted => "none of the requested scopes can be granted",
            Self::ScopeExceeded => "the request includes scopes that were not granted at sign-in",
            Self::InvalidTarget => "a requested audience is unknown or not allowed",
            Self::InvalidRefreshToken => "invalid refresh token",
            Self::IssuedToAnotherClient => "the token was issued to another client",
            Self::TooManyAttempts { .. } => "too many attempts",
            Self::InvalidClient => "client authentication failed",
            Self::UnauthorizedClient => "the client is not allowed to use this grant type",
            Self::UnsupportedGrant => "unsupported grant type",
            Self::IncorrectPassword => "incorrect password",
            Self::WeakPassword(reason) => return fmt::Display::fmt(reason, f),
            Self::NotConfigured(part) => return write!(f, "this Auth was built without {part}"),
            Self::Backend(error) => return fmt::Display::fmt(error.cause(), f),
        })
    }
}

impl Error for AuthError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Backend(error) => error.cause().source(),
            _ => None,
        }
    }
}

impl From<BackendError> for AuthError {
    fn from(error: BackendError) -> Self {
        Self::Backend(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("application error")]
    struct ApplicationError(#[from] AuthError);

    #[test]
    fn auth_error_converts_into_boxed_and_application_errors() {
        fn boxed() -> Result<(), Box<dyn Error>> {
            Err(AuthError::Backend(BackendError::new("the disk is full")))?;
            Ok(())
        }
        fn converted() -> Result<(), ApplicationError> {
            Err(AuthError::InvalidClient)?;
            Ok(())
        }
        assert_eq!(boxed().unwrap_err().to_string(), "the disk is full");
        assert_eq!(converted().unwrap_err().source().unwrap().to_string(), "client authentication failed");
        let cause = ApplicationError(AuthError::InvalidClient);
        let backend = AuthError::Backend(BackendError::from(cause));
        assert_eq!(backend.source().unwrap().to_string(), AuthError::InvalidClient.to_string());
    }
}
