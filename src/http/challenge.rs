//! `WWW-Authenticate`: how a client is asked for a token.

use actix_web::http::header::HeaderValue;

/// The challenge of a request that is not authenticated
/// ([RFC 6750 section 3](https://www.rfc-editor.org/rfc/rfc6750#section-3)).
pub(crate) const BEARER: HeaderValue = HeaderValue::from_static("Bearer");
