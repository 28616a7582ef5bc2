//! Opening a database by its URL, and migrating its tables.

use std::{
    error::Error, fs::OpenOptions, io, num::NonZeroU8, path::Path, path::PathBuf, sync::Arc, time::Duration,
};

use sqlx::{
    AssertSqlSafe, ConnectOptions, Connection, PgConnection, PgPool, Row, SqliteConnection, SqlitePool,
    error::DatabaseError,
    migrate::MigrateError,
    postgres::{PgConnectOptions, PgPoolOptions},
    raw_sql,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};
use thiserror::Error;
use tokio::time::{Instant, sleep, timeout};
use url::Url;

use crate::{
    adapters::sql::{
        changes::Listeners,
        cleanup::AuditLimits,
        engine::{Engine, on_engine},
        migrations::{self, Tables},
        pool::{Pool, is_alive, no_response},
    },
    domain::backend_error::StoreError,
};

/// The maximum time that a request waits for a connection.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);

/// The time limit for a statement or a transaction, including the wait for a connection. PostgreSQL has time limits of
/// its own ([`TIMEOUTS`]), so that it does not keep running an abandoned statement for long.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// The page cache size of a connection: 512 KiB. SQLite interprets negative numbers as KiB.
const CACHE_SIZE: &str = "-512";

/// The maximum time that a statement waits for another connection that writes to the same SQLite file.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// The pause between attempts to open a SQLite file that another process has locked.
const LOCK_PAUSE: Duration = Duration::from_millis(10);

/// The time limits that PostgreSQL enforces, for statements and for waiting for a lock. Limits in the URL take
/// precedence.
const TIMEOUTS: [(&str, &str); 2] = [("statement_timeout", "10s"), ("lock_timeout", "5s")];

/// The statements that begin a transaction with the limits of [`TIMEOUTS`]. Connections through a pooler need them,
/// because a pooler does not keep the settings of a session.
const BEGIN_WITH_TIMEOUTS: &str = "BEGIN; SET LOCAL statement_timeout = '10s'; SET LOCAL lock_timeout = '5s'";

/// A setting that shows whether the settings in a connection's startup message reach PostgreSQL.
const SESSION_MARK: &str = "gatepass.session";

const MISPLACED_PASSWORD: &str =
    "percent-encode / as %2F, ? as %3F, # as %23 and @ as %40 in user, password and parameters";

/// Connections to SQLite or PostgreSQL. Clones share them.
#[derive(Clone, Debug)]
pub struct Database {
    pub(super) pool: Pool,
    ping_pool: Pool,
    pub(super) listeners: Arc<Listeners>,
    pub(super) audit_limits: AuditLimits,
}

/// The settings of a [`Database`].
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
    /// The maximum number of connections that requests share, 10 by default. A connection is opened when it is needed;
    /// if all are in use, requests wait. Up to three more connections serve the change feed ([`Database::watch`]), the
    /// audit trail and [`Database::ping`], which must not wait. A SQLite database in memory has one connection.
    pub connections: NonZeroU8,
    /// True if the time limits of [`Database::open`] apply, which is the default. Set this to false for long operations
    /// such as an import.
    pub has_timeouts: bool,
    /// The PostgreSQL schema for the tables, which is created if it does not exist. Set it if the database also
    /// contains tables of your application, which may have a table `users` too. `None` is the default schema of the
    /// database user.
    ///
    /// The name consists of 1 to 63 lower-case ASCII letters, digits and `_`. Not supported by SQLite: give Gatepass
    /// its own database file instead. Behind a pooler such as PgBouncer, a schema cannot be used.
    pub schema: Option<&'static str>,
}

const CONNECTIONS: NonZeroU8 = NonZeroU8::new(10).expect("10 is not zero");

impl Default for DatabaseSettings {
    fn default() -> Self {
        Self { connections: CONNECTIONS, has_timeouts: true, schema: None }
    }
}

