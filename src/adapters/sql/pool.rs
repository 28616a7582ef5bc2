//! Connection pools that enforce time limits and close connections that stop responding.
//!
//! A pooler such as PgBouncer may run each transaction of a connection in a different session. Behind a pooler, every
//! statement therefore runs in a transaction that sets its own time limits, and no statement is prepared under a name.

use std::{io, time::Duration};

use futures_util::{TryStreamExt, future::BoxFuture};
use sqlx::{
    Connection as _, Either, Executor, PgPool, Postgres, Sqlite, SqlitePool,
    pool::{PoolConnection, PoolConnectionMetadata},
};
use tokio::{
    runtime::Handle,
    time::{Instant, timeout, timeout_at},
};

use crate::{
    adapters::sql::engine::{Engine, Row, Statement, on_engine},
    domain::backend_error::BackendError,
};

const COMMIT: &str = "COMMIT";
const ROLLBACK: &str = "ROLLBACK";
const READ_ONLY: &str = "SELECT current_setting('transaction_read_only') AS is_read_only";

/// The time limit for each step before and after the use of a connection: pinging it, rolling back, or closing it.
const PING_TIMEOUT: Duration = Duration::from_secs(1);

/// A connection pool. Clones share the connections.
#[derive(Clone, Debug)]
pub(super) struct Pool {
    pub(super) connections: Engine<SqlitePool, PgPool>,
    /// The total time limit for using a connection, including the wait for it.
    pub(super) timeout: Option<Duration>,
    /// True if the database is in memory. Such a database is lost when its only connection is closed, so the connection
    /// stays open.
    pub(super) is_memory: bool,
    /// The statements that begin a transaction.
    pub(super) begin: &'static str,
    /// True if the connections go through a pooler.
    pub(super) is_pooled: bool,
}

/// A connection of a [`Pool`]. On drop, it rolls back an open transaction and returns to the pool, or is closed if it
/// is unusable.
///
/// sqlx also returns dropped connections to the pool, but first pings them without a time limit.
#[derive(Debug)]
pub(super) struct Connection {
    /// `None` only during drop.
    inner: Option<TypedConnection>,
    deadline: Option<Instant>,
    is_memory: bool,
    /// The statements that begin a transaction, if every statement must run in a transaction.
    begin: Option<&'static str>,
    is_in_transaction: bool,
    /// True if the connection is unusable: a statement did not finish, or an error ended the connection.
    is_interrupted: bool,
}

type TypedConnection = Engine<PoolConnection<Sqlite>, PoolConnection<Postgres>>;

impl Pool {
    /// Returns a pool with one connection of its own, for work that must not wait for requests. For a database in
    /// memory, the pool shares its only connection.
    pub(super) fn dedicated(&self) -> Self {
        if self.is_memory {
            return self.clone();
        }
        let connections = on_engine!(&self.connections, Engine(pool) => {
            let options = pool.options().clone().max_connections(1).idle_timeout(None).max_lifetime(None);
            Engine(options.connect_lazy_with((*pool.connect_options()).clone()))
        });
        Self { connections, ..*self }
    }

    pub(super) async fn acquire(&self) -> Result<Connection, BackendError> {
        let deadline = self.timeout.map(|limit| Instant::now() + limit);
        let inner = on_engine!(&self.connections, Engine(pool) => pool.acquire().await.map(Engine));
        Ok(Connection {
            inner: Some(inner.map_err(backend_error)?),
            deadline,
            is_memory: self.is_memory,
            begin: self.is_pooled.then_some(self.begin),
            is_in_transaction: false,
            is_interrupted: false,
        })
    }

    /// Begins a transaction. Unless it is [committed](Connection::commit), it is rolled back.
    pub(super) async fn begin(&self) -> Result<Connection, BackendError> {
        let mut connection = self.acquire().await?;
        connection.is_in_transaction = true;
        connection.execute(Statement::simple(self.begin)).await?;
        Ok(connection)
    }

    /// Runs a statement and returns the number of rows that it changed.
    pub(super) async fn execute(&self, statement: Statement<'_>) -> Result<u64, BackendError> {
        self.acquire().await?.execute(statement).await
    }

