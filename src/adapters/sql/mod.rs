//! Users, clients, sessions, failed attempts and the audit trail in SQLite or PostgreSQL.
//!
//! ```
//! use gatepass::sql::{Database, SqlUsers, User};
//! use gatepass::Account;
//!
//! # actix_web::rt::System::new().block_on(async {
//! let users = SqlUsers::new(Database::open("sqlite::memory:").await?);
//!
//! let johndoe = User {
//!     id: User::new_id(),
//!     username: "johndoe".to_owned(),
//!     email: Some("johndoe@example.com".to_owned()),
//!     full_name: None,
//!     disabled: false,
//!     scopes: "me users:read".parse()?,
//! };
//! users.insert(&Account { user: johndoe, password_hash: "$argon2id$…".into() }).await?;
//!
//! let found = users.find(&"JohnDoe".parse()?).await?;
//! assert_eq!(found.expect("a user").user.username, "johndoe");
//! # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
//! ```

mod audit;
mod changes;
mod cleanup;
mod clients;
mod database;
mod engine;
mod failed_attempts;
mod fields;
mod migrations;
mod pool;
mod sessions;
mod user;
mod username_key;
mod users;

pub use audit::{Actor, AuditCursor, AuditEntry, AuditFilter, AuditPage, AuditWriter, SqlAudit};
pub use clients::{ClientChange, OldSecret, RegisteredClient, SqlClients};
#[cfg(feature = "service")]
pub(crate) use database::has_misplaced_password;
pub use database::{Database, DatabaseSettings, OpenError};
pub use failed_attempts::SqlFailedAttempts;
pub use fields::{InvalidField, InvalidScopes, client_id, email, full_name, is_hidden, scopes, username};
pub use migrations::Tables;
pub use sessions::{SqlSessions, UserSession};
pub use user::{StoredUser, User};
pub use username_key::username_key;
pub use users::{Import, SqlUsers, UserChange};

#[cfg(test)]
#[path = "../../../tests/support/postgres.rs"]
#[expect(dead_code, unreachable_pub, reason = "shared with the integration tests")]
mod postgres;

#[cfg(test)]
mod testing {
    use std::num::NonZeroU8;

    use super::{Database, DatabaseSettings, User, postgres};
    use crate::domain::user::Account;

    /// Opens a database in a file, with one connection for requests.
    pub(super) async fn open_file(directory: &tempfile::TempDir) -> Database {
        let url = format!("sqlite:{}", directory.path().join("gatepass.db").display());
        let settings = DatabaseSettings { connections: NonZeroU8::MIN, ..DatabaseSettings::default() };
        Database::open_with(&url, settings).await.unwrap()
    }

    /// Runs a test on a new PostgreSQL database, or prints why PostgreSQL is not available.
    pub(super) async fn on_postgres(test: impl AsyncFn(Database)) {
        match postgres::Database::create() {
            Ok(postgres) => test(Database::open(&postgres.url).await.unwrap()).await,
            Err(reason) => eprintln!("skipped on PostgreSQL: {reason}"),
        }
    }

    pub(super) fn account(username: &str) -> Account<User> {
        let user = User {
            id: User::new_id(),
            username: username.to_owned(),
            email: None,
            full_name: None,
            disabled: false,
            scopes: "me".parse().unwrap(),
        };
        Account { user, password_hash: "hash".into() }
    }
}
