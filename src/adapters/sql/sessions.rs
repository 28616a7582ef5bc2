//! The tables for sessions, revoked tokens and credentials versions.

use std::num::NonZeroU32;

use crate::{
    adapters::sql::{
        audit::{Actor, AuditEntry},
        clients,
        database::Database,
        engine::{Parameter, Row, Statement},
        pool::Connection,
    },
    domain::{
        backend_error::{BackendError, StoreError},
        claims::Claims,
        client::ClientInfo,
        event::EventKind,
        invalidation::Invalidation,
        scope::GrantedScopes,
        session::{
            CredentialsVersion, Delivery, DeliveryUpdate, NewSession, PreviousToken, Rotation, Session,
            SessionId, SessionOwner, SessionStore, TokenFamily, TokenHash,
        },
        time::Timestamp,
    },
};

const VERSION: &str = "SELECT version FROM credential_versions WHERE user_kind = $1 AND user_id = $2";
const ADD_VERSION: &str = "INSERT INTO credential_versions (user_kind, user_id, version) VALUES ($1, $2, 0) \
                           ON CONFLICT DO NOTHING";
const RAISE_VERSION: &str = "INSERT INTO credential_versions (user_kind, user_id, version) VALUES ($1, $2, 1) \
                             ON CONFLICT (user_kind, user_id) \
                             DO UPDATE SET version = credential_versions.version + 1";
const OPEN: &str = "INSERT INTO sessions (id, user_kind, user_id, client_id, scopes, address, user_agent, \
                    created, last_used, expires, family, newest, rotated, audiences) \
                    SELECT $1, user_kind, user_id, $2, $3, $4, $5, $6, $6, $7, $8, $9, $6, $13 \
                    FROM credential_versions WHERE user_kind = $10 AND user_id = $11 AND version = $12 \
                    FOR UPDATE";
/// The statement that ends a user's least recently used sessions above the maximum, but never the new session.
const EVICT: &str = "DELETE FROM sessions WHERE id IN (SELECT id FROM sessions \
                     WHERE user_kind = $1 AND user_id = $2 AND id <> $3 AND (expires IS NULL OR expires > $4) \
                     ORDER BY last_used DESC, created DESC, id LIMIT 1000000 OFFSET $5) RETURNING id";
const FIND_ACTIVE: &str = "SELECT COALESCE(rotated, created) AS rotated, first_sequence, sender_sequence, \
                           last_sequence, received FROM sessions \
                           WHERE user_kind = $1 AND user_id = $2 AND id = $3 \
                           AND NOT EXISTS (SELECT 1 FROM revoked_tokens WHERE token_id = $4)";
const REVOKE: &str = "INSERT INTO revoked_tokens (token_id, session_id) \
                      SELECT $4, id FROM sessions WHERE user_kind = $1 AND user_id = $2 AND id = $3 FOR SHARE \
                      ON CONFLICT (token_id) DO NOTHING";
const LIST: &str = "SELECT id, client_id, address, user_agent, created, last_used FROM sessions \
                    WHERE user_kind = $1 AND user_id = $2 AND (expires IS NULL OR expires > $3) \
                    ORDER BY last_used DESC, created DESC, id LIMIT 1000";
const END: &str = "DELETE FROM sessions WHERE user_kind = $1 AND user_id = $2 AND id = $3";
const END_ALL: &str = "DELETE FROM sessions WHERE user_kind = $1 AND user_id = $2";
const FIND_FAMILY: &str = "SELECT id, user_kind, user_id, client_id, scopes, audiences, address, user_agent, created, newest, \
                           previous, salt, rotated, first_sequence, sender_sequence, last_sequence, received \
                           FROM sessions WHERE family = $1";
const ROTATE: &str = "UPDATE sessions SET previous = newest, newest = $1, salt = $2, rotated = $3, \
                      last_used = $3, address = $4, user_agent = $5, expires = $6, first_sequence = $7, \
                      sender_sequence = $7, last_sequence = $7, received = FALSE \
                      WHERE family = $8 AND newest = $9 AND last_sequence = $7 - 1";

const ALL: &str = "SELECT id, user_kind, user_id, client_id, address, user_agent, created, last_used, \
                   (SELECT username FROM users WHERE users.id = user_id AND user_kind = 'User') AS username \
                   FROM sessions WHERE (expires IS NULL OR expires > ";
