//! Signing in: a username and a password become an access token.

use thiserror::Error;

use crate::{
    auth::Auth,
    domain::{
        client::ClientId,
        fault::Fault,
        ports::{IssuedToken, PasswordHasher, TokenOrder, TokenService, UserStore, Verdict},
        scope::Permission,
        secret::{Password, PasswordHash},
        time::Timestamp,
        user::{Account, AuthUser, Subject, Username},
    },
};

/// Who wants to sign in, and for what.
#[derive(Debug)]
pub struct SignIn<'a> {
    /// The user's name.
    pub username: &'a Username,
    /// The user's password.
    pub password: &'a Password,
    /// The scopes asked for; none means all that the user has.
    pub scopes: &'a [String],
    /// The client, once it proved itself.
    pub client_id: Option<ClientId>,
    /// The moment of the sign-in.
    pub now: Timestamp,
}

/// What a sign-in gives.
#[derive(Debug)]
pub struct Login {
    /// The access token.
    pub token: IssuedToken,
    /// What it may be used for.
    pub permission: Permission,
}

/// Why a sign-in gave no token.
#[derive(Debug, Error)]
pub enum LoginError {
    /// No such user, or not their password: the two are not told apart.
    #[error("incorrect username or password")]
    IncorrectCredentials,
    /// The right password of a user who is not active.
    #[error("inactive user")]
    InactiveUser,
    /// The user has none of the scopes that were asked for.
    #[error("scope not granted")]
    ScopeNotGranted,
    /// The client did not prove itself.
    #[error("invalid client")]
    InvalidClient,
    /// Signing in with a password is turned off.
    #[error("the password grant is turned off")]
    PasswordGrantOff,
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
    /// time, and at once for a password that is [not hashable](Password::is_hashable), whoever the user;
    /// [`LoginError::InactiveUser`] and [`LoginError::ScopeNotGranted`] only after the password proved right.
    pub async fn login(&self, sign_in: SignIn<'_>) -> Result<Login, LoginError> {
        let ports = &*self.ports;
        if ports.policy.password_grant_off {
            return Err(LoginError::PasswordGrantOff);
        }
        // Before the store is asked: it is as quick for every name, and tells nothing of any.
        if !sign_in.password.is_hashable() {
            return Err(LoginError::IncorrectCredentials);
        }
        let account = ports.store.find_by_username(sign_in.username).await?;

        // The decoy keeps the time equal: an unknown user costs one verification, like a known one.
        let hash = account.as_ref().map_or(ports.hasher.decoy(), |account| &account.password_hash);
        let verdict = ports.hasher.verify(sign_in.password, hash).await?;
        let Account { user, password_hash } = match (account, verdict) {
            (Some(account), Verdict::Match | Verdict::Outdated) => account,
            _ => return Err(LoginError::IncorrectCredentials),
        };
        if !user.is_active() && !ports.policy.inactive_users_sign_in {
            return Err(LoginError::InactiveUser);
        }
        let permission = user.grantable().grant(sign_in.scopes).ok_or(LoginError::ScopeNotGranted)?;

        let subject = user.subject();
        if verdict == Verdict::Outdated
            && let Err(fault) = self.renew_hash(&subject, &password_hash, sign_in.password).await
        {
            // The password was right all the same; the next sign-in tries again.
            log::warn!("an outdated hash was not replaced: {fault}");
        }
        let order = TokenOrder { subject, permission, client_id: sign_in.client_id, now: sign_in.now };
        let token = ports.tokens.issue(&order).await?;
        Ok(Login { token, permission: order.permission })
    }

    async fn renew_hash(
        &self,
        subject: &Subject,
        old: &PasswordHash,
        password: &Password,
    ) -> Result<(), Fault> {
        let new = self.ports.hasher.hash(password).await?;
        self.ports.store.replace_hash(subject, old, &new).await
    }
}
