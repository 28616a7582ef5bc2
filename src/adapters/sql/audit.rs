//! The audit trail table.

use std::{collections::HashMap, time::Duration};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};
use tokio::time::timeout;

use crate::{
    adapters::sql::{
        database::Database,
        engine::{Row, Statement, seconds},
        pool::{Connection, Pool, no_response},
        user::User,
        username_key::username_key,
    },
    domain::{
        backend_error::{BackendError, StoreError},
        event::{Event, EventKind},
        time::Timestamp,
    },
};

/// The maximum length of a string from a request, in characters. Longer strings are truncated.
const MAX_TEXT: usize = 256;

const INSERT: &str = "INSERT INTO audit (time, event, username, username_key, user_id, client_id, session_id, \
                      address, user_agent, actor, detail, count, failure)";

/// Failures with the same kind, account, address and minute are counted in one entry.
const OR_COUNT: &str = " ON CONFLICT (failure) DO UPDATE SET count = audit.count + excluded.count";

/// If an entry has no username, the username of its user is returned, if the user still exists.
const SELECT: &str = "SELECT id, time, event, \
                      COALESCE(username, (SELECT username FROM users WHERE id = user_id)) AS username, \
                      user_id, client_id, session_id, address, user_agent, actor, detail, count \
                      FROM audit WHERE time >= ";

/// The query for the latest $3 events of the user with the identifier $1 and the username key $2, and for the latest $3
/// failed sign-ins with that username. Each half of the query repeats the condition of a partial index, so that the
/// database reads only these entries. The excluded kinds of events are too frequent, or concern only a single request.
const SECURITY_EVENTS: &str = "SELECT id, time, event, username, user_id, client_id, session_id, address, user_agent, \
                               actor, detail, count FROM (SELECT * FROM (SELECT * FROM audit WHERE user_id = $1 \
                               AND event NOT IN ('refresh', 'refresh_repeated', 'refresh_failed', 'forbidden', \
                               'unauthorized', 'token_revoked', 'token_issued') \
                               ORDER BY time DESC, id DESC LIMIT $3) AS own \
                               UNION ALL SELECT * FROM (SELECT * FROM audit WHERE username_key = $2 \
                               AND user_id IS NULL AND time >= (SELECT created FROM users WHERE id = $1) \
                               ORDER BY time DESC, id DESC LIMIT $3) AS failed) AS events \
                               ORDER BY time DESC, id DESC";

/// An entry of the audit trail: who did what, when and from where. It never contains a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditEntry {
    /// The time of the event, or of the first one if the entry counts several events.
    pub time: Timestamp,
    /// The kind of event: the name of an [`EventKind`](crate::events::EventKind) of this or another version.
    pub event: String,
    /// The username as it was sent, whether or not there is such a user.
    pub username: Option<String>,
    /// The user.
    pub user_id: Option<String>,
    /// The client.
    pub client_id: Option<String>,
    /// The session.
    pub session_id: Option<String>,
    /// The sender's address.
    pub address: Option<String>,
    /// The sender's `User-Agent` header.
    pub user_agent: Option<String>,
    /// The operator, if no request caused the event.
    pub actor: Option<String>,
    /// Further details, such as the names of changed fields.
    pub detail: Option<String>,
    /// The number of events: failures with the same kind, account, address and minute are counted in one entry.
    pub count: u64,
}

impl AuditEntry {
    /// Creates an entry without details.
    pub fn new(kind: EventKind, time: Timestamp) -> Self {
        Self {
            time,
            event: kind.as_str().to_owned(),
            username: None,
            user_id: None,
            client_id: None,
            session_id: None,
            address: None,
            user_agent: None,
            actor: None,
            detail: None,
            count: 1,
        }
    }

    /// Returns a hash that is the same for all failures that are counted as one entry; `None` for other events.
    pub(crate) fn failure(&self) -> Option<String> {
        let is_failure = |kind: &&EventKind| kind.is_failure() && kind.as_str() == self.event;
        EventKind::ALL.iter().find(is_failure)?;
        let minute = (self.time.as_unix() / 60).to_string();
        let username = self.username.as_deref().map(username_key);
        let parts = [
            Some(self.event.as_str()),
            Some(&minute),
            self.address.as_deref(),
            username.as_deref(),
            self.user_id.as_deref(),
            self.client_id.as_deref(),
            self.detail.as_deref(),
        ];
        let mut hash = Sha256::new();
        for part in parts {
            hash.update(part.unwrap_or_default());
            hash.update([0]);
        }
        Some(URL_SAFE_NO_PAD.encode(hash.finalize()))
    }
}

