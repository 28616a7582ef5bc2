//! What an access token says.

use std::sync::Arc;

use crate::domain::{
    client::ClientId, scope::GrantedScopes, session::SessionId, time::Timestamp, user::Subject,
};

/// What a genuine access token says about its bearer
/// ([RFC 9068 section 2.2](https://www.rfc-editor.org/rfc/rfc9068#section-2.2)).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claims {
    /// Whom the token was issued to.
    pub subject: Subject,
    /// What the token may be used for.
    pub granted_scopes: GrantedScopes,
    /// The client it was issued through, where one proved itself.
    pub client_id: Option<ClientId>,
    /// When it was issued, where it says so.
    pub issued_at: Option<Timestamp>,
    /// When it ends, where it ends by itself.
    pub expires_at: Option<Timestamp>,
    /// The token's own name, where it has one (`jti`).
    pub token_id: Option<Arc<str>>,
    /// The session it belongs to, where there are sessions (`sid`).
    pub session_id: Option<SessionId>,
    /// Who issued it, where it says so (`iss`).
    pub issuer: Option<Arc<str>>,
    /// Whom it is for, where it says so (`aud`).
    pub audience: Option<Arc<str>>,
}

impl Claims {
    /// What a token says that says this and nothing else.
    pub fn new(subject: Subject, granted_scopes: GrantedScopes) -> Self {
        Self {
            subject,
            granted_scopes,
            client_id: None,
            issued_at: None,
            expires_at: None,
            token_id: None,
            session_id: None,
            issuer: None,
            audience: None,
        }
    }
}
