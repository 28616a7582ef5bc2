//! `/users/me/sessions`: the sessions of the current user.

use actix_web::{HttpResponse, Resource, http::header, web};
use serde::Serialize;
use utoipa::{OpenApi, ToSchema};

use crate::{
    auth::Auth,
    domain::{
        client::ClientInfo,
        session::{Session, SessionId},
        user::AuthUser,
    },
    http::{
        endpoints::{Endpoint, resource},
        error::{ApiError, ErrorBody, ErrorResponse},
        extract::users::{ActiveUser, RequiredScopes},
        openapi::responses::{Unauthorized, Unavailable},
    },
};

pub(super) fn endpoint<U: AuthUser, R: RequiredScopes>() -> Endpoint<U> {
    #[derive(OpenApi)]
    #[openapi(paths(list_sessions_operation, end_sessions_operation))]
    struct SessionsApi;
    Endpoint {
        path: "/users/me/sessions",
        is_enabled: Auth::has_sessions,
        resource: |auth, path| auth.sessions_endpoint::<R>(path),
        openapi: |_| SessionsApi::openapi(),
    }
}

pub(super) fn one_endpoint<U: AuthUser, R: RequiredScopes>() -> Endpoint<U> {
    #[derive(OpenApi)]
    #[openapi(paths(end_session_operation))]
    struct SessionApi;
    Endpoint {
        path: "/users/me/sessions/{id}",
        is_enabled: Auth::has_sessions,
        resource: |auth, path| auth.session_endpoint::<R>(path),
        openapi: |_| SessionApi::openapi(),
    }
}

impl<U: AuthUser> Auth<U> {
    /// Returns an endpoint that lists (`GET`) or ends (`DELETE`) all sessions of the current user, whose token must
    /// have the scopes `R`.
    pub fn sessions_endpoint<R: RequiredScopes>(&self, path: &str) -> Resource {
        resource::at(path, "GET, HEAD, DELETE", self.error_format())
            .route(resource::get_route().to(list_sessions::<U, R>).wrap(self.require::<R>()))
            .route(web::delete().to(end_sessions::<U, R>).wrap(self.require::<R>()))
    }

    /// Returns an endpoint that ends (`DELETE`) the session `{id}` of the current user, whose token must have the
    /// scopes `R`.
    pub fn session_endpoint<R: RequiredScopes>(&self, path: &str) -> Resource {
        let route = web::delete().to(end_session::<U, R>).wrap(self.require::<R>());
        resource::at(path, "DELETE", self.error_format()).route(route)
    }
}

async fn list_sessions<U: AuthUser, R: RequiredScopes>(
    auth: Auth<U>,
    me: ActiveUser<U, R>,
) -> Result<HttpResponse, ErrorResponse> {
    let sessions = auth.sessions(&me.subject()).await.map_err(|error| auth.error_response(error))?;
    let current = me.claims().session_id.as_ref();
    let sessions: Vec<_> = sessions.iter().map(|session| SessionObject::of(session, current)).collect();
    // The list contains personal data: addresses and user agents.
    Ok(HttpResponse::Ok().insert_header((header::CACHE_CONTROL, "no-store")).json(sessions))
}

async fn end_sessions<U: AuthUser, R: RequiredScopes>(
    auth: Auth<U>,
    me: ActiveUser<U, R>,
    client_info: ClientInfo,
) -> Result<HttpResponse, ErrorResponse> {
    let ended = auth.end_all_sessions(&me.subject(), &client_info).await;
    ended.map_err(|error| auth.error_response(error))?;
    Ok(HttpResponse::NoContent().finish())
}

async fn end_session<U: AuthUser, R: RequiredScopes>(
    auth: Auth<U>,
    me: ActiveUser<U, R>,
    id: web::Path<String>,
    client_info: ClientInfo,
) -> Result<HttpResponse, ErrorResponse> {
    let ended = match SessionId::new(id.into_inner()) {
        Ok(id) => auth.end_session(&me.subject(), &id, &client_info).await,
        Err(_) => Ok(false),
    };
    match ended.map_err(|error| auth.error_response(error))? {
        true => Ok(HttpResponse::NoContent().finish()),
        false => Err(auth.error_response(ApiError::NotFound)),
    }
}

/// An active session.
#[derive(Serialize, ToSchema)]
#[schema(as = Session)]
struct SessionObject<'a> {
    /// The identifier of the session.
    #[schema(example = "zPzzXSOkRz6jKfYn7lLDRg")]
    id: &'a str,
    /// The time of the sign-in.
    #[schema(format = DateTime, example = "2023-11-14T22:13:20Z")]
    created: String,
    /// The time of the last token request. For a session with a cookie, the time of the last recorded request.
    #[schema(format = DateTime, example = "2023-11-14T22:28:20Z")]
    last_used: String,
    /// The client address of the request at `last_used`, or `null` if it is unknown.
    #[schema(required, example = "203.0.113.7")]
    address: Option<String>,
    /// The identifier of the client that requested the sign-in, or `null` for the default client.
    #[schema(required, example = "web")]
    client: Option<&'a str>,
    /// The user agent of the request at `last_used`, or `null` if it is unknown.
    #[schema(required, example = "curl/8.14.1")]
    user_agent: Option<&'a str>,
    /// True for the session of this request.
    current: bool,
}

impl<'a> SessionObject<'a> {
    fn of(session: &'a Session, current: Option<&SessionId>) -> Self {
        Self {
            id: session.id.as_str(),
            created: session.created.to_string(),
            last_used: session.last_used.to_string(),
            address: session.client_info.address.map(|address| address.to_string()),
            client: session.client_id.as_ref().map(|client_id| client_id.as_str()),
            user_agent: session.client_info.user_agent.as_deref(),
            current: Some(&session.id) == current,
        }
    }
}

/// List your sessions
///
/// Returns your active sessions, most recently used first. Every sign-in creates a session.
#[utoipa::path(
    get,
    path = "/users/me/sessions",
    tag = "Users",
    operation_id = "list_sessions",
    responses(
        (status = 200, description = "The sessions", body = [SessionObject],
            headers(("Cache-Control" = String, description = "no-store"))),
        Unauthorized,
        Unavailable,
    ),
)]
#[expect(dead_code, reason = "carries the documentation of the generic handler")]
fn list_sessions_operation() {}

/// End all your sessions
///
/// Signs you out everywhere. All your tokens become invalid, including the token of this request.
#[utoipa::path(
    delete,
    path = "/users/me/sessions",
    tag = "Users",
    operation_id = "end_sessions",
    responses(
        (status = 204, description = "The sessions have ended"),
        Unauthorized,
        Unavailable,
    ),
)]
#[expect(dead_code, reason = "carries the documentation of the generic handler")]
fn end_sessions_operation() {}

/// End one of your sessions
///
/// Ends the session with this identifier. All tokens of the session become invalid.
#[utoipa::path(
    delete,
    path = "/users/me/sessions/{id}",
    tag = "Users",
    operation_id = "end_session",
    params(("id" = String, Path, description = "The identifier of the session")),
    responses(
        (status = 204, description = "The session has ended"),
        Unauthorized,
        (status = 404, description = "You have no session with this identifier", body = ErrorBody,
            example = json!({ "detail": "Not Found" })),
        Unavailable,
    ),
)]
#[expect(dead_code, reason = "carries the documentation of the generic handler")]
fn end_session_operation() {}
