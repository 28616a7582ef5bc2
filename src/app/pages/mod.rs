//! The pages of the secure profile: sign-in and account. The server renders them, and the session cookie authenticates
//! the user.
//!
//! Forms are sent with POST, and the response is a redirect, so that everything works without scripts. All URLs are
//! relative: the pages work behind a proxy that removes a prefix of the path.

mod account;
pub(crate) mod branding;
mod sign_in;
mod texts;

use std::{collections::HashMap, sync::Arc};

use actix_web::{
    Error, HttpRequest, HttpResponse, ResponseError, Route,
    body::BoxBody,
    error::InternalError,
    guard,
    http::{
        Method, StatusCode,
        header::{self, HeaderName, HeaderValue},
    },
    web,
};
use askama::Template;

pub(crate) use self::texts::Language;
use self::{
    branding::Brand,
    texts::{Languages, Texts},
};
use crate::{
    adapters::sql::{SqlAudit, User},
    app::{document::Me, failure::Failure, server::Routes},
    auth::{Auth, Authentication},
    domain::error_format::ErrorFormat,
    http::{
        endpoints::{
            asset::{Asset, AssetFolder, CSS, JAVASCRIPT},
            login::accepts_html,
            resource,
        },
        error::ApiError,
        extract::{
            client_info::client_info,
            cookie::cookie_of,
            users::{CurrentUser, RequiredScopes, authorize},
        },
        fallback::fallback,
    },
};

/// The security headers of the pages. Forms may be sent, and redirected, to the same origin only. With the referrer
/// policy `no-referrer`, browsers would send `Origin: null` with forms.
const SECURITY_HEADERS: [(HeaderName, HeaderValue); 3] = [
    (
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
             form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
        ),
    ),
    (header::REFERRER_POLICY, HeaderValue::from_static("same-origin")),
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
];

/// The pages, with the services and settings that they use.
pub(crate) struct Pages {
    pub(crate) auth: Auth<User>,
    pub(crate) audit: SqlAudit,
    pub(crate) brand: Brand,
    /// The public URL of the service, which error pages link to if the browser used another address.
    pub(crate) issuer: String,
    /// The language for all visitors; `None` for the language that each visitor's browser prefers.
    pub(crate) language: Option<Language>,
    /// `None` if users cannot sign in with a password.
    pub(crate) rules: Option<PasswordRules>,
}

/// The rules for new passwords, which the account page lists.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PasswordRules {
    pub(crate) minimum: usize,
    pub(crate) has_blocklist: bool,
}

impl Pages {
    /// Returns the routes of the pages. They must be registered before the API routes, because `/login` and `/logout`
    /// respond differently to the forms of the pages.
    ///
    /// # Errors
    /// If the texts of a language are invalid.
    pub(crate) fn routes(self) -> Result<Routes, Failure> {
        let mut files = self.brand.files();
        let styles =
            concat!(include_str!("../../../static/base.css"), include_str!("../../../static/pages.css"));
        files.push(("pages.css", Asset::new(CSS, styles)));
        files.push(("pages.js", Asset::new(JAVASCRIPT, include_str!("../../../static/pages.js"))));
        let files = AssetFolder::new("account/static", files);
        let has_cookies = self.auth.has_cookies();
        let site = web::Data::new(Site { files: files.url(), languages: Languages::read()?, pages: self });
        let files = files.routes();
        Ok(Arc::new(move |config: &mut web::ServiceConfig| {
            config.app_data(site.clone()).configure(files.clone()).default_service(web::to(not_found));
            if !has_cookies {
                config.service(page("/", "GET, HEAD").route(resource::get_route().to(documentation)));
                return;
            }
            config
                .service(page("/", "GET, HEAD").route(get(home)))
                .service(
                    page("/login", "GET, HEAD, POST")
                        .guard(guard::fn_guard(is_for_page))
                        .route(get(sign_in::show))
                        .route(post(sign_in::sign_in)),
                )
                .service(
                    page("/logout", "GET, HEAD, POST")
                        .guard(guard::fn_guard(is_for_page))
                        .route(get(account::back))
                        .route(post(sign_in::sign_out)),
                )
                .service(page("/account", "GET, HEAD").route(get(account::show)))
                .service(page("/account/user", "GET, HEAD").route(get(account::user)))
                .service(
                    page("/account/password", "GET, HEAD, POST")
                        .route(get(account::back))
                        .route(post(account::change_password)),
                )
                .service(
                    page("/account/end-session", "GET, HEAD, POST")
                        .route(get(account::confirm_end))
                        .route(post(account::end)),
                )
                .service(
                    page("/account/end-sessions", "GET, HEAD, POST")
                        .route(get(account::confirm_end_all))
                        .route(post(account::end_all)),
                );
        }))
    }
}