    pub(super) async fn fetch<T>(
        &self,
        statement: Statement<'_>,
        read: impl Fn(&Row) -> Result<T, BackendError>,
    ) -> Result<Vec<T>, BackendError> {
        self.acquire().await?.fetch(statement, read).await
    }

    pub(super) async fn fetch_optional<T>(
        &self,
        statement: Statement<'_>,
        read: impl Fn(&Row) -> Result<T, BackendError>,
    ) -> Result<Option<T>, BackendError> {
        Ok(self.fetch(statement, read).await?.pop())
    }

    /// Checks that the database responds, and that a PostgreSQL server accepts writes.
    pub(super) async fn check_writable(&self) -> Result<(), BackendError> {
        let is_sqlite = matches!(self.connections, Engine::Sqlite(_));
        let sql = if is_sqlite { "SELECT 'off' AS is_read_only" } else { READ_ONLY };
        let mut connection = self.acquire().await?;
        let states = connection.fetch(Statement::new(sql), |row| row.get::<String>("is_read_only")).await?;
        if states.iter().any(|state| state == "on") {
            // The next connection may reach the server that replaced this one.
            connection.is_interrupted = true;
            return Err(BackendError::unavailable("the database is read-only"));
        }
        Ok(())
    }

    pub(super) async fn close(&self) {
        on_engine!(&self.connections, pool => pool.close().await);
    }
}

impl Connection {
    /// Runs a statement and returns the number of rows that it changed.
    pub(super) async fn execute(&mut self, statement: Statement<'_>) -> Result<u64, BackendError> {
        Ok(self.run(&statement).await?.0)
    }

    pub(super) async fn fetch<T>(
        &mut self,
        statement: Statement<'_>,
        read: impl Fn(&Row) -> Result<T, BackendError>,
    ) -> Result<Vec<T>, BackendError> {
        self.run(&statement).await?.1.iter().map(read).collect()
    }

    /// Runs a statement within the time limit. Returns the number of rows that it changed, and the rows that it
    /// returned.
    #[expect(clippy::expect_used, reason = "the connection is taken only on drop")]
    async fn run(&mut self, statement: &Statement<'_>) -> Result<(u64, Vec<Row>), BackendError> {
        self.is_interrupted = true;
        let (is_in_transaction, begin) = (self.is_in_transaction, self.begin);
        let connection = self.inner.as_mut().expect("the connection is not dropped");
        let work = async {
            match begin {
                Some(begin) if !is_in_transaction => {
                    return send_in_transaction(connection, begin, statement).await;
                }
                Some(_) => return send(connection, statement, false).await,
                None => {}
            }
            match send(connection, statement, true).await {
                Err(error) if is_outdated_plan(&error) && !is_in_transaction => {
                    on_engine!(&mut *connection, connection => connection.clear_cached_statements().await?);
                    send(connection, statement, true).await
                }
                result => result,
            }
        };
        let result = match self.deadline {
            Some(deadline) => timeout_at(deadline, work).await.map_err(|_| no_response())?,
            None => work.await,
        };
        self.is_interrupted = result.as_ref().is_err_and(ends_connection);
        result.map_err(backend_error)
    }

    pub(super) async fn commit(mut self) -> Result<(), BackendError> {
        self.execute(Statement::simple(COMMIT)).await?;
        self.is_in_transaction = false;
        Ok(())
    }
}

/// Sends a statement in a transaction of its own.
async fn send_in_transaction(
    connection: &mut TypedConnection,
    begin: &'static str,
    statement: &Statement<'_>,
) -> Result<(u64, Vec<Row>), sqlx::Error> {
    send(connection, &Statement::simple(begin), false).await?;
    let result = send(connection, statement, false).await;
    let end = if result.is_ok() { COMMIT } else { ROLLBACK };
    send(connection, &Statement::simple(end), false).await.and(result)
}

