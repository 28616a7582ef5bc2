//! The client's own credentials.

use actix_web::{HttpRequest, http::header::Header};
use actix_web_httpauth::headers::authorization::{Authorization, Basic};
use percent_encoding::percent_decode_str;

use crate::domain::secret::ClientSecret;

/// Who the client says it is
/// ([RFC 6749 section 2.3.1](https://www.rfc-editor.org/rfc/rfc6749#section-2.3.1)). Empty values are absent
/// ones: Swagger UI sends `Basic Og==`, an empty name and an empty secret.
#[derive(Debug, Default)]
pub(crate) struct ClientCredentials {
    pub(crate) client_id: Option<String>,
    pub(crate) client_secret: Option<ClientSecret>,
}

impl ClientCredentials {
    /// The credentials in the `Authorization` header, none where there is no Basic one.
    pub(crate) fn from_basic(request: &HttpRequest) -> Self {
        let Ok(basic) = Authorization::<Basic>::parse(request).map(Authorization::into_scheme) else {
            return Self::default();
        };
        Self {
            client_id: form_decoded(basic.user_id()),
            client_secret: basic.password().and_then(form_decoded).map(ClientSecret::from),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.client_id.is_none() && self.client_secret.is_none()
    }
}

/// Both halves are form-urlencoded before Basic joins them (RFC 6749 appendix B).
fn form_decoded(text: &str) -> Option<String> {
    let text = text.replace('+', " ");
    let decoded = percent_decode_str(&text).decode_utf8_lossy();
    (!decoded.is_empty()).then(|| decoded.into_owned())
}
