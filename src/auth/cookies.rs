//! Session cookies: browsers authenticate with a cookie that no script can read, instead of with tokens.
//!
//! A cookie is 256 random bits that identify a session, as the family name in a refresh token does. It is not a token
//! and is not signed. Even a service that omits checks cannot accept it as a token, and its lifetime does not depend on
//! the signing keys.

use std::time::Duration;

use crate::{
    auth::{
        Auth, AuthError, AuthenticatedUser, Authentication,
        authenticate::{Accepted, still_granted},
        refresh_token,
    },
    domain::{
        backend_error::BackendError,
        claims::Claims,
        client::ClientInfo,
        ports::UserStore,
        session::{Rotation, SessionStore, TokenFamily, TokenHash},
        time::Timestamp,
        user::AuthUser,
    },
};

/// Session cookies for browsers, with the endpoints `POST /login` and `POST /logout`: see
/// [`AuthBuilder::cookies`](crate::auth::AuthBuilder::cookies).
///
/// The cookie `__Host-gatepass_session` is `HttpOnly`, `Secure` and `SameSite=Lax`. By default, it expires after an
/// hour without a request, and at the latest 8 hours after sign-in. The hour is the inactivity timeout of NIST SP
/// 800-63B-4 for AAL2. The 8 hours are the longest absolute timeout that OWASP's Session Management Cheat Sheet
/// suggests for applications that are used all day.
///
/// The extractors, [`Auth::bearer`] and [`Auth::require`] accept the cookie in place of a bearer token. A request with
/// an `Authorization` header is authenticated by that header alone. A cookie that is no longer valid is ignored, so
/// that [`MaybeUser`](crate::MaybeUser) is anonymous.
///
/// If a request with the cookie may change something, it must come from a page of the same origin or of an
/// [allowed origin](Self::allow_origins). Otherwise, it gets 403. This applies to WebSocket handshakes and to all
/// methods other than GET, HEAD and OPTIONS. `Sec-Fetch-Site` or `Origin` must show the origin. A request with neither
/// header is refused, since all current browsers send one. Other requests are not checked, so handlers of GET requests
/// must not change anything.
///
/// ```
/// use std::time::Duration;
/// use gatepass::web::CookieTransport;
///
/// let cookies = CookieTransport::default().lifetime(Duration::from_secs(3600));
/// # let _ = cookies;
/// ```
#[derive(Clone, Debug)]
pub struct CookieTransport {
    pub(super) lifetime: Duration,
    pub(super) idle: Duration,
    name: String,
    is_secure: bool,
    origins: Vec<String>,
}

impl Default for CookieTransport {
    fn default() -> Self {
        Self {
            lifetime: Duration::from_secs(8 * 60 * 60),
            idle: Duration::from_secs(60 * 60),
            name: "gatepass_session".to_owned(),
            is_secure: true,
            origins: Vec::new(),
        }
    }
}

impl CookieTransport {
    /// Sets the lifetime of session cookies and their sessions, counted from sign-in. Fractions of a second are
    /// ignored.
    #[must_use]
    pub fn lifetime(self, lifetime: Duration) -> Self {
        Self { lifetime, ..self }
    }

    /// Sets the idle timeout of session cookies and their sessions. Fractions of a second are ignored. Requests are
    /// recorded at most once per tenth of the timeout, so a session may expire early, by up to a tenth of the timeout.
    #[must_use]
    pub fn idle_timeout(self, idle: Duration) -> Self {
        Self { idle, ..self }
    }

    /// Sets the name of the cookie without the prefix `__Host-`. Two applications with the same host name need
    /// different cookie names, even if their ports differ.
    #[must_use]
    pub fn name(self, name: impl Into<String>) -> Self {
        Self { name: name.into(), ..self }
    }

    /// Allows pages of these origins, such as `https://app.example.com`, to send requests with the cookie. Browsers
    /// send the cookie only from pages of the same site.
    #[must_use]
    pub fn allow_origins(mut self, origins: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.origins.extend(origins.into_iter().map(Into::into));
        self
    }

    /// Omits `Secure` and the prefix `__Host-`, for development over plain HTTP. **Insecure**: attackers on the network
    /// and other services on the host can read and replace the cookie.
    #[must_use]
    pub fn insecure_http(self) -> Self {
        Self { is_secure: false, ..self }
    }

    /// Returns the name of the cookie. Browsers accept the prefix only from the host itself, over TLS
    /// ([RFC 6265bis section 4.1.3.2](https://datatracker.ietf.org/doc/html/draft-ietf-httpbis-rfc6265bis#section-4.1.3.2)).
    pub(crate) fn cookie_name(&self) -> String {
        format!("{}{}", if self.is_secure { "__Host-" } else { "" }, self.name)
    }

    /// Returns the name that the cookie has over TLS, for the OpenAPI document.
    pub(crate) fn documented_name(&self) -> String {
        Self { is_secure: true, ..self.clone() }.cookie_name()
    }

    /// Returns the `Set-Cookie` header that sets the cookie to `value`, or deletes the cookie if `value` is `None`.
    pub(crate) fn set_cookie(&self, value: Option<&str>) -> String {
        let lifetime = value.map_or(0, |_| self.lifetime.as_secs());
        let (name, value) = (self.cookie_name(), value.unwrap_or_default());
        let secure = if self.is_secure { "; Secure" } else { "" };
        format!("{name}={value}; Path=/; Max-Age={lifetime}; HttpOnly; SameSite=Lax{secure}")
    }

