//! The refresh token grant ([RFC 6749 section 6](https://www.rfc-editor.org/rfc/rfc6749#section-6)).

use std::time::Duration;

use crate::{
    auth::{
        Auth, AuthError, Sessions,
        authenticate::still_granted,
        delivery::{DELIVERY_ATTEMPTS, Repetition, is_same_sender},
        grants::{GrantRequest, GrantType, Granted, Parameter, SignedIn, Tokens},
        random,
        refresh_token::{self, TokenParts},
    },
    domain::{
        backend_error::BackendError,
        client::{Client, ClientInfo},
        event::{Event, EventKind},
        ports::UserStore,
        scope::{GrantedScopes, Scope},
        secret::RefreshToken,
        session::{Delivery, DeliveryUpdate, Rotation, SessionStore, TokenFamily, TokenHash},
        time::Timestamp,
        user::AuthUser,
    },
};

pub(super) const PARAMETERS: &[Parameter] = &[Parameter {
    name: "refresh_token",
    description: "The refresh token. It can be used once; the response contains the next one.",
    example: None,
    is_password: true,
}];

pub(super) fn is_enabled<U: AuthUser>(auth: &Auth<U>) -> bool {
    auth.0.issuer.is_some() && auth.refresh_settings().is_some()
}

pub(super) async fn grant<U: AuthUser>(
    auth: &Auth<U>,
    mut request: GrantRequest,
) -> Result<Tokens, AuthError> {
    let token = RefreshToken::from(request.take("refresh_token"));
    let refresh = Refresh {
        token: &token,
        scopes: &request.scopes,
        audiences: &request.audiences,
        client: Some(&request.client),
        client_info: &request.client_info,
    };
    Ok(auth.refresh(refresh).await?.tokens)
}

/// The expected maximum difference between the clocks of two replicas.
const CLOCK_DIFFERENCE: Duration = Duration::from_secs(60);

/// The sign-ins that get a refresh token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefreshTokens {
    /// Sign-ins that request the scope `offline_access`.
    OnRequest,
    /// All sign-ins.
    Always,
    /// No sign-ins. Refresh tokens that were issued earlier can only be revoked.
    Never,
}

/// The settings for refresh tokens. Fractions of a second are ignored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RefreshSettings {
    /// The sign-ins that get a refresh token.
    pub issue: RefreshTokens,
    /// The grace period, during which the previous token is still accepted: a client that lost the response can then
    /// get the current token.
    pub grace: Duration,
    /// The lifetime of an unused refresh token.
    pub idle: Duration,
    /// The lifetime of all refresh tokens of a session, counted from sign-in.
    pub absolute: Duration,
}

impl Default for RefreshSettings {
    /// Returns the defaults: refresh tokens on request, a grace period of 10 seconds, and expiry after 14 days without
    /// use and 90 days after sign-in.
    fn default() -> Self {
        const DAY: u64 = 24 * 60 * 60;
        Self {
            issue: RefreshTokens::OnRequest,
            grace: Duration::from_secs(10),
            idle: Duration::from_secs(14 * DAY),
            absolute: Duration::from_secs(90 * DAY),
        }
    }
}

/// The status of a refresh token within its family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::auth) enum TokenStatus<'a> {
    /// The current token.
    Current,
    /// The previous token, within the grace period. Contains the salt that the current token was derived with.
    Repeated(&'a str),
    /// An older token, or one that was never issued.
    Reused,
    /// The family has expired.
    Expired,
}

impl RefreshSettings {
    /// Returns the expiry of a refresh token that is issued at `now` for a session that was created at `created`.
    pub(in crate::auth) fn end(&self, created: Timestamp, now: Timestamp) -> Timestamp {
        (now + self.idle).min(created + self.absolute)
    }

    /// Returns whether a response may still be repeated by this replica, or by one whose clock differs by less than
    /// [`CLOCK_DIFFERENCE`].
    pub(in crate::auth) fn may_repeat(&self, delivery: &Delivery, now: Timestamp) -> bool {
        !self.grace.is_zero() && now < delivery.rotated + self.grace + CLOCK_DIFFERENCE
    }

