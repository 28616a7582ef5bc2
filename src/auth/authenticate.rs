//! Authentication of a request: verifies an access token and loads its user.

use std::sync::Arc;

use crate::{
    auth::{
        Auth, AuthError,
        delivery::{DELIVERY_ATTEMPTS, Use},
        grants::GrantType,
        token_cache::Lookup,
    },
    domain::{
        backend_error::BackendError,
        claims::Claims,
        client::{Client, ClientId, ClientInfo},
        event::{Event, EventKind},
        ports::{ClientRegistry, TokenVerifier, UserStore},
        scope::{GrantedScopes, Scope},
        secret::AccessToken,
        session::{DeliveryUpdate, SessionOwner, SessionStore},
        time::Timestamp,
        user::AuthUser,
    },
};

/// The user of a valid access token or session cookie.
#[derive(Clone, Debug)]
pub struct AuthenticatedUser<U> {
    /// The user as currently stored.
    pub user: U,
    /// The claims of the token.
    pub claims: Claims,
    /// The scopes of the token that the user still has. Every user has [`Scope::OFFLINE_ACCESS`] and [`Scope::OPENID`].
    pub granted_scopes: GrantedScopes,
}

impl<U: AuthUser> AuthenticatedUser<U> {
    pub(crate) fn new(user: U, claims: Claims) -> Self {
        let granted_scopes = still_granted(&claims.granted_scopes, &user);
        Self { user, claims, granted_scopes }
    }
}

/// The client of a valid access token from the client credentials grant.
#[derive(Clone, Debug)]
pub struct AuthenticatedClient {
    /// The client.
    pub client_id: ClientId,
    /// The claims of the token.
    pub claims: Claims,
    /// The scopes of the token that the client still has.
    pub granted_scopes: GrantedScopes,
}

/// The result of [`Auth::authenticate`].
#[derive(Clone, Debug)]
pub enum Authentication<U> {
    /// The token is valid; its user may be inactive.
    Valid(Arc<AuthenticatedUser<U>>),
    /// The token is valid and was issued through the client credentials grant.
    Client(Arc<AuthenticatedClient>),
    /// The user is inactive, and the token is no longer valid because it was revoked or its session has ended, for
    /// example when the user was disabled.
    Inactive,
    /// The token is not genuine, has expired, was revoked, or is for another audience or kind of user. Or its session
    /// has ended, or its user or client no longer exists.
    Invalid,
}

/// The kind of credentials to accept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Accepted {
    /// Tokens for this application.
    OwnAudience,
    /// Tokens from the issuer for any audience.
    AnyAudience,
    /// Session cookies only, not tokens.
    Cookie,
}

impl<U: AuthUser> Auth<U> {
    /// Verifies an access token and loads its user, or returns the result from the
    /// [`TokenCache`](crate::cache::TokenCache).
    ///
    /// # Errors
    /// [`AuthError::Backend`] if a store or the token service fails, or if the token cache is stale.
    pub async fn authenticate(&self, token: &AccessToken) -> Result<Authentication<U>, AuthError> {
        self.authenticate_for(token, Accepted::OwnAudience).await
    }

    /// Like [`authenticate`](Self::authenticate), but accepts only tokens for the given audience, for example to
    /// authenticate requests to another service.
    ///
    /// # Errors
    /// The errors of [`authenticate`](Self::authenticate).
    pub async fn authenticate_for_audience(
        &self,
        token: &AccessToken,
        audience: &str,
    ) -> Result<Authentication<U>, AuthError> {
        let authentication = self.authenticate_for(token, Accepted::AnyAudience).await?;
        let claims = match &authentication {
            Authentication::Valid(user) => &user.claims,
            Authentication::Client(client) => &client.claims,
            Authentication::Inactive | Authentication::Invalid => return Ok(authentication),
        };
        let is_for_audience = claims.audiences.iter().any(|one| one.as_str() == audience);
        Ok(if is_for_audience { authentication } else { Authentication::Invalid })
    }

    pub(super) async fn authenticate_for(
        &self,
        token: &AccessToken,
        accepted: Accepted,
    ) -> Result<Authentication<U>, AuthError> {
        let now = self.now();
        let look_up = async { Ok(self.look_up(token, accepted, now).await?) };
        self.cached(token.expose(), accepted, now, look_up).await
    }

    /// Returns the cached result for a token or cookie, or awaits `look_up` and caches its result. If `look_up` returns
    /// `None`, the token or cookie is invalid, and nothing is cached.
    pub(super) async fn cached(
        &self,
        secret: &str,
        accepted: Accepted,
        now: Timestamp,
        look_up: impl Future<Output = Result<Option<(Claims, Authentication<U>)>, AuthError>>,
    ) -> Result<Authentication<U>, AuthError> {
        let Some(cache) = &self.0.token_cache else {
            return Ok(look_up.await?.map_or(Authentication::Invalid, |(_, authentication)| authentication));
        };
        let miss = match cache.lookup(secret, accepted, now)? {
            Lookup::Hit(authentication) => return Ok(authentication),
            Lookup::Miss(miss) => miss,
        };
        let Some((claims, authentication)) = look_up.await? else { return Ok(Authentication::Invalid) };
        cache.insert(miss, &claims, authentication.clone());
        Ok(authentication)
    }

