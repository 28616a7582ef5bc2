//! Which adapters are put together: the only place that knows them all.

use crate::{
    adapters::tutorial::{FakeHasher, SubjectTokens, TutorialUser, TutorialUsers},
    app::{
        document::document,
        server::{Server, StartError},
        settings::{Profile, Settings},
    },
    auth::Auth,
};

/// The service of the profile that `settings` name, bound and ready to run.
///
/// # Errors
/// Where it must not or cannot listen.
pub fn server(settings: &Settings) -> Result<Server, StartError> {
    match settings.profile {
        Profile::Tutorial => tutorial(settings),
    }
}

fn tutorial(settings: &Settings) -> Result<Server, StartError> {
    if !settings.bind.ip().is_loopback() && !settings.expose_tutorial {
        return Err(StartError::InsecureExposure(settings.bind));
    }
    let auth = Auth::builder(TutorialUsers::default())
        .hasher(FakeHasher::default())
        .tokens(SubjectTokens)
        .let_inactive_users_sign_in()
        .build();
    let document = document::<TutorialUser>(
        "**This is the `tutorial` profile, and it is insecure**: the access token is the username itself, and \
         the \"hash\" of a password is the word `fakehashed` and the password. For learning and prototypes, \
         never for real users.\n\nAuthorize as `johndoe` with the password `secret`, or as `alice`, who is \
         disabled, with `secret2`.",
    );
    let server = Server::bind(auth, &document, settings)?;
    log::warn!("the tutorial profile is INSECURE: for learning and prototypes, never for real users");
    Ok(server)
}
