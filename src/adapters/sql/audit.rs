//! The audit trail's table.

use std::time::Duration;

use sqlx::{Encode, QueryBuilder, Type};
use tokio::time::timeout;

use crate::{
    adapters::sql::{
        column::{moment, seconds},
        connection::{OwnConnection, on_connection},
        database::{Database, fault, on_either},
        username_key::username_key,
        write::{Write, in_write},
    },
    domain::{
        backend_error::BackendError,
        event::{Event, EventKind},
        invalidation::Invalidation,
        time::Timestamp,
        user::{Subject, Username},
    },
};

/// How many characters of a text from outside are kept.
const LONGEST_TEXT: usize = 256;

const INSERT: &str = "INSERT INTO audit (time, event, username, username_key, user_id, client_id, session_id, \
                      address, user_agent, actor, detail) ";

/// A name of a user who is there counts for what was done without a name.
const SELECT: &str = "SELECT audit.id, audit.time, audit.event, COALESCE(audit.username, users.username), \
                      audit.user_id, audit.client_id, audit.session_id, audit.address, audit.user_agent, \
                      audit.actor, audit.detail \
                      FROM audit LEFT JOIN users ON users.id = audit.user_id WHERE audit.time >= ";

/// An entry of the audit trail: who, what, when, from where. Never a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditEntry {
    /// When.
    pub time: Timestamp,
    /// What happened: the name of an [`EventKind`](crate::EventKind), of this version or another one.
    pub event: String,
    /// The name that somebody gave, whether it is anybody's or not.
    pub username: Option<String>,
    /// The user.
    pub user_id: Option<String>,
    /// The client.
    pub client_id: Option<String>,
    /// The session.
    pub session_id: Option<String>,
    /// The address of whoever sent the request.
    pub address: Option<String>,
    /// What their program calls itself.
    pub user_agent: Option<String>,
    /// Who did it where no request did.
    pub actor: Option<String>,
    /// What else there is to say, such as which fields were changed.
    pub detail: Option<String>,
}

impl AuditEntry {
    /// An entry of which nothing else is known.
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
        }
    }
}

impl From<&Event<'_>> for AuditEntry {
    /// Texts are cut to 256 characters, and NUL, which PostgreSQL stores in none, becomes U+FFFD.
    fn from(event: &Event<'_>) -> Self {
        Self {
            username: event.username.map(|name| stored(name.as_str())),
            user_id: event.subject.map(|subject| stored(subject.as_str())),
            client_id: event.client_id.map(|id| stored(id.as_str())),
            session_id: event.session_id.map(|id| stored(id.as_str())),
            address: event.client_info.address.map(|address| address.to_string()),
            user_agent: event.client_info.user_agent.as_deref().map(stored),
            ..Self::new(event.kind, event.now)
        }
    }
}

