//! The form of the password grant, for your own sign-in endpoints.

use std::ops::Deref;

use actix_web::{FromRequest, HttpRequest, dev::Payload};
use futures_util::{FutureExt, TryFutureExt, future::LocalBoxFuture};

use crate::{
    auth::SignIn,
    domain::{
        client::{Client, ClientInfo},
        error_format::ErrorFormat,
        secret::{ClientSecret, Password},
    },
    http::{error::ApiError, extract::field_reader::FieldReader, validation::FieldError},
};

/// The form of a password sign-in ([RFC 6749 section 4.3.2](https://www.rfc-editor.org/rfc/rfc6749#section-4.3.2)),
/// urlencoded or multipart. As in FastAPI's class of the same name, `grant_type` is optional.
///
/// The extractor returns 422 with FastAPI's list of errors if a field is missing or invalid, 400 if the body is
/// malformed or not valid UTF-8, and 413 if the body is larger than 64 KiB.
///
/// ```
/// use actix_web::Responder;
/// use gatepass::{Auth, AuthUser, ClientInfo, PasswordRequestForm, TokenResponse};
/// use gatepass::error::ErrorResponse;
///
/// async fn login<U: AuthUser>(
///     auth: Auth<U>,
///     client_info: ClientInfo,
///     form: PasswordRequestForm,
/// ) -> Result<impl Responder, ErrorResponse> {
///     let signed_in = auth.sign_in(form.sign_in(None, &client_info)).await;
///     let signed_in = signed_in.map_err(|error| auth.error_response(error))?;
///     Ok(TokenResponse::from(signed_in.tokens).with("user_id", signed_in.user.subject().as_str()))
/// }
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub struct PasswordRequestForm {
    /// `password`, or `None` if the form has no grant type.
    pub grant_type: Option<String>,
    /// The username, which is never empty.
    pub username: String,
    /// The password, which is never empty.
    pub password: Password,
    /// The requested scopes: the field `scope`, split at white space.
    pub scopes: Vec<String>,
    /// The identifier of the client, from the form or from HTTP Basic. Empty if the HTTP Basic credentials are
    /// malformed.
    pub client_id: Option<String>,
    /// The secret of the client, from the form or from HTTP Basic.
    pub client_secret: Option<ClientSecret>,
}

impl PasswordRequestForm {
    /// Returns the argument for [`Auth::sign_in`](crate::Auth::sign_in). `client` is the result of
    /// [`Auth::authenticate_client`](crate::Auth::authenticate_client), or `None` for the default client.
    pub fn sign_in<'a>(&'a self, client: Option<&'a Client>, client_info: &'a ClientInfo) -> SignIn<'a> {
        let Self { username, password, scopes, .. } = self;
        SignIn { username, password, scopes, audiences: &[], client, client_info }
    }
}

/// A [`PasswordRequestForm`] that requires `grant_type=password`, as RFC 6749 does.
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
        read(request, payload, false).boxed_local()
    }
}

impl FromRequest for StrictPasswordRequestForm {
    type Error = ApiError;
    type Future = LocalBoxFuture<'static, Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        read(request, payload, true).map_ok(Self).boxed_local()
    }
}

fn read(
    request: &HttpRequest,
    payload: &mut Payload,
    requires_grant_type: bool,
) -> impl Future<Output = Result<PasswordRequestForm, ApiError>> + use<> {
    let (request, payload) = (request.clone(), payload.take());
    async move {
        let mut reader = FieldReader::read(&request, payload, &ErrorFormat::OAuth2).await?;
        // Errors are listed in the order in which fields are read.
        let grant_type = reader.grant_type(requires_grant_type, &["password"]);
        let username = reader.required("username");
        let password = reader.required("password").into();
        let scopes = reader.scopes();
        let client = reader.client(&request);
        reader.finish()?;
        Ok(PasswordRequestForm {
            grant_type,
            username,
            password,
            scopes,
            client_id: client.client_id,
            client_secret: client.client_secret,
        })
    }
}

impl FieldReader {
    /// Returns the field `grant_type` if it is one of `supported`. Records an error if it has another value, or is
    /// missing but required.
    pub(crate) fn grant_type(&mut self, is_required: bool, supported: &[&str]) -> Option<String> {
        let text = if is_required {
            Some(self.required("grant_type")).filter(|text| !text.is_empty())
        } else {
            self.optional("grant_type")
        }?;
        if supported.contains(&text.as_str()) {
            return Some(text);
        }
        let pattern = match supported {
            [one] => format!("^{one}$"),
            several => format!("^({})$", several.join("|")),
        };
        self.add_error(FieldError::unsupported_grant_type(text, &pattern));
        None
    }
}
