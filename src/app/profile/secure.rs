//! The secure profile: users in a database, hashed passwords, signed tokens, scopes and sessions.

use std::sync::Arc;

use serde_json::{Map, Value};
use utoipa::openapi::OpenApi;

use crate::{
    adapters::{
        jwt::{JwtSettings, JwtTokens, SigningKeys},
        passwords::Argon2Hasher,
        sql::{Database, SqlAudit, SqlClients, SqlFailedAttempts, SqlSessions, SqlUsers, User},
    },
    app::{
        audit::AuditTrail,
        document::{self, Me},
        failure::Failure,
        metrics::Metrics,
        ops::Operations,
        pages::{Pages, PasswordRules},
        server::{Server, Service},
        settings::{ApiSettings, SecureSettings, Settings},
    },
    auth::{Auth, AuthBuilder, CookieTransport, LoginThrottle, RefreshSettings, TokenCache},
    domain::user::UserProfile,
};

/// Builds the service of the secure profile and starts listening.
pub(super) async fn server(settings: &Settings) -> Result<Server, Failure> {
    settings.check_address()?;
    let secure = &settings.secure;
    let database = Database::open_with(secure.database.database_url.expose(), secure.database()).await?;
    let database = database
        .with_audit_retention(settings.operations.audit_retention)
        .with_audit_max_entries(settings.operations.audit_max_entries.get());
    check_default_client(secure, &database).await?;
    let tokens = JwtTokens::open_with(settings.jwt())?;
    let cache = Arc::new(TokenCache::new(secure.token_cache_size));
    database.watch(Arc::clone(&cache) as _, secure.token_cache_max_staleness).await?;
    tokens.watch(Arc::clone(&cache) as _);
    let hasher = Argon2Hasher::with_settings(secure.argon2())?;
    let policy = secure.passwords.policy(&secure.issuer, &hasher)?;
    let rules = PasswordRules { minimum: policy.min_characters, has_blocklist: policy.blocklist.is_some() };
    let events = SqlAudit::new(database.clone());
    let audit = AuditTrail::start(settings.operations.audit_log.as_deref(), Some(events.writer()))?;
    let mut metrics = Metrics::new(audit);
    metrics.add_hasher(hasher.clone());
    metrics.add_token_cache(Arc::clone(&cache));
    let operations = Operations::new(metrics, Some(database.clone()));

    let auth = builder(&database, tokens, &hasher, &secure.api, secure.refresh(), settings.cookies())
        .password_policy(policy)
        .issuer(settings.issuer())
        .audiences(settings.audiences()?)
        .default_client_id(secure.default_client_id.clone())
        .max_sessions(secure.max_sessions)
        .token_cache(cache);
    let auth = if secure.profile_claims { auth.extra_claims(profile_claims) } else { auth };
    let auth = match secure.login_throttle() {
        Some(limits) => {
            auth.login_throttle(LoginThrottle::new(SqlFailedAttempts::new(database)).limits(limits))
        }
        None => auth.without_login_throttle(),
    };
    let auth = operations.metrics.listen(auth).build()?;
    let brand = settings.brand()?;
    let pages = Pages {
        auth: auth.clone(),
        audit: events,
        brand,
        issuer: settings.issuer(),
        language: settings.pages.language,
        rules: secure.api.password_grant.then_some(rules),
    };
    let pages = pages.routes()?;
    let service = Service { document: openapi(&auth), auth, pages, operations };
    let server = Server::bind(service, settings)?;
    if let Some(warning) = settings.unreachable_issuer() {
        log::warn!("{warning}");
    }
    Ok(server)
}

/// Checks that no client is registered with the default client ID: the limits of the registered client would not apply
/// to requests without a client ID.
async fn check_default_client(secure: &SecureSettings, database: &Database) -> Result<(), Failure> {
    let id = &secure.default_client_id;
    if !secure.api.require_client && SqlClients::new(database.clone()).find(id).await?.is_some() {
        return Err(Failure::usage(format!(
            "client {id} is registered, but requests without a client ID use this ID too: set --require-client or another \
             --default-client-id, or remove the client"
        )));
    }
    Ok(())
}

/// Returns a builder with the parts that determine the OpenAPI document.
fn builder(
    database: &Database,
    tokens: JwtTokens,
    hasher: &Argon2Hasher,
    api: &ApiSettings,
    refresh: RefreshSettings,
    cookies: CookieTransport,
) -> AuthBuilder<SqlUsers> {
    let auth = Auth::builder(SqlUsers::new(database.clone()))
        .passwords(hasher.clone())
        .password_context(|user: &User| {
            [Some(&user.username), user.email.as_ref(), user.full_name.as_ref()]
                .into_iter()
                .flatten()
                .cloned()
                .collect()
        })
        .password_changes()
        .profile(profile)
        .forward_auth()
        .tokens(tokens)
        .sessions(SqlSessions::new(database.clone()))
        .clients(SqlClients::new(database.clone()))
        .refresh_tokens(refresh)
        .password_grant(api.password_grant)
        .require_grant_type(api.require_grant_type)
        .require_client(api.require_client)
        .documentation("/docs")
        .scope("me", "Read your user, manage your sessions, change your password")
        .scope("tokens:introspect", "Introspect tokens");
    let auth = if api.has_cookies() { auth.cookies(cookies) } else { auth };
    api.scope.iter().fold(auth, |auth, (scope, description)| auth.scope(scope.as_str(), description))
}

fn profile(user: &User) -> UserProfile {
    UserProfile {
        preferred_username: Some(user.username.clone()),
        email: user.email.clone(),
        name: user.full_name.clone(),
    }
}

/// Returns the claims that `--profile-claims` adds to access tokens.
fn profile_claims(user: &User) -> Map<String, Value> {
    let UserProfile { preferred_username, email, name } = profile(user);
    let claims = [("preferred_username", preferred_username), ("email", email), ("name", name)];
    claims.into_iter().filter_map(|(claim, value)| Some((claim.to_owned(), value?.into()))).collect()
}

fn openapi(auth: &Auth<User>) -> OpenApi {
    let description = "Password sign-in with OAuth2. Only first-party clients should use the password grant: \
        see [RFC 9700 section 2.4](https://www.rfc-editor.org/rfc/rfc9700#section-2.4).";
    document::with_info(
        auth.openapi().merge_from(auth.user_openapi::<Me>()).merge_from(auth.account_openapi::<Me>()),
        description,
    )
}

/// Returns the OpenAPI document of a service with these settings, without using its database and keys.
pub(crate) async fn document(api: ApiSettings) -> Result<OpenApi, Failure> {
    let database = Database::open("sqlite::memory:").await?;
    let directory = tempfile::tempdir()?;
    let tokens = JwtTokens::open_with(JwtSettings {
        algorithm: api.signing.algorithm,
        ..JwtSettings::new(SigningKeys::directory(directory.path()), "http://127.0.0.1")
    })?;
    let refresh = RefreshSettings { issue: api.refresh_tokens, ..RefreshSettings::default() };
    let auth =
        builder(&database, tokens, &Argon2Hasher::default(), &api, refresh, CookieTransport::default());
    let issuer = "http://127.0.0.1";
    Ok(openapi(&auth.issuer(issuer).audiences([issuer.parse()?]).build()?))
}
