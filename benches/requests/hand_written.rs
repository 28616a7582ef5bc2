//! Hand-written alternatives to Gatepass: a bearer extractor with `jsonwebtoken` that verifies the token of every
//! request and then looks up its owner. Nothing is cached, and no token can be revoked.

use std::{collections::HashMap, env, sync::Arc};

use actix_web::{App, HttpServer, error::ErrorUnauthorized, rt::System, web};
use actix_web_httpauth::extractors::bearer::BearerAuth;
use axum::{
    Json, Router,
    extract::FromRequestParts,
    http::{StatusCode, header::AUTHORIZATION, request::Parts},
    routing::get,
    serve::ListenerExt,
};
use jsonwebtoken::{DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};
use sqlx::{
    Row, SqlitePool,
    sqlite::{SqlitePoolOptions, SqliteRow},
};
use tokio::{net::TcpListener, runtime::Builder};

use crate::{
    population::{Exchange, Population},
    support::{On, Result, Server, requests},
};

/// The argument that makes the benchmark serve as a hand-written service. It is followed by the framework, `memory` or
/// `sqlite`, the database URL and the address.
pub const ARGUMENT: &str = "--hand-written";

const SECRET: &[u8] = b"the secret of the hand-written services";
const LIFETIME_SECONDS: u64 = 24 * 60 * 60;
const ALL: &str = "SELECT username, email, full_name, disabled, scopes FROM users";
const ONE: &str = "SELECT username, email, full_name, disabled, scopes FROM users WHERE username_key = $1";

#[derive(Serialize, Deserialize)]
struct Claims {
    sub: String,
    exp: u64,
    scope: String,
}

#[derive(Clone, Serialize)]
struct User {
    username: String,
    email: Option<String>,
    full_name: Option<String>,
    disabled: bool,
    scopes: Vec<String>,
}

struct Verifier {
    key: DecodingKey,
    validation: Validation,
    users: HashMap<String, User>,
    /// `None` if all users are in memory.
    pool: Option<SqlitePool>,
}

/// Starts a service with the framework `axum` or `actix`. `users` is `memory` to read all users once, or `sqlite` to
/// query the user for each request. With users in memory, the service does not notice when a user is disabled.
pub fn start(on: On, framework: &str, users: &str, population: &Population) -> Result<Server> {
    Server::start(on, env::current_exe()?, |command, address| {
        command.args([ARGUMENT, framework, users, &population.data.database_url, &address.to_string()]);
    })
}

/// Returns a GET /users/me request with an HS256 token for each of `count` users.
pub fn exchanges(population: &Population, count: usize) -> Result<Vec<Exchange>> {
    let (header, key) = (Header::default(), EncodingKey::from_secret(SECRET));
    let exp = jsonwebtoken::get_current_timestamp() + LIFETIME_SECONDS;
    let exchange = |name: &str| {
        let claims = Claims { sub: name.to_owned(), exp, scope: "me".to_owned() };
        Ok(Exchange::new(requests::users_me(&jsonwebtoken::encode(&header, &claims, &key)?), name))
    };
    population.some(count).map(|token| exchange(&token.username)).collect()
}

pub fn serve(framework: &str, users: &str, database_url: &str, address: &str) -> Result<()> {
    if framework == "axum" {
        serve_axum(users, database_url, address)
    } else {
        serve_actix(users, database_url, address)
    }
}

fn serve_actix(users: &str, database_url: &str, address: &str) -> Result<()> {
    async fn read_users_me(
        bearer: BearerAuth,
        verifier: web::Data<Verifier>,
    ) -> actix_web::Result<web::Json<User>> {
        let user = verifier.verify(bearer.token()).await;
        user.map(web::Json).ok_or_else(|| ErrorUnauthorized("Not authenticated"))
    }
    System::new().block_on(async {
        let verifier = web::Data::new(Verifier::open(users, database_url).await?);
        let app =
            move || App::new().app_data(verifier.clone()).route("/users/me", web::get().to(read_users_me));
        Ok(HttpServer::new(app).workers(1).bind(address)?.run().await?)
    })
}

struct CurrentUser(User);

impl FromRequestParts<Arc<Verifier>> for CurrentUser {
    type Rejection = StatusCode;

    async fn from_request_parts(
        parts: &mut Parts,
        verifier: &Arc<Verifier>,
    ) -> std::result::Result<Self, StatusCode> {
        let header = parts.headers.get(AUTHORIZATION).and_then(|header| header.to_str().ok());
        let token =
            header.and_then(|header| header.strip_prefix("Bearer ")).ok_or(StatusCode::UNAUTHORIZED)?;
        verifier.verify(token).await.map(Self).ok_or(StatusCode::UNAUTHORIZED)
    }
}

fn serve_axum(users: &str, database_url: &str, address: &str) -> Result<()> {
    async fn read_users_me(CurrentUser(user): CurrentUser) -> Json<User> {
        Json(user)
    }
    // A single thread, since the other services have one worker each.
    Builder::new_current_thread().enable_all().build()?.block_on(async {
        let verifier = Arc::new(Verifier::open(users, database_url).await?);
        let router = Router::new().route("/users/me", get(read_users_me)).with_state(verifier);
        // Actix sets TCP_NODELAY by default.
        let listener = TcpListener::bind(address).await?.tap_io(|stream| {
            let _ = stream.set_nodelay(true);
        });
        Ok(axum::serve(listener, router).await?)
    })
}

impl Verifier {
    async fn open(users: &str, database_url: &str) -> Result<Self> {
        let (key, validation) = (DecodingKey::from_secret(SECRET), Validation::default());
        let pool = SqlitePoolOptions::new().connect(database_url).await?;
        if users == "sqlite" {
            return Ok(Self { key, validation, users: HashMap::new(), pool: Some(pool) });
        }
        let rows = sqlx::query(ALL).fetch_all(&pool).await?;
        let users = rows.iter().map(|row| read_user(row).map(|user| (user.username.clone(), user)));
        Ok(Self { key, validation, users: users.collect::<std::result::Result<_, _>>()?, pool: None })
    }

    /// Returns the owner of a token if the token is valid and has the scope, and the owner is active.
    async fn verify(&self, token: &str) -> Option<User> {
        let claims = jsonwebtoken::decode::<Claims>(token, &self.key, &self.validation).ok()?.claims;
        if !claims.scope.split(' ').any(|scope| scope == "me") {
            return None;
        }
        let user = match &self.pool {
            None => self.users.get(&claims.sub)?.clone(),
            Some(pool) => {
                let row = sqlx::query(ONE).bind(claims.sub).fetch_optional(pool).await.ok()??;
                read_user(&row).ok()?
            }
        };
        (!user.disabled).then_some(user)
    }
}

fn read_user(row: &SqliteRow) -> std::result::Result<User, sqlx::Error> {
    Ok(User {
        username: row.try_get("username")?,
        email: row.try_get("email")?,
        full_name: row.try_get("full_name")?,
        disabled: row.try_get("disabled")?,
        scopes: row.try_get::<&str, _>("scopes")?.split(' ').map(str::to_owned).collect(),
    })
}
