//! Error responses: status, headers and body. Only this module assigns status codes to errors.

use std::{borrow::Cow, time::Duration};

use actix_web::{
    HttpResponse, ResponseError,
    http::{
        StatusCode,
        header::{self, HeaderValue},
    },
};
use log::Level;
use serde::Serialize;
use thiserror::Error;
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{Ref, RefOr, Schema, schema::AnyOfBuilder},
};

use crate::{
    auth::AuthError,
    domain::{
        backend_error::BackendError,
        error_format::{ErrorFormat, ErrorSummary},
    },
    http::{error_log, validation::FieldError},
};

/// The reason why a request failed. If a handler returns this error, the response is in FastAPI's format,
/// `{"detail": …}`. [`Auth::error_response`](crate::Auth::error_response) converts the error to the [`ErrorFormat`] of
/// an [`Auth`](crate::Auth).
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum ApiError {
    /// 401: the request has no token.
    #[error("Not authenticated")]
    NotAuthenticated,
    /// 401: the token is not valid.
    #[error("Could not validate credentials")]
    InvalidToken,
    /// 403: the token lacks required scopes.
    #[error("Not enough permissions")]
    InsufficientScope {
        /// The required scopes, separated by spaces.
        scope: String,
    },
    /// 401, or 400 in FastAPI's format: the user of the token is not active.
    #[error("Inactive user")]
    InactiveUser,
    /// 400: the username is unknown or the password is wrong.
    #[error("Incorrect username or password")]
    InvalidCredentials,
    /// 400: the password is correct, but the user is not active.
    #[error("Inactive user")]
    InactiveAccount,
    /// 400: the user has none of the requested scopes.
    #[error("None of the requested scopes can be granted")]
    ScopeNotGranted,
    /// 400: the request includes scopes that were not granted at sign-in.
    #[error("The request includes scopes that were not granted at sign-in")]
    ScopeExceeded,
    /// 400: a requested audience is unknown or not allowed.
    #[error("A requested audience is unknown or not allowed")]
    InvalidTarget,
    /// 400: the refresh token is not valid, or belongs to another client.
    #[error("Invalid refresh token")]
    InvalidRefreshToken,
    /// 400: the token was issued to another client.
    #[error("The token was issued to another client")]
    IssuedToAnotherClient,
    /// 429: too many attempts failed, or too many requests came from one address.
    #[error("Too many attempts, try again later")]
    TooManyAttempts {
        /// The time to wait before the next attempt. The response rounds it up to whole seconds.
        retry_after: Duration,
    },
    /// 400: the current password is wrong.
    #[error("Incorrect password")]
    IncorrectPassword,
    /// 401: client authentication failed.
    #[error("Incorrect client credentials")]
    InvalidClient {
        /// True if the client used HTTP Basic.
        by_basic: bool,
    },
    /// 400: the client may not use the grant.
    #[error("The client is not allowed to use this grant type")]
    UnauthorizedClient,
    /// 400: the password grant is turned off, or no password hasher is set.
    #[error("Signing in with a password is turned off")]
    UnsupportedGrant,
    /// 400, or 422 in FastAPI's format: fields are missing or invalid.
    #[error("Invalid form")]
    InvalidForm(Vec<FieldError>),
    /// 400: the body is malformed or not a form, or the query is invalid.
    #[error("{0}")]
    MalformedBody(&'static str),
    /// 400: the request is ambiguous, for example because it contains two sets of client credentials.
    #[error("{0}")]
    InvalidRequest(&'static str),
    /// 400: the body ends too early or violates HTTP.
    #[error("There was an error parsing the body")]
    UnreadableBody,
    /// 408: the body was not received in time.
    #[error("Timed out reading the request body")]
    BodyTimeout,
    /// 413: the body is too large.
    #[error("The request body is larger than {limit} bytes")]
    BodyTooLarge {
        /// The limit in bytes.
        limit: usize,
    },
    /// 503: too many requests or bodies are in flight.
    #[error("Service Unavailable")]
    Overloaded,
    /// 431: the request target and headers are too large.
    #[error("The request head is larger than {limit} bytes")]
    HeadTooLarge {
        /// The limit in bytes.
        limit: usize,
    },
    /// 403: a page of another origin sent the request.
    #[error("Requests from this origin are not allowed")]
    OriginNotAllowed,
    /// 403: no header shows the origin of a request that contains or requests a session cookie.
    #[error(
        "The Origin header is missing: send it with the origin of this service, or use a token from /token"
    )]
    OriginMissing,
    /// 421: the request is for a host name that is not allowed.
    #[error("This host name is not allowed")]
    HostNotAllowed,
    /// 404: the path has no endpoint.
    #[error("Not Found")]
    NotFound,
    /// 405: the path does not support this method.
    #[error("Method Not Allowed")]
    MethodNotAllowed {
        /// The supported methods, for the `Allow` header.
        allow: &'static str,
    },
    /// 500, or 503 for a temporary failure: a store, hasher or token service failed. The cause is logged.
    #[error("{}", if error.is_temporary() { "Service Unavailable" } else { "Internal Server Error" })]
    Backend {
        /// The cause.
        error: BackendError,
    },
    /// 500: a bug in the service.
    #[error("Internal Server Error")]
    Internal,
    /// An application-specific error: see [`ApiError::new`].
    #[error("{detail}")]
    Application {
        /// The status of the response.
        status: StatusCode,
        /// A human-readable error message.
        detail: Cow<'static, str>,
    },
}

