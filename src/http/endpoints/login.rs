//! `POST /login` and `POST /logout`: sign a browser in and out with a session cookie.

use actix_web::{
    HttpRequest, HttpResponse, Resource,
    dev::Payload,
    http::header::{self, HeaderMap, HeaderValue},
};
use utoipa::{OpenApi, ToSchema};

use crate::{
    auth::{Auth, AuthError, CookieTransport, SignIn},
    domain::{secret::Password, user::AuthUser},
    http::{
        endpoints::Endpoint,
        error::{ApiError, ErrorBody, OAuth2ErrorBody},
        extract::{
            client_info::client_info,
            cookie::{check_origin, cookie_of},
            device_cookie,
            field_reader::FieldReader,
        },
        openapi::responses::{InvalidBody, Unavailable},
        validation::FieldError,
    },
};

/// The maximum length of the path that a response redirects to, in bytes.
const MAX_NEXT_BYTES: usize = 2048;

pub(super) fn endpoint<U: AuthUser>() -> Endpoint<U> {
    #[derive(OpenApi)]
    #[openapi(paths(login_operation))]
    struct LoginApi;
    Endpoint {
        path: "/login",
        is_enabled: Auth::has_cookies,
        resource: |auth, path| auth.login_endpoint(path),
        openapi: |_| LoginApi::openapi(),
    }
}

pub(super) fn logout_endpoint<U: AuthUser>() -> Endpoint<U> {
    #[derive(OpenApi)]
    #[openapi(paths(logout_operation))]
    struct LogoutApi;
    Endpoint {
        path: "/logout",
        is_enabled: Auth::has_cookies,
        resource: |auth, path| auth.logout_endpoint(path),
        openapi: |_| LogoutApi::openapi(),
    }
}

impl<U: AuthUser> Auth<U> {
    /// Returns an endpoint at `path` that signs a browser in with a [session cookie](CookieTransport). The form has the
    /// fields `username` and `password`, and optionally `next`, a path of this origin.
    ///
    /// Requests that accept `text/html`, such as those of HTML forms, are redirected to `next` or `/`. Other requests
    /// get 204. In the program `gatepass`, `next` defaults to the account page, and HTML forms get error pages. The
    /// errors are those of the token endpoint. A request that does not come from a page of the same origin or an
    /// allowed one gets 403.
    pub fn login_endpoint(&self, path: &str) -> Resource {
        self.post(path, login)
    }

    /// Returns an endpoint at `path` that ends the session of the [session cookie](CookieTransport) and deletes the
    /// cookie. The response and the optional field `next` are the same as for [`login_endpoint`](Self::login_endpoint).
    pub fn logout_endpoint(&self, path: &str) -> Resource {
        self.post(path, logout)
    }

    pub(crate) fn transport(&self) -> Result<&CookieTransport, ApiError> {
        self.cookies().ok_or_else(|| AuthError::NotConfigured("session cookies").into())
    }
}

