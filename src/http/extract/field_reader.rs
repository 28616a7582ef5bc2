//! Reads the fields of a form and collects validation errors.

use std::mem;

use actix_web::{HttpRequest, dev::Payload};

use crate::{
    domain::{error_format::ErrorFormat, secret::ClientSecret},
    http::{
        error::ApiError,
        extract::{
            client_credentials::ClientCredentials,
            form_data::{self, Fields, FormValue},
        },
        validation::FieldError,
    },
};

/// A reader for form fields. It records validation errors in the order in which the fields are read.
pub(crate) struct FieldReader {
    fields: Fields,
    errors: Vec<FieldError>,
}

impl FieldReader {
    /// Reads the form in the body of `request`, as [`form_data::read`] does.
    pub(crate) async fn read(
        request: &HttpRequest,
        payload: Payload,
        format: &ErrorFormat,
    ) -> Result<Self, ApiError> {
        let fields = form_data::read(request, payload, format).await?;
        Ok(Self { fields, errors: Vec::new() })
    }

    /// Removes a required field and returns its value. If the field is missing or invalid, records an error and returns
    /// an empty string.
    pub(crate) fn required(&mut self, name: &'static str) -> String {
        let error_count = self.errors.len();
        let text = self.optional(name);
        if text.is_none() && self.errors.len() == error_count {
            self.add_error(FieldError::missing(name));
        }
        text.unwrap_or_default()
    }

    /// Removes the last field with this name, if any, and returns its value. An empty field is treated as absent.
    pub(crate) fn optional(&mut self, name: &'static str) -> Option<String> {
        let last = self.fields.iter().rposition(|(field, _)| field == name)?;
        match self.fields.remove(last).1 {
            // The string is moved: a copy would leave a password in memory.
            FormValue::Text(mut text) => Some(mem::take(&mut *text)).filter(|text| !text.is_empty()),
            FormValue::File(file) => {
                self.add_error(FieldError::not_text(name, file));
                None
            }
        }
    }

    /// Returns the requested scopes, split at white space.
    pub(crate) fn scopes(&mut self) -> Vec<String> {
        self.optional("scope").unwrap_or_default().split_whitespace().map(str::to_owned).collect()
    }

    /// Returns the requested audiences: the values of `resource` and `audience`, which may be repeated.
    pub(crate) fn audiences(&mut self) -> Vec<String> {
        let mut audiences = Vec::new();
        for name in ["resource", "audience"] {
            while self.fields.iter().any(|(field, _)| field == name) {
                audiences.extend(self.optional(name));
            }
        }
        audiences
    }

    /// Returns the credentials of the client, from the form or from HTTP Basic. The two are not mixed: RFC 6749 section
    /// 2.3 allows only one method per request.
    pub(crate) fn client(&mut self, request: &HttpRequest) -> ClientCredentials {
        let basic = ClientCredentials::from_basic(request);
        let form = ClientCredentials {
            client_id: self.optional("client_id"),
            client_secret: self.optional("client_secret").map(ClientSecret::from),
            by_basic: false,
            is_ambiguous: false,
        };
        match (basic.is_empty(), form.add_nothing_to(&basic)) {
            (false, true) => basic,
            (is_form, _) => ClientCredentials { is_ambiguous: !is_form, ..form },
        }
    }

    pub(crate) fn add_error(&mut self, error: FieldError) {
        self.errors.push(error);
    }

    /// Returns [`ApiError::InvalidForm`] if any errors were recorded.
    pub(crate) fn finish(self) -> Result<(), ApiError> {
        if self.errors.is_empty() { Ok(()) } else { Err(ApiError::InvalidForm(self.errors)) }
    }
}