/// The reason why a database could not be opened. It never contains the URL, which may include a password.
#[derive(Debug, Error)]
pub enum OpenError {
    /// The URL is neither a SQLite nor a PostgreSQL URL.
    #[error("the database URL must be sqlite:FILE or postgres://USER:PASSWORD@HOST/DATABASE")]
    UnknownUrl,
    /// The file of a SQLite database cannot be created, read or written.
    #[error("cannot open the database {file}: {cause}", file = file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// The operating system's error.
        cause: io::Error,
    },
    /// A part of the URL is invalid, such as its port.
    #[error("invalid database URL: {0}")]
    InvalidUrl(#[source] Box<dyn Error + Send + Sync>),
    /// The database is unreachable or refuses the connection, or the file is not a database.
    #[error("cannot open the database {database}: {cause}")]
    Connect {
        /// The file, or the name, host and port of the database.
        database: String,
        /// The cause.
        #[source]
        cause: Box<dyn Error + Send + Sync>,
    },
    /// The schema is not valid, or the database does not support it.
    #[error("cannot use the schema {schema:?}: {reason}")]
    Schema {
        /// The name of the schema.
        schema: &'static str,
        /// The reason.
        reason: &'static str,
    },
    /// A table of another application has the same name as one of Gatepass's tables.
    #[error("{0}: set DatabaseSettings::schema, or use another database for the tables of Gatepass")]
    NameTaken(#[source] Box<dyn Error + Send + Sync>),
    /// The tables could not be created or migrated.
    #[error("cannot migrate the tables of the database: {0}")]
    Migrate(#[source] Box<dyn Error + Send + Sync>),
}

impl Database {
    /// Opens the database at `sqlite:FILE` or `postgres://USER:PASSWORD@HOST/DATABASE` and migrates its tables. Several
    /// processes may do so concurrently.
    ///
    /// A missing SQLite file is created with mode 0600. `sqlite::memory:` is a database in memory, which exists until
    /// the last clone is dropped. A PostgreSQL URL accepts the parameters of libpq that
    /// [sqlx supports](https://docs.rs/sqlx/latest/sqlx/postgres/struct.PgConnectOptions.html), such as
    /// `?sslmode=verify-full`.
    ///
    /// The server may be PgBouncer, in session or transaction mode. If the settings of a connection do not reach
    /// PostgreSQL, or the URL contains `?statement-cache-capacity=0`, statements are not prepared under a name. Each of
    /// them runs in a transaction that sets its own time limits.
    ///
    /// Every call to a store fails with a [temporary error](StoreError::is_temporary) after ten seconds, even if the
    /// database does not respond at all. PostgreSQL itself ends a statement after ten seconds and the wait for a lock
    /// after five. Unless each statement runs in such a transaction, the URL can set other limits
    /// (`?options[statement_timeout]=5s`).
    ///
    /// # Errors
    /// [`OpenError`] if the URL is not supported, the database is unreachable, or its tables cannot be migrated.
    pub async fn open(url: &str) -> Result<Self, OpenError> {
        Self::open_with(url, DatabaseSettings::default()).await
    }

    /// Opens the database like [`open`](Self::open), but with these settings.
    ///
    /// # Errors
    /// [`OpenError`] as for [`open`](Self::open), or if the schema cannot be used.
    pub async fn open_with(url: &str, settings: DatabaseSettings) -> Result<Self, OpenError> {
        let (options, is_memory) = (parse(url)?, is_memory(url));
        let database = describe(&options);
        check_schema(settings.schema, &options)?;
        let (connections, is_pooled) = match options {
            Engine::Sqlite(options) => {
                (Engine::Sqlite(open_sqlite(*options, settings, is_memory, &database).await?), false)
            }
            Engine::Postgres(options) => {
                let (pool, is_pooled) =
                    open_postgres(*options, has_statement_cache(url), settings, &database).await?;
                (Engine::Postgres(pool), is_pooled)
            }
        };
        let begin = match connections {
            // Without IMMEDIATE, a transaction that reads before it writes fails if another connection wrote in
            // between.
            Engine::Sqlite(_) => "BEGIN IMMEDIATE",
            Engine::Postgres(_) if is_pooled && settings.has_timeouts => BEGIN_WITH_TIMEOUTS,
            Engine::Postgres(_) => "BEGIN",
        };
        let timeout = settings.has_timeouts.then_some(REQUEST_TIMEOUT);
        let pool = Pool { connections, timeout, is_memory, begin, is_pooled };
        Ok(Self {
            ping_pool: pool.dedicated(),
            pool,
            listeners: Arc::default(),
            audit_limits: AuditLimits::default(),
        })
    }

    /// Compares the tables of the database with those of this version. Changes neither tables nor files.
    ///
    /// # Errors
    /// [`OpenError`] if the URL is not supported, the database cannot be read, or a recorded migration differs from the
    /// one in this version.
    pub async fn inspect(url: &str) -> Result<Tables, OpenError> {
        let options = parse(url)?;
        let database = describe(&options);
        let connection = match options {
            Engine::Sqlite(options) => connect_read_only(*options).await.map(Engine::Sqlite),
            Engine::Postgres(options) => connect_postgres(&options).await.map(Engine::Postgres),
        };
        on_engine!(connection.map_err(cannot_connect(&database))?, mut connection => {
            let tables = migrations::inspect(&mut connection).await.map_err(cannot_migrate)?;
            connection.close().await.map_err(cannot_connect(&database))?;
            Ok(tables)
        })
    }

    /// Returns the file of a SQLite database; `None` for a database in memory, PostgreSQL or an invalid URL.
    pub fn file(url: &str) -> Option<PathBuf> {
        match parse(url) {
            Ok(Engine::Sqlite(options)) if !is_memory(url) => Some(options.get_filename().to_path_buf()),
            _ => None,
        }
    }

    /// Returns the file of a SQLite database if it does not exist yet.
    pub fn missing_file(url: &str) -> Option<PathBuf> {
        Self::file(url).filter(|file| !file.exists())
    }

    /// Sets the retention period for audit trail entries. Call this before [`watch`](Self::watch) or
    /// [`remove_expired`](Self::remove_expired), which remove older entries.
    #[must_use]
    pub fn with_audit_retention(self, retention: Duration) -> Self {
        Self { audit_limits: AuditLimits { retention: Some(retention), ..self.audit_limits }, ..self }
    }

    /// Sets the maximum number of failures and routine events, such as sign-ins, in the audit trail. Each of these two
    /// kinds may take up half of the maximum; above that, its oldest entries are removed. Other entries, such as
    /// changes by operators, have no maximum. Call this before [`watch`](Self::watch) or
    /// [`remove_expired`](Self::remove_expired), which remove surplus entries.
    #[must_use]
    pub fn with_audit_max_entries(self, max_entries: u32) -> Self {
        Self { audit_limits: AuditLimits { max_entries: Some(max_entries), ..self.audit_limits }, ..self }
    }

    /// Checks that the database responds within `limit`, and that a PostgreSQL server accepts writes. Uses a connection
    /// of its own, so that a busy database is reported as healthy.
    ///
    /// # Errors
    /// [`StoreError`] if the database does not respond in time, or the server is read-only.
    pub async fn ping(&self, limit: Duration) -> Result<(), StoreError> {
        Ok(timeout(limit, self.ping_pool.check_writable()).await.unwrap_or_else(|_| Err(no_response()))?)
    }

    /// Closes the connections, except those of the change feed and of audit writers. SQLite merges its write-ahead log
    /// into the file when the last connection to the file is closed.
    pub async fn close(&self) {
        self.pool.close().await;
        self.ping_pool.close().await;
    }
}

type Options = Engine<Box<SqliteConnectOptions>, Box<PgConnectOptions>>;

fn parse(url: &str) -> Result<Options, OpenError> {
    let invalid = |error| match error {
        sqlx::Error::Configuration(cause) => OpenError::InvalidUrl(cause),
        error => OpenError::InvalidUrl(error.into()),
    };
    match url.split_once(':') {
        Some(("sqlite", _)) => {
            let options: SqliteConnectOptions = url.parse().map_err(invalid)?;
            // SQLite treats an empty name as a temporary file, which is deleted when its connection is closed.
            if options.get_filename().as_os_str().is_empty() {
                return Err(OpenError::UnknownUrl);
            }
            Ok(Engine::Sqlite(options.busy_timeout(BUSY_TIMEOUT).into()))
        }
        Some(("postgres" | "postgresql", _)) => {
            if Url::parse(url).is_ok_and(|url| has_misplaced_password(&url)) {
                return Err(OpenError::InvalidUrl(MISPLACED_PASSWORD.into()));
            }
            let options: PgConnectOptions = url.parse().map_err(invalid)?;
            // PgBouncer refuses sqlx's setting for floating-point numbers, which the tables do not contain.
            let options = options.extra_float_digits(None).application_name(env!("CARGO_PKG_NAME"));
            Ok(Engine::Postgres(options.into()))
        }
        _ => Err(OpenError::UnknownUrl),
    }
}

/// Describes a database for error messages, without the password.
fn describe(options: &Options) -> String {
    match options {
        Engine::Sqlite(options) => options.get_filename().display().to_string(),
        Engine::Postgres(options) => {
            let name = options.get_database().unwrap_or(options.get_username());
            format!("{name} at {}:{}", options.get_host(), options.get_port())
        }
    }
}

fn is_memory(url: &str) -> bool {
    url.contains(":memory:") || url.contains("mode=memory")
}

async fn open_sqlite(
    options: SqliteConnectOptions,
    settings: DatabaseSettings,
    is_memory: bool,
    database: &str,
) -> Result<SqlitePool, OpenError> {
    let pool = if is_memory {
        // The database is lost when its only connection is closed, so this connection must stay open.
        SqlitePoolOptions::new().max_connections(1).idle_timeout(None).max_lifetime(None)
    } else {
        create_file(&options)?;
        SqlitePoolOptions::new().max_connections(settings.connections.get().into())
    };
    let options = options
        // Readers do not wait for the writer.
        .journal_mode(SqliteJournalMode::Wal)
        // Every committed transaction survives a power failure.
        .synchronous(SqliteSynchronous::Full)
        // The cache is small, because the operating system caches the file as well.
        .pragma("cache_size", CACHE_SIZE)
        .foreign_keys(true);
    // No ping before use: unlike a server, a file does not become unreachable.
    let pool = pool.acquire_timeout(ACQUIRE_TIMEOUT).test_before_acquire(false);
    let pool = connect_sqlite(pool, options).await.map_err(cannot_connect(database))?;
    let mut connection = pool.acquire().await.map_err(cannot_connect(database))?;
    let migrated = migrations::migrate_sqlite(&mut connection).await.map_err(cannot_migrate);
    drop(connection);
    if migrated.is_err() {
        // The open connection could otherwise still write to the file later.
        pool.close().await;
    }
    migrated.map(|()| pool)
}

/// Connects, and retries while the file is locked: switching a new file to WAL mode needs an exclusive lock, and SQLite
/// does not apply the busy timeout to this lock.
async fn connect_sqlite(
    pool: SqlitePoolOptions,
    options: SqliteConnectOptions,
) -> Result<SqlitePool, sqlx::Error> {
    let end = Instant::now() + BUSY_TIMEOUT;
    loop {
        match pool.clone().connect_with(options.clone()).await {
            Err(error) if is_locked(&error) && Instant::now() < end => sleep(LOCK_PAUSE).await,
            result => return result,
        }
    }
}

/// Opens a connection pool. Also returns whether its connections go through a pooler.
async fn open_postgres(
    options: PgConnectOptions,
    has_statement_cache: bool,
    settings: DatabaseSettings,
    database: &str,
) -> Result<(PgPool, bool), OpenError> {
    let options = match settings.schema {
        Some(schema) => options.options([("search_path", schema)]),
        None => options,
    };
    // This connection bypasses the pool, which would retry, hide the cause, and apply time limits to migrations.
    let detected = detect_session(&options).await;
    let is_refused = detected.as_ref().is_err_and(is_unsupported_setting);
    let is_pooled = detected.as_ref().is_ok_and(|(_, has_session)| !has_session) || !has_statement_cache;
    // If the search path were lost, statements would use the application's tables with the same names.
    if let Some(schema) = settings.schema.filter(|_| is_refused || is_pooled) {
        return Err(OpenError::Schema {
            schema,
            reason: "poolers do not keep the search path: connect directly, without statement-cache-capacity=0",
        });
    }
    let (mut connection, _) = detected.map_err(cannot_connect(database))?;
    migrations::migrate_postgres(&mut connection, settings.schema).await.map_err(cannot_migrate)?;
    connection.close().await.map_err(cannot_connect(database))?;
    let given = options.get_options().unwrap_or_default().to_owned();
    let timeouts = TIMEOUTS.iter().filter(|(name, _)| settings.has_timeouts && !given.contains(name));
    let options = if is_pooled { options } else { options.options(timeouts.copied()) };
    let pool = PgPoolOptions::new().max_connections(settings.connections.get().into());
    // sqlx's own `test_before_acquire` has no time limit.
    let pool = pool.acquire_timeout(ACQUIRE_TIMEOUT).test_before_acquire(false).before_acquire(is_alive);
    Ok((pool.connect_lazy_with(options), is_pooled))
}

/// Connects, and returns whether the settings of the startup message reach PostgreSQL. A pooler may refuse or ignore
/// them.
async fn detect_session(options: &PgConnectOptions) -> Result<(PgConnection, bool), sqlx::Error> {
    let mut connection = match connect_postgres(&options.clone().options([(SESSION_MARK, "on")])).await {
        Err(error) if is_unsupported_setting(&error) => return Ok((connect_postgres(options).await?, false)),
        connection => connection?,
    };
    let mark = raw_sql(AssertSqlSafe(format!("SELECT current_setting('{SESSION_MARK}', true)")));
    let mark = timeout(ACQUIRE_TIMEOUT, mark.fetch_one(&mut connection)).await;
    let mark: Option<String> = mark.unwrap_or(Err(sqlx::Error::PoolTimedOut))?.try_get(0)?;
    Ok((connection, mark.as_deref() == Some("on")))
}

async fn connect_postgres(options: &PgConnectOptions) -> Result<PgConnection, sqlx::Error> {
    // The cache is needed even if the URL turns it off: `clear_cached_statements` closes the statements of migrations
    // by their names in the cache.
    let options = options.clone().statement_cache_capacity(100);
    timeout(ACQUIRE_TIMEOUT, options.connect()).await.unwrap_or(Err(sqlx::Error::PoolTimedOut))
}

/// Returns whether a pooler refused a setting in the startup message.
fn is_unsupported_setting(error: &sqlx::Error) -> bool {
    error.as_database_error().is_some_and(|error| error.message().contains("unsupported startup parameter"))
}

/// Returns whether a URL permits named statements, as sqlx does by default.
fn has_statement_cache(url: &str) -> bool {
    let Ok(url) = Url::parse(url) else { return true };
    let capacity = url.query_pairs().filter(|(name, _)| name == "statement-cache-capacity").last();
    capacity.is_none_or(|(_, value)| value.parse() != Ok(0))
}

/// Returns whether a part of a PostgreSQL URL after the host may be the rest of a password with an unescaped `/`, `?`
/// or `#`.
pub(crate) fn has_misplaced_password(url: &Url) -> bool {
    url.fragment().is_some()
        || url.path().contains('@')
        || url.query().is_some_and(|query| query.contains('@'))
}

/// Connects to a SQLite file without writing to it or creating files next to it.
async fn connect_read_only(options: SqliteConnectOptions) -> Result<SqliteConnection, sqlx::Error> {
    // Without a write-ahead log, no process is writing. SQLite creates no log for an immutable file.
    let mut log = options.get_filename().as_os_str().to_owned();
    log.push("-wal");
    let options = options.read_only(true).immutable(!Path::new(&log).exists());
    options.connect().await
}

/// Creates the file of a SQLite database, or checks that an existing one may be read and written. SQLite creates the
/// files next to it with the same mode.
fn create_file(options: &SqliteConnectOptions) -> Result<(), OpenError> {
    let file = options.get_filename();
    let mut create = OpenOptions::new();
    create.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut create, 0o600);
    let result = match create.open(file) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => check_access(file),
        result => result.map(drop),
    };
    result.map_err(|cause| OpenError::File { cause: with_owner(file, cause), file: file.to_owned() })
}