    pub(crate) fn origins(&self) -> &[String] {
        &self.origins
    }

    /// Returns whether cookies are sent over TLS only.
    pub(crate) fn is_secure(&self) -> bool {
        self.is_secure
    }

    pub(super) fn has_valid_name(&self) -> bool {
        // A token (RFC 9110 section 5.6.2), without the characters that some servers do not accept.
        let is_name_byte = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
        (1..=64).contains(&self.name.len()) && self.name.bytes().all(is_name_byte)
    }
}

/// Returns whether a string has the length of a cookie. Other strings need no lookup.
fn is_cookie(text: &str) -> bool {
    text.len() == refresh_token::PART_LENGTH
}

/// Returns the hash that the store keeps for a cookie. It differs from the hash of a refresh token with the same value.
pub(super) fn cookie_hash(cookie: &str) -> TokenHash {
    refresh_token::hash(&format!("session cookie {cookie}"))
}

impl<U: AuthUser> Auth<U> {
    pub(crate) fn cookies(&self) -> Option<&CookieTransport> {
        self.0.cookies.as_ref()
    }

    /// Authenticates a request with a session cookie: finds the session and its user.
    pub(crate) async fn authenticate_cookie(
        &self,
        cookie: &str,
        client_info: &ClientInfo,
    ) -> Result<Authentication<U>, AuthError> {
        if !is_cookie(cookie) {
            return Ok(Authentication::Invalid);
        }
        let now = self.now();
        let look_up = async {
            let found = self.limit_failures(client_info, self.find_cookie_session(cookie, now)).await?;
            let Some(found) = found else { return Ok(None) };
            let Some(user) = self.0.users.find_by_subject(&found.family.owner.subject).await? else {
                return Ok(None);
            };
            let cached_until = self.record_use(&found, client_info, now).await?;
            let CookieSession { family, expires_at, .. } = found;
            let granted_scopes = still_granted(&family.granted_scopes, &user);
            let claims = Claims {
                user_kind: Some(family.owner.user_kind.into()),
                client_id: family.client_id,
                issued_at: Some(family.created),
                expires_at: Some(expires_at),
                session_id: Some(family.session_id),
                ..Claims::new(family.owner.subject, family.granted_scopes)
            };
            let user = AuthenticatedUser { user, claims: claims.clone(), granted_scopes };
            // The cached result expires when the next use must be recorded.
            let claims = Claims { expires_at: Some(cached_until.min(expires_at)), ..claims };
            Ok(Some((claims, Authentication::Valid(user.into()))))
        };
        self.cached(cookie, Accepted::Cookie, now, look_up).await
    }

    /// Ends the session of a cookie, if it is active.
    pub(crate) async fn end_cookie_session(
        &self,
        cookie: &str,
        client_info: &ClientInfo,
    ) -> Result<(), AuthError> {
        if let Some(CookieSession { family, .. }) = self.find_cookie_session(cookie, self.now()).await? {
            self.end_session(&family.owner.subject, &family.session_id, client_info).await?;
        }
        Ok(())
    }

    async fn find_cookie_session(
        &self,
        cookie: &str,
        now: Timestamp,
    ) -> Result<Option<CookieSession<'_>>, BackendError> {
        let Some(transport) = self.0.cookies.as_ref().filter(|_| is_cookie(cookie)) else { return Ok(None) };
        let hash = cookie_hash(cookie);
        let family = self.find_family(&hash).await?;
        let session = family.map(|family| {
            let expires_at = family.created + transport.lifetime;
            CookieSession { family, hash, expires_at, transport }
        });
        Ok(session.filter(|session| now < session.expires_at.min(session.last_use() + transport.idle)))
    }

    /// Records the use of a session, at most ten times within the idle timeout. Returns the time at which the next use
    /// must be recorded.
    async fn record_use(
        &self,
        session: &CookieSession<'_>,
        client_info: &ClientInfo,
        now: Timestamp,
    ) -> Result<Timestamp, BackendError> {
        let CookieSession { family, hash, expires_at, transport } = session;
        let interval = transport.idle / 10;
        let (due, Some(sessions)) = (session.last_use() + interval, &self.0.sessions) else { return Ok(now) };
        if now < due {
            return Ok(due);
        }
        // `rotate` replaces the cookie with itself, to store the time of the use. If it returns `false`, a concurrent
        // request has stored the time or ended the session.
        let rotation = Rotation {
            family: hash,
            from: hash,
            to: hash,
            salt: "",
            sequence: family.delivery.last + 1,
            client_info,
            now,
            expires_at: Some((now + transport.idle).min(*expires_at)),
        };
        sessions.store.rotate(&rotation).await?;
        Ok(now + interval)
    }
}

/// The active session of a cookie.
struct CookieSession<'a> {
    family: TokenFamily,
    hash: TokenHash,
    /// The end of the session's lifetime, even if it is in use.
    expires_at: Timestamp,
    transport: &'a CookieTransport,
}

impl CookieSession<'_> {
    /// Returns the time of the last recorded use.
    fn last_use(&self) -> Timestamp {
        self.family.delivery.rotated
    }
}
