//! The clients table.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use crate::{
    adapters::sql::{
        audit::{Actor, AuditEntry},
        database::Database,
        engine::{Parameter, Row, Statement},
    },
    domain::{
        backend_error::{BackendError, StoreError},
        claims::Audience,
        client::{Client, ClientId, ClientKind, ClientSecretHash},
        event::EventKind,
        invalidation::Invalidation,
        ports::ClientRegistry,
        scope::GrantedScopes,
        secret::ClientSecret,
        time::Timestamp,
    },
};

macro_rules! select_clients {
    ($rest:literal) => {
        concat!(
            "SELECT client_id, name, is_public, grants, scopes, audiences, introspect_all, created, secret_hash, \
             secret_created, old_secret_hash, old_secret_created, old_secret_expires FROM clients ",
            $rest
        )
    };
}

const FIND: &str = select_clients!("WHERE client_id = $1");
const ALL: &str = select_clients!("ORDER BY client_id");
const INSERT: &str = "INSERT INTO clients (client_id, name, is_public, grants, scopes, audiences, introspect_all, \
                      secret_hash, secret_created, created) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9) \
                      ON CONFLICT DO NOTHING";
const ROTATE: &str = "UPDATE clients SET old_secret_hash = secret_hash, \
                      old_secret_created = COALESCE(secret_created, created), old_secret_expires = $1, \
                      secret_hash = $2, secret_created = $3 WHERE client_id = $4 AND NOT is_public \
                      AND (old_secret_expires IS NULL OR old_secret_expires <= $5)";
const REPLACE: &str = "UPDATE clients SET old_secret_hash = NULL, old_secret_created = NULL, old_secret_expires = NULL, \
                       secret_hash = $1, secret_created = $2 WHERE client_id = $3 AND NOT is_public";
const REVOKE_OLD: &str = "UPDATE clients SET old_secret_hash = NULL, old_secret_created = NULL, \
                          old_secret_expires = NULL WHERE client_id = $1 AND old_secret_hash IS NOT NULL";
const REMOVE: &str = "DELETE FROM clients WHERE client_id = $1";
const END_SESSIONS: &str = "DELETE FROM sessions WHERE client_id = $1";

/// The registered clients of a [`Database`].
#[derive(Clone, Debug)]
pub struct SqlClients {
    database: Database,
    actor: Option<Actor>,
}

/// A registered client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegisteredClient {
    /// The client. The first secret of a confidential client is the current one.
    pub client: Client,
    /// The display name, which may be empty.
    pub name: String,
    /// The time at which the client was registered.
    pub created: Timestamp,
    /// The time at which the current secret was created; `None` for a public client.
    pub secret_created: Option<Timestamp>,
    /// The previous secret, if any.
    pub old_secret: Option<OldSecret>,
}

/// A secret that a newer one has replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OldSecret {
    /// The time at which the secret was created.
    pub created: Timestamp,
    /// The time at which the secret expires.
    pub expires: Timestamp,
}

/// A change to a client. Fields that are `None` do not change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientChange {
    /// The display name.
    pub name: Option<String>,
    /// The names of the allowed grants.
    pub grants: Option<Vec<String>>,
    /// The allowed scopes.
    pub scopes: Option<GrantedScopes>,
    /// The allowed audiences, or `Some(None)` for the default of [`Client::audiences`].
    pub audiences: Option<Option<Vec<Audience>>>,
    /// The new value of [`Client::introspect_all`].
    pub introspect_all: Option<bool>,
}

impl ClientChange {
    /// Returns the columns that change, with their new values.
    fn columns(&self) -> Vec<(&'static str, Parameter<'_>)> {
        let columns = [
            ("name", self.name.as_deref().map(Into::into)),
            ("grants", self.grants.as_ref().map(|grants| grants.join(" ").into())),
            ("scopes", self.scopes.as_ref().map(|scopes| scopes.scope().into())),
            ("audiences", self.audiences.as_ref().map(|audiences| audiences.as_deref().map(lines).into())),
            ("introspect_all", self.introspect_all.map(Into::into)),
        ];
        columns.into_iter().filter_map(|(column, value)| Some((column, value?))).collect()
    }
}

