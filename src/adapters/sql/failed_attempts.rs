//! The failed attempts table.

use std::{collections::HashMap, net::IpAddr};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use crate::{
    adapters::sql::{
        User,
        audit::{self, Actor, AuditEntry},
        database::Database,
        engine::Statement,
        username_key::username_key,
        users::SqlUsers,
    },
    auth::throttle::{CLIENTS, KNOWN, Target, network},
    domain::{
        backend_error::{BackendError, StoreError},
        event::EventKind,
        throttle::{FailedAttemptStore, FailedAttempts, ThrottleKey},
        time::Timestamp,
        user::{AuthUser, Username},
    },
};

const FIND: &str = "SELECT name, count, last FROM failures WHERE name IN ";
const ADD: &str = "INSERT INTO failures (name, count, last, expires)";
/// Rows that older versions wrote have no `expires`; they expire after an hour.
const OR_COUNT: &str = " ON CONFLICT (name) DO UPDATE SET last = excluded.last, expires = excluded.expires, \
                        count = CASE WHEN COALESCE(failures.expires, failures.last + 3600) <= excluded.last \
                        THEN 1 ELSE failures.count + 1 END";
const CLEAR: &str = "DELETE FROM failures WHERE name IN ";

/// The statement that removes the failed attempts for an account: the count for all addresses together, and the counts
/// per address.
const CLEAR_ACCOUNT: &str = "DELETE FROM failures WHERE name = $1 OR substr(name, 1, 44) = $1 || ' '";
/// The statement that removes the failed attempts from an address: the count for all accounts together, and the counts
/// per account. Known networks, whose names begin with $2, remain. $1 contains no LIKE wildcards.
const CLEAR_ADDRESS: &str = "DELETE FROM failures WHERE (name = $1 OR name LIKE '% ' || $1) \
                             AND substr(name, 1, length($2)) <> $2";

/// The name of the device cookie key in the table `secrets`.
const DEVICE_KEY: &str = "device cookies";
const ADD_KEY: &str = "INSERT INTO secrets (name, value) VALUES ($1, $2) ON CONFLICT DO NOTHING";
const FIND_KEY: &str = "SELECT value FROM secrets WHERE name = $1";

/// Failed attempts in a [`Database`], which replicas share.
#[derive(Clone, Debug)]
pub struct SqlFailedAttempts {
    database: Database,
}

impl SqlFailedAttempts {
    /// Creates a store for the failed attempts in this database.
    pub fn new(database: Database) -> Self {
        Self { database }
    }

    /// Removes the failed attempts for the user or client with this name. Keeps the counts per address across all
    /// accounts. Returns whether any were removed.
    ///
    /// # Errors
    /// [`StoreError`] if they could not be removed.
    pub async fn clear_account(&self, name: &str, actor: &Actor) -> Result<bool, StoreError> {
        let user = match Username::new(name) {
            Ok(username) => SqlUsers::new(self.database.clone()).find(&username).await?,
            Err(_) => None,
        };
        let user = user.map(|stored| (stored.user.subject(), stored.password_hash));
        let target = user.as_ref().map(|(subject, password_hash)| Target::User(subject, password_hash));
        let targets = [Some(Target::Username(name)), Some(Target::Client(name)), target];
        let targets = targets.into_iter().flatten();
        let keys = targets.map(|target| target.key(User::user_kind(), |name| self.normalize_username(name)));
        let statements = keys.map(|key| Statement::new(CLEAR_ACCOUNT).bind(key)).collect();
        let user_id = user.as_ref().map(|(subject, _)| subject.as_str().to_owned());
        let detail = Some(audit::clean(name));
        let entry = AuditEntry { user_id, detail, ..actor.entry(EventKind::ThrottleCleared) };
        Ok(self.clear_all(statements, entry).await?)
    }

    /// Removes the failed attempts from an address: the count for all accounts together, and the counts per account.
    /// Returns whether any were removed.
    ///
    /// # Errors
    /// [`StoreError`] if they could not be removed.
    pub async fn clear_address(&self, address: IpAddr, actor: &Actor) -> Result<bool, StoreError> {
        let network = network(address).to_string();
        let clear = |name: String| Statement::new(CLEAR_ADDRESS).bind(name).bind(KNOWN);
        let statements = vec![clear(format!("{CLIENTS}{network}")), clear(network.clone())];
        let entry = AuditEntry { detail: Some(network), ..actor.entry(EventKind::ThrottleCleared) };
        Ok(self.clear_all(statements, entry).await?)
    }

    async fn clear_all(
        &self,
        statements: Vec<Statement<'_>>,
        entry: AuditEntry,
    ) -> Result<bool, BackendError> {
        let mut transaction = self.database.pool.begin().await?;
        let mut cleared = 0;
        for statement in statements {
            cleared += transaction.execute(statement).await?;
        }
        if cleared > 0 {
            audit::append(&mut transaction, &[entry]).await?;
        }
        transaction.commit().await?;
        Ok(cleared > 0)
    }
}

/// Creates a statement that consists of the SQL and a list of keys.
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
        let found: HashMap<_, _> = rows.await?.into_iter().collect();
        Ok(keys.iter().map(|key| found.get(key.as_str()).copied().unwrap_or_default()).collect())
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
        key.ok_or_else(|| {
            BackendError::new("the row `device cookies` of the table `secrets` is invalid: delete it")
        })
    }
}
