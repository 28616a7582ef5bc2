//! The database: opened by its URL, its tables brought up to date.

use std::{
    error::Error,
    fs::OpenOptions,
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use sqlx::{
    AssertSqlSafe, ConnectOptions, Connection, PgConnection, PgPool, Postgres, SqlSafeStr, Sqlite,
    SqliteConnection, SqlitePool,
    migrate::{Migrate, MigrateError, Migration, MigrationType, Migrator},
    postgres::{PgConnectOptions, PgPoolOptions},
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};
use thiserror::Error;
use tokio::{
    sync::Mutex,
    time::{Instant, sleep, timeout},
};

use crate::{
    adapters::sql::{
        changes::Listeners,
        connection::OwnConnection,
        lender::{Lender, is_alive},
        settings::DatabaseSettings,
    },
    domain::backend_error::BackendError,
};

/// Every change of the tables, in order. One that was released is never altered: its checksum is on record.
const MIGRATIONS: [(&str, &str); 4] = [
    ("users and clients", include_str!("migrations/0001_users_clients.sql")),
    ("sessions", include_str!("migrations/0002_sessions.sql")),
    ("failures", include_str!("migrations/0003_failures.sql")),
    ("audit", include_str!("migrations/0004_audit.sql")),
];

/// A name of its own, so that an application may keep its own migrations in the same database.
const MIGRATIONS_TABLE: &str = "gatepass_migrations";

/// How long a request waits for a connection before it is told that the database is out of reach.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long a request waits for a statement or a transaction, the wait for the connection included. What PostgreSQL ends
/// by itself is over by then; who waits longer waits for a network that is silent.
const LIMIT: Duration = Duration::from_secs(10);

/// How much of the file a connection keeps in memory, in KiB, as SQLite's negative numbers say it.
const CACHE: &str = "-512";

/// How long a statement waits for another process that writes to the same SQLite file.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// How long until a file that another process has alone is tried again.
const LOCK_PAUSE: Duration = Duration::from_millis(10);

/// What PostgreSQL ends by itself: a statement that no request is worth waiting for, and the wait for a lock. A URL
/// that names one of them has its way.
const TIMEOUTS: [(&str, &str); 2] = [("statement_timeout", "10s"), ("lock_timeout", "5s")];

/// Connections to SQLite or PostgreSQL. A clone shares them.
#[derive(Clone, Debug)]
pub struct Database {
    pool: Pool,
    listeners: Arc<Listeners>,
    audit_kept: Option<Duration>,
    /// For tokens that are new.
    at_hand: Arc<Mutex<OwnConnection>>,
}

#[derive(Clone, Debug)]
pub(super) enum Pool {
    Sqlite(Lender<Sqlite>),
    Postgres(Lender<Postgres>),
}

impl Pool {
    pub(super) fn is_closed(&self) -> bool {
        match self {
            Self::Sqlite(lender) => lender.pool().is_closed(),
            Self::Postgres(lender) => lender.pool().is_closed(),
        }
    }
}

/// Does the same with a connection to either database, within the limit: the connection is named, and what is done with
/// it is typed for each.
macro_rules! on_either {
    ($pool:expr, $connection:ident => $done:expr) => {
        match $pool {
            $crate::adapters::sql::database::Pool::Sqlite(lender) => {
                $crate::adapters::sql::database::on_lent!(lender, $connection => $done)
            }
            $crate::adapters::sql::database::Pool::Postgres(lender) => {
                $crate::adapters::sql::database::on_lent!(lender, $connection => $done)
            }
        }
    };
}

macro_rules! on_lent {
    ($lender:expr, $connection:ident => $done:expr) => {
        match $lender.lend().await {
            Ok(mut lent) => {
                let until = lent.until();
                let $connection = &mut *lent;
                $crate::adapters::sql::lender::in_time(until, async { $done }).await
            }
            Err(error) => Err(error),
        }
    };
}
pub(super) use {on_either, on_lent};

/// How the tables of a database stand to this version of Gatepass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tables {
    /// They are of this version.
    Current,
    /// They are of an older one, or not there yet: [`Database::open`] brings them up to date.
    Older,
    /// They are of a newer one: [`Database::open`] refuses them.
    Newer,
}