    pub(in crate::auth) fn status<'a>(
        &self,
        family: &'a TokenFamily,
        token: &TokenHash,
        now: Timestamp,
    ) -> TokenStatus<'a> {
        if now >= self.end(family.created, family.delivery.rotated) {
            return TokenStatus::Expired;
        }
        if *token == family.current {
            return TokenStatus::Current;
        }
        match &family.previous {
            Some(previous) if *token == previous.hash && now < family.delivery.rotated + self.grace => {
                TokenStatus::Repeated(&previous.salt)
            }
            _ => TokenStatus::Reused,
        }
    }
}

/// A request to exchange a refresh token for new tokens.
#[derive(Debug)]
pub struct Refresh<'a> {
    /// The refresh token.
    pub token: &'a RefreshToken,
    /// The requested scopes; an empty list requests all scopes that were granted at sign-in.
    pub scopes: &'a [String],
    /// The requested audiences; an empty list requests all audiences of the sign-in.
    pub audiences: &'a [String],
    /// The authenticated client; `None` for the default client.
    pub client: Option<&'a Client>,
    /// The sender of the request.
    pub client_info: &'a ClientInfo,
}

impl<U: AuthUser> Auth<U> {
    /// Exchanges a refresh token for an access token and the next refresh token.
    ///
    /// Within [`RefreshSettings::grace`], a client that lost the response can repeat the request up to ten times. Each
    /// repetition returns the same next refresh token. Using the old token after the grace period ends the session and
    /// revokes its tokens ([RFC 9700 section 4.14.2](https://www.rfc-editor.org/rfc/rfc9700#section-4.14.2)). A
    /// repetition from another network or user agent may mean that two parties have the token. The session then also
    /// ends if an access token from a response before that repetition is used, even if it was used earlier, or if the
    /// limit of ten is exceeded.
    ///
    /// # Errors
    /// - [`AuthError::InvalidRefreshToken`] if the token is not valid or belongs to another client, if its user no
    ///   longer exists, or if the client may no longer request any audience of the sign-in.
    /// - [`AuthError::InactiveUser`] if the user is not active.
    /// - [`AuthError::InvalidClient`] if a registered client is required and `client` is `None`,
    ///   [`AuthError::UnauthorizedClient`] if the client may not use the refresh token grant.
    /// - [`AuthError::ScopeExceeded`] for scopes that were not granted at sign-in.
    /// - [`AuthError::ScopeNotGranted`] for scopes that the user or the client no longer has.
    /// - [`AuthError::InvalidTarget`] for requested audiences that were not granted at sign-in or that the client no
    ///   longer has.
    /// - [`AuthError::Backend`] if a store or the token service fails.
    pub async fn refresh(&self, refresh: Refresh<'_>) -> Result<SignedIn<U>, AuthError> {
        let client = self.client_for(refresh.client, GrantType::RefreshToken)?;
        let result = self.try_refresh(&refresh, &client).await;
        if let Err(AuthError::InvalidRefreshToken) = &result {
            self.emit(&Event {
                client_id: self.stored_id(&client),
                ..Event::new(EventKind::RefreshFailed, refresh.client_info, self.now())
            });
        }
        result
    }

