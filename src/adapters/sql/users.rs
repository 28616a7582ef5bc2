//! The users' table.

use std::{collections::HashSet, slice};

use futures_util::{Stream, TryStreamExt};
use sqlx::{ColumnIndex, Decode, Encode, FromRow, QueryBuilder, Row, Type};
use uuid::Uuid;

use crate::{
    adapters::sql::{
        audit::{self, Actor, AuditEntry, about_user},
        column::{moment, seconds, unreadable},
        database::{Database, Pool, fault, on_either, unless_taken},
        model::{StoredUser, User},
        sessions,
        username_key::username_key,
        write::{Write, in_write},
    },
    domain::{
        backend_error::BackendError,
        event::EventKind,
        invalidation::Invalidation,
        ports::{PasswordStore, UserStore},
        scope::{InvalidScope, Scopes},
        secret::PasswordHash,
        time::Timestamp,
        user::{Account, AuthUser, Subject, Username},
    },
};

/// The statement that reads whole users.
macro_rules! select_users {
    ($which:literal) => {
        concat!(
            "SELECT id, username, email, full_name, disabled, scopes, password_hash, created, changed \
             FROM users ",
            $which
        )
    };
}

const FIND_BY_KEY: &str = select_users!("WHERE username_key = $1");
const FIND_BY_ID: &str = select_users!("WHERE id = $1");
const ALL_BY_NAME: &str = select_users!("ORDER BY username_key");
const REPLACE_HASH: &str = "UPDATE users SET password_hash = $1 WHERE id = $2 AND password_hash = $3";
const CHANGE_PASSWORD: &str =
    "UPDATE users SET password_hash = $1, changed = $2 WHERE id = $3 AND password_hash = $4";
const USERNAME: &str = "SELECT username FROM users WHERE id = $1";
const REMOVE: &str = "DELETE FROM users WHERE id = $1";
const INSERT: &str = "INSERT INTO users (id, username, username_key, email, full_name, disabled, scopes, \
                      password_hash, created, changed) ";

/// The users of a [`Database`]: the [`UserStore`] of the secure profile, and what keeps them.
#[derive(Clone, Debug)]
pub struct SqlUsers {
    database: Database,
    actor: Option<Actor>,
}

/// What to change about a user; what is `None` stays as it is.
#[derive(Clone, Debug, Default)]
pub struct UserChange {
    /// The email address, or `Some(None)` for no more.
    pub email: Option<Option<String>>,
    /// The name to show, or `Some(None)` for no more.
    pub full_name: Option<Option<String>>,
    /// Whether the user is disabled.
    pub disabled: Option<bool>,
    /// What tokens of the user may be used for.
    pub scopes: Option<Scopes>,
    /// The hash of a new password.
    pub password_hash: Option<PasswordHash>,
}

impl UserChange {
    /// What the audit trail calls it, and which fields it changes; no value of any.
    fn audited(&self) -> (EventKind, Option<String>) {
        let fields = [
            (self.email.is_some(), "email"),
            (self.full_name.is_some(), "full_name"),
            (self.scopes.is_some(), "scopes"),
            (self.password_hash.is_some(), "password"),
        ];
        let changed: Vec<_> =
            fields.into_iter().filter(|(is_changed, _)| *is_changed).map(|(_, name)| name).collect();
        let kind = match self.disabled {
            Some(true) => EventKind::UserDisabled,
            Some(false) => EventKind::UserEnabled,
            None => EventKind::UserChanged,
        };
        (kind, (!changed.is_empty()).then(|| changed.join(", ")))
    }
}

impl SqlUsers {
    /// The users in this database.
    pub fn new(database: Database) -> Self {
        Self { database, actor: None }
    }

    pub(super) fn database(&self) -> &Database {
        &self.database
    }

    /// The same, where the audit trail says of each change that this one made it.
    pub fn audited(self, actor: Actor) -> Self {
        Self { actor: Some(actor), ..self }
    }

    /// The user of this name, written in whatever case, or `None`.
    ///
    /// # Errors
    /// Where the database cannot say.
    pub async fn find(&self, username: &Username) -> Result<Option<StoredUser>, BackendError> {
        let Some(key) = username_key(username.as_str()) else { return Ok(None) };
        self.find_where(FIND_BY_KEY, key).await
    }

