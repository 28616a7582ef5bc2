//! The format of error responses.

use std::{fmt, sync::Arc};

/// The format of error responses.
#[derive(Clone, Default)]
#[non_exhaustive]
pub enum ErrorFormat {
    /// FastAPI's format: `{"detail": …}`, and status 422 for an invalid form.
    FastApi,
    /// `detail` with the OAuth 2.0 fields `error` and `error_description`
    /// ([RFC 6749 section 5.2](https://www.rfc-editor.org/rfc/rfc6749#section-5.2)), and challenges with an error code
    /// ([RFC 6750 section 3](https://www.rfc-editor.org/rfc/rfc6750#section-3)).
    #[default]
    OAuth2,
    /// The status and headers of [`OAuth2`](Self::OAuth2), with a custom body: see [`ErrorFormat::custom`].
    Custom(CustomErrorBody),
}

/// A function that returns the body of an error response as JSON text.
pub type CustomErrorBody = Arc<dyn Fn(&ErrorSummary<'_>) -> String + Send + Sync>;

/// An error response without its body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ErrorSummary<'a> {
    /// The HTTP status.
    pub status: u16,
    /// The error code of RFC 6749 or RFC 6750, such as `invalid_grant`, if one applies.
    pub code: Option<&'static str>,
    /// A sentence for developers of the client.
    pub description: &'a str,
}

impl ErrorFormat {
    /// Creates a format with custom bodies, for all endpoints and user extractors of an `Auth`, including the token
    /// endpoint. Status codes and headers are those of [`OAuth2`](Self::OAuth2). Responses that involve no `Auth`, such
    /// as those from [`fallback`](crate::web::fallback) and the form extractors, keep FastAPI's bodies.
    ///
    /// ```
    /// use gatepass::ErrorFormat;
    /// use serde_json::json;
    ///
    /// let format = ErrorFormat::custom(|error| {
    ///     json!({ "error": error.code, "message": error.description }).to_string()
    /// });
    /// ```
    pub fn custom(body: impl Fn(&ErrorSummary<'_>) -> String + Send + Sync + 'static) -> Self {
        Self::Custom(Arc::new(body))
    }

    pub(crate) fn is_fastapi(&self) -> bool {
        matches!(self, Self::FastApi)
    }
}

impl fmt::Debug for ErrorFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::FastApi => "FastApi",
            Self::OAuth2 => "OAuth2",
            Self::Custom(_) => "Custom",
        })
    }
}