/// Why a database could not be opened. No URL is in it: a URL may hold a password.
#[derive(Debug, Error)]
pub enum OpenError {
    /// The URL is of no kind that is known.
    #[error("the database's URL must be sqlite:FILE or postgres://USER:PASSWORD@HOST/DATABASE")]
    UnknownUrl,
    /// The file of a new SQLite database could not be made.
    #[error("cannot create the database {file}: {cause}", file = file.display())]
    Create {
        /// The file.
        file: PathBuf,
        /// The system's reason.
        cause: io::Error,
    },
    /// The database is out of reach, is none, or refuses us.
    #[error("cannot open the database: {0}")]
    Connect(#[source] Box<dyn Error + Send + Sync>),
    /// The tables could not be made or changed.
    #[error("cannot bring the database's tables up to date: {0}")]
    Migrate(#[source] Box<dyn Error + Send + Sync>),
}

impl Database {
    /// Opens the database at `sqlite:FILE` or `postgres://USER:PASSWORD@HOST/DATABASE` and brings its tables up to
    /// date; several processes may do so at once.
    ///
    /// A SQLite file that is not there is made, readable for its owner only. `sqlite::memory:` is a database that
    /// ends with the last clone. A PostgreSQL URL takes the parameters of libpq that
    /// [sqlx knows](https://docs.rs/sqlx/latest/sqlx/postgres/struct.PgConnectOptions.html), such as
    /// `?sslmode=verify-full`. PostgreSQL ends a statement after ten seconds and the wait for a lock after five, where
    /// the URL does not say otherwise (`?options[statement_timeout]=1min`). Whatever is asked of the database is a
    /// [temporary fault](BackendError::unavailable) after ten seconds, also where it does not answer at all.
    ///
    /// # Errors
    /// Where the URL is of another kind, the database cannot be reached, or its tables are not to be changed.
    pub async fn open(url: &str) -> Result<Self, OpenError> {
        Self::open_with(url, DatabaseSettings::default()).await
    }

    /// Opens the database as [`open`](Self::open) does, with settings of your own.
    ///
    /// # Errors
    /// Those of [`open`](Self::open).
    pub async fn open_with(url: &str, settings: DatabaseSettings) -> Result<Self, OpenError> {
        let limit = settings.has_timeouts.then_some(LIMIT);
        let pool = match Kind::of(url)? {
            Kind::Sqlite(options) if is_memory(url) => {
                Pool::Sqlite(Lender::of_memory(open_sqlite_memory(*options).await?, limit))
            }
            Kind::Sqlite(options) => {
                Pool::Sqlite(Lender::new(open_sqlite_file(*options, settings).await?, limit))
            }
            Kind::Postgres(options) => {
                Pool::Postgres(Lender::new(open_postgres(*options, settings).await?, limit))
            }
        };
        let at_hand = Arc::new(Mutex::new(OwnConnection::beside(&pool)));
        Ok(Self { pool, listeners: Arc::default(), audit_kept: None, at_hand })
    }

    /// Looks at the database and changes nothing, neither its tables nor its files.
    ///
    /// # Errors
    /// Where the URL is of another kind, the database cannot be read, or a change of its tables is not the one that
    /// Gatepass made.
    pub async fn inspect(url: &str) -> Result<Tables, OpenError> {
        match Kind::of(url)? {
            Kind::Sqlite(options) => inspect_sqlite(*options).await,
            Kind::Postgres(options) => inspect_postgres(*options).await,
        }
    }

    /// The file of a SQLite database that is not there yet.
    pub fn missing_file(url: &str) -> Option<PathBuf> {
        if is_memory(url) {
            return None;
        }
        let Ok(Kind::Sqlite(options)) = Kind::of(url) else { return None };
        let file = options.get_filename();
        (!file.exists()).then(|| file.to_path_buf())
    }

    /// The same, and entries of the audit trail that are older are removed where it is [watched](Self::watch).
    pub fn keeping_audit(self, kept: Duration) -> Self {
        Self { audit_kept: Some(kept), ..self }
    }

    pub(super) fn audit_kept(&self) -> Option<Duration> {
        self.audit_kept
    }

    /// Closes every connection; SQLite tidies its files up.
    pub async fn close(&self) {
        match self.pool() {
            Pool::Sqlite(lender) => lender.pool().close().await,
            Pool::Postgres(lender) => lender.pool().close().await,
        }
        if let Err(error) = self.at_hand.lock().await.close().await {
            log::debug!("a connection could not be closed: {error}");
        }
    }

    pub(super) fn pool(&self) -> &Pool {
        &self.pool
    }

    pub(super) fn at_hand(&self) -> &Mutex<OwnConnection> {
        &self.at_hand
    }

    pub(super) fn listeners(&self) -> &Arc<Listeners> {
        &self.listeners
    }
}

/// What a URL says.
enum Kind {
    Sqlite(Box<SqliteConnectOptions>),
    Postgres(Box<PgConnectOptions>),
}

impl Kind {
    fn of(url: &str) -> Result<Self, OpenError> {
        match url.split_once(':') {
            Some(("sqlite", _)) => {
                let options: SqliteConnectOptions = url.parse().map_err(unreachable)?;
                // SQLite takes no file for one that ends with its connection.
                if options.get_filename().as_os_str().is_empty() {
                    return Err(OpenError::UnknownUrl);
                }
                Ok(Self::Sqlite(options.busy_timeout(BUSY_TIMEOUT).into()))
            }
            Some(("postgres" | "postgresql", _)) => {
                let options: PgConnectOptions = url.parse().map_err(unreachable)?;
                Ok(Self::Postgres(options.application_name(env!("CARGO_PKG_NAME")).into()))
            }
            _ => Err(OpenError::UnknownUrl),
        }
    }
}

async fn open_sqlite_file(
    options: SqliteConnectOptions,
    settings: DatabaseSettings,
) -> Result<SqlitePool, OpenError> {
    create_file(&options)?;
    open_sqlite(options, SqlitePoolOptions::new().max_connections(settings.connections.get().into())).await
}

async fn open_sqlite_memory(options: SqliteConnectOptions) -> Result<SqlitePool, OpenError> {
    // It ends with its last connection: there is one, and it stays.
    let pool = SqlitePoolOptions::new().max_connections(1).idle_timeout(None).max_lifetime(None);
    open_sqlite(options, pool).await
}

async fn open_sqlite(
    options: SqliteConnectOptions,
    pool: SqlitePoolOptions,
) -> Result<SqlitePool, OpenError> {
    let options = options
        // Readers read while one writes.
        .journal_mode(SqliteJournalMode::Wal)
        // What was answered survives a power cut.
        .synchronous(SqliteSynchronous::Full)
        // For each connection; the system has the file in memory besides.
        .pragma("cache_size", CACHE)
        .foreign_keys(true);
    // A file does not go away as a server does: no connection is asked whether it is still there.
    let pool = pool.acquire_timeout(PATIENCE).test_before_acquire(false);
    let pool = connect_sqlite(pool, options).await.map_err(unreachable)?;
    migrate_sqlite(&mut *pool.acquire().await.map_err(unreachable)?).await.map_err(not_migrated)?;
    Ok(pool)
}

/// Who makes a new file a database in WAL mode has it alone for that moment, and SQLite lets nobody else wait for it,
/// whatever the busy timeout.
async fn connect_sqlite(
    pool: SqlitePoolOptions,
    options: SqliteConnectOptions,
) -> Result<SqlitePool, sqlx::Error> {
    let end = Instant::now() + BUSY_TIMEOUT;
    loop {
        match pool.clone().connect_with(options.clone()).await {
            Err(error) if is_locked(&error) && Instant::now() < end => sleep(LOCK_PAUSE).await,
            done => return done,
        }
    }
}

fn is_locked(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::Database(error) if error.code().is_some_and(|code| passes(&code)))
}

async fn open_postgres(options: PgConnectOptions, settings: DatabaseSettings) -> Result<PgPool, OpenError> {
    // Not through the pool, which tries again and again and then has forgotten why; and without its timeouts.
    let mut connection = connect(&options).await?;
    // The migrator lets one process in at a time.
    migrator(&POSTGRES).run_direct(None, &mut connection, false).await.map_err(not_migrated)?;
    connection.close().await.map_err(unreachable)?;
    let given = options.get_options().unwrap_or_default().to_owned();
    let timeouts = TIMEOUTS.iter().filter(|(name, _)| settings.has_timeouts && !given.contains(name));
    let options = options.options(timeouts.copied());
    let pool = PgPoolOptions::new().max_connections(settings.connections.get().into());
    let pool = pool.acquire_timeout(PATIENCE).test_before_acquire(false);
    Ok(pool.before_acquire(is_alive).connect_lazy_with(options))
}

async fn connect(options: &PgConnectOptions) -> Result<PgConnection, OpenError> {
    timeout(PATIENCE, options.connect())
        .await
        .map_err(|late| OpenError::Connect(late.into()))?
        .map_err(unreachable)
}

async fn inspect_sqlite(options: SqliteConnectOptions) -> Result<Tables, OpenError> {
    // Where no write-ahead log is, nobody writes, and SQLite makes none for who takes the file for unchanging.
    let mut log = options.get_filename().as_os_str().to_owned();
    log.push("-wal");
    let unchanging = !Path::new(&log).exists();
    let options = options.read_only(true).immutable(unchanging);
    let mut connection = options.connect().await.map_err(unreachable)?;
    let kept = sqlx::query_scalar("SELECT count(*) > 0 FROM sqlite_schema WHERE name = $1");
    let kept = kept.bind(MIGRATIONS_TABLE).fetch_one(&mut connection).await.map_err(unreachable)?;
    let tables = tables(&mut connection, kept, &SQLITE).await.map_err(not_migrated)?;
    connection.close().await.map_err(unreachable)?;
    Ok(tables)
}

async fn inspect_postgres(options: PgConnectOptions) -> Result<Tables, OpenError> {
    let mut connection = connect(&options).await?;
    let kept = sqlx::query_scalar("SELECT to_regclass($1) IS NOT NULL");
    let kept = kept.bind(MIGRATIONS_TABLE).fetch_one(&mut connection).await.map_err(unreachable)?;
    let tables = tables(&mut connection, kept, &POSTGRES).await.map_err(not_migrated)?;
    connection.close().await.map_err(unreachable)?;
    Ok(tables)
}

/// Compares the changes on record, where one is `kept`, with our own.
async fn tables(connection: &mut impl Migrate, kept: bool, types: &Types) -> Result<Tables, MigrateError> {
    if !kept {
        return Ok(Tables::Older);
    }
    if let Some(version) = connection.dirty_version(MIGRATIONS_TABLE).await? {
        return Err(MigrateError::Dirty(version));
    }
    let applied = connection.list_applied_migrations(MIGRATIONS_TABLE).await?;
    let migrator = migrator(types);
    for applied in &applied {
        match migrator.iter().find(|own| own.version == applied.version) {
            None => return Ok(Tables::Newer),
            Some(own) if own.checksum != applied.checksum => {
                return Err(MigrateError::VersionMismatch(own.version));
            }
            Some(_) => {}
        }
    }
    Ok(if applied.len() < MIGRATIONS.len() { Tables::Older } else { Tables::Current })
}

/// Here the migrator lets in everybody; a transaction does not. It is begun only where there is something to do,
/// since another process may be writing for long.
async fn migrate_sqlite(connection: &mut SqliteConnection) -> Result<(), MigrateError> {
    let migrator = migrator(&SQLITE);
    let applied = connection.list_applied_migrations(MIGRATIONS_TABLE).await;
    if applied.is_ok_and(|applied| applied.len() >= MIGRATIONS.len()) {
        return migrator.run_direct(None, connection, false).await;
    }
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    migrator.run_direct(None, &mut *transaction, false).await?;
    Ok(transaction.commit().await?)
}

/// What the databases call differently.
struct Types {
    /// The type of a text that is compared byte by byte.
    key: &'static str,
    /// The primary key of rows that are numbered as they come.
    serial: &'static str,
}

const SQLITE: Types = Types { key: "TEXT", serial: "INTEGER PRIMARY KEY AUTOINCREMENT" };
const POSTGRES: Types =
    Types { key: "TEXT COLLATE \"C\"", serial: "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY" };

fn migrator(types: &Types) -> Migrator {
    let migrations = (1..).zip(MIGRATIONS).map(|(version, (description, sql))| {
        let sql = sql.replace("{key}", types.key).replace("{serial}", types.serial);
        Migration::new(
            version,
            description.into(),
            MigrationType::Simple,
            AssertSqlSafe(sql).into_sql_str(),
            false,
        )
    });
    let mut migrator = Migrator::with_migrations(migrations.collect());
    migrator.dangerous_set_table_name(MIGRATIONS_TABLE);
    migrator
}

fn is_memory(url: &str) -> bool {
    url.contains(":memory:") || url.contains("mode=memory")
}

/// Makes the file of a SQLite database where there is none. SQLite gives the files beside it the same mode.
fn create_file(options: &SqliteConnectOptions) -> Result<(), OpenError> {
    let file = options.get_filename();
    let mut create = OpenOptions::new();
    create.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut create, 0o600);
    match create.open(file) {
        Err(cause) if cause.kind() != io::ErrorKind::AlreadyExists => {
            Err(OpenError::Create { file: file.to_owned(), cause })
        }
        _ => Ok(()),
    }
}

