//! The tutorial profile: the insecure service of FastAPI's tutorial.

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
        server::{Server, Service},
        settings::Settings,
    },
    auth::{Auth, AuthBuilder, TokenCache},
    domain::error_format::ErrorFormat,
    http::endpoints::pages,
};

/// The capacity of the token cache, sufficient for the tokens of both users and some invalid tokens.
const TOKEN_CACHE_SIZE: NonZeroUsize = NonZeroUsize::new(100).expect("not zero");

/// Builds the service of the tutorial profile and starts listening.
pub(super) fn server(settings: &Settings) -> Result<Server, Failure> {
    settings.check_address()?;
    let cache = Arc::new(TokenCache::new(TOKEN_CACHE_SIZE));
    let audit = AuditTrail::start(settings.operations.audit_log.as_deref(), None)?;
    let mut metrics = Metrics::new(audit);
    metrics.add_token_cache(Arc::clone(&cache));
    let auth = metrics.listen(builder().token_cache(cache)).build()?;
    let operations = Operations::new(metrics, None);
    let pages = Arc::new(pages::routes());
    let service = Service { document: openapi(&auth), auth, pages, operations };
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
         the \"hash\" of a password is `fakehashed` followed by the password. Use it for learning and prototypes, \
         never for real users.\n\nAuthorize as `johndoe` with the password `secret`, or as `alice`, who is \
         disabled, with `secret2`.",
    )
}

/// Returns the OpenAPI document.
pub(crate) fn document() -> Result<OpenApi, Failure> {
    Ok(openapi(&builder().build()?))
}