    async fn try_refresh(&self, refresh: &Refresh<'_>, client: &Client) -> Result<SignedIn<U>, AuthError> {
        let Some(sessions) = self.0.sessions.as_ref().filter(|_| self.refresh_settings().is_some()) else {
            return Err(AuthError::InvalidRefreshToken);
        };
        let parts = TokenParts::of(refresh.token).ok_or(AuthError::InvalidRefreshToken)?;
        let (name, hash) = (parts.family_hash(), parts.hash());
        let (now, random) = (self.now(), random()?);
        for _ in 0..DELIVERY_ATTEMPTS {
            let family = self.find_family(&name).await?.ok_or(AuthError::InvalidRefreshToken)?;
            if *self.client_id_of(family.client_id.as_ref()) != client.id {
                return Err(AuthError::InvalidRefreshToken);
            }
            let is_same_sender = is_same_sender(&family.client_info, refresh.client_info);
            let (salt, repetition) = match sessions.refresh.status(&family, &hash, now) {
                TokenStatus::Current => (refresh_token::salt(&random), None),
                TokenStatus::Repeated(salt) => match family.delivery.repeated(is_same_sender) {
                    Repetition::Allowed(delivery) => (salt.to_owned(), Some(delivery)),
                    Repetition::TooMany => return Err(AuthError::InvalidRefreshToken),
                    Repetition::Reuse => {
                        return self.end_reused(sessions, &family, refresh.client_info, now).await;
                    }
                },
                TokenStatus::Reused => {
                    return self.end_reused(sessions, &family, refresh.client_info, now).await;
                }
                TokenStatus::Expired => return Err(AuthError::InvalidRefreshToken),
            };
            let user = self.0.users.find_by_subject(&family.owner.subject).await?;
            let user = user.ok_or(AuthError::InvalidRefreshToken)?;
            let granted = Granted {
                scopes: scopes_to_refresh(&family, &user, client, refresh.scopes)?,
                audiences: self.audiences_to_refresh(&family, client, refresh.audiences)?,
            };
            if let Some(delivery) = &repetition {
                let update = DeliveryUpdate {
                    session_id: &family.session_id,
                    from: &family.delivery,
                    to: delivery,
                    request: Some((refresh.client_info, now)),
                };
                if !sessions.store.update_delivery(&update).await? {
                    continue;
                }
            }
            let sequence = family.delivery.last + 1;
            let session = Some((family.session_id.clone(), sequence));
            let mut tokens = self.issue(&family.owner, Some(&user), granted, client, session, now).await?;
            let next = parts.successor(&salt);
            let end = sessions.refresh.end(family.created, now);
            let rotation = Rotation {
                family: &name,
                from: &hash,
                to: &next.hash,
                salt: &salt,
                sequence,
                client_info: refresh.client_info,
                now,
                expires_at: tokens.expires_in.map(|lifetime| end.max(now + lifetime)),
            };
            let event = match repetition {
                Some(_) => EventKind::RefreshRepeated,
                None if sessions.store.rotate(&rotation).await? => EventKind::Refreshed,
                None => continue,
            };
            self.emit(&family_event(event, &family, refresh.client_info, now));
            tokens.refresh_token = Some(next.token);
            return Ok(SignedIn { user, tokens });
        }
        Err(BackendError::unavailable("too many concurrent requests use the same refresh token").into())
    }

    /// Returns the token family whose name has this hash, if its owner is a user of the kind `U`.
    pub(in crate::auth) async fn find_family(
        &self,
        name: &TokenHash,
    ) -> Result<Option<TokenFamily>, BackendError> {
        let Some(sessions) = &self.0.sessions else { return Ok(None) };
        let family = sessions.store.find_token_family(name).await?;
        Ok(family.filter(|family| family.owner.user_kind == U::user_kind()))
    }

    /// Ends a session whose refresh token was reused: the token may have been stolen.
    async fn end_reused<T>(
        &self,
        sessions: &Sessions,
        family: &TokenFamily,
        client_info: &ClientInfo,
        now: Timestamp,
    ) -> Result<T, AuthError> {
        self.end(sessions, &family.owner, &family.session_id, now).await?;
        log::warn!(
            "refresh token of user {} was reused: ended session {}",
            family.owner.subject,
            family.session_id
        );
        self.emit(&family_event(EventKind::RefreshTokenReused, family, client_info, now));
        Err(AuthError::InvalidRefreshToken)
    }
}

fn family_event<'a>(
    kind: EventKind,
    family: &'a TokenFamily,
    client_info: &'a ClientInfo,
    now: Timestamp,
) -> Event<'a> {
    Event {
        subject: Some(&family.owner.subject),
        client_id: family.client_id.as_ref(),
        session_id: Some(&family.session_id),
        ..Event::new(kind, client_info, now)
    }
}

fn scopes_to_refresh(
    family: &TokenFamily,
    user: &impl AuthUser,
    client: &Client,
    requested: &[String],
) -> Result<GrantedScopes, AuthError> {
    if !user.is_active() {
        return Err(AuthError::InactiveUser);
    }
    if !family.granted_scopes.covers(requested.iter().map(String::as_str)) {
        return Err(AuthError::ScopeExceeded);
    }
    let client_scopes = client.scopes.with(Scope::offline_access()).with(Scope::openid());
    let allowed = still_granted(&family.granted_scopes, user).limited_to(&client_scopes);
    allowed.grant(requested).ok_or(AuthError::ScopeNotGranted)
}

#[cfg(test)]
mod tests;
