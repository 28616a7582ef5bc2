//! Every error a client can get: its status, its headers, its body. The only place that knows its status.

use std::{borrow::Cow, time::Duration};

use actix_web::{
    HttpResponse, ResponseError,
    http::{StatusCode, header},
};
use log::Level;
use serde::Serialize;
use thiserror::Error;
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{Ref, RefOr, Schema, schema::AnyOfBuilder},
};

use crate::{
    auth::{GrantError, PasswordChangeError},
    domain::{backend_error::BackendError, error_format::ErrorFormat},
    http::{challenge::Challenge, fault_log, validation::FieldError},
};

/// Why a request is not answered as asked. As a response it is worded as FastAPI does it: `{"detail": …}`;
/// a [`Refusal`] words it in the [`ErrorFormat`] of an [`Auth`](crate::Auth).
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ApiError {
    /// 401: no token was sent.
    #[error("Not authenticated")]
    NotAuthenticated,
    /// 401: a token that is not valid, or not valid any more.
    #[error("Could not validate credentials")]
    InvalidToken,
    /// 403: a token without the scopes that this needs.
    #[error("Not enough permissions")]
    InsufficientScope {
        /// What is needed.
        scopes: &'static [&'static str],
    },
    /// 400: a user who may not use this.
    #[error("Inactive user")]
    InactiveUser,
    /// 400: an unknown user or a wrong password.
    #[error("Incorrect username or password")]
    IncorrectCredentials,
    /// 400: the right password of a user who may not sign in.
    #[error("Inactive user")]
    InactiveAccount,
    /// 400: the user has none of the scopes that were asked for.
    #[error("None of the requested scopes can be granted")]
    ScopeNotGranted,
    /// 400: more scopes were asked for than the sign-in was granted.
    #[error("More scopes are requested than the sign-in was granted")]
    ScopeWidened,
    /// 400: a refresh token that is not good, or not this client's.
    #[error("Invalid refresh token")]
    InvalidRefreshToken,
    /// 400: a token that was issued to another client, or to none.
    #[error("The token was issued to another client")]
    IssuedToAnother,
    /// 429: too many attempts failed.
    #[error("Too many failed attempts, try again later")]
    TooManyAttempts {
        /// How long to wait; answered in whole seconds.
        retry_after: Duration,
    },
    /// 400: the current password is another one.
    #[error("Incorrect password")]
    IncorrectPassword,
    /// 401: a client that did not prove itself.
    #[error("Incorrect client credentials")]
    InvalidClient {
        /// Whether it tried by HTTP Basic.
        by_basic: bool,
    },
    /// 400: signing in with a password is turned off.
    #[error("Signing in with a password is turned off")]
    PasswordGrantOff,
    /// 422: fields that are missing or wrong.
    #[error("Invalid form")]
    InvalidForm(Vec<FieldError>),
    /// 400: a body that is not what its Content-Type says.
    #[error("{0}")]
    MalformedBody(&'static str),
    /// 400: a body that ends too early or breaks HTTP's rules.
    #[error("There was an error parsing the body")]
    UnreadableBody,
    /// 408: a body that does not come.
    #[error("The request body did not come in time")]
    BodyTimeout,
    /// 413: a body over the limit.
    #[error("The request body is larger than {limit} bytes")]
    BodyTooLarge {
        /// The limit in bytes.
        limit: usize,
    },
    /// 431: a target and a header over the limit.
    #[error("The request head is larger than {limit} bytes")]
    HeadTooLarge {
        /// The limit in bytes.
        limit: usize,
    },
    /// 404: nothing is at this path.
    #[error("Not Found")]
    NotFound,
    /// 405: something is at this path, for other methods.
    #[error("Method Not Allowed")]
    MethodNotAllowed {
        /// The methods for the `Allow` header.
        allow: &'static str,
    },
    /// 500: something broke here. The log says what.
    #[error("Internal Server Error")]
    Internal,
    /// 503: something is out of reach for now. The log says what.
    #[error("Service Unavailable")]
    Unavailable {
        /// How long to wait; answered in whole seconds.
        retry_after: Duration,
    },
}

/// An [`ApiError`] in a [`ErrorFormat`].
#[derive(Debug, Error)]
#[error("{error}")]
pub struct Refusal {
    /// What is refused and why.
    pub error: ApiError,
    /// How it is worded.
    pub error_format: ErrorFormat,
}

/// The body of an error: `{"detail": "…"}`.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = HTTPError)]
pub struct ErrorBody {
    /// What is wrong, in a sentence.
    #[schema(example = "Not authenticated")]
    pub detail: String,
}

