//! Sign-in with Diesel, refresh tokens and sign-out. README.md shows how to run and use it.

mod api;
mod users;

use std::{env, error::Error};

use actix_web::{App, HttpServer, middleware::from_fn, web};
use diesel_async::pooled_connection::AsyncDieselConnectionManager;
use diesel_async::pooled_connection::deadpool::Pool;
use diesel_async::{AsyncPgConnection, SimpleAsyncConnection};
use gatepass::passwords::{Argon2Hasher, StrengthPolicy};
use gatepass::sql::{Database, DatabaseSettings, SqlSessions};
use gatepass::web::{TrustedProxies, access_log, fallback};
use gatepass::{Auth, jwt::JwtTokens};

#[actix_web::main]
async fn main() -> Result<(), Box<dyn Error>> {
    env_logger::init_from_env(env_logger::Env::default().default_filter_or("info"));
    let address = env::var("BIND").unwrap_or("127.0.0.1:8080".into());
    let issuer = env::var("ISSUER").unwrap_or(format!("http://{address}"));
    let proxies = env::var("TRUSTED_PROXIES").unwrap_or_default();
    let proxies = web::Data::new(proxies.parse::<TrustedProxies>()?);
    let url = env::var("DATABASE_URL")?;
    let manager = AsyncDieselConnectionManager::<AsyncPgConnection>::new(&url);
    let pool = Pool::builder(manager).build()?;
    let schema = include_str!("../schema.sql");
    pool.get().await?.batch_execute(schema).await?;

    let hasher = Argon2Hasher::default();
    let users = users::Users(pool);
    let auth = Auth::builder(users.clone())
        .password_policy(StrengthPolicy::new(&hasher))
        .passwords(hasher)
        .tokens(JwtTokens::open("keys", issuer)?)
        .sessions(sessions(&url).await?)
        .build()?;
    let app = move || {
        App::new()
            .wrap(from_fn(access_log))
            .app_data(proxies.clone())
            .app_data(web::Data::new(users.clone()))
            .configure(auth.routes()) // POST /token and POST /revoke
            .configure(auth.account_routes::<api::Me>()) // GET and DELETE /users/me/sessions
            .service(auth.user_endpoint::<api::Me>("/users/me"))
            .configure(api::routes)
            .default_service(web::to(fallback))
    };
    Ok(HttpServer::new(app).bind(address)?.run().await?)
}

/// Opens the session tables, in their own schema of the application's database.
async fn sessions(url: &str) -> Result<SqlSessions, Box<dyn Error>> {
    let settings = DatabaseSettings {
        schema: Some("gatepass"),
        ..DatabaseSettings::default()
    };
    let database = Database::open_with(url, settings).await?;
    database.remove_expired();
    Ok(SqlSessions::new(database))
}
