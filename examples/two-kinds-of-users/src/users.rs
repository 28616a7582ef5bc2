//! The tables `customers` and `staff`, with one store for both.

use std::marker::PhantomData;

use gatepass::{
    Account, AuthUser, BackendError, GrantedScopes, PasswordHash, Subject, UserStore, Username,
};
use serde::Serialize;
use sqlx::sqlite::{SqlitePool, SqliteRow};
use sqlx::{AssertSqlSafe, FromRow, Row, query, query_as};

pub type Result<T> = std::result::Result<T, BackendError>;

/// A kind of user with a table of its own.
pub trait Kind: AuthUser + Unpin + for<'row> FromRow<'row, SqliteRow> {
    const TABLE: &'static str;
}

#[derive(Clone, FromRow, Serialize)]
pub struct Customer {
    id: i64,
    email: String,
    is_active: bool,
}

#[derive(Clone, FromRow, Serialize)]
pub struct Staff {
    id: i64,
    email: String,
    is_active: bool,
}

macro_rules! kind {
    ($name:ident, $table:literal) => {
        impl Kind for $name {
            const TABLE: &'static str = $table;
        }

        impl AuthUser for $name {
            fn subject(&self) -> Subject {
                self.id.into()
            }

            fn is_active(&self) -> bool {
                self.is_active
            }

            fn allowed_scopes(&self) -> GrantedScopes {
                GrantedScopes::All
            }

            // Tokens contain this name: keep it even if you rename the type.
            fn user_kind() -> &'static str {
                stringify!($name)
            }
        }
    };
}
kind!(Customer, "customers");
kind!(Staff, "staff");

pub struct Users<K> {
    pool: SqlitePool,
    kind: PhantomData<K>,
}

impl<K: Kind> UserStore for Users<K> {
    type User = K;

    async fn find_by_username(&self, email: &Username) -> Result<Option<Account<K>>> {
        let select = format!("SELECT * FROM {} WHERE email = lower($1)", K::TABLE);
        let select = query(AssertSqlSafe(select)).bind(email.as_str());
        let Some(row) = select.fetch_optional(&self.pool).await? else {
            return Ok(None);
        };
        let hash: String = row.try_get("password_hash")?;
        Ok(Some(Account::new(K::from_row(&row)?, hash)))
    }

    async fn find_by_subject(&self, id: &Subject) -> Result<Option<K>> {
        let select = format!("SELECT * FROM {} WHERE id = $1", K::TABLE);
        let select = query_as(AssertSqlSafe(select)).bind(id.as_str());
        Ok(select.fetch_optional(&self.pool).await?)
    }

    async fn replace_hash(
        &self,
        id: &Subject,
        old: &PasswordHash,
        new: &PasswordHash,
    ) -> Result<()> {
        let table = K::TABLE;
        let update =
            format!("UPDATE {table} SET password_hash = $1 WHERE id = $2 AND password_hash = $3");
        let update = query(AssertSqlSafe(update))
            .bind(new.expose())
            .bind(id.as_str());
        update.bind(old.expose()).execute(&self.pool).await?;
        Ok(())
    }
}

impl<K: Kind> Users<K> {
    pub async fn open(pool: &SqlitePool) -> Result<Self> {
        let table = K::TABLE;
        let create = format!(
            "CREATE TABLE IF NOT EXISTS {table} (id INTEGER PRIMARY KEY AUTOINCREMENT,
             email TEXT UNIQUE NOT NULL, password_hash TEXT NOT NULL,
             is_active BOOLEAN NOT NULL DEFAULT TRUE)"
        );
        query(AssertSqlSafe(create)).execute(pool).await?;
        Ok(Self {
            pool: pool.clone(),
            kind: PhantomData,
        })
    }

    /// Adds a user, or returns `None` if the email address is taken.
    pub async fn add(&self, email: &str, hash: &PasswordHash) -> Result<Option<K>> {
        let table = K::TABLE;
        let insert = format!(
            "INSERT INTO {table} (email, password_hash) VALUES (lower($1), $2)
             ON CONFLICT DO NOTHING RETURNING *"
        );
        let insert = query_as(AssertSqlSafe(insert))
            .bind(email)
            .bind(hash.expose());
        Ok(insert.fetch_optional(&self.pool).await?)
    }

    pub async fn list(&self) -> Result<Vec<K>> {
        let select = format!("SELECT * FROM {} ORDER BY id LIMIT 100", K::TABLE);
        Ok(query_as(AssertSqlSafe(select))
            .fetch_all(&self.pool)
            .await?)
    }
}