/// Sends a statement. If `persistent` is true, the connection prepares the statement once and keeps it under a name.
async fn send(
    connection: &mut TypedConnection,
    statement: &Statement<'_>,
    persistent: bool,
) -> Result<(u64, Vec<Row>), sqlx::Error> {
    on_engine!(connection, Engine(connection) => {
        let (mut changed, mut rows) = (0, Vec::new());
        let mut results = match statement.unprepared() {
            Some(query) => (&mut **connection).fetch_many(query),
            None => (&mut **connection).fetch_many(statement.query().persistent(persistent)),
        };
        while let Some(result) = results.try_next().await? {
            match result {
                Either::Left(result) => changed += result.rows_affected(),
                Either::Right(row) => rows.push(Engine(row)),
            }
        }
        Ok((changed, rows))
    })
}

impl Drop for Connection {
    fn drop(&mut self) {
        let Some(inner) = self.inner.take() else { return };
        let keep = self.is_memory || !self.is_interrupted;
        let limit = if self.is_memory { Duration::MAX } else { PING_TIMEOUT };
        let rollback = self.is_in_transaction;
        on_engine!(inner, connection => match Handle::try_current() {
            Ok(runtime) if keep => drop(runtime.spawn(give_back(connection, rollback, limit))),
            // The connection counts towards the pool's maximum until it is closed.
            Ok(runtime) => drop(runtime.spawn(timeout(PING_TIMEOUT, connection.close()))),
            // Outside a runtime, the connection is detached: dropping it closes it.
            Err(_) => drop(connection.detach()),
        });
    }
}

async fn give_back<DB: sqlx::Database>(mut connection: PoolConnection<DB>, rollback: bool, limit: Duration)
where
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
{
    let is_ready = !rollback || matches!(timeout(limit, connection.execute(ROLLBACK)).await, Ok(Ok(_)));
    if is_ready || limit == Duration::MAX {
        let _ = timeout(limit, connection.return_to_pool()).await;
    } else {
        drop(connection.detach());
    }
}

pub(super) fn no_response() -> BackendError {
    BackendError::unavailable("the database did not respond in time")
}

/// Pings a connection before it is used; the pool replaces it if the ping fails.
pub(super) fn is_alive<C: sqlx::Connection>(
    connection: &mut C,
    _: PoolConnectionMetadata,
) -> BoxFuture<'_, Result<bool, sqlx::Error>> {
    Box::pin(async {
        let late = |_| Err(sqlx::Error::Io(io::ErrorKind::TimedOut.into()));
        timeout(PING_TIMEOUT, connection.ping()).await.unwrap_or_else(late).map(|()| true)
    })
}

/// Converts the error of a failed statement. The result is temporary if a retry may succeed.
pub(super) fn backend_error(error: sqlx::Error) -> BackendError {
    if is_temporary(&error) { BackendError::unavailable(error) } else { BackendError::new(error) }
}

/// Returns whether a connection is unusable after this error, for example because the server is shutting down, or
/// became read-only in a failover.
fn ends_connection(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::Protocol(_) => true,
        // The statement cannot be prepared again within the transaction; another connection can prepare it.
        error if is_outdated_plan(error) => true,
        sqlx::Error::Database(error) => error
            .code()
            .is_some_and(|code| ["25006", "08", "57P"].iter().any(|class| code.starts_with(class))),
        _ => false,
    }
}

/// Returns whether the statement failed because the tables have changed since PostgreSQL planned it. The plan stays
/// invalid until the statement is prepared again.
fn is_outdated_plan(error: &sqlx::Error) -> bool {
    error.as_database_error().is_some_and(|error| {
        error.code().as_deref() == Some("0A000") && error.message().contains("cached plan")
    })
}

pub(super) fn is_temporary(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed => true,
        error if is_outdated_plan(error) => true,
        sqlx::Error::Database(error) => error.code().is_some_and(|code| is_temporary_code(&code)),
        _ => false,
    }
}

