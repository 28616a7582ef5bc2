//! A user who changes their password.

use std::time::Duration;

use thiserror::Error;

use crate::{
    auth::{
        Auth,
        throttle::{GuardedError, TooMany},
    },
    domain::{
        backend_error::BackendError,
        event::{Event, EventKind},
        ports::{PasswordCheck, PasswordHasher, PasswordStore, TokenService},
        secret::Password,
        session::ClientInfo,
        time::Timestamp,
        user::Subject,
    },
};

/// Who wants which password.
#[derive(Debug)]
pub struct PasswordChange<'a> {
    /// The user.
    pub subject: &'a Subject,
    /// The password that the user has.
    pub current: &'a Password,
    /// The password that the user wants; whether it is good enough is for the caller to say.
    pub new: &'a Password,
    /// Where the request came from.
    pub client_info: &'a ClientInfo,
    /// The moment of the change.
    pub now: Timestamp,
}

/// Why a password was not changed.
#[derive(Debug, Error)]
pub enum PasswordChangeError {
    /// The current password is another one.
    #[error("incorrect password")]
    IncorrectPassword,
    /// Too many attempts failed: no password is looked at for so long.
    #[error("too many failed attempts")]
    TooManyAttempts {
        /// How long to wait.
        retry_after: Duration,
    },
    /// A port failed.
    #[error("{0}")]
    BackendError(BackendError),
}

impl From<BackendError> for PasswordChangeError {
    fn from(fault: BackendError) -> Self {
        Self::BackendError(fault)
    }
}

impl GuardedError for PasswordChangeError {
    fn too_many(TooMany { retry_after }: TooMany) -> Self {
        Self::TooManyAttempts { retry_after }
    }

    fn is_wrong_password(&self) -> bool {
        matches!(self, Self::IncorrectPassword)
    }
}

impl<S: PasswordStore, H: PasswordHasher, T: TokenService> Auth<S, H, T> {
    /// Gives a user a new password, and ends all their sessions.
    ///
    /// # Errors
    /// [`PasswordChangeError::IncorrectPassword`] where the current password is another one, or was changed
    /// meanwhile; [`PasswordChangeError::TooManyAttempts`] where there are [`LoginThrottleLimits`](crate::LoginThrottleLimits).
    pub async fn change_password(&self, change: PasswordChange<'_>) -> Result<(), PasswordChangeError> {
        let PasswordChange { subject, client_info, now, .. } = change;
        let done = self.guarded(subject.as_str(), client_info, now, self.prove_and_change(&change)).await;
        let kind = match &done {
            Ok(()) => EventKind::PasswordChanged,
            Err(PasswordChangeError::BackendError(_)) => return done,
            Err(_) => EventKind::PasswordChangeFailed,
        };
        self.tell(&Event { subject: Some(subject), ..Event::new(kind, client_info, now) });
        done
    }

    async fn prove_and_change(&self, change: &PasswordChange<'_>) -> Result<(), PasswordChangeError> {
        let incorrect = || PasswordChangeError::IncorrectPassword;
        if !change.current.is_hashable() {
            return Err(incorrect());
        }
        let account = self.ports.store.find_account(change.subject).await?.ok_or_else(incorrect)?;
        let old = &account.password_hash;
        if self.ports.hasher.verify(change.current, old).await? == PasswordCheck::Mismatch {
            return Err(incorrect());
        }
        let new = self.ports.hasher.hash(change.new).await?;
        if self.ports.store.change_password(change.subject, old, &new, change.now).await? {
            Ok(())
        } else {
            Err(incorrect())
        }
    }
}
