//! The grants: each issues tokens for a token request. To add a grant, add a file and a line in `grants!`.

pub(crate) mod client_credentials;
mod cookie;
pub(crate) mod external;
pub(crate) mod password;
pub(crate) mod refresh_token;

use std::{collections::HashMap, num::NonZeroU32, time::Duration};

use zeroize::Zeroizing;

use crate::{
    auth::{
        Auth, AuthError, RefreshTokens, Sessions, random,
        refresh_token::{self as token, TokenParts},
    },
    domain::{
        backend_error::BackendError,
        claims::Audience,
        client::{Client, ClientId, ClientInfo},
        event::{Event, EventKind},
        invalidation::Invalidation,
        ports::{NewToken, TokenIssuer},
        scope::{GrantedScopes, Scope, Scopes},
        secret::{AccessToken, DeviceCookie, RefreshToken},
        session::{CredentialsVersion, NewSession, SessionId, SessionOwner, SessionStore},
        time::Timestamp,
        user::AuthUser,
    },
};

/// Defines [`GrantType`] from the grant modules. Each module defines `PARAMETERS`, `is_enabled` and `grant`.
macro_rules! grants {
    ($($variant:ident: $module:ident = $name:literal,)*) => {
        /// The grant that a token request uses (`grant_type`).
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum GrantType {
            $($variant,)*
        }

        impl GrantType {
            pub(crate) const ALL: &[Self] = &[$(Self::$variant),*];

            pub(crate) fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }

            /// Returns the required parameters of the grant, in the order of their validation errors.
            pub(crate) fn parameters(self) -> &'static [Parameter] {
                match self {
                    $(Self::$variant => $module::PARAMETERS,)*
                }
            }

            pub(crate) fn is_enabled<U: AuthUser>(self, auth: &Auth<U>) -> bool {
                match self {
                    $(Self::$variant => $module::is_enabled(auth),)*
                }
            }
        }

        impl<U: AuthUser> Auth<U> {
            pub(crate) async fn grant(
                &self,
                grant: GrantType,
                request: GrantRequest,
            ) -> Result<Tokens, AuthError> {
                self.client_for(Some(&request.client), grant)?;
                match grant {
                    $(GrantType::$variant => $module::grant(self, request).await,)*
                }
            }
        }
    };
}

grants! {
    Password: password = "password",
    RefreshToken: refresh_token = "refresh_token",
    ClientCredentials: client_credentials = "client_credentials",
}

/// A required parameter of a grant.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Parameter {
    pub(crate) name: &'static str,
    pub(crate) description: &'static str,
    pub(crate) example: Option<&'static str>,
    pub(crate) is_password: bool,
}

/// A token request whose form was read and whose client was authenticated.
pub(crate) struct GrantRequest {
    /// The values of [`GrantType::parameters`]. Some are secret.
    pub(crate) parameters: HashMap<&'static str, Zeroizing<String>>,
    pub(crate) scopes: Vec<String>,
    pub(crate) audiences: Vec<String>,
    pub(crate) client: Client,
    pub(crate) client_info: ClientInfo,
}

impl GrantRequest {
    /// Removes and returns the value of a parameter.
    fn take(&mut self, parameter: &str) -> Zeroizing<String> {
        self.parameters.remove(parameter).unwrap_or_default()
    }
}

/// The tokens of a successful token request
/// ([RFC 6749 section 5.1](https://www.rfc-editor.org/rfc/rfc6749#section-5.1)).
#[derive(Clone, Debug)]
pub struct Tokens {
    /// The access token.
    pub access_token: AccessToken,
    /// The lifetime of the access token, if it expires.
    pub expires_in: Option<Duration>,
    /// The scopes of the access token.
    pub granted_scopes: GrantedScopes,
    /// The refresh token, if one was issued.
    pub refresh_token: Option<RefreshToken>,
    /// The device cookie to set after a sign-in, if login throttling is on. [`TokenResponse`](crate::TokenResponse)
    /// sets it.
    pub device_cookie: Option<DeviceCookie>,
}

