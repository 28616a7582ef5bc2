//! A transaction that writes, and tells what it changed.

use std::sync::Arc;

use sqlx::{Postgres, Sqlite, Transaction};

use crate::{
    adapters::sql::{
        changes::{self, Listeners},
        column::seconds,
        database::{Database, Pool, fault},
    },
    domain::{change::Change, fault::Fault, time::Timestamp},
};

/// Several statements that count together or not at all. Dropped before [`commit`](Self::commit), none does.
#[derive(Debug)]
pub(super) struct Write {
    pub(super) transaction: EitherTransaction,
    listeners: Arc<Listeners>,
}

#[derive(Debug)]
pub(super) enum EitherTransaction {
    Sqlite(Transaction<'static, Sqlite>),
    Postgres(Transaction<'static, Postgres>),
}

/// Does the same in a transaction on either database: the connection is named, and what is done with it is typed for
/// each.
macro_rules! in_write {
    ($write:expr, $connection:ident => $done:expr) => {
        match &mut $write.transaction {
            $crate::adapters::sql::write::EitherTransaction::Sqlite(transaction) => {
                let $connection = &mut **transaction;
                $done
            }
            $crate::adapters::sql::write::EitherTransaction::Postgres(transaction) => {
                let $connection = &mut **transaction;
                $done
            }
        }
    };
}
pub(super) use in_write;

impl Database {
    /// Begins to write.
    pub(super) async fn write(&self) -> Result<Write, Fault> {
        let transaction = match self.pool() {
            // Told at once that it writes: one that waits with that may find that another one wrote, and fails.
            Pool::Sqlite(pool) => pool.begin_with("BEGIN IMMEDIATE").await.map(EitherTransaction::Sqlite),
            Pool::Postgres(pool) => pool.begin().await.map(EitherTransaction::Postgres),
        };
        Ok(Write { transaction: transaction.map_err(fault)?, listeners: Arc::clone(self.listeners()) })
    }
}

impl Write {
    /// Makes it count.
    pub(super) async fn commit(self) -> Result<(), Fault> {
        let done = match self.transaction {
            EitherTransaction::Sqlite(transaction) => transaction.commit().await,
            EitherTransaction::Postgres(transaction) => transaction.commit().await,
        };
        done.map_err(fault)
    }

    /// Makes it count as this change, and tells those who listen here before it returns; others read of it in the
    /// table. The counter is held until the commit, so this is the last statement.
    pub(super) async fn commit_change(mut self, change: &Change, now: Timestamp) -> Result<(), Fault> {
        in_write!(self, connection => {
            let number: i64 = sqlx::query_scalar(changes::NEXT).fetch_one(&mut *connection).await.map_err(fault)?;
            let (kind, name) = changes::written(change);
            let insert = sqlx::query(changes::INSERT).bind(number).bind(kind).bind(name).bind(seconds(now));
            insert.execute(connection).await.map_err(fault)?;
        });
        let listeners = Arc::clone(&self.listeners);
        let done = self.commit().await;
        // A commit whose answer was lost may count all the same.
        listeners.tell(change);
        done
    }
}
