//! A connection of one's own, for what does not wait for those of the pool, or is asked so often that it need not ask first
//! whether they are there.

use std::fmt;

use sqlx::{ConnectOptions, Connection, PgConnection, Sqlite, SqliteConnection};

use crate::adapters::sql::{database::Pool, lender::Lent};

/// A connection of one's own, made when it is needed, and kept until it fails.
pub(super) struct OwnConnection {
    pool: Pool,
    kept: Option<EitherConnection>,
}

/// A connection to either database.
pub(super) enum EitherConnection {
    Sqlite(SqliteConnection),
    /// The only one that a database in memory has: a second one would keep it from writing. It is given back.
    Memory(Lent<Sqlite>),
    Postgres(PgConnection),
}

/// Does the same on a connection to either database: it is named, and what is done with it is typed for each.
macro_rules! on_connection {
    ($either:expr, $connection:ident => $done:expr) => {
        match $either {
            $crate::adapters::sql::connection::EitherConnection::Sqlite($connection) => $done,
            $crate::adapters::sql::connection::EitherConnection::Memory(lent) => {
                let $connection = &mut **lent;
                $done
            }
            $crate::adapters::sql::connection::EitherConnection::Postgres($connection) => $done,
        }
    };
}
pub(super) use on_connection;

impl OwnConnection {
    /// One beside those of the pool, to the same database.
    pub(super) fn beside(pool: &Pool) -> Self {
        Self { pool: pool.clone(), kept: None }
    }

    /// Whether one was kept, which may have been cut meanwhile.
    pub(super) fn is_kept(&self) -> bool {
        self.kept.is_some()
    }

    /// The one that was kept, or a new one. It has to be kept again: one that fails, or whose user gives up, is not.
    pub(super) async fn take(&mut self) -> Result<EitherConnection, sqlx::Error> {
        match self.kept.take() {
            Some(connection) => Ok(connection),
            None => self.open().await,
        }
    }

    async fn open(&self) -> Result<EitherConnection, sqlx::Error> {
        if self.pool.is_closed() {
            return Err(sqlx::Error::PoolClosed);
        }
        Ok(match &self.pool {
            Pool::Sqlite(lender) if lender.is_memory() => EitherConnection::Memory(lender.lend().await?),
            Pool::Sqlite(lender) => {
                EitherConnection::Sqlite(lender.pool().connect_options().connect().await?)
            }
            Pool::Postgres(lender) => {
                EitherConnection::Postgres(lender.pool().connect_options().connect().await?)
            }
        })
    }

    /// Keeps it for the next time, unless it is everybody's.
    pub(super) fn keep(&mut self, connection: EitherConnection) {
        if !matches!(connection, EitherConnection::Memory(_)) {
            self.kept = Some(connection);
        }
    }

    /// Closes the one that was kept.
    pub(super) async fn close(&mut self) -> Result<(), sqlx::Error> {
        match self.kept.take() {
            Some(EitherConnection::Sqlite(connection)) => connection.close().await,
            Some(EitherConnection::Postgres(connection)) => connection.close().await,
            Some(EitherConnection::Memory(_)) | None => Ok(()),
        }
    }
}

impl fmt::Debug for OwnConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnConnection").field("is_kept", &self.is_kept()).finish_non_exhaustive()
    }
}
