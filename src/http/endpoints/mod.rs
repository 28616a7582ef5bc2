//! The endpoints. The routes, the OpenAPI document and the server metadata are derived from the lists in this module.

#[cfg(feature = "docs")]
pub(crate) mod asset;
#[cfg(feature = "docs")]
pub mod docs;
pub(crate) mod forward_auth;
pub(crate) mod introspect;
pub(crate) mod jwks;
pub(crate) mod login;
pub(crate) mod metadata;
#[cfg(feature = "service")]
pub(crate) mod pages;
pub(crate) mod password;
pub(crate) mod resource;
pub(crate) mod revoke;
pub(crate) mod sessions;
pub(crate) mod token;
pub(crate) mod userinfo;
pub(crate) mod users;

use actix_web::{
    HttpRequest, HttpResponse, Resource, ResponseError,
    dev::Payload,
    http::{
        Method,
        header::{self, HeaderValue},
    },
    web,
};
use utoipa::openapi::{
    OpenApi,
    path::Operation,
    security::{
        ApiKey, ApiKeyValue, ClientCredentials as ClientCredentialsFlow, Flow, HttpAuthScheme, HttpBuilder,
        Password, Scopes, SecurityRequirement, SecurityScheme,
    },
    tag::TagBuilder,
};

use crate::{
    auth::{Auth, AuthError, grants::GrantType},
    domain::{
        client::{Client, ClientInfo},
        scope::Scope,
        user::AuthUser,
    },
    http::{
        error::{ApiError, ErrorResponse},
        extract::{client_credentials::ClientCredentials, client_info::client_info, users::RequiredScopes},
        openapi::add_security_scheme,
    },
};

/// An endpoint of [`Auth::routes`] or [`Auth::account_routes`].
pub(crate) struct Endpoint<U: AuthUser> {
    pub(crate) path: &'static str,
    pub(crate) is_enabled: fn(&Auth<U>) -> bool,
    pub(crate) resource: fn(&Auth<U>, &str) -> Resource,
    pub(crate) openapi: fn(&Auth<U>) -> OpenApi,
}

/// Returns the endpoints of [`Auth::routes`].
fn oauth_endpoints<U: AuthUser>() -> [Endpoint<U>; 10] {
    [
        token::endpoint(),
        revoke::endpoint(),
        introspect::endpoint(),
        login::endpoint(),
        login::logout_endpoint(),
        forward_auth::endpoint(),
        jwks::endpoint(),
        userinfo::endpoint(),
        metadata::endpoint(),
        metadata::openid_endpoint(),
    ]
}

/// Returns the endpoints of [`Auth::account_routes`].
fn account_endpoints<U: AuthUser, R: RequiredScopes>() -> [Endpoint<U>; 3] {
    [sessions::endpoint::<U, R>(), sessions::one_endpoint::<U, R>(), password::endpoint::<U, R>()]
}

impl<U: AuthUser> Auth<U> {
    /// Returns the OAuth 2.0 endpoints that this `Auth` supports, for [`App::configure`](actix_web::App::configure):
    ///
    /// - `POST /token`, if a grant is enabled
    /// - `POST /revoke` and `POST /introspect`, with a session store
    /// - `POST /login` and `POST /logout`, with [`cookies`](crate::auth::AuthBuilder::cookies)
    /// - `GET /forward-auth`, with [`forward_auth`](crate::auth::AuthBuilder::forward_auth)
    /// - `GET /.well-known/jwks.json`, if other services can verify the tokens
    /// - `GET /.well-known/oauth-authorization-server`, with an [issuer](crate::auth::AuthBuilder::issuer)
    /// - `GET /userinfo`, with a [profile](crate::auth::AuthBuilder::profile)
    /// - `GET /.well-known/openid-configuration`, with a profile and an issuer
    ///
    /// The routes also make the extractors [`ActiveUser`](crate::ActiveUser), [`CurrentUser`](crate::CurrentUser),
    /// [`MaybeUser`](crate::MaybeUser) and [`CurrentClient`](crate::CurrentClient) work in the whole application.
    pub fn routes(&self) -> impl FnOnce(&mut web::ServiceConfig) + Clone + Send + use<U> {
        let auth = self.clone();
        move |config| {
            config.app_data(auth.clone());
            auth.mount(oauth_endpoints(), config);
        }
    }

