//! The secure profile: hashed passwords, stored users, signed tokens, granted scopes.

use std::{sync::Arc, time::Duration};

use utoipa::openapi::OpenApi;

use crate::{
    adapters::{
        argon2::Argon2Hasher,
        jwt::{JwtTokens, SigningAlgorithm},
        password_policy::check_new_password,
        sql::{Database, SqlAudit, SqlClients, SqlFailedAttempts, SqlSessions, SqlUsers, User},
    },
    app::{
        audit::AuditTrail,
        document,
        failure::Failure,
        metrics::Figures,
        ops::{self, Operations},
        server::{Routes, Server, Service, StartError},
        settings::{SecureSettings, Settings, Switch},
    },
    auth::{Auth, Policy, RefreshTokens, TokenCache},
    domain::{backend_error::BackendError, error_format::ErrorFormat},
    http::{
        clock, jwks,
        metadata::{self, ServerMetadata},
        password::PasswordRule,
        users::Me,
    },
};

/// The service of the secure profile, listening.
pub(super) async fn server(settings: &Settings) -> Result<Server, Failure> {
    let secure = &settings.secure;
    let database = Database::open_with(secure.database_url.expose(), secure.database()).await?;
    let database = database.keeping_audit(settings.ops.audit_kept());
    let tokens = JwtTokens::open(settings.jwt(), clock::now())?;
    let memory = Arc::new(TokenCache::new(secure.token_cache_size));
    let token_cache_max_staleness = Duration::from_secs(secure.token_cache_max_staleness.get().into());
    database.watch(Arc::clone(&memory) as _, token_cache_max_staleness, clock::now).await?;
    tokens.watch(Arc::clone(&memory) as _);
    let hasher = Argon2Hasher::new(secure.argon2())?;
    let writer = SqlAudit::new(database.clone()).writer();
    let audit =
        AuditTrail::start(settings.ops.audit_log.as_deref(), Some(writer)).map_err(StartError::Audit)?;
    let mut figures = Figures::new(audit);
    figures.of_hashes(hasher.load());
    figures.of_memory(Arc::clone(&memory));
    let operations = operations(figures, &database, &tokens);
    let users = SqlUsers::new(database.clone());
    let auth = Auth::builder(users.clone())
        .bearers(users)
        .hasher(hasher)
        .tokens(tokens.clone())
        .clients(SqlClients::new(database.clone()))
        .refresh_tokens(SqlSessions::new(database.clone()), secure.refresh())
        .memory(memory)
        .policy(policy(secure));
    let auth = operations.figures.listening(auth);
    let auth = match secure.login_throttle() {
        Some(limits) => auth.login_throttle(SqlFailedAttempts::new(database), limits),
        None => auth,
    };
    let auth = auth.build();
    let routes = routes(&auth, tokens, settings)?;
    let service = Service { auth, document: document(secure), profile: "secure", routes, operations };
    let server = Server::bind(service, settings)?;
    if settings.issuer_is_unusable() {
        log::warn!("tokens say {} as their issuer: say --issuer", settings.issuer());
    }
    Ok(server)
}

/// What is known of it while it runs, and what it needs to be ready.
fn operations(figures: Figures, database: &Database, tokens: &JwtTokens) -> Operations {
    let (ping, tokens) = (Arc::new(database.ping()), tokens.clone());
    Operations::new(figures)
        .check("database", move || {
            let ping = Arc::clone(&ping);
            Box::pin(async move { ping.ask(ops::PATIENCE).await })
        })
        .check("keys", move || {
            let can_sign = tokens.can_sign(clock::now());
            Box::pin(async move {
                can_sign.then_some(()).ok_or_else(|| BackendError::unavailable("no key signs"))
            })
        })
}

/// What this profile answers beside what every one does.
fn routes(
    auth: &Auth<SqlUsers, Argon2Hasher, JwtTokens>,
    tokens: JwtTokens,
    settings: &Settings,
) -> Result<Routes, Failure> {
    let auth = auth.clone();
    let secure = &settings.secure;
    let issuer = settings.issuer();
    let metadata = metadata::routes(&metadata(secure, &issuer)).map_err(BackendError::from)?;
    let keys = publishes_keys(secure).then(|| jwks::routes(Arc::new(tokens)));
    let rule: PasswordRule<User> = Arc::new(|password, user| {
        let words = [Some(&user.username), user.email.as_ref(), user.full_name.as_ref()];
        let words: Vec<&str> = words.into_iter().flatten().map(String::as_str).collect();
        check_new_password(password, &words).map_err(|weak| weak.to_string())
    });
    Ok(Arc::new(move |config| {
        config
            .configure(auth.session_routes::<Me>())
            .configure(auth.password_route::<Me>(Arc::clone(&rule)))
            .configure(metadata.clone());
        if let Some(keys) = &keys {
            config.configure(keys.clone());
        }
    }))
}

/// HS256 has no key that others may know.
fn publishes_keys(secure: &SecureSettings) -> bool {
    secure.algorithm == SigningAlgorithm::EdDsa
}

/// What /.well-known/oauth-authorization-server says.
fn metadata<'a>(secure: &SecureSettings, issuer: &'a str) -> ServerMetadata<'a> {
    ServerMetadata {
        issuer,
        scopes: document::scopes(secure).iter().map(|(scope, _)| *scope).collect(),
        has_password_grant: secure.password_grant == Switch::On,
        has_refresh_tokens: secure.refresh_tokens != RefreshTokens::Never,
        has_sessions: true,
        has_key_set: publishes_keys(secure),
        has_documentation: true,
    }
}

fn policy(secure: &SecureSettings) -> Policy {
    Policy {
        error_format: ErrorFormat::OAuth2,
        inactive_users_sign_in: false,
        require_grant_type: secure.require_grant_type,
        require_client: secure.require_client,
        password_grant_off: secure.password_grant == Switch::Off,
    }
}

/// What /openapi.json says.
pub(crate) fn document(secure: &SecureSettings) -> OpenApi {
    document::secure::<User>(
        secure,
        "Password in, bearer token out. The password grant is for first-party clients: \
         see [RFC 9700 section 2.4](https://www.rfc-editor.org/rfc/rfc9700#section-2.4).",
    )
}
