//! `/users/me/sessions`: the user's sessions, seen and ended.

use actix_web::{HttpRequest, HttpResponse, http::header, web};
use serde::Serialize;
use utoipa::{OpenApi, ToSchema};

use crate::{
    auth::Auth,
    domain::{
        ports::{TokenService, UserStore},
        session::{Session, SessionId},
        user::AuthUser,
    },
    http::{
        client_info::client_info,
        clock,
        current_user::{ActiveUser, RequiredScopes},
        endpoint,
        error::{ApiError, ErrorBody},
        moment::moment,
        responses::{Disabled, NotAllowed, Unavailable},
    },
};

const PATH: &str = "/users/me/sessions";

impl<S: UserStore, H: 'static, T: TokenService> Auth<S, H, T> {
    /// The routes `GET` and `DELETE /users/me/sessions` and `DELETE /users/me/sessions/{id}`, for the active user
    /// with the scopes `R`. They belong behind [`Auth::bearer`].
    pub fn session_routes<R: RequiredScopes>(
        &self,
    ) -> impl FnOnce(&mut web::ServiceConfig) + use<S, H, T, R> {
        let (list, end_all, end) = (self.clone(), self.clone(), self.clone());
        move |config| {
            config
                .service(
                    endpoint::at(PATH, "GET, HEAD, DELETE")
                        .route(
                            endpoint::get_route().to(move |me| list_sessions::<_, _, _, R>(list.clone(), me)),
                        )
                        .route(
                            web::delete().to(move |me, request| {
                                end_sessions::<_, _, _, R>(end_all.clone(), me, request)
                            }),
                        ),
                )
                .service(
                    endpoint::at("/users/me/sessions/{id}", "DELETE").route(
                        web::delete().to(move |me, id, request| {
                            end_session::<_, _, _, R>(end.clone(), me, id, request)
                        }),
                    ),
                );
        }
    }
}

async fn list_sessions<S: UserStore, H: 'static, T: TokenService, R>(
    auth: Auth<S, H, T>,
    me: ActiveUser<S::User, R>,
) -> Result<HttpResponse, ApiError> {
    let sessions = auth.sessions(&me.subject(), clock::now()).await?;
    let current = me.claims().session_id.as_ref();
    let sessions: Vec<_> = sessions.iter().map(|session| SessionObject::of(session, current)).collect();
    // It holds addresses.
    Ok(HttpResponse::Ok().insert_header((header::CACHE_CONTROL, "no-store")).json(sessions))
}

async fn end_sessions<S: UserStore, H: 'static, T: TokenService, R>(
    auth: Auth<S, H, T>,
    me: ActiveUser<S::User, R>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    auth.end_all_sessions(&me.subject(), &client_info(&request), clock::now()).await?;
    Ok(HttpResponse::NoContent().finish())
}

async fn end_session<S: UserStore, H: 'static, T: TokenService, R>(
    auth: Auth<S, H, T>,
    me: ActiveUser<S::User, R>,
    id: web::Path<String>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let id = SessionId::from(id.into_inner());
    let was_there = auth.end_session(&me.subject(), &id, &client_info(&request), clock::now()).await?;
    if was_there { Ok(HttpResponse::NoContent().finish()) } else { Err(ApiError::NotFound) }
}

/// A session as its user sees it.
#[derive(Serialize, ToSchema)]
#[schema(as = Session)]
struct SessionObject<'a> {
    /// Its name.
    #[schema(example = "zPzzXSOkRz6jKfYn7lLDRg")]
    id: &'a str,
    /// When it began.
    #[schema(format = DateTime, example = "2023-11-14T22:13:20Z")]
    created: String,
    /// When it got a token last.
    #[schema(format = DateTime, example = "2023-11-14T22:28:20Z")]
    last_used: String,
    /// Where it got a token from last.
    #[schema(required, example = "203.0.113.7")]
    address: Option<String>,
    /// The client it began through, where one proved itself.
    #[schema(required, example = "web")]
    client: Option<&'a str>,
    /// The program that asked for the token, as it calls itself.
    #[schema(required, example = "curl/8.14.1")]
    user_agent: Option<&'a str>,
    /// Whether it is the one of this request.
    current: bool,
}

impl<'a> SessionObject<'a> {
    fn of(session: &'a Session, current: Option<&SessionId>) -> Self {
        Self {
            id: session.id.as_str(),
            created: moment(session.created),
            last_used: moment(session.last_used),
            address: session.client_info.address.map(|address| address.to_string()),
            client: session.client_id.as_ref().map(|client_id| client_id.as_str()),
            user_agent: session.client_info.user_agent.as_deref(),
            current: Some(&session.id) == current,
        }
    }
}

/// The documentation of the sessions' routes as the service has them, to merge into your own document.
#[derive(Debug, OpenApi)]
#[openapi(paths(list_sessions_operation, end_sessions_operation, end_session_operation))]
pub struct SessionsApi;

/// List your sessions
///
/// Answers with the sessions that live, the one used last first. Every sign-in begins one.
#[utoipa::path(
    get,
    path = "/users/me/sessions",
    tag = "Users",
    operation_id = "list_sessions",
    security(("OAuth2PasswordBearer" = ["me"])),
    responses(
        (status = 200, description = "The sessions", body = [SessionObject],
            headers(("Cache-Control" = String, description = "no-store"))),
        Disabled,
        NotAllowed,
        Unavailable,
    ),
)]
#[expect(dead_code, reason = "carries the documentation of the generic handler")]
fn list_sessions_operation() {}

/// End all your sessions
///
/// No token that was issued before counts any more, the one of this request among them.
#[utoipa::path(
    delete,
    path = "/users/me/sessions",
    tag = "Users",
    operation_id = "end_sessions",
    security(("OAuth2PasswordBearer" = ["me"])),
    responses(
        (status = 204, description = "They are ended"),
        Disabled,
        NotAllowed,
        Unavailable,
    ),
)]
#[expect(dead_code, reason = "carries the documentation of the generic handler")]
fn end_sessions_operation() {}

/// End one of your sessions
///
/// None of its tokens counts any more.
#[utoipa::path(
    delete,
    path = "/users/me/sessions/{id}",
    tag = "Users",
    operation_id = "end_session",
    security(("OAuth2PasswordBearer" = ["me"])),
    params(("id" = String, Path, description = "The session's name")),
    responses(
        (status = 204, description = "It is ended"),
        Disabled,
        NotAllowed,
        (status = 404, description = "You have no such session", body = ErrorBody,
            example = json!({ "detail": "Not Found" })),
        Unavailable,
    ),
)]
#[expect(dead_code, reason = "carries the documentation of the generic handler")]
fn end_session_operation() {}