/// An [`ApiError`] in an [`ErrorFormat`].
#[derive(Debug, Error)]
#[error("{error}")]
pub struct ErrorResponse {
    /// The error.
    pub error: ApiError,
    /// The format of the response.
    pub format: ErrorFormat,
}

/// The body of an error response: `{"detail": "…"}`.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = HTTPError)]
pub struct ErrorBody {
    /// A human-readable error message.
    #[schema(example = "Not authenticated")]
    pub detail: String,
}

/// The body of a 422 response: `{"detail": [{…}]}`.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = HTTPValidationError)]
pub struct ValidationErrorBody<'a> {
    /// The list of validation errors.
    pub detail: &'a [FieldError],
}

/// The body of an error response in the format of OAuth 2.0 (RFC 6749), with a field `detail` as in all other errors.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OAuth2Error)]
pub struct OAuth2ErrorBody<'a> {
    /// A human-readable error message, or a list of validation errors.
    #[schema(value_type = Value, example = "Incorrect username or password")]
    pub detail: Detail<'a>,
    /// The error code ([RFC 6749 section 5.2](https://www.rfc-editor.org/rfc/rfc6749#section-5.2)).
    #[schema(example = "invalid_grant")]
    pub error: &'static str,
    /// A human-readable error message.
    #[schema(example = "Incorrect username or password")]
    pub error_description: String,
}

/// The body of a 400 response from an endpoint that requires both a form and a token: an OAuth 2.0 error if the form is
/// invalid, or an error with only `detail` if the current password is wrong.
pub(crate) struct FormOrUserErrorBody;

impl PartialSchema for FormOrUserErrorBody {
    fn schema() -> RefOr<Schema> {
        // `anyOf` instead of `oneOf`, because an OAuth 2.0 error also matches the schema `HTTPError`.
        let items = ["OAuth2Error", "HTTPError"].map(Ref::from_schema_name);
        items.into_iter().fold(AnyOfBuilder::new(), AnyOfBuilder::item).into()
    }
}

impl ToSchema for FormOrUserErrorBody {
    fn name() -> Cow<'static, str> {
        "FormOrUserError".into()
    }
}

/// The `detail` of an error response.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum Detail<'a> {
    /// An error message.
    Sentence(String),
    /// The list of validation errors.
    Fields(&'a [FieldError]),
}

