//! Claims: the content of an access token.

use std::sync::Arc;

use crate::domain::{
    client::{Client, ClientId},
    name::name,
    scope::GrantedScopes,
    session::SessionId,
    time::Timestamp,
    user::Subject,
};

name! {
    /// The identifier of a service that accepts tokens, such as its URL
    /// (`aud`, [RFC 7519 section 4.1.3](https://www.rfc-editor.org/rfc/rfc7519#section-4.1.3)).
    Audience, "audience", 255 bytes
}

/// The claims of a valid access token
/// ([RFC 9068 section 2.2](https://www.rfc-editor.org/rfc/rfc9068#section-2.2)). For a
/// [session cookie](crate::web::CookieTransport), they are derived from its session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claims {
    /// The user's subject, or [`ClientId::subject`] for a token without a user (`sub`).
    pub subject: Subject,
    /// The kind of user, if the token contains it: [`AuthUser::user_kind`](crate::AuthUser::user_kind) or
    /// [`Client::USER_KIND`].
    pub user_kind: Option<Arc<str>>,
    /// The scopes that the token was issued with (`scope`).
    pub granted_scopes: GrantedScopes,
    /// The client that requested the token (`client_id`), if the token contains its identifier.
    pub client_id: Option<ClientId>,
    /// The time of issue (`iat`).
    pub issued_at: Option<Timestamp>,
    /// The expiry time (`exp`).
    pub expires_at: Option<Timestamp>,
    /// The identifier of the token (`jti`).
    pub token_id: Option<Arc<str>>,
    /// The session that the token belongs to (`sid`).
    pub session_id: Option<SessionId>,
    /// The sequence number of the response that contained the token (`sid_seq`). In each session, it is 0 for the
    /// sign-in and increases by one with each refresh.
    pub sequence: Option<u64>,
    /// The issuer (`iss`).
    pub issuer: Option<Arc<str>>,
    /// The audiences of the token (`aud`).
    pub audiences: Vec<Audience>,
}

impl Claims {
    /// Returns whether the token was issued through the client credentials grant, without a user.
    pub fn is_of_client(&self) -> bool {
        self.user_kind.as_deref() == Some(Client::USER_KIND)
    }

    /// Creates claims that have only a subject and scopes.
    pub fn new(subject: Subject, granted_scopes: GrantedScopes) -> Self {
        Self {
            subject,
            user_kind: None,
            granted_scopes,
            client_id: None,
            issued_at: None,
            expires_at: None,
            token_id: None,
            session_id: None,
            sequence: None,
            issuer: None,
            audiences: Vec::new(),
        }
    }
}
