//! The extractors for the current user.

use std::{
    any::type_name,
    future::{Ready, ready},
    marker::PhantomData,
    ops::Deref,
    sync::Arc,
};

use actix_web::{FromRequest, HttpMessage, HttpRequest, dev::Payload};
use futures_util::future::{FutureExt, LocalBoxFuture};

use crate::{
    auth::{Auth, AuthenticatedUser, Authentication},
    domain::{
        claims::Claims,
        error_format::ErrorFormat,
        event::{Event, EventKind},
        scope::GrantedScopes,
        user::AuthUser,
    },
    http::{
        error::{ApiError, ErrorResponse},
        extract::{bearer::BearerToken, client_info::client_info, cookie},
    },
};

/// The scopes that a handler requires, as a type parameter of its extractor.
///
/// ```
/// # use gatepass::{AuthUser, GrantedScopes, Subject};
/// # #[derive(Clone)] struct Member { id: i64, email: String }
/// # impl AuthUser for Member {
/// #     fn subject(&self) -> Subject { self.id.into() }
/// #     fn is_active(&self) -> bool { true }
/// #     fn allowed_scopes(&self) -> GrantedScopes { GrantedScopes::All }
/// # }
/// use gatepass::{ActiveUser, RequiredScopes};
///
/// struct ReadItems;
///
/// impl RequiredScopes for ReadItems {
///     const SCOPES: &'static [&'static str] = &["items:read"];
/// }
///
/// async fn items(me: ActiveUser<Member, ReadItems>) -> String {
///     format!("the items of {}", me.email)
/// }
/// ```
pub trait RequiredScopes: 'static {
    /// The scopes, all of which are required.
    const SCOPES: &'static [&'static str];
}

/// Defines types that implement [`RequiredScopes`].
///
/// ```
/// gatepass::required_scopes! {
///     pub struct ReadItems = ["items:read"];
///     pub struct ChangeItems = ["items:read", "items:write"];
/// }
/// # use gatepass::RequiredScopes;
/// assert_eq!(ChangeItems::SCOPES, ["items:read", "items:write"]);
/// ```
#[macro_export]
macro_rules! required_scopes {
    ($($(#[$attribute:meta])* $visibility:vis struct $name:ident = [$($scope:literal),+ $(,)?];)+) => {$(
        $(#[$attribute])*
        $visibility struct $name;

        impl $crate::RequiredScopes for $name {
            const SCOPES: &'static [&'static str] = &[$($scope),+];
        }
    )+};
}

/// The empty list of required scopes.
#[derive(Clone, Copy, Debug)]
pub struct NoScope;

impl RequiredScopes for NoScope {
    const SCOPES: &'static [&'static str] = &[];
}

/// The user that a request's token or [session cookie](crate::web::CookieTransport) belongs to, active or not. If there
/// is no valid token or cookie, the response is 401.
///
/// Requires [`Auth::routes`] in the application, or [`Auth::bearer`] around the handler.
#[derive(Clone, Debug)]
pub struct CurrentUser<U>(Arc<AuthenticatedUser<U>>);

/// An active [`CurrentUser`]. The response is 401 for an inactive user (400 in FastAPI's format), and 403 for a token
/// without the scopes `R` ([`RequiredScopes`]).
///
/// Make this extractor the first argument of a handler, so that an unauthorized request is refused before its body is
/// read.
#[derive(Clone, Debug)]
pub struct ActiveUser<U, R = NoScope>(CurrentUser<U>, PhantomData<R>);

/// The current user, if any, for routes that do not require a user. For an invalid token, the response is 401, so that
/// clients notice that they are no longer signed in. An invalid [session cookie](crate::web::CookieTransport) is
/// ignored, so that public pages are still available after a session has ended.
#[derive(Clone, Debug)]
pub enum MaybeUser<U> {
    /// The request has no token and no valid session cookie.
    Anonymous,
    /// The user is active.
    Active(CurrentUser<U>),
    /// The user is not active.
    Inactive(CurrentUser<U>),
}

impl<U> MaybeUser<U> {
    /// Returns the user of the request if the user is active.
    pub fn active(&self) -> Option<&CurrentUser<U>> {
        match self {
            Self::Active(user) => Some(user),
            Self::Anonymous | Self::Inactive(_) => None,
        }
    }
}

