//! Sign-in with a table of users in SQLite. README.md shows how to run and use it.

mod api;
mod users;

use std::{env, error::Error, fs::OpenOptions, os::unix::fs::OpenOptionsExt};

use actix_cors::Cors;
use actix_web::{App, HttpServer, middleware::from_fn, web};
use gatepass::passwords::{Argon2Hasher, StrengthPolicy};
use gatepass::web::{TrustedProxies, access_log, fallback};
use gatepass::{Auth, docs, jwt::JwtTokens};
use sqlx::SqlitePool;
use utoipa::OpenApi;

#[actix_web::main]
async fn main() -> Result<(), Box<dyn Error>> {
    env_logger::init_from_env(env_logger::Env::default().default_filter_or("info"));
    let address = env::var("BIND").unwrap_or("127.0.0.1:8080".into());
    let issuer = env::var("ISSUER").unwrap_or(format!("http://{address}"));
    let frontend = env::var("FRONTEND").unwrap_or(issuer.clone());
    let proxies = env::var("TRUSTED_PROXIES").unwrap_or_default();
    let proxies = web::Data::new(proxies.parse::<TrustedProxies>()?);
    // The file contains password hashes: no other user of the machine may read it.
    let mut file = OpenOptions::new();
    file.append(true).create(true).mode(0o600).open("app.db")?;
    let pool = SqlitePool::connect("sqlite:app.db").await?;
    sqlx::migrate!().run(&pool).await?;

    let users = users::Users(pool);
    let hasher = Argon2Hasher::default();
    let auth = Auth::builder(users.clone())
        .password_policy(StrengthPolicy::new(&hasher))
        .passwords(hasher)
        .tokens(JwtTokens::open("keys", issuer)?)
        .scope("me", "Read your account")
        .scope("users:read", "Read all accounts")
        .build()?;
    let document = api::Document::openapi()
        .merge_from(auth.openapi())
        .merge_from(auth.user_openapi::<api::Me>());
    let docs = docs::routes(&document)?;

    let app = move || {
        let cors = Cors::default().allowed_origin(&frontend);
        let api = web::scope("/api/v1")
            .app_data(web::Data::new(users.clone()))
            .configure(auth.routes())
            .configure(docs.clone())
            .service(auth.user_endpoint::<api::Me>("/users/me"))
            .configure(api::routes);
        App::new()
            .wrap(cors.allow_any_method().allow_any_header())
            .wrap(from_fn(access_log))
            .app_data(proxies.clone())
            .service(api)
            .default_service(web::to(fallback))
    };
    Ok(HttpServer::new(app).bind(address)?.run().await?)
}
