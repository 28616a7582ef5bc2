//! A transaction that writes, and tells what it changed.

use std::sync::Arc;

use sqlx::{Executor, Postgres, Sqlite};

use crate::{
    adapters::sql::{
        changes::{self, Listeners},
        column::seconds,
        database::{Database, Pool, fault},
        lender::{Lender, Lent},
    },
    domain::{backend_error::BackendError, invalidation::Invalidation, time::Timestamp},
};

/// Several statements that count together or not at all. Dropped before [`commit`](Self::commit), none does.
#[derive(Debug)]
pub(super) struct Write {
    pub(super) connection: EitherLent,
    listeners: Arc<Listeners>,
}

#[derive(Debug)]
pub(super) enum EitherLent {
    Sqlite(Lent<Sqlite>),
    Postgres(Lent<Postgres>),
}

/// Does the same in a transaction on either database, within the transaction's limit: the connection is named, and what
/// is done with it is typed for each.
macro_rules! in_write {
    ($write:expr, $connection:ident => $done:expr) => {
        match &mut $write.connection {
            $crate::adapters::sql::write::EitherLent::Sqlite(lent) => {
                let (until, $connection) = (lent.until(), &mut **lent);
                $crate::adapters::sql::lender::in_time(until, async { $done }).await
            }
            $crate::adapters::sql::write::EitherLent::Postgres(lent) => {
                let (until, $connection) = (lent.until(), &mut **lent);
                $crate::adapters::sql::lender::in_time(until, async { $done }).await
            }
        }
    };
}
pub(super) use in_write;

impl Database {
    /// Begins to write.
    pub(super) async fn write(&self) -> Result<Write, BackendError> {
        let connection = match self.pool() {
            // Told at once that it writes: one that waits with that may find that another one wrote, and fails.
            Pool::Sqlite(lender) => begun(lender, "BEGIN IMMEDIATE").await.map(EitherLent::Sqlite),
            Pool::Postgres(lender) => begun(lender, "BEGIN").await.map(EitherLent::Postgres),
        };
        Ok(Write { connection: connection.map_err(fault)?, listeners: Arc::clone(self.listeners()) })
    }
}

async fn begun<DB: sqlx::Database>(
    lender: &Lender<DB>,
    statement: &'static str,
) -> Result<Lent<DB>, sqlx::Error>
where
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
{
    let mut lent = lender.lend().await?;
    lent.begin(statement).await?;
    Ok(lent)
}

impl Write {
    /// Makes it count.
    pub(super) async fn commit(self) -> Result<(), BackendError> {
        let done = match self.connection {
            EitherLent::Sqlite(lent) => lent.commit().await,
            EitherLent::Postgres(lent) => lent.commit().await,
        };
        done.map_err(fault)
    }

    /// Makes it count as this change, and tells those who listen here before it returns; others read of it in the
    /// table. The counter is held until the commit, so this is the last statement.
    pub(super) async fn commit_change(
        mut self,
        change: &Invalidation,
        now: Timestamp,
    ) -> Result<(), BackendError> {
        in_write!(self, connection => {
            let number: i64 = sqlx::query_scalar(changes::NEXT).fetch_one(&mut *connection).await?;
            let (kind, name) = changes::written(change);
            let insert = sqlx::query(changes::INSERT).bind(number).bind(kind).bind(name).bind(seconds(now));
            insert.execute(connection).await.map(drop)
        })
        .map_err(fault)?;
        // Told when this returns or is given up: a commit whose answer nobody waits for may count all the same.
        let _telling = Telling { listeners: Arc::clone(&self.listeners), change };
        self.commit().await
    }
}

/// Tells of a change when it is dropped.
struct Telling<'a> {
    listeners: Arc<Listeners>,
    change: &'a Invalidation,
}

impl Drop for Telling<'_> {
    fn drop(&mut self) {
        self.listeners.tell(self.change);
    }
}
