//! Signing in: a username and a password become an access token.

use thiserror::Error;

use crate::{
    auth::Auth,
    domain::{
        fault::Fault,
        ports::{IssuedToken, PasswordHasher, TokenService, UserStore, Verdict},
        secret::Password,
        user::{AuthUser, Username},
    },
};

/// Why a sign-in gave no token.
#[derive(Debug, Error)]
pub enum LoginError {
    /// No such user, or not their password: the two are not told apart.
    #[error("incorrect username or password")]
    IncorrectCredentials,
    /// The right password of a user who is not active.
    #[error("inactive user")]
    InactiveUser,
    /// A port failed.
    #[error("{0}")]
    Fault(Fault),
}

impl From<Fault> for LoginError {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl<S: UserStore, H: PasswordHasher, T: TokenService> Auth<S, H, T> {
    /// Signs a user in: the resource owner password credentials grant
    /// ([RFC 6749 section 4.3](https://www.rfc-editor.org/rfc/rfc6749#section-4.3)).
    ///
    /// # Errors
    /// [`LoginError::IncorrectCredentials`] for an unknown user and for a wrong password alike, in the same
    /// time; [`LoginError::InactiveUser`] only after the password proved right.
    pub async fn login(&self, username: &Username, password: &Password) -> Result<IssuedToken, LoginError> {
        let ports = &*self.ports;
        let account = ports.store.find_by_username(username).await?;

        // The decoy keeps the time equal: an unknown user costs one verification, like a known one.
        let hash = account.as_ref().map_or(ports.hasher.decoy(), |account| &account.password_hash);
        let verdict = ports.hasher.verify(password, hash).await?;
        let user = match (account, verdict) {
            (Some(account), Verdict::Match | Verdict::Outdated) => account.user,
            _ => return Err(LoginError::IncorrectCredentials),
        };
        if !user.is_active() && !ports.inactive_users_sign_in {
            return Err(LoginError::InactiveUser);
        }

        let subject = user.subject();
        if verdict == Verdict::Outdated {
            let hash = ports.hasher.hash(password).await?;
            ports.store.replace_hash(&subject, hash).await?;
        }
        Ok(ports.tokens.issue(&subject).await?)
    }
}
