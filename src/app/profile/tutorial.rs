//! The tutorial profile: FastAPI's chapter, insecure.

use std::{num::NonZeroUsize, sync::Arc};

use utoipa::openapi::OpenApi;

use crate::{
    adapters::tutorial::{InsecureFakeHasher, InsecureSubjectTokens, TutorialUser, TutorialUsers},
    app::{
        audit::AuditTrail,
        document::{self, Me},
        failure::Failure,
        metrics::Metrics,
        ops::Operations,
        server::{Server, Service, StartError},
        settings::Settings,
    },
    auth::{Auth, AuthBuilder, TokenCache},
    domain::error_format::ErrorFormat,
};

/// The capacity of the token cache: the tokens of both users, and some invalid ones.
const TOKENS: NonZeroUsize = NonZeroUsize::new(100).expect("not zero");

/// The service of the tutorial profile, listening.
pub(super) fn server(settings: &Settings) -> Result<Server, Failure> {
    if !settings.listen.bind.ip().is_loopback() && !settings.expose_tutorial {
        return Err(StartError::InsecureExposure(settings.listen.bind).into());
    }
    let cache = Arc::new(TokenCache::new(TOKENS));
    let audit =
        AuditTrail::start(settings.operations.audit_log.as_deref(), None).map_err(StartError::Audit)?;
    let mut metrics = Metrics::new(audit);
    metrics.add_token_cache(Arc::clone(&cache));
    let auth = metrics.listen(builder().token_cache(cache)).build()?;
    let operations = Operations::new(metrics);
    let service = Service { document: openapi(&auth), auth, profile: "tutorial", operations };
    let server = Server::bind(service, settings)?;
    log::warn!("the tutorial profile is INSECURE: for learning and prototypes, never for real users");
    Ok(server)
}

fn builder() -> AuthBuilder<TutorialUsers> {
    Auth::builder(TutorialUsers::default())
        .passwords(InsecureFakeHasher::default())
        .tokens(InsecureSubjectTokens)
        .error_format(ErrorFormat::FastApi)
        .inactive_users_sign_in(true)
        .without_login_throttle()
}

fn openapi(auth: &Auth<TutorialUser>) -> OpenApi {
    document::with_info(
        auth.openapi().merge_from(auth.user_openapi::<Me>()),
        "**This is the `tutorial` profile, and it is insecure**: the access token is the username itself, and \
         the \"hash\" of a password is the word `fakehashed` and the password. For learning and prototypes, \
         never for real users.\n\nAuthorize as `johndoe` with the password `secret`, or as `alice`, who is \
         disabled, with `secret2`.",
    )
}

/// The OpenAPI document.
pub(crate) fn document() -> Result<OpenApi, Failure> {
    Ok(openapi(&builder().build()?))
}