    /// Every user, by name, read as they are asked for: as many as there are take no more memory than a few.
    ///
    /// On PostgreSQL this is one statement, so who reads slowly opens the database
    /// [without timeouts](crate::sql::DatabaseSettings::has_timeouts).
    pub fn all(&self) -> impl Stream<Item = Result<StoredUser, BackendError>> + '_ {
        let rows = match self.database.pool() {
            Pool::Sqlite(lender) => sqlx::query_as(ALL_BY_NAME).fetch(lender.pool()),
            Pool::Postgres(lender) => sqlx::query_as(ALL_BY_NAME).fetch(lender.pool()),
        };
        rows.map_ok(|StoredRow(user)| user).map_err(fault)
    }

    /// Adds a user. Whether the name was free.
    ///
    /// # Errors
    /// Where the name is none (see [`username`](super::username)), or the user could not be stored.
    pub async fn insert(&self, account: &Account<User>, now: Timestamp) -> Result<bool, BackendError> {
        let rows = rows(slice::from_ref(account))?;
        let mut write = self.database.write().await?;
        let is_free = unless_taken(in_write!(write, connection => {
            insertion(rows, now).build().execute(connection).await.map(drop)
        }))?;
        if !is_free {
            return Ok(false);
        }
        if let Some(actor) = &self.actor {
            let user = &account.user;
            let entry =
                about_user(actor.did(EventKind::UserAdded, now), &user.subject(), user.username.clone());
            audit::append(&mut write, &[entry]).await?;
        }
        write.commit().await?;
        Ok(true)
    }

    /// What the audit trail says of a change, before it is made.
    async fn entry(
        &self,
        write: &mut Write,
        subject: &Subject,
        now: Timestamp,
        what: impl FnOnce() -> (EventKind, Option<String>),
    ) -> Result<Option<AuditEntry>, BackendError> {
        let Some(actor) = &self.actor else { return Ok(None) };
        let username: Result<Option<String>, _> = in_write!(write, connection => {
            sqlx::query_scalar(USERNAME).bind(subject.as_str()).fetch_optional(connection).await
        });
        let (kind, detail) = what();
        let entry = AuditEntry { detail, ..actor.did(kind, now) };
        Ok(username.map_err(fault)?.map(|username| about_user(entry, subject, username)))
    }

    /// Changes a user. Whether there is such a user. A new password ends every session of the user, and so does
    /// disabling: who is enabled again signs in again.
    ///
    /// # Errors
    /// Where the change could not be stored.
    pub async fn update(
        &self,
        subject: &Subject,
        change: UserChange,
        now: Timestamp,
    ) -> Result<bool, BackendError> {
        let Some(id) = id(subject) else { return Ok(false) };
        let ends_sessions = change.password_hash.is_some() || change.disabled == Some(true);
        let mut write = self.database.write().await?;
        let entry = self.entry(&mut write, subject, now, || change.audited()).await?;
        let changed = in_write!(write, connection => {
            updating(&id, change, now).build().execute(connection).await.map(|done| done.rows_affected())
        });
        if changed.map_err(fault)? == 0 {
            return Ok(false);
        }
        if ends_sessions {
            sessions::end_all(&mut write, &id).await?;
        }
        write.commit_audited(&Invalidation::User(subject.clone()), entry, now).await?;
        Ok(true)
    }

    /// Removes a user for good, with every session. Whether there was such a user.
    ///
    /// # Errors
    /// Where the user could not be removed.
    pub async fn remove(&self, subject: &Subject, now: Timestamp) -> Result<bool, BackendError> {
        let Some(id) = id(subject) else { return Ok(false) };
        let mut write = self.database.write().await?;
        let entry = self.entry(&mut write, subject, now, || (EventKind::UserRemoved, None)).await?;
        let removed = in_write!(write, connection => {
            sqlx::query(REMOVE).bind(id).execute(connection).await.map(|done| done.rows_affected())
        });
        if removed.map_err(fault)? == 0 {
            return Ok(false);
        }
        write.commit_audited(&Invalidation::User(subject.clone()), entry, now).await?;
        Ok(true)
    }

    /// Those of these [keys](username_key) that are taken. At most as many as go into one [`Import::BATCH`].
    ///
    /// # Errors
    /// Where the database cannot say.
    pub async fn taken(&self, keys: &[&str]) -> Result<HashSet<String>, BackendError> {
        if keys.is_empty() {
            return Ok(HashSet::new());
        }
        let taken: Result<Vec<String>, _> = on_either!(self.database.pool(), connection => {
            let mut select = QueryBuilder::new("SELECT username_key FROM users WHERE username_key IN (");
            let mut list = select.separated(", ");
            for key in keys {
                list.push_bind(*key);
            }
            select.push(")").build_query_scalar().fetch_all(connection).await
        });
        Ok(taken.map_err(fault)?.into_iter().collect())
    }

    /// Begins to add many users at once: all of them, or none.
    ///
    /// # Errors
    /// Where the database cannot be written to.
    pub async fn import(&self, now: Timestamp) -> Result<Import, BackendError> {
        Ok(Import { write: self.database.write().await?, now, actor: self.actor.clone(), added: 0 })
    }

    async fn find_where(
        &self,
        statement: &'static str,
        value: String,
    ) -> Result<Option<StoredUser>, BackendError> {
        let row = on_either!(self.database.pool(), connection => {
            sqlx::query_as(statement).bind(value).fetch_optional(connection).await
        });
        Ok(row.map_err(fault)?.map(|StoredRow(user)| user))
    }
}

