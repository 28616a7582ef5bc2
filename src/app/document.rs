//! The OpenAPI document of the service.

use std::io::{self, Write};

use actix_web::rt::Runtime;
use utoipa::openapi::{InfoBuilder, OpenApi};

use crate::{
    app::{
        failure::Failure,
        profile,
        settings::{ApiSettings, Profile},
    },
    domain::scope::{Scope, Scopes},
    http::{endpoints::describe_tags, extract::users::RequiredScopes},
};

/// The scope `me`, which the endpoints of the current user's account require.
pub(crate) struct Me;

impl RequiredScopes for Me {
    const SCOPES: &'static [&'static str] = &["me"];
}

/// Returns the scopes of a new user if none are specified: enough to sign in to the pages.
pub(crate) fn default_scopes() -> Scopes {
    Me::SCOPES.iter().filter_map(|scope| scope.parse::<Scope>().ok()).collect()
}

/// The tag of the endpoints for the current user, with its description.
const USERS: [(&str, &str); 1] = [("Users", "The current user and their account")];

/// Adds title, version, description and the description of the tag `Users` to a document.
pub(crate) fn with_info(mut document: OpenApi, description: &str) -> OpenApi {
    document.info = InfoBuilder::new()
        .title("Gatepass")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(description))
        .build();
    describe_tags(&mut document, &USERS);
    // Swagger UI shows the tags in this order: most people sign in and read their user.
    if let Some(tags) = &mut document.tags {
        tags.sort_by_key(|tag| !["OAuth2", "Users"].contains(&tag.name.as_str()));
    }
    document
}

/// Prints the OpenAPI document of a profile.
pub(crate) fn print(profile: Profile, settings: ApiSettings) -> Result<(), Failure> {
    let document = match profile {
        Profile::Tutorial => profile::tutorial::document()?,
        Profile::Secure => Runtime::new()?.block_on(profile::secure::document(settings))?,
    };
    let json = document.to_pretty_json().map_err(|error| Failure::failed(error.to_string()))?;
    writeln!(io::stdout().lock(), "{json}").map_err(Failure::output)
}
