//! The secure profile: hashed passwords, stored users, signed tokens, granted scopes.

use std::sync::Arc;

use utoipa::openapi::OpenApi;

use crate::{
    adapters::{
        argon2::Argon2Hasher,
        jwt::{JwtTokens, SigningAlgorithm},
        sql::{Database, SqlClients, SqlUsers, User},
    },
    app::{
        document,
        failure::Failure,
        server::{Server, Service},
        settings::{SecureSettings, Settings, Switch},
    },
    auth::{Auth, Policy},
    domain::{dialect::Dialect, ports::PublishedKeys},
    http::clock,
};

/// The service of the secure profile, listening.
pub(super) async fn server(settings: &Settings) -> Result<Server, Failure> {
    let secure = &settings.secure;
    let database = Database::open(secure.database_url.expose()).await?;
    let tokens = JwtTokens::open(secure.jwt(settings.bind), clock::now())?;
    let keys = (secure.algorithm == SigningAlgorithm::EdDsa)
        .then(|| Arc::new(tokens.clone()) as Arc<dyn PublishedKeys>);
    let auth = Auth::builder(SqlUsers::new(database.clone()))
        .hasher(Argon2Hasher::new(secure.argon2())?)
        .tokens(tokens)
        .clients(SqlClients::new(database))
        .policy(policy(secure))
        .build();
    let service = Service { auth, document: document(secure), profile: "secure", keys };
    let server = Server::bind(service, settings)?;
    if secure.issuer_is_unusable(settings.bind) {
        log::warn!("tokens say {} as their issuer: say --issuer", secure.issuer(settings.bind));
    }
    Ok(server)
}

fn policy(secure: &SecureSettings) -> Policy {
    Policy {
        dialect: Dialect::Rfc,
        inactive_users_sign_in: false,
        require_grant_type: secure.strict,
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
