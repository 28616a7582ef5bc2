//! Why a grant is not answered with a token.

use std::time::Duration;

use thiserror::Error;

use crate::{
    auth::throttle::{GuardedError, TooMany},
    domain::backend_error::BackendError,
};

/// Why a grant, the user's password or a refresh token, gave no token; or why a token is not revoked.
#[derive(Debug, Error)]
pub enum GrantError {
    /// No such user, or not their password: the two are not told apart.
    #[error("incorrect username or password")]
    IncorrectCredentials,
    /// The right password of a user who is not active.
    #[error("inactive user")]
    InactiveUser,
    /// The user has none of the scopes that were asked for.
    #[error("scope not granted")]
    ScopeNotGranted,
    /// More scopes were asked for than the sign-in was granted.
    #[error("scope not granted at the sign-in")]
    ScopeWidened,
    /// No refresh token that is good, or not this client's.
    #[error("invalid refresh token")]
    InvalidRefreshToken,
    /// The token is no client's, or that of another one.
    #[error("the token was issued to another client")]
    IssuedToAnother,
    /// Too many attempts failed: no password is looked at for so long.
    #[error("too many failed attempts")]
    TooManyAttempts {
        /// How long to wait.
        retry_after: Duration,
    },
    /// The client did not prove itself.
    #[error("invalid client")]
    InvalidClient,
    /// Signing in with a password is turned off.
    #[error("the password grant is turned off")]
    PasswordGrantOff,
    /// A port failed.
    #[error("{0}")]
    BackendError(BackendError),
}

impl From<BackendError> for GrantError {
    fn from(fault: BackendError) -> Self {
        Self::BackendError(fault)
    }
}

impl GuardedError for GrantError {
    fn too_many(TooMany { retry_after }: TooMany) -> Self {
        Self::TooManyAttempts { retry_after }
    }

    fn is_wrong_password(&self) -> bool {
        matches!(self, Self::IncorrectCredentials)
    }
}