/// The statement that raises all versions. It blocks concurrent sign-ins of all users.
const RAISE_ALL_VERSIONS: &str = "UPDATE credential_versions SET version = version + 1";
const END_ALL_USERS: &str = "DELETE FROM sessions";

/// Sessions and their refresh tokens in a [`Database`]. The users may be stored anywhere.
///
/// [`Database::remove_expired`] removes expired sessions. [`Database::watch`] does this too, and reports changes to a
/// [`TokenCache`](crate::cache::TokenCache).
#[derive(Clone, Debug)]
pub struct SqlSessions {
    database: Database,
    actor: Option<Actor>,
}

/// A session with its user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserSession {
    /// The user that owns the session.
    pub owner: SessionOwner,
    /// The username, if the user is in the table `users`.
    pub username: Option<String>,
    /// The session.
    pub session: Session,
}

impl SqlSessions {
    /// Creates a store for the sessions in this database.
    pub fn new(database: Database) -> Self {
        Self { database, actor: None }
    }

    /// Records the sessions that are ended through this handle in the audit trail, as ended by `actor`.
    #[must_use]
    pub fn audited(self, actor: Actor) -> Self {
        Self { actor: Some(actor), ..self }
    }

    /// Returns at most `limit` sessions of one user or of all users that have not expired at `now`, most recently used
    /// first.
    ///
    /// # Errors
    /// [`StoreError`] if the database cannot be read.
    pub async fn all(
        &self,
        owner: Option<&SessionOwner>,
        limit: u32,
        now: Timestamp,
    ) -> Result<Vec<UserSession>, StoreError> {
        let mut select = Statement::new(ALL);
        select.push_bind(now).push(")");
        if let Some(owner) = owner {
            select.push(" AND user_kind = ").push_bind(&*owner.user_kind);
            select.push(" AND user_id = ").push_bind(&owner.subject);
        }
        select.push(" ORDER BY last_used DESC, created DESC, id LIMIT ").push_bind(i64::from(limit));
        Ok(self.database.pool.fetch(select, user_session).await?)
    }

    /// Ends the sessions of all users of every kind. Returns the number of ended sessions.
    ///
    /// # Errors
    /// [`StoreError`] if the change could not be stored.
    pub async fn end_all_users(&self, now: Timestamp) -> Result<u64, StoreError> {
        let mut transaction = self.database.pool.begin().await?;
        transaction.execute(Statement::new(RAISE_ALL_VERSIONS)).await?;
        let ended = transaction.execute(Statement::new(END_ALL_USERS)).await?;
        let detail = Some(format!("all users; sessions ended: {ended}"));
        let entry = self.actor.as_ref().map(|actor| actor.entry(EventKind::SessionsEnded));
        let entry = entry.map(|entry| AuditEntry { detail, ..entry });
        self.database.commit(transaction, Some(&Invalidation::Everything), entry, now).await?;
        Ok(ended)
    }

    fn entry(&self, kind: EventKind, owner: &SessionOwner, id: Option<&SessionId>) -> Option<AuditEntry> {
        self.actor.as_ref().map(|actor| AuditEntry {
            user_id: Some(owner.subject.to_string()),
            session_id: id.map(ToString::to_string),
            ..actor.entry(kind)
        })
    }
}

/// Ends every session of a user as part of a transaction. The version is raised first, which blocks concurrent
/// sign-ins.
pub(super) async fn end_all(transaction: &mut Connection, owner: &SessionOwner) -> Result<(), BackendError> {
    for statement in [RAISE_VERSION, END_ALL] {
        transaction.execute(of_owner(statement, owner)).await?;
    }
    Ok(())
}

/// Creates a statement whose first two parameters are the kind and the subject of the owner.
fn of_owner<'a>(statement: &'static str, owner: &'a SessionOwner) -> Statement<'a> {
    Statement::new(statement).bind(&*owner.user_kind).bind(&owner.subject)
}

