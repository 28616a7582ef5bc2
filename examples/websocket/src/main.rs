//! A chat for signed-in users over WebSockets. README.md shows how to run and use it.

mod chat;

use std::{env, error::Error, sync::Arc, time::Duration};

use actix_web::http::StatusCode;
use actix_web::middleware::from_fn;
use actix_web::{App, HttpResponse, HttpServer, ResponseError, Result, post, web};
use gatepass::error::ApiError;
use gatepass::passwords::{Argon2Hasher, StrengthPolicy};
use gatepass::sql::{self, Database, SqlSessions, SqlUsers, User};
use gatepass::web::{TrustedProxies, access_log, fallback};
use gatepass::{Account, Auth, BackendError, ClientInfo, Password};
use gatepass::{jwt::JwtTokens, required_scopes};
use serde::Deserialize;
use tokio::sync::broadcast::channel;

use crate::chat::{Changes, Chat};

required_scopes! {
    struct UseChat = ["chat"];
}

#[derive(Deserialize)]
struct Registration {
    username: String,
    password: Password,
}

#[post("/users")]
async fn register(
    auth: Auth<User>,
    users: web::Data<SqlUsers>,
    client: ClientInfo,
    new: web::Json<Registration>,
) -> Result<HttpResponse> {
    auth.check_rate(&client).await?;
    // `username` also rejects names that look like another name because of invisible characters.
    let username = sql::username(&new.username)
        .map_err(|error| ApiError::new(StatusCode::BAD_REQUEST, error.to_string()))?;
    let password_hash = auth
        .hash_password(&new.password, &[username.as_str()])
        .await?;
    let user = User {
        id: User::new_id(),
        username: username.to_string(),
        email: None,
        full_name: None,
        disabled: false,
        scopes: "chat".parse().unwrap_or_default(),
    };
    let account = Account {
        user,
        password_hash,
    };
    if users.insert(&account).await.map_err(BackendError::from)? {
        Ok(HttpResponse::Created().json(account.user))
    } else {
        Err(ApiError::new(StatusCode::CONFLICT, "The username is taken").into())
    }
}

#[actix_web::main]
async fn main() -> Result<(), Box<dyn Error>> {
    env_logger::init_from_env(env_logger::Env::default().default_filter_or("info"));
    let address = env::var("BIND").unwrap_or("127.0.0.1:8080".into());
    let issuer = env::var("ISSUER").unwrap_or(format!("http://{address}"));
    let proxies = env::var("TRUSTED_PROXIES").unwrap_or_default();
    let proxies = web::Data::new(proxies.parse::<TrustedProxies>()?);
    let database = Database::open("sqlite:app.db").await?;

    let (messages, changes) = (channel(1000).0, channel(1000).0);
    let changes_of_database = Arc::new(Changes(changes.clone()));
    database
        .watch(changes_of_database, Duration::from_secs(10))
        .await?;
    let shared = web::Data::new(Chat { messages, changes });

    let users = SqlUsers::new(database.clone());
    let hasher = Argon2Hasher::default();
    let auth = Auth::builder(users.clone())
        .password_policy(StrengthPolicy::new(&hasher))
        .passwords(hasher)
        .tokens(JwtTokens::open("keys", issuer)?)
        .sessions(SqlSessions::new(database))
        .build()?;
    let app = move || {
        let json = web::JsonConfig::default().limit(4096);
        let json = json
            .error_handler(|error, _| ApiError::new(error.status_code(), error.to_string()).into());
        App::new()
            .wrap(from_fn(access_log))
            .app_data(proxies.clone())
            .app_data(json)
            .app_data(shared.clone())
            .app_data(web::Data::new(users.clone()))
            .configure(auth.routes())
            .configure(auth.account_routes::<UseChat>())
            .service((register, chat::chat))
            .default_service(web::to(fallback))
    };
    Ok(HttpServer::new(app).bind(address)?.run().await?)
}