fn page(path: &str, allow: &'static str) -> actix_web::Resource {
    resource::at(path, allow, &ErrorFormat::OAuth2)
}

/// The result of a handler.
type PageResult = Result<HttpResponse, ApiError>;

/// Returns a route for GET and HEAD.
fn get<R: Future<Output = PageResult> + 'static>(handler: fn(web::Data<Site>, HttpRequest) -> R) -> Route {
    resource::get_route().to(move |site: web::Data<Site>, request: HttpRequest| {
        respond(site.clone(), request.clone(), handler(site, request))
    })
}

/// Returns a route for the POST request of a form.
fn post<R: Future<Output = PageResult> + 'static>(
    handler: fn(web::Data<Site>, HttpRequest, web::Payload) -> R,
) -> Route {
    resource::route(&[Method::POST]).to(
        move |site: web::Data<Site>, request: HttpRequest, payload: web::Payload| {
            respond(site.clone(), request.clone(), handler(site, request, payload))
        },
    )
}

/// Responds with the result of a handler. An error becomes a redirect to the sign-in page or an error page.
async fn respond(
    site: web::Data<Site>,
    request: HttpRequest,
    result: impl Future<Output = PageResult>,
) -> HttpResponse {
    result.await.unwrap_or_else(|error| site.refuse(&request, error))
}

/// Returns whether a request is for the page, not for the API endpoint at the same path: API clients do not accept
/// HTML.
fn is_for_page(context: &guard::GuardContext<'_>) -> bool {
    accepts_html(context.head().headers())
}

/// The state that all handlers share.
struct Site {
    pages: Pages,
    /// The relative URL of the scripts and styles.
    files: String,
    languages: Languages,
}

/// The values that the templates of all pages use.
struct Page<'a> {
    language: Language,
    brand: &'a Brand,
    /// The relative URL of `/`.
    root: String,
    /// The relative URL of the scripts and styles.
    files: String,
    has_error: bool,
}

/// The query parameters of all pages. Other parameters and invalid page numbers are ignored: `next` may be the
/// unencoded URL of another page with parameters of its own.
struct Query {
    /// The page number in the list of sessions, from 1.
    page: Option<usize>,
    /// The session to end.
    session: Option<String>,
    /// The URL to redirect to after sign-in.
    next: Option<String>,
    /// The code of the notice to show.
    done: Option<String>,
}

impl Query {
    fn of(request: &HttpRequest) -> Self {
        let parameters = web::Query::<HashMap<String, String>>::from_query(request.query_string());
        let mut parameters = parameters.map(web::Query::into_inner).unwrap_or_default();
        Self {
            page: parameters.remove("page").and_then(|page| page.parse().ok()),
            session: parameters.remove("session"),
            next: parameters.remove("next"),
            done: parameters.remove("done"),
        }
    }
}

impl Site {
    fn auth(&self) -> &Auth<User> {
        &self.pages.auth
    }

    fn language(&self, request: &HttpRequest) -> Language {
        self.pages.language.unwrap_or_else(|| Language::of(request))
    }

    fn texts(&self, request: &HttpRequest) -> &Texts {
        self.languages.get(self.language(request))
    }

