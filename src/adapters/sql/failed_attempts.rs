//! The table of failed attempts.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use crate::{
    adapters::sql::{database::Database, engine::Statement, username_key::username_key},
    domain::{
        backend_error::BackendError,
        throttle::{FailedAttemptStore, FailedAttempts, ThrottleKey},
        time::Timestamp,
        user::Username,
    },
};

const FIND: &str = "SELECT name, count, last FROM failures WHERE name IN ";
const ADD: &str = "INSERT INTO failures (name, count, last, expires)";
/// Rows of older versions have no `expires`, and are forgotten after an hour.
const OR_COUNT: &str = " ON CONFLICT (name) DO UPDATE SET last = excluded.last, expires = excluded.expires, \
                        count = CASE WHEN COALESCE(failures.expires, failures.last + 3600) <= excluded.last \
                        THEN 1 ELSE failures.count + 1 END";
const CLEAR: &str = "DELETE FROM failures WHERE name IN ";

/// The name of the key of device cookies in the table of secrets.
const DEVICE_KEY: &str = "device cookies";
const ADD_KEY: &str = "INSERT INTO secrets (name, value) VALUES ($1, $2) ON CONFLICT DO NOTHING";
const FIND_KEY: &str = "SELECT value FROM secrets WHERE name = $1";

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

/// Completes a statement with the list of keys.
fn with_keys<'a>(sql: &'static str, keys: &'a [ThrottleKey]) -> Statement<'a> {
    let mut statement = Statement::new(sql);
    statement.push_list(keys.iter().map(|key| key.as_str().into()));
    statement
}

impl FailedAttemptStore for SqlFailedAttempts {
    fn normalize_username(&self, username: &str) -> String {
        // No account has an invalid username, so any string will do.
        Username::new(username)
            .map_or_else(|_| username.to_owned(), |username| username_key(username.as_str()))
    }

    async fn find(&self, keys: &[ThrottleKey]) -> Result<Vec<FailedAttempts>, BackendError> {
        let rows = self.database.pool.fetch(with_keys(FIND, keys), |row| {
            let count = u32::try_from(row.get::<i64>("count")?).unwrap_or(u32::MAX);
            Ok((row.get::<String>("name")?, FailedAttempts { count, last: Some(row.time("last")?) }))
        });
        let rows = rows.await?;
        let find = |key: &ThrottleKey| rows.iter().find(|(name, _)| name == key.as_str());
        Ok(keys
            .iter()
            .map(|key| find(key).map_or_else(FailedAttempts::default, |(_, failed)| *failed))
            .collect())
    }

    async fn add(&self, keys: &[ThrottleKey], now: Timestamp) -> Result<(), BackendError> {
        let mut add = Statement::new(ADD);
        let row = |key: &'_ ThrottleKey| {
            [key.name.clone().into(), 1_i64.into(), now.into(), (now + key.forget_after).into()]
        };
        add.push_rows(keys.iter().map(row));
        add.push(OR_COUNT);
        self.database.pool.execute(add).await.map(drop)
    }

    async fn clear(&self, keys: &[ThrottleKey]) -> Result<(), BackendError> {
        self.database.pool.execute(with_keys(CLEAR, keys)).await.map(drop)
    }

    async fn device_key(&self, new: [u8; 32]) -> Result<[u8; 32], BackendError> {
        let find = || Statement::new(FIND_KEY).bind(DEVICE_KEY);
        let read = async || self.database.pool.fetch_optional(find(), |row| row.get::<String>("value")).await;
        let mut stored = read().await?;
        if stored.is_none() {
            let add = Statement::new(ADD_KEY).bind(DEVICE_KEY).bind(URL_SAFE_NO_PAD.encode(new));
            self.database.pool.execute(add).await?;
            stored = read().await?;
        }
        let decoded = stored.and_then(|text| URL_SAFE_NO_PAD.decode(text).ok());
        let key = decoded.and_then(|bytes| bytes.try_into().ok());
        key.ok_or_else(|| BackendError::new("the table `secrets` has no valid key of device cookies"))
    }
}