/// Checks that this process may read and write a file. Does not open the file: closing it would release the locks of
/// all SQLite connections of the process.
#[cfg(unix)]
fn check_access(file: &Path) -> io::Result<()> {
    use rustix::fs::{Access, AtFlags, CWD, accessat};
    Ok(accessat(CWD, file, Access::READ_OK | Access::WRITE_OK, AtFlags::EACCESS)?)
}

#[cfg(not(unix))]
fn check_access(_file: &Path) -> io::Result<()> {
    Ok(())
}

/// Adds the owner of a file, or of its directory, to a permission error.
fn with_owner(file: &Path, cause: io::Error) -> io::Error {
    #[cfg(unix)]
    if cause.kind() == io::ErrorKind::PermissionDenied
        && let Some(metadata) =
            file.metadata().or_else(|_| Path::new(".").join(file.parent().unwrap_or(file)).metadata()).ok()
    {
        let (owner, own) =
            (std::os::unix::fs::MetadataExt::uid(&metadata), rustix::process::geteuid().as_raw());
        return io::Error::new(cause.kind(), format!("{cause} (owned by uid {owner}; running as uid {own})"));
    }
    cause
}

/// Returns whether another process has locked a SQLite file.
fn is_locked(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|error| error.code()?.parse::<u32>().ok());
    code.is_some_and(|code| matches!(code & 0xff, 5 | 6))
}