impl From<&Event<'_>> for AuditEntry {
    /// Truncates strings to 256 characters. Replaces NUL, which PostgreSQL cannot store, with U+FFFD.
    fn from(event: &Event<'_>) -> Self {
        Self {
            username: event.username.map(clean),
            user_id: event.subject.map(|subject| clean(subject.as_str())),
            client_id: event.client_id.map(|id| clean(id.as_str())),
            session_id: event.session_id.map(|id| clean(id.as_str())),
            address: event.client_info.address.map(|address| address.to_string()),
            user_agent: event.client_info.user_agent.as_deref().map(clean),
            ..Self::new(event.kind, event.now)
        }
    }
}

pub(super) fn clean(text: &str) -> String {
    text.chars().take(MAX_TEXT).map(|c| if c == '\0' { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

/// An operator who makes changes outside of requests, such as a command-line user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor(String);

impl Actor {
    /// Creates an operator with this name.
    pub fn new(name: &str) -> Self {
        Self(clean(name))
    }

    /// Creates an entry for an action of this operator, with the current time.
    pub fn entry(&self, kind: EventKind) -> AuditEntry {
        AuditEntry { actor: Some(self.0.clone()), ..AuditEntry::new(kind, Timestamp::now()) }
    }
}

/// The audit trail in a [`Database`].
#[derive(Clone, Debug)]
pub struct SqlAudit {
    database: Database,
}

/// A filter for audit trail entries. The default matches all entries.
#[derive(Clone, Debug, Default)]
pub struct AuditFilter {
    /// The earliest time of an entry.
    pub since: Option<Timestamp>,
    /// The username, ignoring case. Matches the entries of this user, and other entries with this username.
    pub user: Option<String>,
    /// The kind of event.
    pub kind: Option<EventKind>,
}

/// A page of the audit trail.
#[derive(Clone, Debug)]
pub struct AuditPage {
    /// The entries, newest first.
    pub entries: Vec<AuditEntry>,
    /// The position at which the next page starts. That page may be empty. `None` after the last entry.
    pub next: Option<AuditCursor>,
}

/// A position in the audit trail.
#[derive(Clone, Copy, Debug)]
pub struct AuditCursor {
    time: i64,
    id: i64,
}

impl SqlAudit {
    /// Creates a handle to the audit trail in this database.
    pub fn new(database: Database) -> Self {
        Self { database }
    }

    /// Adds all of the entries or none. A failure ([`EventKind::is_failure`]) with the same kind, account, address and
    /// minute as a stored one is added to the count of that entry.
    ///
    /// # Errors
    /// [`StoreError`] if the entries could not be stored.
    pub async fn append(&self, entries: &[AuditEntry]) -> Result<(), StoreError> {
        Ok(append(&mut self.database.pool.acquire().await?, entries).await?)
    }

    /// Returns at most `limit` entries, newest first.
    ///
    /// # Errors
    /// [`StoreError`] if the database cannot be read.
    pub async fn list(
        &self,
        filter: &AuditFilter,
        after: Option<AuditCursor>,
        limit: u32,
    ) -> Result<AuditPage, StoreError> {
        let read = |row: &Row| Ok((row.get("id")?, entry(row)?));
        let rows = self.database.pool.fetch(selection(filter, after, limit), read).await?;
        let is_full = rows.len() == limit as usize;
        let next = rows.last().filter(|_| is_full);
        let next = next.map(|(id, entry)| AuditCursor { time: seconds(entry.time), id: *id });
        Ok(AuditPage { entries: rows.into_iter().map(|(_, entry)| entry).collect(), next })
    }

    /// Returns at most `limit` events that a user should know about, newest first: sign-ins, failed sign-ins, password
    /// changes, ended sessions, and changes by operators. Failed sign-ins with the username are included if they
    /// happened after the user was added. Anyone can cause such failures, but they cannot displace the other events,
    /// for which 70% of the list is reserved.
    ///
    /// # Errors
    /// [`StoreError`] if the database cannot be read.
    pub async fn security_events(&self, user: &User, limit: u32) -> Result<Vec<AuditEntry>, StoreError> {
        let select = security_events(Statement::new(""), user, limit);
        let mut entries = self.database.pool.fetch(select, entry).await?;
        let own = entries.iter().filter(|entry| entry.user_id.is_some()).count();
        let limit = limit as usize;
        let mut left_failed = limit - own.min((limit * 7).div_ceil(10));
        let mut left_own = limit - left_failed.min(entries.len() - own);
        entries.retain(|entry| {
            let left = if entry.user_id.is_some() { &mut left_own } else { &mut left_failed };
            let is_shown = *left > 0;
            *left = left.saturating_sub(1);
            is_shown
        });
        Ok(entries)
    }

    /// Returns a writer with a connection of its own.
    pub fn writer(&self) -> AuditWriter {
        AuditWriter(self.database.pool.dedicated())
    }
}

/// Adds entries, as part of the connection's transaction if it has one.
pub(super) async fn append(connection: &mut Connection, entries: &[AuditEntry]) -> Result<(), BackendError> {
    if entries.is_empty() {
        return Ok(());
    }
    connection.execute(insertion(&counted(entries))).await.map(drop)
}

/// A writer for the audit trail with its own connection, so that the writer and requests do not wait for each other.
#[derive(Debug)]
pub struct AuditWriter(Pool);

impl AuditWriter {
    /// Adds all of the entries or none.
    ///
    /// # Errors
    /// [`StoreError`] if the entries could not be stored within `limit`.
    pub async fn append(&self, entries: &[AuditEntry], limit: Duration) -> Result<(), StoreError> {
        let append = async { append(&mut self.0.acquire().await?, entries).await };
        Ok(timeout(limit, append).await.unwrap_or_else(|_| Err(no_response()))?)
    }
}

/// Merges failures that form one entry and adds up their counts: PostgreSQL cannot change a row twice in one statement.
fn counted(entries: &[AuditEntry]) -> Vec<(&AuditEntry, u64, Option<String>)> {
    let mut counted: Vec<(&AuditEntry, u64, Option<String>)> = Vec::with_capacity(entries.len());
    let mut positions = HashMap::new();
    for entry in entries {
        let failure = entry.failure();
        let position = failure.clone().map(|failure| *positions.entry(failure).or_insert(counted.len()));
        match position.and_then(|position| counted.get_mut(position)) {
            Some((_, count, _)) => *count = count.saturating_add(entry.count),
            None => counted.push((entry, entry.count, failure)),
        }
    }
    counted
}

fn insertion<'a>(entries: &'a [(&'a AuditEntry, u64, Option<String>)]) -> Statement<'a> {
    let mut insert = Statement::new(INSERT);
    insert.push_rows(entries.iter().map(|(entry, count, failure)| {
        let username = entry.username.as_deref();
        let key = username.map(username_key);
        [
            entry.time.into(),
            entry.event.as_str().into(),
            username.into(),
            key.into(),
            entry.user_id.as_deref().into(),
            entry.client_id.as_deref().into(),
            entry.session_id.as_deref().into(),
            entry.address.as_deref().into(),
            entry.user_agent.as_deref().into(),
            entry.actor.as_deref().into(),
            entry.detail.as_deref().into(),
            i64::try_from(*count).unwrap_or(i64::MAX).into(),
            failure.as_deref().into(),
        ]
    }));
    insert.push(OR_COUNT);
    insert
}

fn selection(filter: &AuditFilter, after: Option<AuditCursor>, limit: u32) -> Statement<'static> {
    let mut select = Statement::new(SELECT);
    select.push_bind(filter.since.map_or(i64::MIN, seconds));
    if let Some(kind) = filter.kind {
        select.push(" AND event = ").push_bind(kind.as_str());
    }
    if let Some(key) = filter.user.as_deref().map(username_key) {
        select
            .push(" AND (username_key = ")
            .push_bind(key.clone())
            .push(" OR user_id IN (SELECT id FROM users WHERE username_key = ")
            .push_bind(key.clone())
            .push(" UNION SELECT user_id FROM audit WHERE username_key = ")
            .push_bind(key)
            .push(" AND user_id IS NOT NULL))");
    }
    if let Some(AuditCursor { time, id }) = after {
        select.push(" AND (time, id) < (").push_bind(time).push(", ").push_bind(id).push(")");
    }
    select.push(" ORDER BY time DESC, id DESC LIMIT ").push_bind(i64::from(limit));
    select
}

/// Creates the query for security events. Tests put `EXPLAIN` before it.
fn security_events(mut select: Statement<'static>, user: &User, limit: u32) -> Statement<'static> {
    select.push(SECURITY_EVENTS);
    select.bind(user.id.to_string()).bind(username_key(&user.username)).bind(i64::from(limit))
}

fn entry(row: &Row) -> Result<AuditEntry, BackendError> {
    Ok(AuditEntry {
        time: row.time("time")?,
        event: row.get("event")?,
        username: row.get("username")?,
        user_id: row.get("user_id")?,
        client_id: row.get("client_id")?,
        session_id: row.get("session_id")?,
        address: row.get("address")?,
        user_agent: row.get("user_agent")?,
        actor: row.get("actor")?,
        detail: row.get("detail")?,
        count: row.get::<i64>("count")?.try_into().unwrap_or(1),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapters::sql::{
        SqlUsers,
        testing::{account, on_postgres},
    };

    /// Events of a user who refreshes tokens all the time, and failed sign-ins with that username from many addresses.
    const MANY: &str = "INSERT INTO audit (time, event, username, username_key, user_id, failure) \
                        WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000) \
                        SELECT 4000000000 + i, 'refresh', NULL, NULL, id, NULL FROM n, users UNION ALL \
                        SELECT 3000000000 + i, 'sign_in_failed', 'johndoe', 'johndoe', NULL, CAST(i AS TEXT) FROM n";

    async fn assert_security_events_are_read_by_index(
        database: Database,
        explain: &'static str,
        column: &str,
    ) {
        let johndoe = account("johndoe");
        assert!(SqlUsers::new(database.clone()).insert(&johndoe).await.unwrap());
        for statement in [MANY, "ANALYZE audit"] {
            database.pool.execute(Statement::new(statement)).await.unwrap();
        }
        let audit = SqlAudit::new(database.clone());
        let of_user = |kind, time| AuditEntry {
            user_id: Some(johndoe.user.id.to_string()),
            ..AuditEntry::new(kind, Timestamp::from_unix(time))
        };
        audit.append(&[of_user(EventKind::PasswordChanged, 4_100_000_000)]).await.unwrap();
        let events = audit.security_events(&johndoe.user, 3).await.unwrap();
        let times: Vec<_> = events.iter().map(|event| event.time.as_unix()).collect();
        assert_eq!(times, [4_100_000_000, 3_000_005_000, 3_000_004_999]);
        // Failed sign-ins do not displace older events of the user.
        audit
            .append(&[of_user(EventKind::SessionEnded, 4_000_000), of_user(EventKind::SignedIn, 3_000_000)])
            .await
            .unwrap();
        let events = audit.security_events(&johndoe.user, 3).await.unwrap();
        let times: Vec<_> = events.iter().map(|event| event.time.as_unix()).collect();
        assert_eq!(times, [4_100_000_000, 4_000_000, 3_000_000]);

        let select = security_events(Statement::new(explain), &johndoe.user, 10);
        let plan = database.pool.fetch(select, |row| row.get::<String>(column)).await.unwrap().join("\n");
        for index in ["audit_security_by_user", "audit_failures_by_username"] {
            assert!(plan.contains(index), "the plan does not use the index {index}:\n{plan}");
        }
        // Without an index in the order of the query, the database would read all matching rows and sort them.
        let searches = plan.lines().zip(plan.lines().skip(1)).filter(|(line, _)| line.contains("audit_"));
        let is_sorted = searches.into_iter().any(|(_, next)| next.contains("TEMP B-TREE"));
        assert!(
            !is_sorted && !["SCAN audit", "Seq Scan on audit", "Bitmap"].iter().any(|bad| plan.contains(bad)),
            "the plan reads or sorts more rows than needed:\n{plan}"
        );
    }

    #[tokio::test]
    async fn security_events_query_uses_its_indexes() {
        let database = Database::open("sqlite::memory:").await.unwrap();
        assert_security_events_are_read_by_index(database, "EXPLAIN QUERY PLAN ", "detail").await;
        on_postgres(async |database| {
            assert_security_events_are_read_by_index(database, "EXPLAIN (COSTS OFF) ", "QUERY PLAN").await;
        })
        .await;
    }
}
