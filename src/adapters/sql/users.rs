//! The users table.

use std::{collections::HashSet, future::ready, slice};

use futures_util::{Stream, TryStreamExt, stream};
use uuid::Uuid;

use crate::{
    adapters::sql::{
        audit::{self, Actor, AuditEntry},
        database::Database,
        engine::{Parameter, Row, Statement},
        pool::Connection,
        sessions,
        user::{StoredUser, User},
        username_key::username_key,
    },
    domain::{
        backend_error::{BackendError, StoreError},
        event::EventKind,
        invalidation::Invalidation,
        name::InvalidName,
        ports::{PasswordStore, UserStore},
        scope::Scopes,
        secret::PasswordHash,
        session::SessionOwner,
        time::Timestamp,
        user::{Account, AuthUser, Subject, Username},
    },
};

macro_rules! select_users {
    ($condition:literal) => {
        concat!(
            "SELECT id, username, username_key, email, full_name, disabled, scopes, password_hash, created, \
             changed FROM users WHERE ",
            $condition
        )
    };
}

const FIND_BY_KEY: &str = select_users!("username_key = $1");
const FIND_BY_ID: &str = select_users!("id = $1");
const PAGE: &str = select_users!("username_key > $1 ORDER BY username_key LIMIT 500");
const TAKEN: &str = "SELECT username_key FROM users WHERE username_key IN ";
const REPLACE_HASH: &str = "UPDATE users SET password_hash = $1 WHERE id = $2 AND password_hash = $3";
const CHANGE_PASSWORD: &str =
    "UPDATE users SET password_hash = $1, changed = $2 WHERE id = $3 AND password_hash = $4";
const REMOVE: &str = "DELETE FROM users WHERE id = $1 RETURNING username";
const INSERT: &str = "INSERT INTO users (id, username, username_key, email, full_name, disabled, scopes, \
                      password_hash, created, changed)";

/// The users in a [`Database`]: the [`UserStore`] of the secure profile, and methods to manage users.
#[derive(Clone, Debug)]
pub struct SqlUsers {
    database: Database,
    actor: Option<Actor>,
}

/// A change to a user. Fields that are `None` do not change.
#[derive(Clone, Debug, Default)]
pub struct UserChange {
    /// The email address, or `Some(None)` to remove it.
    pub email: Option<Option<String>>,
    /// The full name, or `Some(None)` to remove it.
    pub full_name: Option<Option<String>>,
    /// `true` to disable the user, `false` to enable it.
    pub disabled: Option<bool>,
    /// The scopes that the user's tokens may have.
    pub scopes: Option<Scopes>,
    /// The hash of a new password.
    pub password_hash: Option<PasswordHash>,
}

impl UserChange {
    fn event(&self) -> EventKind {
        match self.disabled {
            Some(true) => EventKind::UserDisabled,
            Some(false) => EventKind::UserEnabled,
            None => EventKind::UserChanged,
        }
    }

    /// Returns the columns that change, with their new values.
    fn columns(&self) -> Vec<(&'static str, Parameter<'_>)> {
        let columns = [
            ("disabled", self.disabled.map(Into::into)),
            ("email", self.email.as_ref().map(|email| email.as_deref().into())),
            ("full_name", self.full_name.as_ref().map(|name| name.as_deref().into())),
            ("scopes", self.scopes.as_ref().map(|scopes| scopes.to_string().into())),
            ("password_hash", self.password_hash.as_ref().map(|hash| hash.expose().into())),
        ];
        columns.into_iter().filter_map(|(column, value)| Some((column, value?))).collect()
    }

    /// Returns the names of the changed fields, for the audit trail.
    fn fields(&self) -> Option<String> {
        let names = self.columns().into_iter().map(|(column, _)| column.trim_end_matches("_hash"));
        // The event kind already shows whether the user was disabled or enabled.
        let names: Vec<_> = names.filter(|name| *name != "disabled").collect();
        (!names.is_empty()).then(|| names.join(", "))
    }
}

impl SqlUsers {
    /// Creates a store for the users in this database.
    pub fn new(database: Database) -> Self {
        Self { database, actor: None }
    }

    /// Records changes made through this handle in the audit trail, as changes by `actor`.
    #[must_use]
    pub fn audited(self, actor: Actor) -> Self {
        Self { actor: Some(actor), ..self }
    }