fn cannot_connect(database: &str) -> impl Fn(sqlx::Error) -> OpenError {
    move |error| OpenError::Connect {
        database: database.to_owned(),
        cause: match error {
            sqlx::Error::Configuration(cause) => cause,
            sqlx::Error::PoolTimedOut => no_response().into(),
            error => error.into(),
        },
    }
}

/// Checks the name of a schema, which becomes part of SQL statements.
fn check_schema(schema: Option<&'static str>, options: &Options) -> Result<(), OpenError> {
    let Some(schema) = schema else { return Ok(()) };
    let is_word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    let reason = match options {
        Engine::Sqlite(_) => {
            "SQLite has no schemas: remove DatabaseSettings::schema, and use a separate database file for Gatepass"
        }
        _ if schema.is_empty() || schema.len() > 63 || !schema.bytes().all(is_word) => {
            "use 1 to 63 lower-case ASCII letters, digits and _"
        }
        _ => return Ok(()),
    };
    Err(OpenError::Schema { schema, reason })
}

fn cannot_migrate(error: MigrateError) -> OpenError {
    match error {
        MigrateError::ExecuteMigration(sqlx::Error::Database(error), _) if is_name_taken(&*error) => {
            OpenError::NameTaken(error)
        }
        error => OpenError::Migrate(error.into()),
    }
}

