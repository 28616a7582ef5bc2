//! The table of failed attempts.

use crate::{
    adapters::sql::{database::Database, engine::Statement, username_key::username_key},
    domain::{
        backend_error::BackendError,
        throttle::{FailedAttemptStore, FailedAttempts, ThrottleKey},
        time::Timestamp,
        user::Username,
    },
};

const FIND: &str = "SELECT name, count, last FROM failures WHERE name IN ($1, $2)";
const ADD: &str = "INSERT INTO failures (name, count, last) VALUES ($1, 1, $2) \
                   ON CONFLICT (name) DO UPDATE SET last = $2, \
                   count = CASE WHEN failures.last <= $3 THEN 1 ELSE failures.count + 1 END";
const CLEAR: &str = "DELETE FROM failures WHERE name = $1";

/// Failed attempts in a [`Database`], which replicas share.
#[derive(Clone, Debug)]
pub struct SqlFailedAttempts {
    database: Database,
}

impl SqlFailedAttempts {
    /// Creates the store of the failed attempts in this database.
    pub fn new(database: Database) -> Self {
        Self { database }
    }
}

impl FailedAttemptStore for SqlFailedAttempts {
    fn normalize_username(&self, username: &str) -> String {
        // No account has an invalid username, so any string will do.
        Username::new(username)
            .map_or_else(|_| username.to_owned(), |username| username_key(username.as_str()))
    }

    async fn find(&self, keys: [&ThrottleKey; 2]) -> Result<[FailedAttempts; 2], BackendError> {
        let find = Statement::new(FIND).bind(keys[0].as_str()).bind(keys[1].as_str());
        let rows = self.database.pool.fetch(find, |row| {
            let count = u32::try_from(row.get::<i64>("count")?).unwrap_or(u32::MAX);
            Ok((row.get::<String>("name")?, FailedAttempts { count, last: Some(row.time("last")?) }))
        });
        let rows = rows.await?;
        Ok(keys.map(|key| {
            let row = rows.iter().find(|(name, _)| name == key.as_str());
            row.map_or_else(FailedAttempts::default, |(_, failed)| *failed)
        }))
    }

    async fn add(
        &self,
        keys: [&ThrottleKey; 2],
        now: Timestamp,
        forget_before: Timestamp,
    ) -> Result<(), BackendError> {
        let mut transaction = self.database.pool.begin().await?;
        for key in keys {
            let add = Statement::new(ADD).bind(key.as_str()).bind(now).bind(forget_before);
            transaction.execute(add).await?;
        }
        transaction.commit().await
    }

    async fn clear(&self, key: &ThrottleKey) -> Result<(), BackendError> {
        self.database.pool.execute(Statement::new(CLEAR).bind(key.as_str())).await.map(drop)
    }
}