    /// Returns the endpoints for the account of the current user, whose token must have the scopes `R`:
    ///
    /// - `GET /users/me/sessions`, `DELETE /users/me/sessions` and `DELETE /users/me/sessions/{id}`, with a session
    ///   store
    /// - `PUT /users/me/password`, with [`password_changes`](crate::auth::AuthBuilder::password_changes)
    pub fn account_routes<R: RequiredScopes>(
        &self,
    ) -> impl FnOnce(&mut web::ServiceConfig) + Clone + Send + use<U, R> {
        let auth = self.clone();
        move |config| auth.mount(account_endpoints::<U, R>(), config)
    }

    fn mount<const N: usize>(&self, endpoints: [Endpoint<U>; N], config: &mut web::ServiceConfig) {
        for endpoint in endpoints.into_iter().filter(|endpoint| (endpoint.is_enabled)(self)) {
            config.service((endpoint.resource)(self, endpoint.path));
        }
    }

    /// Returns the OpenAPI document for [`routes`](Self::routes), to merge into your own document. The document also
    /// contains the security scheme `OAuth2PasswordBearer` with its scopes, and descriptions of the tags.
    pub fn openapi(&self) -> OpenApi {
        let mut document = self.documented(oauth_endpoints());
        describe_tags(&mut document, &TAGS);
        let password = Flow::Password(Password::new("token", Scopes::from_iter(self.scopes())));
        let own_scopes = self.scopes().filter(|(scope, _)| *scope != Scope::OFFLINE_ACCESS);
        let client_credentials = self.grants().contains(&GrantType::ClientCredentials).then(|| {
            Flow::ClientCredentials(ClientCredentialsFlow::new("token", Scopes::from_iter(own_scopes)))
        });
        add_security_scheme(&mut document, [password].into_iter().chain(client_credentials));
        if self.has_endpoint("/introspect") {
            let description = "The identifier and the secret of a confidential client, for `/introspect`.";
            let basic = HttpBuilder::new().scheme(HttpAuthScheme::Basic).description(Some(description));
            let components = document.components.get_or_insert_default();
            components.add_security_scheme("RegisteredClient", SecurityScheme::Http(basic.build()));
        }
        if let Some(cookies) = self.cookies() {
            let description =
                "The session cookie that `/login` sets. Over plain HTTP, its name lacks the prefix `__Host-`."
                    .to_owned();
            let cookie = ApiKeyValue::with_description(cookies.documented_name(), description);
            let scheme = SecurityScheme::ApiKey(ApiKey::Cookie(cookie));
            document.components.get_or_insert_default().add_security_scheme(COOKIE, scheme);
        }
        document
    }

    /// Returns the OpenAPI document for [`account_routes`](Self::account_routes), to merge into your own document.
    pub fn account_openapi<R: RequiredScopes>(&self) -> OpenApi {
        self.require_scopes::<R>(self.documented(account_endpoints::<U, R>()))
    }

    fn documented<const N: usize>(&self, endpoints: [Endpoint<U>; N]) -> OpenApi {
        let enabled = endpoints.into_iter().filter(|endpoint| (endpoint.is_enabled)(self));
        enabled.fold(OpenApi::default(), |document, endpoint| document.merge_from((endpoint.openapi)(self)))
    }

    /// Returns whether `path` is an endpoint of [`routes`](Self::routes).
    pub(crate) fn has_endpoint(&self, path: &str) -> bool {
        let mut endpoints = oauth_endpoints::<U>().into_iter();
        endpoints.any(|endpoint| endpoint.path == path && (endpoint.is_enabled)(self))
    }

    /// Converts an error to the error format of this `Auth`, for your own handlers.
    pub fn error_response(&self, error: impl Into<ApiError>) -> ErrorResponse {
        error.into().in_format(self.error_format())
    }

    /// Authenticates the client of a request.
    async fn client(
        &self,
        credentials: &ClientCredentials,
        client_info: &ClientInfo,
    ) -> Result<Client, ApiError> {
        if credentials.is_ambiguous && !self.error_format().is_fastapi() {
            let message = "The client must send its credentials with HTTP Basic or in the form, not both";
            return Err(ApiError::InvalidRequest(message));
        }
        let ClientCredentials { client_id, client_secret, .. } = credentials;
        let client =
            self.authenticate_client(client_id.as_deref(), client_secret.as_ref(), client_info).await;
        client.map_err(|error| match error {
            AuthError::InvalidClient => ApiError::InvalidClient { by_basic: credentials.by_basic },
            error => error.into(),
        })
    }

