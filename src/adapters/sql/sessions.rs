//! The tables of sessions, revoked tokens and credentials versions.

use crate::{
    adapters::sql::{
        database::Database,
        engine::{Row, Statement},
        pool::Connection,
    },
    domain::{
        backend_error::BackendError,
        claims::Claims,
        client::ClientInfo,
        invalidation::Invalidation,
        scope::GrantedScopes,
        session::{
            CredentialsVersion, NewSession, PreviousToken, Rotation, Session, SessionId, SessionOwner,
            SessionStore, TokenFamily, TokenHash,
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
                    created, last_used, expires, family, newest, rotated) \
                    SELECT $1, user_kind, user_id, $2, $3, $4, $5, $6, $6, $7, $8, $9, $6 \
                    FROM credential_versions WHERE user_kind = $10 AND user_id = $11 AND version = $12 \
                    FOR SHARE";
const IS_ACTIVE: &str = "SELECT id FROM sessions WHERE user_kind = $1 AND user_id = $2 AND id = $3 \
                         AND NOT EXISTS (SELECT 1 FROM revoked_tokens WHERE token_id = $4)";
const REVOKE: &str = "INSERT INTO revoked_tokens (token_id, session_id) \
                      SELECT $4, id FROM sessions WHERE user_kind = $1 AND user_id = $2 AND id = $3 FOR SHARE \
                      ON CONFLICT (token_id) DO NOTHING";
const LIST: &str = "SELECT id, client_id, address, user_agent, created, last_used FROM sessions \
                    WHERE user_kind = $1 AND user_id = $2 AND (expires IS NULL OR expires > $3) \
                    ORDER BY last_used DESC, created DESC, id LIMIT 1000";
const END: &str = "DELETE FROM sessions WHERE user_kind = $1 AND user_id = $2 AND id = $3";
const END_ALL: &str = "DELETE FROM sessions WHERE user_kind = $1 AND user_id = $2";
const FIND_FAMILY: &str = "SELECT id, user_kind, user_id, client_id, scopes, created, newest, rotated, previous, \
                           salt FROM sessions WHERE family = $1";
const ROTATE: &str = "UPDATE sessions SET previous = newest, newest = $1, salt = $2, rotated = $3, \
                      last_used = $3, address = $4, user_agent = $5, expires = $6 \
                      WHERE family = $7 AND newest = $8";

/// Sessions and their refresh tokens in a [`Database`]. The users may be stored anywhere.
///
/// [`Database::watch`] removes expired sessions, and reports changes to a [`TokenCache`](crate::cache::TokenCache).
#[derive(Clone, Debug)]
pub struct SqlSessions {
    database: Database,
}

impl SqlSessions {
    /// Creates the store of the sessions in this database.
    pub fn new(database: Database) -> Self {
        Self { database }
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

/// Creates a statement whose first two parameters are the owner.
fn of_owner<'a>(statement: &'static str, owner: &'a SessionOwner) -> Statement<'a> {
    Statement::new(statement).bind(&*owner.user_kind).bind(&owner.subject)
}

impl SessionStore for SqlSessions {
    async fn credentials_version(&self, owner: &SessionOwner) -> Result<CredentialsVersion, BackendError> {
        let find = of_owner(VERSION, owner);
        let version = self.database.pool.fetch_optional(find, |row| row.get::<i64>("version")).await?;
        Ok(CredentialsVersion(version.unwrap_or(0).try_into()?))
    }

    async fn open(&self, session: &NewSession<'_>) -> Result<bool, BackendError> {
        let NewSession { owner, client_info, .. } = session;
        let CredentialsVersion(version) = session.credentials_version;
        if version == 0 {
            // Opening the session locks the user's row, which may not exist yet.
            self.database.pool.execute(of_owner(ADD_VERSION, owner)).await?;
        }
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
            .bind(i64::try_from(version)?);
        Ok(self.database.pool.execute(open).await? > 0)
    }

    async fn is_active(&self, owner: &SessionOwner, claims: &Claims) -> Result<bool, BackendError> {
        let Some(id) = &claims.session_id else { return Ok(false) };
        let find = of_owner(IS_ACTIVE, owner).bind(id).bind(claims.token_id.as_deref());
        Ok(self.database.pool.fetch_optional(find, |_| Ok(())).await?.is_some())
    }

    async fn revoke(
        &self,
        owner: &SessionOwner,
        claims: &Claims,
        now: Timestamp,
    ) -> Result<bool, BackendError> {
        let (Some(id), Some(token_id)) = (&claims.session_id, &claims.token_id) else { return Ok(false) };
        self.change_session(id, of_owner(REVOKE, owner).bind(id).bind(&**token_id), now).await
    }

    async fn list(&self, owner: &SessionOwner, now: Timestamp) -> Result<Vec<Session>, BackendError> {
        self.database.pool.fetch(of_owner(LIST, owner).bind(now), session).await
    }

    async fn end(&self, owner: &SessionOwner, id: &SessionId, now: Timestamp) -> Result<bool, BackendError> {
        self.change_session(id, of_owner(END, owner).bind(id), now).await
    }

    async fn end_all(&self, owner: &SessionOwner, now: Timestamp) -> Result<(), BackendError> {
        let mut transaction = self.database.pool.begin().await?;
        end_all(&mut transaction, owner).await?;
        self.database.commit(transaction, &Invalidation::User(owner.subject.clone()), None, now).await
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
            .bind(rotation.family)
            .bind(rotation.from);
        Ok(self.database.pool.execute(rotate).await? > 0)
    }
}

impl SqlSessions {
    /// Runs a statement, and invalidates cached tokens of the session if it changed a row. Returns whether it did.
    async fn change_session(
        &self,
        id: &SessionId,
        statement: Statement<'_>,
        now: Timestamp,
    ) -> Result<bool, BackendError> {
        let mut transaction = self.database.pool.begin().await?;
        if transaction.execute(statement).await? == 0 {
            return Ok(false);
        }
        self.database.commit(transaction, &Invalidation::Session(id.clone()), None, now).await?;
        Ok(true)
    }
}

fn session(row: &Row) -> Result<Session, BackendError> {
    Ok(Session {
        id: row.parse("id")?,
        client_id: row.parse_optional("client_id")?,
        client_info: ClientInfo {
            address: row.parse_optional("address")?,
            user_agent: row.get("user_agent")?,
            device_cookie: None,
        },
        created: row.time("created")?,
        last_used: row.time("last_used")?,
    })
}

fn token_family(row: &Row) -> Result<TokenFamily, BackendError> {
    let previous = row.get::<Option<String>>("previous")?.zip(row.get::<Option<String>>("salt")?);
    Ok(TokenFamily {
        session_id: row.parse("id")?,
        owner: SessionOwner {
            user_kind: row.get::<String>("user_kind")?.into(),
            subject: row.parse("user_id")?,
        },
        client_id: row.parse_optional("client_id")?,
        granted_scopes: row.parse_optional("scopes")?.map_or(GrantedScopes::All, GrantedScopes::Only),
        created: row.time("created")?,
        current: TokenHash::from_stored(row.get("newest")?),
        rotated: row.time("rotated")?,
        previous: previous.map(|(hash, salt)| PreviousToken { hash: TokenHash::from_stored(hash), salt }),
    })
}

#[cfg(test)]
mod tests;
