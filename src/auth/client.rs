//! Client authentication.

use crate::{
    auth::{Auth, AuthError, throttle::Target},
    domain::{
        client::{ClientId, ClientInfo},
        event::{Event, EventKind},
        ports::{ClientRegistry, DynClientRegistry},
        secret::ClientSecret,
        user::AuthUser,
    },
};

impl<U: AuthUser> Auth<U> {
    /// Authenticates the client of a request
    /// ([RFC 6749 section 3.2.1](https://www.rfc-editor.org/rfc/rfc6749#section-3.2.1)). Returns `None` if the request
    /// has no client credentials and needs none. Without a [`ClientRegistry`], client credentials are ignored.
    ///
    /// # Errors
    /// [`AuthError::InvalidClient`] for an unknown client, a wrong secret, an identifier or a secret alone, and for
    /// missing credentials if a client is required; [`AuthError::TooManyAttempts`]; [`AuthError::Backend`].
    pub async fn authenticate_client(
        &self,
        client_id: Option<&str>,
        secret: Option<&ClientSecret>,
        client_info: &ClientInfo,
    ) -> Result<Option<ClientId>, AuthError> {
        let Some(registry) = &self.0.clients else { return Ok(None) };
        let result = match (client_id, secret) {
            (None, None) if !self.0.rules.require_client => return Ok(None),
            (Some(client_id), Some(secret)) => {
                let verify = verify(registry, client_id, secret);
                self.throttled(Target::Client(client_id), client_info, verify).await
            }
            _ => Err(AuthError::InvalidClient),
        };
        let kind = match result {
            Ok(client_id) => {
                self.exempt_from_rate(client_info);
                return Ok(Some(client_id));
            }
            Err(AuthError::InvalidClient) => EventKind::ClientFailed,
            Err(AuthError::TooManyAttempts { .. }) => EventKind::ClientBlocked,
            Err(error) => return Err(error),
        };
        let client_id = client_id.and_then(|client_id| ClientId::new(client_id).ok());
        let event = Event::new(kind, client_info, self.now());
        self.emit(&Event { client_id: client_id.as_ref(), ..event });
        result.map(Some)
    }

    /// Rejects a token request without an authenticated client if one is required.
    pub(super) fn check_client_required(&self, client_id: Option<&ClientId>) -> Result<(), AuthError> {
        if self.0.rules.require_client && client_id.is_none() {
            return Err(AuthError::InvalidClient);
        }
        Ok(())
    }
}

async fn verify(
    registry: &DynClientRegistry<'static>,
    client_id: &str,
    secret: &ClientSecret,
) -> Result<ClientId, AuthError> {
    let client_id = ClientId::new(client_id).map_err(|_| AuthError::InvalidClient)?;
    match registry.authenticate(&client_id, secret).await? {
        true => Ok(client_id),
        false => Err(AuthError::InvalidClient),
    }
}
