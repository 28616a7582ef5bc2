//! `GET /forward-auth`: authenticates requests for a reverse proxy.

use actix_web::{
    FromRequest as _, HttpRequest, HttpResponse, Resource,
    http::header::{HeaderName, HeaderValue},
    web,
};
use serde::Deserialize;
use utoipa::{IntoParams, OpenApi};

use crate::{
    auth::Auth,
    domain::{scope::Scopes, user::AuthUser},
    http::{
        endpoints::{Endpoint, resource},
        error::{ApiError, ErrorBody},
        extract::{bearer::BearerToken, cookie, users::authorize},
        openapi::responses::Unavailable,
    },
};

pub(super) fn endpoint<U: AuthUser>() -> Endpoint<U> {
    #[derive(OpenApi)]
    #[openapi(paths(forward_auth_operation))]
    struct ForwardAuthApi;
    Endpoint {
        path: "/forward-auth",
        is_enabled: Auth::has_forward_auth,
        resource: |auth, path| auth.forward_auth_endpoint(path),
        openapi: |auth| auth.accept_cookie(ForwardAuthApi::openapi()),
    }
}

/// The query parameters of the endpoint.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Query {
    /// The scopes that the token must have, separated by spaces.
    #[serde(default)]
    #[param(example = "items:read", pattern = r"^[ !#-\[\]-~]*$")]
    scope: String,
    /// The audience that the token must have. The default is the audience of this service.
    #[param(nullable = false)]
    audience: Option<String>,
}

impl<U: AuthUser> Auth<U> {
    /// Returns an endpoint at `path` with which a reverse proxy authenticates the requests that it forwards. Proxies
    /// call such an endpoint with `auth_request` (nginx), `forwardAuth` (Traefik) or `forward_auth` (Caddy).
    ///
    /// The response to a valid token of an active user is 200 with the headers `X-Auth-Subject`, `X-Auth-User`,
    /// `X-Auth-Scopes` and `X-Auth-Client`. Requests without such a token get 401. Headers without a value are sent
    /// empty, so that the proxy overwrites headers that the client sent. The query parameter `scope` lists required
    /// scopes; requests whose token lacks one of them get 403. With the query parameter `audience`, tokens must be for
    /// that audience instead of this application.
    ///
    /// A [session cookie](crate::web::CookieTransport) is accepted too, for all audiences. With the cookie, requests
    /// from other origins get 403 if their method is unsafe; the proxy sends the method of the original request as
    /// `X-Forwarded-Method` or `X-Original-Method`. If the proxy does not send the method, requests from other origins
    /// get 403 if they have an `Origin` or `Content-Type` header. Browsers send one of these headers with every unsafe
    /// method, but not with links and GET forms. WebSocket handshakes from other origins always get 403.
    pub fn forward_auth_endpoint(&self, path: &str) -> Resource {
        let auth = self.clone();
        let respond = move |request: HttpRequest| {
            let auth = auth.clone();
            async move { auth.no_store(forward_auth(&auth, &request).await) }
        };
        resource::at(path, "GET, HEAD", self.error_format()).route(resource::get_route().to(respond))
    }
}

async fn forward_auth<U: AuthUser>(auth: &Auth<U>, request: &HttpRequest) -> Result<HttpResponse, ApiError> {
    let query = web::Query::<Query>::from_query(request.query_string()).ok();
    let query =
        query.and_then(|web::Query(query)| Some((query.scope.parse::<Scopes>().ok()?, query.audience)));
    // The proxy's configuration determines the query, so an invalid query is the operator's mistake.
    let (required, audience) = query.ok_or(ApiError::MalformedBody("The query parameters are invalid"))?;
    if let Some(cookies) = auth.cookies()
        && auth.session_cookie(request).is_some()
        && !cookie::is_forwarded_request_safe(request)
    {
        cookie::check_origin(cookies, request)?;
    }
    let authentication = match (audience, BearerToken::extract(request).await) {
        (Some(audience), Ok(BearerToken(token))) => {
            Some(auth.authenticate_for_audience(&token, &audience).await?)
        }
        // A cookie has no audience: browsers send it only to the host that set it.
        _ => auth.authenticate_request(request).await.map_err(|error| match error {
            ApiError::TooManyAttempts { .. } => ApiError::InvalidToken, // nginx does not accept 429, see below
            error => error,
        })?,
    };
    let required: Vec<_> = required.iter().map(|scope| scope.as_str()).collect();
    let user = authorize(authentication.clone(), &required).map_err(|error| {
        // nginx accepts no error status other than 401 and 403.
        let error = if matches!(error, ApiError::InactiveUser) { ApiError::InvalidToken } else { error };
        auth.report_refusal(request, authentication.as_ref(), &error);
        error
    })?;
    let profile = auth.profile(&user);
    let scopes = user.granted_scopes().scope().unwrap_or_default();
    let client_id = auth.client_id_of(user.claims().client_id.as_ref()).as_str();
    let mut response = HttpResponse::Ok();
    for (name, value) in [
        ("x-auth-subject", user.subject().as_str()),
        ("x-auth-user", profile.preferred_username.as_deref().unwrap_or_default()),
        ("x-auth-scopes", &scopes),
        ("x-auth-client", client_id),
    ] {
        let value = HeaderValue::from_bytes(value.as_bytes()).map_err(|_| ApiError::Internal)?;
        response.insert_header((HeaderName::from_static(name), value));
    }
    Ok(response.finish())
}

/// Authenticate a request for a proxy
///
/// Returns the user that sent a request to a reverse proxy, in response headers. The proxy calls this endpoint before
/// it forwards the request, for example with `auth_request` (nginx), `forwardAuth` (Traefik) or `forward_auth` (Caddy).
#[utoipa::path(
    get,
    path = "/forward-auth",
    tag = "Proxies",
    operation_id = "forward_auth",
    params(Query),
    security(("OAuth2PasswordBearer" = [])),
    responses(
        (status = 200, description = "The token is valid and has the required scopes, and its user is active", headers(
            ("X-Auth-Subject" = String, description = "The identifier of the user"),
            ("X-Auth-User" = String, description = "The username, in UTF-8"),
            ("X-Auth-Scopes" = String, description = "The granted scopes, separated by spaces"),
            ("X-Auth-Client" = String, description = "The identifier of the client that requested the token"),
        )),
        (status = 400, description = "A query parameter is invalid", body = ErrorBody),
        (status = 401, description = "The token is missing or invalid, or its user is disabled", body = ErrorBody,
            headers(("WWW-Authenticate" = String,
                description = "The `Bearer` challenge, with an error code if the token is invalid")),
            example = json!({ "detail": "Not authenticated" })),
        (status = 403, body = ErrorBody,
            description = "The token lacks a required scope, or a page of another origin sent the request with a \
                session cookie",
            headers(("WWW-Authenticate" = String,
                description = "The `Bearer` challenge, with the error code and the required scopes")),
            example = json!({ "detail": "Not enough permissions" })),
        Unavailable,
    ),
)]
#[expect(dead_code, reason = "carries the documentation of the generic handler")]
fn forward_auth_operation() {}
