//! The bearer token of a request, and the middleware that finds out whose it is.

use std::{
    future::{Ready, ready},
    pin::Pin,
    rc::Rc,
    sync::Arc,
};

use actix_web::{
    Error, FromRequest, HttpMessage, HttpRequest,
    dev::{Payload, Service, ServiceRequest, ServiceResponse, Transform, forward_ready},
};
use futures_util::future::Either;

use crate::{
    auth::{Auth, Identity, Place, Recall, Recognised},
    domain::{
        backend_error::BackendError,
        error_format::ErrorFormat,
        ports::{TokenService, UserStore},
        secret::AccessToken,
        time::Timestamp,
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
    pub(crate) error_format: ErrorFormat,
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
    ) -> impl Transform<Next, ServiceRequest, Response = ServiceResponse<B>, Error = Error, InitError = ()>
    + use<Next, B, S, H, T>
    where
        Next: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    {
        Bearer(self.clone())
    }

    /// Whose the token of a request is, as far as that is known.
    fn recognise_at_once(&self, request: &ServiceRequest) -> AtOnce<S::User> {
        let Some(token) = authorization::credentials(request.headers(), "bearer") else {
            return AtOnce::Known(Outcome::Anonymous);
        };
        let now = clock::now();
        match self.recall(&token, now) {
            Ok(Recall::Known(recognised)) => AtOnce::Known(Ok(recognised).into()),
            Ok(Recall::Unknown(place)) => AtOnce::Unknown { token: token.as_ref().into(), place, now },
            Err(fault) => AtOnce::Known(Err(fault).into()),
        }
    }

    /// Leaves it to the extractors.
    fn leave(&self, request: &ServiceRequest, outcome: Outcome<S::User>) {
        let error_format = self.policy().error_format;
        request.extensions_mut().insert(Recognition { outcome, error_format });
    }
}

/// What can be said of a request without waiting.
enum AtOnce<U> {
    Known(Outcome<U>),
    /// Its token is not remembered.
    Unknown {
        token: AccessToken,
        place: Option<Place>,
        now: Timestamp,
    },
}

struct Bearer<S: UserStore, H, T>(Auth<S, H, T>);

/// The middleware in one worker.
struct Recogniser<S: UserStore, H, T, Next> {
    auth: Auth<S, H, T>,
    next: Rc<Next>,
}

impl<S, H, T, Next, B> Transform<Next, ServiceRequest> for Bearer<S, H, T>
where
    S: UserStore,
    H: 'static,
    T: TokenService,
    Next: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
{
    type Response = ServiceResponse<B>;
    type Error = Error;
    type InitError = ();
    type Transform = Recogniser<S, H, T, Next>;
    type Future = Ready<Result<Self::Transform, ()>>;

    fn new_transform(&self, next: Next) -> Self::Future {
        ready(Ok(Recogniser { auth: self.0.clone(), next: Rc::new(next) }))
    }
}

impl<S, H, T, Next, B> Service<ServiceRequest> for Recogniser<S, H, T, Next>
where
    S: UserStore,
    H: 'static,
    T: TokenService,
    Next: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
{
    type Response = ServiceResponse<B>;
    type Error = Error;
    // Who is remembered goes on at once. Only a search is boxed: it may be large.
    type Future = Either<Next::Future, Pin<Box<dyn Future<Output = Result<Self::Response, Error>>>>>;

    forward_ready!(next);

    fn call(&self, request: ServiceRequest) -> Self::Future {
        match self.auth.recognise_at_once(&request) {
            AtOnce::Known(outcome) => {
                self.auth.leave(&request, outcome);
                Either::Left(self.next.call(request))
            }
            AtOnce::Unknown { token, place, now } => {
                let (auth, next) = (self.auth.clone(), Rc::clone(&self.next));
                Either::Right(Box::pin(async move {
                    let recognised = auth.find_out(&token, place, now).await;
                    auth.leave(&request, recognised.into());
                    next.call(request).await
                }))
            }
        }
    }
}

impl<U> From<Result<Recognised<U>, BackendError>> for Outcome<U> {
    fn from(recognised: Result<Recognised<U>, BackendError>) -> Self {
        match recognised {
            Ok(Recognised::User(identity)) => Self::Recognised(identity),
            Ok(Recognised::Inactive) => Self::Inactive,
            Ok(Recognised::Nobody) => Self::Refused,
            Err(fault) => {
                fault_log::report(&fault);
                Self::Failed { temporary: fault.is_temporary() }
            }
        }
    }
}