async fn login<U: AuthUser>(
    auth: &Auth<U>,
    request: &HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, ApiError> {
    let cookies = auth.transport()?;
    // Without this check, a page of another origin could sign its visitor in as the attacker.
    check_origin(cookies, request)?;
    let mut reader = FieldReader::read(request, payload, auth.error_format()).await?;
    let username = reader.required("username");
    let password = Password::from(reader.required("password"));
    let next = next(&mut reader, is_own_path);
    reader.finish()?;
    let mut response = respond(request, next.as_deref());
    sign_in(auth, request, &username, &password, &mut response).await?;
    Ok(response)
}

/// Signs a browser in and adds the cookies to the response. The caller must have checked the rate limit and the origin
/// of the request.
pub(crate) async fn sign_in<U: AuthUser>(
    auth: &Auth<U>,
    request: &HttpRequest,
    username: &str,
    password: &Password,
    response: &mut HttpResponse,
) -> Result<(), ApiError> {
    let cookies = auth.transport()?;
    let client_info = client_info(request);
    let sign_in =
        SignIn { username, password, scopes: &[], audiences: &[], client: None, client_info: &client_info };
    let started = auth.sign_in_with_cookie(sign_in, cookie_of(cookies, request)).await?;
    device_cookie::add(response, request, started.device_cookie.as_ref());
    set_cookie(response, cookies, Some(&started.credentials.0))
}

async fn logout<U: AuthUser>(
    auth: &Auth<U>,
    request: &HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, ApiError> {
    let cookies = auth.transport()?;
    check_origin(cookies, request)?;
    let mut reader = FieldReader::read(request, payload, auth.error_format()).await?;
    let next = next(&mut reader, is_own_path);
    reader.finish()?;
    let mut response = respond(request, next.as_deref());
    sign_out(auth, request, &mut response).await?;
    Ok(response)
}

/// Ends the session of a browser, and adds the header that deletes the cookie to the response. The caller must have
/// checked the rate limit and the origin of the request.
pub(crate) async fn sign_out<U: AuthUser>(
    auth: &Auth<U>,
    request: &HttpRequest,
    response: &mut HttpResponse,
) -> Result<(), ApiError> {
    let cookies = auth.transport()?;
    if let Some(cookie) = cookie_of(cookies, request) {
        auth.end_cookie_session(cookie, &client_info(request)).await?;
    }
    set_cookie(response, cookies, None)
}

/// Reads the redirect URL from the field `next`. Records an error if this URL is not allowed.
pub(crate) fn next(reader: &mut FieldReader, is_allowed: fn(&str) -> bool) -> Option<String> {
    let next = reader.optional("next")?;
    if is_allowed(&next) {
        return Some(next);
    }
    reader.add_error(FieldError::invalid("next", "expected a path on this service, such as /items"));
    None
}

/// Returns whether a URL is a path of the same origin. Browsers treat `\` like `/`, skip some control characters, and
/// parse the text after two leading slashes as a host.
pub(crate) fn is_own_path(url: &str) -> bool {
    url.len() <= MAX_NEXT_BYTES
        && url.starts_with('/')
        && !url.starts_with("//")
        && url.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\')
}

/// Returns whether a request accepts HTML. Browsers accept HTML when they load a page or submit a form; scripts and
/// programs usually do not.
pub(crate) fn accepts_html(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
    accept.is_some_and(|accept| accept.contains("text/html"))
}

/// Responds to HTML forms with a redirect, and to scripts with 204.
fn respond(request: &HttpRequest, next: Option<&str>) -> HttpResponse {
    if accepts_html(request.headers()) {
        HttpResponse::SeeOther().insert_header((header::LOCATION, next.unwrap_or("/"))).finish()
    } else {
        HttpResponse::NoContent().finish()
    }
}

fn set_cookie(
    response: &mut HttpResponse,
    cookies: &CookieTransport,
    value: Option<&str>,
) -> Result<(), ApiError> {
    let header = HeaderValue::try_from(cookies.set_cookie(value)).map_err(|_| ApiError::Internal)?;
    response.headers_mut().append(header::SET_COOKIE, header);
    Ok(())
}

/// A request to sign in with a session cookie.
#[derive(ToSchema)]
#[schema(as = LoginForm)]
#[expect(dead_code, reason = "only its schema is used")]
struct LoginFormSchema {
    /// The username.
    #[schema(min_length = 1, example = "johndoe")]
    username: String,
    /// The password.
    #[schema(format = Password, min_length = 1, example = "secret")]
    password: String,
    /// The path that HTML forms are redirected to. The default is `/`, or the account page if the service has sign-in
    /// pages.
    #[schema(
        default = "",
        nullable = false,
        max_length = 2048,
        pattern = r"^(/([!-.0-\[\]-~][!-\[\]-~]*)?)?$",
        example = "/items"
    )]
    next: Option<String>,
}

/// A request to sign out and delete the session cookie.
#[derive(ToSchema)]
#[schema(as = LogoutForm)]
#[expect(dead_code, reason = "only its schema is used")]
struct LogoutFormSchema {
    /// The path that HTML forms are redirected to. The default is `/`, or the sign-in page if the service has one.
    #[schema(
        default = "",
        nullable = false,
        max_length = 2048,
        pattern = r"^(/([!-.0-\[\]-~][!-\[\]-~]*)?)?$",
        example = "/"
    )]
    next: Option<String>,
}

