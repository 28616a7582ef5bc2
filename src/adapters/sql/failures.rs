//! The table of failed attempts.

use crate::{
    adapters::sql::{
        column::{moment, seconds},
        database::{Database, fault, on_either},
        username_key::username_key,
        write::in_write,
    },
    domain::{
        backend_error::BackendError,
        throttle::{FailedAttemptStore, FailedAttempts, ThrottleKey},
        time::Timestamp,
    },
};

const FIND: &str = "SELECT name, count, last FROM failures WHERE name IN ($1, $2)";
const COUNT: &str = "INSERT INTO failures (name, count, last) VALUES ($1, 1, $2) \
                     ON CONFLICT (name) DO UPDATE SET last = $2, \
                     count = CASE WHEN failures.last <= $3 THEN 1 ELSE failures.count + 1 END";
const FORGET: &str = "DELETE FROM failures WHERE name = $1";

/// The failed attempts in a [`Database`].
#[derive(Clone, Debug)]
pub struct SqlFailedAttempts {
    database: Database,
}

impl SqlFailedAttempts {
    /// The failures in this database.
    pub fn new(database: Database) -> Self {
        Self { database }
    }
}

impl FailedAttemptStore for SqlFailedAttempts {
    fn folded(&self, name: &str) -> String {
        // Nobody has a name without a key.
        username_key(name).unwrap_or_else(|| name.to_owned())
    }

    async fn failures(&self, keys: [&ThrottleKey; 2]) -> Result<[FailedAttempts; 2], BackendError> {
        let rows: Result<Vec<(String, i64, i64)>, _> = on_either!(self.database.pool(), connection => {
            sqlx::query_as(FIND).bind(keys[0].as_str()).bind(keys[1].as_str()).fetch_all(connection).await
        });
        let rows = rows.map_err(fault)?;
        Ok(keys.map(|key| {
            let row = rows.iter().find(|(name, ..)| name == key.as_str());
            row.map_or_else(FailedAttempts::default, |(_, count, last)| FailedAttempts {
                count: u32::try_from(*count).unwrap_or(u32::MAX),
                last: Some(moment(*last)),
            })
        }))
    }

    async fn count(
        &self,
        keys: [&ThrottleKey; 2],
        now: Timestamp,
        forgotten: Timestamp,
    ) -> Result<(), BackendError> {
        let mut write = self.database.write().await?;
        for key in keys {
            in_write!(write, connection => {
                let count = sqlx::query(COUNT).bind(key.as_str()).bind(seconds(now)).bind(seconds(forgotten));
                count.execute(connection).await.map(drop)
            })
            .map_err(fault)?;
        }
        write.commit().await
    }

    async fn forget(&self, key: &ThrottleKey) -> Result<(), BackendError> {
        on_either!(self.database.pool(), connection => {
            sqlx::query(FORGET).bind(key.as_str()).execute(connection).await.map(drop)
        })
        .map_err(fault)
    }
}
