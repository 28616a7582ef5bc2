//! Every error a client can get: its status, its headers, its body. The only place that knows its status.

use actix_web::{
    HttpResponse, ResponseError,
    http::{
        StatusCode,
        header::{self, HeaderValue},
    },
};
use serde::Serialize;
use thiserror::Error;
use utoipa::ToSchema;

use crate::{
    auth::LoginError,
    domain::fault::Fault,
    http::{challenge, validation::FieldError},
};

/// Why a request is not answered as asked, in FastAPI's words: `{"detail": …}`.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ApiError {
    /// 401: no token, or none that is valid.
    #[error("Not authenticated")]
    NotAuthenticated,
    /// 400: an unknown user or a wrong password.
    #[error("Incorrect username or password")]
    IncorrectCredentials,
    /// 400: a user who may not use this.
    #[error("Inactive user")]
    InactiveUser,
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
    Unavailable,
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

impl ResponseError for ApiError {
    fn status_code(&self) -> StatusCode {
        match self {
            Self::NotAuthenticated => StatusCode::UNAUTHORIZED,
            Self::IncorrectCredentials
            | Self::InactiveUser
            | Self::MalformedBody(_)
            | Self::UnreadableBody => StatusCode::BAD_REQUEST,
            Self::BodyTimeout => StatusCode::REQUEST_TIMEOUT,
            Self::InvalidForm(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::BodyTooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed { .. } => StatusCode::METHOD_NOT_ALLOWED,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status_code());
        match self {
            Self::NotAuthenticated => {
                response.insert_header((header::WWW_AUTHENTICATE, challenge::BEARER));
            }
            Self::MethodNotAllowed { allow } => {
                response.insert_header((header::ALLOW, HeaderValue::from_static(allow)));
            }
            // What is left of the body is not read.
            Self::BodyTooLarge { .. } | Self::BodyTimeout | Self::UnreadableBody => {
                response.force_close();
            }
            Self::Unavailable => {
                response.insert_header((header::RETRY_AFTER, HeaderValue::from_static("1")));
            }
            _ => {}
        }
        match self {
            Self::InvalidForm(detail) => response.json(ValidationErrorBody { detail }),
            _ => response.json(ErrorBody { detail: self.to_string() }),
        }
    }
}

impl From<LoginError> for ApiError {
    fn from(error: LoginError) -> Self {
        match error {
            LoginError::IncorrectCredentials => Self::IncorrectCredentials,
            LoginError::InactiveUser => Self::InactiveUser,
            LoginError::Fault(fault) => fault.into(),
        }
    }
}

/// Logs the chain of causes, once: the client is told nothing of the inside.
impl From<Fault> for ApiError {
    fn from(fault: Fault) -> Self {
        log::error!("{fault}");
        if fault.is_temporary() { Self::Unavailable } else { Self::Internal }
    }
}
