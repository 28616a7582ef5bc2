//! `GET /userinfo`: the profile of the current user.

use actix_web::{HttpRequest, HttpResponse, Resource, http::Method};
use serde::Serialize;
use utoipa::{OpenApi, ToSchema, openapi};

use crate::{
    auth::Auth,
    domain::{
        scope::Scope,
        user::{AuthUser, UserProfile},
    },
    http::{
        endpoints::{Endpoint, resource},
        error::ApiError,
        extract::users::authorize,
        openapi::responses::{Unauthorized, Unavailable},
    },
};

pub(super) fn endpoint<U: AuthUser>() -> Endpoint<U> {
    #[derive(OpenApi)]
    #[openapi(paths(read_userinfo_operation))]
    struct UserinfoApi;
    Endpoint {
        path: "/userinfo",
        is_enabled: Auth::has_profile,
        resource: |auth, path| auth.userinfo_endpoint(path),
        openapi: |auth| auth.accept_cookie(with_post(UserinfoApi::openapi())),
    }
}

/// Adds a POST operation, which responds like GET.
fn with_post(mut document: openapi::OpenApi) -> openapi::OpenApi {
    for item in document.paths.paths.values_mut() {
        item.post = item.get.clone();
        if let Some(post) = &mut item.post {
            post.operation_id = Some("read_userinfo_by_post".into());
            post.summary = Some("Read the profile of the current user with POST".into());
        }
    }
    document
}

impl<U: AuthUser> Auth<U> {
    /// Returns the UserInfo endpoint
    /// ([OpenID Connect Core section 5.3](https://openid.net/specs/openid-connect-core-1_0.html#UserInfo)) at `path`.
    /// The endpoint returns the [profile](crate::auth::AuthBuilder::profile) of users whose token has the scope
    /// `openid`.
    pub fn userinfo_endpoint(&self, path: &str) -> Resource {
        let auth = self.clone();
        let respond = move |request: HttpRequest| {
            let auth = auth.clone();
            async move { auth.no_store(userinfo(&auth, &request).await) }
        };
        let route = resource::route(&[Method::GET, Method::HEAD, Method::POST]).to(respond);
        resource::at(path, "GET, HEAD, POST", self.error_format()).route(route)
    }
}

async fn userinfo<U: AuthUser>(auth: &Auth<U>, request: &HttpRequest) -> Result<HttpResponse, ApiError> {
    let check = |authentication| authorize(authentication, &[Scope::OPENID]);
    let user = auth.check_request(request, check).await?;
    let UserProfile { preferred_username, email, name } = auth.profile(&user);
    let sub = user.claims().subject.as_str();
    Ok(HttpResponse::Ok().json(UserinfoResponse { sub, preferred_username, email, name }))
}

/// The claims about a user
/// ([OpenID Connect Core section 5.1](https://openid.net/specs/openid-connect-core-1_0.html#StandardClaims)).
#[derive(Serialize, ToSchema)]
#[schema(description = "The claims about a user (OpenID Connect Core section 5.1).")]
struct UserinfoResponse<'a> {
    /// The identifier of the user.
    #[schema(example = "018bcfe5-6800-7000-8707-070707070707")]
    sub: &'a str,
    /// The username.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "johndoe")]
    preferred_username: Option<String>,
    /// The email address.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "johndoe@example.com")]
    email: Option<String>,
    /// The full name.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "John Doe")]
    name: Option<String>,
}

/// Read the profile of the current user
///
/// Returns the claims about the user that the token belongs to (the UserInfo endpoint of OpenID Connect). The token
/// must have the scope `openid`, which every user may request.
#[utoipa::path(
    get,
    path = "/userinfo",
    tag = "OpenID Connect",
    operation_id = "read_userinfo",
    security(("OAuth2PasswordBearer" = ["openid"])),
    responses(
        (status = 200, description = "The claims about the user", body = UserinfoResponse,
            headers(("Cache-Control" = String, description = "no-store"))),
        Unauthorized,
        Unavailable,
    ),
)]
#[expect(dead_code, reason = "carries the documentation of the generic handler")]
fn read_userinfo_operation() {}
