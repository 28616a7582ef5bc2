//! The bearer token of a request, and the middleware that finds out whose it is.

use std::rc::Rc;

use actix_web::{
    Error, FromRequest, HttpMessage, HttpRequest,
    body::{EitherBody, MessageBody},
    dev::{Payload, Service, ServiceRequest, ServiceResponse, Transform},
    http::header::{AUTHORIZATION, HeaderMap},
};
use actix_web_httpauth::middleware::HttpAuthentication;
use encoding_rs::mem::decode_latin1;
use std::future::{Ready, ready};

use crate::{
    auth::{Auth, Identity},
    domain::{
        ports::{PasswordHasher, TokenService, UserStore},
        secret::AccessToken,
    },
    http::error::ApiError,
};

/// The token in the `Authorization` header
/// ([RFC 6750 section 2.1](https://www.rfc-editor.org/rfc/rfc6750#section-2.1)), whoever's it is.
///
/// The scheme's case does not count, nor does white space around the token. As an extractor it answers 401
/// where there is none.
#[derive(Clone, Debug)]
pub struct BearerToken(pub AccessToken);

impl BearerToken {
    fn from_headers(headers: &HeaderMap) -> Option<Self> {
        // A header's bytes are Latin-1, for Starlette as for a browser's `fetch`.
        let value = decode_latin1(headers.get(AUTHORIZATION)?.as_bytes());
        let (scheme, token) = value.split_once(' ')?;
        let token = token.trim();
        let is_bearer = scheme.eq_ignore_ascii_case("bearer") && !token.is_empty();
        is_bearer.then(|| Self(token.into()))
    }
}

impl FromRequest for BearerToken {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Self::from_headers(request.headers()).ok_or(ApiError::NotAuthenticated))
    }
}

/// What the middleware found out about a request's token; it stands in the request's extensions.
pub(crate) enum Recognition<U> {
    /// No token was sent.
    Anonymous,
    /// The token is this user's.
    Recognised(Rc<Identity<U>>),
    /// The token is nobody's.
    Refused,
    /// A port failed, for now or for good; the log has the cause.
    Failed { temporary: bool },
}

impl<S: UserStore, H: PasswordHasher, T: TokenService> Auth<S, H, T> {
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
                let recognition = auth.recognition(token).await;
                request.extensions_mut().insert(recognition);
                Ok(request)
            }
        })
    }

    async fn recognition(&self, token: Option<BearerToken>) -> Recognition<S::User> {
        let Some(BearerToken(token)) = token else {
            return Recognition::Anonymous;
        };
        match self.recognise(&token).await {
            Ok(Some(identity)) => Recognition::Recognised(Rc::new(identity)),
            Ok(None) => Recognition::Refused,
            Err(fault) => {
                log::error!("{fault}");
                Recognition::Failed { temporary: fault.is_temporary() }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;

    use super::*;

    fn token_in(value: &[u8]) -> Option<String> {
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, HeaderValue::from_bytes(value).ok()?);
        BearerToken::from_headers(&headers).map(|BearerToken(token)| token.expose().to_owned())
    }

    #[test]
    fn the_scheme_is_case_insensitive_and_the_token_is_trimmed() {
        for value in ["Bearer johndoe", "bearer johndoe", "BEARER   johndoe", "Bearer \tjohndoe \t"] {
            assert_eq!(token_in(value.as_bytes()).as_deref(), Some("johndoe"), "{value:?}");
        }
    }

    #[test]
    fn what_is_no_bearer_token_is_none() {
        for value in ["", "Bearer", "Bearer ", "Bearer\tjohndoe", "Basic johndoe", "johndoe", "Bearerjohndoe"]
        {
            assert_eq!(token_in(value.as_bytes()), None, "{value:?}");
        }
    }

    #[test]
    fn bytes_beyond_ascii_are_latin_1() {
        assert_eq!(token_in(b"Bearer j\xf6rg\xa0").as_deref(), Some("j\u{f6}rg"));
    }

    #[test]
    fn a_token_keeps_what_is_inside_it() {
        assert_eq!(token_in(b"Bearer john doe").as_deref(), Some("john doe"));
    }
}