    /// Finds the user with this name, ignoring case.
    ///
    /// # Errors
    /// [`StoreError`] if the database cannot be read.
    pub async fn find(&self, username: &Username) -> Result<Option<StoredUser>, StoreError> {
        let find = Statement::new(FIND_BY_KEY).bind(username_key(username.as_str()));
        Ok(self.database.pool.fetch_optional(find, stored_user).await?)
    }

    /// Returns all users, ordered by username. Reads them in pages, so that memory use does not grow with their number.
    ///
    /// # Errors
    /// An item is a [`StoreError`] if the database cannot be read.
    pub fn all(&self) -> impl Stream<Item = Result<StoredUser, StoreError>> + '_ {
        let pages = stream::try_unfold(String::new(), async |after| {
            let read = |row: &Row| Ok((row.get::<String>("username_key")?, stored_user(row)?));
            let page = self.database.pool.fetch(Statement::new(PAGE).bind(after), read).await?;
            let Some((last, _)) = page.last() else { return Ok::<_, StoreError>(None) };
            let last = last.clone();
            Ok(Some((stream::iter(page.into_iter().map(|(_, user)| Ok(user))), last)))
        });
        pages.try_flatten()
    }

    /// Returns the users whose username, email address or full name contains `text`, ignoring case, ordered by
    /// username. Reads all users, since databases do not fold case as Gatepass does: `strasse` finds `Straße`.
    ///
    /// # Errors
    /// An item is a [`StoreError`] if the database cannot be read.
    pub fn search(&self, text: &str) -> impl Stream<Item = Result<StoredUser, StoreError>> + '_ {
        let text = username_key(text);
        self.all().try_filter(move |StoredUser { user, .. }| {
            let fields = [Some(&user.username), user.email.as_ref(), user.full_name.as_ref()];
            ready(fields.into_iter().flatten().any(|field| username_key(field).contains(&text)))
        })
    }

    /// Adds a user. Returns whether the username was free.
    ///
    /// Checks only that the name is a [`Username`]. Validate names that people choose with
    /// [`username`](crate::sql::username) first, which also rejects invisible characters and surrounding white space.
    ///
    /// # Errors
    /// [`StoreError`] if the name is not a [`Username`], or the user could not be stored.
    pub async fn insert(&self, account: &Account<User>) -> Result<bool, StoreError> {
        let insert = insertion(slice::from_ref(account))?;
        let User { id, username, .. } = &account.user;
        let entry = self.entry(EventKind::UserAdded, None, &(*id).into(), username);
        Ok(self.database.apply(insert, None, entry, Timestamp::now()).await?)
    }

    /// Changes a user. Returns whether the user exists. Changing the password or disabling the user ends all sessions
    /// of the user.
    ///
    /// # Errors
    /// [`StoreError`] if the change could not be stored.
    pub async fn update(&self, subject: &Subject, change: UserChange) -> Result<bool, StoreError> {
        let ends_sessions = change.password_hash.is_some() || change.disabled == Some(true);
        let mut transaction = self.database.pool.begin().await?;
        let Some(username) = transaction.fetch(updating(subject, &change), username).await?.pop() else {
            return Ok(false);
        };
        if ends_sessions {
            sessions::end_all(&mut transaction, &owner(subject)).await?;
        }
        let entry = self.entry(change.event(), change.fields(), subject, &username);
        let invalidation = Invalidation::User(subject.clone());
        self.database.commit(transaction, Some(&invalidation), entry, Timestamp::now()).await?;
        Ok(true)
    }

    /// Removes a user and ends all sessions of the user. Returns whether the user existed.
    ///
    /// # Errors
    /// [`StoreError`] if the user could not be removed.
    pub async fn remove(&self, subject: &Subject) -> Result<bool, StoreError> {
        let mut transaction = self.database.pool.begin().await?;
        let remove = Statement::new(REMOVE).bind(subject);
        let Some(username) = transaction.fetch(remove, username).await?.pop() else { return Ok(false) };
        sessions::end_all(&mut transaction, &owner(subject)).await?;
        let entry = self.entry(EventKind::UserRemoved, None, subject, &username);
        let change = Invalidation::User(subject.clone());
        self.database.commit(transaction, Some(&change), entry, Timestamp::now()).await?;
        Ok(true)
    }

    /// Returns which of these [username keys](username_key) are taken; at most [`Import::BATCH`] keys are allowed.
    ///
    /// # Errors
    /// [`StoreError`] if the database cannot be read.
    pub async fn taken(&self, keys: &[&str]) -> Result<HashSet<String>, StoreError> {
        Ok(taken(&mut self.database.pool.acquire().await?, keys).await?)
    }

    /// Begins a transaction that adds or changes many users.
    ///
    /// # Errors
    /// [`StoreError`] if the database cannot be written to.
    pub async fn import(&self) -> Result<Import, StoreError> {
        let (database, actor) = (self.database.clone(), self.actor.clone());
        Ok(Import { transaction: database.pool.begin().await?, database, actor, added: 0, updated: 0 })
    }

    fn entry(
        &self,
        kind: EventKind,
        detail: Option<String>,
        subject: &Subject,
        username: &str,
    ) -> Option<AuditEntry> {
        self.actor.as_ref().map(|actor| AuditEntry {
            user_id: Some(subject.to_string()),
            username: Some(audit::clean(username)),
            detail,
            ..actor.entry(kind)
        })
    }
}