    /// Returns a resource that passes POST requests to `handler`, unless too many requests come from one address. The
    /// responses must not be cached ([RFC 6749 section 5](https://www.rfc-editor.org/rfc/rfc6749#section-5)).
    fn post<H>(&self, path: &str, handler: H) -> Resource
    where
        H: AsyncFn(&Auth<U>, &HttpRequest, Payload) -> Result<HttpResponse, ApiError> + Copy + 'static,
    {
        let auth = self.clone();
        let handler = move |request: HttpRequest, payload: web::Payload| {
            let auth = auth.clone();
            async move {
                let is_ambiguous = request.headers().get_all(header::AUTHORIZATION).nth(1).is_some();
                if is_ambiguous && !auth.error_format().is_fastapi() {
                    let message = "The request has more than one Authorization header";
                    return auth.no_store(Err(ApiError::InvalidRequest(message)));
                }
                let result = match auth.check_rate(&client_info(&request)).await {
                    Ok(()) => handler(&auth, &request, payload.into_inner()).await,
                    Err(error) => Err(error.into()),
                };
                auth.no_store(result)
            }
        };
        resource::at(path, "POST", self.error_format()).route(resource::route(&[Method::POST]).to(handler))
    }

    fn no_store(&self, result: Result<HttpResponse, ApiError>) -> HttpResponse {
        let mut response = result.unwrap_or_else(|error| self.error_response(error).error_response());
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }
}

/// The tags of the OAuth 2.0 endpoints, with their descriptions.
pub(crate) const TAGS: [(&str, &str); 5] = [
    ("OAuth2", "Sign in, and manage tokens"),
    ("Cookies", "Sign a browser in and out with a session cookie"),
    ("OpenID Connect", "Claims about the user"),
    ("Proxies", "Authenticate requests for a reverse proxy"),
    ("Keys", "The public keys that verify tokens"),
];

/// Adds descriptions for those of the `tags` that operations in the document use.
pub(crate) fn describe_tags(document: &mut OpenApi, tags: &[(&str, &str)]) {
    let used = used_tags(document);
    let used = tags.iter().filter(|(name, _)| used.iter().any(|used| used == name));
    let described =
        used.map(|(name, description)| TagBuilder::new().name(*name).description(Some(*description)).build());
    document.tags.get_or_insert_default().extend(described);
}

/// Returns the tags of the operations, in the order of their first use.
pub(crate) fn used_tags(document: &mut OpenApi) -> Vec<String> {
    let mut used = Vec::new();
    for tag in operations(document).flat_map(|operation| operation.tags.iter().flatten()) {
        if !used.contains(tag) {
            used.push(tag.clone());
        }
    }
    used
}

/// The name of the security scheme for session cookies.
const COOKIE: &str = "SessionCookie";

impl<U: AuthUser> Auth<U> {
    /// Adds the required scopes to all operations in a document.
    fn require_scopes<R: RequiredScopes>(&self, mut document: OpenApi) -> OpenApi {
        for operation in operations(&mut document) {
            let requirement = SecurityRequirement::new("OAuth2PasswordBearer", R::SCOPES.iter().copied());
            operation.security = Some(vec![requirement]);
        }
        self.accept_cookie(document)
    }

    /// If session cookies are enabled, adds them to all operations in a document, as an alternative to the token.
    fn accept_cookie(&self, mut document: OpenApi) -> OpenApi {
        if self.has_cookies() {
            for operation in operations(&mut document) {
                let requirement = SecurityRequirement::new(COOKIE, [""; 0]);
                operation.security.get_or_insert_default().push(requirement);
            }
        }
        document
    }
}

fn operations(document: &mut OpenApi) -> impl Iterator<Item = &mut Operation> {
    let items = document.paths.paths.values_mut();
    items.flat_map(|item| [&mut item.get, &mut item.put, &mut item.post, &mut item.delete]).flatten()
}
