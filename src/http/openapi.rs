//! The OpenAPI document and its security scheme.

use utoipa::{
    Modify, OpenApi, ToSchema,
    openapi::{
        self, InfoBuilder,
        security::{Flow, OAuth2, Password, Scopes, SecurityScheme},
    },
};

use crate::http::{token, users};

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
#[derive(Clone, Copy, Debug)]
pub struct OAuth2PasswordBearer;

impl Modify for OAuth2PasswordBearer {
    fn modify(&self, document: &mut openapi::OpenApi) {
        let flow = Flow::Password(Password::new("token", Scopes::new()));
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

/// The documentation of `GET /users/me`; the schema `User` is for the application to add.
#[derive(Debug, OpenApi)]
#[openapi(paths(users::read_users_me_operation), modifiers(&OAuth2PasswordBearer))]
pub struct UsersApi;

/// The document of the service, for users that look like `U`.
pub fn service_document<U: ToSchema>(description: &str) -> openapi::OpenApi {
    let mut document = TokenApi::openapi();
    document.merge(UsersApi::openapi());
    document.info = InfoBuilder::new()
        .title("Gatepass")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(description))
        .build();
    document.components.get_or_insert_default().schemas.insert("User".into(), U::schema());
    document
}