impl UserStore for SqlUsers {
    type User = User;

    async fn find_by_username(&self, username: &Username) -> Result<Option<Account<User>>, BackendError> {
        let found = self.find(username).await?;
        Ok(found.map(|StoredUser { user, password_hash, .. }| Account { user, password_hash }))
    }

    async fn find_by_subject(&self, subject: &Subject) -> Result<Option<User>, BackendError> {
        self.database.pool.fetch_optional(Statement::new(FIND_BY_ID).bind(subject), user).await
    }

    async fn replace_hash(
        &self,
        subject: &Subject,
        old: &PasswordHash,
        new: &PasswordHash,
    ) -> Result<(), BackendError> {
        let replace = Statement::new(REPLACE_HASH).bind(new.expose()).bind(subject).bind(old.expose());
        self.database.pool.execute(replace).await.map(drop)
    }
}

impl PasswordStore for SqlUsers {
    async fn find_hash(&self, subject: &Subject) -> Result<Option<PasswordHash>, BackendError> {
        self.database.pool.fetch_optional(Statement::new(FIND_BY_ID).bind(subject), password_hash).await
    }

    async fn change_password(
        &self,
        subject: &Subject,
        old: &PasswordHash,
        new: &PasswordHash,
        now: Timestamp,
    ) -> Result<bool, BackendError> {
        let mut transaction = self.database.pool.begin().await?;
        let change = Statement::new(CHANGE_PASSWORD).bind(new.expose()).bind(now);
        if transaction.execute(change.bind(subject).bind(old.expose())).await? == 0 {
            return Ok(false);
        }
        sessions::end_all(&mut transaction, &owner(subject)).await?;
        self.database.commit(transaction, Some(&Invalidation::User(subject.clone())), None, now).await?;
        Ok(true)
    }
}

/// A transaction that adds or changes many users. If it is dropped without [`commit`](Self::commit), nothing changes.
#[derive(Debug)]
pub struct Import {
    transaction: Connection,
    database: Database,
    actor: Option<Actor>,
    added: usize,
    updated: usize,
}

impl Import {
    /// The maximum number of users per call: SQLite allows 32,766 parameters in a statement, PostgreSQL 65,535.
    pub const BATCH: usize = 1000;

    /// Adds at most [`BATCH`](Self::BATCH) users. Returns whether all usernames were free; if not, drop the import.
    ///
    /// # Errors
    /// [`StoreError`] if the users could not be stored.
    pub async fn add(&mut self, accounts: &[Account<User>]) -> Result<bool, StoreError> {
        if accounts.is_empty() {
            return Ok(true);
        }
        self.added += accounts.len();
        let inserted = self.transaction.execute(insertion(accounts)?).await?;
        Ok(inserted == accounts.len() as u64)
    }

    /// Returns which of these [username keys](username_key) are taken, also by users that this import added; at most
    /// [`BATCH`](Self::BATCH) keys are allowed.
    ///
    /// # Errors
    /// [`StoreError`] if the database cannot be read.
    pub async fn taken(&mut self, keys: &[&str]) -> Result<HashSet<String>, StoreError> {
        Ok(taken(&mut self.transaction, keys).await?)
    }

