//! Client credentials, from HTTP Basic or from a form.

use std::mem;

use actix_web::HttpRequest;
use base64::{Engine, prelude::BASE64_STANDARD};
use zeroize::Zeroizing;

use crate::{
    domain::secret::ClientSecret,
    http::extract::{authorization, form_data::form_decoded},
};

/// The credentials of a client ([RFC 6749 section 2.3.1](https://www.rfc-editor.org/rfc/rfc6749#section-2.3.1)). Empty
/// values are treated as absent, because Swagger UI sends `Basic Og==`: an empty identifier and an empty secret.
#[derive(Debug, Default)]
pub(crate) struct ClientCredentials {
    pub(crate) client_id: Option<String>,
    pub(crate) client_secret: Option<ClientSecret>,
    /// True for HTTP Basic, false for the form.
    pub(crate) by_basic: bool,
    /// True if HTTP Basic and the form both contain credentials. The form may repeat the identifier.
    pub(crate) is_ambiguous: bool,
}

impl ClientCredentials {
    /// Reads HTTP Basic credentials ([RFC 7617 section 2](https://www.rfc-editor.org/rfc/rfc7617#section-2)). Malformed
    /// credentials are read as an empty identifier, which no client has.
    pub(crate) fn from_basic(request: &HttpRequest) -> Self {
        let Some(credentials) = authorization::credentials(request.headers(), "basic") else {
            return Self::default();
        };
        Self::decode(&credentials).unwrap_or_else(|| Self {
            client_id: Some(String::new()),
            by_basic: true,
            ..Self::default()
        })
    }

    fn decode(credentials: &str) -> Option<Self> {
        let credentials = Zeroizing::new(BASE64_STANDARD.decode(credentials.as_bytes()).ok()?);
        let (client_id, client_secret) = str::from_utf8(&credentials).ok()?.split_once(':')?;
        // Clients form-urlencode the identifier and the secret before they join them (RFC 6749 appendix B).
        let (mut client_id, client_secret) =
            (form_decoded(client_id.as_bytes()).ok()?, form_decoded(client_secret.as_bytes()).ok()?);
        Some(Self {
            client_id: Some(mem::take(&mut *client_id)).filter(|text| !text.is_empty()),
            client_secret: Some(client_secret).filter(|text| !text.is_empty()).map(ClientSecret::from),
            by_basic: true,
            is_ambiguous: false,
        })
    }

    /// Returns whether these credentials are empty or only repeat the identifier of `other`.
    pub(crate) fn add_nothing_to(&self, other: &Self) -> bool {
        self.client_secret.is_none() && (self.client_id.is_none() || self.client_id == other.client_id)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.client_id.is_none() && self.client_secret.is_none()
    }
}
