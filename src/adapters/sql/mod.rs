//! Users, clients and sessions in SQLite or PostgreSQL: one set of statements for both.
//!
//! ```
//! use gatepass::sql::{Database, SqlUsers, User, user_id};
//! use gatepass::{Account, Timestamp, UserStore, Username};
//!
//! # actix_web::rt::System::new().block_on(async {
//! let users = SqlUsers::new(Database::open("sqlite::memory:").await?);
//!
//! let now = Timestamp::from_unix(1_700_000_000);
//! let johndoe = User {
//!     id: user_id(now, 0, [7; 8]), // random bytes
//!     username: "johndoe".to_owned(),
//!     email: Some("johndoe@example.com".to_owned()),
//!     full_name: None,
//!     disabled: false,
//!     scopes: "me users:read".parse()?,
//! };
//! users.insert(&Account { user: johndoe, password_hash: "$argon2id$…".into() }, now).await?;
//!
//! let found = users.find_by_username(&Username::from("JohnDoe")).await?;
//! assert_eq!(found.expect("a user").user.username, "johndoe");
//! # Ok::<(), gatepass::BackendError>(()) }).unwrap();
//! ```

mod audit;
mod bearers;
mod changes;
mod clients;
mod column;
mod connection;
mod database;
mod failures;
mod fields;
mod lender;
mod model;
mod ping;
mod sessions;
mod settings;
mod tidy;
mod username_key;
mod users;
mod write;

pub use audit::{Actor, AuditEntry, AuditFilter, AuditPage, AuditPlace, AuditWriter, SqlAudit};
pub use clients::{RegisteredClient, SqlClients, client_secret};
pub use database::{Database, OpenError, Tables};
pub use failures::SqlFailedAttempts;
pub use fields::{InvalidField, InvalidScopes, client_id, email, full_name, is_hidden, scopes, username};
pub use model::{StoredUser, User, user_id};
pub use ping::Ping;
pub use sessions::SqlSessions;
pub use settings::DatabaseSettings;
pub use username_key::username_key;
pub use users::{Import, SqlUsers, UserChange};
