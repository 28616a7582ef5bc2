//! The bearer token of a request.

use std::future::{Ready, ready};

use actix_web::{FromRequest, HttpRequest, dev::Payload};

use crate::{
    domain::secret::AccessToken,
    http::{error::ApiError, extract::authorization},
};

/// The unverified token in the `Authorization` header
/// ([RFC 6750 section 2.1](https://www.rfc-editor.org/rfc/rfc6750#section-2.1)). The scheme is case-insensitive, and
/// white space around the token is ignored. A request without a token gets 401.
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
