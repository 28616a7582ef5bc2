//! The client credentials grant ([RFC 6749 section 4.4](https://www.rfc-editor.org/rfc/rfc6749#section-4.4)): a
//! confidential client requests a token on its own behalf, without a user.

use crate::{
    auth::{
        Auth, AuthError,
        grants::{AuthenticatedRequest, GrantRequest, Parameter, Tokens},
    },
    domain::{
        backend_error::BackendError,
        scope::{GrantedScopes, Scopes},
        user::AuthUser,
    },
};

pub(super) const PARAMETERS: &[Parameter] = &[];

pub(super) fn is_enabled<U: AuthUser>(auth: &Auth<U>) -> bool {
    auth.0.issuer.is_some() && auth.0.clients.is_some()
}

pub(super) async fn grant<U: AuthUser>(auth: &Auth<U>, request: GrantRequest) -> Result<Tokens, AuthError> {
    let GrantRequest { scopes, audiences, mut client, client_info, .. } = request;
    if client.is_public() {
        return Err(AuthError::UnauthorizedClient);
    }
    // A client with all scopes gets only the requested ones, unlike a user with all scopes.
    if client.scopes == GrantedScopes::All && !scopes.is_empty() {
        let requested: Result<Scopes, _> = scopes.iter().map(|scope| scope.parse()).collect();
        client.scopes = requested.map_err(|_| AuthError::ScopeNotGranted)?.into();
    }
    let request = AuthenticatedRequest {
        user: None,
        username: None,
        credentials_version: auth.credentials_version(&auth.owner_of(None, &client)?).await?,
        scopes: &scopes,
        audiences: &audiences,
        client: &client,
        client_info: &client_info,
    };
    let tokens = auth.start_session(&request).await?;
    tokens.ok_or_else(|| BackendError::unavailable("the client's sessions were ended concurrently").into())
}
