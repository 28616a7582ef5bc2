//! The clients' table.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};

use crate::{
    adapters::sql::{
        audit::{self, Actor, AuditEntry},
        column::{moment, seconds},
        database::{Database, fault, on_either, unless_taken},
        write::in_write,
    },
    domain::{
        backend_error::BackendError, client::ClientId, event::EventKind, invalidation::Invalidation,
        ports::ClientRegistry, secret::ClientSecret, time::Timestamp,
    },
};

const SECRET_HASH: &str = "SELECT secret_hash FROM clients WHERE client_id = $1";
const FIND: &str = "SELECT client_id, created FROM clients WHERE client_id = $1";
const ALL: &str = "SELECT client_id, created FROM clients ORDER BY client_id";
const INSERT: &str = "INSERT INTO clients (client_id, secret_hash, created) VALUES ($1, $2, $3)";
const REMOVE: &str = "DELETE FROM clients WHERE client_id = $1";

/// As long as a hash, and none.
const DUMMY_HASH: &str = "-------------------------------------------";

/// The registered clients of a [`Database`].
#[derive(Clone, Debug)]
pub struct SqlClients {
    database: Database,
    actor: Option<Actor>,
}

/// A client that was registered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegisteredClient {
    /// Its name.
    pub client_id: ClientId,
    /// When it was registered.
    pub created: Timestamp,
}

/// A secret for a new client: 32 random bytes in base64url.
///
/// ```
/// # let random = [7; 32];
/// let secret = gatepass::sql::client_secret(random);
/// assert_eq!(secret.expose().len(), 43);
/// ```
pub fn client_secret(random: [u8; 32]) -> ClientSecret {
    URL_SAFE_NO_PAD.encode(random).into()
}

/// A secret of 256 random bits cannot be guessed however fast a guess is checked: unlike a password, it needs no
/// slow hash.
fn secret_hash(secret: &ClientSecret) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(secret.expose()))
}

/// No PostgreSQL text holds NUL, so nobody is called that.
fn is_nobody(client_id: &ClientId) -> bool {
    client_id.as_str().contains('\0')
}

fn registered((client_id, created): (String, i64)) -> RegisteredClient {
    RegisteredClient { client_id: client_id.into(), created: moment(created) }
}

impl SqlClients {
    /// The clients in this database.
    pub fn new(database: Database) -> Self {
        Self { database, actor: None }
    }

    /// The same, where the audit trail says of each change that this one made it.
    pub fn audited(self, actor: Actor) -> Self {
        Self { actor: Some(actor), ..self }
    }

    fn entry(&self, kind: EventKind, client_id: &ClientId, now: Timestamp) -> Option<AuditEntry> {
        let client_id = Some(client_id.as_str().to_owned());
        self.actor.as_ref().map(|actor| AuditEntry { client_id, ..actor.did(kind, now) })
    }

    /// Registers a client with a [secret](client_secret) of its own. Whether the name was free.
    ///
    /// # Errors
    /// Where the client could not be stored.
    pub async fn add(
        &self,
        client_id: &ClientId,
        secret: &ClientSecret,
        now: Timestamp,
    ) -> Result<bool, BackendError> {
        let mut write = self.database.write().await?;
        let is_free = unless_taken(in_write!(write, connection => {
            let insert = sqlx::query(INSERT).bind(client_id.as_str()).bind(secret_hash(secret)).bind(seconds(now));
            insert.execute(connection).await.map(drop)
        }))?;
        if !is_free {
            return Ok(false);
        }
        if let Some(entry) = self.entry(EventKind::ClientAdded, client_id, now) {
            audit::append(&mut write, &[entry]).await?;
        }
        write.commit().await?;
        Ok(true)
    }

    /// The client of this name, or `None`.
    ///
    /// # Errors
    /// Where the database cannot say.
    pub async fn find(&self, client_id: &ClientId) -> Result<Option<RegisteredClient>, BackendError> {
        if is_nobody(client_id) {
            return Ok(None);
        }
        let row = on_either!(self.database.pool(), connection => {
            sqlx::query_as(FIND).bind(client_id.as_str()).fetch_optional(connection).await
        });
        Ok(row.map_err(fault)?.map(registered))
    }

    /// Every client, by name.
    ///
    /// # Errors
    /// Where the database cannot say.
    pub async fn all(&self) -> Result<Vec<RegisteredClient>, BackendError> {
        let rows: Result<Vec<(String, i64)>, _> =
            on_either!(self.database.pool(), connection => sqlx::query_as(ALL).fetch_all(connection).await);
        Ok(rows.map_err(fault)?.into_iter().map(registered).collect())
    }

    /// Removes a client for good, with every session that began through it. Whether there was such a client.
    ///
    /// # Errors
    /// Where the client could not be removed.
    pub async fn remove(&self, client_id: &ClientId, now: Timestamp) -> Result<bool, BackendError> {
        if is_nobody(client_id) {
            return Ok(false);
        }
        let mut write = self.database.write().await?;
        let removed = in_write!(write, connection => {
            let remove = sqlx::query(REMOVE).bind(client_id.as_str());
            remove.execute(connection).await.map(|done| done.rows_affected())
        });
        if removed.map_err(fault)? == 0 {
            return Ok(false);
        }
        let entry = self.entry(EventKind::ClientRemoved, client_id, now);
        write.commit_audited(&Invalidation::Client(client_id.clone()), entry, now).await?;
        Ok(true)
    }

    async fn stored_hash(&self, client_id: &ClientId) -> Result<Option<String>, BackendError> {
        if is_nobody(client_id) {
            return Ok(None);
        }
        on_either!(self.database.pool(), connection => {
            sqlx::query_scalar(SECRET_HASH).bind(client_id.as_str()).fetch_optional(connection).await
        })
        .map_err(fault)
    }
}

impl ClientRegistry for SqlClients {
    async fn authenticate(&self, client_id: &ClientId, secret: &ClientSecret) -> Result<bool, BackendError> {
        let stored = self.stored_hash(client_id).await?;
        // The dummy_hash makes an unknown client cost the same comparison.
        let hash = stored.as_deref().unwrap_or(DUMMY_HASH);
        let same = secret_hash(secret).as_bytes().ct_eq(hash.as_bytes());
        let known = Choice::from(u8::from(stored.is_some()));
        Ok(bool::from(same & known))
    }
}
