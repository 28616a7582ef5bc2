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

/// Returns the default scopes of a new user, which are sufficient for the account page.
pub(crate) fn default_scopes() -> Scopes {
    Me::SCOPES.iter().filter_map(|scope| scope.parse::<Scope>().ok()).collect()
}

/// The tag of the endpoints for the current user, with its description.
const USERS: [(&str, &str); 1] = [("Users", "The current user and their account")];

/// Sets the title, version and description of a document, and describes its tag `Users`.
pub(crate) fn with_info(mut document: OpenApi, description: &str) -> OpenApi {
    document.info = InfoBuilder::new()
        .title("Gatepass")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(description))
        .build();
    describe_tags(&mut document, &USERS);
    // Swagger UI shows the tags in this order. The endpoints that most people try first come first.
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