    fn page(&self, request: &HttpRequest, has_error: bool) -> Page<'_> {
        let root = root(request);
        let files = format!("{root}{}", self.files);
        Page { language: self.language(request), brand: &self.pages.brand, root, files, has_error }
    }

    /// Returns the session cookie. An `Authorization` header is ignored: it may contain HTTP Basic credentials for a
    /// proxy.
    fn cookie<'a>(&self, request: &'a HttpRequest) -> Option<&'a str> {
        cookie_of(self.auth().cookies()?, request)
    }

    async fn authenticate(&self, request: &HttpRequest) -> Result<Option<Authentication<User>>, ApiError> {
        let Some(cookie) = self.cookie(request) else { return Ok(None) };
        Ok(Some(self.auth().authenticate_cookie(cookie, &client_info(request)).await?))
    }

    /// Returns the user that the session cookie authenticates.
    async fn user(&self, request: &HttpRequest) -> Result<CurrentUser<User>, ApiError> {
        let authentication = self.authenticate(request).await?;
        authorize(authentication.clone(), Me::SCOPES).inspect_err(|error| {
            if matches!(error, ApiError::InsufficientScope { .. }) {
                self.auth().report_refusal(request, authentication.as_ref(), error);
            }
        })
    }

    /// Returns whether a user is signed in, even if the user lacks the scope of the account page.
    async fn is_signed_in(&self, request: &HttpRequest) -> Result<bool, ApiError> {
        Ok(authorize(self.authenticate(request).await?, &[]).is_ok())
    }

    /// Responds to a request that failed: redirects to the sign-in page if the user is not signed in, and otherwise
    /// shows an error page.
    fn refuse(&self, request: &HttpRequest, error: ApiError) -> HttpResponse {
        match error {
            ApiError::NotAuthenticated | ApiError::InvalidToken | ApiError::InactiveUser => {
                let expired = if self.cookie(request).is_some() { "done=expired&" } else { "" };
                let next = match Query::of(request).page {
                    // After sign-in, the user returns to the same page of the session list, but never to the URL of a
                    // form.
                    Some(number) if request.path() == "/account" => format!("account?page={number}"),
                    _ => "account".to_owned(),
                };
                let next = percent_encoding::utf8_percent_encode(&next, percent_encoding::NON_ALPHANUMERIC);
                redirect(&format!("{}login?{expired}next={next}", root(request)))
            }
            error => self.error_page(request, error),
        }
    }

    /// Returns an error page.
    fn error_page(&self, request: &HttpRequest, error: ApiError) -> HttpResponse {
        let t = self.texts(request);
        let is_signed_in = matches!(error, ApiError::InsufficientScope { .. });
        let (title, text) = match &error {
            ApiError::NotFound => (t.not_found.title.as_str(), t.not_found.text.as_str()),
            ApiError::InsufficientScope { .. } => (t.forbidden.title.as_str(), t.forbidden.text.as_str()),
            error => (t.unavailable.title.as_str(), general_text(t, error)),
        };
        let link = match self.own_address(&error) {
            Some(address) => Some((address.to_owned(), address)),
            // No link to the account page if the user has no access to it, or if it does not exist.
            None if is_signed_in || !self.auth().has_cookies() => None,
            None => Some((format!("{}account", root(request)), t.common.account.as_str())),
        };
        let response = self.auth().error_response(error).error_response();
        let page = self.page(request, false);
        let wait = wait(&response);
        self.render(request, response, &ErrorPage { t, page, title, text, is_signed_in, wait, link })
    }

    /// Returns the URL of the service if the error means that the browser used a different URL.
    fn own_address(&self, error: &ApiError) -> Option<&str> {
        let is_address =
            matches!(error, ApiError::OriginNotAllowed | ApiError::OriginMissing | ApiError::HostNotAllowed);
        is_address.then_some(&*self.pages.issuer)
    }

    /// Replaces the body of a response with a page.
    fn render(&self, request: &HttpRequest, response: HttpResponse, page: &impl Template) -> HttpResponse {
        let html = match page.render() {
            Ok(html) => html,
            Err(error) => {
                log::error!("cannot render a page: {error}");
                return self.auth().error_response(ApiError::Internal).error_response();
            }
        };
        let mut response = response.map_body(|_, _| BoxBody::new(html));
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
        let language = HeaderValue::from_static(self.language(request).tag());
        headers.insert(header::CONTENT_LANGUAGE, language);
        if self.pages.language.is_none() {
            headers.insert(header::VARY, HeaderValue::from_static("Accept-Language"));
        }
        for (name, value) in SECURITY_HEADERS {
            headers.insert(name, value);
        }
        response
    }
}

