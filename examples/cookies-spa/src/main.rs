//! A single-page application that signs in with a session cookie. README.md shows how to run and use it.

use std::{env, error::Error};

use actix_web::{
    App, HttpResponse, HttpServer, Responder, Result,
    error::{ErrorBadRequest, InternalError},
    get,
    http::{StatusCode, header::ContentType},
    middleware::DefaultHeaders,
    post, web,
};
use gatepass::{
    Account, ActiveUser, Auth, AuthUser, BackendError, ClientInfo, MaybeUser, PasswordRequestForm,
    error::StoreError,
    jwt::JwtTokens,
    passwords::Argon2Hasher,
    sql::{self, Database, SqlSessions, SqlUsers, User},
    web::{CookieTransport, TrustedProxies},
};
use serde::{Deserialize, Serialize};
use sqlx::SqlitePool;

/// A policy that allows only the script files of this host, so that an injected script does not run.
const POLICY: &str = "default-src 'none'; script-src 'self'; connect-src 'self'; form-action 'none'; base-uri 'none'; \
    frame-ancestors 'none'";

#[derive(Serialize)]
struct Me {
    /// `null` if nobody is signed in.
    username: Option<String>,
}

/// Returns the current user. The page sends this request first, since scripts cannot read the cookie.
#[get("/api/me")]
async fn current_user(user: MaybeUser<User>) -> impl Responder {
    web::Json(Me {
        username: user.active().map(|user| user.username.clone()),
    })
}

#[get("/api/notes")]
async fn list_notes(me: ActiveUser<User>, pool: web::Data<SqlitePool>) -> Result<impl Responder> {
    let select =
        sqlx::query_scalar("SELECT text FROM notes WHERE owner = $1 ORDER BY id DESC LIMIT 100");
    let notes: Vec<String> = select
        .bind(me.subject().as_str())
        .fetch_all(&**pool)
        .await
        .map_err(BackendError::from)?;
    Ok(web::Json(notes))
}

#[derive(Deserialize)]
struct NewNote {
    text: String,
}

/// Adds a note. Gatepass refuses requests with the cookie from other origins, so the handler does not have to check the
/// origin.
#[post("/api/notes")]
async fn add_note(
    me: ActiveUser<User>,
    pool: web::Data<SqlitePool>,
    note: web::Form<NewNote>,
) -> Result<impl Responder> {
    if note.text.is_empty() || note.text.len() > 1000 {
        return Err(ErrorBadRequest("A note must be 1 to 1000 bytes long"));
    }
    let insert = sqlx::query("INSERT INTO notes (owner, text) VALUES ($1, $2)");
    let insert = insert.bind(me.subject().as_str()).bind(&note.text);
    insert.execute(&**pool).await.map_err(BackendError::from)?;
    Ok(HttpResponse::NoContent())
}

#[post("/api/register")]
async fn register(
    auth: Auth<User>,
    users: web::Data<SqlUsers>,
    client: ClientInfo,
    form: PasswordRequestForm,
) -> Result<impl Responder> {
    auth.check_rate(&client).await?;
    let username = sql::username(&form.username).map_err(ErrorBadRequest)?;
    let password_hash = auth
        .hash_password(&form.password, &[username.as_str()])
        .await?;
    let user = User {
        id: User::new_id(),
        username: username.to_string(),
        email: None,
        full_name: None,
        disabled: false,
        scopes: "me".parse().map_err(ErrorBadRequest)?,
    };
    let failed = |error: StoreError| InternalError::new(error, StatusCode::INTERNAL_SERVER_ERROR);
    match users
        .insert(&Account {
            user,
            password_hash,
        })
        .await
        .map_err(failed)?
    {
        true => Ok(HttpResponse::NoContent()),
        false => Err(ErrorBadRequest("This username is taken")),
    }
}

#[get("/")]
async fn page() -> impl Responder {
    HttpResponse::Ok()
        .content_type(ContentType::html())
        .body(include_str!("../static/index.html"))
}

#[get("/app.js")]
async fn script() -> impl Responder {
    HttpResponse::Ok()
        .content_type("text/javascript; charset=utf-8")
        .body(include_str!("../static/app.js"))
}

#[actix_web::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let address = env::var("BIND").unwrap_or("127.0.0.1:8080".into());
    let issuer = env::var("ISSUER").unwrap_or(format!("http://{address}"));
    let proxies = env::var("TRUSTED_PROXIES").unwrap_or_default();
    let proxies = web::Data::new(proxies.parse::<TrustedProxies>()?);
    let database = Database::open("sqlite:spa.db").await?;
    database.remove_expired();
    let pool = SqlitePool::connect("sqlite:spa.db").await?;
    sqlx::query("CREATE TABLE IF NOT EXISTS notes (id INTEGER PRIMARY KEY, owner TEXT NOT NULL, text TEXT NOT NULL)")
        .execute(&pool)
        .await?;
    let users = SqlUsers::new(database.clone());
    // A unique name, since applications on different ports of localhost share cookies.
    let mut cookies = CookieTransport::default().name("spa_session");
    if !issuer.starts_with("https://") {
        cookies = cookies.insecure_http(); // for development
    }
    let auth = Auth::builder(users.clone())
        .passwords(Argon2Hasher::default())
        .tokens(JwtTokens::open("keys", issuer)?)
        .sessions(SqlSessions::new(database))
        .cookies(cookies)
        .build()?;
    let (pool, users) = (web::Data::new(pool), web::Data::new(users));
    let server = HttpServer::new(move || {
        let headers = [
            ("Content-Security-Policy", POLICY),
            ("Cache-Control", "no-store"),
            ("Referrer-Policy", "no-referrer"),
        ];
        let headers = headers
            .into_iter()
            .fold(DefaultHeaders::new(), |headers, header| headers.add(header));
        App::new()
            .wrap(headers)
            .app_data(proxies.clone())
            .app_data(pool.clone())
            .app_data(users.clone())
            .configure(auth.routes()) // with POST /login and POST /logout
            .service(current_user)
            .service(list_notes)
            .service(add_note)
            .service(register)
            .service(page)
            .service(script)
    })
    .bind(address)?;
    println!("http://{}", server.addrs()[0]);
    Ok(server.run().await?)
}