/// Sign a browser in
///
/// Takes a username and a password and sets the session cookie. The request must come from a page of the same origin or
/// an allowed one.
#[utoipa::path(
    post,
    path = "/login",
    tag = "Cookies",
    operation_id = "log_in",
    request_body(content = LoginFormSchema, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 204, description = "Signed in",
            headers(("Set-Cookie" = String,
                description = "The session cookie, and the same device cookie that `/token` sets"))),
        (status = 303, description = "Signed in, as a redirect for requests that accept `text/html`",
            headers(("Location" = String, description = "The path in `next`, or the default path"))),
        (status = 400, body = OAuth2ErrorBody,
            description = "`invalid_grant`: incorrect username or password, or an inactive user. `invalid_request`: a \
                field is missing, `next` is not a path, or the body is malformed. `invalid_scope`: the user has no \
                scopes. `unsupported_grant_type`: signing in with a password is turned off",
            example = json!({
                "detail": "Incorrect username or password",
                "error": "invalid_grant",
                "error_description": "Incorrect username or password",
            })),
        (status = 403, body = ErrorBody,
            description = "The request does not come from a page of the same origin or an allowed one",
            example = json!({ "detail": "Requests from this origin are not allowed" })),
        InvalidBody,
        (status = 429, body = OAuth2ErrorBody,
            description = "`temporarily_unavailable`: too many failed attempts for this account, or too many requests \
                from this address",
            headers(("Retry-After" = String, description = "The time to wait, in seconds"))),
        Unavailable,
    ),
)]
#[expect(dead_code, reason = "carries the documentation of the generic handler")]
fn login_operation() {}

/// Sign a browser out
///
/// Ends the session of the session cookie and deletes the cookie. The request must come from a page of the same origin
/// or an allowed one.
#[utoipa::path(
    post,
    path = "/logout",
    tag = "Cookies",
    operation_id = "log_out",
    request_body(content = LogoutFormSchema, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 204, description = "Signed out. A missing session is not an error",
            headers(("Set-Cookie" = String, description = "Deletes the session cookie"))),
        (status = 303, description = "Signed out, as a redirect for requests that accept `text/html`",
            headers(("Location" = String, description = "The path in `next`, or the default path"))),
        (status = 400, body = OAuth2ErrorBody,
            description = "`invalid_request`: `next` is not a path, or the body is malformed"),
        (status = 403, body = ErrorBody,
            description = "The request does not come from a page of the same origin or an allowed one",
            example = json!({ "detail": "Requests from this origin are not allowed" })),
        InvalidBody,
        (status = 429, body = OAuth2ErrorBody,
            description = "`temporarily_unavailable`: too many requests from this address",
            headers(("Retry-After" = String, description = "The time to wait, in seconds"))),
        Unavailable,
    ),
)]
#[expect(dead_code, reason = "carries the documentation of the generic handler")]
fn logout_operation() {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirect_url_is_accepted_only_if_it_is_a_path_of_the_same_origin() {
        for path in [
            "/",
            "/items?page=2#top",
            "/a//b",
            "/%2F%2Fevil.example",
            "/@evil.example",
            "/:80",
            "/.//evil.example",
        ] {
            assert!(is_own_path(path), "should be accepted: {path}");
        }
        let long = format!("/{}", "x".repeat(MAX_NEXT_BYTES));
        for url in [
            "",
            "items",
            "//evil.example",
            "///evil.example",
            "/\\evil.example",
            "\\\\evil.example",
            "/\t/evil.example",
            "/\n/evil.example",
            " //evil.example",
            "https://evil.example",
            "https:evil.example",
            "javascript:alert(1)",
            "/a b",
            "/\u{e9}",
            "/\r\nSet-Cookie: x=1",
            "/\0",
            &long,
        ] {
            assert!(!is_own_path(url), "should be rejected: {url:?}");
        }
    }
}
