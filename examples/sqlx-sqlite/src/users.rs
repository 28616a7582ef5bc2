//! The user model, and the queries that Gatepass needs.

use gatepass::{
    Account, AuthUser, BackendError, GrantedScopes, PasswordHash, Subject, UserStore, Username,
};
use serde::Serialize;
use sqlx::{FromRow, Row, SqlitePool, query, query_as};
use utoipa::ToSchema;

type Result<T> = std::result::Result<T, BackendError>;

#[derive(Clone, FromRow, Serialize, ToSchema)]
pub struct User {
    id: i64,
    email: String,
    full_name: String,
    is_active: bool,
    #[sqlx(json)]
    roles: Vec<String>,
}

impl AuthUser for User {
    fn subject(&self) -> Subject {
        self.id.into()
    }

    fn is_active(&self) -> bool {
        self.is_active
    }

    fn allowed_scopes(&self) -> GrantedScopes {
        let is_admin = self.roles.iter().any(|role| role == "admin");
        let scopes = if is_admin { "me users:read" } else { "me" };
        GrantedScopes::Only(scopes.parse().unwrap_or_default())
    }
}

#[derive(Clone)]
pub struct Users(pub SqlitePool);

impl UserStore for Users {
    type User = User;

    async fn find_by_username(&self, email: &Username) -> Result<Option<Account<User>>> {
        let select = query("SELECT * FROM users WHERE lower(email) = lower($1)");
        let Some(row) = select.bind(email.as_str()).fetch_optional(&self.0).await? else {
            return Ok(None);
        };
        let hash: String = row.try_get("password_hash")?;
        Ok(Some(Account::new(User::from_row(&row)?, hash)))
    }

    async fn find_by_subject(&self, id: &Subject) -> Result<Option<User>> {
        let select = query_as("SELECT * FROM users WHERE id = $1").bind(id.as_str());
        Ok(select.fetch_optional(&self.0).await?)
    }

    async fn replace_hash(
        &self,
        id: &Subject,
        old: &PasswordHash,
        new: &PasswordHash,
    ) -> Result<()> {
        query("UPDATE users SET password_hash = $1 WHERE id = $2 AND password_hash = $3")
            .bind(new.expose())
            .bind(id.as_str())
            .bind(old.expose())
            .execute(&self.0)
            .await?;
        Ok(())
    }
}

impl Users {
    /// Adds a user, or returns `None` if the email address is taken.
    pub async fn add(&self, email: &str, name: &str, hash: &PasswordHash) -> Result<Option<User>> {
        let insert = "INSERT INTO users (email, full_name, password_hash) VALUES ($1, $2, $3)
            ON CONFLICT DO NOTHING RETURNING *";
        let insert = query_as(insert).bind(email).bind(name).bind(hash.expose());
        Ok(insert.fetch_optional(&self.0).await?)
    }

    pub async fn list(&self) -> Result<Vec<User>> {
        let select = query_as("SELECT * FROM users ORDER BY id LIMIT 100");
        Ok(select.fetch_all(&self.0).await?)
    }
}
