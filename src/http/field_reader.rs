//! Takes fields out of a form and notes what is wrong with them.

use std::mem;

use actix_web::HttpRequest;

use crate::{
    domain::secret::ClientSecret,
    http::{
        client_credentials::ClientCredentials,
        error::ApiError,
        form_data::{FormData, FormValue},
        validation::FieldError,
    },
};

/// Reads a form field by field; the faults are listed in the order in which it was asked for them.
pub(crate) struct FieldReader {
    fields: FormData,
    faults: Vec<FieldError>,
}

impl FieldReader {
    pub(crate) fn new(fields: FormData) -> Self {
        Self { fields, faults: Vec::new() }
    }

    /// The text of a field; empty where a fault was noted.
    pub(crate) fn required(&mut self, name: &'static str) -> String {
        let faults = self.faults.len();
        let text = self.optional(name);
        if text.is_none() && self.faults.len() == faults {
            self.note(FieldError::missing(name));
        }
        text.unwrap_or_default()
    }

    /// The text of a field that may be left out; an empty one is.
    pub(crate) fn optional(&mut self, name: &'static str) -> Option<String> {
        match self.fields.take(name)? {
            // Moved, not copied: what becomes of it wipes it, where it is a secret.
            FormValue::Text(mut text) => Some(mem::take(&mut *text)).filter(|text| !text.is_empty()),
            FormValue::File(file) => {
                self.note(FieldError::not_text(name, file));
                None
            }
        }
    }

    /// The scopes asked for, split at white space.
    pub(crate) fn scopes(&mut self) -> Vec<String> {
        self.optional("scope").unwrap_or_default().split_whitespace().map(str::to_owned).collect()
    }

    /// Who the client says it is, in the form or by HTTP Basic. Both halves come from one place: RFC 6749 section 2.3
    /// allows one method a request.
    pub(crate) fn client(&mut self, request: &HttpRequest) -> ClientCredentials {
        let basic = ClientCredentials::from_basic(request);
        let form = ClientCredentials {
            client_id: self.optional("client_id"),
            client_secret: self.optional("client_secret").map(ClientSecret::from),
            by_basic: false,
        };
        if !basic.is_empty() && form.is_part_of(&basic) { basic } else { form }
    }

    pub(crate) fn note(&mut self, fault: FieldError) {
        self.faults.push(fault);
    }

    /// # Errors
    /// Where a fault was noted.
    pub(crate) fn finish(self) -> Result<(), ApiError> {
        if self.faults.is_empty() { Ok(()) } else { Err(ApiError::InvalidForm(self.faults)) }
    }
}
