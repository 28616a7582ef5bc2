//! Revocation and introspection of access and refresh tokens.

use std::sync::Arc;

use crate::{
    auth::{
        Auth, AuthError, AuthenticatedUser, Authentication, authenticate::still_granted,
        grants::refresh_token::TokenStatus, refresh_token::TokenParts,
    },
    domain::{
        backend_error::BackendError,
        client::{ClientId, ClientInfo},
        event::{Event, EventKind},
        invalidation::Invalidation,
        ports::UserStore,
        secret::{AccessToken, RefreshToken},
        session::{SessionStore, TokenFamily},
        time::Timestamp,
        user::AuthUser,
    },
};

/// The content of a valid token.
#[derive(Clone, Debug)]
pub enum Introspection<U> {
    /// An access token.
    AccessToken(Arc<AuthenticatedUser<U>>),
    /// A refresh token.
    RefreshToken {
        /// The token family, with the scopes that the user still has.
        family: Box<TokenFamily>,
        /// The time at which the token expires if it is not used.
        expires_at: Timestamp,
    },
}

impl<U: AuthUser> Auth<U> {
    /// Revokes a token ([RFC 7009](https://www.rfc-editor.org/rfc/rfc7009)). An access token is revoked alone, a
    /// refresh token with its whole session. An invalid token is not an error.
    ///
    /// # Errors
    /// [`AuthError::InvalidClient`] if the token was issued to a client and no client authenticated,
    /// [`AuthError::IssuedToAnotherClient`], [`AuthError::Backend`].
    pub async fn revoke(
        &self,
        token: &str,
        client_id: Option<&ClientId>,
        client_info: &ClientInfo,
    ) -> Result<(), AuthError> {
        let Some(sessions) = &self.0.sessions else { return Ok(()) };
        let now = self.now();
        let (was_active, subject, session_id) = if let Some(family) = self.family_of(token).await? {
            check_client(family.client_id.as_ref(), client_id)?;
            let ended = self.end(sessions, &family.owner, &family.session_id, now).await?;
            (ended, family.owner.subject, Some(family.session_id))
        } else if let Some(claims) = self.verified_claims(&AccessToken::from(token), now).await? {
            check_client(claims.client_id.as_ref(), client_id)?;
            let owner = self.owner(claims.subject.clone());
            let was_active = sessions.store.revoke(&owner, &claims, now).await?;
            self.invalidate(match &claims.session_id {
                Some(id) => Invalidation::Session(id.clone()),
                None => Invalidation::User(claims.subject.clone()),
            });
            (was_active, claims.subject, claims.session_id)
        } else {
            return Ok(());
        };
        if was_active {
            self.emit(&Event {
                subject: Some(&subject),
                client_id,
                session_id: session_id.as_ref(),
                ..Event::new(EventKind::TokenRevoked, client_info, now)
            });
        }
        Ok(())
    }

    /// Returns the content of a token, or `None` if it is not valid
    /// ([RFC 7662](https://www.rfc-editor.org/rfc/rfc7662)).
    ///
    /// # Errors
    /// [`AuthError::Backend`].
    pub async fn introspect(&self, token: &str) -> Result<Option<Introspection<U>>, AuthError> {
        if let Some(family) = self.family_of(token).await? {
            return Ok(self.introspect_refresh_token(token, family).await?);
        }
        Ok(match self.authenticate(&AccessToken::from(token)).await? {
            Authentication::Valid(user) if user.user.is_active() => Some(Introspection::AccessToken(user)),
            _ => None,
        })
    }

    async fn introspect_refresh_token(
        &self,
        token: &str,
        family: TokenFamily,
    ) -> Result<Option<Introspection<U>>, BackendError> {
        let token = RefreshToken::from(token);
        let (Some(settings), Some(parts)) = (self.refresh_settings(), TokenParts::of(&token)) else {
            return Ok(None);
        };
        if settings.status(&family, &parts.hash(), self.now()) != TokenStatus::Current {
            return Ok(None);
        }
        let user = self.0.users.find_by_subject(&family.owner.subject).await?;
        Ok(user.filter(AuthUser::is_active).map(|user| {
            let granted_scopes = still_granted(&family.granted_scopes, &user);
            let expires_at = settings.end(family.created, family.delivery.rotated);
            let family = Box::new(TokenFamily { granted_scopes, ..family });
            Introspection::RefreshToken { family, expires_at }
        }))
    }

    /// Finds the family of a token, if it is a refresh token.
    async fn family_of(&self, token: &str) -> Result<Option<TokenFamily>, BackendError> {
        match TokenParts::of(&RefreshToken::from(token)) {
            Some(parts) => self.find_family(&parts.family_hash()).await,
            None => Ok(None),
        }
    }
}

/// Checks that the token was issued to this client, or without a client if none authenticated.
fn check_client(owner: Option<&ClientId>, client_id: Option<&ClientId>) -> Result<(), AuthError> {
    match (owner, client_id) {
        (Some(_), None) => Err(AuthError::InvalidClient),
        (owner, client_id) if owner == client_id => Ok(()),
        _ => Err(AuthError::IssuedToAnotherClient),
    }
}
