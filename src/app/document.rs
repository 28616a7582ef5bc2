//! The OpenAPI document of the service.

use utoipa::{
    OpenApi, ToSchema,
    openapi::{self, InfoBuilder},
};

use crate::http::{openapi::TokenApi, users::UsersApi};

/// The document of a service whose users look like `U`.
pub(crate) fn document<U: ToSchema>(description: &str) -> openapi::OpenApi {
    let mut document = TokenApi::openapi().merge_from(UsersApi::openapi());
    document.info = InfoBuilder::new()
        .title("Gatepass")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(description))
        .build();
    document.components.get_or_insert_default().schemas.insert("User".into(), U::schema());
    document
}
