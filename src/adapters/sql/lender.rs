//! Who lends connections for a limited time, and takes none back that has fallen silent.

use std::{
    fmt, io,
    ops::{Deref, DerefMut},
    time::Duration,
};

use futures_util::future::BoxFuture;
use sqlx::{Connection, Database, Executor, Pool, pool::PoolConnection, pool::PoolConnectionMetadata};
use tokio::{
    runtime::Handle,
    time::{Instant, timeout, timeout_at},
};

/// How long a connection may take to say that it is still there, before it is used and after.
pub(super) const PING_LIMIT: Duration = Duration::from_secs(1);

/// A pool that lends connections.
#[derive(Debug)]
pub(super) struct Lender<DB: Database> {
    pool: Pool<DB>,
    /// How long all may take that is done with one of them, the wait for it included.
    limit: Option<Duration>,
    /// Whether it is a database in memory, which ends with its one connection.
    is_memory: bool,
}

/// A connection that was lent. Dropped, it goes back to the pool, without the transaction that was not committed.
pub(super) struct Lent<DB: Database>
where
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
{
    /// There until it is dropped.
    connection: Option<PoolConnection<DB>>,
    until: Option<Instant>,
    /// Whether the database ends with it.
    is_memory: bool,
    is_in_transaction: bool,
}

impl<DB: Database> Clone for Lender<DB> {
    fn clone(&self) -> Self {
        Self { pool: self.pool.clone(), limit: self.limit, is_memory: self.is_memory }
    }
}

impl<DB: Database> Lender<DB> {
    pub(super) fn new(pool: Pool<DB>, limit: Option<Duration>) -> Self {
        Self { pool, limit, is_memory: false }
    }

    /// One of a database in memory, whose pool has one connection.
    pub(super) fn of_memory(pool: Pool<DB>, limit: Option<Duration>) -> Self {
        Self { pool, limit, is_memory: true }
    }

    /// All the connections.
    pub(super) fn pool(&self) -> &Pool<DB> {
        &self.pool
    }

    pub(super) fn is_memory(&self) -> bool {
        self.is_memory
    }

    pub(super) async fn lend(&self) -> Result<Lent<DB>, sqlx::Error>
    where
        for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
    {
        let until = self.limit.map(|limit| Instant::now() + limit);
        let connection = in_time(until, self.pool.acquire()).await?;
        Ok(Lent { connection: Some(connection), until, is_memory: self.is_memory, is_in_transaction: false })
    }
}

impl<DB: Database> Lent<DB>
where
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
{
    /// When its time is over.
    pub(super) fn until(&self) -> Option<Instant> {
        self.until
    }

    /// Begins a transaction with this statement.
    pub(super) async fn begin(&mut self, statement: &'static str) -> Result<(), sqlx::Error> {
        // Who gives up in the middle may have begun.
        self.is_in_transaction = true;
        in_time(self.until, (&mut **self).execute(statement)).await.map(drop)
    }

    pub(super) async fn commit(mut self) -> Result<(), sqlx::Error> {
        in_time(self.until, (&mut *self).execute("COMMIT")).await?;
        self.is_in_transaction = false;
        Ok(())
    }
}

impl<DB: Database> Deref for Lent<DB>
where
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
{
    type Target = DB::Connection;

    fn deref(&self) -> &DB::Connection {
        self.connection.as_ref().unwrap_or_else(|| unreachable!())
    }
}

impl<DB: Database> DerefMut for Lent<DB>
where
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
{
    fn deref_mut(&mut self) -> &mut DB::Connection {
        self.connection.as_mut().unwrap_or_else(|| unreachable!())
    }
}

impl<DB: Database> Drop for Lent<DB>
where
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
{
    fn drop(&mut self) {
        // Without a runtime nobody is left to use it.
        let (Some(connection), Ok(runtime)) = (self.connection.take(), Handle::try_current()) else { return };
        runtime.spawn(take_back(connection, self.is_in_transaction, self.is_memory));
    }
}

/// The pool itself asks a connection that comes back whether it is still there, and waits for the answer for ever.
async fn take_back<DB: Database>(mut connection: PoolConnection<DB>, rolls_back: bool, is_memory: bool)
where
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
{
    if is_memory {
        if rolls_back {
            let _ = connection.execute("ROLLBACK").await;
        }
        return;
    }
    if rolls_back && !matches!(timeout(PING_LIMIT, connection.execute("ROLLBACK")).await, Ok(Ok(_))) {
        // The database rolls back what ends.
        return drop(connection.detach());
    }
    let _ = timeout(PING_LIMIT, connection.return_to_pool()).await;
}

impl<DB: Database> fmt::Debug for Lent<DB>
where
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lent").field("until", &self.until).finish_non_exhaustive()
    }
}

/// Does something with a database, unless it takes too long.
pub(super) async fn in_time<T>(
    until: Option<Instant>,
    work: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, sqlx::Error> {
    match until {
        Some(until) => timeout_at(until, work).await.unwrap_or_else(|_| Err(late())),
        None => work.await,
    }
}

/// Whether a connection that lay idle is still there: asked before it is lent. The pool puts a new one in the place of
/// one that is not.
pub(super) fn is_alive<C: Connection>(
    connection: &mut C,
    _: PoolConnectionMetadata,
) -> BoxFuture<'_, Result<bool, sqlx::Error>> {
    Box::pin(async {
        let until = Some(Instant::now() + PING_LIMIT);
        in_time(until, connection.ping()).await.map(|()| true)
    })
}

fn late() -> sqlx::Error {
    io::Error::new(io::ErrorKind::TimedOut, "the database did not answer in time").into()
}
