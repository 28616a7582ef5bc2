//! Being recognised: an access token becomes the user it was issued to.

use crate::{
    auth::Auth,
    domain::{
        claims::Claims,
        fault::Fault,
        ports::{PasswordHasher, TokenService, UserStore},
        secret::AccessToken,
    },
};

/// Who sent a request: the user, and what their token says.
#[derive(Clone, Debug)]
pub struct Identity<U> {
    /// The user as the store has them now.
    pub user: U,
    /// What the token says.
    pub claims: Claims,
}

impl<S: UserStore, H: PasswordHasher, T: TokenService> Auth<S, H, T> {
    /// The bearer of `token`, or `None` where the token is not valid or its user is gone.
    ///
    /// # Errors
    /// A [`Fault`] where a port cannot say.
    pub async fn recognise(&self, token: &AccessToken) -> Result<Option<Identity<S::User>>, Fault> {
        let Some(claims) = self.ports.tokens.verify(token).await? else {
            return Ok(None);
        };
        let user = self.ports.store.find_by_subject(&claims.subject).await?;
        Ok(user.map(|user| Identity { user, claims }))
    }
}
