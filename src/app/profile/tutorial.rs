//! The tutorial profile: FastAPI's chapter, insecure.

use std::{num::NonZeroUsize, sync::Arc};

use utoipa::openapi::OpenApi;

use crate::{
    adapters::tutorial::{InsecureFakeHasher, InsecureSubjectTokens, TutorialUser, TutorialUsers},
    app::{
        audit::AuditTrail,
        document,
        metrics::Figures,
        ops::Operations,
        server::{Server, Service, StartError},
        settings::Settings,
    },
    auth::{Auth, Policy, TokenCache},
};

/// The tokens that are remembered: those of both users, who never change, and some that are nobody's.
const TOKENS: NonZeroUsize = NonZeroUsize::new(100).expect("not zero");

/// The service of the tutorial profile, listening.
pub(super) fn server(settings: &Settings) -> Result<Server, StartError> {
    if !settings.bind.ip().is_loopback() && !settings.expose_tutorial {
        return Err(StartError::InsecureExposure(settings.bind));
    }
    let memory = Arc::new(TokenCache::new(TOKENS));
    let auth = Auth::builder(TutorialUsers::default())
        .hasher(InsecureFakeHasher::default())
        .tokens(InsecureSubjectTokens)
        .memory(Arc::clone(&memory))
        .policy(Policy { inactive_users_sign_in: true, ..Policy::default() });
    let audit = AuditTrail::start(settings.ops.audit_log.as_deref(), None).map_err(StartError::Audit)?;
    let mut figures = Figures::new(audit);
    figures.of_memory(memory);
    let auth = figures.listening(auth).build();
    let service = Service {
        auth,
        document: document(),
        profile: "tutorial",
        routes: Arc::new(|_| {}),
        operations: Operations::new(figures),
    };
    let server = Server::bind(service, settings)?;
    log::warn!("the tutorial profile is INSECURE: for learning and prototypes, never for real users");
    Ok(server)
}

/// What /openapi.json says.
pub(crate) fn document() -> OpenApi {
    document::tutorial::<TutorialUser>(
        "**This is the `tutorial` profile, and it is insecure**: the access token is the username itself, and \
         the \"hash\" of a password is the word `fakehashed` and the password. For learning and prototypes, \
         never for real users.\n\nAuthorize as `johndoe` with the password `secret`, or as `alice`, who is \
         disabled, with `secret2`.",
    )
}
