//! The OpenAPI document and its security scheme.

use utoipa::{
    Modify, OpenApi,
    openapi::{
        self,
        security::{Flow, OAuth2, Password, Scopes, SecurityScheme},
    },
};

use crate::http::{introspection, revocation, token};

/// The security scheme `OAuth2PasswordBearer`: Swagger UI's Authorize button signs in with it at `token`,
/// a URL relative to the document's.
///
/// ```
/// use gatepass::OAuth2PasswordBearer;
/// use utoipa::OpenApi;
///
/// #[derive(OpenApi)]
/// #[openapi(modifiers(&OAuth2PasswordBearer))]
/// struct ApiDoc;
///
/// let document = ApiDoc::openapi().to_json().unwrap();
/// assert!(document.contains(r#""tokenUrl":"token""#));
/// ```
///
/// An application that mounts [`Auth::routes`](crate::Auth::routes) in a scope has another URL:
/// `OAuth2PasswordBearer { token_url: "api/token", scopes: &[] }.modify(&mut document)`.
#[derive(Clone, Copy, Debug)]
pub struct OAuth2PasswordBearer<'a> {
    /// Where to sign in, relative to the document.
    pub token_url: &'a str,
    /// The scopes that Swagger UI lets a person tick: names and descriptions.
    pub scopes: &'a [(&'a str, &'a str)],
}

/// The security scheme of an application whose token endpoint is beside its document.
#[expect(non_upper_case_globals, reason = "`modifiers(&OAuth2PasswordBearer)` takes a name")]
pub const OAuth2PasswordBearer: OAuth2PasswordBearer<'static> =
    OAuth2PasswordBearer { token_url: "token", scopes: &[] };

impl Modify for OAuth2PasswordBearer<'_> {
    fn modify(&self, document: &mut openapi::OpenApi) {
        let flow =
            Flow::Password(Password::new(self.token_url, Scopes::from_iter(self.scopes.iter().copied())));
        document
            .components
            .get_or_insert_default()
            .add_security_scheme("OAuth2PasswordBearer", SecurityScheme::OAuth2(OAuth2::new([flow])));
    }
}

/// The documentation of `POST /token`, to merge into your own document.
#[derive(Debug, OpenApi)]
#[openapi(paths(token::sign_in_operation), modifiers(&OAuth2PasswordBearer))]
pub struct TokenApi;

/// The same with errors in [`ErrorFormat::OAuth2`](crate::ErrorFormat::OAuth2), and with refresh tokens, `/revoke` and `/introspect`.
#[derive(Debug, OpenApi)]
#[openapi(
    paths(
        token::sign_in_operation_rfc,
        revocation::revoke_token_operation,
        introspection::introspect_token_operation
    ),
    modifiers(&OAuth2PasswordBearer)
)]
pub struct RfcTokenApi;