impl<U> CurrentUser<U> {
    /// Returns the claims of the token.
    pub fn claims(&self) -> &Claims {
        &self.0.claims
    }

    /// Returns the scopes of the token, without those that the user is no longer allowed to have.
    pub fn granted_scopes(&self) -> &GrantedScopes {
        &self.0.granted_scopes
    }

    /// Returns the user.
    pub fn into_inner(self) -> U
    where
        U: Clone,
    {
        Arc::try_unwrap(self.0).map_or_else(|shared| shared.user.clone(), |inner| inner.user)
    }
}

impl<U> Deref for CurrentUser<U> {
    type Target = U;

    fn deref(&self) -> &U {
        &self.0.user
    }
}

impl<U, R> ActiveUser<U, R> {
    /// Returns the user.
    pub fn into_inner(self) -> U
    where
        U: Clone,
    {
        self.0.into_inner()
    }
}

impl<U, R> Deref for ActiveUser<U, R> {
    type Target = CurrentUser<U>;

    fn deref(&self) -> &CurrentUser<U> {
        &self.0
    }
}

/// The result of authenticating a request with an [`Auth`], stored in the extensions of the request. `None` means that
/// the request has no token and no valid session cookie.
struct RequestAuthentication<U: AuthUser> {
    auth: Auth<U>,
    result: Result<Option<Authentication<U>>, ApiError>,
}

impl<U: AuthUser> Auth<U> {
    /// Authenticates a request once, and stores the result in the request for later calls. The result of another `Auth`
    /// with the same user type is not reused.
    pub(crate) async fn authenticate_request(
        &self,
        request: &HttpRequest,
    ) -> Result<Option<Authentication<U>>, ApiError> {
        if let Some(stored) = request.extensions().get::<RequestAuthentication<U>>()
            && stored.auth.is(self)
        {
            return stored.result.clone();
        }
        let result = self.authenticate_by_header(request).await;
        request.extensions_mut().insert(RequestAuthentication { auth: self.clone(), result: result.clone() });
        result
    }

    /// Authenticates a request and returns the result of `check`. Emits an event if `check` refuses the request.
    pub(crate) async fn check_request<T>(
        &self,
        request: &HttpRequest,
        check: impl FnOnce(Option<Authentication<U>>) -> Result<T, ApiError>,
    ) -> Result<T, ApiError> {
        let authentication = self.authenticate_request(request).await?;
        check(authentication.clone())
            .inspect_err(|error| self.report_refusal(request, authentication.as_ref(), error))
    }

    /// Authenticates a request by its bearer token or its session cookie.
    async fn authenticate_by_header(
        &self,
        request: &HttpRequest,
    ) -> Result<Option<Authentication<U>>, ApiError> {
        #[cfg(feature = "testing")]
        if let Some(TestUser(user)) = request.extensions().get() {
            return Ok(Some(Authentication::Valid(Arc::clone(user))));
        }
        if let Ok(BearerToken(token)) = BearerToken::extract(request).await {
            return Ok(Some(self.authenticate(&token).await?));
        }
        let Some((cookie, cookies)) = self.session_cookie(request).zip(self.cookies()) else {
            return Ok(None);
        };
        if !cookie::is_safe(request) {
            cookie::check_origin(cookies, request)?;
        }
        Ok(match self.authenticate_cookie(cookie, &client_info(request)).await? {
            // An invalid cookie is not an error: browsers send it to public pages too, which must not fail.
            Authentication::Invalid => None,
            authentication => Some(authentication),
        })
    }

    /// Emits the event for a request that is refused because its token is missing, is invalid or lacks a scope.
    pub(crate) fn report_refusal(
        &self,
        request: &HttpRequest,
        authentication: Option<&Authentication<U>>,
        error: &ApiError,
    ) {
        let kind = match error {
            ApiError::NotAuthenticated | ApiError::InvalidToken => EventKind::Unauthorized,
            ApiError::InsufficientScope { .. } => EventKind::Forbidden,
            _ => return,
        };
        let subject = match authentication {
            Some(Authentication::Valid(user)) => Some(user.user.subject()),
            _ => None,
        };
        let client_info = client_info(request);
        self.emit(&Event { subject: subject.as_ref(), ..Event::new(kind, &client_info, self.now()) });
    }
}

