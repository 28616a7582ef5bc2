//! Protecting routes.

use std::{future::Future, pin::Pin};

use actix_web::body::MessageBody;
use actix_web::dev::{HttpServiceFactory, Payload, ServiceRequest, ServiceResponse};
use actix_web::guard::GuardContext;
use actix_web::http::StatusCode;
use actix_web::middleware::{Next, from_fn};
use actix_web::{Error, FromRequest, HttpMessage, HttpRequest, get, guard, web};
use gatepass::error::{ApiError, ErrorResponse};
use gatepass::{ActiveUser, Auth, MaybeUser, required_scopes};

use crate::users::User;

/// Greets a signed-in user by name, and everyone else without one. An invalid token gets 401, so that clients notice
/// when their session has ended.
#[get("/")]
pub async fn optional_sign_in(user: MaybeUser<User>) -> String {
    match user.active() {
        Some(user) => format!("Hello, {}", user.username),
        None => "Hello, stranger".to_owned(),
    }
}

/// A role that is not a scope: an extractor of your own. It may check anything about the user and the request.
pub struct Editor(pub ActiveUser<User>);

impl FromRequest for Editor {
    type Error = ErrorResponse;
    type Future = Pin<Box<dyn Future<Output = Result<Self, ErrorResponse>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let user = ActiveUser::from_request(request, payload);
        let auth = Auth::<User>::extract(request);
        Box::pin(async move {
            let user: ActiveUser<User> = user.await?;
            if user.is_editor {
                return Ok(Self(user));
            }
            let error = ApiError::new(StatusCode::FORBIDDEN, "Editors only");
            Err(match auth.await {
                Ok(auth) => auth.error_response(error),
                Err(error) => error.in_format(&Default::default()),
            })
        })
    }
}

#[get("/edit")]
pub async fn edit(Editor(editor): Editor) -> String {
    format!("edited by {}", editor.username)
}

/// Requires one of several scopes. A scope type in an argument requires all of its scopes, so the handler itself checks
/// the alternatives.
#[get("/any-scope")]
pub async fn any_scope(
    auth: Auth<User>,
    me: ActiveUser<User>,
) -> Result<&'static str, ErrorResponse> {
    let alternatives = ["items:read", "items:write"];
    if alternatives
        .iter()
        .any(|scope| me.granted_scopes().covers([*scope]))
    {
        return Ok("items");
    }
    let scope = alternatives.join(" ");
    Err(auth.error_response(ApiError::InsufficientScope { scope }))
}

required_scopes! {
    struct Admin = ["admin"];
}

/// Protects everything under `/admin`, including paths that do not exist.
pub fn admin(auth: &Auth<User>) -> impl HttpServiceFactory + use<> {
    web::scope("/admin")
        .wrap(auth.require::<Admin>())
        .route("/statistics", web::get().to(async || "statistics"))
}

/// Uses the user in middleware: with `from_fn`, extractors are the arguments before the request.
pub async fn store_user<B: MessageBody>(
    user: MaybeUser<User>,
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, Error> {
    if let Some(user) = user.active() {
        // For guards, and for handlers without an extractor.
        request.extensions_mut().insert(User::clone(user));
    }
    next.call(request).await
}

/// Uses the user in a guard. Guards cannot wait for a database, so middleware around the scope has already loaded the
/// user.
fn is_member(context: &GuardContext<'_>) -> bool {
    context
        .req_data()
        .get::<User>()
        .is_some_and(|user| user.tenant == "acme")
}

/// Returns the scope `/home`, which has a separate handler for members of the tenant `acme`.
pub fn members() -> impl HttpServiceFactory {
    web::scope("/home")
        .wrap(from_fn(store_user))
        .route(
            "",
            web::get()
                .guard(guard::fn_guard(is_member))
                .to(async || "home of acme"),
        )
        .route("", web::get().to(async || "home"))
}