impl UserStore for SqlUsers {
    type User = User;

    async fn find_by_username(&self, username: &Username) -> Result<Option<Account<User>>, BackendError> {
        let found = self.find(username).await?;
        Ok(found.map(|StoredUser { user, password_hash, .. }| Account { user, password_hash }))
    }

    async fn find_by_subject(&self, subject: &Subject) -> Result<Option<User>, BackendError> {
        let Some(id) = id(subject) else { return Ok(None) };
        Ok(self.find_where(FIND_BY_ID, id).await?.map(|found| found.user))
    }

    async fn replace_hash(
        &self,
        subject: &Subject,
        old: &PasswordHash,
        new: &PasswordHash,
    ) -> Result<(), BackendError> {
        let Some(id) = id(subject) else { return Ok(()) };
        on_either!(self.database.pool(), connection => {
            sqlx::query(REPLACE_HASH).bind(new.expose()).bind(id).bind(old.expose()).execute(connection).await.map(drop)
        })
        .map_err(fault)
    }
}

impl PasswordStore for SqlUsers {
    async fn find_account(&self, subject: &Subject) -> Result<Option<Account<User>>, BackendError> {
        let Some(id) = id(subject) else { return Ok(None) };
        let found = self.find_where(FIND_BY_ID, id).await?;
        Ok(found.map(|StoredUser { user, password_hash, .. }| Account { user, password_hash }))
    }

    async fn change_password(
        &self,
        subject: &Subject,
        old: &PasswordHash,
        new: &PasswordHash,
        now: Timestamp,
    ) -> Result<bool, BackendError> {
        let Some(id) = id(subject) else { return Ok(false) };
        let mut write = self.database.write().await?;
        let changed = in_write!(write, connection => {
            sqlx::query(CHANGE_PASSWORD)
                .bind(new.expose())
                .bind(seconds(now))
                .bind(&id)
                .bind(old.expose())
                .execute(connection)
                .await
                .map(|done| done.rows_affected())
        });
        if changed.map_err(fault)? == 0 {
            return Ok(false);
        }
        sessions::end_all(&mut write, &id).await?;
        write.commit_change(&Invalidation::User(subject.clone()), now).await?;
        Ok(true)
    }
}

/// Many users on their way into the table. Dropped before [`commit`](Self::commit), none of them is in it.
#[derive(Debug)]
pub struct Import {
    write: Write,
    now: Timestamp,
    actor: Option<Actor>,
    added: usize,
}

impl Import {
    /// How many users go into one statement: SQLite takes 32766 values, PostgreSQL 65535.
    pub const BATCH: usize = 1000;

    /// Adds users, at most [`BATCH`](Self::BATCH) of them. Whether their names were free: where one was
    /// not, give up.
    ///
    /// # Errors
    /// Where the users could not be stored.
    pub async fn add(&mut self, accounts: &[Account<User>]) -> Result<bool, BackendError> {
        if accounts.is_empty() {
            return Ok(true);
        }
        let rows = rows(accounts)?;
        self.added += accounts.len();
        unless_taken(in_write!(self.write, connection => {
            insertion(rows, self.now).build().execute(connection).await.map(drop)
        }))
    }

    /// Makes all of them users.
    ///
    /// # Errors
    /// Where they could not be stored: then none of them is.
    pub async fn commit(mut self) -> Result<(), BackendError> {
        if let Some(actor) = &self.actor {
            let detail = Some(format!("{} users", self.added));
            let entry = AuditEntry { detail, ..actor.did(EventKind::UsersImported, self.now) };
            audit::append(&mut self.write, &[entry]).await?;
        }
        // Nobody was recognised as one of them before: there is no change to tell.
        self.write.commit().await
    }
}

