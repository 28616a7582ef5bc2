//! Revoking a token and asking about one, by its text: either kind of token.

use std::sync::Arc;

use crate::{
    auth::{
        Auth, GrantError, Identity, Recognised,
        refresh::{Refreshing, Standing, still_granted},
        refresh_token::TokenParts,
    },
    domain::{
        backend_error::BackendError,
        client::ClientId,
        event::{Event, EventKind},
        ports::{TokenService, UserStore},
        refresh::TokenFamily,
        secret::{AccessToken, RefreshToken},
        session::ClientInfo,
        time::Timestamp,
        user::AuthUser,
    },
};

/// What a good token is.
#[derive(Clone, Debug)]
pub enum Introspection<U> {
    /// An access token, and whose.
    AccessToken(Arc<Identity<U>>),
    /// A refresh token.
    RefreshToken {
        /// Its family; the granted_scopes as far as the user has it now.
        family: Box<TokenFamily>,
        /// When it ends, if it is not used.
        expires_at: Timestamp,
    },
}

impl<S: UserStore, H, T: TokenService> Auth<S, H, T> {
    /// Revokes a token ([RFC 7009](https://www.rfc-editor.org/rfc/rfc7009)): an access token alone, or with a refresh
    /// token its whole session. A token that is not good, or not any more, is none to revoke: that is done already.
    ///
    /// # Errors
    /// [`GrantError::InvalidClient`] for a client's token where no client proved itself, and
    /// [`GrantError::IssuedToAnother`] where another one did, or the token is no client's.
    pub async fn revoke(
        &self,
        token: &str,
        client_id: Option<&ClientId>,
        client_info: &ClientInfo,
        now: Timestamp,
    ) -> Result<(), GrantError> {
        let Some(sessions) = &self.ports.options.sessions else { return Ok(()) };
        let (was_good, subject, session_id) = if let Some(family) = self.family_of(token).await? {
            is_issued_to(family.client_id.as_ref(), client_id)?;
            let ended = sessions.end(&family.subject, &family.session_id, now).await?;
            (ended, family.subject, Some(family.session_id))
        } else if let Some(claims) = self.ports.tokens.verify(&AccessToken::from(token), now).await? {
            is_issued_to(claims.client_id.as_ref(), client_id)?;
            let revoked = sessions.revoke(&claims, now).await?;
            (revoked, claims.subject, claims.session_id)
        } else {
            return Ok(());
        };
        if !was_good {
            return Ok(());
        }
        self.tell(&Event {
            subject: Some(&subject),
            client_id,
            session_id: session_id.as_ref(),
            ..Event::new(EventKind::TokenRevoked, client_info, now)
        });
        Ok(())
    }

    /// What a token is, or `None` where it is not good at this moment, for whatever reason
    /// ([RFC 7662](https://www.rfc-editor.org/rfc/rfc7662)).
    ///
    /// # Errors
    /// A [`BackendError`] where a port cannot say.
    pub async fn introspect(
        &self,
        token: &str,
        now: Timestamp,
    ) -> Result<Option<Introspection<S::User>>, BackendError> {
        if let Some(family) = self.family_of(token).await? {
            return self.introspect_refresh_token(token, family, now).await;
        }
        Ok(match self.recognise(&AccessToken::from(token), now).await? {
            Recognised::User(identity) if identity.user.is_active() => {
                Some(Introspection::AccessToken(identity))
            }
            _ => None,
        })
    }

    async fn introspect_refresh_token(
        &self,
        token: &str,
        family: TokenFamily,
        now: Timestamp,
    ) -> Result<Option<Introspection<S::User>>, BackendError> {
        let token = RefreshToken::from(token);
        let (Some(Refreshing { settings, .. }), Some(parts)) = (self.refreshing(), TokenParts::of(&token))
        else {
            return Ok(None);
        };
        if settings.judge(&family, &parts.hash(), now) != Standing::Newest {
            return Ok(None);
        }
        let user = self.ports.store.find_by_subject(&family.subject).await?;
        Ok(user.filter(AuthUser::is_active).map(|user| {
            let granted_scopes = still_granted(&family, &user);
            let expires_at = settings.end(family.created, family.rotated);
            Introspection::RefreshToken {
                family: Box::new(TokenFamily { granted_scopes, ..family }),
                expires_at,
            }
        }))
    }

    /// The family of what may be a refresh token.
    async fn family_of(&self, token: &str) -> Result<Option<TokenFamily>, BackendError> {
        let token = RefreshToken::from(token);
        match (&self.ports.options.refreshing, TokenParts::of(&token)) {
            (Some(Refreshing { store, .. }), Some(parts)) => store.find_family(&parts.family_hash()).await,
            _ => Ok(None),
        }
    }
}

/// Whoever has a token that no client was given may give it up; what a client was given, only that client.
fn is_issued_to(owner: Option<&ClientId>, client_id: Option<&ClientId>) -> Result<(), GrantError> {
    match (owner, client_id) {
        (Some(_), None) => Err(GrantError::InvalidClient),
        (owner, client_id) if owner == client_id => Ok(()),
        _ => Err(GrantError::IssuedToAnother),
    }
}
