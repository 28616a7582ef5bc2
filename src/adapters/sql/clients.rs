//! The table of clients.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};

use crate::{
    adapters::sql::{
        audit::{self, Actor, AuditEntry},
        database::Database,
        engine::{Row, Statement},
    },
    domain::{
        backend_error::{BackendError, StoreError},
        client::ClientId,
        event::EventKind,
        invalidation::Invalidation,
        ports::ClientRegistry,
        secret::ClientSecret,
        time::Timestamp,
    },
};

const SECRET_HASH: &str = "SELECT secret_hash FROM clients WHERE client_id = $1";
const FIND: &str = "SELECT client_id, created FROM clients WHERE client_id = $1";
const ALL: &str = "SELECT client_id, created FROM clients ORDER BY client_id";
const INSERT: &str = "INSERT INTO clients (client_id, secret_hash, created) VALUES ($1, $2, $3) \
                      ON CONFLICT DO NOTHING";
const REMOVE: &str = "DELETE FROM clients WHERE client_id = $1";
const END_SESSIONS: &str = "DELETE FROM sessions WHERE client_id = $1";

/// A string of the length of a hash that is not the hash of any secret.
const DUMMY_HASH: &str = "-------------------------------------------";

/// The registered clients of a [`Database`].
#[derive(Clone, Debug)]
pub struct SqlClients {
    database: Database,
    actor: Option<Actor>,
}

/// A registered client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegisteredClient {
    /// The identifier.
    pub client_id: ClientId,
    /// The time of the registration.
    pub created: Timestamp,
}

impl ClientSecret {
    /// Generates a secret for a new client: 32 random bytes in base64url.
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

/// Hashes a secret. Unlike a password, 256 random bits need no slow hash.
fn secret_hash(secret: &ClientSecret) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(secret.expose()))
}

fn registered(row: &Row) -> Result<RegisteredClient, BackendError> {
    Ok(RegisteredClient { client_id: row.parse("client_id")?, created: row.time("created")? })
}

impl SqlClients {
    /// Creates the registry of the clients in this database.
    pub fn new(database: Database) -> Self {
        Self { database, actor: None }
    }

    /// Records changes made through this handle in the audit trail, as those of `actor`.
    #[must_use]
    pub fn audited(self, actor: Actor) -> Self {
        Self { actor: Some(actor), ..self }
    }

    fn entry(&self, kind: EventKind, client_id: &ClientId) -> Option<AuditEntry> {
        let client_id = Some(client_id.as_str().to_owned());
        self.actor.as_ref().map(|actor| AuditEntry { client_id, ..actor.entry(kind) })
    }

    /// Registers a client with a secret from [`ClientSecret::generate`]. Returns whether the identifier was free.
    ///
    /// # Errors
    /// [`StoreError`] if the client could not be stored.
    pub async fn add(&self, client_id: &ClientId, secret: &ClientSecret) -> Result<bool, StoreError> {
        let mut transaction = self.database.pool.begin().await?;
        let insert = Statement::new(INSERT).bind(client_id).bind(secret_hash(secret)).bind(Timestamp::now());
        if transaction.execute(insert).await? == 0 {
            return Ok(false);
        }
        let entry = self.entry(EventKind::ClientAdded, client_id);
        audit::append(&mut transaction, entry.as_slice()).await?;
        transaction.commit().await?;
        Ok(true)
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

    /// Removes a client and every session that it opened. Returns whether the client existed.
    ///
    /// A concurrent sign-in through the client may still open a session and return an access token. That session cannot
    /// be refreshed, because the client can no longer authenticate.
    ///
    /// # Errors
    /// [`StoreError`] if the client could not be removed.
    pub async fn remove(&self, client_id: &ClientId) -> Result<bool, StoreError> {
        let mut transaction = self.database.pool.begin().await?;
        if transaction.execute(Statement::new(REMOVE).bind(client_id)).await? == 0 {
            return Ok(false);
        }
        transaction.execute(Statement::new(END_SESSIONS).bind(client_id)).await?;
        let entry = self.entry(EventKind::ClientRemoved, client_id);
        self.database
            .commit(transaction, &Invalidation::Client(client_id.clone()), entry, Timestamp::now())
            .await?;
        Ok(true)
    }
}

impl ClientRegistry for SqlClients {
    async fn authenticate(&self, client_id: &ClientId, secret: &ClientSecret) -> Result<bool, BackendError> {
        let find = Statement::new(SECRET_HASH).bind(client_id);
        let stored: Option<String> =
            self.database.pool.fetch_optional(find, |row| row.get("secret_hash")).await?;
        // The dummy hash keeps response times equal for unknown clients.
        let hash = stored.as_deref().unwrap_or(DUMMY_HASH);
        let is_same = secret_hash(secret).as_bytes().ct_eq(hash.as_bytes());
        let is_known = Choice::from(u8::from(stored.is_some()));
        Ok(bool::from(is_same & is_known))
    }
}
