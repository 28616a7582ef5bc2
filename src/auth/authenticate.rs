//! Authentication of a request: verifies an access token and loads its user.

use std::sync::Arc;

use crate::{
    auth::{
        Auth, AuthError, Sessions,
        delivery::{DELIVERY_ATTEMPTS, Use},
        token_cache::Lookup,
    },
    domain::{
        backend_error::BackendError,
        claims::Claims,
        client::ClientInfo,
        event::{Event, EventKind},
        ports::{TokenVerifier, UserStore},
        scope::{GrantedScopes, Scope},
        secret::AccessToken,
        session::{DeliveryUpdate, SessionStore},
        time::Timestamp,
        user::AuthUser,
    },
};

/// The user of a valid access token.
#[derive(Clone, Debug)]
pub struct AuthenticatedUser<U> {
    /// The user as currently stored.
    pub user: U,
    /// The claims of the token.
    pub claims: Claims,
    /// The scopes of the token that the user still has. Every user has [`Scope::OFFLINE_ACCESS`].
    pub granted_scopes: GrantedScopes,
}

/// The result of [`Auth::authenticate`].
#[derive(Clone, Debug)]
pub enum Authentication<U> {
    /// The token is valid; its user may be inactive.
    Valid(Arc<AuthenticatedUser<U>>),
    /// The token was valid until its user was disabled and the session ended.
    Inactive,
    /// The token is not genuine, has expired or was revoked, its session has ended, or its user no longer exists.
    Invalid,
}

impl<U: AuthUser> Auth<U> {
    /// Verifies an access token and loads its user, or finds both in the [`TokenCache`](crate::cache::TokenCache).
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
        let has_session = match &self.0.sessions {
            Some(sessions) => self.has_session(sessions, &claims, now).await?,
            None => true,
        };
        let authentication = if has_session {
            let granted_scopes = still_granted(&claims.granted_scopes, &user);
            Authentication::Valid(AuthenticatedUser { user, claims: claims.clone(), granted_scopes }.into())
        } else if user.is_active() {
            Authentication::Invalid
        } else {
            Authentication::Inactive
        };
        Ok(Some((claims, authentication)))
    }

    /// Returns whether the session of a token is active. Within the grace period after a refresh, records that the client
    /// received the response. If a response to another sender was received too, two parties have the refresh token, and
    /// the session ends.
    async fn has_session(
        &self,
        sessions: &Sessions,
        claims: &Claims,
        now: Timestamp,
    ) -> Result<bool, BackendError> {
        let owner = self.owner(claims.subject.clone());
        for _ in 0..DELIVERY_ATTEMPTS {
            let Some(delivery) = sessions.store.find_active(&owner, claims).await? else { return Ok(false) };
            let (Some(id), Some(sequence)) = (&claims.session_id, claims.sequence) else { return Ok(true) };
            let received = match delivery.used(sequence) {
                // After the grace period nothing is repeated, so nothing has to be recorded.
                Use::First(received) if now < delivery.rotated + sessions.refresh.grace => received,
                Use::First(_) | Use::Repeated => return Ok(true),
                Use::OfLostResponse => {
                    if self.end(sessions, &owner, id, now).await? {
                        log::warn!(
                            "refresh token of user {} was used by two senders: ended session {id}",
                            owner.subject
                        );
                        self.emit(&Event {
                            subject: Some(&owner.subject),
                            client_id: claims.client_id.as_ref(),
                            session_id: Some(id),
                            ..Event::new(EventKind::RefreshTokenReused, &ClientInfo::default(), now)
                        });
                    }
                    return Ok(false);
                }
            };
            let update = DeliveryUpdate { session_id: id, from: &delivery, to: &received, request: None };
            if sessions.store.update_delivery(&update).await? {
                return Ok(true);
            }
        }
        Err(BackendError::unavailable("too many concurrent requests use the same refresh token"))
    }

    /// Verifies a token and returns its claims, unless it is for another kind of user.
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

/// Returns the scopes of a sign-in or a token that the user still has. Every user has [`Scope::OFFLINE_ACCESS`].
pub(super) fn still_granted(granted: &GrantedScopes, user: &impl AuthUser) -> GrantedScopes {
    let allowed = user.allowed_scopes();
    match granted {
        GrantedScopes::Only(_) => granted.limited_to(&allowed.with(Scope::offline_access())),
        GrantedScopes::All => allowed,
    }
}
