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
    http::{error::ApiError, field_reader::FieldReader, form_data::FormData, validation::FieldError},
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
        read(request, payload, GrantType::OPTIONAL).boxed_local()
    }
}

impl FromRequest for StrictPasswordRequestForm {
    type Error = ApiError;
    type Future = LocalBoxFuture<'static, Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        read(request, payload, GrantType::REQUIRED).map_ok(Self).boxed_local()
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
        PasswordRequestForm::validate(FieldReader::new(fields), &request, grant_type_is)
    }
}

/// How the grant type is held against what is expected.
#[derive(Clone, Copy)]
pub(crate) struct GrantType {
    /// Whether it may be left out.
    pub(crate) is_required: bool,
    /// What it may be, in an error's words.
    pub(crate) pattern: &'static str,
}

impl GrantType {
    const OPTIONAL: Self = Self { is_required: false, pattern: "^password$" };
    const REQUIRED: Self = Self { is_required: true, pattern: "^password$" };
}

impl PasswordRequestForm {
    pub(crate) fn validate(
        mut reader: FieldReader,
        request: &HttpRequest,
        grant_type_is: GrantType,
    ) -> Result<Self, ApiError> {
        // The faults are listed in this order.
        let grant_type = grant_type_is.read(&mut reader);
        let username = reader.required("username");
        let password = reader.required("password");
        let scopes = reader.scopes();
        let client = reader.client(request);
        reader.finish()?;
        Ok(Self {
            grant_type,
            username: username.into(),
            password: password.into(),
            scopes,
            client_id: client.client_id,
            client_secret: client.client_secret,
            client_by_basic: client.by_basic,
        })
    }
}

impl GrantType {
    fn read(self, reader: &mut FieldReader) -> Option<String> {
        let grant_type = if self.is_required {
            Some(reader.required("grant_type")).filter(|text| !text.is_empty())?
        } else {
            reader.optional("grant_type")?
        };
        if grant_type != "password" {
            reader.note(FieldError::unsupported_grant_type(grant_type, self.pattern));
            return None;
        }
        Some(grant_type)
    }
}

/// What a client sends to sign a user in: FastAPI's fields.
#[derive(ToSchema)]
#[schema(as = PasswordRequestForm)]
#[expect(dead_code, reason = "only its schema is used")]
pub(crate) struct PasswordRequestFormSchema {
    /// May be left out, or empty; nothing but `password` is taken.
    #[schema(pattern = "^(password)?$", example = "password")]
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
