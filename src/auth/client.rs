//! Whether a client is who it says.

use crate::{
    auth::{Auth, GrantError},
    domain::{client::ClientId, ports::UserStore, secret::ClientSecret},
};

impl<S: UserStore, H, T> Auth<S, H, T> {
    /// The client that a request names, once it proved itself; `None` where it names none and need not
    /// ([RFC 6749 section 3.2.1](https://www.rfc-editor.org/rfc/rfc6749#section-3.2.1)). An application without
    /// a [`ClientRegistry`](crate::ClientRegistry) takes every client for none, and refuses all where one is required.
    ///
    /// # Errors
    /// [`GrantError::InvalidClient`] for an unknown client, a wrong secret, half of the two, and for none where
    /// one is required.
    pub async fn authenticate_client(
        &self,
        client_id: Option<&str>,
        secret: Option<&ClientSecret>,
    ) -> Result<Option<ClientId>, GrantError> {
        let is_required = self.ports.options.policy.require_client;
        let Some(registry) = &self.ports.options.clients else {
            return if is_required { Err(GrantError::InvalidClient) } else { Ok(None) };
        };
        match (client_id, secret) {
            (None, None) if !is_required => Ok(None),
            (Some(client_id), Some(secret)) => {
                let client_id = ClientId::from(client_id);
                let genuine = registry.authenticate(&client_id, secret).await?;
                if genuine { Ok(Some(client_id)) } else { Err(GrantError::InvalidClient) }
            }
            _ => Err(GrantError::InvalidClient),
        }
    }
}
