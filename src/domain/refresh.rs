//! Refresh tokens: what a store keeps of them.

use crate::domain::{
    client::ClientId, name::name, scope::GrantedScopes, session::SessionId, time::Timestamp, user::Subject,
};

name! {
    /// What a store keeps in place of a refresh token: its SHA-256 in base64url.
    TokenHash
}

/// The refresh tokens of one session, each made of the one before
/// ([RFC 9700 section 4.14.2](https://www.rfc-editor.org/rfc/rfc9700#section-4.14.2)). The newest one is good, the
/// one before it for a moment; whoever shows an older one has no right to it, or somebody else has not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenFamily {
    /// The session.
    pub session_id: SessionId,
    /// Whose it is.
    pub subject: Subject,
    /// The client it began through, where one proved itself.
    pub client_id: Option<ClientId>,
    /// What its access tokens may be used for at the most.
    pub granted_scopes: GrantedScopes,
    /// When it began.
    pub created: Timestamp,
    /// The hash of the newest token.
    pub newest: TokenHash,
    /// When the newest one was made.
    pub rotated: Timestamp,
    /// How it was made, where it is not the first.
    pub previous: Option<Previous>,
}

/// The token before the newest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Previous {
    /// Its hash.
    pub hash: TokenHash,
    /// What the newest one was made of, beside this one: who has it can make the newest one again.
    pub salt: String,
}