/// The body of a 422: `{"detail": [{…}]}`.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = HTTPValidationError)]
pub struct ValidationErrorBody<'a> {
    /// What is wrong, field by field.
    pub detail: &'a [FieldError],
}

/// The body of an error in the standards' words, beside FastAPI's.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OAuth2Error)]
pub struct OAuth2ErrorBody<'a> {
    /// What is wrong: a sentence, or a list of fields.
    #[schema(value_type = Value, example = "Incorrect username or password")]
    pub detail: Detail<'a>,
    /// The standard's code ([RFC 6749 section 5.2](https://www.rfc-editor.org/rfc/rfc6749#section-5.2)).
    #[schema(example = "invalid_grant")]
    pub error: &'static str,
    /// What is wrong, in a sentence.
    #[schema(example = "Incorrect username or password")]
    pub error_description: String,
}

/// The body of a 400 of an endpoint with a form and a bearer: in the standards' words what is wrong with the form, in
/// FastAPI's alone what is wrong with the user.
pub(crate) struct FormOrUserErrorBody;

impl PartialSchema for FormOrUserErrorBody {
    fn schema() -> RefOr<Schema> {
        // Not one of: what has the standards' words has FastAPI's too.
        let items = ["OAuth2Error", "HTTPError"].map(Ref::from_schema_name);
        items.into_iter().fold(AnyOfBuilder::new(), AnyOfBuilder::item).into()
    }
}

impl ToSchema for FormOrUserErrorBody {
    fn name() -> Cow<'static, str> {
        "FormOrUserError".into()
    }
}

/// A sentence, or what is wrong field by field.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum Detail<'a> {
    /// A sentence.
    Sentence(String),
    /// The fields' faults.
    Fields(&'a [FieldError]),
}

impl ResponseError for ApiError {
    fn status_code(&self) -> StatusCode {
        self.status(ErrorFormat::FastApi)
    }

    fn error_response(&self) -> HttpResponse {
        self.respond(ErrorFormat::FastApi)
    }
}

impl ResponseError for Refusal {
    fn status_code(&self) -> StatusCode {
        self.error.status(self.error_format)
    }

    fn error_response(&self) -> HttpResponse {
        self.error.respond(self.error_format)
    }
}

impl ApiError {
    /// This error, worded in a error_format.
    pub fn in_format(self, error_format: ErrorFormat) -> Refusal {
        Refusal { error: self, error_format }
    }