    /// Verifies a token and loads its user or client; `None` if the verification fails.
    async fn look_up(
        &self,
        token: &AccessToken,
        accepted: Accepted,
        now: Timestamp,
    ) -> Result<Option<(Claims, Authentication<U>)>, BackendError> {
        let Some(claims) = self.verified_claims(token, accepted, now).await? else { return Ok(None) };
        if claims.is_of_client() {
            let authentication = self.look_up_client(&claims, now).await?;
            return Ok(Some((claims, authentication)));
        }
        let Some(user) = self.0.users.find_by_subject(&claims.subject).await? else {
            return Ok(Some((claims, Authentication::Invalid)));
        };
        let authentication = if self.has_session(&claims, now).await? {
            Authentication::Valid(AuthenticatedUser::new(user, claims.clone()).into())
        } else if user.is_active() {
            Authentication::Invalid
        } else {
            Authentication::Inactive
        };
        Ok(Some((claims, authentication)))
    }

    /// Looks up the client of a token from the client credentials grant.
    async fn look_up_client(
        &self,
        claims: &Claims,
        now: Timestamp,
    ) -> Result<Authentication<U>, BackendError> {
        let own_subject = |id: &&ClientId| id.subject().is_ok_and(|subject| subject == claims.subject);
        let Some(client_id) = claims.client_id.as_ref().filter(own_subject) else {
            return Ok(Authentication::Invalid);
        };
        let granted_scopes = match (&self.0.clients, &self.0.issuer) {
            (Some(registry), _) => match registry.find(client_id).await? {
                Some(client) if client.allows_grant(GrantType::ClientCredentials.name()) => {
                    claims.granted_scopes.limited_to(&client.scopes)
                }
                _ => return Ok(Authentication::Invalid),
            },
            // The issuer is another service, which authenticates its clients itself.
            (None, None) => claims.granted_scopes.clone(),
            (None, Some(_)) => return Ok(Authentication::Invalid),
        };
        if !self.has_session(claims, now).await? {
            return Ok(Authentication::Invalid);
        }
        let (client_id, claims) = (client_id.clone(), claims.clone());
        Ok(Authentication::Client(AuthenticatedClient { client_id, claims, granted_scopes }.into()))
    }

    /// Returns the owner of a token's session.
    pub(super) fn owner_of_token(&self, claims: &Claims) -> SessionOwner {
        let kind = if claims.is_of_client() { Client::USER_KIND } else { U::user_kind() };
        SessionOwner { user_kind: kind.into(), subject: claims.subject.clone() }
    }

    /// Returns whether the session of a token is active; `true` without a session store. While a response may be
    /// repeated, records that the client received it. If the token comes from a response that was presumed lost, two
    /// parties have the refresh token, and the session ends.
    async fn has_session(&self, claims: &Claims, now: Timestamp) -> Result<bool, BackendError> {
        let Some(sessions) = &self.0.sessions else { return Ok(true) };
        let owner = self.owner_of_token(claims);
        for _ in 0..DELIVERY_ATTEMPTS {
            let Some(delivery) = sessions.store.find_active(&owner, claims).await? else { return Ok(false) };
            let (Some(id), Some(sequence)) = (&claims.session_id, claims.sequence) else { return Ok(true) };
            let received = match delivery.used(sequence) {
                Use::First(received) if sessions.refresh.may_repeat(&delivery, now) => received,
                Use::First(_) | Use::Repeated => return Ok(true),
                Use::OfLostResponse => {
                    if self.end(sessions, &owner, id, now).await? {
                        log::warn!(
                            "refresh token of user {} was used by two senders: ended session {id}",
                            owner.subject
                        );
                        self.emit(&Event {
                            subject: Some(&owner.subject),
                            client_id: claims.client_id.as_ref().and_then(|id| self.registered_id(id)),
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
        Err(BackendError::unavailable("too many concurrent requests use the same session"))
    }

    /// Verifies a token and returns its claims, unless it is for another kind of user.
    pub(super) async fn verified_claims(
        &self,
        token: &AccessToken,
        accepted: Accepted,
        now: Timestamp,
    ) -> Result<Option<Claims>, BackendError> {
        let claims = match accepted {
            Accepted::OwnAudience => self.0.verifier.verify(token, now).await?,
            Accepted::AnyAudience => self.0.verifier.verify_any_audience(token, now).await?,
            Accepted::Cookie => return Ok(None),
        };
        let Some(claims) = claims else { return Ok(None) };
        if let Some(kind) = &claims.user_kind
            && !claims.is_of_client()
            && **kind != *U::user_kind()
        {
            log::debug!("rejected a token: its user_kind is {kind:?}, not {:?}", U::user_kind());
            return Ok(None);
        }
        Ok(Some(claims))
    }
}

/// Returns the scopes of a sign-in or a token that the user still has. Every user has [`Scope::OFFLINE_ACCESS`] and
/// [`Scope::OPENID`].
pub(super) fn still_granted(granted: &GrantedScopes, user: &impl AuthUser) -> GrantedScopes {
    let allowed = user.allowed_scopes();
    match granted {
        GrantedScopes::Only(_) => {
            granted.limited_to(&allowed.with(Scope::offline_access()).with(Scope::openid()))
        }
        GrantedScopes::All => allowed,
    }
}