impl ResponseError for ApiError {
    fn status_code(&self) -> StatusCode {
        self.status(&ErrorFormat::FastApi)
    }

    fn error_response(&self) -> HttpResponse {
        self.respond(&ErrorFormat::FastApi)
    }
}

impl ResponseError for ErrorResponse {
    fn status_code(&self) -> StatusCode {
        self.error.status(&self.format)
    }

    fn error_response(&self) -> HttpResponse {
        self.error.respond(&self.format)
    }
}

impl ApiError {
    /// Creates an application-specific error, in the same format as Gatepass's own errors.
    ///
    /// ```
    /// use actix_web::{ResponseError, http::StatusCode};
    /// use gatepass::error::ApiError;
    ///
    /// let taken = ApiError::new(StatusCode::CONFLICT, "This email address is taken");
    /// assert_eq!(taken.error_response().status(), 409); // {"detail":"This email address is taken"}
    /// ```
    pub fn new(status: StatusCode, detail: impl Into<Cow<'static, str>>) -> Self {
        Self::Application { status, detail: detail.into() }
    }

    /// Returns this error as a response in `format`.
    pub fn in_format(self, format: &ErrorFormat) -> ErrorResponse {
        ErrorResponse { error: self, format: format.clone() }
    }

    fn status(&self, format: &ErrorFormat) -> StatusCode {
        match self {
            Self::NotAuthenticated | Self::InvalidToken | Self::InvalidClient { .. } => {
                StatusCode::UNAUTHORIZED
            }
            Self::InsufficientScope { .. } | Self::OriginNotAllowed | Self::OriginMissing => {
                StatusCode::FORBIDDEN
            }
            Self::HostNotAllowed => StatusCode::MISDIRECTED_REQUEST,
            Self::InactiveUser if !format.is_fastapi() => StatusCode::UNAUTHORIZED,
            Self::InactiveUser
            | Self::InvalidCredentials
            | Self::InactiveAccount
            | Self::ScopeNotGranted
            | Self::ScopeExceeded
            | Self::InvalidTarget
            | Self::InvalidRefreshToken
            | Self::IssuedToAnotherClient
            | Self::IncorrectPassword
            | Self::UnauthorizedClient
            | Self::UnsupportedGrant
            | Self::MalformedBody(_)
            | Self::InvalidRequest(_)
            | Self::UnreadableBody => StatusCode::BAD_REQUEST,
            Self::TooManyAttempts { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::BodyTimeout => StatusCode::REQUEST_TIMEOUT,
            Self::InvalidForm(_) if format.is_fastapi() => StatusCode::UNPROCESSABLE_ENTITY,
            Self::InvalidForm(_) => StatusCode::BAD_REQUEST,
            Self::BodyTooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::HeadTooLarge { .. } => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed { .. } => StatusCode::METHOD_NOT_ALLOWED,
            Self::Backend { error } if error.is_temporary() => StatusCode::SERVICE_UNAVAILABLE,
            Self::Overloaded => StatusCode::SERVICE_UNAVAILABLE,
            Self::Backend { .. } | Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Application { status, .. } => *status,
        }
    }

    /// Returns the OAuth 2.0 error code, in most cases one of RFC 6749 section 5.2, or `None` for errors without a
    /// code.
    fn oauth2_code(&self) -> Option<&'static str> {
        match self {
            Self::InvalidCredentials
            | Self::InactiveAccount
            | Self::InvalidRefreshToken
            | Self::IssuedToAnotherClient => Some("invalid_grant"),
            Self::ScopeNotGranted | Self::ScopeExceeded => Some("invalid_scope"),
            // RFC 8707 section 2.
            Self::InvalidTarget => Some("invalid_target"),
            Self::InvalidClient { .. } => Some("invalid_client"),
            Self::UnauthorizedClient => Some("unauthorized_client"),
            Self::UnsupportedGrant => Some("unsupported_grant_type"),
            // RFC 6749 section 4.1.2.1 defines this code for temporary overload; section 5.2 defines none.
            Self::TooManyAttempts { .. } => Some("temporarily_unavailable"),
            Self::InvalidForm(errors) if errors.iter().any(FieldError::is_unsupported_grant_type) => {
                Some("unsupported_grant_type")
            }
            Self::InvalidForm(_)
            | Self::MalformedBody(_)
            | Self::InvalidRequest(_)
            | Self::UnreadableBody
            | Self::BodyTimeout
            | Self::BodyTooLarge { .. } => Some("invalid_request"),
            _ => None,
        }
    }

