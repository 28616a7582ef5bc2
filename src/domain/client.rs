//! Clients: programs that request tokens, on behalf of users or on their own behalf.

use std::net::IpAddr;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};

use crate::domain::{
    claims::Audience,
    name::{InvalidName, name},
    scope::GrantedScopes,
    secret::{ClientSecret, DeviceCookie},
    time::Timestamp,
    user::Subject,
};

name! {
    /// The identifier of a client
    /// ([RFC 6749 section 2.2](https://www.rfc-editor.org/rfc/rfc6749#section-2.2)).
    ClientId, "client id", 255 bytes
}

impl ClientId {
    /// Returns the subject of tokens that the client gets through the client credentials grant. The prefix `client:`
    /// distinguishes it from the subjects of users.
    ///
    /// # Errors
    /// [`InvalidName`] if the identifier is too long for a subject.
    pub fn subject(&self) -> Result<Subject, InvalidName> {
        Subject::new(format!("client:{self}"))
    }

    pub(crate) fn from_static(id: &'static str) -> Self {
        Self(id.into())
    }
}

/// A client that may request tokens.
///
/// ```
/// use gatepass::{Client, ClientSecret, ClientSecretHash, GrantedScopes};
///
/// let secret = ClientSecret::from("256 random bits");
/// let reports = Client {
///     grants: vec!["client_credentials".into()],
///     scopes: GrantedScopes::Only("reports:read".parse()?),
///     ..Client::confidential("reports".parse()?, [ClientSecretHash::of(&secret)])
/// };
/// assert!(!reports.is_public());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client {
    /// The identifier.
    pub id: ClientId,
    /// The kind: public or confidential.
    pub kind: ClientKind,
    /// The names of the grants that the client may use (`grant_type`).
    pub grants: Vec<String>,
    /// The scopes that the client's tokens may have.
    pub scopes: GrantedScopes,
    /// The audiences that the client may request tokens for, and whose access tokens it may
    /// [introspect](crate::Auth::introspect_as). `None` allows token requests for all audiences of the service, and
    /// introspection for no audience.
    pub audiences: Option<Vec<Audience>>,
    /// True if a confidential client may introspect the tokens of all clients.
    pub introspect_all: bool,
}

/// The kind of a client ([RFC 6749 section 2.1](https://www.rfc-editor.org/rfc/rfc6749#section-2.1)).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientKind {
    /// A client that cannot keep a secret, such as a page or an app on a user's device. It sends only its identifier.
    Public,
    /// A client that authenticates with one of these secrets. While a secret is being replaced, the old and the new one
    /// are both valid.
    Confidential(Vec<ClientSecretHash>),
}

impl Client {
    /// The [kind of user](crate::AuthUser::user_kind) in tokens from the client credentials grant.
    pub const USER_KIND: &str = "client";

    /// The grants of a new client.
    pub const DEFAULT_GRANTS: [&str; 2] = ["password", "refresh_token"];

    /// Creates a public client with the [default grants](Self::DEFAULT_GRANTS), all scopes and all audiences.
    pub fn public(id: ClientId) -> Self {
        Self {
            id,
            kind: ClientKind::Public,
            grants: Self::DEFAULT_GRANTS.map(str::to_owned).to_vec(),
            scopes: GrantedScopes::All,
            audiences: None,
            introspect_all: false,
        }
    }

    /// Creates a confidential client with the [default grants](Self::DEFAULT_GRANTS), all scopes and all audiences.
    pub fn confidential(id: ClientId, secrets: impl IntoIterator<Item = ClientSecretHash>) -> Self {
        Self { kind: ClientKind::Confidential(secrets.into_iter().collect()), ..Self::public(id) }
    }

    /// Returns whether the client is public.
    pub fn is_public(&self) -> bool {
        self.kind == ClientKind::Public
    }

    /// Returns whether the client may use a grant.
    pub fn allows_grant(&self, grant: &str) -> bool {
        self.grants.iter().any(|allowed| allowed == grant)
    }

    /// Returns whether the client may authenticate with this secret at `now`: a confidential client must send one of
    /// its unexpired secrets, and a public client must not send any.
    pub fn accepts(&self, secret: Option<&ClientSecret>, now: Timestamp) -> bool {
        match (&self.kind, secret) {
            (ClientKind::Public, secret) => secret.is_none(),
            (ClientKind::Confidential(_), None) => false,
            (ClientKind::Confidential(secrets), Some(secret)) => {
                let hash = ClientSecretHash::of(secret).hash;
                let valid = secrets.iter().filter(|stored| stored.expires_at.is_none_or(|end| now < end));
                let found = valid.fold(Choice::from(0), |found, stored| {
                    found | stored.hash.as_bytes().ct_eq(hash.as_bytes())
                });
                found.into()
            }
        }
    }
}

/// The SHA-256 of a client secret, in base64url. Unlike a password, a secret of 256 random bits needs no slow hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientSecretHash {
    hash: String,
    expires_at: Option<Timestamp>,
}

impl ClientSecretHash {
    /// Hashes a secret.
    pub fn of(secret: &ClientSecret) -> Self {
        Self::from_stored(URL_SAFE_NO_PAD.encode(Sha256::digest(secret.expose())))
    }

    /// Creates the hash from its stored string.
    pub fn from_stored(hash: String) -> Self {
        Self { hash, expires_at: None }
    }

    /// Sets the expiry time of the secret.
    #[must_use]
    pub fn until(self, end: Timestamp) -> Self {
        Self { expires_at: Some(end), ..self }
    }

    /// Returns the hash: 43 characters.
    pub fn as_str(&self) -> &str {
        &self.hash
    }
}

/// The sender of a request, for the audit trail, the session list and login throttling.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientInfo {
    /// The IP address; behind a trusted proxy, the address that the proxy forwards.
    pub address: Option<IpAddr>,
    /// The `User-Agent` header, at most [`ClientInfo::USER_AGENT_CHARACTERS`] characters long.
    pub user_agent: Option<String>,
    /// The device cookie of an earlier sign-in.
    pub device_cookie: Option<DeviceCookie>,
}

impl ClientInfo {
    /// The maximum length of a stored user agent, in characters.
    pub const USER_AGENT_CHARACTERS: usize = 256;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_valid_secrets_of_confidential_clients_are_accepted() {
        let [first, second, wrong] = ["first", "second", "wrong"].map(ClientSecret::from);
        let (id, end) = (ClientId::new("web").unwrap(), Timestamp::from_unix(1000));
        let secrets = [ClientSecretHash::of(&second), ClientSecretHash::of(&first).until(end)];
        let (web, public) = (Client::confidential(id.clone(), secrets), Client::public(id.clone()));
        for (client, secret, now, accepted) in [
            (&web, Some(&second), 1000, true),
            (&web, Some(&first), 999, true),
            (&web, Some(&first), 1000, false),
            (&web, Some(&wrong), 999, false),
            (&web, None, 999, false),
            (&public, None, 999, true),
            (&public, Some(&first), 999, false),
            (&Client::confidential(id, []), Some(&first), 999, false),
        ] {
            assert_eq!(client.accepts(secret, Timestamp::from_unix(now)), accepted, "{client:?} {now}");
        }
    }
}