/// Returns whether an error code from SQLite or PostgreSQL stands for a temporary error.
///
/// SQLite (low byte of the code): SQLITE_BUSY, SQLITE_LOCKED, and the disk errors SQLITE_READONLY, SQLITE_IOERR,
/// SQLITE_FULL and SQLITE_CANTOPEN. PostgreSQL: the connection failed (class 08), the server is read-only, as after a
/// failover (25006), the transaction must be retried (40), resources are insufficient (53), an operator stops the
/// server (57P), a statement timed out (57014), or a lock was not available (55P03).
fn is_temporary_code(code: &str) -> bool {
    match code.parse::<u32>() {
        Ok(number) if code.len() < 5 => matches!(number & 0xff, 5 | 6 | 8 | 10 | 13 | 14),
        _ => ["08", "25006", "40", "53", "57P", "57014", "55P03"].iter().any(|class| code.starts_with(class)),
    }
}

#[cfg(test)]
mod tests {
    use tempfile::tempdir;

    use super::*;
    use crate::adapters::sql::{
        Database, SqlUsers,
        testing::{account, open_file},
    };

    #[test]
    fn error_that_a_retry_may_fix_is_temporary() {
        for code in [
            "5", "261", "517", "6", "8", "264", "10", "778", "13", "14", "25006", "08006", "53300", "57P01",
            "57P03", "40001", "40P01", "57014", "55P03",
        ] {
            assert!(is_temporary_code(code), "{code}");
        }
        for code in ["1", "19", "2067", "1555", "23505", "42P01", "55006", "22021"] {
            assert!(!is_temporary_code(code), "{code}");
        }
        assert!(backend_error(sqlx::Error::PoolTimedOut).is_temporary());
        assert!(!backend_error(sqlx::Error::RowNotFound).is_temporary());
    }

    #[tokio::test]
    async fn uncommitted_transaction_is_rolled_back_and_its_connection_reused() {
        let directory = tempdir().unwrap();
        for database in [open_file(&directory).await, Database::open("sqlite::memory:").await.unwrap()] {
            let users = SqlUsers::new(database.clone());
            for _ in 0..3 {
                let mut import = users.import().await.unwrap();
                assert!(import.add(&[account("johndoe")]).await.unwrap());
            }
            assert!(users.find(&"johndoe".parse().unwrap()).await.unwrap().is_none());
            assert!(users.insert(&account("johndoe")).await.unwrap());
            assert!(!users.insert(&account("JOHNDOE")).await.unwrap());
        }
    }

    #[tokio::test]
    async fn interrupted_connection_is_replaced_unless_the_database_is_in_memory() {
        const SLOW: &str = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000000) \
                            SELECT count(*) AS count FROM n";
        let directory = tempdir().unwrap();
        for (database, is_replaced) in
            [(open_file(&directory).await, true), (Database::open("sqlite::memory:").await.unwrap(), false)]
        {
            let mut connection = database.pool.acquire().await.unwrap();
            connection.execute(Statement::new("CREATE TEMP TABLE mark (i INTEGER)")).await.unwrap();
            let slow = connection.execute(Statement::new(SLOW));
            assert!(
                timeout(Duration::from_millis(20), slow).await.is_err(),
                "the statement finished before it could be interrupted"
            );
            drop(connection);
            let mark = database.pool.execute(Statement::new("SELECT i FROM mark")).await;
            assert_eq!(mark.is_err(), is_replaced, "{mark:?}");
        }
    }

    #[tokio::test]
    async fn ping_succeeds_while_requests_use_all_connections() {
        let directory = tempdir().unwrap();
        let database = open_file(&directory).await;
        let all_connections = database.pool.acquire().await.unwrap();
        for _ in 0..3 {
            database.ping(Duration::from_secs(1)).await.unwrap();
        }
        drop(all_connections);
        let memory = Database::open("sqlite::memory:").await.unwrap();
        memory.ping(Duration::from_secs(1)).await.unwrap();
        assert!(SqlUsers::new(memory).insert(&account("johndoe")).await.unwrap());
    }

    #[tokio::test]
    async fn statement_on_a_closed_database_fails_with_a_temporary_error() {
        let database = Database::open("sqlite::memory:").await.unwrap();
        database.close().await;
        let error = SqlUsers::new(database).find(&"johndoe".parse().unwrap()).await.unwrap_err();
        assert!(error.is_temporary(), "{error}");
    }
}
