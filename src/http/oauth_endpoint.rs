//! What the endpoints of OAuth2 have in common: a form that is posted, a client that proves itself, an answer that no
//! cache keeps.

use actix_web::{
    HttpRequest, HttpResponse, Resource, ResponseError,
    dev::Payload,
    http::header::{self, HeaderValue},
    web,
};

use crate::{
    auth::{Auth, GrantError},
    domain::{client::ClientId, ports::UserStore},
    http::{client_credentials::ClientCredentials, endpoint, error::ApiError},
};

/// The resource at this path, which `answer` answers when something is posted.
pub(crate) fn post<S, H, T, A>(auth: &Auth<S, H, T>, path: &str, answer: A) -> Resource
where
    S: UserStore,
    H: 'static,
    T: 'static,
    A: AsyncFn(&Auth<S, H, T>, &HttpRequest, Payload) -> Result<HttpResponse, ApiError> + Copy + 'static,
{
    let auth = auth.clone();
    endpoint::post(path, move |request: HttpRequest, payload: web::Payload| {
        let auth = auth.clone();
        async move { auth.uncached(answer(&auth, &request, payload.into_inner()).await) }
    })
}

impl<S: UserStore, H, T> Auth<S, H, T> {
    /// The client that a request names, once it proved itself.
    pub(crate) async fn client(&self, client: &ClientCredentials) -> Result<Option<ClientId>, ApiError> {
        let proven = self.authenticate_client(client.client_id.as_deref(), client.client_secret.as_ref());
        proven.await.map_err(|error| client.refused(error))
    }

    /// The answer, where it may be a refusal. No cache may keep a token, nor the want of one
    /// ([RFC 6749 section 5](https://www.rfc-editor.org/rfc/rfc6749#section-5)).
    pub(crate) fn uncached(&self, answer: Result<HttpResponse, ApiError>) -> HttpResponse {
        let mut response =
            answer.unwrap_or_else(|error| error.in_format(self.policy().error_format).error_response());
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }
}

impl ClientCredentials {
    /// What a client is told that says this of itself.
    pub(crate) fn refused(&self, error: GrantError) -> ApiError {
        match error {
            GrantError::InvalidClient => ApiError::InvalidClient { by_basic: self.by_basic },
            error => error.into(),
        }
    }
}
