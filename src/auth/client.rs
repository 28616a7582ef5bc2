//! Client authentication.

use crate::{
    auth::{Auth, AuthError},
    domain::{client::ClientId, ports::ClientRegistry, secret::ClientSecret, user::AuthUser},
};

impl<U: AuthUser> Auth<U> {
    /// Authenticates the client of a request
    /// ([RFC 6749 section 3.2.1](https://www.rfc-editor.org/rfc/rfc6749#section-3.2.1)). Returns `None` if the request
    /// has no client credentials and needs none. Without a [`ClientRegistry`], client credentials are ignored.
    ///
    /// # Errors
    /// [`AuthError::InvalidClient`] for an unknown client, a wrong secret, an identifier or a secret alone, and for
    /// missing credentials if a client is required; [`AuthError::Backend`].
    pub async fn authenticate_client(
        &self,
        client_id: Option<&str>,
        secret: Option<&ClientSecret>,
    ) -> Result<Option<ClientId>, AuthError> {
        let Some(registry) = &self.0.clients else { return Ok(None) };
        match (client_id, secret) {
            (None, None) if !self.0.rules.require_client => Ok(None),
            (Some(client_id), Some(secret)) => {
                let client_id = ClientId::new(client_id).map_err(|_| AuthError::InvalidClient)?;
                match registry.authenticate(&client_id, secret).await? {
                    true => Ok(Some(client_id)),
                    false => Err(AuthError::InvalidClient),
                }
            }
            _ => Err(AuthError::InvalidClient),
        }
    }

    /// Rejects a token request without an authenticated client if one is required.
    pub(super) fn check_client_required(&self, client_id: Option<&ClientId>) -> Result<(), AuthError> {
        if self.0.rules.require_client && client_id.is_none() {
            return Err(AuthError::InvalidClient);
        }
        Ok(())
    }
}
