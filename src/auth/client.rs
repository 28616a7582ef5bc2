//! Client authentication, and the grants that a client may use.

use std::borrow::Cow;

use crate::{
    auth::{Auth, AuthError, grants::GrantType, throttle::Target},
    domain::{
        client::{Client, ClientId, ClientInfo, ClientSecretHash},
        event::{Event, EventKind},
        ports::{ClientRegistry, DynClientRegistry},
        secret::ClientSecret,
        user::AuthUser,
    },
};

impl<U: AuthUser> Auth<U> {
    /// Authenticates the client of a request
    /// ([RFC 6749 section 3.2.1](https://www.rfc-editor.org/rfc/rfc6749#section-3.2.1)). A public client sends only its
    /// identifier. A request without client credentials is attributed to the
    /// [default client](crate::auth::AuthBuilder::default_client_id). Without a [`ClientRegistry`], client credentials
    /// are ignored, and all requests are attributed to the default client.
    ///
    /// # Errors
    /// - [`AuthError::InvalidClient`] for an unknown client, for a wrong or missing secret, for a secret from a public
    ///   client, and for missing credentials if a registered client is required.
    /// - [`AuthError::TooManyAttempts`] after too many attempts with a wrong secret.
    /// - [`AuthError::Backend`] if a store fails.
    pub async fn authenticate_client(
        &self,
        client_id: Option<&str>,
        secret: Option<&ClientSecret>,
        client_info: &ClientInfo,
    ) -> Result<Client, AuthError> {
        let Some(registry) = &self.0.clients else { return Ok(self.default_client()) };
        let default_id = &self.0.default_client_id;
        if !self.0.rules.require_client
            && secret.is_none()
            && client_id.is_none_or(|client_id| client_id == default_id.as_str())
        {
            return Ok(self.default_client());
        }
        let result = match client_id {
            None => Err(AuthError::InvalidClient),
            Some(client_id) => {
                let verify = self.verify_client(registry, client_id, secret);
                // A request without a secret cannot be a guess.
                match secret {
                    Some(_) => self.throttled(Target::Client(client_id), client_info, verify).await,
                    None => verify.await,
                }
            }
        };
        let kind = match result {
            Ok(client) => {
                // Anyone can send the identifier of a public client.
                if !client.is_public() {
                    self.exempt_from_rate(client_info);
                }
                return Ok(client);
            }
            Err(AuthError::InvalidClient) => EventKind::ClientFailed,
            Err(AuthError::TooManyAttempts { .. }) => EventKind::ClientBlocked,
            Err(error) => return Err(error),
        };
        let client_id = client_id.and_then(|client_id| ClientId::new(client_id).ok());
        let event = Event::new(kind, client_info, self.now());
        self.emit(&Event { client_id: client_id.as_ref(), ..event });
        result
    }

    async fn verify_client(
        &self,
        registry: &DynClientRegistry<'static>,
        client_id: &str,
        secret: Option<&ClientSecret>,
    ) -> Result<Client, AuthError> {
        let id = ClientId::new(client_id).map_err(|_| AuthError::InvalidClient)?;
        let client = match registry.find(&id).await? {
            Some(client) => client,
            // No secret has this hash. The comparison makes response times equal for known and unknown clients.
            None => Client::confidential(id, [ClientSecretHash::from_stored("-".repeat(43))]),
        };
        if client.accepts(secret, self.now()) { Ok(client) } else { Err(AuthError::InvalidClient) }
    }

    /// Returns the default client, which has no limits and needs no registration.
    fn default_client(&self) -> Client {
        Client::public(self.0.default_client_id.clone())
    }

    /// Returns the client of a request, or the default client if the request has none. Fails if the client may not use
    /// the grant, or if a registered client is required and missing.
    pub(super) fn client_for<'a>(
        &self,
        client: Option<&'a Client>,
        grant: GrantType,
    ) -> Result<Cow<'a, Client>, AuthError> {
        let client = match client {
            Some(client) => Cow::Borrowed(client),
            None if self.0.rules.require_client => return Err(AuthError::InvalidClient),
            None => Cow::Owned(self.default_client()),
        };
        if client.allows_grant(grant.name()) { Ok(client) } else { Err(AuthError::UnauthorizedClient) }
    }

    /// Returns the identifier that sessions and events contain: `None` for the default client.
    pub(super) fn stored_id<'a>(&self, client: &'a Client) -> Option<&'a ClientId> {
        self.registered_id(&client.id)
    }

    /// Returns the identifier, or `None` for the identifier of the default client. If a registered client is required,
    /// there is no default client, so a registered client may have that identifier.
    pub(super) fn registered_id<'a>(&self, id: &'a ClientId) -> Option<&'a ClientId> {
        Some(id).filter(|id| self.0.rules.require_client || **id != self.0.default_client_id)
    }

    /// Returns the client identifier of a session or token. If none is stored, returns that of the default client,
    /// whose sessions contain no identifier. Tokens issued by older versions of Gatepass contain none either.
    pub(crate) fn client_id_of<'a>(&'a self, stored: Option<&'a ClientId>) -> &'a ClientId {
        stored.unwrap_or(&self.0.default_client_id)
    }
}
