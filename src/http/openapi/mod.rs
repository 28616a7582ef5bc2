//! The security scheme for OpenAPI documents, and shared schemas and responses.

pub(crate) mod responses;

use std::borrow::Cow;

use serde::{Serialize, Serializer};
use utoipa::{
    Modify, PartialSchema, ToSchema,
    openapi::{
        self, RefOr, Schema,
        schema::{ArrayBuilder, KnownFormat, ObjectBuilder, SchemaFormat, Type},
        security::{Flow, OAuth2, Password, Scopes as ScopeDescriptions, SecurityScheme},
    },
};

use crate::domain::{
    scope::Scopes,
    secret::Password as Secret,
    user::{Subject, Username},
};

/// The security scheme `OAuth2PasswordBearer`, with which the Authorize button of Swagger UI signs in at `token`,
/// relative to the URL of the document. [`Auth::openapi`](crate::Auth::openapi) includes this scheme.
///
/// ```
/// use gatepass::OAuth2PasswordBearer;
/// use utoipa::OpenApi;
///
/// #[derive(OpenApi)]
/// #[openapi(modifiers(&OAuth2PasswordBearer))]
/// struct ApiDoc;
///
/// let document = ApiDoc::openapi().to_json()?;
/// assert!(document.contains(r#""tokenUrl":"token""#));
/// # Ok::<(), serde_json::Error>(())
/// ```
///
/// If an application mounts [`Auth::routes`](crate::Auth::routes) in a scope, set the token URL:
/// `OAuth2PasswordBearer { token_url: "api/token", scopes: &[] }.modify(&mut document)`.
#[derive(Clone, Copy, Debug)]
pub struct OAuth2PasswordBearer<'a> {
    /// The URL of the token endpoint, relative to the document.
    pub token_url: &'a str,
    /// The names and descriptions of the scopes that Swagger UI offers.
    pub scopes: &'a [(&'a str, &'a str)],
}

/// The security scheme without scopes, for a token endpoint at `token` relative to the document.
#[expect(non_upper_case_globals, reason = "named like the type, for `modifiers(&OAuth2PasswordBearer)`")]
pub const OAuth2PasswordBearer: OAuth2PasswordBearer<'static> =
    OAuth2PasswordBearer { token_url: "token", scopes: &[] };

impl Modify for OAuth2PasswordBearer<'_> {
    fn modify(&self, document: &mut openapi::OpenApi) {
        let scopes = ScopeDescriptions::from_iter(self.scopes.iter().copied());
        add_security_scheme(document, [Flow::Password(Password::new(self.token_url, scopes))]);
    }
}

/// Adds the security scheme `OAuth2PasswordBearer` with these flows.
pub(crate) fn add_security_scheme(document: &mut openapi::OpenApi, flows: impl IntoIterator<Item = Flow>) {
    let scheme = SecurityScheme::OAuth2(OAuth2::new(flows));
    document.components.get_or_insert_default().add_security_scheme("OAuth2PasswordBearer", scheme);
}

/// Serializes scopes as a list of strings.
impl Serialize for Scopes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter().map(|scope| scope.as_str()))
    }
}

impl PartialSchema for Scopes {
    fn schema() -> RefOr<Schema> {
        ArrayBuilder::new().items(ObjectBuilder::new().schema_type(Type::String)).into()
    }
}

impl ToSchema for Scopes {
    fn name() -> Cow<'static, str> {
        "Scopes".into()
    }
}

macro_rules! string_schema {
    ($($name:ident $text:literal $format:expr;)+) => {$(
        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                ObjectBuilder::new().schema_type(Type::String).format($format).into()
            }
        }

        impl ToSchema for $name {
            fn name() -> Cow<'static, str> {
                $text.into()
            }
        }
    )+};
}

string_schema! {
    Secret "Password" Some(SchemaFormat::KnownFormat(KnownFormat::Password));
    Subject "Subject" None;
    Username "Username" None;
}
