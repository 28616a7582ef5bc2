//! The profiles. Each builds the service with its own adapters.

pub(crate) mod secure;
pub(crate) mod tutorial;

use crate::app::{
    failure::Failure,
    server::Server,
    settings::{Profile, Settings},
};

/// Builds the service of the profile in `settings` and starts listening.
///
/// # Errors
/// If a setting is invalid, or the database, the keys or the address cannot be used.
pub async fn server(settings: &Settings) -> Result<Server, Failure> {
    match settings.profile.profile {
        Profile::Tutorial => tutorial::server(settings),
        Profile::Secure => secure::server(settings).await,
    }
}