fn insertion<D: sqlx::Database>(rows: Vec<(String, &Account<User>)>, now: Timestamp) -> QueryBuilder<D>
where
    for<'t> &'t str: Encode<'t, D> + Type<D>,
    for<'t> Option<&'t str>: Encode<'t, D>,
    for<'t> String: Encode<'t, D> + Type<D>,
    for<'t> i64: Encode<'t, D> + Type<D>,
    for<'t> bool: Encode<'t, D> + Type<D>,
{
    let mut insert = QueryBuilder::new(INSERT);
    insert.push_values(rows, |mut row, (key, Account { user, password_hash })| {
        row.push_bind(user.id.to_string())
            .push_bind(user.username.as_str())
            .push_bind(key)
            .push_bind(user.email.as_deref())
            .push_bind(user.full_name.as_deref())
            .push_bind(user.disabled)
            .push_bind(user.scopes.to_string())
            .push_bind(password_hash.expose())
            .push_bind(seconds(now))
            .push_bind(seconds(now));
    });
    insert
}

fn updating<D: sqlx::Database>(id: &str, change: UserChange, now: Timestamp) -> QueryBuilder<D>
where
    for<'t> String: Encode<'t, D> + Type<D>,
    for<'t> Option<String>: Encode<'t, D>,
    for<'t> i64: Encode<'t, D> + Type<D>,
    for<'t> bool: Encode<'t, D> + Type<D>,
{
    let mut update = QueryBuilder::new("UPDATE users SET changed = ");
    update.push_bind(seconds(now));
    if let Some(email) = change.email {
        update.push(", email = ").push_bind(email);
    }
    if let Some(full_name) = change.full_name {
        update.push(", full_name = ").push_bind(full_name);
    }
    if let Some(disabled) = change.disabled {
        update.push(", disabled = ").push_bind(disabled);
    }
    if let Some(scopes) = change.scopes {
        update.push(", scopes = ").push_bind(scopes.to_string());
    }
    if let Some(hash) = change.password_hash {
        update.push(", password_hash = ").push_bind(hash.expose().to_owned());
    }
    update.push(" WHERE id = ").push_bind(id.to_owned());
    update
}

/// Each account with its key.
fn rows(accounts: &[Account<User>]) -> Result<Vec<(String, &Account<User>)>, BackendError> {
    let row = |account| Ok((key(account)?, account));
    accounts.iter().map(row).collect()
}

fn key(account: &Account<User>) -> Result<String, BackendError> {
    username_key(&account.user.username)
        .ok_or_else(|| BackendError::new("a user without a name that can be stored"))
}

/// The text of an id, where the subject is one of ours: in lower case, with hyphens.
pub(super) fn id(subject: &Subject) -> Option<String> {
    let text = subject.as_str();
    (Uuid::try_parse(text).ok()?.to_string() == text).then(|| text.to_owned())
}

/// What a client may see of a user.
pub(super) struct UserRow(pub(super) User);

impl<'r, R: Row> FromRow<'r, R> for UserRow
where
    for<'c> &'c str: ColumnIndex<R>,
    &'r str: Decode<'r, R::Database> + Type<R::Database>,
    String: Decode<'r, R::Database> + Type<R::Database>,
    bool: Decode<'r, R::Database> + Type<R::Database>,
{
    fn from_row(row: &'r R) -> Result<Self, sqlx::Error> {
        let id: &str = row.try_get("id")?;
        let scopes: &str = row.try_get("scopes")?;
        Ok(Self(User {
            id: id.parse().map_err(unreadable::<uuid::Error>)?,
            username: row.try_get("username")?,
            email: row.try_get("email")?,
            full_name: row.try_get("full_name")?,
            disabled: row.try_get("disabled")?,
            scopes: scopes.parse().map_err(unreadable::<InvalidScope>)?,
        }))
    }
}

struct StoredRow(StoredUser);

impl<'r, R: Row> FromRow<'r, R> for StoredRow
where
    for<'c> &'c str: ColumnIndex<R>,
    &'r str: Decode<'r, R::Database> + Type<R::Database>,
    String: Decode<'r, R::Database> + Type<R::Database>,
    i64: Decode<'r, R::Database> + Type<R::Database>,
    bool: Decode<'r, R::Database> + Type<R::Database>,
{
    fn from_row(row: &'r R) -> Result<Self, sqlx::Error> {
        let password_hash: String = row.try_get("password_hash")?;
        Ok(Self(StoredUser {
            user: UserRow::from_row(row)?.0,
            password_hash: password_hash.into(),
            created: moment(row.try_get("created")?),
            changed: moment(row.try_get("changed")?),
        }))
    }
}