/// The result of a sign-in or a refresh.
#[derive(Clone, Debug)]
pub struct SignedIn<U> {
    /// The user.
    pub user: U,
    /// The tokens.
    pub tokens: Tokens,
}

/// A token request whose user or client was authenticated.
struct AuthenticatedRequest<'a, U> {
    /// The user; `None` in the client credentials grant.
    user: Option<&'a U>,
    username: Option<&'a str>,
    /// The version of the user's credentials when they were verified.
    credentials_version: CredentialsVersion,
    scopes: &'a [String],
    audiences: &'a [String],
    client: &'a Client,
    client_info: &'a ClientInfo,
}

/// The scopes and audiences of a token.
struct Granted {
    scopes: GrantedScopes,
    audiences: Vec<Audience>,
}

impl<U: AuthUser> Auth<U> {
    /// Grants the scopes, issues the access token and opens the session. Returns `None` if the credentials were changed
    /// concurrently.
    async fn start_session(
        &self,
        request: &AuthenticatedRequest<'_, U>,
    ) -> Result<Option<Tokens>, AuthError> {
        let AuthenticatedRequest {
            user, credentials_version, scopes, audiences, client, client_info, ..
        } = *request;
        let (scopes, wants_refresh_token) = self.grant_scopes(user, client, scopes)?;
        let audiences = self.audiences(client, audiences)?;
        let granted = Granted { scopes, audiences: audiences.clone() };
        let client_id = self.stored_id(client);
        let (now, random) = (self.now(), random()?);
        let session_id = self.0.sessions.as_ref().map(|_| token::session_id(&random));
        let owner = self.owner_of(user, client)?;
        let session = session_id.clone().map(|id| (id, 0));
        let mut tokens = self.issue(&owner, user, granted, client, session, now).await?;
        if let (Some(sessions), Some(id)) = (&self.0.sessions, &session_id) {
            let Sessions { refresh, maximum, .. } = sessions;
            tokens.refresh_token = wants_refresh_token.then(|| token::first(&random));
            let hashes = tokens.refresh_token.as_ref().and_then(TokenParts::of);
            let hashes = hashes.map(|parts| (parts.family_hash(), parts.hash()));
            let refresh_end = if wants_refresh_token { refresh.end(now, now) } else { now };
            let session = NewSession {
                id,
                owner: &owner,
                credentials_version,
                client_id,
                granted_scopes: &tokens.granted_scopes,
                audiences: &audiences,
                client_info,
                now,
                expires_at: tokens.expires_in.map(|lifetime| refresh_end.max(now + lifetime)),
                refresh_token: hashes.as_ref().map(|(family, first)| (family, first)),
                // In the client credentials grant, each token has its own session, so the number of a client's sessions
                // is not limited.
                max_sessions: if user.is_some() { *maximum } else { NonZeroU32::MAX },
            };
            if !self.open(sessions, &session).await? {
                return Ok(None);
            }
        }
        self.emit_start(request, &owner, client_id, session_id.as_ref(), now);
        Ok(Some(tokens))
    }

    /// Opens a session. Returns `false` if the credentials were changed concurrently.
    async fn open(&self, sessions: &Sessions, session: &NewSession<'_>) -> Result<bool, BackendError> {
        let Some(evicted) = sessions.store.open(session).await? else { return Ok(false) };
        for id in &evicted {
            self.invalidate(Invalidation::Session(id.clone()));
            let event = Event::new(EventKind::SessionEvicted, session.client_info, session.now);
            self.emit(&Event { subject: Some(&session.owner.subject), session_id: Some(id), ..event });
        }
        Ok(true)
    }

    fn emit_start(
        &self,
        request: &AuthenticatedRequest<'_, U>,
        owner: &SessionOwner,
        client_id: Option<&ClientId>,
        session_id: Option<&SessionId>,
        now: Timestamp,
    ) {
        let user = request.user;
        let kind = if user.is_some() { EventKind::SignedIn } else { EventKind::ClientTokenIssued };
        self.emit(&Event {
            username: request.username,
            subject: user.map(|_| &owner.subject),
            client_id,
            session_id,
            ..Event::new(kind, request.client_info, now)
        });
    }