    /// Returns the error code of RFC 6750 section 3.1, which is part of the challenge.
    fn bearer_code(&self) -> Option<&'static str> {
        match self {
            Self::InvalidToken | Self::InactiveUser => Some("invalid_token"),
            Self::InsufficientScope { .. } => Some("insufficient_scope"),
            _ => None,
        }
    }

    /// Returns the challenge ([RFC 9110 section 11.6.1](https://www.rfc-editor.org/rfc/rfc9110#section-11.6.1)) that
    /// requests a token or client credentials, with its parameters separated by commas.
    fn challenge(&self, format: &ErrorFormat) -> Option<Cow<'static, str>> {
        Some(match self {
            // FastAPI's challenge lacks the parameters that RFC 6750 requires.
            Self::NotAuthenticated | Self::InvalidToken if format.is_fastapi() => "Bearer".into(),
            // If the request has no token, the challenge has no `error` parameter (RFC 6750 section 3.1).
            Self::NotAuthenticated => r#"Bearer realm="api""#.into(),
            Self::InactiveUser if format.is_fastapi() => return None,
            Self::InvalidToken | Self::InactiveUser => r#"Bearer realm="api", error="invalid_token""#.into(),
            Self::InsufficientScope { scope } => {
                format!(r#"Bearer realm="api", error="insufficient_scope", scope="{scope}""#).into()
            }
            Self::InvalidClient { by_basic: true } => r#"Basic realm="token", charset="UTF-8""#.into(),
            _ => return None,
        })
    }

    fn description(&self) -> String {
        match self {
            Self::InvalidForm(errors) => {
                errors.iter().map(FieldError::to_string).collect::<Vec<_>>().join("; ")
            }
            _ => self.to_string(),
        }
    }

    fn respond(&self, format: &ErrorFormat) -> HttpResponse {
        match self {
            Self::Backend { error } => error_log::log_backend_error(error),
            Self::TooManyAttempts { .. } => error_log::log(
                Level::Warn,
                "refused a request: too many failed attempts, or too many requests from one address",
            ),
            Self::OriginNotAllowed => error_log::log(
                Level::Info,
                "refused a request from a page of another origin; if the page is yours, add its origin to \
                 the allowed origins (CORS)",
            ),
            Self::HostNotAllowed => error_log::log(
                Level::Info,
                "refused a request for a host name that is not allowed; if the name is yours, add it to \
                 the allowed hosts",
            ),
            _ => {}
        }
        let status = self.status(format);
        let mut response = HttpResponse::build(status);
        if let Some(challenge) = self.challenge(format) {
            response.insert_header((header::WWW_AUTHENTICATE, &*challenge));
        }
        match self {
            Self::MethodNotAllowed { allow } => {
                response.insert_header((header::ALLOW, *allow));
            }
            Self::Backend { error } if error.is_temporary() => {
                response.insert_header(retry_after(error.retry_after().unwrap_or_default()));
            }
            Self::TooManyAttempts { retry_after: wait } => {
                response.insert_header(retry_after(*wait));
            }
            Self::Overloaded => {
                response.insert_header(retry_after(Duration::ZERO));
                response.force_close();
            }
            // The rest of the request is not read, so the connection cannot be reused.
            Self::BodyTooLarge { .. }
            | Self::BodyTimeout
            | Self::UnreadableBody
            | Self::OriginNotAllowed
            | Self::OriginMissing
            | Self::HostNotAllowed
            | Self::HeadTooLarge { .. } => {
                response.force_close();
            }
            _ => {}
        }
        let code = self.oauth2_code();
        if let ErrorFormat::Custom(body) = format {
            let description = &self.description();
            let code = code.or(self.bearer_code());
            let body = body(&ErrorSummary { status: status.as_u16(), code, description });
            return response.content_type("application/json").body(body);
        }
        let detail = match self {
            Self::InvalidForm(errors) => Detail::Fields(errors),
            // FastAPI's tutorial does not distinguish an invalid token from a missing one.
            Self::InvalidToken if format.is_fastapi() => Detail::Sentence(Self::NotAuthenticated.to_string()),
            _ => Detail::Sentence(self.to_string()),
        };
        match code.filter(|_| !format.is_fastapi()) {
            Some(error) => {
                response.json(OAuth2ErrorBody { detail, error, error_description: self.description() })
            }
            None => match detail {
                Detail::Sentence(detail) => response.json(ErrorBody { detail }),
                Detail::Fields(detail) => response.json(ValidationErrorBody { detail }),
            },
        }
    }
}

