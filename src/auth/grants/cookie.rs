//! The sign-in of a browser, which gets a session cookie instead of tokens.

use zeroize::Zeroizing;

use crate::{
    auth::{
        Auth, AuthError,
        cookies::cookie_hash,
        grants::{
            AuthenticatedRequest,
            password::{SignIn, Start, Started},
        },
        random, refresh_token,
    },
    domain::{session::NewSession, user::AuthUser},
};

/// The value of a new session cookie: 256 random bits. The store contains only its hash.
pub(crate) struct NewCookie(pub(crate) Zeroizing<String>);

impl<U: AuthUser> Auth<U> {
    /// Signs a user in as [`sign_in`](Self::sign_in) does, but returns a cookie instead of tokens. The caller must have
    /// checked the request rate. The session of the `replaced` cookie ends, because the browser discards this cookie.
    pub(crate) async fn sign_in_with_cookie(
        &self,
        sign_in: SignIn<'_>,
        replaced: Option<&str>,
    ) -> Result<Started<U, NewCookie>, AuthError> {
        self.sign_in_within_rate(sign_in, &SetCookie { replaced }).await
    }
}

struct SetCookie<'a> {
    replaced: Option<&'a str>,
}

impl<U: AuthUser> Start<U> for SetCookie<'_> {
    type Credentials = NewCookie;

    async fn start(
        &self,
        auth: &Auth<U>,
        request: &AuthenticatedRequest<'_, U>,
    ) -> Result<Option<NewCookie>, AuthError> {
        let (Some(transport), Some(sessions)) = (&auth.0.cookies, &auth.0.sessions) else {
            return Err(AuthError::NotConfigured("session cookies"));
        };
        let AuthenticatedRequest { user, credentials_version, scopes, client, client_info, .. } = *request;
        let (granted_scopes, _) = auth.grant_scopes(user, client, scopes)?;
        let (now, random) = (auth.now(), random()?);
        let (id, cookie) = (refresh_token::session_id(&random), refresh_token::cookie(&random));
        let (owner, hash) = (auth.owner_of(user, client)?, cookie_hash(&cookie));
        let session = NewSession {
            id: &id,
            owner: &owner,
            credentials_version,
            client_id: None,
            granted_scopes: &granted_scopes,
            audiences: &[],
            client_info,
            now,
            expires_at: Some(now + transport.lifetime.min(transport.idle)),
            refresh_token: Some((&hash, &hash)),
            max_sessions: sessions.maximum,
        };
        if let Some(replaced) = self.replaced {
            // The replaced session ends first, so that the new one does not evict another session.
            auth.end_cookie_session(replaced, client_info).await?;
        }
        if !auth.open(sessions, &session).await? {
            return Ok(None);
        }
        auth.emit_start(request, &owner, None, Some(&id), now);
        Ok(Some(NewCookie(cookie)))
    }
}