/// Returns the response to a request that is refused before it reaches a handler. Browsers get an error page if the
/// service has pages.
pub(super) fn refusal(request: &HttpRequest, error: ApiError) -> Error {
    match request.app_data::<web::Data<Site>>() {
        Some(site) if accepts_html(request.headers()) => {
            InternalError::from_response(error.clone(), site.error_page(request, error)).into()
        }
        _ => error.into(),
    }
}

/// Returns the relative URL of `/`. It depends only on the depth of the path, so it is correct behind a proxy that
/// removes a prefix.
fn root(request: &HttpRequest) -> String {
    "../".repeat(request.uri().path().matches('/').count().saturating_sub(1))
}

/// Redirects a browser, which then sends a GET request.
fn redirect(location: &str) -> HttpResponse {
    let mut response = HttpResponse::SeeOther();
    response.insert_header((header::LOCATION, location)).insert_header((header::CACHE_CONTROL, "no-store"));
    response.finish()
}

/// Returns the time until the next allowed attempt, in seconds.
fn wait(response: &HttpResponse) -> Option<u64> {
    // Other responses have the header too, but only as a recommendation.
    let is_limit = response.status() == StatusCode::TOO_MANY_REQUESTS;
    let header = response.headers().get(header::RETRY_AFTER).filter(|_| is_limit)?;
    header.to_str().ok()?.parse().ok()
}

/// Returns the text of an error that is not about a field.
fn general_text<'a>(t: &'a Texts, error: &ApiError) -> &'a str {
    match error {
        ApiError::InvalidCredentials => &t.errors.credentials,
        ApiError::InactiveAccount => &t.errors.disabled,
        ApiError::ScopeNotGranted => &t.errors.no_scope,
        ApiError::UnsupportedGrant => &t.errors.sign_in_off,
        ApiError::TooManyAttempts { .. } => &t.errors.too_many,
        ApiError::OriginNotAllowed | ApiError::OriginMissing | ApiError::HostNotAllowed => &t.errors.origin,
        ApiError::HeadTooLarge { .. } => &t.errors.head_too_large,
        ApiError::Backend { error } if error.is_temporary() => &t.errors.busy,
        ApiError::Overloaded => &t.errors.busy,
        ApiError::Backend { .. } | ApiError::Internal => &t.errors.internal,
        _ => &t.errors.form,
    }
}

#[derive(Template)]
#[template(path = "error.html")]
struct ErrorPage<'a> {
    t: &'a Texts,
    page: Page<'a>,
    title: &'a str,
    text: &'a str,
    is_signed_in: bool,
    wait: Option<u64>,
    /// The URL and the text of the link.
    link: Option<(String, &'a str)>,
}

/// `GET /`: redirects to the account or to the sign-in page.
async fn home(site: web::Data<Site>, request: HttpRequest) -> PageResult {
    let is_signed_in = site.is_signed_in(&request).await?;
    Ok(redirect(if is_signed_in { "account" } else { "login" }))
}

/// `GET /` without session cookies, and so without a sign-in page: redirects to the documentation.
async fn documentation() -> HttpResponse {
    redirect("docs")
}

/// Responds to unknown paths. Browsers that open such a path get an error page; other clients get the response of
/// [`fallback`].
async fn not_found(site: web::Data<Site>, request: HttpRequest) -> Result<HttpResponse, ApiError> {
    let is_navigation =
        [Method::GET, Method::HEAD].contains(request.method()) && accepts_html(request.headers());
    match fallback(request.clone()).await {
        Err(error @ ApiError::NotFound) if is_navigation => Ok(site.error_page(&request, error)),
        result => result,
    }
}