/// Returns whether a statement failed because a table already exists. PostgreSQL has an error code for this; SQLite
/// only has an error message.
fn is_name_taken(error: &dyn DatabaseError) -> bool {
    error.code().is_some_and(|code| code == "42P07") || error.message().ends_with("already exists")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statement_cache_is_off_only_if_the_url_sets_its_capacity_to_zero() {
        for (url, expected) in [
            ("postgres:///gatepass", true),
            ("postgres:///gatepass?host=/run/postgresql", true),
            ("postgres:///gatepass?host=::1", true),
            ("postgres://db/gatepass?statement-cache-capacity=10", true),
            ("postgres://db/gatepass?statement-cache-capacity=0&statement-cache-capacity=1", true),
            ("postgres:///gatepass?host=::1&statement%2Dcache-capacity=0", false),
            ("postgres://db/gatepass?sslmode=require&statement-cache-capacity=00", false),
        ] {
            parse(url).unwrap();
            assert_eq!(has_statement_cache(url), expected, "{url}");
        }
    }

    #[test]
    fn url_with_an_unescaped_character_in_its_password_is_refused_without_showing_the_password() {
        for url in [
            "postgres://u:123/s3cret@db/d",
            "postgres://u:s3cret?x@db/d",
            "postgres://u:123?s3cret@db/d",
            "postgres://u:123#s3cret@db/d",
            "postgres://u:1@2/s3cret@db/d",
            "postgres://u@db/d?password=1#s3cret",
            "postgresql:/u:s3cret@db/d",
            "postgres:u:s3cret@db/d",
        ] {
            let error = parse(url).unwrap_err().to_string();
            assert!(
                error.starts_with("invalid database URL: ") && !error.contains("s3cret"),
                "{url}: {error}"
            );
        }
        let url = parse("postgres://u%40x:%2F%3F%23%40@db/d?user=a%40b&password=c%23").unwrap();
        assert_eq!(describe(&url), "d at db:5432");
    }
}