impl ClientSecret {
    /// Generates a secret for a client: 32 random bytes in base64url.
    ///
    /// # Errors
    /// [`StoreError`] if the operating system provides no random bytes.
    pub fn generate() -> Result<Self, StoreError> {
        let mut random = zeroize::Zeroizing::new([0; 32]);
        getrandom::fill(&mut *random).map_err(|error| {
            BackendError::new(format!("cannot get random bytes from the operating system: {error}"))
        })?;
        Ok(URL_SAFE_NO_PAD.encode(*random).into())
    }
}

/// Joins audiences with newlines, which they do not contain.
pub(super) fn lines(audiences: &[Audience]) -> String {
    audiences.iter().map(Audience::as_str).collect::<Vec<_>>().join("\n")
}

/// Reads the audiences from a row.
pub(super) fn audiences(row: &Row) -> Result<Option<Vec<Audience>>, BackendError> {
    let stored: Option<String> = row.get("audiences")?;
    let parsed = stored.map(|lines| lines.lines().map(Audience::new).collect::<Result<_, _>>());
    parsed.transpose().map_err(Into::into)
}

fn registered(row: &Row) -> Result<RegisteredClient, BackendError> {
    let created = row.time("created")?;
    let (mut kind, mut secret_created, mut old_secret) = (ClientKind::Public, None, None);
    if !row.get::<bool>("is_public")? {
        let mut secrets = vec![ClientSecretHash::from_stored(row.get("secret_hash")?)];
        secret_created = Some(row.optional_time("secret_created")?.unwrap_or(created));
        let times = row.optional_time("old_secret_created")?.zip(row.optional_time("old_secret_expires")?);
        if let (Some(hash), Some((created, expires))) = (row.get::<Option<String>>("old_secret_hash")?, times)
        {
            secrets.push(ClientSecretHash::from_stored(hash).until(expires));
            old_secret = Some(OldSecret { created, expires });
        }
        kind = ClientKind::Confidential(secrets);
    }
    let client = Client {
        id: row.parse("client_id")?,
        kind,
        grants: row.get::<String>("grants")?.split_whitespace().map(str::to_owned).collect(),
        scopes: row.parse_optional("scopes")?.map_or(GrantedScopes::All, GrantedScopes::Only),
        audiences: audiences(row)?,
        introspect_all: row.get("introspect_all")?,
    };
    Ok(RegisteredClient { client, name: row.get("name")?, created, secret_created, old_secret })
}

impl SqlClients {
    /// Creates a registry for the clients in this database.
    pub fn new(database: Database) -> Self {
        Self { database, actor: None }
    }

    /// Records changes made through this handle in the audit trail, as changes by `actor`.
    #[must_use]
    pub fn audited(self, actor: Actor) -> Self {
        Self { actor: Some(actor), ..self }
    }

    fn entry(&self, kind: EventKind, client_id: &ClientId, detail: Option<String>) -> Option<AuditEntry> {
        let client_id = Some(client_id.as_str().to_owned());
        self.actor.as_ref().map(|actor| AuditEntry { client_id, detail, ..actor.entry(kind) })
    }

    /// Registers a client. Only the first secret of a confidential client is stored. Returns `false`, and changes
    /// nothing, if the identifier is taken.
    ///
    /// # Errors
    /// [`StoreError`] if the client could not be stored.
    pub async fn add(&self, client: &Client, name: &str) -> Result<bool, StoreError> {
        let secret = match &client.kind {
            ClientKind::Public => None,
            ClientKind::Confidential(secrets) => secrets.first(),
        };
        let insert = Statement::new(INSERT)
            .bind(&client.id)
            .bind(name)
            .bind(client.is_public())
            .bind(client.grants.join(" "))
            .bind(client.scopes.scope())
            .bind(client.audiences.as_deref().map(lines))
            .bind(client.introspect_all)
            .bind(secret.map_or("", ClientSecretHash::as_str))
            .bind(Timestamp::now());
        let entry = self.entry(EventKind::ClientAdded, &client.id, None);
        Ok(self.database.apply(insert, None, entry, Timestamp::now()).await?)
    }

    /// Finds a client.
    ///
    /// # Errors
    /// [`StoreError`] if the database cannot be read.
    pub async fn find(&self, client_id: &ClientId) -> Result<Option<RegisteredClient>, StoreError> {
        Ok(self.database.pool.fetch_optional(Statement::new(FIND).bind(client_id), registered).await?)
    }

