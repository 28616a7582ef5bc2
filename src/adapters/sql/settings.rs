//! How a database is opened.

use std::num::NonZeroU8;

/// How a [`Database`](crate::sql::Database) is opened, where the defaults will not do.
///
/// ```
/// use std::num::NonZeroU8;
/// use gatepass::sql::{Database, DatabaseSettings};
///
/// # actix_web::rt::System::new().block_on(async {
/// let settings = DatabaseSettings { connections: NonZeroU8::MIN, ..DatabaseSettings::default() };
/// let database = Database::open_with("sqlite::memory:", settings).await?;
/// # database.close().await;
/// # Ok::<(), gatepass::sql::OpenError>(()) }).unwrap();
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DatabaseSettings {
    /// The most connections that requests share, ten by default; each is opened when it is needed, and who finds none
    /// waits. Up to four more are for what must not wait: a token that is new, hearing of changes
    /// ([`Database::watch`](crate::sql::Database::watch)), the audit trail, and [`Ping`](crate::sql::Ping). A SQLite
    /// database in memory has one.
    pub connections: NonZeroU8,
    /// Whether the limits in time of [`Database::open`](crate::sql::Database::open) hold, as they do by default; without them a
    /// question may take its time, as an export does.
    pub has_timeouts: bool,
}

const CONNECTIONS: NonZeroU8 = NonZeroU8::new(10).expect("not zero");

impl Default for DatabaseSettings {
    fn default() -> Self {
        Self { connections: CONNECTIONS, has_timeouts: true }
    }
}