fn stored(text: &str) -> String {
    text.chars().take(LONGEST_TEXT).map(|c| if c == '\0' { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

/// Who makes changes where no request does, as the audit trail names them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor(String);

impl Actor {
    /// Somebody of this name.
    pub fn new(name: &str) -> Self {
        Self(stored(name))
    }

    /// An entry of what they did.
    pub fn did(&self, kind: EventKind, time: Timestamp) -> AuditEntry {
        AuditEntry { actor: Some(self.0.clone()), ..AuditEntry::new(kind, time) }
    }
}

/// The audit trail in a [`Database`].
#[derive(Clone, Debug)]
pub struct SqlAudit {
    database: Database,
}

/// Which entries are listed.
#[derive(Clone, Debug, Default)]
pub struct AuditFilter {
    /// Those from this moment on.
    pub since: Option<Timestamp>,
    /// Those of the user of this name, or of whoever gave it, in whatever case.
    pub user: Option<Username>,
    /// Those of this kind.
    pub kind: Option<EventKind>,
}

/// A part of a list, and where the next one begins.
#[derive(Clone, Debug)]
pub struct AuditPage {
    /// The entries, newest first.
    pub entries: Vec<AuditEntry>,
    /// Where the next part begins, where this one is full.
    pub next: Option<AuditPlace>,
}

/// A place in a list.
#[derive(Clone, Copy, Debug)]
pub struct AuditPlace {
    time: i64,
    id: i64,
}

impl SqlAudit {
    /// The audit trail in this database.
    pub fn new(database: Database) -> Self {
        Self { database }
    }

    /// Adds entries; all of them, or none.
    ///
    /// # Errors
    /// Where they could not be stored.
    pub async fn append(&self, entries: &[AuditEntry]) -> Result<(), BackendError> {
        let mut write = self.database.write().await?;
        append(&mut write, entries).await?;
        write.commit().await
    }

    /// At most `limit` entries, newest first.
    ///
    /// # Errors
    /// Where the database cannot say.
    pub async fn list(
        &self,
        filter: &AuditFilter,
        after: Option<AuditPlace>,
        limit: u32,
    ) -> Result<AuditPage, BackendError> {
        let rows: Result<Vec<Row>, _> = on_either!(self.database.pool(), connection => {
            selection(filter, after, limit).build_query_as().fetch_all(connection).await
        });
        let rows = rows.map_err(fault)?;
        let is_full = rows.len() == limit as usize;
        let next = rows.last().filter(|_| is_full).map(|row| AuditPlace { time: row.1, id: row.0 });
        Ok(AuditPage { entries: rows.into_iter().map(entry).collect(), next })
    }

    /// Who writes many entries, on a connection of their own.
    pub fn writer(&self) -> AuditWriter {
        AuditWriter(OwnConnection::beside(self.database.pool()))
    }
}

/// Adds entries in a transaction that does more.
pub(super) async fn append(write: &mut Write, entries: &[AuditEntry]) -> Result<(), BackendError> {
    in_write!(write, connection => insertion(entries).build().execute(connection).await.map(drop))
        .map_err(fault)
}

impl Write {
    /// Makes it count as this change, with an entry of whoever made it, where that is to be on record.
    pub(super) async fn commit_audited(
        mut self,
        change: &Invalidation,
        entry: Option<AuditEntry>,
        now: Timestamp,
    ) -> Result<(), BackendError> {
        if let Some(entry) = entry {
            append(&mut self, &[entry]).await?;
        }
        self.commit_change(change, now).await
    }
}

/// Writes entries on a connection of its own: requests that keep all others busy do not hold it up, nor it them.
pub struct AuditWriter(OwnConnection);

impl AuditWriter {
    /// Adds entries; all of them, or none.
    ///
    /// # Errors
    /// Where it was not done in time.
    pub async fn append(&mut self, entries: &[AuditEntry], patience: Duration) -> Result<(), BackendError> {
        timeout(patience, self.insert(entries))
            .await
            .unwrap_or_else(|_| Err(BackendError::unavailable("no answer in time")))
    }

    async fn insert(&mut self, entries: &[AuditEntry]) -> Result<(), BackendError> {
        let was_kept = self.0.is_kept();
        let mut connection = self.0.take().await.map_err(fault)?;
        let done = on_connection!(&mut connection, connection => {
            insertion(entries).build().execute(connection).await.map(drop)
        });
        // One that was kept may have been cut meanwhile: a new one tells.
        done.map_err(|error| if was_kept { BackendError::unavailable(error) } else { fault(error) })?;
        self.0.keep(connection);
        Ok(())
    }
}

fn insertion<D: sqlx::Database>(entries: &[AuditEntry]) -> QueryBuilder<D>
where
    for<'t> &'t str: Encode<'t, D> + Type<D>,
    for<'t> Option<&'t str>: Encode<'t, D>,
    for<'t> Option<String>: Encode<'t, D>,
    for<'t> String: Encode<'t, D> + Type<D>,
    for<'t> i64: Encode<'t, D> + Type<D>,
{
    let mut insert = QueryBuilder::new(INSERT);
    insert.push_values(entries, |mut row, entry| {
        row.push_bind(seconds(entry.time))
            .push_bind(entry.event.as_str())
            .push_bind(entry.username.as_deref())
            .push_bind(entry.username.as_deref().and_then(username_key))
            .push_bind(entry.user_id.as_deref())
            .push_bind(entry.client_id.as_deref())
            .push_bind(entry.session_id.as_deref())
            .push_bind(entry.address.as_deref())
            .push_bind(entry.user_agent.as_deref())
            .push_bind(entry.actor.as_deref())
            .push_bind(entry.detail.as_deref());
    });
    insert
}

fn selection<D: sqlx::Database>(
    filter: &AuditFilter,
    after: Option<AuditPlace>,
    limit: u32,
) -> QueryBuilder<D>
where
    for<'t> String: Encode<'t, D> + Type<D>,
    for<'t> i64: Encode<'t, D> + Type<D>,
{
    let mut select = QueryBuilder::new(SELECT);
    select.push_bind(filter.since.map_or(i64::MIN, seconds));
    if let Some(kind) = filter.kind {
        select.push(" AND audit.event = ").push_bind(kind.as_str().to_owned());
    }
    if let Some(user) = &filter.user {
        // Who cannot be anybody gave a name that is compared as it is.
        match username_key(user.as_str()) {
            None => select.push(" AND audit.username = ").push_bind(stored(user.as_str())),
            Some(key) => select
                .push(" AND (audit.username_key = ")
                .push_bind(key.clone())
                .push(" OR audit.user_id IN (SELECT id FROM users WHERE username_key = ")
                .push_bind(key.clone())
                .push(" UNION SELECT user_id FROM audit WHERE username_key = ")
                .push_bind(key)
                .push(" AND user_id IS NOT NULL))"),
        };
    }
    if let Some(AuditPlace { time, id }) = after {
        select.push(" AND (audit.time, audit.id) < (").push_bind(time).push(", ").push_bind(id).push(")");
    }
    select.push(" ORDER BY audit.time DESC, audit.id DESC LIMIT ").push_bind(i64::from(limit));
    select
}

type Text = Option<String>;
type Row = (i64, i64, String, Text, Text, Text, Text, Text, Text, Text, Text);

fn entry(row: Row) -> AuditEntry {
    let (_, time, event, username, user_id, client_id, session_id, address, user_agent, actor, detail) = row;
    AuditEntry {
        time: moment(time),
        event,
        username,
        user_id,
        client_id,
        session_id,
        address,
        user_agent,
        actor,
        detail,
    }
}

/// An entry about a user.
pub(super) fn about_user(entry: AuditEntry, subject: &Subject, username: String) -> AuditEntry {
    AuditEntry { user_id: Some(subject.as_str().to_owned()), username: Some(stored(&username)), ..entry }
}
