//! Authentication of a request: an access token becomes the user it was issued to.

use std::sync::Arc;

use crate::{
    auth::{Auth, AuthError, token_cache::Lookup},
    domain::{
        backend_error::BackendError,
        claims::Claims,
        ports::{TokenVerifier, UserStore},
        scope::GrantedScopes,
        secret::AccessToken,
        session::SessionStore,
        time::Timestamp,
        user::AuthUser,
    },
};

/// The sender of a request: the user and the claims of the token.
#[derive(Clone, Debug)]
pub struct AuthenticatedUser<U> {
    /// The user as the store has them now.
    pub user: U,
    /// The claims of the token.
    pub claims: Claims,
    /// The scopes of the request: those of the token that the user still has.
    pub granted_scopes: GrantedScopes,
}

/// The result of looking up an access token.
#[derive(Debug)]
pub enum Authentication<U> {
    /// The token is valid; its user may be inactive.
    Valid(Arc<AuthenticatedUser<U>>),
    /// The token was valid until its user was disabled and the session ended.
    Inactive,
    /// The token is not genuine, has expired or was revoked, its session has ended, or its user no longer exists.
    Invalid,
}

impl<U> Clone for Authentication<U> {
    fn clone(&self) -> Self {
        match self {
            Self::Valid(user) => Self::Valid(Arc::clone(user)),
            Self::Inactive => Self::Inactive,
            Self::Invalid => Self::Invalid,
        }
    }
}

impl<U: AuthUser> Auth<U> {
    /// Looks up an access token, in the [`TokenCache`](crate::cache::TokenCache) first if there is one.
    ///
    /// # Errors
    /// [`AuthError::Backend`] if a store or the token service fails, or if the token cache is stale.
    pub async fn authenticate(&self, token: &AccessToken) -> Result<Authentication<U>, AuthError> {
        let now = self.now();
        let Some(cache) = &self.0.token_cache else {
            let found = self.look_up(token, now).await?;
            return Ok(found.map_or(Authentication::Invalid, |(_, authentication)| authentication));
        };
        let miss = match cache.lookup(token.expose(), now)? {
            Lookup::Hit(authentication) => return Ok(authentication),
            Lookup::Miss(miss) => miss,
        };
        let Some((claims, authentication)) = self.look_up(token, now).await? else {
            return Ok(Authentication::Invalid);
        };
        cache.insert(miss, &claims, authentication.clone());
        Ok(authentication)
    }

    /// Verifies a token and loads its user; `None` if the token is not genuine.
    async fn look_up(
        &self,
        token: &AccessToken,
        now: Timestamp,
    ) -> Result<Option<(Claims, Authentication<U>)>, BackendError> {
        let Some(claims) = self.verified_claims(token, now).await? else { return Ok(None) };
        let Some(user) = self.0.users.find_by_subject(&claims.subject).await? else {
            return Ok(Some((claims, Authentication::Invalid)));
        };
        if let Some(sessions) = &self.0.sessions
            && !sessions.store.is_active(&self.owner(claims.subject.clone()), &claims).await?
        {
            let is_active = user.is_active();
            return Ok(Some((
                claims,
                if is_active { Authentication::Invalid } else { Authentication::Inactive },
            )));
        }
        let granted_scopes = claims.granted_scopes.limited_to(&user.allowed_scopes());
        let authenticated = AuthenticatedUser { user, claims: claims.clone(), granted_scopes };
        Ok(Some((claims, Authentication::Valid(Arc::new(authenticated)))))
    }

    /// The claims of a token, unless it is for another kind of user.
    pub(super) async fn verified_claims(
        &self,
        token: &AccessToken,
        now: Timestamp,
    ) -> Result<Option<Claims>, BackendError> {
        let claims = self.0.verifier.verify(token, now).await?;
        let is_ours = |claims: &Claims| claims.user_kind.as_deref().is_none_or(|kind| kind == U::user_kind());
        Ok(claims.filter(is_ours))
    }
}
