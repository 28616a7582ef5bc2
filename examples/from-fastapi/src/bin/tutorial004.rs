//! A port of FastAPI's chapter "OAuth2 with Password (and hashing), Bearer with JWT tokens": hashed passwords, and JWTs
//! that are valid for 30 minutes.

use std::{env, error::Error, time::Duration};

use actix_web::{App, HttpServer, get, web};
use gatepass::jwt::{JwtSettings, JwtTokens, SigningKeys};
use gatepass::{Account, ActiveUser, Auth, AuthUser, BackendError, ErrorFormat, GrantedScopes};
use gatepass::{PasswordHash, Subject, UserStore, Username, docs, passwords::Argon2Hasher};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::{OpenApi, ToSchema};

const ACCESS_TOKEN_EXPIRE: Duration = Duration::from_secs(30 * 60);
/// The hash of `secret`.
const HASHED_PASSWORD: &str = "$argon2id$v=19$m=65536,t=3,p=4$wagCPXjifgvUFBzq4hqe3w$CYaIb8sB+wtD+Vu/P4uod1+Qof8h+1g7bbDlBID48Rc";

#[derive(Clone, Serialize, ToSchema)]
struct User {
    username: Subject,
    email: &'static str,
    full_name: &'static str,
    disabled: bool,
}

impl AuthUser for User {
    fn subject(&self) -> Subject {
        self.username.clone()
    }

    fn is_active(&self) -> bool {
        !self.disabled
    }

    fn allowed_scopes(&self) -> GrantedScopes {
        GrantedScopes::All
    }
}

struct FakeUsersDb(Vec<Account<User>>);

impl FakeUsersDb {
    fn find(&self, username: &str) -> Option<Account<User>> {
        let is_name = |account: &&Account<User>| account.user.username.as_str() == username;
        self.0.iter().find(is_name).cloned()
    }
}

impl UserStore for FakeUsersDb {
    type User = User;

    async fn find_by_username(
        &self,
        name: &Username,
    ) -> Result<Option<Account<User>>, BackendError> {
        Ok(self.find(name.as_str()))
    }

    async fn find_by_subject(&self, name: &Subject) -> Result<Option<User>, BackendError> {
        Ok(self.find(name.as_str()).map(|account| account.user))
    }

    async fn replace_hash(
        &self,
        _: &Subject,
        _: &PasswordHash,
        _: &PasswordHash,
    ) -> Result<(), BackendError> {
        Ok(()) // the table is constant
    }
}

#[utoipa::path(security(("OAuth2PasswordBearer" = [])), responses((status = 200, body = User)))]
#[get("/users/me/")]
async fn read_users_me(current_user: ActiveUser<User>) -> web::Json<User> {
    web::Json(current_user.into_inner())
}

#[utoipa::path(security(("OAuth2PasswordBearer" = [])), responses((status = 200)))]
#[get("/users/me/items/")]
async fn read_own_items(current_user: ActiveUser<User>) -> web::Json<Value> {
    web::Json(json!([{ "item_id": "Foo", "owner": current_user.username }]))
}

#[derive(OpenApi)]
#[openapi(paths(read_users_me, read_own_items))]
struct Document;

#[actix_web::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let johndoe = User {
        username: Subject::new("johndoe")?,
        email: "johndoe@example.com",
        full_name: "John Doe",
        disabled: false,
    };
    let keys = SigningKeys::secret(&env::var("SECRET_KEY")?)?; // openssl rand -hex 32
    let auth = Auth::builder(FakeUsersDb(vec![Account::new(johndoe, HASHED_PASSWORD)]))
        .passwords(Argon2Hasher::default())
        .tokens(JwtTokens::open_with(JwtSettings {
            access_token_ttl: ACCESS_TOKEN_EXPIRE,
            ..JwtSettings::new(keys, "http://127.0.0.1:8080")
        })?)
        .error_format(ErrorFormat::FastApi)
        .build()?;
    let docs = docs::routes(&Document::openapi().merge_from(auth.openapi()))?;
    let app = move || {
        App::new()
            .configure(auth.routes())
            .configure(docs.clone())
            .service((read_users_me, read_own_items))
    };
    let address = env::var("BIND").unwrap_or("127.0.0.1:8080".into());
    Ok(HttpServer::new(app).bind(address)?.run().await?)
}