/// Lets handlers return these errors with `?`, in the format of OAuth 2.0.
impl ResponseError for AuthError {
    fn status_code(&self) -> StatusCode {
        ApiError::from(self.clone()).status(&ErrorFormat::OAuth2)
    }

    fn error_response(&self) -> HttpResponse {
        ApiError::from(self.clone()).respond(&ErrorFormat::OAuth2)
    }
}

/// Lets handlers return these errors with `?`. The status is 500, or 503 for a temporary failure.
impl ResponseError for BackendError {
    fn status_code(&self) -> StatusCode {
        ApiError::from(self.clone()).status(&ErrorFormat::OAuth2)
    }

    fn error_response(&self) -> HttpResponse {
        ApiError::from(self.clone()).respond(&ErrorFormat::OAuth2)
    }
}

/// Returns the header `Retry-After`. The wait is rounded up to whole seconds and is at least one second, so that
/// clients do not retry too early.
fn retry_after(wait: Duration) -> (header::HeaderName, HeaderValue) {
    let seconds = u64::try_from(wait.as_millis().div_ceil(1000)).unwrap_or(u64::MAX).max(1);
    (header::RETRY_AFTER, seconds.into())
}

impl From<AuthError> for ApiError {
    fn from(error: AuthError) -> Self {
        match error {
            AuthError::InvalidCredentials => Self::InvalidCredentials,
            AuthError::InactiveUser => Self::InactiveAccount,
            AuthError::ScopeNotGranted => Self::ScopeNotGranted,
            AuthError::ScopeExceeded => Self::ScopeExceeded,
            AuthError::InvalidTarget => Self::InvalidTarget,
            AuthError::InvalidRefreshToken => Self::InvalidRefreshToken,
            AuthError::IssuedToAnotherClient => Self::IssuedToAnotherClient,
            AuthError::TooManyAttempts { retry_after } => Self::TooManyAttempts { retry_after },
            AuthError::InvalidClient => Self::InvalidClient { by_basic: false },
            AuthError::UnauthorizedClient => Self::UnauthorizedClient,
            AuthError::UnsupportedGrant => Self::UnsupportedGrant,
            AuthError::IncorrectPassword => Self::IncorrectPassword,
            AuthError::WeakPassword(reason) => {
                Self::InvalidForm(vec![FieldError::invalid("password", reason.to_string())])
            }
            error @ AuthError::NotConfigured(_) => Self::Backend { error: BackendError::new(error) },
            AuthError::Backend(error) => Self::Backend { error },
        }
    }
}

impl From<BackendError> for ApiError {
    fn from(error: BackendError) -> Self {
        Self::Backend { error }
    }
}
