//! The grants: each exchanges a token request for tokens. To add one, add a file and a line in `grants!`.

pub(crate) mod password;
pub(crate) mod refresh_token;

use std::{collections::HashMap, time::Duration};

use zeroize::Zeroizing;

use crate::{
    auth::{
        Auth, AuthError, RefreshTokens, Sessions,
        refresh_token::{self as token, TokenParts},
    },
    domain::{
        client::{ClientId, ClientInfo},
        event::{Event, EventKind},
        invalidation::Invalidation,
        ports::{NewToken, TokenIssuer},
        scope::{GrantedScopes, Scope, Scopes},
        secret::{AccessToken, DeviceCookie, RefreshToken},
        session::{CredentialsVersion, NewSession, SessionId, SessionStore},
        time::Timestamp,
        user::AuthUser,
    },
};

/// Defines [`GrantType`] from the modules of the grants. Each has `PARAMETERS`, `is_enabled` and `grant`.
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

            /// Returns the parameters other than `scope` and the client's credentials, in the order of validation
            /// errors.
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
    pub(crate) client_id: Option<ClientId>,
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
    /// The device cookie after a sign-in with login throttling. [`TokenResponse`](crate::TokenResponse) sets it.
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

/// An authenticated user who requests tokens.
struct AuthenticatedRequest<'a, U> {
    user: &'a U,
    username: &'a str,
    /// The version of the credentials that were verified.
    credentials_version: CredentialsVersion,
    scopes: &'a [String],
    client_id: Option<&'a ClientId>,
    client_info: &'a ClientInfo,
}

impl<U: AuthUser> Auth<U> {
    /// Grants the scopes, issues the access token and opens the session. Returns `None` if the credentials were changed
    /// concurrently.
    async fn start_session(
        &self,
        request: &AuthenticatedRequest<'_, U>,
    ) -> Result<Option<Tokens>, AuthError> {
        let AuthenticatedRequest { user, username, credentials_version, scopes, client_id, client_info } =
            *request;
        let (granted, wants_refresh_token) = self.grant_scopes(user, scopes)?;
        let (now, random) = (self.now(), self.random()?);
        let session_id = self.0.sessions.as_ref().map(|_| token::session_id(&random));
        let mut tokens =
            self.issue(user, granted, client_id.cloned(), session_id.clone().map(|id| (id, 0)), now).await?;
        let owner = self.owner(user.subject());
        if let (Some(Sessions { store, refresh, maximum }), Some(id)) = (&self.0.sessions, &session_id) {
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
                client_info,
                now,
                expires_at: tokens.expires_in.map(|lifetime| refresh_end.max(now + lifetime)),
                refresh_token: hashes.as_ref().map(|(family, first)| (family, first)),
                max_sessions: *maximum,
            };
            let Some(evicted) = store.open(&session).await? else { return Ok(None) };
            for id in &evicted {
                self.invalidate(Invalidation::Session(id.clone()));
                let event = Event::new(EventKind::SessionEvicted, client_info, now);
                self.emit(&Event { subject: Some(&owner.subject), session_id: Some(id), ..event });
            }
        }
        self.emit(&Event {
            username: Some(username),
            subject: Some(&owner.subject),
            client_id,
            session_id: session_id.as_ref(),
            ..Event::new(EventKind::SignedIn, client_info, now)
        });
        Ok(Some(tokens))
    }

    /// Returns the granted scopes, and whether to issue a refresh token.
    fn grant_scopes(&self, user: &U, requested: &[String]) -> Result<(GrantedScopes, bool), AuthError> {
        let settings = self.refresh_settings();
        let is_offline_access = |scope: &String| settings.is_some() && scope == Scope::OFFLINE_ACCESS;
        let (offline_access, others): (Vec<_>, Vec<_>) =
            requested.iter().cloned().partition(is_offline_access);
        let allowed = user.allowed_scopes();
        if offline_access.is_empty() {
            let granted = allowed.grant(&others).ok_or(AuthError::ScopeNotGranted)?;
            return Ok((granted, settings.is_some_and(|settings| settings.issue == RefreshTokens::Always)));
        }
        // A request for `offline_access` alone is not one for all scopes.
        let granted = match allowed {
            GrantedScopes::Only(_) if others.is_empty() => Scopes::default().into(),
            allowed => allowed.grant(&others).ok_or(AuthError::ScopeNotGranted)?,
        };
        Ok((granted.with(Scope::offline_access()), true))
    }

    /// Issues an access token for a user, with the number of the response within its session.
    async fn issue(
        &self,
        user: &U,
        granted_scopes: GrantedScopes,
        client_id: Option<ClientId>,
        session: Option<(SessionId, u64)>,
        now: Timestamp,
    ) -> Result<Tokens, AuthError> {
        let issuer = self.0.issuer.as_ref().ok_or(AuthError::NotConfigured("a token issuer"))?;
        let (session_id, sequence) = session.unzip();
        let new = NewToken {
            subject: user.subject(),
            user_kind: U::user_kind(),
            granted_scopes,
            client_id,
            session_id,
            sequence,
            extra_claims: issuer.extra_claims.as_ref().map(|claims| claims(user)).unwrap_or_default(),
            now,
        };
        let issued = issuer.tokens.issue(&new).await?;
        Ok(Tokens {
            access_token: issued.access_token,
            expires_in: issued.expires_in,
            granted_scopes: new.granted_scopes,
            refresh_token: None,
            device_cookie: None,
        })
    }
}