impl SessionStore for SqlSessions {
    async fn credentials_version(&self, owner: &SessionOwner) -> Result<CredentialsVersion, BackendError> {
        let find =
            || self.database.pool.fetch_optional(of_owner(VERSION, owner), |row| row.get::<i64>("version"));
        let mut version = find().await?;
        if version.is_none() {
            // `end_all_users` raises only stored versions, and must reject this sign-in too.
            self.database.pool.execute(of_owner(ADD_VERSION, owner)).await?;
            version = find().await?;
        }
        Ok(CredentialsVersion(version.unwrap_or(0).try_into()?))
    }

    async fn open(&self, session: &NewSession<'_>) -> Result<Option<Vec<SessionId>>, BackendError> {
        let NewSession { owner, client_info, .. } = session;
        let CredentialsVersion(version) = session.credentials_version;
        let (family, first) = session.refresh_token.unzip();
        let open = Statement::new(OPEN)
            .bind(session.id)
            .bind(session.client_id.map(|client_id| client_id.as_str()))
            .bind(session.granted_scopes.scope())
            .bind(client_info.address.map(|address| address.to_string()))
            .bind(client_info.user_agent.as_deref())
            .bind(session.now)
            .bind(session.expires_at)
            .bind(family.map(|hash| hash.as_str()))
            .bind(first.map(|hash| hash.as_str()))
            .bind(&*owner.user_kind)
            .bind(&owner.subject)
            .bind(i64::try_from(version)?)
            .bind((!session.audiences.is_empty()).then(|| clients::lines(session.audiences)));
        let mut transaction = self.database.pool.begin().await?;
        // Locks the version, so that concurrent sign-ins of the user wait and count this session.
        if transaction.execute(open).await? == 0 {
            return Ok(None);
        }
        let mut evicted: Vec<SessionId> = Vec::new();
        // Sessions from the client credentials grant have no maximum: there may be too many to sort at each sign-in.
        if session.max_sessions != NonZeroU32::MAX {
            let others = i64::from(session.max_sessions.get()) - 1;
            let evict = of_owner(EVICT, owner).bind(session.id).bind(session.now).bind(others);
            evicted = transaction.fetch(evict, |row| row.parse("id")).await?;
        }
        let change = match &evicted[..] {
            [] => None,
            [one] => Some(Invalidation::Session(one.clone())),
            _ => Some(Invalidation::User(owner.subject.clone())),
        };
        self.database.commit(transaction, change.as_ref(), None, session.now).await?;
        Ok(Some(evicted))
    }

    async fn find_active(
        &self,
        owner: &SessionOwner,
        claims: &Claims,
    ) -> Result<Option<Delivery>, BackendError> {
        let Some(id) = &claims.session_id else { return Ok(None) };
        let find = of_owner(FIND_ACTIVE, owner).bind(id).bind(claims.token_id.as_deref());
        self.database.pool.fetch_optional(find, delivery).await
    }

    async fn revoke(
        &self,
        owner: &SessionOwner,
        claims: &Claims,
        now: Timestamp,
    ) -> Result<bool, BackendError> {
        let (Some(id), Some(token_id)) = (&claims.session_id, &claims.token_id) else { return Ok(false) };
        let revoke = of_owner(REVOKE, owner).bind(id).bind(&**token_id);
        self.database.apply(revoke, Some(&Invalidation::Session(id.clone())), None, now).await
    }

    async fn list(&self, owner: &SessionOwner, now: Timestamp) -> Result<Vec<Session>, BackendError> {
        self.database.pool.fetch(of_owner(LIST, owner).bind(now), session).await
    }

    async fn end(&self, owner: &SessionOwner, id: &SessionId, now: Timestamp) -> Result<bool, BackendError> {
        let entry = self.entry(EventKind::SessionEnded, owner, Some(id));
        let end = of_owner(END, owner).bind(id);
        self.database.apply(end, Some(&Invalidation::Session(id.clone())), entry, now).await
    }

    async fn end_all(&self, owner: &SessionOwner, now: Timestamp) -> Result<(), BackendError> {
        let mut transaction = self.database.pool.begin().await?;
        end_all(&mut transaction, owner).await?;
        let entry = self.entry(EventKind::SessionsEnded, owner, None);
        let change = Invalidation::User(owner.subject.clone());
        self.database.commit(transaction, Some(&change), entry, now).await
    }

    async fn find_token_family(&self, name: &TokenHash) -> Result<Option<TokenFamily>, BackendError> {
        self.database.pool.fetch_optional(Statement::new(FIND_FAMILY).bind(name), token_family).await
    }

