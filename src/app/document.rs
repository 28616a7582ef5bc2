//! The OpenAPI document of the service.

use std::io::{self, Write};

use utoipa::{
    Modify, OpenApi, ToSchema,
    openapi::{self, InfoBuilder, RefOr, Schema},
};

use crate::{
    adapters::jwt::SigningAlgorithm,
    app::{
        failure::Failure,
        profile,
        settings::{Profile, SecureSettings, Settings},
    },
    auth::RefreshTokens,
    domain::scope::Scope,
    http::{
        jwks::JwksApi,
        metadata::MetadataApi,
        openapi::{OAuth2PasswordBearer, RfcTokenApi, TokenApi},
        password::PasswordApi,
        sessions::SessionsApi,
        users::{ScopedUsersApi, UsersApi},
    },
};

/// The scopes that the service itself asks for.
const SCOPES: &[(&str, &str)] = &[
    ("me", "Read your own user, end your sessions, change your password"),
    ("tokens:introspect", "Ask about tokens"),
];

const OFFLINE_ACCESS: (&str, &str) = (Scope::OFFLINE_ACCESS, "Stay signed in: get a refresh token");

/// The scopes that a person may ask for, as the service is set.
pub(crate) fn scopes(settings: &SecureSettings) -> Vec<(&'static str, &'static str)> {
    let offline_access = (settings.refresh_tokens != RefreshTokens::Never).then_some(OFFLINE_ACCESS);
    SCOPES.iter().copied().chain(offline_access).collect()
}

/// The document of the tutorial profile, for users that look like `U`.
pub(crate) fn tutorial<U: ToSchema>(description: &str) -> openapi::OpenApi {
    document::<U>(TokenApi::openapi().merge_from(UsersApi::openapi()), description)
}

/// The document of the secure profile as it is set, for users that look like `U`.
pub(crate) fn secure<U: ToSchema>(settings: &SecureSettings, description: &str) -> openapi::OpenApi {
    let mut api = RfcTokenApi::openapi()
        .merge_from(ScopedUsersApi::openapi())
        .merge_from(SessionsApi::openapi())
        .merge_from(PasswordApi::openapi())
        .merge_from(MetadataApi::openapi());
    if settings.algorithm == SigningAlgorithm::EdDsa {
        api.merge(JwksApi::openapi());
    }
    if settings.refresh_tokens == RefreshTokens::Never {
        NoRefreshTokens.modify(&mut api);
    }
    if settings.require_grant_type {
        RequiredGrantType.modify(&mut api);
    }
    OAuth2PasswordBearer { scopes: &scopes(settings), ..OAuth2PasswordBearer }.modify(&mut api);
    document::<U>(api, description)
}

/// The token endpoint where nobody gets a refresh token.
struct NoRefreshTokens;

impl Modify for NoRefreshTokens {
    fn modify(&self, document: &mut openapi::OpenApi) {
        let schemas = &mut document.components.get_or_insert_default().schemas;
        for name in ["TokenRequestForm", "TokenResponse"] {
            let Some(RefOr::T(Schema::Object(schema))) = schemas.get_mut(name) else { continue };
            schema.properties.shift_remove("refresh_token");
            if let Some(RefOr::T(Schema::Object(grant_type))) = schema.properties.get_mut("grant_type") {
                grant_type.pattern = Some("^password$".to_owned());
                grant_type.description = Some("`password`. Left out, it is the same.".to_owned());
            }
        }
    }
}

/// The form of a sign-in in which `grant_type` is required.
struct RequiredGrantType;

impl Modify for RequiredGrantType {
    fn modify(&self, document: &mut openapi::OpenApi) {
        let schemas = &mut document.components.get_or_insert_default().schemas;
        if let Some(RefOr::T(Schema::Object(form))) = schemas.get_mut("TokenRequestForm") {
            form.required.insert(0, "grant_type".to_owned());
            if let Some(RefOr::T(Schema::Object(grant_type))) = form.properties.get_mut("grant_type") {
                // Nor may it be empty.
                grant_type.pattern = Some("^(password|refresh_token)$".to_owned());
            }
        }
    }
}

fn document<U: ToSchema>(mut document: openapi::OpenApi, description: &str) -> openapi::OpenApi {
    document.info = InfoBuilder::new()
        .title("Gatepass")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(description))
        .build();
    document.components.get_or_insert_default().schemas.insert("User".into(), U::schema());
    document
}

/// Prints the document of the profile that is set.
pub(crate) fn print(settings: &Settings) -> Result<(), Failure> {
    let document = match settings.profile {
        Profile::Tutorial => profile::tutorial::document(),
        Profile::Secure => profile::secure::document(&settings.secure),
    };
    let json = document.to_pretty_json().map_err(|error| Failure::failed(error.to_string()))?;
    Ok(writeln!(io::stdout().lock(), "{json}")?)
}
