//! The form of the password grant.

use std::ops::Deref;

use actix_web::{FromRequest, HttpRequest, dev::Payload};
use futures_util::{FutureExt, TryFutureExt, future::LocalBoxFuture};
use utoipa::ToSchema;

use crate::{
    domain::{
        secret::{ClientSecret, Password},
        user::Username,
    },
    http::{
        client_credentials::ClientCredentials,
        error::ApiError,
        form_data::{FormData, FormValue},
        validation::FieldError,
    },
};

/// What a client sends to sign a user in
/// ([RFC 6749 section 4.3.2](https://www.rfc-editor.org/rfc/rfc6749#section-4.3.2)), urlencoded or multipart.
/// Like FastAPI's form of this name it lets `grant_type` be left out.
///
/// As an extractor it answers faults itself: 422 with FastAPI's list where a field is missing or wrong, 400
/// for a broken body, 413 for one of more than 1 MiB.
///
/// ```
/// use actix_web::Responder;
/// use gatepass::PasswordRequestForm;
///
/// async fn login(form: PasswordRequestForm) -> impl Responder {
///     format!("{} asks for {:?}", form.username.as_str(), form.scopes)
/// }
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub struct PasswordRequestForm {
    /// `password`, or nothing where the client left it out.
    pub grant_type: Option<String>,
    /// The user's name; never empty.
    pub username: Username,
    /// The user's password; never empty.
    pub password: Password,
    /// What the client asks to be allowed: `scope`, split at white space.
    pub scopes: Vec<String>,
    /// The client's name, from the form or by HTTP Basic; an empty one where HTTP Basic could not be read.
    pub client_id: Option<String>,
    /// The client's secret, from the form or by HTTP Basic.
    pub client_secret: Option<ClientSecret>,
    /// Whether the two came by HTTP Basic.
    pub client_by_basic: bool,
}

/// A [`PasswordRequestForm`] in which `grant_type=password` is required, as RFC 6749 has it.
#[derive(Debug)]
pub struct StrictPasswordRequestForm(pub PasswordRequestForm);

impl Deref for StrictPasswordRequestForm {
    type Target = PasswordRequestForm;

    fn deref(&self) -> &PasswordRequestForm {
        &self.0
    }
}

impl FromRequest for PasswordRequestForm {
    type Error = ApiError;
    type Future = LocalBoxFuture<'static, Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        read(request, payload, GrantType::Optional).boxed_local()
    }
}

impl FromRequest for StrictPasswordRequestForm {
    type Error = ApiError;
    type Future = LocalBoxFuture<'static, Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        read(request, payload, GrantType::Required).map_ok(Self).boxed_local()
    }
}

fn read(
    request: &HttpRequest,
    payload: &mut Payload,
    grant_type_is: GrantType,
) -> impl Future<Output = Result<PasswordRequestForm, ApiError>> + use<> {
    let (request, payload) = (request.clone(), payload.take());
    async move {
        let fields = FormData::read(&request, payload).await?;
        PasswordRequestForm::validate(fields, grant_type_is, ClientCredentials::from_basic(&request))
    }
}

enum GrantType {
    Optional,
    Required,
}

impl PasswordRequestForm {
    fn validate(
        fields: FormData,
        grant_type_is: GrantType,
        basic: ClientCredentials,
    ) -> Result<Self, ApiError> {
        // The faults are listed in this order.
        let mut reader = FieldReader { fields, faults: Vec::new() };
        let grant_type = reader.grant_type(grant_type_is);
        let username = reader.required("username");
        let password = reader.required("password");
        let scope = reader.optional("scope").unwrap_or_default();
        let client = ClientCredentials {
            client_id: reader.optional("client_id"),
            client_secret: reader.optional("client_secret").map(ClientSecret::from),
        };
        if !reader.faults.is_empty() {
            return Err(ApiError::InvalidForm(reader.faults));
        }
        // Both halves come from one place: RFC 6749 section 2.3 allows one method a request.
        let client_by_basic = !basic.is_empty() && client.is_part_of(&basic);
        let ClientCredentials { client_id, client_secret } = if client_by_basic { basic } else { client };
        Ok(Self {
            grant_type,
            username: username.into(),
            password: password.into(),
            scopes: scope.split_whitespace().map(str::to_owned).collect(),
            client_id,
            client_secret,
            client_by_basic,
        })
    }
}

/// Takes fields out of a form and notes what is wrong with them.
struct FieldReader {
    fields: FormData,
    faults: Vec<FieldError>,
}

impl FieldReader {
    fn grant_type(&mut self, grant_type_is: GrantType) -> Option<String> {
        let grant_type = match grant_type_is {
            GrantType::Required => Some(self.required("grant_type")).filter(|text| !text.is_empty()),
            GrantType::Optional => self.optional("grant_type"),
        }?;
        if grant_type != "password" {
            self.faults.push(FieldError::not_the_password_grant(grant_type));
            return None;
        }
        Some(grant_type)
    }

    /// The text of a field; empty where a fault was noted.
    fn required(&mut self, name: &'static str) -> String {
        let faults = self.faults.len();
        let text = self.optional(name);
        if text.is_none() && self.faults.len() == faults {
            self.faults.push(FieldError::missing(name));
        }
        text.unwrap_or_default()
    }

    /// The text of a field that may be left out; an empty one is.
    fn optional(&mut self, name: &'static str) -> Option<String> {
        match self.fields.take(name)? {
            FormValue::Text(text) => Some(text).filter(|text| !text.is_empty()),
            FormValue::File(file) => {
                self.faults.push(FieldError::not_text(name, file));
                None
            }
        }
    }
}

/// What a client sends to sign a user in: FastAPI's fields.
#[derive(ToSchema)]
#[schema(as = PasswordRequestForm)]
#[expect(dead_code, reason = "only its schema is used")]
pub(crate) struct PasswordRequestFormSchema {
    /// May be left out; nothing but `password` is taken.
    #[schema(pattern = "^password$", example = "password")]
    grant_type: Option<String>,
    /// The user's name.
    #[schema(example = "johndoe", min_length = 1)]
    username: String,
    /// The user's password.
    #[schema(format = Password, example = "secret", min_length = 1)]
    password: String,
    /// The scopes to ask for, separated by spaces.
    #[schema(default = "", nullable = false)]
    scope: Option<String>,
    /// The client's name; better by HTTP Basic.
    client_id: Option<String>,
    /// The client's secret; better by HTTP Basic.
    #[schema(format = Password)]
    client_secret: Option<String>,
}
