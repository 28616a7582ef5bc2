//! Whose a token is: what both frameworks' versions do.

use std::collections::HashMap;

use jsonwebtoken::{DecodingKey, Validation};
use serde::{Deserialize, Serialize};
use sqlx::{Row, SqlitePool, sqlite::SqlitePoolOptions, sqlite::SqliteRow};

use super::SECRET;

const ALL: &str = "SELECT username, email, full_name, disabled, scopes FROM users";
const ONE: &str = "SELECT username, email, full_name, disabled, scopes FROM users WHERE username_key = $1";

#[derive(Serialize, Deserialize)]
pub struct Claims {
    pub sub: String,
    pub exp: u64,
    pub scope: String,
}

#[derive(Clone, Serialize)]
pub struct User {
    pub username: String,
    email: Option<String>,
    full_name: Option<String>,
    disabled: bool,
    scopes: Vec<String>,
}

pub struct Recogniser {
    key: DecodingKey,
    validation: Validation,
    users: Users,
}

enum Users {
    Memory(HashMap<String, User>),
    Sqlite(SqlitePool),
}

impl Recogniser {
    pub async fn open(database_url: &str, in_memory: bool) -> Result<Self, sqlx::Error> {
        let pool = SqlitePoolOptions::new().connect(database_url).await?;
        let users = if in_memory {
            let rows = sqlx::query(ALL).fetch_all(&pool).await?;
            let users = rows.iter().map(|row| user(row).map(|user| (user.username.clone(), user)));
            Users::Memory(users.collect::<Result<_, _>>()?)
        } else {
            Users::Sqlite(pool)
        };
        let (key, validation) = (DecodingKey::from_secret(SECRET), Validation::default());
        Ok(Self { key, validation, users })
    }

    /// The user, where the token is genuine, has not expired and allows it, and the user is active.
    pub async fn recognise(&self, token: &str) -> Option<User> {
        let claims = jsonwebtoken::decode::<Claims>(token, &self.key, &self.validation).ok()?.claims;
        if !claims.scope.split(' ').any(|scope| scope == "me") {
            return None;
        }
        let user = match &self.users {
            Users::Memory(users) => users.get(&claims.sub)?.clone(),
            Users::Sqlite(pool) => {
                let row = sqlx::query(ONE).bind(claims.sub).fetch_optional(pool).await.ok()??;
                user(&row).ok()?
            }
        };
        (!user.disabled).then_some(user)
    }
}

fn user(row: &SqliteRow) -> Result<User, sqlx::Error> {
    Ok(User {
        username: row.try_get("username")?,
        email: row.try_get("email")?,
        full_name: row.try_get("full_name")?,
        disabled: row.try_get("disabled")?,
        scopes: row.try_get::<&str, _>("scopes")?.split(' ').map(str::to_owned).collect(),
    })
}