    /// Returns all clients, ordered by identifier.
    ///
    /// # Errors
    /// [`StoreError`] if the database cannot be read.
    pub async fn all(&self) -> Result<Vec<RegisteredClient>, StoreError> {
        Ok(self.database.pool.fetch(Statement::new(ALL), registered).await?)
    }

    /// Changes a client. Returns whether the client exists. Tokens that were already issued to the client on behalf of
    /// users keep their scopes and audiences until they expire or are refreshed.
    ///
    /// # Errors
    /// [`StoreError`] if the change could not be stored.
    pub async fn update(&self, client_id: &ClientId, change: ClientChange) -> Result<bool, StoreError> {
        let columns = change.columns();
        let names: Vec<_> = columns.iter().map(|(column, _)| *column).collect();
        let detail = Some(names.join(", "));
        let mut update = Statement::new("UPDATE clients SET client_id = client_id");
        for (column, value) in columns {
            update.push(&format!(", {column} = ")).push_bind(value);
        }
        update.push(" WHERE client_id = ").push_bind(client_id);
        self.change(client_id, update, detail).await
    }

    /// Gives a confidential client a new secret. The previous secret stays valid for `grace`. Returns `false`, and
    /// changes nothing, if the client is unknown or public, or if it already has two valid secrets and `grace` is not
    /// zero.
    ///
    /// # Errors
    /// [`StoreError`] if the secret could not be stored.
    pub async fn rotate_secret(
        &self,
        client_id: &ClientId,
        secret: &ClientSecret,
        grace: Duration,
    ) -> Result<bool, StoreError> {
        let now = Timestamp::now();
        let hash = ClientSecretHash::of(secret);
        let statement = if grace.is_zero() {
            // Revokes the old secret immediately, even on replicas whose clock is behind.
            Statement::new(REPLACE).bind(hash.as_str()).bind(now).bind(client_id)
        } else {
            let rotate = Statement::new(ROTATE).bind(now + grace).bind(hash.as_str());
            rotate.bind(now).bind(client_id).bind(now)
        };
        self.change(client_id, statement, Some("new secret".to_owned())).await
    }

    /// Revokes the older of two secrets. Returns whether there were two secrets, even if the older one had expired.
    ///
    /// # Errors
    /// [`StoreError`] if the change could not be stored.
    pub async fn revoke_old_secret(&self, client_id: &ClientId) -> Result<bool, StoreError> {
        let revoke = Statement::new(REVOKE_OLD).bind(client_id);
        self.change(client_id, revoke, Some("old secret revoked".to_owned())).await
    }

    /// Runs a statement that changes a client. Returns whether it changed a row.
    async fn change(
        &self,
        client_id: &ClientId,
        statement: Statement<'_>,
        detail: Option<String>,
    ) -> Result<bool, StoreError> {
        let entry = self.entry(EventKind::ClientChanged, client_id, detail);
        let change = Invalidation::Client(client_id.clone());
        Ok(self.database.apply(statement, Some(&change), entry, Timestamp::now()).await?)
    }

    /// Removes a client and every session that it opened. Returns whether the client existed.
    ///
    /// A concurrent sign-in through the client may still open a session and return an access token. That session cannot
    /// be refreshed, because the client is no longer registered.
    ///
    /// # Errors
    /// [`StoreError`] if the client could not be removed.
    pub async fn remove(&self, client_id: &ClientId) -> Result<bool, StoreError> {
        let mut transaction = self.database.pool.begin().await?;
        if transaction.execute(Statement::new(REMOVE).bind(client_id)).await? == 0 {
            return Ok(false);
        }
        transaction.execute(Statement::new(END_SESSIONS).bind(client_id)).await?;
        let entry = self.entry(EventKind::ClientRemoved, client_id, None);
        let change = Invalidation::Client(client_id.clone());
        self.database.commit(transaction, Some(&change), entry, Timestamp::now()).await?;
        Ok(true)
    }
}

impl ClientRegistry for SqlClients {
    async fn find(&self, client_id: &ClientId) -> Result<Option<Client>, BackendError> {
        let find = Statement::new(FIND).bind(client_id);
        self.database.pool.fetch_optional(find, |row| registered(row).map(|found| found.client)).await
    }
}
