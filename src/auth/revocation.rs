//! Revocation and introspection of access and refresh tokens.

use std::sync::Arc;

use crate::{
    auth::{
        Auth, AuthError, AuthenticatedClient, AuthenticatedUser, Authentication,
        authenticate::{Accepted, still_granted},
        grants::refresh_token::TokenStatus,
        refresh_token::TokenParts,
    },
    domain::{
        backend_error::BackendError,
        client::{Client, ClientId, ClientInfo},
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
    /// An access token from the client credentials grant.
    ClientToken(Arc<AuthenticatedClient>),
    /// A refresh token.
    RefreshToken {
        /// The token family, with the scopes that the user still has.
        family: Box<TokenFamily>,
        /// The time at which the token expires if it is not used.
        expires_at: Timestamp,
    },
}

impl<U: AuthUser> Auth<U> {
    /// Revokes a token that was issued to `client` ([RFC 7009](https://www.rfc-editor.org/rfc/rfc7009)); `None` is the
    /// default client. Revoking an access token does not end its session; revoking a refresh token does. An invalid
    /// token is not an error. Without a session store, nothing is revoked.
    ///
    /// # Errors
    /// [`AuthError::IssuedToAnotherClient`] if the token was issued to another client, [`AuthError::Backend`] if a
    /// store or the token service fails.
    pub async fn revoke(
        &self,
        token: &str,
        client: Option<&Client>,
        client_info: &ClientInfo,
    ) -> Result<(), AuthError> {
        let Some(sessions) = &self.0.sessions else { return Ok(()) };
        let check_client = |stored: Option<&ClientId>| {
            let id = self.client_id_of(client.map(|client| &client.id));
            if self.client_id_of(stored) == id { Ok(()) } else { Err(AuthError::IssuedToAnotherClient) }
        };
        let now = self.now();
        let (was_active, subject, session_id) = if let Some(family) = self.family_of(token).await? {
            check_client(family.client_id.as_ref())?;
            let ended = self.end(sessions, &family.owner, &family.session_id, now).await?;
            (ended, Some(family.owner.subject), Some(family.session_id))
        } else if let Some(claims) =
            self.verified_claims(&AccessToken::from(token), Accepted::AnyAudience, now).await?
        {
            check_client(claims.client_id.as_ref())?;
            let (owner, is_of_client) = (self.owner_of_token(&claims), claims.is_of_client());
            let was_active = sessions.store.revoke(&owner, &claims, now).await?;
            self.invalidate(match &claims.session_id {
                Some(id) => Invalidation::Session(id.clone()),
                None => Invalidation::User(claims.subject.clone()),
            });
            (was_active, Some(claims.subject).filter(|_| !is_of_client), claims.session_id)
        } else {
            return Ok(());
        };
        if was_active {
            self.emit(&Event {
                subject: subject.as_ref(),
                client_id: client.and_then(|client| self.stored_id(client)),
                session_id: session_id.as_ref(),
                ..Event::new(EventKind::TokenRevoked, client_info, now)
            });
        }
        Ok(())
    }

    /// Returns the content of a token if a client may see it. A client may see the tokens that were issued to it, and
    /// access tokens for an audience that equals its identifier or is in [`Client::audiences`]. With
    /// [`Client::introspect_all`], it may see all tokens.
    ///
    /// # Errors
    /// [`AuthError::InvalidClient`] for a public client, since anyone can send its identifier, and the errors of
    /// [`introspect`](Self::introspect).
    pub async fn introspect_as(
        &self,
        client: &Client,
        token: &str,
    ) -> Result<Option<Introspection<U>>, AuthError> {
        if client.is_public() {
            return Err(AuthError::InvalidClient);
        }
        let is_visible = |introspection: &Introspection<U>| {
            let (issued_to, audiences) = match introspection {
                Introspection::AccessToken(user) => (&user.claims.client_id, &user.claims.audiences[..]),
                Introspection::ClientToken(client) => {
                    (&client.claims.client_id, &client.claims.audiences[..])
                }
                Introspection::RefreshToken { family, .. } => (&family.client_id, &[][..]),
            };
            let listed = client.audiences.as_deref().unwrap_or_default();
            client.introspect_all
                || *self.client_id_of(issued_to.as_ref()) == client.id
                || audiences.iter().any(|one| listed.contains(one) || one.as_str() == client.id.as_str())
        };
        Ok(self.introspect(token).await?.filter(is_visible))
    }

    /// Returns the content of a token, or `None` if the token is not valid or its user is not active
    /// ([RFC 7662](https://www.rfc-editor.org/rfc/rfc7662)).
    ///
    /// # Errors
    /// [`AuthError::Backend`] if a store or the token service fails, or if the token cache is stale.
    pub async fn introspect(&self, token: &str) -> Result<Option<Introspection<U>>, AuthError> {
        if let Some(family) = self.family_of(token).await? {
            return Ok(self.introspect_refresh_token(token, family).await?);
        }
        Ok(match self.authenticate_for(&AccessToken::from(token), Accepted::AnyAudience).await? {
            Authentication::Valid(user) if user.user.is_active() => Some(Introspection::AccessToken(user)),
            Authentication::Client(client) => Some(Introspection::ClientToken(client)),
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

    /// Returns the family of a token, if the token is a refresh token.
    async fn family_of(&self, token: &str) -> Result<Option<TokenFamily>, BackendError> {
        match TokenParts::of(&RefreshToken::from(token)) {
            Some(parts) => self.find_family(&parts.family_hash()).await,
            None => Ok(None),
        }
    }
}