    /// Changes the user with this [username key](username_key). Returns whether the user exists. Changing the password
    /// hash or disabling the user ends all sessions of the user.
    ///
    /// # Errors
    /// [`StoreError`] if the change could not be stored.
    pub async fn update(&mut self, key: &str, change: &UserChange) -> Result<bool, StoreError> {
        let find = Statement::new(FIND_BY_KEY).bind(key);
        let Some(stored) = self.transaction.fetch(find, stored_user).await?.pop() else { return Ok(false) };
        let subject = stored.user.subject();
        self.transaction.execute(updating(&subject, change)).await?;
        let has_new_hash = change.password_hash.as_ref().is_some_and(|hash| *hash != stored.password_hash);
        if has_new_hash || change.disabled == Some(true) {
            sessions::end_all(&mut self.transaction, &owner(&subject)).await?;
        }
        self.updated += 1;
        Ok(true)
    }

    /// Commits the transaction.
    ///
    /// # Errors
    /// [`StoreError`] if the users could not be stored; then nothing changes.
    pub async fn commit(self) -> Result<(), StoreError> {
        let detail = Some(format!("{} added, {} updated", self.added, self.updated));
        let entry = self.actor.map(|actor| AuditEntry { detail, ..actor.entry(EventKind::UsersImported) });
        // New users need no invalidation: they have no tokens.
        let change = (self.updated > 0).then_some(Invalidation::Everything);
        Ok(self.database.commit(self.transaction, change.as_ref(), entry, Timestamp::now()).await?)
    }
}

/// Returns which of these username keys are taken.
async fn taken(connection: &mut Connection, keys: &[&str]) -> Result<HashSet<String>, BackendError> {
    if keys.is_empty() {
        return Ok(HashSet::new());
    }
    let mut select = Statement::new(TAKEN);
    select.push_list(keys.iter().map(|key| (*key).into()));
    Ok(connection.fetch(select, |row| row.get("username_key")).await?.into_iter().collect())
}

fn owner(subject: &Subject) -> SessionOwner {
    SessionOwner { user_kind: User::user_kind().into(), subject: subject.clone() }
}

fn insertion(accounts: &[Account<User>]) -> Result<Statement<'_>, BackendError> {
    let usernames: Vec<Username> =
        accounts.iter().map(|account| account.user.username.parse()).collect::<Result<_, InvalidName>>()?;
    let now = Timestamp::now();
    let mut insert = Statement::new(INSERT);
    insert.push_rows(accounts.iter().zip(&usernames).map(|(Account { user, password_hash }, username)| {
        [
            user.id.to_string().into(),
            user.username.as_str().into(),
            username_key(username.as_str()).into(),
            user.email.as_deref().into(),
            user.full_name.as_deref().into(),
            user.disabled.into(),
            user.scopes.to_string().into(),
            password_hash.expose().into(),
            now.into(),
            now.into(),
        ]
    }));
    insert.push(" ON CONFLICT DO NOTHING");
    Ok(insert)
}

fn updating<'a>(subject: &'a Subject, change: &'a UserChange) -> Statement<'a> {
    let mut update = Statement::new("UPDATE users SET changed = ");
    update.push_bind(Timestamp::now());
    for (column, value) in change.columns() {
        update.push(&format!(", {column} = ")).push_bind(value);
    }
    update.push(" WHERE id = ").push_bind(subject).push(" RETURNING username");
    update
}

fn username(row: &Row) -> Result<String, BackendError> {
    row.get("username")
}

fn password_hash(row: &Row) -> Result<PasswordHash, BackendError> {
    Ok(row.get::<String>("password_hash")?.into())
}

fn user(row: &Row) -> Result<User, BackendError> {
    Ok(User {
        id: row.parse::<Uuid>("id")?,
        username: username(row)?,
        email: row.get("email")?,
        full_name: row.get("full_name")?,
        disabled: row.get("disabled")?,
        scopes: row.parse("scopes")?,
    })
}

fn stored_user(row: &Row) -> Result<StoredUser, BackendError> {
    Ok(StoredUser {
        user: user(row)?,
        password_hash: password_hash(row)?,
        created: row.time("created")?,
        changed: row.time("changed")?,
    })
}
