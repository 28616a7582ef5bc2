//! Being recognised: an access token becomes the user it was issued to.

use crate::{
    auth::Auth,
    domain::{
        claims::Claims,
        fault::Fault,
        ports::{PasswordHasher, TokenService, UserStore},
        scope::Permission,
        secret::AccessToken,
        time::Timestamp,
        user::AuthUser,
    },
};

/// Who sent a request: the user, and what their token says.
#[derive(Clone, Debug)]
pub struct Identity<U> {
    /// The user as the store has them now.
    pub user: U,
    /// What the token says.
    pub claims: Claims,
    /// What the request may do: what the token was issued for, as far as the user has it now.
    pub permission: Permission,
}

impl<S: UserStore, H: PasswordHasher, T: TokenService> Auth<S, H, T> {
    /// The bearer of `token` at this moment, or `None` where the token is not valid or its user is gone.
    ///
    /// # Errors
    /// A [`Fault`] where a port cannot say.
    pub async fn recognise(
        &self,
        token: &AccessToken,
        now: Timestamp,
    ) -> Result<Option<Identity<S::User>>, Fault> {
        let Some(claims) = self.ports.tokens.verify(token, now).await? else {
            return Ok(None);
        };
        let user = self.ports.store.find_by_subject(&claims.subject).await?;
        Ok(user.map(|user| {
            let permission = claims.permission.limited_to(&user.grantable());
            Identity { user, claims, permission }
        }))
    }
}