fn unreachable(error: sqlx::Error) -> OpenError {
    OpenError::Connect(match error {
        sqlx::Error::Configuration(cause) => cause,
        error => error.into(),
    })
}

fn not_migrated(error: MigrateError) -> OpenError {
    OpenError::Migrate(error.into())
}

/// What a statement's failure means: whether it passes by itself.
pub(super) fn fault(error: sqlx::Error) -> BackendError {
    let temporary = match &error {
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed => true,
        sqlx::Error::Database(error) => error.code().is_some_and(|code| passes(&code)),
        _ => false,
    };
    if temporary { BackendError::unavailable(error) } else { BackendError::new(error) }
}

/// SQLite, by the low byte of the code: SQLITE_BUSY, SQLITE_LOCKED; and what is over once a disk is put in order:
/// SQLITE_READONLY, SQLITE_IOERR, SQLITE_FULL, SQLITE_CANTOPEN. PostgreSQL: the connection failed (class 08), resources are
/// short (53), an operator stops the server (57P), a transaction is to be repeated (40), a statement took too long (57014),
/// a lock was not to be had (55P03), or the server only reads, as one does that another took over from (25006).
fn passes(code: &str) -> bool {
    match code.parse::<u32>() {
        Ok(number) if code.len() < 5 => matches!(number & 0xff, 5 | 6 | 8 | 10 | 13 | 14),
        _ => ["08", "25006", "40", "53", "57P", "57014", "55P03"].iter().any(|class| code.starts_with(class)),
    }
}

/// Whether it was done, in place of "another row has this key".
pub(super) fn unless_taken(done: Result<(), sqlx::Error>) -> Result<bool, BackendError> {
    match done {
        Ok(()) => Ok(true),
        Err(sqlx::Error::Database(error)) if error.is_unique_violation() => Ok(false),
        Err(error) => Err(fault(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_passes_by_itself_is_told_from_what_does_not() {
        for code in [
            "5", "261", "517", "6", "8", "264", "10", "778", "13", "14", "25006", "08006", "53300", "57P01",
            "57P03", "40001", "40P01", "57014", "55P03",
        ] {
            assert!(passes(code), "{code}");
        }
        for code in ["1", "19", "2067", "1555", "23505", "42P01", "55006", "22021"] {
            assert!(!passes(code), "{code}");
        }
        assert!(fault(sqlx::Error::PoolTimedOut).is_temporary());
        assert!(!fault(sqlx::Error::RowNotFound).is_temporary());
    }
}
