//! Sign-in with a table of users in SQLite. README.md shows how to run and use it.

mod api;
mod users;

use std::{env, error::Error};

use actix_cors::Cors;
use actix_web::{App, HttpServer, middleware::from_fn, web};
use gatepass::passwords::{Argon2Hasher, StrengthPolicy};
use gatepass::web::{access_log, fallback};
use gatepass::{Auth, docs, jwt::JwtTokens};
use sqlx::SqlitePool;
use utoipa::OpenApi;

#[actix_web::main]
async fn main() -> Result<(), Box<dyn Error>> {
    env_logger::init_from_env(env_logger::Env::default().default_filter_or("info"));
    let address = env::var("BIND").unwrap_or("127.0.0.1:8080".into());
    let issuer = env::var("ISSUER").unwrap_or(format!("http://{address}"));
    let pool = SqlitePool::connect("sqlite:app.db?mode=rwc").await?;
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
    let document = api::Document::openapi();
    let document = document
        .merge_from(auth.openapi())
        .merge_from(auth.user_openapi::<api::Me>());
    let docs = docs::routes(&document)?;

    let app = move || {
        // The address of your frontend, if it is another one.
        let cors = Cors::default().allowed_origin("http://localhost:5173");
        let api = web::scope("/api/v1")
            .app_data(web::Data::new(users.clone()))
            .configure(auth.routes())
            .configure(docs.clone())
            .service(auth.user_endpoint::<api::Me>("/users/me"))
            .configure(api::routes);
        App::new()
            .wrap(cors.allow_any_method().allow_any_header())
            .wrap(from_fn(access_log))
            .service(api)
            .default_service(web::to(fallback))
    };
    Ok(HttpServer::new(app).bind(address)?.run().await?)
}