/// The user of a test request, stored in its extensions. Clients cannot set extensions.
#[cfg(feature = "testing")]
pub(crate) struct TestUser<U>(pub(crate) Arc<AuthenticatedUser<U>>);

/// Returns the `Auth` of the middleware around the handler, or that of the application if no such middleware is used.
fn auth_of<U: AuthUser>(request: &HttpRequest) -> Result<Auth<U>, ApiError> {
    let middleware = request.extensions().get::<RequestAuthentication<U>>().map(|stored| stored.auth.clone());
    middleware.or_else(|| request.app_data::<Auth<U>>().cloned()).ok_or_else(|| {
        log::error!(
            "a handler extracts {user}, but the application has no Auth<{user}>: call \
             .configure(auth.routes()), or wrap the handler in auth.bearer()",
            user = type_name::<U>()
        );
        ApiError::Internal
    })
}

/// Checks that a user is active and that the token has `scopes`.
pub(crate) fn authorize<U: AuthUser>(
    authentication: Option<Authentication<U>>,
    scopes: &[&str],
) -> Result<CurrentUser<U>, ApiError> {
    match authentication {
        None => Err(ApiError::NotAuthenticated),
        Some(Authentication::Invalid | Authentication::Client(_)) => Err(ApiError::InvalidToken),
        Some(Authentication::Inactive) => Err(ApiError::InactiveUser),
        Some(Authentication::Valid(user)) if !user.user.is_active() => Err(ApiError::InactiveUser),
        Some(Authentication::Valid(user)) if !user.granted_scopes.covers(scopes.iter().copied()) => {
            Err(ApiError::InsufficientScope { scope: scopes.join(" ") })
        }
        Some(Authentication::Valid(user)) => Ok(CurrentUser(user)),
    }
}

/// Runs [`Auth::check_request`] as the future of an extractor.
pub(super) fn extract<U: AuthUser, T: 'static>(
    request: &HttpRequest,
    check: impl FnOnce(Option<Authentication<U>>) -> Result<T, ApiError> + 'static,
) -> LocalBoxFuture<'static, Result<T, ErrorResponse>> {
    let request = request.clone();
    async move {
        let auth = auth_of::<U>(&request).map_err(|error| error.in_format(&ErrorFormat::default()))?;
        auth.check_request(&request, check).await.map_err(|error| auth.error_response(error))
    }
    .boxed_local()
}

/// Extracts the `Auth` of the middleware around the handler, or that of [`Auth::routes`]. If there is neither, the
/// response is 500.
impl<U: AuthUser> FromRequest for Auth<U> {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(auth_of(request))
    }
}

impl<U: AuthUser> FromRequest for MaybeUser<U> {
    type Error = ErrorResponse;
    type Future = LocalBoxFuture<'static, Result<Self, ErrorResponse>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        extract(request, |authentication: Option<Authentication<U>>| match authentication {
            None => Ok(Self::Anonymous),
            Some(Authentication::Valid(user)) if user.user.is_active() => Ok(Self::Active(CurrentUser(user))),
            Some(Authentication::Valid(user)) => Ok(Self::Inactive(CurrentUser(user))),
            Some(Authentication::Client(_) | Authentication::Inactive | Authentication::Invalid) => {
                Err(ApiError::InvalidToken)
            }
        })
    }
}

impl<U: AuthUser> FromRequest for CurrentUser<U> {
    type Error = ErrorResponse;
    type Future = LocalBoxFuture<'static, Result<Self, ErrorResponse>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        extract(request, |authentication: Option<Authentication<U>>| match authentication {
            None => Err(ApiError::NotAuthenticated),
            Some(Authentication::Valid(user)) => Ok(Self(user)),
            Some(Authentication::Client(_) | Authentication::Inactive | Authentication::Invalid) => {
                Err(ApiError::InvalidToken)
            }
        })
    }
}

impl<U: AuthUser, R: RequiredScopes> FromRequest for ActiveUser<U, R> {
    type Error = ErrorResponse;
    type Future = LocalBoxFuture<'static, Result<Self, ErrorResponse>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        extract(request, |authentication| Ok(Self(authorize(authentication, R::SCOPES)?, PhantomData)))
    }
}