    /// Returns the granted scopes, and whether to issue a refresh token.
    fn grant_scopes(
        &self,
        user: Option<&U>,
        client: &Client,
        requested: &[String],
    ) -> Result<(GrantedScopes, bool), AuthError> {
        let may_refresh = user.is_some() && client.allows_grant(GrantType::RefreshToken.name());
        let settings = self.refresh_settings().filter(|_| may_refresh);
        let offers_openid = user.is_some() && self.has_profile();
        // Every user may have these scopes.
        let (common, others): (Vec<_>, Vec<_>) = requested.iter().cloned().partition(|scope| {
            scope == Scope::OFFLINE_ACCESS && settings.is_some() || scope == Scope::OPENID && offers_openid
        });
        let is_requested = |scope| common.iter().any(|common| common == scope);
        let (offline_access, openid) = (is_requested(Scope::OFFLINE_ACCESS), is_requested(Scope::OPENID));
        let allowed = user.map_or(GrantedScopes::All, AuthUser::allowed_scopes).limited_to(&client.scopes);
        let mut granted = match allowed {
            // An empty list requests all allowed scopes. A request for only the common scopes must not grant any
            // others.
            GrantedScopes::Only(_) if others.is_empty() && !common.is_empty() => Scopes::default().into(),
            allowed => match allowed.grant(&others) {
                Some(granted) => granted,
                // OpenID Connect clients also request `profile` and `email`. Scopes that cannot be granted are ignored.
                None if openid => Scopes::default().into(),
                None => return Err(AuthError::ScopeNotGranted),
            },
        };
        if openid {
            granted = granted.with(Scope::openid());
        }
        if offline_access {
            granted = granted.with(Scope::offline_access());
        }
        let is_always = settings.is_some_and(|settings| settings.issue == RefreshTokens::Always);
        Ok((granted, offline_access || is_always))
    }

    /// Returns the owner of a session: a user or a client.
    fn owner_of(&self, user: Option<&U>, client: &Client) -> Result<SessionOwner, BackendError> {
        match user {
            Some(user) => Ok(self.owner(user.subject())),
            None => Ok(SessionOwner { user_kind: Client::USER_KIND.into(), subject: client.id.subject()? }),
        }
    }

    /// Returns the version of the owner's credentials; zero without a session store.
    async fn credentials_version(&self, owner: &SessionOwner) -> Result<CredentialsVersion, BackendError> {
        match &self.0.sessions {
            Some(sessions) => sessions.store.credentials_version(owner).await,
            None => Ok(CredentialsVersion::default()),
        }
    }

    /// Issues an access token. `session` contains the session and the number of the response within the session.
    async fn issue(
        &self,
        owner: &SessionOwner,
        user: Option<&U>,
        granted: Granted,
        client: &Client,
        session: Option<(SessionId, u64)>,
        now: Timestamp,
    ) -> Result<Tokens, AuthError> {
        let issuer = self.0.issuer.as_ref().ok_or(AuthError::NotConfigured("a token issuer"))?;
        let extra_claims = user.zip(self.0.extra_claims.as_ref()).map(|(user, claims)| claims(user));
        let (session_id, sequence) = session.unzip();
        let new = NewToken {
            subject: owner.subject.clone(),
            user_kind: if user.is_some() { U::user_kind() } else { Client::USER_KIND },
            granted_scopes: granted.scopes,
            audiences: granted.audiences,
            client_id: Some(client.id.clone()),
            session_id,
            sequence,
            extra_claims: extra_claims.unwrap_or_default(),
            now,
        };
        let issued = issuer.issue(&new).await?;
        Ok(Tokens {
            access_token: issued.access_token,
            expires_in: issued.expires_in,
            granted_scopes: new.granted_scopes,
            refresh_token: None,
            device_cookie: None,
        })
    }
}
