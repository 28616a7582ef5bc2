//! The extractor for the current client.

use std::{marker::PhantomData, sync::Arc};

use actix_web::{FromRequest, HttpRequest, dev::Payload};
use futures_util::future::LocalBoxFuture;

use crate::{
    auth::{AuthenticatedClient, Authentication},
    domain::{claims::Claims, client::ClientId, scope::GrantedScopes, user::AuthUser},
    http::{
        error::{ApiError, ErrorResponse},
        extract::users::{NoScope, RequiredScopes, extract},
    },
};

/// The client that a request's token was issued to with the client credentials grant
/// ([RFC 6749 section 4.4](https://www.rfc-editor.org/rfc/rfc6749#section-4.4)). The response is 401 if the token is
/// missing or belongs to a user, and 403 if the token lacks the scopes `R` ([`RequiredScopes`]).
///
/// `U` is the user type of the [`Auth`](crate::Auth). A handler for both users and clients takes the argument
/// `actix_web::Either<ActiveUser<U, R>, CurrentClient<U, R>>`.
///
/// ```
/// # use gatepass::{AuthUser, CurrentClient, GrantedScopes, RequiredScopes, Subject};
/// # #[derive(Clone)] struct Member { id: i64 }
/// # impl AuthUser for Member {
/// #     fn subject(&self) -> Subject { self.id.into() }
/// #     fn is_active(&self) -> bool { true }
/// #     fn allowed_scopes(&self) -> GrantedScopes { GrantedScopes::All }
/// # }
/// # struct ReadReports;
/// # impl RequiredScopes for ReadReports { const SCOPES: &'static [&'static str] = &["reports:read"]; }
/// async fn reports(client: CurrentClient<Member, ReadReports>) -> String {
///     format!("the reports for {}", client.client_id())
/// }
/// ```
#[derive(Clone, Debug)]
pub struct CurrentClient<U, R = NoScope>(Arc<AuthenticatedClient>, PhantomData<fn() -> (U, R)>);

impl<U, R> CurrentClient<U, R> {
    /// Returns the ID of the client.
    pub fn client_id(&self) -> &ClientId {
        &self.0.client_id
    }

    /// Returns the claims of the token.
    pub fn claims(&self) -> &Claims {
        &self.0.claims
    }

    /// Returns the scopes of the token, without those that the client is no longer allowed to have.
    pub fn granted_scopes(&self) -> &GrantedScopes {
        &self.0.granted_scopes
    }
}

impl<U: AuthUser, R: RequiredScopes> FromRequest for CurrentClient<U, R> {
    type Error = ErrorResponse;
    type Future = LocalBoxFuture<'static, Result<Self, ErrorResponse>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        extract(request, |authentication: Option<Authentication<U>>| match authentication {
            None => Err(ApiError::NotAuthenticated),
            Some(Authentication::Client(client))
                if client.granted_scopes.covers(R::SCOPES.iter().copied()) =>
            {
                Ok(Self(client, PhantomData))
            }
            Some(Authentication::Client(_)) => {
                Err(ApiError::InsufficientScope { scope: R::SCOPES.join(" ") })
            }
            Some(_) => Err(ApiError::InvalidToken),
        })
    }
}