    async fn rotate(&self, rotation: &Rotation<'_>) -> Result<bool, BackendError> {
        let rotate = Statement::new(ROTATE)
            .bind(rotation.to)
            .bind(rotation.salt)
            .bind(rotation.now)
            .bind(rotation.client_info.address.map(|address| address.to_string()))
            .bind(rotation.client_info.user_agent.as_deref())
            .bind(rotation.expires_at)
            .bind(i64::try_from(rotation.sequence)?)
            .bind(rotation.family)
            .bind(rotation.from);
        Ok(self.database.pool.execute(rotate).await? > 0)
    }

    async fn update_delivery(&self, update: &DeliveryUpdate<'_>) -> Result<bool, BackendError> {
        let DeliveryUpdate { session_id, from, to, request } = update;
        let columns = |delivery: &Delivery| -> Result<[(&str, Parameter<'_>); 3], BackendError> {
            Ok([
                ("sender_sequence", i64::try_from(delivery.to_sender)?.into()),
                ("last_sequence", i64::try_from(delivery.last)?.into()),
                ("received", delivery.is_received.into()),
            ])
        };
        let mut statement = Statement::new("UPDATE sessions SET first_sequence = first_sequence");
        for (column, value) in columns(to)? {
            statement.push(&format!(", {column} = ")).push_bind(value);
        }
        if let Some((client_info, now)) = request {
            statement.push(", address = ").push_bind(client_info.address.map(|address| address.to_string()));
            statement.push(", user_agent = ").push_bind(client_info.user_agent.as_deref());
            statement.push(", last_used = ").push_bind(*now);
        }
        statement.push(" WHERE id = ").push_bind(*session_id);
        statement.push(" AND first_sequence = ").push_bind(i64::try_from(from.first)?);
        for (column, value) in columns(from)? {
            statement.push(&format!(" AND {column} = ")).push_bind(value);
        }
        Ok(self.database.pool.execute(statement).await? > 0)
    }
}

fn session(row: &Row) -> Result<Session, BackendError> {
    Ok(Session {
        id: row.parse("id")?,
        client_id: row.parse_optional("client_id")?,
        client_info: client_info(row)?,
        created: row.time("created")?,
        last_used: row.time("last_used")?,
    })
}

fn user_session(row: &Row) -> Result<UserSession, BackendError> {
    Ok(UserSession { owner: owner(row)?, username: row.get("username")?, session: session(row)? })
}

fn owner(row: &Row) -> Result<SessionOwner, BackendError> {
    Ok(SessionOwner { user_kind: row.get::<String>("user_kind")?.into(), subject: row.parse("user_id")? })
}

fn client_info(row: &Row) -> Result<ClientInfo, BackendError> {
    let (address, user_agent) = (row.parse_optional("address")?, row.get("user_agent")?);
    Ok(ClientInfo { address, user_agent, device_cookie: None })
}

fn delivery(row: &Row) -> Result<Delivery, BackendError> {
    let sequence = |column| Ok::<_, BackendError>(row.get::<i64>(column)?.try_into()?);
    Ok(Delivery {
        rotated: row.time("rotated")?,
        first: sequence("first_sequence")?,
        to_sender: sequence("sender_sequence")?,
        last: sequence("last_sequence")?,
        is_received: row.get("received")?,
    })
}

fn token_family(row: &Row) -> Result<TokenFamily, BackendError> {
    let previous = row.get::<Option<String>>("previous")?.zip(row.get::<Option<String>>("salt")?);
    Ok(TokenFamily {
        session_id: row.parse("id")?,
        owner: owner(row)?,
        client_id: row.parse_optional("client_id")?,
        granted_scopes: row.parse_optional("scopes")?.map_or(GrantedScopes::All, GrantedScopes::Only),
        audiences: clients::audiences(row)?.unwrap_or_default(),
        client_info: client_info(row)?,
        created: row.time("created")?,
        current: TokenHash::from_stored(row.get("newest")?),
        previous: previous.map(|(hash, salt)| PreviousToken { hash: TokenHash::from_stored(hash), salt }),
        delivery: delivery(row)?,
    })
}

#[cfg(test)]
mod tests;
