//! Which adapters are put together.

pub(crate) mod secure;
pub(crate) mod tutorial;

use crate::app::{
    failure::Failure,
    server::Server,
    settings::{Profile, Settings},
};

/// The service of the profile that `settings` name, listening.
///
/// # Errors
/// Where it must not or cannot start.
pub async fn server(settings: &Settings) -> Result<Server, Failure> {
    match settings.profile.profile {
        Profile::Tutorial => Ok(tutorial::server(settings)?),
        Profile::Secure => secure::server(settings).await,
    }
}