    fn status(&self, error_format: ErrorFormat) -> StatusCode {
        match self {
            Self::NotAuthenticated | Self::InvalidToken | Self::InvalidClient { .. } => {
                StatusCode::UNAUTHORIZED
            }
            Self::InsufficientScope { .. } => StatusCode::FORBIDDEN,
            Self::InactiveUser
            | Self::IncorrectCredentials
            | Self::InactiveAccount
            | Self::ScopeNotGranted
            | Self::ScopeWidened
            | Self::InvalidRefreshToken
            | Self::IssuedToAnother
            | Self::IncorrectPassword
            | Self::PasswordGrantOff
            | Self::MalformedBody(_)
            | Self::UnreadableBody => StatusCode::BAD_REQUEST,
            Self::TooManyAttempts { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::BodyTimeout => StatusCode::REQUEST_TIMEOUT,
            Self::InvalidForm(_) => match error_format {
                ErrorFormat::FastApi => StatusCode::UNPROCESSABLE_ENTITY,
                ErrorFormat::OAuth2 => StatusCode::BAD_REQUEST,
            },
            Self::BodyTooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::HeadTooLarge { .. } => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed { .. } => StatusCode::METHOD_NOT_ALLOWED,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Unavailable { .. } => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// The code of RFC 6749 section 5.2, for what goes wrong at the token endpoint.
    fn oauth2_code(&self) -> Option<&'static str> {
        match self {
            Self::IncorrectCredentials
            | Self::InactiveAccount
            | Self::InvalidRefreshToken
            | Self::IssuedToAnother => Some("invalid_grant"),
            Self::ScopeNotGranted | Self::ScopeWidened => Some("invalid_scope"),
            Self::InvalidClient { .. } => Some("invalid_client"),
            Self::PasswordGrantOff => Some("unsupported_grant_type"),
            // No standard names it; RFC 6749 section 4.1.2.1 has this for a server that is not able to answer now.
            Self::TooManyAttempts { .. } => Some("temporarily_unavailable"),
            Self::InvalidForm(faults) if faults.iter().any(FieldError::is_about_the_grant_type) => {
                Some("unsupported_grant_type")
            }
            Self::InvalidForm(_)
            | Self::MalformedBody(_)
            | Self::UnreadableBody
            | Self::BodyTimeout
            | Self::BodyTooLarge { .. } => Some("invalid_request"),
            _ => None,
        }
    }

    fn challenge(&self, error_format: ErrorFormat) -> Option<Challenge> {
        match self {
            Self::NotAuthenticated => Some(Challenge::Bearer),
            Self::InvalidToken => match error_format {
                ErrorFormat::FastApi => Some(Challenge::Bearer),
                ErrorFormat::OAuth2 => Some(Challenge::InvalidToken),
            },
            Self::InsufficientScope { scopes } => Some(Challenge::InsufficientScope(scopes)),
            Self::InvalidClient { by_basic: true } => Some(Challenge::Basic),
            _ => None,
        }
    }

    fn detail(&self, error_format: ErrorFormat) -> Detail<'_> {
        match self {
            Self::InvalidForm(faults) => Detail::Fields(faults),
            // FastAPI's chapter does not tell a bad token from none.
            Self::InvalidToken if error_format == ErrorFormat::FastApi => {
                Detail::Sentence(Self::NotAuthenticated.to_string())
            }
            _ => Detail::Sentence(self.to_string()),
        }
    }

    fn description(&self) -> String {
        match self {
            Self::InvalidForm(faults) => {
                faults.iter().map(FieldError::to_string).collect::<Vec<_>>().join("; ")
            }
            _ => self.to_string(),
        }
    }

    fn too_many_attempts(retry_after: Duration) -> Self {
        fault_log::say(
            Level::Warn,
            "passwords were not looked at, after too many failed attempts".to_owned(),
        );
        Self::TooManyAttempts { retry_after }
    }

    fn respond(&self, error_format: ErrorFormat) -> HttpResponse {
        let mut response = HttpResponse::build(self.status(error_format));
        if let Some(challenge) = self.challenge(error_format) {
            response.insert_header((header::WWW_AUTHENTICATE, challenge.to_string()));
        }
        match self {
            Self::MethodNotAllowed { allow } => {
                response.insert_header((header::ALLOW, *allow));
            }
            Self::Unavailable { retry_after } | Self::TooManyAttempts { retry_after } => {
                // Who comes back too early waits for nothing.
                let seconds = retry_after.as_millis().div_ceil(1000).max(1);
                response.insert_header((header::RETRY_AFTER, seconds.to_string()));
            }
            // What is left of the body is not read.
            Self::BodyTooLarge { .. }
            | Self::BodyTimeout
            | Self::UnreadableBody
            | Self::HeadTooLarge { .. } => {
                response.force_close();
            }
            _ => {}
        }
        let detail = self.detail(error_format);
        match self.oauth2_code().filter(|_| error_format == ErrorFormat::OAuth2) {
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

impl From<GrantError> for ApiError {
    fn from(error: GrantError) -> Self {
        match error {
            GrantError::IncorrectCredentials => Self::IncorrectCredentials,
            GrantError::InactiveUser => Self::InactiveAccount,
            GrantError::ScopeNotGranted => Self::ScopeNotGranted,
            GrantError::ScopeWidened => Self::ScopeWidened,
            GrantError::InvalidRefreshToken => Self::InvalidRefreshToken,
            GrantError::IssuedToAnother => Self::IssuedToAnother,
            GrantError::TooManyAttempts { retry_after } => Self::too_many_attempts(retry_after),
            GrantError::InvalidClient => Self::InvalidClient { by_basic: false },
            GrantError::PasswordGrantOff => Self::PasswordGrantOff,
            GrantError::BackendError(fault) => fault.into(),
        }
    }
}

impl From<PasswordChangeError> for ApiError {
    fn from(error: PasswordChangeError) -> Self {
        match error {
            PasswordChangeError::IncorrectPassword => Self::IncorrectPassword,
            PasswordChangeError::TooManyAttempts { retry_after } => Self::too_many_attempts(retry_after),
            PasswordChangeError::BackendError(fault) => fault.into(),
        }
    }
}

/// Logs the chain of causes: the client is told nothing of the inside.
impl From<BackendError> for ApiError {
    fn from(fault: BackendError) -> Self {
        fault_log::report(&fault);
        if fault.is_temporary() {
            Self::Unavailable { retry_after: fault.retry_after().unwrap_or_default() }
        } else {
            Self::Internal
        }
    }
}
