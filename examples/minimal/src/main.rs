//! Sign-in with your own user table: sqlx, Argon2id, signed tokens. README.md shows how to use it.
use actix_web::{App, HttpServer, Result as Reply, error::ErrorBadRequest, get, post, web};
use gatepass::{Account, ActiveUser, Auth, AuthUser, BackendError, ClientInfo, GrantedScopes};
use gatepass::{PasswordHash as Hash, PasswordRequestForm, Subject, UserStore, Username};
use gatepass::{jwt::JwtTokens, passwords::Argon2Hasher};
use sqlx::{FromRow, Row, SqlitePool, query, query_as};
use std::{fs::OpenOptions, os::unix::fs::OpenOptionsExt as _};
#[derive(Clone, FromRow)]
struct Member {
    id: i64,
    email: String,
    is_active: bool,
}
impl AuthUser for Member {
    fn subject(&self) -> Subject {
        self.id.into()
    }
    fn is_active(&self) -> bool {
        self.is_active
    }
    fn allowed_scopes(&self) -> GrantedScopes {
        GrantedScopes::All
    }
}
type Result<T> = std::result::Result<T, BackendError>;
struct Members(SqlitePool);
type Shared = web::Data<(Auth<Member>, SqlitePool)>;
impl UserStore for Members {
    type User = Member;
    async fn find_by_username(&self, name: &Username) -> Result<Option<Account<Member>>> {
        let select = query("SELECT * FROM members WHERE email = lower($1)").bind(name.as_str());
        let row = select.fetch_optional(&self.0).await?;
        let Some(row) = row else { return Ok(None) };
        let (member, hash): (_, String) = (Member::from_row(&row)?, row.try_get("hash")?);
        Ok(Some(Account::new(member, hash)))
    }
    async fn find_by_subject(&self, subject: &Subject) -> Result<Option<Member>> {
        let member = query_as("SELECT * FROM members WHERE id = $1").bind(subject.as_str());
        Ok(member.fetch_optional(&self.0).await?)
    }
    async fn replace_hash(&self, id: &Subject, old: &Hash, new: &Hash) -> Result<()> {
        let update = query("UPDATE members SET hash = $1 WHERE id = $2 AND hash = $3");
        let update = update.bind(new.expose()).bind(id.as_str());
        Ok(update.bind(old.expose()).execute(&self.0).await.map(drop)?)
    }
}
#[post("/register")] // in production, confirm the address by email
async fn register(app: Shared, client: ClientInfo, form: PasswordRequestForm) -> Reply<String> {
    let (auth, pool) = app.get_ref();
    auth.check_rate(&client).await?;
    let email = Username::new(form.username.clone()).map_err(ErrorBadRequest)?;
    let email = email.as_str();
    let hash = auth.hash_password(&form.password, &[email]).await?;
    let insert = "INSERT INTO members (email, hash) VALUES (lower($1), $2) ON CONFLICT DO NOTHING";
    let insert = query(insert).bind(email).bind(hash.expose());
    insert.execute(pool).await.map_err(BackendError::from)?;
    Ok("You can now sign in, unless the address was taken.".into())
}
#[get("/greeting")]
async fn greeting(me: ActiveUser<Member>) -> String {
    format!("Hello, {}", me.email)
}
const TABLE: &str = "CREATE TABLE IF NOT EXISTS members (id INTEGER PRIMARY KEY AUTOINCREMENT,
    email TEXT UNIQUE NOT NULL, hash TEXT NOT NULL, is_active BOOLEAN NOT NULL DEFAULT TRUE)";
#[actix_web::main]
async fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let mut f = OpenOptions::new(); // no other user of the machine may read the hashes
    f.append(true).create(true).mode(0o600).open("members.db")?;
    let pool = SqlitePool::connect("sqlite:members.db").await?;
    query(TABLE).execute(&pool).await?;
    let auth = Auth::builder(Members(pool.clone()))
        .passwords(Argon2Hasher::default())
        .tokens(JwtTokens::open("keys", "http://127.0.0.1:8080")?)
        .build()?;
    let shared = web::Data::new((auth.clone(), pool));
    let app = move || App::new().app_data(shared.clone()).configure(auth.routes());
    let server = HttpServer::new(move || app().service(register).service(greeting));
    let address = std::env::var("BIND").unwrap_or("127.0.0.1:8080".into());
    Ok(server.bind(address)?.run().await?)
}
