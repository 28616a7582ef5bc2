//! The bearer token of a request, and the middleware that finds out whose it is.

use std::sync::Arc;

use actix_web::{
    Error, FromRequest, HttpMessage, HttpRequest,
    body::{EitherBody, MessageBody},
    dev::{Payload, Service, ServiceRequest, ServiceResponse, Transform},
};
use actix_web_httpauth::middleware::HttpAuthentication;
use std::future::{Ready, ready};

use crate::{
    auth::{Auth, Identity, Recognised},
    domain::{
        dialect::Dialect,
        ports::{TokenService, UserStore},
        secret::AccessToken,
    },
    http::{authorization, clock, error::ApiError, fault_log},
};

/// The token in the `Authorization` header
/// ([RFC 6750 section 2.1](https://www.rfc-editor.org/rfc/rfc6750#section-2.1)), whoever's it is.
///
/// The scheme's case does not count, nor does white space around the token. As an extractor it answers 401
/// where there is none.
#[derive(Clone, Debug)]
pub struct BearerToken(pub AccessToken);

impl FromRequest for BearerToken {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let token = authorization::credentials(request.headers(), "bearer");
        ready(token.map(|token| Self(token.as_ref().into())).ok_or(ApiError::NotAuthenticated))
    }
}

/// What the middleware found out about a request's token; it stands in the request's extensions.
pub(crate) struct Recognition<U> {
    pub(crate) outcome: Outcome<U>,
    /// How an extractor words its refusal.
    pub(crate) dialect: Dialect,
}

pub(crate) enum Outcome<U> {
    /// No token was sent.
    Anonymous,
    /// The token is this user's.
    Recognised(Arc<Identity<U>>),
    /// It was this service's, its session has ended, and its user is inactive now.
    Inactive,
    /// The token is nobody's.
    Refused,
    /// A port failed, for now or for good; the log has the cause.
    Failed { temporary: bool },
}

impl<S: UserStore, H: 'static, T: TokenService> Auth<S, H, T> {
    /// The middleware that recognises the bearer of every request, with one look-up, for the extractors
    /// [`CurrentUser`](crate::CurrentUser), [`ActiveUser`](crate::ActiveUser) and
    /// [`MaybeUser`](crate::MaybeUser).
    ///
    /// It refuses nothing: the extractors do. So a public route stays public, and an unknown path is 404
    /// with or without a token.
    pub fn bearer<Next, B>(
        &self,
    ) -> impl Transform<
        Next,
        ServiceRequest,
        Response = ServiceResponse<EitherBody<B>>,
        Error = Error,
        InitError = (),
    > + use<Next, B, S, H, T>
    where
        Next: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
        Next::Future: 'static,
        B: MessageBody + 'static,
    {
        let auth = self.clone();
        HttpAuthentication::with_fn(move |request: ServiceRequest, token: Option<BearerToken>| {
            let auth = auth.clone();
            async move {
                let outcome = auth.outcome(token).await;
                let dialect = auth.policy().dialect;
                request.extensions_mut().insert(Recognition { outcome, dialect });
                Ok(request)
            }
        })
    }

    async fn outcome(&self, token: Option<BearerToken>) -> Outcome<S::User> {
        let Some(BearerToken(token)) = token else {
            return Outcome::Anonymous;
        };
        match self.recognise(&token, clock::now()).await {
            Ok(Recognised::User(identity)) => Outcome::Recognised(identity),
            Ok(Recognised::Inactive) => Outcome::Inactive,
            Ok(Recognised::Nobody) => Outcome::Refused,
            Err(fault) => {
                fault_log::report(&fault);
                Outcome::Failed { temporary: fault.is_temporary() }
            }
        }
    }
}
